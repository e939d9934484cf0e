//! What `#[task]` becomes.
//!
//! ```text
//! let html = {
//!     let task = {
//!         fn html(user: &User, posts: &Vec<Post>) -> Html { .. }
//!         |input0: &User, input1: &Vec<Post>| {
//!             let returned = html(input0, input1);
//!             ::asyncflow::__private::macro_support::probe(&returned).outcome(returned)
//!         }
//!     };
//!     let task = ::asyncflow::TaskExt::named(task, "html");
//!     let task = task.inputs((
//!         ::asyncflow::__private::macro_support::borrowed::<User, _>(user),
//!         ::asyncflow::__private::macro_support::borrowed::<Vec<Post>, _>(posts),
//!     ));
//!     let task = task.after(&login);
//!     flow.add(task)
//! };
//! let _ = html;
//! ```
//!
//! The function has a block of its own, so that a task `user` can have a parameter `user`: outside
//! of that block only handles go by their names. The task is complete before the flow is touched,
//! so that an argument may use the flow too.
//!
//! Names of our own are hygienic ([`Span::mixed_site`]), and located where an error should point.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprReference, Ident, Item, Result, ReturnType, Token, Type, TypeParamBound,
    Visibility,
};

use crate::args::{Args, Kind, Setting};
use crate::function::Function;
use crate::params::{self, How, Param};

/// As many elements as a tuple of upstreams has.
const TUPLE: usize = 12;

/// Expands a function with `#[task(..)]` on it.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<Function>(item.clone()) {
        Ok(mut function) => {
            declare(args, &mut function).unwrap_or_else(|error| refused(&function, &error))
        }
        Err(error) => {
            let error = error.to_compile_error();
            // An item stays, so that whoever uses it gets no error of his own.
            let item = syn::parse2::<Item>(item).ok();
            quote!(#error #item)
        }
    }
}

/// Errors in place of the declaration.
fn refused(function: &Function, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    let method = function.signature.receiver().is_some();
    if method || !matches!(function.visibility, Visibility::Inherited) {
        // Probably not in a body at all, where a `let` would be a syntax error that hides ours.
        return errors;
    }
    // An erroneous handle causes no errors where it is used; a missing one would.
    let name = &function.signature.ident;
    quote!(let #name = { #errors }; let _ = #name;)
}

fn declare(args: TokenStream, function: &mut Function) -> Result<TokenStream> {
    let checked = function.check();
    let args = syn::parse2::<Args>(args);
    let always = args
        .as_ref()
        .is_ok_and(|args| args.find(Kind::Always).is_some());
    let params = params::check(&mut function.signature.inputs, always);
    let ((), args, params) = all(checked, args, params)?;

    let name = &function.signature.ident;
    let attributes: Vec<_> = function.attributes_of_handle().collect();
    let callable = callable(function, &params);
    let label = label(&args, name);
    let calls = inputs(&params)
        .into_iter()
        .chain(args.settings.iter().filter_map(setting));
    let flow = receiver(&args.flow);
    let task = Ident::new("task", at(name.span()));
    let add = Ident::new("add", at(args.flow.span()));
    let named = quote_spanned!(at(name.span())=> ::asyncflow::TaskExt::named);
    Ok(quote! {
        #(#attributes)*
        let #name = {
            let #task = {
                // Its inputs decide how many parameters a task has, and of what types.
                #[allow(
                    clippy::borrowed_box,
                    clippy::ptr_arg,
                    clippy::ref_option,
                    clippy::too_many_arguments,
                    clippy::trivially_copy_pass_by_ref
                )]
                #function
                #callable
            };
            let #task = #named(#task, #label);
            #(let #task = #task #calls;)*
            #flow.#add(#task)
        };
        // Not everybody needs the handle. Instead of an attribute, because rustc explains a `let`
        // outside of a body, but not an attribute on one.
        #(#attributes)*
        let _ = #name;
    })
}

