//! What `#[flow]` on an impl block expands to.
//!
//! ```text
//! impl Page { .. }                                    // as written, without our attributes
//!
//! struct PageFlow<R: Runtime> {
//!     __flow: Flow<R>,
//!     id: Task<u64>,
//!     user: Task<User>,
//! }
//!
//! impl<R: Runtime> PageFlow<R> {
//!     fn on(runtime: R, state: Page) -> Self {
//!         let mut __flow = Flow::on(runtime);
//!         let id = __flow.input::<u64>("id");
//!         // Configured first, because an argument borrows the state. Only such tasks are: in a function
//!         // of hundreds of them, so many values at once cost more to compile than all the rest.
//!         let user = named(async |state: &Page, input0: &u64| { .. }, "user").with_lock(&state.lock);
//!         let __state = __flow.value(state);
//!         // In an order in which what a task waits for is there before it.
//!         let user = __flow.add(user.inputs((__state, borrowed::<u64, _>(id))));
//!         let html = __flow.add(named(.., "html").inputs(borrowed::<User, _>(user)));
//!         Self { __flow, id, user: returned::<User, _>(user) }
//!     }
//! }
//!
//! impl<R: Runtime> Deref for PageFlow<R> { .. }       // and so on
//! ```
//!
//! `block` parses the impl block, without looking into the bodies of its functions. `method` reads one
//! task of it. `graph` finds mistakes in how they name each other, and the order. `table` draws the
//! graph for the docs.
//!
//! Whatever is wrong, the impl block and the type are emitted, so that one mistake is one error.

mod block;
mod graph;
mod method;
mod table;

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Generics, Ident, Meta, Result, Token, Type, Visibility, parse_quote};

use self::block::{Block, Item, Receiver, without_our_attributes};
use self::graph::{Node, NodeKind};
use self::method::{Input, Method};
use self::table::Row;
use crate::call::hygienic;
use crate::text::text;

/// Expands an impl block with `#[flow(..)]` on it.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut block = match syn::parse2::<Block>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let (error, item) = (error.to_compile_error(), without_our_attributes(item));
            return quote!(#item #error);
        }
    };
    let mut errors = Vec::new();
    let visibility = visibility.parse2(args).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    let flow = FlowType::read(&mut block, visibility, &mut errors);
    let order = graph::sort(&flow.nodes()).unwrap_or_else(|wrong| {
        errors.extend(wrong);
        Vec::new()
    });
    let errors: TokenStream = errors.iter().map(Error::to_compile_error).collect();
    let body = match errors.is_empty() {
        true => flow.body(&order),
        false => quote!(::core::unreachable!()),
    };
    let declaration = flow.declaration(&body);
    quote!(#block #errors #declaration)
}

/// The argument of `#[flow(..)]`.
fn visibility(input: ParseStream<'_>) -> Result<Option<Visibility>> {
    if input.is_empty() {
        return Ok(None);
    }
    let visibility = input.parse()?;
    if matches!(visibility, Visibility::Inherited) || !input.is_empty() {
        let message = "the only argument is the visibility of the flow's type: write `#[flow]`, `#[flow(pub)]` or `#[flow(pub(crate))]`";
        return Err(input.error(message));
    }
    Ok(Some(visibility))
}

/// The type that stands for the flow.
struct FlowType<'a> {
    block: &'a Block,
    name: Ident,
    visibility: Visibility,
    /// The type parameter for the runtime.
    runtime: Ident,
    /// Whether a task takes `&self`.
    has_state: bool,
    inputs: Vec<Input>,
    tasks: Vec<Method>,
}

impl<'a> FlowType<'a> {
    /// Reads the tasks of a block, and removes our attributes from it.
    fn read(block: &'a mut Block, visibility: Option<Visibility>, errors: &mut Vec<Error>) -> Self {
        let receiver = Receiver::new(&block.self_type, hidden("state"));
        let mut tasks = Vec::new();
        for item in &mut block.items {
            if let Item::Function(function) = item {
                tasks.extend(Method::read(function, &receiver, &block.self_type, errors));
            }
        }
        let name = block.self_type.path.segments.last();
        let name = name.map_or_else(|| hidden("Unnamed"), |last| last.ident.clone());
        if tasks.is_empty() {
            let message =
                "this flow has no tasks: write `#[task]` on the functions that are its tasks";
            errors.push(Error::new(name.span(), message));
        }
        let widest = tasks
            .iter()
            .map(|task| &task.visibility)
            .max_by_key(|it| width(it));
        let visibility = visibility
            .or(widest.cloned())
            .unwrap_or(Visibility::Inherited);
        Self {
            name: format_ident!("{}Flow", name.unraw(), span = name.span()),
            visibility,
            runtime: free_name(block),
            has_state: tasks.iter().any(|task| task.uses_state),
            inputs: method::inputs(&tasks, errors),
            tasks,
            block,
        }
    }

