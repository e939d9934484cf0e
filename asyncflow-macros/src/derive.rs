//! `#[derive(Output)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, GenericParam, Generics, Result, parse_quote};

pub(crate) fn expand(input: DeriveInput) -> Result<TokenStream> {
    let DeriveInput {
        ident,
        mut generics,
        ..
    } = input;
    refuse_lifetimes(&ident, &generics)?;
    let parameters: Vec<_> = generics
        .type_params()
        .map(|parameter| parameter.ident.clone())
        .collect();
    if !parameters.is_empty() {
        let predicates = &mut generics.make_where_clause().predicates;
        for parameter in parameters {
            predicates.push(
                parse_quote!(#parameter: ::core::marker::Send + ::core::marker::Sync + 'static),
            );
        }
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::asyncflow::Output for #ident #arguments #bounds {}
    })
}

/// Refuses a type with lifetime parameters: the run keeps an output after the function that
/// returned it.
fn refuse_lifetimes(ident: &syn::Ident, generics: &Generics) -> Result<()> {
    let Some(lifetime) = generics.lifetimes().next() else {
        return Ok(());
    };
    let arguments = generics.params.iter().map(|parameter| match parameter {
        GenericParam::Lifetime(_) => "'static".to_owned(),
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
    });
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    Err(Error::new_spanned(
        &lifetime.lifetime,
        format!(
            "the output of a task outlives its function, so it cannot borrow: own the data (`String` for `&{lt} str`, `Vec<_>` or `Arc<_>` for `&{lt} [_]`), or write `impl asyncflow::Output for {ident}<{arguments}> {{}}`",
            lt = lifetime.lifetime,
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: DeriveInput) -> String {
        expand(input).expect("it is a valid type").to_string()
    }

    #[test]
    fn type_parameters_are_bounded_and_bounds_are_kept() {
        let found = expanded(parse_quote! {
            enum Tree<T: Clone = u8, const N: usize = 2> where T: Eq { Leaf([T; N]) }
        });
        let expected = quote! {
            #[automatically_derived]
            impl<T: Clone, const N: usize> ::asyncflow::Output for Tree<T, N>
            where T: Eq, T: ::core::marker::Send + ::core::marker::Sync + 'static {}
        };
        assert_eq!(found, expected.to_string());
    }

    #[test]
    fn a_lifetime_is_refused_with_the_impl_to_write() {
        let error = expand(parse_quote!(
            struct Page<'a, T>(&'a T);
        ))
        .unwrap_err()
        .to_string();
        assert!(
            error.ends_with("`impl asyncflow::Output for Page<'static, T> {}`"),
            "{error}"
        );
    }
}
