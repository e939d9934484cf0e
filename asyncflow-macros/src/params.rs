//! The parameters of a task function. Each one names an upstream, and its type says how the function
//! receives the output.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Ident, Meta, Pat, PatType, Path, PathArguments,
    Receiver, ReceiverKind, Result, Token, Type, TypeReference, parse_quote,
};

use crate::args::{Kind, Settings};
use crate::errors;
use crate::function::Place;
use crate::text::text;

/// The most inputs that `.inputs` takes.
const MAX_INPUTS: usize = 12;

/// The checked parameters of a function.
pub(crate) struct Params {
    /// Whether the function takes `&self`.
    pub(crate) receiver: bool,
    pub(crate) others: Vec<Param>,
}

/// A checked parameter.
pub(crate) struct Param {
    pub(crate) name: Ident,
    pub(crate) source: Source,
    pub(crate) passed_as: PassedAs,
    /// The `T` of the upstream's `Task<T>`; for an element of a list, the `T` of the element.
    pub(crate) output: Type,
    /// The type as written.
    pub(crate) declared: Type,
}

/// Where the argument comes from.
pub(crate) enum Source {
    /// The upstream of this name.
    Upstream(Expr),
    /// `#[input]`: an input of the flow, which this parameter declares.
    Input(Ident),
    /// `#[from(a, b)]`: several upstreams.
    Upstreams(Vec<Expr>),
    /// `#[each(list)]`: one element after the other of an upstream.
    Each(Expr),
    /// `#[context]`: what the engine tells the task.
    Context,
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
    /// `Vec<Option<&T>>`
    ListedOptional,
    /// `#[moved] T`
    Moved,
}

impl Params {
    /// Checks all parameters, and removes from them the attributes that are for us. Reports every
    /// wrong parameter, not only the first.
    pub(crate) fn check<'a>(
        arguments: impl IntoIterator<Item = &'a mut FnArg>,
        settings: &Settings,
        place: Place,
    ) -> Result<Self> {
        let mut params = Self {
            receiver: false,
            others: Vec::new(),
        };
        let mut found = Vec::new();
        for (position, argument) in arguments.into_iter().enumerate() {
            if position == MAX_INPUTS {
                found.push(Error::new_spanned(&*argument, TOO_MANY));
            }
            let checked = match argument {
                FnArg::Receiver(receiver) => check_receiver(receiver, place).map(|()| {
                    params.receiver = true;
                }),
                FnArg::Typed(parameter) => {
                    check_one(parameter, settings, place).map(|param| params.others.push(param))
                }
            };
            found.extend(checked.err());
        }
        let lists = params.others.iter().filter(|param| param.is_element());
        for second in lists.skip(1) {
            let message =
                "a task works through one list: take the second as a whole, without `#[each(..)]`";
            found.push(Error::new(second.name.span(), message));
        }
        errors::combine(found)?;
        Ok(params)
    }

    /// The parameter that is an element of a list.
    pub(crate) fn element(&self) -> Option<&Param> {
        self.others.iter().find(|param| param.is_element())
    }
}

impl Param {
    pub(crate) fn is_element(&self) -> bool {
        matches!(self.source, Source::Each(_))
    }
}

const TOO_MANY: &str = "a task has at most 12 inputs: take a `Vec<&T>` of outputs of one type, or let an upstream gather some in a struct";

fn check_receiver(receiver: &Receiver, place: Place) -> Result<()> {
    let shared = matches!(receiver.kind, ReceiverKind::Reference(_, None, None));
    let message = match (place, &receiver.kind) {
        (Place::Method, _) if shared => return Ok(()),
        (Place::Method, ReceiverKind::Reference(_, Some(_), _)) => {
            "a task borrows the state only while it runs: write `&self`, without a lifetime"
        }
        (Place::Method, _) => {
            "every task of every run shares the state: write `&self`; for what changes, use a field of a type such as `Mutex` or `AtomicU64`"
        }
        (Place::Local, _) => {
            "a task inside of a function cannot take `self`: write `#[flow]` on the impl block and `#[task]` on its methods, or take the output of an upstream, `name: &T`"
        }
    };
    Err(Error::new_spanned(receiver, message))
}

