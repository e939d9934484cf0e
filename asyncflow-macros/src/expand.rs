//! What `#[task]` expands to.
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
//! The function is declared in an inner block, so that a task `user` can have a parameter `user`:
//! outside of the block the name means the handle. The task is built before `flow.add` borrows the
//! flow, so that an argument may use the flow too.
//!
//! Names that the macro introduces are hygienic ([`Span::mixed_site`]), and have the location that
//! an error about them should point at.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprReference, Ident, Item, Result, ReturnType, Token, Type, TypeParamBound,
    Visibility,
};

use crate::args::{Args, Kind, Setting};
use crate::errors;
use crate::function::Function;
use crate::params::{self, Param, PassedAs};

/// The most elements that a tuple of upstreams has.
const MAX_TUPLE: usize = 12;

/// Expands a function with `#[task(..)]` on it.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<Function>(item.clone()) {
        Ok(mut function) => {
            declare(args, &mut function).unwrap_or_else(|error| refused(&function, &error))
        }
        Err(error) => {
            let error = error.to_compile_error();
            // Keeps the item, so that its uses cause no further errors.
            let item = syn::parse2::<Item>(item).ok();
            quote!(#error #item)
        }
    }
}

/// Emits errors instead of the declaration.
fn refused(function: &Function, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    let method = function.signature.receiver().is_some();
    if method || !matches!(function.visibility, Visibility::Inherited) {
        // Probably outside of a function body, where a `let` would be a syntax error that hides
        // ours.
        return errors;
    }
    // A handle whose initializer is an error causes no errors where it is used; a missing one
    // would.
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
    let task_name = task_name(&args, name);
    let calls = inputs(&params)
        .into_iter()
        .chain(args.settings.iter().filter_map(setting));
    let flow = receiver(&args.flow);
    let task = Ident::new("task", hygienic(name.span()));
    let add = Ident::new("add", hygienic(args.flow.span()));
    let named = quote_spanned!(hygienic(name.span())=> ::asyncflow::TaskExt::named);
    Ok(quote! {
        #(#attributes)*
        let #name = {
            let #task = {
                // The upstreams decide how many parameters a task has, and their types.
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
            let #task = #named(#task, #task_name);
            #(let #task = #task #calls;)*
            #flow.#add(#task)
        };
        // Not every handle is used. This is better than an `#[allow]` on the `let` above: outside
        // of a function body, rustc explains a misplaced `let`, but not one with an attribute.
        #(#attributes)*
        let _ = #name;
    })
}

/// All three values, or all of their errors.
fn all<A, B, C>(a: Result<A>, b: Result<B>, c: Result<C>) -> Result<(A, B, C)> {
    match (a, b, c) {
        (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
        (a, b, c) => {
            let combined = errors::combine([a.err(), b.err(), c.err()].into_iter().flatten());
            Err(combined.expect_err("one of the three is an error"))
        }
    }
}

/// The flow as the receiver of a method call: `(*flow)` with parentheses, `self.flow` without.
fn receiver(flow: &Expr) -> TokenStream {
    match flow {
        Expr::Path(_) | Expr::Field(_) | Expr::Index(_) | Expr::Call(_) | Expr::MethodCall(_) => {
            flow.to_token_stream()
        }
        other => quote!((#other)),
    }
}

/// A closure with the same parameters that calls the function and always returns a `Result`.
fn callable(function: &Function, params: &[Param]) -> TokenStream {
    let signature = &function.signature;
    let name = &signature.ident;
    let here = hygienic(name.span());
    let inputs: Vec<_> = (0..params.len())
        .map(|position| Ident::new(&format!("input{position}"), here))
        .collect();
    let declared = params.iter().map(|param| &param.declared);
    let parameters = quote_spanned!(here=> #(#inputs: #declared),*);

    let call = quote_spanned!(here=> #name(#(#inputs),*));
    let (asyncness, call) = if signature.asyncness.is_some() || returns_future(&signature.output) {
        let send = support("send", here);
        let asyncness = Token![async](here);
        (Some(asyncness), quote_spanned!(here=> #send(#call).await))
    } else {
        (None, call)
    };

    if let ReturnType::Type(_, returned) = &signature.output {
        if let Type::Never(_) = params::ungrouped(returned) {
            // There is no value whose type could tell.
            let settled = quote_spanned! {here=>
                ::core::result::Result<(), ::core::convert::Infallible>
            };
            return quote_spanned!(here=> #asyncness |#parameters| -> #settled { #call });
        }
    }
    let returned_at = match &signature.output {
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

/// Whether a function that is not `async` returns `impl Future`, which may borrow its inputs.
fn returns_future(output: &ReturnType) -> bool {
    let ReturnType::Type(_, returned) = output else {
        return false;
    };
    let Type::ImplTrait(returned) = params::ungrouped(returned) else {
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
fn task_name(args: &Args, name: &Ident) -> TokenStream {
    match args.find(Kind::Name) {
        Some(Setting { value, .. }) => value.to_token_stream(),
        None => name.unraw().to_string().to_token_stream(),
    }
}

/// The call of `.inputs(..)`; `None` if there are no parameters.
fn inputs(params: &[Param]) -> Option<TokenStream> {
    let each = params.iter().map(|param| {
        let Param {
            handle,
            passed_as,
            output,
            ..
        } = param;
        let here = hygienic(handle.span());
        let (convert, borrow) = match passed_as {
            PassedAs::Borrowed => ("borrowed", None),
            PassedAs::Optional => ("optional", None),
            PassedAs::Moved => ("moved", None),
            PassedAs::Listed => ("listed", Some(Token![&](handle.span()))),
        };
        let convert = support(convert, here);
        quote_spanned!(here=> #convert::<#output, _>(#borrow #handle))
    });
    match params {
        [] => None,
        [_] => Some(quote!(.inputs(#(#each),*))),
        _ => Some(quote!(.inputs((#(#each),*)))),
    }
}

/// The method call that an argument stands for; `None` for the name, which [`task_name`] reads.
fn setting(setting: &Setting) -> Option<TokenStream> {
    let Setting { kind, key, value } = setting;
    let here = hygienic(key.span());
    let value = value.as_ref();
    let call = match kind {
        // One call for each, because the handles may have different output types.
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

/// Collects the elements of an array or tuple literal. Any other expression is one element.
fn flatten<'a>(value: &'a Expr, elements: &mut Vec<&'a Expr>) {
    match value {
        Expr::Array(array) => array.elems.iter().for_each(|each| flatten(each, elements)),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|each| flatten(each, elements)),
        Expr::Paren(paren) => flatten(&paren.expr, elements),
        Expr::Group(group) => flatten(&group.expr, elements),
        other => elements.push(other),
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
fn support(function: &str, span: Span) -> TokenStream {
    let function = format_ident!("{function}", span = span);
    quote_spanned!(span=> ::asyncflow::__private::macro_support::#function)
}

/// A hygienic span with the location of another.
fn hygienic(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
