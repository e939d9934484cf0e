//! The arguments of `#[task(flow, ..)]`.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, Result, Token};

/// The parsed arguments.
pub(crate) struct Args {
    pub(crate) flow: Expr,
    /// In source order.
    pub(crate) settings: Vec<Setting>,
}

pub(crate) struct Setting {
    pub(crate) kind: Kind,
    /// The name of the argument. Errors point at it.
    pub(crate) key: Ident,
    /// `None` if the kind is a [flag](Kind::is_flag).
    pub(crate) value: Option<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Upstream,
    AfterAny,
    Lock,
    Name,
    Timeout,
    Retry,
    Always,
    RunIf,
}

/// The name of each argument, and an example for error messages.
const KINDS: [(Kind, &str, &str); 8] = [
    (Kind::Upstream, "upstream", "upstream = task"),
    (Kind::Lock, "lock", "lock = disk"),
    (Kind::Name, "name", "name = \"work\""),
    (Kind::Timeout, "timeout", "timeout = Duration::from_secs(5)"),
    (
        Kind::Retry,
        "retry",
        "retry = ExponentialBuilder::default()",
    ),
    (Kind::Always, "always", "always"),
    (Kind::RunIf, "run_if", "run_if = flag"),
    (Kind::AfterAny, "after_any", "after_any = [left, right]"),
];

/// What a user may write instead, who knows the names of the methods or of another library.
const OTHER_NAMES: [(&str, Kind); 17] = [
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
    ("named", Kind::Name),
    ("deadline", Kind::Timeout),
    ("retries", Kind::Retry),
    ("backoff", Kind::Retry),
    ("when", Kind::RunIf),
    ("condition", Kind::RunIf),
    ("any", Kind::AfterAny),
];

const MISSING_FLOW: &str = "say first which flow the task is added to: `#[task(flow)]`, where `flow` is the flow's variable";

impl Kind {
    fn named(name: &str) -> Option<Self> {
        let found = KINDS.iter().find(|(_, known, _)| *known == name);
        found.map(|(kind, ..)| *kind)
    }

    fn example(self) -> &'static str {
        let found = KINDS.iter().find(|(kind, ..)| *kind == self);
        found.map_or("", |(.., example)| example)
    }

    /// Whether the argument takes no value.
    fn is_flag(self) -> bool {
        self == Self::Always
    }
}

impl Args {
    /// The argument of this kind, if it was given.
    pub(crate) fn find(&self, kind: Kind) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.kind == kind)
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let flow = parse_flow(input)?;
        let mut settings: Vec<Setting> = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let setting: Setting = input.parse()?;
            if settings.iter().any(|earlier| earlier.kind == setting.kind) {
                return Err(Error::new(setting.key.span(), duplicate(setting.kind)));
            }
            settings.push(setting);
        }
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
        if assigned || key == "always" {
            return Err(Error::new(key.span(), MISSING_FLOW));
        }
    }
    input.parse()
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            let message = format!("expected an argument after the flow, one of {}", known());
            return Err(input.error(message));
        }
        let key = Ident::parse_any(input)?;
        let Some(kind) = Kind::named(&key.to_string()) else {
            return Err(Error::new(key.span(), unknown(&key)));
        };
        let assigned = input.peek(Token![=]);
        if assigned == kind.is_flag() {
            return Err(Error::new(key.span(), misused(kind)));
        }
        if !assigned {
            return Ok(Self {
                kind,
                key,
                value: None,
            });
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(key.span(), misused(kind)));
        }
        let value = Some(input.parse()?);
        Ok(Self { kind, key, value })
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
        return "inputs are the parameters of the function: write `user: &User` to receive the output of the task whose handle is `user`".to_owned();
    }
    let other_name = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    let meant = other_name
        .map(|(_, kind)| *kind)
        .or_else(|| misspelled(&name));
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

/// The argument whose name differs from `name` by at most two letters.
fn misspelled(name: &str) -> Option<Kind> {
    let distances = KINDS
        .iter()
        .map(|(kind, known, _)| (*kind, distance(name, known)));
    let (kind, distance) = distances.min_by_key(|(_, distance)| *distance)?;
    (distance <= 2).then_some(kind)
}

/// The Levenshtein distance: how many letters must be inserted, removed or replaced to turn `from`
/// into `to`.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
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
        let kinds: Vec<_> = args.settings.iter().map(|setting| setting.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Lock, Kind::Always, Kind::Name, Kind::Upstream]
        );
    }

    #[test]
    fn a_missing_flow_is_told_from_a_wrong_argument() {
        for args in ["", "upstream = a", "always", "name = \"a\", lock = b"] {
            assert_eq!(refusal(args), MISSING_FLOW, "{args}");
        }
        assert!(refusal("flow = flow").contains("without a key"));
    }

    #[test]
    fn an_unknown_argument_names_what_was_meant() {
        assert!(refusal("flow, after = a").contains("write `upstream = task`"));
        assert!(refusal("flow, timout = a").contains("write `timeout = "));
        assert!(refusal("flow, inputs = a").contains("parameters of the function"));
        assert!(refusal("flow, colour = a").ends_with("`always`, `run_if`, `after_any`"));
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
        assert!(refusal("flow, lock = a, lock = b").contains("`lock = [a, b]`"));
    }

    #[test]
    fn distances() {
        assert_eq!(distance("lock", "lock"), 0);
        assert_eq!(distance("lcok", "lock"), 2);
        assert_eq!(distance("", "name"), 4);
    }
}