/// All three, or all of their errors.
fn all<A, B, C>(a: Result<A>, b: Result<B>, c: Result<C>) -> Result<(A, B, C)> {
    match (a, b, c) {
        (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
        (a, b, c) => {
            let errors = [a.err(), b.err(), c.err()].into_iter().flatten();
            let all = errors.reduce(|mut first, next| {
                first.combine(next);
                first
            });
            Err(all.expect("one of the three is an error"))
        }
    }
}

/// The flow as one calls a method on it: `(*flow)`, but `flow` and `self.flow`.
fn receiver(flow: &Expr) -> TokenStream {
    match flow {
        Expr::Path(_) | Expr::Field(_) | Expr::Index(_) | Expr::Call(_) | Expr::MethodCall(_) => {
            flow.to_token_stream()
        }
        other => quote!((#other)),
    }
}

/// A closure around the function, of the same parameters, that returns a `Result` in any case.
fn callable(function: &Function, params: &[Param]) -> TokenStream {
    let signature = &function.signature;
    let name = &signature.ident;
    let here = at(name.span());
    let inputs: Vec<_> = (0..params.len())
        .map(|position| Ident::new(&format!("input{position}"), here))
        .collect();
    let declared = params.iter().map(|param| &param.declared);
    let parameters = quote_spanned!(here=> #(#inputs: #declared),*);

    let call = quote_spanned!(here=> #name(#(#inputs),*));
    let (asyncness, call) = if signature.asyncness.is_some() || returns_future(&signature.output) {
        let send = probe("send", here);
        let asyncness = Token![async](here);
        (Some(asyncness), quote_spanned!(here=> #send(#call).await))
    } else {
        (None, call)
    };

    if let ReturnType::Type(_, returned) = &signature.output {
        if let Type::Never(_) = params::bare(returned) {
            // Nothing is returned that could be probed.
            let settled = quote_spanned! {here=>
                ::core::result::Result<(), ::core::convert::Infallible>
            };
            return quote_spanned!(here=> #asyncness |#parameters| -> #settled { #call });
        }
    }
    let returned_at = match &signature.output {
        ReturnType::Default => here,
        ReturnType::Type(_, returned) => at(returned.span()),
    };
    let probe_value = probe("probe", here);
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

/// Whether a function that is not `async` is written to return a future that borrows its inputs.
fn returns_future(output: &ReturnType) -> bool {
    let ReturnType::Type(_, returned) = output else {
        return false;
    };
    let Type::ImplTrait(returned) = params::bare(returned) else {
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

/// The task's name: what was asked for, or the function's.
fn label(args: &Args, name: &Ident) -> TokenStream {
    match args.find(Kind::Name) {
        Some(Setting { value, .. }) => value.to_token_stream(),
        None => name.unraw().to_string().to_token_stream(),
    }
}

/// `.inputs(..)`, unless there are none.
fn inputs(params: &[Param]) -> Option<TokenStream> {
    let each = params.iter().map(|param| {
        let Param {
            handle,
            how,
            output,
            ..
        } = param;
        let here = at(handle.span());
        let (convert, borrow) = match how {
            How::Borrowed => ("borrowed", None),
            How::Optional => ("optional", None),
            How::Moved => ("moved", None),
            How::Listed => ("listed", Some(Token![&](handle.span()))),
        };
        let convert = probe(convert, here);
        quote_spanned!(here=> #convert::<#output, _>(#borrow #handle))
    });
    match params {
        [] => None,
        [_] => Some(quote!(.inputs(#(#each),*))),
        _ => Some(quote!(.inputs((#(#each),*)))),
    }
}

/// The method call that an argument stands for; none for the name, which [`label`] takes care of.
fn setting(setting: &Setting) -> Option<TokenStream> {
    let Setting { kind, key, value } = setting;
    let here = at(key.span());
    let value = value.as_ref();
    let call = match kind {
        // One call for each, since they may be handles of different outputs.
        Kind::Upstream => each(value, |upstream| quote_spanned!(here=> .after(#upstream))),
        Kind::Lock => each(value, |lock| quote_spanned!(here=> .with_lock(#lock))),
        Kind::AfterAny => {
            let any = value.map(any_of);
            quote_spanned!(here=> .after_any(#any))
        }
        Kind::Name => return None,
        Kind::Timeout => quote_spanned!(here=> .timeout(#value)),
        Kind::Retry => quote_spanned!(here=> .retry(#value)),
        Kind::Always => quote_spanned!(here=> .always()),
        Kind::RunIf => quote_spanned!(here=> .run_if(#value)),
    };
    Some(call)
}

fn each(value: Option<&Expr>, call: impl Fn(Expr) -> TokenStream) -> TokenStream {
    let mut elements = Vec::new();
    if let Some(value) = value {
        flatten(value, &mut elements);
    }
    elements
        .into_iter()
        .map(|element| call(borrowed(element)))
        .collect()
}

/// The elements of an array or tuple literal; anything else is an element itself.
fn flatten<'a>(value: &'a Expr, elements: &mut Vec<&'a Expr>) {
    match value {
        Expr::Array(array) => array.elems.iter().for_each(|each| flatten(each, elements)),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|each| flatten(each, elements)),
        Expr::Paren(paren) => flatten(&paren.expr, elements),
        Expr::Group(group) => flatten(&group.expr, elements),
        other => elements.push(other),
    }
}

/// One value for all elements, because they are alternatives: tuples of tuples, if they are many.
fn any_of(value: &Expr) -> TokenStream {
    let mut elements = Vec::new();
    flatten(value, &mut elements);
    let elements: Vec<_> = elements.into_iter().map(borrowed).collect();
    match elements.as_slice() {
        [one] => one.to_token_stream(),
        few if few.len() <= TUPLE => quote!((#(#few),*)),
        many => {
            let tuples = many.chunks(TUPLE).map(|some| quote!((#(#some,)*)));
            quote!((#(#tuples),*))
        }
    }
}

/// By reference, so that a list or a lock stays the user's.
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

fn probe(function: &str, span: Span) -> TokenStream {
    let function = format_ident!("{function}", span = span);
    quote_spanned!(span=> ::asyncflow::__private::macro_support::#function)
}

/// A hygienic span at the place of another.
fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
