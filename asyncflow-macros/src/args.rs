//! The arguments of `#[task(..)]`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, Result, Token, Type};

use crate::errors;
use crate::text::nearest;

/// The arguments of `#[task(flow, ..)]` on a function inside of a function body.
pub(crate) struct Args {
    pub(crate) flow: Expr,
    pub(crate) settings: Settings,
}

/// What the arguments ask of the task, in source order.
#[derive(Default)]
pub(crate) struct Settings(pub(crate) Vec<Setting>);

pub(crate) struct Setting {
    pub(crate) kind: Kind,
    /// The name of the argument. Errors point at it.
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    /// The argument is a flag.
    None,
    Expr(Expr),
    Type(Type),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Upstream,
    Lock,
    Name,
    Timeout,
    Retry,
    RetryWhen,
    Fallback,
    AllowFailure,
    Always,
    RunIf,
    RunUnless,
    RunWhen,
    AfterAny,
    Priority,
    Durable,
    Output,
}

/// The name of each argument, and an example for error messages.
const KINDS: [(Kind, &str, &str); 16] = [
    (Kind::Upstream, "upstream", "upstream = task"),
    (Kind::Lock, "lock", "lock = disk"),
    (Kind::Name, "name", "name = \"work\""),
    (Kind::Timeout, "timeout", "timeout = Duration::from_secs(5)"),
    (
        Kind::Retry,
        "retry",
        "retry = ExponentialBuilder::default()",
    ),
    (
        Kind::RetryWhen,
        "retry_when",
        "retry_when = |failure| failure.status() == TaskStatus::TimedOut",
    ),
    (Kind::Fallback, "fallback", "fallback = |_| Vec::new()"),
    (Kind::AllowFailure, "allow_failure", "allow_failure"),
    (Kind::Always, "always", "always"),
    (Kind::RunIf, "run_if", "run_if = flag"),
    (Kind::RunUnless, "run_unless", "run_unless = flag"),
    (
        Kind::RunWhen,
        "run_when",
        "run_when = (task, |output| output.is_some())",
    ),
    (Kind::AfterAny, "after_any", "after_any = [left, right]"),
    (Kind::Priority, "priority", "priority = 1"),
    (Kind::Durable, "durable", "durable"),
    (Kind::Output, "output", "output = Vec<String>"),
];

/// What a user may write instead, who knows the names of the methods or of another library.
const OTHER_NAMES: [(&str, Kind); 25] = [
    ("after", Kind::Upstream),
    ("upstreams", Kind::Upstream),
    ("depends_on", Kind::Upstream),
    ("deps", Kind::Upstream),
    ("requires", Kind::Upstream),
    ("locks", Kind::Lock),
    ("with_lock", Kind::Lock),
    ("mutex", Kind::Lock),
    ("semaphore", Kind::Lock),
    ("permits", Kind::Lock),
    ("rate", Kind::Lock),
    ("rate_limit", Kind::Lock),
    ("named", Kind::Name),
    ("deadline", Kind::Timeout),
    ("retries", Kind::Retry),
    ("backoff", Kind::Retry),
    ("retry_if", Kind::RetryWhen),
    ("default", Kind::Fallback),
    ("may_fail", Kind::AllowFailure),
    ("when", Kind::RunIf),
    ("condition", Kind::RunIf),
    ("unless", Kind::RunUnless),
    ("any", Kind::AfterAny),
    ("version", Kind::Durable),
    ("returns", Kind::Output),
];

const MISSING_FLOW: &str = "say first which flow the task is added to: `#[task(flow)]`, where `flow` is the flow's variable; for methods, write `#[flow]` on their impl block";

impl Kind {
    fn named(name: &str) -> Option<Self> {
        let found = KINDS.iter().find(|(_, known, _)| *known == name);
        found.map(|(kind, ..)| *kind)
    }

    fn example(self) -> &'static str {
        let found = KINDS.iter().find(|(kind, ..)| *kind == self);
        found.map_or("", |(.., example)| example)
    }

    /// Whether the argument can be written without a value.
    fn is_flag(self) -> bool {
        matches!(self, Self::Always | Self::AllowFailure | Self::Durable)
    }

    fn takes_value(self) -> bool {
        // The version of a durable task.
        !self.is_flag() || self == Self::Durable
    }
}

