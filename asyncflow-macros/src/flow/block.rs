//! The impl block that `#[flow]` is applied to.

use proc_macro2::{Group, Ident, Punct, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, GenericParam, Generics, Path, PathArguments, Result, Token, Type, TypePath,
    Visibility, WhereClause, braced, token,
};

use crate::function::{Function, is_function};
use crate::params::ungrouped;

/// An inherent impl block.
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// As written, and without the invisible groups that macros leave.
    pub(crate) self_type: TypePath,
    inner_attributes: Vec<Attribute>,
    brace: token::Brace,
    pub(crate) items: Vec<Item>,
}

pub(crate) enum Item {
    Function(Box<Function>),
    /// A constant, a type or a macro: they stay as they are.
    Other(TokenStream),
}

const NO_BLOCK: &str = "`#[flow]` goes on the impl block of a struct or enum, whose methods are the tasks: write `#[flow] impl Page { .. }`";

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if !input.peek(Token![impl]) {
            return Err(input.error(NO_BLOCK));
        }
        let impl_token = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let self_type = input.parse()?;
        if let Some(keyword) = input.parse::<Option<Token![for]>>()? {
            let message = "a flow is declared by methods of a type's own: write `impl Page { .. }`, without a trait";
            return Err(Error::new(keyword.span(), message));
        }
        generics.where_clause = input.parse::<Option<WhereClause>>()?;
        let content;
        let brace = braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(content.parse()?);
        }
        Ok(Self {
            attributes,
            impl_token,
            self_type: self_path(&generics, &self_type)?,
            generics,
            inner_attributes,
            brace,
            items,
        })
    }
}

/// The type of the block, if it can be the state of a flow.
fn self_path(generics: &Generics, self_type: &Type) -> Result<TypePath> {
    let Type::Path(path) = ungrouped(self_type) else {
        return Err(Error::new(self_type.span(), NO_BLOCK));
    };
    let lifetime = generics
        .params
        .iter()
        .find_map(|parameter| match parameter {
            GenericParam::Lifetime(parameter) => Some(parameter.lifetime.span()),
            _ => None,
        });
    let elided = || {
        let last = path.path.segments.last()?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Lifetime(it) if it.ident != "static" => Some(it.span()),
            _ => None,
        })
    };
    match lifetime.or_else(elided) {
        None => Ok(path.clone()),
        Some(span) => Err(Error::new(
            span,
            "the flow keeps the state for as long as it exists: let the type own its data, or share it in an `Arc`, so that it has no lifetime",
        )),
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        match is_function(&ahead) {
            true => Ok(Self::Function(Box::new(input.parse()?))),
            false => Ok(Self::Other(
                input.parse::<syn::ImplItem>()?.into_token_stream(),
            )),
        }
    }
}

impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attributes,
            impl_token,
            generics,
            self_type,
            inner_attributes,
            items,
            ..
        } = self;
        let (parameters, _, bounds) = generics.split_for_impl();
        tokens.extend(quote!(#(#attributes)* #impl_token #parameters #self_type #bounds));
        self.brace.surround(tokens, |content| {
            content.extend(quote!(#(#inner_attributes)*));
            for item in items {
                match item {
                    Item::Function(function) => function.to_tokens(content),
                    Item::Other(other) => other.to_tokens(content),
                }
            }
        });
    }
}

/// Replaces `Self` in what is copied out of the block, and `self` in the arguments of a task.
pub(crate) struct Receiver {
    self_type: TokenStream,
    state: Ident,
}

impl Receiver {
    /// `self` becomes the variable `state`.
    pub(crate) fn new(self_type: &TypePath, state: Ident) -> Self {
        let mut self_type = self_type.clone();
        with_turbofish(&mut self_type.path);
        Self {
            self_type: self_type.into_token_stream(),
            state,
        }
    }

    /// Replaces only `Self`.
    pub(crate) fn replace_type(&self, tokens: TokenStream) -> TokenStream {
        self.replace_in(tokens, false).0
    }

    /// Replaces both. Returns also whether there was a `self`.
    pub(crate) fn replace(&self, tokens: TokenStream) -> (TokenStream, bool) {
        self.replace_in(tokens, true)
    }

    fn replace_in(&self, tokens: TokenStream, values: bool) -> (TokenStream, bool) {
        let (mut replaced, mut found) = (TokenStream::new(), false);
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(name) if name == "Self" => {
                    let here = name.span();
                    replaced.extend(self.self_type.clone().into_iter().map(|mut token| {
                        token.set_span(here);
                        token
                    }));
                }
                // Not the `self` of a path such as `self::DISK`.
                TokenTree::Ident(name)
                    if values && name == "self" && !tokens.peek().is_some_and(starts_path) =>
                {
                    found = true;
                    let mut state = self.state.clone();
                    state.set_span(state.span().located_at(name.span()));
                    replaced.extend([TokenTree::Ident(state)]);
                }
                TokenTree::Group(group) => {
                    let (inside, inside_found) = self.replace_in(group.stream(), values);
                    found |= inside_found;
                    let mut inside = Group::new(group.delimiter(), inside);
                    inside.set_span(group.span());
                    replaced.extend([TokenTree::Group(inside)]);
                }
                other => replaced.extend([other]),
            }
        }
        (replaced, found)
    }
}