fn check_one(parameter: &mut PatType, settings: &Settings, place: Place) -> Result<Param> {
    let marks = Marks::take(parameter)?;
    refuse_impl_trait(&parameter.ty)?;
    let declared = (*parameter.ty).clone();
    if marks.context.is_some() {
        return check_context(parameter, declared);
    }
    let (passed_as, output) = match marks.moved {
        Some(_) => (PassedAs::Moved, by_move(parameter)?),
        None => by_reference(parameter)?,
    };
    let name = name(parameter, passed_as)?;
    let param = Param {
        source: source(marks, &name, passed_as, place)?,
        name,
        passed_as,
        output,
        declared,
    };
    param.check_presence(parameter, settings)?;
    param.check_attempts(parameter, settings)?;
    Ok(param)
}

fn check_context(parameter: &PatType, declared: Type) -> Result<Param> {
    let Type::Reference(TypeReference {
        mutability: None,
        elem,
        ..
    }) = ungrouped(&declared)
    else {
        let message = "write `#[context] cx: &TaskContext`";
        return Err(Error::new_spanned(parameter, message));
    };
    Ok(Param {
        name: name(parameter, PassedAs::Borrowed)?,
        source: Source::Context,
        passed_as: PassedAs::Borrowed,
        output: (**elem).clone(),
        declared,
    })
}