impl Settings {
    /// The argument of this kind, if it was given.
    pub(crate) fn find(&self, kind: Kind) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.kind == kind)
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.find(kind).is_some()
    }

    /// The arguments of `#[task]` or `#[task(..)]` on a method: no flow comes first.
    pub(crate) fn of_method(input: ParseStream<'_>) -> Result<Self> {
        let mut settings = Self::default();
        while !input.is_empty() {
            if names_a_flow(input) {
                let message = "the flow is the impl block: remove this, and write `#[task]` or `#[task(..)]` with the other arguments";
                return Err(input.error(message));
            }
            settings.push(input.parse()?)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(settings)
    }

    fn push(&mut self, setting: Setting) -> Result<()> {
        if self.has(setting.kind) {
            return Err(Error::new(setting.key.span(), duplicate(setting.kind)));
        }
        self.0.push(setting);
        Ok(())
    }

    /// Refuses arguments that cannot go together.
    pub(crate) fn check(&self) -> Result<()> {
        let mut found = Vec::new();
        let mut needs = |kind: Kind, other: Kind, message: &str| {
            if let (Some(setting), None) = (self.find(kind), self.find(other)) {
                found.push(Error::new(setting.key.span(), message));
            }
        };
        needs(
            Kind::RetryWhen,
            Kind::Retry,
            "there is nothing to decide without `retry`: add `retry = ExponentialBuilder::default()`, or remove this",
        );
        errors::combine(found)
    }
}

/// Whether the next argument is an expression without a key, as the flow of a local task is.
fn names_a_flow(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    match Ident::parse_any(&ahead) {
        Ok(key) => {
            let alone = ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Token![.]);
            let known = Kind::named(&key.to_string()).is_some();
            let other = OTHER_NAMES.iter().any(|(other, _)| key == other);
            alone && !known && !other && nearest_kind(&key.to_string()).is_none()
        }
        Err(_) => input.peek(Token![&]) || input.peek(Token![*]),
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let flow = parse_flow(input)?;
        let mut settings = Settings::default();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let setting: Setting = input.parse()?;
            if setting.kind == Kind::Output {
                let message = "the compiler infers the output here: remove this argument, which is for methods of a `#[flow]`";
                return Err(Error::new(setting.key.span(), message));
            }
            settings.push(setting)?;
        }
        settings.check()?;
        Ok(Self { flow, settings })
    }
}

fn parse_flow(input: ParseStream<'_>) -> Result<Expr> {
    if input.is_empty() {
        // An empty `#[task]` has no token to point at except the attribute itself.
        return Err(Error::new(Span::call_site(), MISSING_FLOW));
    }
    let ahead = input.fork();
    if let Ok(key) = Ident::parse_any(&ahead) {
        let assigned = ahead.peek(Token![=]) && !ahead.peek(Token![==]);
        if assigned && key == "flow" {
            let message = "write the flow without a key, first: `#[task(flow, ..)]`";
            return Err(Error::new(key.span(), message));
        }
        let flag = Kind::named(&key.to_string()).is_some_and(Kind::is_flag);
        if assigned || flag {
            return Err(Error::new(key.span(), MISSING_FLOW));
        }
    }
    input.parse()
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            let message = format!("expected an argument, one of {}", known());
            return Err(input.error(message));
        }
        let key = Ident::parse_any(input)?;
        let Some(kind) = Kind::named(&key.to_string()) else {
            return Err(Error::new(key.span(), unknown(&key)));
        };
        let assigned = input.peek(Token![=]);
        let allowed = if assigned {
            kind.takes_value()
        } else {
            kind.is_flag()
        };
        if !allowed {
            return Err(Error::new(key.span(), misused(kind)));
        }
        if !assigned {
            return Ok(Self {
                kind,
                key,
                value: Value::None,
            });
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(key.span(), misused(kind)));
        }
        let value = match kind {
            Kind::Output => Value::Type(input.parse()?),
            _ => Value::Expr(input.parse()?),
        };
        Ok(Self { kind, key, value })
    }
}

impl Value {
    pub(crate) fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Expr(value) => Some(value),
            Self::None | Self::Type(_) => None,
        }
    }
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::None => {}
            Self::Expr(value) => value.to_tokens(tokens),
            Self::Type(value) => value.to_tokens(tokens),
        }
    }
}

fn misused(kind: Kind) -> String {
    let what = if kind.is_flag() {
        "takes no value"
    } else {
        "needs a value"
    };
    format!("this argument {what}: write `{}`", kind.example())
}

fn duplicate(kind: Kind) -> String {
    match kind {
        Kind::Upstream => "`upstream` is given twice: write them as one, `upstream = [a, b]`".to_owned(),
        Kind::Lock => "`lock` is given twice: write them as one, `lock = [a, b]`".to_owned(),
        Kind::AfterAny => "`after_any` is given twice: use `.after_any(..)` on the function and `flow.add(..)`, where it can be repeated".to_owned(),
        other => format!("this argument is given twice: write `{}` once", other.example()),
    }
}

