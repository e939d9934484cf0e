//! The function that `#[task]` is applied to: parsing, refusing what cannot be a task, and the type of
//! its output.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, GenericArgument, Ident, LitStr, Path, PathArguments, Result, ReturnType,
    Safety, Signature, Token, Type, TypeParamBound, Visibility, parse_quote,
};

use crate::errors;
use crate::params::ungrouped;

/// Where a task function is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside of a function body, with `#[task(flow)]`.
    Local,
    /// In the impl block of a `#[flow]`.
    Method,
}

/// A function with an unparsed body.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// One group of braces. It is not parsed, so the body keeps every token and every span, and may
    /// use syntax that `syn` does not know.
    pub(crate) body: TokenTree,
}

const NO_FUNCTION: &str = "`#[task]` goes on a function inside of a function body, or on a method of a `#[flow]`: write `#[task(flow)] fn name() { .. }`; add anything else with `flow.add(..)`";

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let start = input.span();
        let visibility = input.parse()?;
        if !is_function(input) {
            return Err(Error::new(start, NO_FUNCTION));
        }
        let signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(input.error("a task needs a body: write `{ .. }` in place of `;`"));
        }
        Ok(Self {
            attributes,
            visibility,
            signature,
            body: input.parse()?,
        })
    }
}

/// Whether `fn` comes next, after any qualifiers.
pub(crate) fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    while !ahead.peek(Token![fn]) && ahead.peek(Ident::peek_any) {
        let word = ahead.call(Ident::parse_any).map(|word| word.to_string());
        match word.as_deref() {
            Ok("extern") => {
                let _: Result<Option<LitStr>> = ahead.parse();
            }
            Ok("const" | "async" | "unsafe" | "safe" | "gen" | "default") => {}
            _ => return false,
        }
    }
    ahead.peek(Token![fn])
}

impl Function {
    /// Refuses a function that cannot be a task. [`params`](crate::params) checks the parameters.
    pub(crate) fn check(&self, place: Place) -> Result<()> {
        let signature = &self.signature;
        let mut found = Vec::new();
        let mut refuse = |span: Span, message: &str| found.push(Error::new(span, message));

        if place == Place::Local && !matches!(self.visibility, Visibility::Inherited) {
            let message = "a task is local to the function body that declares it: remove the visibility; for methods, write `#[flow]` on their impl block";
            refuse(self.visibility.span(), message);
        }
        if let Some(constness) = &signature.constness {
            refuse(
                constness.span(),
                "a task runs when its flow is executed: remove `const`",
            );
        }
        match &signature.safety {
            Safety::Unsafe(keyword) => refuse(
                keyword.span(),
                "the flow cannot call an `unsafe` function: remove `unsafe`, and call the unsafe function in an `unsafe` block in the body",
            ),
            Safety::Safe(keyword) => refuse(keyword.span(), "remove `safe`"),
            Safety::Default => {}
        }
        if let Some(abi) = &signature.abi {
            refuse(
                abi.extern_token.span(),
                "a task is called from Rust: remove `extern`",
            );
        }
        if let Some(parameter) = signature.generics.params.first() {
            refuse(
                parameter.span(),
                "a task function cannot be generic: write the types of the upstreams' outputs, and `&T` without a lifetime",
            );
        }
        if let Some(clause) = &signature.generics.where_clause {
            refuse(
                clause.where_token.span(),
                "a task function is not generic, so there is nothing to bound: remove the `where` clause",
            );
        }
        if let Some(variadic) = &signature.variadic {
            refuse(
                variadic.dots.spans[0],
                "a task has a fixed number of inputs: take a `Vec<&T>` for the outputs of a list of tasks",
            );
        }
        if let ReturnType::Type(_, output) = &signature.output {
            if let Some(borrow) = borrows(output) {
                refuse(
                    borrow,
                    "an output outlives the inputs of its task, so it cannot borrow from them: return a type that owns its data, as `String` does for `&str`",
                );
            }
        }
        if let Some(second) = self.attributes.iter().find(|attribute| is_task(attribute)) {
            refuse(
                second.pound_token.span(),
                "a function becomes one task: remove the second `#[task]`; to add a function twice, declare it without `#[task]` and use `flow.add(..)`",
            );
        }
        errors::combine(found)
    }

    /// The attributes that apply to the handle as well: `cfg`, which may remove it, and `allow`,
    /// for lints about its name.
    pub(crate) fn attributes_of_handle(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| {
            let path = attribute.path();
            path.is_ident("cfg") || path.is_ident("allow")
        })
    }
}

/// Where an output type borrows for another lifetime than `'static`. Does not look into types that
/// only mention references, such as `fn(&str)`.
fn borrows(output: &Type) -> Option<Span> {
    match ungrouped(output) {
        Type::Reference(reference) => match &reference.lifetime {
            Some(lifetime) if lifetime.ident == "static" => None,
            _ => Some(reference.and_token.span()),
        },
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrows),
        Type::Array(array) => borrows(&array.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            // A boxed future may borrow; its output may not.
            let future = last.ident.to_string().ends_with("Future");
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(argument) => borrows(argument),
                GenericArgument::Lifetime(lifetime) if !future && lifetime.ident != "static" => {
                    Some(lifetime.span())
                }
                _ => None,
            })
        }
        _ => None,
    }
}

/// The output of a task whose function has this return type. Goes by the spelling, because a macro
/// knows no types: `Result<T, E>` under any path gives `T`, and so does a future of it.
pub(crate) fn output(returned: &ReturnType) -> Type {
    let ReturnType::Type(_, returned) = returned else {
        return parse_quote!(());
    };
    let returned = future_output(returned).unwrap_or(returned);
    match ungrouped(returned) {
        Type::Never(_) => parse_quote!(()),
        Type::Path(path) => match arguments(&path.path, "Result").next() {
            Some(GenericArgument::Type(succeeded)) => succeeded.clone(),
            _ => returned.clone(),
        },
        _ => returned.clone(),
    }
}

