//! The parameters of a task function. Each one names the handle of an upstream, and its type says
//! how the function receives the output.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Error, FnArg, GenericArgument, Ident, Pat, PatType, PathArguments, Result, Type, TypeReference,
};

use crate::errors;

/// The most inputs that `.inputs` takes.
const MAX_INPUTS: usize = 12;

/// A checked parameter.
pub(crate) struct Param {
    /// The handle that it names.
    pub(crate) handle: Ident,
    pub(crate) passed_as: PassedAs,
    /// The `T` of the upstream's `Task<T>`.
    pub(crate) output: Type,
    /// The type as written.
    pub(crate) declared: Type,
}

/// How the function receives the output of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassedAs {
    /// `&T`
    Borrowed,
    /// `Option<&T>`
    Optional,
    /// `Vec<&T>`
    Listed,
    /// `#[moved] T`
    Moved,
}

/// Checks all parameters and removes `#[moved]` from them. `always` is whether the task has that
/// argument. Reports every wrong parameter, not only the first.
pub(crate) fn check<'a>(
    arguments: impl IntoIterator<Item = &'a mut FnArg>,
    always: bool,
) -> Result<Vec<Param>> {
    let mut params = Vec::new();
    let mut found = Vec::new();
    for (position, argument) in arguments.into_iter().enumerate() {
        let checked = if position == MAX_INPUTS {
            Err(Error::new_spanned(&*argument, TOO_MANY))
        } else {
            check_one(argument, always)
        };
        match checked {
            Ok(param) => params.push(param),
            Err(error) => found.push(error),
        }
        if position == MAX_INPUTS {
            break;
        }
    }
    errors::combine(found)?;
    Ok(params)
}

const TOO_MANY: &str = "a task has at most 12 inputs: take a `Vec<&T>` of outputs of one type, or let an upstream gather some in a struct";

fn check_one(argument: &mut FnArg, always: bool) -> Result<Param> {
    let parameter = match argument {
        FnArg::Typed(parameter) => parameter,
        FnArg::Receiver(receiver) => {
            let message = "a task cannot take `self`: take the output of an upstream, `name: &T`, or add a closure that captures what it needs, `flow.add(move || ..)`";
            return Err(Error::new_spanned(receiver, message));
        }
    };
    let moved = take_moved(parameter)?;
    refuse_impl_trait(&parameter.ty)?;
    let (passed_as, output) = match moved {
        Some(_) => (PassedAs::Moved, by_move(parameter)?),
        None => by_reference(parameter)?,
    };
    let handle = handle(parameter, passed_as)?;
    if always && passed_as != PassedAs::Optional {
        let output = text(&output);
        let message = format!(
            "an `always` task also runs when an upstream has no output: write `{handle}: Option<&{output}>`"
        );
        return Err(Error::new_spanned(&*parameter, message));
    }
    Ok(Param {
        handle,
        passed_as,
        output,
        declared: (*parameter.ty).clone(),
    })
}

/// Removes `#[moved]` from a parameter. Returns its span if it was there.
fn take_moved(parameter: &mut PatType) -> Result<Option<Span>> {
    let mut moved = None;
    let mut wrong = None;
    parameter.attrs.retain(|attribute| {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            let message = "a parameter of a task cannot be conditional: write the function twice, each with its own `#[cfg(..)]`";
            wrong = Some(Error::new_spanned(attribute, message));
        }
        if !attribute.path().is_ident("moved") {
            return true;
        }
        if let Err(error) = attribute.meta.require_path_only() {
            wrong = Some(Error::new(error.span(), "write `#[moved]` alone"));
        }
        moved = Some(attribute.pound_token.span);
        false
    });
    wrong.map_or(Ok(moved), Err)
}

/// The output type of a `#[moved]` parameter.
fn by_move(parameter: &PatType) -> Result<Type> {
    match ungrouped(&parameter.ty) {
        Type::Reference(TypeReference {
            mutability: Some(_),
            elem,
            ..
        }) => {
            let (name, output) = (text(&parameter.pat), text(elem));
            let message =
                format!("`#[moved]` gives the output itself: write `#[moved] {name}: {output}`");
            Err(Error::new_spanned(parameter, message))
        }
        owned => Ok(owned.clone()),
    }
}

