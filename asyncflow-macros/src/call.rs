//! How a task calls its function, what it passes to it, and how it is configured. The same for a local
//! function and for a method.
//!
//! Names that the macro introduces are hygienic ([`Span::mixed_site`]), and have the location that
//! an error about them should point at.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Expr, ExprReference, Ident, PathArguments, ReturnType, Signature, Token, Type, TypeParamBound,
};

use crate::args::{Kind, Setting, Settings};
use crate::params::{Param, Params, PassedAs, Source, ungrouped};

/// The most elements that a tuple of upstreams has.
const MAX_TUPLE: usize = 12;

/// A task's function, as it is called.
pub(crate) struct Call<'a> {
    pub(crate) signature: &'a Signature,
    pub(crate) params: &'a Params,
    pub(crate) settings: &'a Settings,
    /// What is called: `html`, or `Page::html`.
    pub(crate) path: TokenStream,
    /// The handle of the state that `&self` borrows, and its type.
    pub(crate) state: Option<(Ident, &'a Type)>,
}

/// One input: the parameter of the closure that receives it, and what is passed to `.inputs(..)`.
struct Input {
    parameter: TokenStream,
    passed: TokenStream,
}

impl Call<'_> {
    /// A closure that calls the function and always returns a `Result`, or the function itself if that does as
    /// well; in `each(..)` if the task works through a list.
    pub(crate) fn function(&self) -> TokenStream {
        let here = self.here();
        let function = match self.is_task_function() {
            true => self.path.clone(),
            false => {
                let parameters = self.inputs().into_iter().map(|input| input.parameter);
                self.closure(&quote_spanned!(here=> #(#parameters),*))
            }
        };
        let function = self.durable(function);
        match self.params.element() {
            Some(_) => quote_spanned!(here=> ::asyncflow::each(#function)),
            None => function,
        }
    }

    /// The function, with its output recorded if that is asked for.
    fn durable(&self, function: TokenStream) -> TokenStream {
        let Some(Setting { key, value, .. }) = self.settings.find(Kind::Durable) else {
            return function;
        };
        let here = hygienic(key.span());
        let durable = quote_spanned!(here=> ::asyncflow::durable::durable(#function));
        match value.expr() {
            Some(version) => quote_spanned!(here=> #durable.version(#version)),
            None => durable,
        }
    }

    /// The call of `.inputs(..)`; `None` if there are no inputs.
    pub(crate) fn inputs_call(&self) -> Option<TokenStream> {
        let here = self.here();
        let passed: Vec<_> = self
            .inputs()
            .into_iter()
            .map(|input| input.passed)
            .collect();
        match passed.as_slice() {
            [] => None,
            [one] => Some(quote_spanned!(here=> .inputs(#one))),
            several => Some(quote_spanned!(here=> .inputs((#(#several),*)))),
        }
    }

    /// Whether `Flow::add` would take the function as it is, as far as its spelling tells: its parameters are
    /// the inputs, and it returns a `Result` or what is always an output. A closure costs the compiler several
    /// times as much as a function.
    fn is_task_function(&self) -> bool {
        let mut others = self.params.others.iter();
        let inputs_alone =
            others.all(|param| !param.is_element() && !matches!(param.source, Source::Context));
        self.state.is_none() && inputs_alone && returns_outcome(&self.signature.output)
    }

    fn here(&self) -> Span {
        hygienic(self.signature.ident.span())
    }

    fn closure(&self, parameters: &TokenStream) -> TokenStream {
        let (here, path) = (self.here(), &self.path);
        let state = self.state_argument().into_iter();
        let arguments =
            state.chain((0..self.params.others.len()).map(|position| self.argument(position)));
        let call = quote_spanned!(here=> #path(#(#arguments),*));

        let output = &self.signature.output;
        let (asyncness, call) = if self.signature.asyncness.is_some() || returns_future(output) {
            let send = support("send", here);
            let asyncness = Token![async](here);
            (Some(asyncness), quote_spanned!(here=> #send(#call).await))
        } else {
            (None, call)
        };

        if let ReturnType::Type(_, returned) = output {
            if let Type::Never(_) = ungrouped(returned) {
                // There is no value whose type could tell.
                let settled = quote_spanned! {here=>
                    ::core::result::Result<(), ::core::convert::Infallible>
                };
                return quote_spanned!(here=> #asyncness |#parameters| -> #settled { #call });
            }
        }
        let returned_at = match output {
            ReturnType::Default => here,
            ReturnType::Type(_, returned) => hygienic(returned.span()),
        };
        let probe_value = support("probe", here);
        let traits = quote_spanned!(here=> ::asyncflow::__private::macro_support);
        let outcome = Ident::new("outcome", returned_at);
        let returned = Ident::new("returned", returned_at);
        quote_spanned! {here=>
            #asyncness |#parameters| {
                use #traits::{FutureOutcome as _, ValueOutcome as _};
                let #returned = #call;
                #probe_value(&#returned).#outcome(#returned)
            }
        }
    }

    /// The inputs, in the order of the closure's parameters: `each` takes the list first.
    fn inputs(&self) -> Vec<Input> {
        let state = self.state.as_ref().map(|(handle, state)| {
            let (here, argument) = (self.here(), self.state_argument());
            Input {
                parameter: quote_spanned!(here=> #argument: &#state),
                passed: handle.to_token_stream(),
            }
        });
        let others = self
            .params
            .others
            .iter()
            .enumerate()
            .map(|(position, param)| {
                let (argument, declared) = (self.argument(position), &param.declared);
                let here = hygienic(param.name.span());
                let parameter = match param.source {
                    // A wrong type is then an error at the function's parameter.
                    Source::Context => quote_spanned!(here=> #argument: &::asyncflow::TaskContext),
                    _ => quote_spanned!(here=> #argument: #declared),
                };
                Input {
                    parameter,
                    passed: passed(param),
                }
            });
        let mut inputs: Vec<_> = state.into_iter().chain(others).collect();
        if let Some(element) = self.params.others.iter().position(Param::is_element) {
            let element = element + usize::from(self.state.is_some());
            inputs[..=element].rotate_right(1);
        }
        inputs
    }

    fn state_argument(&self) -> Option<Ident> {
        self.state
            .as_ref()
            .map(|_| Ident::new("state", self.here()))
    }

    /// The name in the closure of the parameter at a position.
    fn argument(&self, position: usize) -> Ident {
        let span = hygienic(self.params.others[position].name.span());
        Ident::new(&format!("input{position}"), span)
    }
}

/// Whether a return type is surely an outcome: nothing, a primitive type, or a `Result` under any path.
fn returns_outcome(output: &ReturnType) -> bool {
    const PRIMITIVE: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize",
    ];
    let ReturnType::Type(_, returned) = output else {
        return true;
    };
    match ungrouped(returned) {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last();
            last.is_some_and(|last| match &last.arguments {
                PathArguments::None => PRIMITIVE.iter().any(|name| path.path.is_ident(name)),
                PathArguments::AngleBracketed(_) => last.ident == "Result",
                PathArguments::Parenthesized(_) => false,
            })
        }
        _ => false,
    }
}

/// What is passed to `.inputs(..)` for a parameter.
fn passed(param: &Param) -> TokenStream {
    let Param {
        name,
        source,
        passed_as,
        output,
        ..
    } = param;
    let here = hygienic(name.span());
    let one = |handle: &dyn ToTokens| {
        let convert = match (source, passed_as) {
            (Source::Each(_), PassedAs::Moved) => "elements_moved",
            (Source::Each(_), _) => "elements",
            (Source::Upstreams(_), PassedAs::ListedOptional) => "optional",
            (_, PassedAs::Borrowed | PassedAs::Listed) => "borrowed",
            (_, PassedAs::Optional | PassedAs::ListedOptional) => "optional",
            (_, PassedAs::Moved) => "moved",
        };
        let convert = support(convert, here);
        quote_spanned!(here=> #convert::<#output, _>(#handle))
    };
    // A list that a variable holds.
    let listed = |convert: &str, list: &Expr| {
        let convert = support(convert, here);
        let borrow = Token![&](list.span());
        quote_spanned!(here=> #convert::<#output, _>(#borrow #list))
    };
    match (source, passed_as) {
        (Source::Upstream(list), PassedAs::Listed) => listed("listed", list),
        (Source::Upstream(list), PassedAs::ListedOptional) => listed("listed_optional", list),
        (Source::Upstream(upstream), _) | (Source::Each(upstream), _) => one(upstream),
        (Source::Input(input), _) => one(input),
        (Source::Upstreams(upstreams), _) => {
            let each = upstreams.iter().map(|upstream| one(upstream));
            quote_spanned!(here=> ::std::vec![#(#each),*])
        }
        (Source::Context, _) => quote_spanned!(here=> ::asyncflow::context()),
    }
}

/// Whether a function that is not `async` returns `impl Future`, which may borrow its inputs.
fn returns_future(output: &ReturnType) -> bool {
    let ReturnType::Type(_, returned) = output else {
        return false;
    };
    let Type::ImplTrait(returned) = ungrouped(returned) else {
        return false;
    };
    returned.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let name = bound.path.segments.last();
            name.is_some_and(|name| name.ident == "Future")
        }
        _ => false,
    })
}

/// The name of the task: the argument `name`, or else the name of the function.
pub(crate) fn task_name(settings: &Settings, name: &Ident) -> TokenStream {
    match settings.find(Kind::Name) {
        Some(Setting { value, .. }) => value.to_token_stream(),
        None => name.unraw().to_string().to_token_stream(),
    }
}

/// The lints that the parameters of tasks would cause: the upstreams decide how many there are, and
/// their types.
pub(crate) fn allowed_lints() -> TokenStream {
    quote! {
        #[allow(
            clippy::borrowed_box,
            clippy::ptr_arg,
            clippy::ref_option,
            clippy::too_many_arguments,
            clippy::trivially_copy_pass_by_ref
        )]
    }
}

impl Kind {
    /// Whether the argument names other tasks.
    pub(crate) fn names_tasks(self) -> bool {
        matches!(
            self,
            Self::Upstream | Self::AfterAny | Self::RunIf | Self::RunUnless | Self::RunWhen
        )
    }
}

impl Setting {
    /// The method call that an argument stands for; `None` for those that are no method of a configured
    /// function: the name, the output, and what is durable.
    pub(crate) fn call(&self) -> Option<TokenStream> {
        let Setting { kind, key, value } = self;
        let here = hygienic(key.span());
        let value = value.expr();
        let call = match kind {
            // One call for each, because the handles may have different output types.
            Kind::Upstream => each(value, |upstream| quote_spanned!(here=> .after(#upstream))),
            Kind::Lock => each(value, |lock| quote_spanned!(here=> .with_lock(#lock))),
            Kind::AfterAny => {
                let any = value.map(any_of);
                quote_spanned!(here=> .after_any(#any))
            }
            Kind::Name | Kind::Output | Kind::Durable => return None,
            Kind::Timeout => quote_spanned!(here=> .timeout(#value)),
            Kind::Retry => quote_spanned!(here=> .retry(#value)),
            Kind::RetryWhen => quote_spanned!(here=> .retry_when(#value)),
            Kind::Fallback => quote_spanned!(here=> .fallback(#value)),
            Kind::AllowFailure => quote_spanned!(here=> .allow_failure()),
            Kind::Always => quote_spanned!(here=> .always()),
            Kind::RunIf => quote_spanned!(here=> .run_if(#value)),
            Kind::RunUnless => quote_spanned!(here=> .run_unless(#value)),
            Kind::RunWhen => {
                let both = value.map(elements).unwrap_or_default();
                quote_spanned!(here=> .run_when(#(#both),*))
            }
            Kind::Priority => quote_spanned!(here=> .priority(#value)),
        };
        Some(call)
    }
}

fn each(value: Option<&Expr>, call: impl Fn(Expr) -> TokenStream) -> TokenStream {
    let mut all = Vec::new();
    if let Some(value) = value {
        flatten(value, &mut all);
    }
    all.into_iter()
        .map(|element| call(borrowed(element)))
        .collect()
}

/// Collects the elements of an array or tuple literal. Any other expression is one element.
pub(crate) fn flatten<'a>(value: &'a Expr, elements: &mut Vec<&'a Expr>) {
    match value {
        Expr::Array(array) => array.elems.iter().for_each(|each| flatten(each, elements)),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|each| flatten(each, elements)),
        Expr::Paren(paren) => flatten(&paren.expr, elements),
        Expr::Group(group) => flatten(&group.expr, elements),
        other => elements.push(other),
    }
}

/// The elements of a tuple literal. Any other expression is one element.
pub(crate) fn elements(value: &Expr) -> Vec<&Expr> {
    match value {
        Expr::Tuple(tuple) => tuple.elems.iter().collect(),
        other => vec![other],
    }
}

/// One value for all elements, because they are alternatives; a tuple of tuples if there are more
/// than a tuple holds.
fn any_of(value: &Expr) -> TokenStream {
    let mut elements = Vec::new();
    flatten(value, &mut elements);
    let elements: Vec<_> = elements.into_iter().map(borrowed).collect();
    match elements.as_slice() {
        [one] => one.to_token_stream(),
        few if few.len() <= MAX_TUPLE => quote!((#(#few),*)),
        many => {
            let tuples = many.chunks(MAX_TUPLE).map(|some| quote!((#(#some,)*)));
            quote!((#(#tuples),*))
        }
    }
}

/// Borrows an argument, so that its owner can use the list or the lock again.
fn borrowed(value: &Expr) -> Expr {
    if let Expr::Reference(_) = value {
        return value.clone();
    }
    Expr::Reference(ExprReference {
        attrs: Vec::new(),
        and_token: Token![&](value.span()),
        mutability: None,
        expr: Box::new(value.clone()),
    })
}

/// The path of a function of the module that expansions use.
pub(crate) fn support(function: &str, span: Span) -> TokenStream {
    let function = format_ident!("{function}", span = span);
    quote_spanned!(span=> ::asyncflow::__private::macro_support::#function)
}

/// A hygienic span with the location of another.
pub(crate) fn hygienic(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
