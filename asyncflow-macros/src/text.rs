//! Names and tokens in messages.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Types and expressions as a person would write them. `to_string` puts a space between any two tokens.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let mut text = Text::default();
    text.push_all(tokens.to_token_stream());
    text.written
}

#[derive(Default)]
struct Text {
    written: String,
    last: Last,
}

/// What the last token means for the space behind it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    /// There is none, or it opens something: no space, and an operator would be a prefix.
    #[default]
    Start,
    /// A prefix or a joint: no space.
    Prefix,
    /// An operator or a comma: a space, and an operator would be a prefix.
    Operator,
    /// A word, a literal, or the end of a group: a space before another.
    Word,
    /// The `>` of generics.
    Closed,
}

impl Text {
    fn push_all(&mut self, tokens: TokenStream) {
        // Whether the closing bar of the parameters of a closure comes.
        let mut bar = false;
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.push_group(&group),
                TokenTree::Punct(punct) => {
                    let joint = punct.spacing() == Spacing::Joint;
                    self.push_punct(punct.as_char(), joint, &mut bar);
                }
                word => {
                    if matches!(self.last, Last::Operator | Last::Word | Last::Closed) {
                        self.written.push(' ');
                    }
                    self.written += &word.to_string();
                    self.last = Last::Word;
                }
            }
        }
    }

    fn push_group(&mut self, group: &Group) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::Brace => ("{ ", " }"),
            Delimiter::None => ("", ""),
        };
        let spaced = match group.delimiter() {
            Delimiter::Brace => self.last != Last::Start,
            _ => self.last == Last::Operator,
        };
        if spaced {
            self.written.push(' ');
        }
        self.written += open;
        self.last = Last::Start;
        self.push_all(group.stream());
        self.written += close;
        self.last = Last::Word;
    }

    fn push_punct(&mut self, punct: char, joint: bool, bar: &mut bool) {
        let prefix = matches!(self.last, Last::Start | Last::Prefix | Last::Operator);
        let (before, after) = match punct {
            '.' | ':' if joint || self.written.ends_with([':', '.']) => (false, Last::Prefix),
            '.' => (false, Last::Prefix),
            ',' | ';' | ':' => (false, Last::Operator),
            '?' => (false, Last::Word),
            '<' => (prefix && self.last == Last::Operator, Last::Prefix),
            '>' if self.written.ends_with(['-', '=']) => (false, Last::Operator),
            '>' => (false, Last::Closed),
            '|' if *bar => {
                *bar = false;
                (false, Last::Operator)
            }
            '|' if prefix => {
                *bar = true;
                (self.last == Last::Operator, Last::Prefix)
            }
            '\'' | '#' | '&' | '*' | '-' | '!' if prefix => {
                (self.last == Last::Operator, Last::Prefix)
            }
            '\'' => (true, Last::Prefix),
            // Of a macro.
            '!' => (false, Last::Prefix),
            _ if joint => (true, Last::Prefix),
            _ => (self.last != Last::Prefix, Last::Operator),
        };
        if before {
            self.written.push(' ');
        }
        self.written.push(punct);
        self.last = after;
    }
}

/// The known name that is probably meant by `name`: the one that differs least, in a third of its
/// letters at most.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().count();
    let distances = known
        .into_iter()
        .map(|known| (distance(name, known), known));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= (letters / 3).max(1) && distance < letters).then_some(nearest)
}

/// How many letters must be inserted, removed, replaced or swapped with the next to turn `from` into `to`
/// (the optimal string alignment distance).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    // `rows[i][j]` is the distance of the first `i` letters to the first `j`.
    let mut rows = vec![(0..=to.len()).collect::<Vec<usize>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if swapped {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_printed_as_they_are_written() {
        let written = [
            "&Vec<Page>",
            "Option<&[u8]>",
            "(Page, &'static str)",
            "Box<dyn std::fmt::Display>",
            "&[Vec<u8>; 2]",
            "HashMap<String, Vec<Option<&T>>>",
            "fn(&str) -> Result<u8, E>",
            "|_| Vec::new()",
            "|failure: &Failure| failure.to_string().len()",
            "[self.disk, &CORES.permits(2)]",
            "Duration::from_secs(5)",
            "vec![1, -2, !x, *y]",
            "format!(\"{i}\")",
            "a + b == c",
            "policy?",
            "Config { limit: 3 }",
            "pub(crate)",
            "#[cfg(any(all(unix, test), all(test)))]",
            "fn f(#[allow(unused)] a: A, b: &B)",
            "impl Iterator<Item = u8>",
            "usize::MAX",
            "for<'a> Fn(&'a u8)",
        ];
        for written in written {
            let tokens: TokenStream = written.parse().unwrap();
            assert_eq!(text(tokens), written);
        }
    }

    #[test]
    fn distances() {
        assert_eq!(distance("lock", "lock"), 0);
        assert_eq!(distance("lcok", "lock"), 1);
        assert_eq!(distance("host", "posts"), 2);
        assert_eq!(distance("abcd", "badc"), 2);
        assert_eq!(distance("", "name"), 4);
    }

    #[test]
    fn the_nearest_name() {
        assert_eq!(nearest("usr", ["html", "user", "users"]), Some("user"));
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("host", ["posts"]), None);
        assert_eq!(nearest("ids", ["user"]), None);
        assert_eq!(nearest("colour", ["lock", "timeout"]), None);
        assert_eq!(
            nearest("download_page", ["download_pages"]),
            Some("download_pages")
        );
    }
}