/// The `T` of `impl Future<Output = T>` and of `Pin<Box<dyn Future<Output = T>>>`.
pub(crate) fn future_output(returned: &Type) -> Option<&Type> {
    let bounds = match ungrouped(returned) {
        Type::ImplTrait(future) => &future.bounds,
        Type::TraitObject(future) => &future.bounds,
        Type::Path(path) => {
            let inner = arguments(&path.path, "Pin").chain(arguments(&path.path, "Box"));
            return inner.filter_map(type_argument).find_map(future_output);
        }
        _ => return None,
    };
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            arguments(&bound.path, "Future").find_map(|argument| match argument {
                GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
                _ => None,
            })
        }
        _ => None,
    })
}

/// The generic arguments of a path whose last segment has a name.
fn arguments<'a>(
    path: &'a Path,
    name: &str,
) -> impl Iterator<Item = &'a GenericArgument> + use<'a> {
    let last = path.segments.last().filter(|last| last.ident == name);
    last.into_iter().flat_map(|last| {
        match &last.arguments {
            PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
            _ => None,
        }
        .into_iter()
        .flatten()
    })
}

fn type_argument(argument: &GenericArgument) -> Option<&Type> {
    match argument {
        GenericArgument::Type(argument) => Some(argument),
        _ => None,
    }
}

/// Whether an attribute is `#[task]`, under a path of this library.
pub(crate) fn is_task(attribute: &Attribute) -> bool {
    let path = &attribute.path().segments;
    let ours = path.len() == 1 || path.first().is_some_and(|first| first.ident == "asyncflow");
    ours && path.last().is_some_and(|last| last.ident == "task")
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attribute in &self.attributes {
            attribute.to_tokens(tokens);
        }
        self.visibility.to_tokens(tokens);
        self.signature.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_from_other_items() {
        for function in [
            "fn f() {}",
            "pub async fn f() {}",
            "unsafe extern \"C\" fn f() {}",
            "const fn f() {}",
        ] {
            assert!(syn::parse_str::<Function>(function).is_ok(), "{function}");
        }
        for other in [
            "struct S;",
            "const N: u8 = 1;",
            "extern \"C\" {}",
            "let a = 1;",
            "a + b",
            "unsafe impl T for S {}",
        ] {
            let error = syn::parse_str::<Function>(other).map(drop).unwrap_err();
            assert_eq!(error.to_string(), NO_FUNCTION, "{other}");
        }
    }

    #[test]
    fn a_body_is_not_looked_into() {
        let source = "fn f () { syntax of < tomorrow }";
        let function: Function = syn::parse_str(source).unwrap();
        assert_eq!(function.to_token_stream().to_string(), source);
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let function: Function =
            syn::parse_str("#[task(other)] pub const unsafe extern fn f<T>() where T: Copy {}")
                .unwrap();
        assert_eq!(
            function
                .check(Place::Local)
                .unwrap_err()
                .into_iter()
                .count(),
            7
        );
    }

    #[test]
    fn outputs_that_borrow_are_refused() {
        let refused = [
            "&str",
            "Result<&str, E>",
            "Vec<(u8, &'_ [u8])>",
            "[Option<&'a u8>; 2]",
            "Cow<'_, str>",
            "BoxFuture<'_, &str>",
        ];
        let allowed = [
            "&'static str",
            "Result<&'static str, E>",
            "fn(&str)",
            "Box<dyn Fn(&str)>",
            "Cow<'static, str>",
            "BoxFuture<'_, u8>",
            "Pin<Box<dyn Future<Output = u8> + '_>>",
        ];
        let check = |output: &str| {
            let function: Function = syn::parse_str(&format!("fn f() -> {output} {{}}")).unwrap();
            function.check(Place::Local).is_ok()
        };
        for output in refused {
            assert!(!check(output), "{output}");
        }
        for output in allowed {
            assert!(check(output), "{output}");
        }
    }

    #[test]
    fn only_our_own_attribute_is_a_second_task() {
        let function: Function = syn::parse_str("#[other::task] #[inline] fn f() {}").unwrap();
        assert!(function.check(Place::Local).is_ok());
    }

    #[test]
    fn visibility_is_for_methods() {
        let function: Function = syn::parse_str("pub(crate) async fn f() {}").unwrap();
        assert!(function.check(Place::Method).is_ok());
        assert!(function.check(Place::Local).is_err());
    }

    #[test]
    fn the_output_is_told_from_the_spelling() {
        let cases = [
            ("", "()"),
            ("-> u8", "u8"),
            ("-> !", "()"),
            ("-> Result<Vec<u8>, E>", "Vec<u8>"),
            ("-> (std::io::Result<()>)", "()"),
            ("-> Option<Result<u8, E>>", "Option<Result<u8, E>>"),
            ("-> Result", "Result"),
            ("-> impl Send + Future<Output = u8>", "u8"),
            (
                "-> impl std::future::Future<Output = Result<u8, E>> + Send",
                "u8",
            ),
            (
                "-> Pin<Box<dyn Future<Output = io::Result<u8>> + Send + '_>>",
                "u8",
            ),
            ("-> Box<u8>", "Box<u8>"),
            ("-> impl Iterator<Item = u8>", "impl Iterator<Item = u8>"),
        ];
        for (returned, expected) in cases {
            let returned = syn::parse_str(returned).unwrap();
            let (found, expected) = (output(&returned), syn::parse_str::<Type>(expected).unwrap());
            assert_eq!(
                found.to_token_stream().to_string(),
                expected.to_token_stream().to_string()
            );
        }
    }
}