/// How a parameter without `#[moved]` receives the output, and the type of the output.
fn by_reference(parameter: &PatType) -> Result<(PassedAs, Type)> {
    let declared = ungrouped(&parameter.ty);
    let (passed_as, reference) = match declared {
        Type::Reference(reference) => (PassedAs::Borrowed, reference),
        _ => match in_wrapper(declared) {
            Some(found) => found,
            None => return Err(by_value(parameter)),
        },
    };
    if reference.mutability.is_some() {
        let (name, output) = (text(&parameter.pat), text(&reference.elem));
        let message = format!(
            "outputs are shared and read-only: write `{name}: &{output}`, or `#[moved] mut {name}: {output}` to take it by value as its only consumer"
        );
        return Err(Error::new_spanned(parameter, message));
    }
    if let Some(lifetime) = reference.lifetime.as_ref().filter(|it| it.ident != "_") {
        let output = text(&reference.elem);
        let message = format!(
            "a task borrows its inputs only while it runs: write `&{output}`, without a lifetime"
        );
        return Err(Error::new_spanned(lifetime, message));
    }
    let output = ungrouped(&reference.elem);
    if let Some(owned) = owned_form(output) {
        let (borrowed, name) = (text(output), text(name_of(&parameter.pat)));
        let declared = text(declared).replacen(&borrowed, &owned, 1);
        let message = format!(
            "a parameter borrows the whole output, and no task returns a `{borrowed}`: write `{name}: {declared}`, with the exact type that the upstream returns"
        );
        return Err(Error::new_spanned(parameter, message));
    }
    Ok((passed_as, output.clone()))
}

/// The type that the upstream probably returns, if the parameter borrows an unsized type. The
/// compiler would refuse such a type as well, with a longer error.
fn owned_form(output: &Type) -> Option<String> {
    match output {
        Type::Slice(slice) => Some(format!("Vec<{}>", text(&slice.elem))),
        Type::TraitObject(object) => Some(format!("Box<{}>", text(object))),
        Type::Path(path) if path.path.is_ident("str") => Some("String".to_owned()),
        _ => None,
    }
}

/// The reference inside an `Option<&T>` or `Vec<&T>`.
fn in_wrapper(declared: &Type) -> Option<(PassedAs, &TypeReference)> {
    let Type::Path(path) = declared else {
        return None;
    };
    let wrapper = path.path.segments.last()?;
    let passed_as = match wrapper.ident.to_string().as_str() {
        "Option" => PassedAs::Optional,
        "Vec" => PassedAs::Listed,
        _ => return None,
    };
    let PathArguments::AngleBracketed(arguments) = &wrapper.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(argument) => match ungrouped(argument) {
            Type::Reference(reference) => Some((passed_as, reference)),
            _ => None,
        },
        _ => None,
    }
}

fn by_value(parameter: &PatType) -> Error {
    let (name, output) = (text(name_of(&parameter.pat)), text(&parameter.ty));
    let message = format!(
        "a parameter borrows the output of an upstream: write `{name}: &{output}`, or `#[moved] {name}: {output}` to take it by value as its only consumer"
    );
    Error::new_spanned(parameter, message)
}

/// The handle that a parameter names.
fn handle(parameter: &PatType, passed_as: PassedAs) -> Result<Ident> {
    let declared = text(&parameter.ty);
    let message = match &*parameter.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
            if name.mutability.is_none() || passed_as == PassedAs::Moved {
                return Ok(name.ident.clone());
            }
            let ident = &name.ident;
            format!(
                "a parameter names its upstream and borrows its output: write `{ident}: {declared}`, without `mut`"
            )
        }
        Pat::Wild(_) => format!(
            "a parameter names its upstream: write `name: {declared}` with the name of its handle; or, if only the order matters, `#[task(flow, upstream = name)]` and no parameter"
        ),
        _ => format!(
            "a parameter names its upstream: write `name: {declared}` with the name of its handle, and destructure it in the body"
        ),
    };
    Err(Error::new_spanned(parameter, message))
}

fn refuse_impl_trait(declared: &Type) -> Result<()> {
    match find_impl(declared.to_token_stream()) {
        None => Ok(()),
        Some(span) => Err(Error::new(
            span,
            "a task function cannot be generic: write the type of the upstream's output in place of `impl`",
        )),
    }
}