fn unknown(key: &Ident) -> String {
    let name = key.to_string();
    if name == "inputs" || name == "input" {
        return "inputs are the parameters of the function: write `user: &User` to receive the output of the task `user`".to_owned();
    }
    let other_name = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    let meant = other_name
        .map(|(_, kind)| *kind)
        .or_else(|| nearest_kind(&name));
    match meant {
        Some(kind) => format!("unknown argument `{name}`: write `{}`", kind.example()),
        None => format!("unknown argument `{name}`; expected one of {}", known()),
    }
}

fn known() -> String {
    let names: Vec<_> = KINDS
        .iter()
        .map(|(_, name, _)| format!("`{name}`"))
        .collect();
    names.join(", ")
}

/// The argument whose name is probably meant.
fn nearest_kind(name: &str) -> Option<Kind> {
    nearest(name, KINDS.iter().map(|(_, known, _)| *known)).and_then(Kind::named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Args> {
        syn::parse_str(args)
    }

    fn refusal(args: &str) -> String {
        match parse(args) {
            Ok(_) => panic!("`{args}` is refused"),
            Err(error) => error.to_string(),
        }
    }

    fn of_method(args: &str) -> Result<Settings> {
        syn::parse::Parser::parse_str(Settings::of_method, args)
    }

    fn refusal_of_method(args: &str) -> String {
        match of_method(args) {
            Ok(_) => panic!("`{args}` is refused"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_flow_is_any_expression() {
        for flow in [
            "flow",
            "self.flow",
            "*flow",
            "flows[0]",
            "state.flow()",
            "&mut a == b",
        ] {
            assert!(parse(flow).is_ok(), "{flow}");
        }
    }

    #[test]
    fn settings_keep_their_order() {
        let args =
            parse("flow, lock = [a, &b], always, name = format!(\"{i}\"), upstream = (c, d),")
                .unwrap();
        let kinds: Vec<_> = args.settings.0.iter().map(|setting| setting.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Lock, Kind::Always, Kind::Name, Kind::Upstream]
        );
    }

    #[test]
    fn a_missing_flow_is_told_from_a_wrong_argument() {
        for args in [
            "",
            "upstream = a",
            "always",
            "allow_failure",
            "name = \"a\", lock = b",
        ] {
            assert_eq!(refusal(args), MISSING_FLOW, "{args}");
        }
        assert!(refusal("flow = flow").contains("without a key"));
    }

    #[test]
    fn a_method_names_no_flow() {
        for args in ["flow", "flow, always", "self.flow", "*flow, always"] {
            assert!(
                refusal_of_method(args).contains("the flow is the impl block"),
                "{args}"
            );
        }
        let settings = of_method("allow_failure, output = Vec<u8>,").unwrap();
        assert!(settings.has(Kind::AllowFailure) && settings.has(Kind::Output));
        assert!(of_method("").unwrap().0.is_empty());
        assert!(refusal_of_method("alway").contains("write `always`"));
        assert!(refusal_of_method("timeout").contains("needs a value"));
        assert!(refusal_of_method("after = a").contains("write `upstream = task`"));
    }

    #[test]
    fn the_output_of_a_local_task_is_inferred() {
        assert!(refusal("flow, output = u8").contains("infers the output"));
    }

    #[test]
    fn an_unknown_argument_names_what_was_meant() {
        assert!(refusal("flow, after = a").contains("write `upstream = task`"));
        assert!(refusal("flow, timout = a").contains("write `timeout = "));
        assert!(refusal("flow, falback = a").contains("write `fallback = "));
        assert!(refusal("flow, inputs = a").contains("parameters of the function"));
        assert!(refusal("flow, colour = a").ends_with("`priority`, `durable`, `output`"));
    }

    #[test]
    fn values_where_they_belong() {
        assert_eq!(
            refusal("flow, always = true"),
            "this argument takes no value: write `always`"
        );
        assert_eq!(
            refusal("flow, lock"),
            "this argument needs a value: write `lock = disk`"
        );
        assert_eq!(
            refusal("flow, lock = "),
            "this argument needs a value: write `lock = disk`"
        );
        assert!(parse("flow, durable").is_ok() && parse("flow, durable = 2").is_ok());
        assert!(refusal("flow, lock = a, lock = b").contains("`lock = [a, b]`"));
    }

    #[test]
    fn arguments_that_need_others() {
        assert!(refusal("flow, retry_when = f").contains("add `retry = "));
        assert!(parse("flow, retry_when = f, retry = policy").is_ok());
    }
}