    /// The inputs, then the tasks.
    fn nodes(&self) -> Vec<Node> {
        let inputs = self.inputs.iter().map(|input| Node {
            name: input.name.clone(),
            kind: NodeKind::Input,
            conditional: !input.cfgs.is_empty(),
            uses: Vec::new(),
        });
        inputs.chain(self.tasks.iter().map(Method::node)).collect()
    }

    /// The body of `on`.
    fn body(&self, order: &[usize]) -> TokenStream {
        let (flow, runtime) = (hidden("__flow"), hidden("runtime"));
        let (state, handle) = (hidden("state"), hidden("__state"));
        let inputs = self.inputs.iter().map(|input| {
            let (name, local, output) = (
                input.name.unraw().to_string(),
                local(&input.name),
                &input.output,
            );
            let cfgs = &input.cfgs;
            quote!(#(#cfgs)* let #local = #flow.input::<#output>(#name);)
        });
        let early = self.tasks.iter().filter(|task| task.settings_use_state);
        let configured = early.map(|task| {
            let (cfgs, local, configured) = (&task.cfgs, local(&task.name), task.configured());
            quote!(#(#cfgs)* let #local = #configured;)
        });
        let value = self.has_state.then(|| {
            let here = hygienic(self.block.self_type.span());
            quote_spanned!(here=> let #handle = #flow.value(#state);)
        });
        let tasks = order
            .iter()
            .filter_map(|index| index.checked_sub(self.inputs.len()));
        let added = tasks.map(|index| {
            let task = &self.tasks[index];
            let (cfgs, local, calls) = (&task.cfgs, local(&task.name), task.wired());
            let add = Ident::new("add", hygienic(task.name.span()));
            let configured = match task.settings_use_state {
                true => local.to_token_stream(),
                false => task.configured(),
            };
            quote!(#(#cfgs)* let #local = #flow.#add(#configured #calls);)
        });
        let inputs_of_self = self.inputs.iter().map(|input| {
            let (cfgs, name, local) = (&input.cfgs, &input.name, local(&input.name));
            quote!(#(#cfgs)* #name: #local)
        });
        let tasks_of_self = self.tasks.iter().map(|task| {
            let (cfgs, name, handle) = (&task.cfgs, &task.name, task.returned(&local(&task.name)));
            quote!(#(#cfgs)* #name: #handle)
        });
        let fields = inputs_of_self.chain(tasks_of_self);
        let phantom = self
            .phantom()
            .map(|_| quote!(__state: ::core::marker::PhantomData,));
        quote! {
            let mut #flow = ::asyncflow::Flow::on(#runtime);
            #(#inputs)*
            #(#configured)*
            #value
            #(#added)*
            Self { __flow: #flow, #phantom #(#fields),* }
        }
    }

    /// The type, and what is implemented for it.
    fn declaration(&self, body: &TokenStream) -> TokenStream {
        let Self {
            name,
            visibility,
            runtime,
            block,
            ..
        } = self;
        let docs = self.docs();
        let fields = self.fields();
        let phantom = self
            .phantom()
            .map(|state| quote!(__state: ::core::marker::PhantomData<fn() -> #state>,));
        let generics = self.generics();
        let (parameters, arguments, bounds) = generics.split_for_impl();
        let (declared, declared_bounds) = (&generics.params, &generics.where_clause);
        let state_type = &block.self_type;
        let (state, runtime_value) = (hidden("state"), hidden("runtime"));
        let with_state = self.has_state.then(|| quote!(#state: #state_type));
        let passed = self.has_state.then(|| quote!(#state));
        let takes = if self.has_state {
            ", with this state"
        } else {
            ""
        };
        let docs_of_new =
            format!(" Makes the flow on the default runtime of type `{runtime}`{takes}.");
        let docs_of_on = format!(" Makes the flow on `runtime`{takes}.");
        let cfgs: Vec<_> = block
            .attributes
            .iter()
            .filter(|it| it.path().is_ident("cfg"))
            .collect();
        let default = (!self.has_state).then(|| {
            let mut generics = generics.clone();
            let clause = generics.make_where_clause();
            clause
                .predicates
                .push(parse_quote!(#runtime: ::core::default::Default));
            let (parameters, arguments, bounds) = generics.split_for_impl();
            quote! {
                #(#cfgs)*
                #[automatically_derived]
                impl #parameters ::core::default::Default for #name #arguments #bounds {
                    fn default() -> Self {
                        Self::new()
                    }
                }
            }
        });
        let name_text = name.to_string();
        quote! {
            #(#cfgs)*
            #docs
            #[allow(private_interfaces)]
            #visibility struct #name<#declared> #declared_bounds {
                __flow: ::asyncflow::Flow<#runtime>,
                #phantom
                #(#fields,)*
            }

            #(#cfgs)*
            #[allow(dead_code, private_interfaces)]
            impl #parameters #name #arguments #bounds {
                #[doc = #docs_of_new]
                #visibility fn new(#with_state) -> Self
                where
                    #runtime: ::core::default::Default,
                {
                    Self::on(<#runtime as ::core::default::Default>::default(), #passed)
                }

                #[doc = #docs_of_on]
                // What is deprecated or unused in the impl block is reported there.
                #[allow(deprecated, clippy::let_unit_value, unreachable_code, unused_variables)]
                #visibility fn on(#runtime_value: #runtime, #with_state) -> Self {
                    #body
                }
            }

            #(#cfgs)*
            #[automatically_derived]
            impl #parameters ::core::ops::Deref for #name #arguments #bounds {
                type Target = ::asyncflow::Flow<#runtime>;

                fn deref(&self) -> &Self::Target {
                    &self.__flow
                }
            }

            #(#cfgs)*
            #[automatically_derived]
            impl #parameters ::core::ops::DerefMut for #name #arguments #bounds {
                fn deref_mut(&mut self) -> &mut Self::Target {
                    &mut self.__flow
                }
            }

            #(#cfgs)*
            #[automatically_derived]
            impl #parameters ::core::convert::From<#name #arguments> for ::asyncflow::Flow<#runtime> #bounds {
                fn from(flow: #name #arguments) -> Self {
                    flow.__flow
                }
            }

            #(#cfgs)*
            #[automatically_derived]
            impl #parameters ::core::fmt::Debug for #name #arguments #bounds {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_tuple(#name_text).field(&self.__flow).finish()
                }
            }

            #default
        }
    }

    /// The handles, each with the visibility and the docs of its function.
    fn fields(&self) -> Vec<TokenStream> {
        let mut seen = HashSet::new();
        let inputs = self.inputs.iter().map(|input| {
            let Input {
                name, output, cfgs, ..
            } = input;
            let (visibility, docs) = (&self.visibility, format!(" The input `{name}`."));
            let field = quote! {
                #(#cfgs)*
                #[doc = #docs]
                #[allow(dead_code)]
                #visibility #name: ::asyncflow::Task<#output>
            };
            (name, cfgs.is_empty(), field)
        });
        let tasks = self.tasks.iter().map(|task| {
            let Method {
                name,
                visibility,
                output,
                cfgs,
                ..
            } = task;
            let carried = &task.carried;
            let documented = carried
                .iter()
                .any(|attribute| attribute.path().is_ident("doc"));
            let docs = (!documented).then(|| format!(" The task `{name}`."));
            let docs = docs.map(|docs| quote!(#[doc = #docs]));
            let field = quote! {
                #(#cfgs)*
                #docs
                #(#carried)*
                #[allow(dead_code)]
                #visibility #name: ::asyncflow::Task<#output>
            };
            (name, cfgs.is_empty(), field)
        });
        // A second of one name has been reported.
        let once = inputs
            .chain(tasks)
            .filter(|(name, always, _)| !always || seen.insert(name.to_string()));
        once.map(|(.., field)| field).collect()
    }

    fn docs(&self) -> TokenStream {
        let is_doc = |attribute: &&Attribute| attribute.path().is_ident("doc");
        let own: Vec<_> = self.block.attributes.iter().filter(is_doc).collect();
        let state = text(&self.block.self_type);
        let title = match own.is_empty() {
            true => Some(format!(
                " The flow whose tasks are the functions of `{state}`."
            )),
            false => None,
        };
        let title = title.into_iter();
        let inputs = self.inputs.iter().map(|input| Row {
            name: input.name.to_string(),
            waits_for: Vec::new(),
            kind: "input",
            configuration: Vec::new(),
        });
        let rows: Vec<_> = inputs.chain(self.tasks.iter().map(Method::row)).collect();
        let table = table::lines(&rows)
            .into_iter()
            .map(|line| format!(" {line}"));
        let lines = std::iter::once(String::new()).chain(table);
        quote!(#(#[doc = #title])* #(#own)* #(#[doc = #lines])*)
    }

    /// The parameters of the type: the runtime, then those of the impl block.
    fn generics(&self) -> Generics {
        let (runtime, mut generics) = (&self.runtime, self.block.generics.clone());
        generics
            .params
            .insert(0, parse_quote!(#runtime: ::asyncflow::Runtime));
        generics
    }

    /// The state, if the type needs a field that mentions it because it has its type parameters.
    fn phantom(&self) -> Option<Type> {
        let self_type = &self.block.self_type;
        let generic = !self.block.generics.params.is_empty();
        generic.then(|| parse_quote!(#self_type))
    }
}

/// A name for the type parameter of the runtime that no type in the block has.
fn free_name(block: &Block) -> Ident {
    fn collect(tokens: TokenStream, names: &mut HashSet<String>) {
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(name) => drop(names.insert(name.to_string())),
                proc_macro2::TokenTree::Group(group) => collect(group.stream(), names),
                _ => {}
            }
        }
    }
    let mut names = HashSet::new();
    collect(block.generics.to_token_stream(), &mut names);
    collect(block.generics.where_clause.to_token_stream(), &mut names);
    collect(block.self_type.to_token_stream(), &mut names);
    for item in &block.items {
        if let Item::Function(function) = item {
            collect(function.signature.to_token_stream(), &mut names);
        }
    }
    let candidates = ["R", "Rt", "AnyRuntime"].into_iter().map(str::to_owned);
    let mut candidates = candidates.chain((2..).map(|n| format!("Runtime{n}")));
    let free = candidates.find(|name| !names.contains(name));
    Ident::new(&free.unwrap_or_default(), Span::call_site())
}

/// How far a visibility reaches, in comparison with others.
fn width(visibility: &Visibility) -> u8 {
    match visibility {
        Visibility::Inherited => 0,
        Visibility::Restricted(to) if to.path.is_ident("self") => 0,
        Visibility::Restricted(to) if to.path.is_ident("crate") => 2,
        Visibility::Restricted(_) => 1,
        _ => 3,
    }
}

/// A variable of the expansion, which what a user writes cannot name.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The variable for a task or an input.
fn local(name: &Ident) -> Ident {
    let mut local = name.clone();
    local.set_span(hygienic(name.span()));
    local
}

/// One predicate that holds if any of the lists of `cfg` attributes does. Empty if one of the lists is.
fn any_of(lists: &[&[Attribute]]) -> Vec<Attribute> {
    if lists.iter().any(|list| list.is_empty()) {
        return Vec::new();
    }
    if let [one] = lists {
        return one.to_vec();
    }
    let all = lists.iter().map(|list| {
        let predicates = list.iter().filter_map(|attribute| match &attribute.meta {
            Meta::List(list) => Some(&list.tokens),
            _ => None,
        });
        quote!(all(#(#predicates),*))
    });
    let all: Punctuated<TokenStream, Token![,]> = all.collect();
    vec![parse_quote!(#[cfg(any(#all))])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(args: TokenStream, item: TokenStream) -> syn::File {
        let tokens = expand(args, item);
        syn::parse2(tokens).expect("the expansion can be parsed")
    }

    /// The struct of an expansion.
    fn structure(file: &syn::File) -> &syn::ItemStruct {
        let found = file.items.iter().find_map(|item| match item {
            syn::Item::Struct(found) => Some(found),
            _ => None,
        });
        found.expect("there is a struct")
    }

    fn docs(attributes: &[Attribute]) -> Vec<String> {
        let docs = attributes
            .iter()
            .filter_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(pair),
                _ => None,
            });
        let text = |pair: &syn::MetaNameValue| match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => text.value(),
            other => text(other),
        };
        docs.map(text).collect()
    }

    #[test]
    fn the_docs_show_the_graph() {
        let file = expanded(
            quote!(),
            quote! {
                impl Page {
                    #[task]
                    async fn user(&self, #[input] id: &u64) -> io::Result<User> {}
                    /// By this user.
                    #[task(timeout = LIMIT, fallback = |_| Vec::new())]
                    async fn posts(user: &User, #[context] cx: &TaskContext) -> Vec<Post> {}
                    #[task]
                    fn sizes(#[each(posts)] post: &Post, user: Option<&User>) -> usize {}
                    #[task(upstream = [sizes], run_if = yes, always, lock = [self.disk, CORES.permits(2)])]
                    fn audit(#[from(user, user)] both: Vec<Option<&User>>) {}
                    #[task(after_any = (sizes, user))]
                    fn yes() -> impl Future<Output = bool> {}
                }
            },
        );
        let found = docs(&structure(&file).attrs);
        let expected = [
            " The flow whose tasks are the functions of `Page`.",
            "",
            " | task | waits for | kind | configuration |",
            " | `id` | | input | |",
            " | `user` | `id` | async | |",
            " | `posts` | `user` | async | `timeout = LIMIT`, `fallback = \\|_\\| Vec::new()` |",
            " | `sizes` | each of `posts`, the end of `user` | blocking | |",
            " | `audit` | the end of `user`, `user`, `sizes`, `yes` is true | blocking | `always`, `lock = [self.disk, CORES.permits(2)]` |",
            " | `yes` | any of `sizes`, `user` | async | |",
        ];
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines = found.iter().filter(|line| !line.contains("--"));
        assert_eq!(
            lines.map(|line| words(line)).collect::<Vec<_>>(),
            expected.map(words)
        );
        let widths: HashSet<_> = found[2..].iter().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "{found:#?}");

        let fields: Vec<_> = structure(&file)
            .fields
            .iter()
            .map(|field| docs(&field.attrs))
            .collect();
        let first: Vec<_> = fields.iter().filter_map(|docs| docs.first()).collect();
        assert_eq!(
            first[..3],
            [" The input `id`.", " The task `user`.", " By this user."]
        );
    }

    #[test]
    fn the_type_is_as_visible_as_its_most_visible_task() {
        let block = quote! {
            impl Page {
                #[task] fn a() {}
                #[task] pub(crate) fn b() {}
                #[task] pub(super) fn c() {}
                pub fn no_task() {}
            }
        };
        let visibility = |args| text(&structure(&expanded(args, block.clone())).vis);
        assert_eq!(visibility(quote!()), "pub(crate)");
        assert_eq!(visibility(quote!(pub)), "pub");
        assert_eq!(visibility(quote!(pub(super))), "pub(super)");
    }

    #[test]
    fn an_input_exists_if_one_of_the_tasks_that_declare_it_does() {
        let cfgs = |lists: &[&[Attribute]]| any_of(lists).iter().map(text).collect::<Vec<_>>();
        let (unix, test): (Attribute, Attribute) =
            (parse_quote!(#[cfg(unix)]), parse_quote!(#[cfg(test)]));
        let both = [unix.clone(), test.clone()];
        assert_eq!(cfgs(&[&both, &[]]), [""; 0]);
        assert_eq!(cfgs(&[&both]).len(), 2);
        let any: Attribute = parse_quote!(#[cfg(any(all(unix, test), all(test)))]);
        assert_eq!(cfgs(&[&[unix, test.clone()], &[test]]), [text(any)]);
    }

    #[test]
    fn the_runtime_has_a_name_of_its_own() {
        let name = |item: &str| free_name(&syn::parse_str(item).unwrap()).to_string();
        assert_eq!(name("impl Page { fn f() {} }"), "R");
        assert_eq!(name("impl<R> Page<R> { fn f() {} }"), "Rt");
        assert_eq!(
            name("impl Page { fn f(a: &R) -> Vec<Rt> {} }"),
            "AnyRuntime"
        );
    }

    #[test]
    fn whatever_is_wrong_the_block_and_the_type_remain() {
        let file = expanded(
            quote!(),
            quote! {
                impl Page {
                    #[task(upstream = nowhere)]
                    fn a(&self, b: B) -> u8 {}
                    #[task(unknown)]
                    fn c(#[input] d: &u8) -> Result<u16, E> {}
                }
            },
        );
        assert!(matches!(file.items[0], syn::Item::Impl(_)));
        let fields: Vec<_> = structure(&file)
            .fields
            .iter()
            .map(|field| text(&field.ty))
            .collect();
        let fields: Vec<_> = fields
            .iter()
            .map(|field| field.trim_start_matches("::").trim())
            .collect();
        assert_eq!(
            fields[1..],
            [
                "asyncflow::Task<u8>",
                "asyncflow::Task<u8>",
                "asyncflow::Task<u16>"
            ]
        );
    }
}