fn find_impl(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "impl" => Some(ident.span()),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

/// Strips the parentheses around a type, or the invisible group that a `$type:ty` of a macro
/// leaves.
pub(crate) fn ungrouped(mut declared: &Type) -> &Type {
    loop {
        declared = match declared {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            other => return other,
        };
    }
}

fn name_of(pattern: &Pat) -> &dyn ToTokens {
    match pattern {
        Pat::Ident(name) => &name.ident,
        other => other,
    }
}

/// Tokens as a person would write them. `to_string` puts a space between any two.
fn text(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (printed, written) in [
        (" < ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" :: ", "::"),
        ("< ", "<"),
    ] {
        text = text.replace(printed, written);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::Signature;

    fn checked(signature: &str, always: bool) -> Result<Vec<Param>> {
        let mut signature: Signature = syn::parse_str(signature)?;
        check(&mut signature.inputs, always)
    }

    fn refusal(signature: &str) -> String {
        match checked(signature, false) {
            Ok(_) => panic!("`{signature}` is refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_type_says_how_the_output_arrives() {
        let signature = "fn f(a: &A, b: (std::option::Option<&'_ B<u8>>), c: Vec<&C>, #[moved] mut d: Option<D>, _e: &&'static str)";
        let params = checked(signature, false).unwrap();
        let found: Vec<_> = params
            .iter()
            .map(|param| {
                (
                    param.handle.to_string(),
                    param.passed_as,
                    text(&param.output),
                )
            })
            .collect();
        let expected = [
            ("a", PassedAs::Borrowed, "A"),
            ("b", PassedAs::Optional, "B<u8>"),
            ("c", PassedAs::Listed, "C"),
            ("d", PassedAs::Moved, "Option<D>"),
            ("_e", PassedAs::Borrowed, "&'static str"),
        ];
        let expected = expected
            .map(|(name, passed_as, output)| (name.to_owned(), passed_as, output.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn our_attribute_is_stripped_and_others_are_kept() {
        let mut signature: Signature =
            syn::parse_str("fn f(#[moved] #[allow(unused)] a: A)").unwrap();
        assert!(check(&mut signature.inputs, false).is_ok());
        assert_eq!(text(&signature), "fn f (# [allow (unused)] a : A)");
    }

    #[test]
    fn each_refusal_says_what_to_write() {
        let cases = [
            ("fn f(a: Page)", "`a: &Page`, or `#[moved] a: Page`"),
            ("fn f(mut a: Page)", "`a: &Page`"),
            ("fn f(a: Option<Page>)", "`a: &Option<Page>`"),
            ("fn f(a: &mut Page)", "`#[moved] mut a: Page`"),
            ("fn f(a: Option<&mut Page>)", "read-only"),
            ("fn f(#[moved] a: &mut Page)", "`#[moved] a: Page`"),
            ("fn f(mut a: &Page)", "`a: &Page`, without `mut`"),
            ("fn f((a, b): &Pair)", "`name: &Pair`"),
            ("fn f(_: &Page)", "upstream = name"),
            ("fn f(a: &str)", "`a: &String`"),
            ("fn f(a: &[Page])", "`a: &Vec<Page>`"),
            ("fn f(a: &dyn Draw)", "`a: &Box<dyn Draw>`"),
            ("fn f(a: Option<&[u8]>)", "`a: Option<&Vec<u8>>`"),
            ("fn f(a: &'static Page)", "`&Page`, without a lifetime"),
            ("fn f(a: &Vec<impl Copy>)", "cannot be generic"),
            ("fn f(&self)", "cannot take `self`"),
            ("fn f(#[moved(all)] a: Page)", "`#[moved]` alone"),
        ];
        for (signature, advice) in cases {
            let message = refusal(signature);
            assert!(message.contains(advice), "{signature}: {message}");
        }
    }

    #[test]
    fn every_wrong_parameter_is_reported() {
        let error = match checked("fn f(a: A, b: &B, _: &C)", false) {
            Ok(_) => panic!("two are wrong"),
            Err(error) => error,
        };
        assert_eq!(error.into_iter().count(), 2);
    }

    #[test]
    fn twelve_are_enough() {
        let twelve = (0..12)
            .map(|i| format!("p{i}: &u8"))
            .collect::<Vec<_>>()
            .join(", ");
        assert!(checked(&format!("fn f({twelve})"), false).is_ok());
        assert!(refusal(&format!("fn f({twelve}, more: &u8)")).contains("at most 12"));
    }

    #[test]
    fn always_takes_what_may_be_missing() {
        assert!(checked("fn f(a: Option<&A>)", true).is_ok());
        assert!(checked("fn f(a: &A)", true).is_err());
        assert!(checked("fn f(#[moved] a: A)", true).is_err());
    }
}