fn source(marks: Marks, name: &Ident, passed_as: PassedAs, place: Place) -> Result<Source> {
    use PassedAs::{Listed, ListedOptional};
    let listed = matches!(passed_as, Listed | ListedOptional);
    if let Some(span) = marks.input {
        let message = match place {
            Place::Local => format!(
                "here, an input is a variable: write `let {name} = flow.input(\"{name}\");` before this function, and remove `#[input]`"
            ),
            Place::Method if listed => {
                "an input is one value: write the list as `&Vec<T>`".to_owned()
            }
            Place::Method => return Ok(Source::Input(name.clone())),
        };
        return Err(Error::new(span, message));
    }
    if let Some((span, list)) = marks.each {
        if passed_as != PassedAs::Borrowed && passed_as != PassedAs::Moved {
            let message = format!(
                "each element exists: write `{name}: &T`, or `#[moved] {name}: T` to take it by value"
            );
            return Err(Error::new(span, message));
        }
        return Ok(Source::Each(list));
    }
    match (marks.from, place) {
        (Some((_, upstreams)), _) if listed => Ok(Source::Upstreams(upstreams)),
        (Some((span, mut upstreams)), _) => match (upstreams.pop(), upstreams.is_empty()) {
            (Some(upstream), true) => Ok(Source::Upstream(upstream)),
            _ => {
                let message = format!(
                    "the outputs of several tasks arrive as a list: write `{name}: Vec<&T>`"
                );
                Err(Error::new(span, message))
            }
        },
        (None, Place::Method) if listed => {
            let message = format!(
                "say which tasks: write `#[from(a, b)]` before this parameter; or, if `{name}` is one task that returns a list, write `{name}: &Vec<T>`"
            );
            Err(Error::new(name.span(), message))
        }
        (None, _) => Ok(Source::Upstream(parse_quote!(#name))),
    }
}

impl Param {
    /// Refuses an upstream whose output may be missing when an `always` task runs.
    fn check_presence(&self, parameter: &PatType, settings: &Settings) -> Result<()> {
        use PassedAs::{Listed, ListedOptional, Optional};
        if !settings.has(Kind::Always) || matches!(self.passed_as, Optional | ListedOptional) {
            return Ok(());
        }
        let (name, output) = (&self.name, text(&self.output));
        let message = match (&self.source, self.passed_as) {
            (Source::Each(list), _) => {
                let list = text(list);
                format!(
                    "an `always` task also runs when `{list}` has no output: take the list as `{list}: Option<&Vec<{output}>>`"
                )
            }
            (_, Listed) => format!(
                "an `always` task also runs when an upstream has no output: write `{name}: Vec<Option<&{output}>>`"
            ),
            _ => format!(
                "an `always` task also runs when an upstream has no output: write `{name}: Option<&{output}>`"
            ),
        };
        Err(Error::new_spanned(parameter, message))
    }

    /// Refuses a value that the first attempt would take from the next.
    fn check_attempts(&self, parameter: &PatType, settings: &Settings) -> Result<()> {
        if self.passed_as != PassedAs::Moved {
            return Ok(());
        }
        let again = [Kind::Retry, Kind::Fallback];
        let Some(setting) = again.into_iter().find_map(|kind| settings.find(kind)) else {
            return Ok(());
        };
        let (name, output, key) = (&self.name, text(&self.output), &setting.key);
        let message = format!(
            "an attempt that fails has used up what it took by value: write `{name}: &{output}`, or remove `{key}`"
        );
        Err(Error::new_spanned(parameter, message))
    }
}

/// Removes the attributes that are for us from parameters, and leaves them unchecked.
pub(crate) fn strip(arguments: &mut Punctuated<FnArg, Token![,]>) {
    for argument in arguments {
        if let FnArg::Typed(parameter) = argument {
            let ours = |path: &Path| MARKS.iter().any(|(mark, _)| path.is_ident(mark));
            parameter.attrs.retain(|attribute| !ours(attribute.path()));
        }
    }
}

/// The attributes of a parameter that are for us, with their spans.
#[derive(Default)]
struct Marks {
    moved: Option<Span>,
    input: Option<Span>,
    context: Option<Span>,
    each: Option<(Span, Expr)>,
    from: Option<(Span, Vec<Expr>)>,
}

/// The names of [`Marks`], and how each is written.
const MARKS: [(&str, &str); 5] = [
    ("moved", "#[moved]"),
    ("input", "#[input]"),
    ("context", "#[context]"),
    ("each", "#[each(list)]"),
    ("from", "#[from(a, b)]"),
];

impl Marks {
    /// Removes them from a parameter.
    fn take(parameter: &mut PatType) -> Result<Self> {
        let mut marks = Self::default();
        let mut found = Vec::new();
        parameter
            .attrs
            .retain(|attribute| match marks.read(attribute) {
                Ok(ours) => !ours,
                Err(error) => {
                    found.push(error);
                    false
                }
            });
        errors::combine(found)?;
        marks.check()?;
        Ok(marks)
    }

    /// Whether the attribute is for us.
    fn read(&mut self, attribute: &Attribute) -> Result<bool> {
        let path = attribute.path();
        if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            let message = "a parameter of a task cannot be conditional: write the function twice, each with its own `#[cfg(..)]`";
            return Err(Error::new_spanned(attribute, message));
        }
        let Some((mark, form)) = MARKS.iter().find(|(mark, _)| path.is_ident(mark)) else {
            return Ok(false);
        };
        let span = path.span();
        let refused = || Error::new(span, format!("write `{form}`"));
        let expressions = match &attribute.meta {
            Meta::Path(_) => Vec::new(),
            meta => {
                let list = meta.require_list().map_err(|_| refused())?;
                let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
                list.parse_args_with(parser)?.into_iter().collect()
            }
        };
        let alone = matches!(attribute.meta, Meta::Path(_));
        match (*mark, expressions.as_slice()) {
            ("moved", []) if alone => self.moved = Some(span),
            ("input", []) if alone => self.input = Some(span),
            ("context", []) if alone => self.context = Some(span),
            ("each", [list]) => self.each = Some((span, list.clone())),
            ("from", [_, ..]) => self.from = Some((span, expressions)),
            _ => return Err(refused()),
        }
        Ok(true)
    }

    /// Refuses two that contradict each other.
    fn check(&self) -> Result<()> {
        let sources = [
            self.input,
            self.context,
            self.each.as_ref().map(|(span, _)| *span),
            self.from.as_ref().map(|(span, _)| *span),
        ];
        if let Some(second) = sources.into_iter().flatten().nth(1) {
            let message = "an argument comes from one place: keep one of `#[input]`, `#[each(..)]`, `#[from(..)]` and `#[context]`";
            return Err(Error::new(second, message));
        }
        if let (Some(_), Some(moved)) = (self.context, self.moved) {
            return Err(Error::new(
                moved,
                "the context is borrowed: remove `#[moved]`",
            ));
        }
        Ok(())
    }
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

/// The reference inside an `Option<&T>`, a `Vec<&T>` or a `Vec<Option<&T>>`.
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
    let GenericArgument::Type(argument) = arguments.args.first()? else {
        return None;
    };
    match ungrouped(argument) {
        Type::Reference(reference) => Some((passed_as, reference)),
        inner if passed_as == PassedAs::Listed => match in_wrapper(inner)? {
            (PassedAs::Optional, reference) => Some((PassedAs::ListedOptional, reference)),
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

/// The name of a parameter.
fn name(parameter: &PatType, passed_as: PassedAs) -> Result<Ident> {
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
            "a parameter names its upstream: write `name: {declared}`; or, if only the order matters, `upstream = name` in `#[task(..)]` and no parameter"
        ),
        _ => format!(
            "a parameter names its upstream: write `name: {declared}`, and destructure it in the body"
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

#[cfg(test)]
mod tests {
    use super::*;
    use syn::Signature;
    use syn::parse::Parser;

    fn settings(args: &str) -> Settings {
        Settings::of_method.parse_str(args).unwrap()
    }

    fn checked(signature: &str, args: &str, place: Place) -> Result<Params> {
        let mut signature: Signature = syn::parse_str(signature)?;
        Params::check(&mut signature.inputs, &settings(args), place)
    }

    fn refusal(signature: &str, args: &str, place: Place) -> String {
        match checked(signature, args, place) {
            Ok(_) => panic!("`{signature}` is refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_type_says_how_the_output_arrives() {
        let signature = "fn f(a: &A, b: (std::option::Option<&'_ B<u8>>), c: Vec<&C>, #[moved] mut d: Option<D>, _e: &&'static str, f: Vec<Option<&F>>)";
        let params = checked(signature, "", Place::Local).unwrap();
        let found: Vec<_> = params
            .others
            .iter()
            .map(|param| (param.name.to_string(), param.passed_as, text(&param.output)))
            .collect();
        let expected = [
            ("a", PassedAs::Borrowed, "A"),
            ("b", PassedAs::Optional, "B<u8>"),
            ("c", PassedAs::Listed, "C"),
            ("d", PassedAs::Moved, "Option<D>"),
            ("_e", PassedAs::Borrowed, "&'static str"),
            ("f", PassedAs::ListedOptional, "F"),
        ];
        let expected = expected
            .map(|(name, passed_as, output)| (name.to_owned(), passed_as, output.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn attributes_say_where_the_argument_comes_from() {
        let signature = "fn f(&self, #[input] a: &A, #[from(x)] b: &B, #[from(x, y)] c: Vec<&C>, #[each(list)] #[moved] d: D, #[context] e: &TaskContext)";
        let params = checked(signature, "", Place::Method).unwrap();
        assert!(params.receiver);
        let sources: Vec<_> = params.others.iter().map(|param| &param.source).collect();
        let [
            Source::Input(a),
            Source::Upstream(x),
            Source::Upstreams(both),
            Source::Each(list),
            Source::Context,
        ] = sources[..]
        else {
            panic!("these are the sources");
        };
        assert_eq!(
            (a.to_string(), text(x), both.len(), text(list)),
            ("a".into(), "x".into(), 2, "list".into())
        );
        assert_eq!(params.element().unwrap().passed_as, PassedAs::Moved);
    }

    #[test]
    fn our_attributes_are_stripped_and_others_are_kept() {
        let mut signature: Signature =
            syn::parse_str("fn f(#[moved] #[allow(unused)] a: A, #[each(list)] b: &B)").unwrap();
        assert!(Params::check(&mut signature.inputs, &settings(""), Place::Local).is_ok());
        assert_eq!(text(&signature), "fn f(#[allow(unused)] a: A, b: &B)");
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
            ("fn f(#[moved(all)] a: Page)", "write `#[moved]`"),
            ("fn f(#[moved()] a: Page)", "write `#[moved]`"),
            ("fn f(#[each] a: &Page)", "write `#[each(list)]`"),
            ("fn f(#[each(a, b)] a: &Page)", "write `#[each(list)]`"),
            (
                "fn f(#[each(pages)] a: Option<&Page>)",
                "each element exists",
            ),
            ("fn f(#[each(a)] b: &B, #[each(c)] d: &D)", "one list"),
            ("fn f(#[from()] a: Vec<&Page>)", "write `#[from(a, b)]`"),
            ("fn f(#[from(x, y)] a: &Page)", "write `a: Vec<&T>`"),
            ("fn f(#[from(x)] #[each(y)] a: &Page)", "from one place"),
            (
                "fn f(#[context] a: TaskContext)",
                "`#[context] cx: &TaskContext`",
            ),
            (
                "fn f(#[context] #[moved] a: &TaskContext)",
                "remove `#[moved]`",
            ),
        ];
        for (signature, advice) in cases {
            for place in [Place::Local, Place::Method] {
                let message = refusal(signature, "", place);
                assert!(message.contains(advice), "{signature}: {message}");
            }
        }
    }

    #[test]
    fn places_differ_in_self_inputs_and_lists() {
        let cases = [
            (
                Place::Local,
                "fn f(&self)",
                "write `#[flow]` on the impl block",
            ),
            (Place::Method, "fn f(self)", "write `&self`"),
            (Place::Method, "fn f(&mut self)", "such as `Mutex`"),
            (Place::Method, "fn f(&'a self)", "without a lifetime"),
            (Place::Method, "fn f(self: Arc<Self>)", "write `&self`"),
            (
                Place::Local,
                "fn f(#[input] id: &u64)",
                "`let id = flow.input(\"id\");`",
            ),
            (Place::Method, "fn f(#[input] ids: Vec<&u64>)", "`&Vec<T>`"),
            (Place::Method, "fn f(ids: Vec<&u64>)", "`#[from(a, b)]`"),
        ];
        for (place, signature, advice) in cases {
            let message = refusal(signature, "", place);
            assert!(message.contains(advice), "{signature}: {message}");
        }
    }

    #[test]
    fn every_wrong_parameter_is_reported() {
        let error = match checked("fn f(a: A, b: &B, _: &C)", "", Place::Local) {
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
        assert!(checked(&format!("fn f({twelve})"), "", Place::Local).is_ok());
        let thirteen = [
            format!("fn f({twelve}, more: &u8)"),
            format!("fn f(&self, {twelve})"),
        ];
        for signature in thirteen {
            assert!(refusal(&signature, "", Place::Method).contains("at most 12"));
        }
    }

    #[test]
    fn always_takes_what_may_be_missing() {
        let allowed = [
            "fn f(&self, a: Option<&A>, #[context] cx: &TaskContext)",
            "fn f(#[from(a, b)] both: Vec<Option<&A>>)",
        ];
        for signature in allowed {
            assert!(
                checked(signature, "always", Place::Method).is_ok(),
                "{signature}"
            );
        }
        let refused = [
            ("fn f(a: &A)", "`a: Option<&A>`"),
            ("fn f(#[moved] a: A)", "`a: Option<&A>`"),
            ("fn f(#[input] a: &A)", "`a: Option<&A>`"),
            ("fn f(#[from(a)] b: Vec<&A>)", "`b: Vec<Option<&A>>`"),
            ("fn f(#[each(list)] a: &A)", "`list: Option<&Vec<A>>`"),
        ];
        for (signature, advice) in refused {
            let message = refusal(signature, "always", Place::Method);
            assert!(message.contains(advice), "{signature}: {message}");
        }
    }

    #[test]
    fn an_attempt_leaves_nothing_by_value_for_the_next() {
        for args in ["retry = policy", "fallback = f"] {
            let message = refusal("fn f(#[moved] a: A)", args, Place::Local);
            assert!(message.contains("write `a: &A`"), "{message}");
            assert!(checked("fn f(a: &A)", args, Place::Local).is_ok());
        }
    }
}
