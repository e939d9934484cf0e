//! What `#[task]` on a function inside of a function body expands to.
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
//!     let task = named(task, "html");
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

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, Expr, Ident, Item, Result, Visibility};

use crate::args::{Args, Settings};
use crate::call::{Call, allowed_lints, hygienic, task_name};
use crate::errors;
use crate::function::{Function, Place};
use crate::params::Params;

/// A statement that comes first. Inside of a function body it does nothing. Outside of one, a `let`
/// cannot be, nor can this, and the compiler quotes it in its error.
const MISPLACED: &str = "`#[task(flow)]` goes on a function inside of a function body; for methods, write `#[flow]` on their impl block and `#[task]` on each";

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
    quote!(#MISPLACED; let #name = { #errors }; let _ = #name;)
}

fn declare(args: TokenStream, function: &mut Function) -> Result<TokenStream> {
    let checked = function.check(Place::Local);
    let args = syn::parse2::<Args>(args);
    let none = Settings::default();
    let settings = args.as_ref().map_or(&none, |args| &args.settings);
    let params = Params::check(&mut function.signature.inputs, settings, Place::Local);
    let ((), args, params) = errors::all(checked, args, params)?;

    let name = &function.signature.ident;
    let attributes: Vec<_> = function.attributes_of_handle().collect();
    let call = Call {
        signature: &function.signature,
        params: &params,
        settings: &args.settings,
        path: name.to_token_stream(),
        state: None,
    };
    let (callable, inputs) = (call.function(), call.inputs_call());
    let task_name = task_name(&args.settings, name);
    let settings = args.settings.0.iter().filter_map(|setting| setting.call());
    let calls = inputs.into_iter().chain(settings);
    let flow = receiver(&args.flow);
    let task = Ident::new("task", hygienic(name.span()));
    // Where the compiler reports what keeps the function from being a task.
    let add = Ident::new("add", hygienic(name.span()));
    let named =
        quote_spanned!(hygienic(name.span())=> ::asyncflow::__private::macro_support::named);
    let allowed = allowed_lints();
    Ok(quote! {
        #MISPLACED;
        #(#attributes)*
        let #name = {
            let #task = {
                #allowed
                #function
                #callable
            };
            let #task = #named(#task, #task_name);
            #(let #task = #task #calls;)*
            #flow.#add(#task)
        };
        // Not every handle is used.
        #(#attributes)*
        let _ = #name;
    })
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