fn starts_path(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(colon) if colon.as_char() == ':' && colon.spacing() == Spacing::Joint)
}

/// Writes `Page<T>` as `Page::<T>`, which is also an expression.
fn with_turbofish(path: &mut Path) {
    for segment in &mut path.segments {
        if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
            arguments.colon2_token.get_or_insert_with(Default::default);
        }
    }
}

/// An item that could not be parsed, without the attributes that are for us, so that they cause no
/// further errors.
pub(crate) fn without_our_attributes(item: TokenStream) -> TokenStream {
    let mut kept = TokenStream::new();
    let mut hash: Option<Punct> = None;
    for token in item {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' && hash.is_none() => {
                hash = Some(punct);
                continue;
            }
            TokenTree::Group(group) if hash.is_some() && is_ours(&group) => hash = None,
            other => {
                kept.extend(hash.take().map(TokenTree::Punct));
                kept.extend([match other {
                    TokenTree::Group(group) => {
                        let mut inside =
                            Group::new(group.delimiter(), without_our_attributes(group.stream()));
                        inside.set_span(group.span());
                        TokenTree::Group(inside)
                    }
                    other => other,
                }]);
            }
        }
    }
    kept.extend(hash.map(TokenTree::Punct));
    kept
}

fn is_ours(attribute: &Group) -> bool {
    let first = attribute.stream().into_iter().next();
    let ours = [
        "task",
        "asyncflow",
        "input",
        "each",
        "from",
        "context",
        "moved",
    ];
    matches!(first, Some(TokenTree::Ident(name)) if ours.iter().any(|our| name == our))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn refusal(block: &str) -> String {
        match syn::parse_str::<Block>(block) {
            Ok(_) => panic!("`{block}` is refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_block_is_emitted_as_it_was_written() {
        let source = quote! {
            /// Docs.
            #[cfg(unix)]
            impl<C: Client, const N: usize> Page<C, N> where C: Sync {
                #![allow(unused)]
                const LIMIT: usize = 1;
                #[inline]
                pub(crate) async fn user(&self, id: &u64) -> User { syntax of < tomorrow }
                fn plain() {}
                tasks!(more);
            }
        };
        let block: Block = syn::parse2(source.clone()).unwrap();
        assert_eq!(block.to_token_stream().to_string(), source.to_string());
        assert_eq!(block.items.len(), 4);
    }

    #[test]
    fn each_refusal_says_what_to_write() {
        let cases = [
            ("struct Page;", "write `#[flow] impl Page { .. }`"),
            ("mod page {}", "write `#[flow] impl Page { .. }`"),
            ("impl [Page] {}", "write `#[flow] impl Page { .. }`"),
            ("impl Draw for Page {}", "without a trait"),
            ("impl<'a> Page<'a> {}", "it has no lifetime"),
            ("impl Page<'_> {}", "it has no lifetime"),
        ];
        for (block, advice) in cases {
            let message = refusal(block);
            assert!(message.contains(advice), "{block}: {message}");
        }
    }

    #[test]
    fn self_is_replaced_where_it_means_the_state() {
        let self_type = syn::parse_str("Page<C>").unwrap();
        let receiver = Receiver::new(&self_type, Ident::new("state", Span::call_site()));
        let replaced = |tokens: TokenStream| {
            let (tokens, found) = receiver.replace(tokens);
            (tokens.to_string(), found)
        };
        let lock = replaced(quote!(lock = [self.disk, &Self::CORES]));
        let expected = quote!(lock = [state.disk, &Page::<C>::CORES]);
        assert_eq!(lock, (expected.to_string(), true));
        let path = quote!(lock = self::statics::DISK);
        assert_eq!(replaced(path.clone()), (path.to_string(), false));
        let signature = receiver.replace_type(quote!(fn f(&self, to: Self)));
        assert_eq!(
            signature.to_string(),
            quote!(fn f(&self, to: Page::<C>)).to_string()
        );
    }

    #[test]
    fn our_attributes_are_removed_from_what_cannot_be_parsed() {
        let item = quote! {
            #[derive(A)] impl X for Y { #[task(a)] #[inline] fn f(#[input] a: &A, #[asyncflow::each(b)] c: &C) {} }
        };
        let expected = quote! {
            #[derive(A)] impl X for Y { #[inline] fn f(a: &A, c: &C) {} }
        };
        let found = without_our_attributes(item).to_string();
        assert_eq!(found, expected.to_string());
    }
}
