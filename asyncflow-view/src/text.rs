//! How names and durations are written, and escaped in each format.
//!
//! The name of a task can be any string. [`clean`] bounds its length and replaces characters that
//! change the direction of the text, end a line or are forbidden in XML. Each format then escapes
//! the rest by its own rules, so that a name can never be read as anything but text.

use std::cmp::Reverse;
use std::fmt::Write;
use std::mem;
use std::time::Duration;

use asyncflow_core::TaskStatus;

/// The most characters of a name in a picture. Found by eye: a longer label leaves no room for
/// others.
pub(crate) const SHORT: usize = 36;

/// The most characters of a name in tooltips, details, tables and logs. It is long enough for a
/// path or a URL, and bounds the size of the output.
pub(crate) const LONG: usize = 240;

/// Returns a name of at most `width` printable characters. Of a longer one it keeps the beginning
/// and the end.
pub(crate) fn clean(name: &str, width: usize) -> String {
    if name.trim().is_empty() {
        return "(no name)".to_owned();
    }
    // Does not read the whole name, which may be a megabyte.
    let head: Vec<char> = name.chars().take(width + 1).collect();
    if head.len() <= width {
        return head.into_iter().map(visible).collect();
    }
    // Keeps the end, because that is where `#2` and `#3` differ.
    let tail = width / 3;
    let mut end: Vec<char> = name.chars().rev().take(tail).collect();
    end.reverse();
    let head = head.into_iter().take(width - 1 - tail).map(visible);
    head.chain(['…'])
        .chain(end.into_iter().map(visible))
        .collect()
}

/// Replaces a character that is invisible or has an effect on the text around it.
fn visible(c: char) -> char {
    let changes_direction = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_a_line = matches!(c, '\u{2028}' | '\u{2029}');
    let noncharacter = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    let zero_width = matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}');
    match c.is_control() || changes_direction || ends_a_line || noncharacter || zero_width {
        true => '\u{fffd}',
        false => c,
    }
}

/// Formats a duration with three digits and a unit: `850 ns`, `12.3 µs`, `4.56 ms`, `1.23 s`, `2
/// min 3 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos < 1000 {
        return format!("{nanos} ns");
    }
    let seconds = duration.as_secs();
    if seconds >= 3600 {
        return format!("{} h {} min", seconds / 3600, seconds % 3600 / 60);
    }
    if seconds >= 60 {
        return format!("{} min {} s", seconds / 60, seconds % 60);
    }
    let (value, unit) = match nanos {
        0..=999_999 => (nanos as f64 / 1e3, "µs"),
        1_000_000..=999_999_999 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    match value {
        v if v < 9.995 => format!("{v:.2} {unit}"),
        v if v < 99.95 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

/// Formats a number of nanoseconds as [`duration`] does.
pub(crate) fn nanos(nanos: u64) -> String {
    duration(Duration::from_nanos(nanos))
}

/// Formats a count with thin spaces between groups of digits: `10 000`.
pub(crate) fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 && digits.len() > 4 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats a number of tasks: `1 task`, `2 tasks`.
pub(crate) fn tasks(number: usize) -> String {
    match number {
        1 => "1 task".to_owned(),
        number => format!("{} tasks", count(number)),
    }
}

/// How many have each status, the most frequent first.
pub(crate) fn statuses(statuses: impl Iterator<Item = TaskStatus>) -> Vec<(String, usize)> {
    let mut counts: Vec<(TaskStatus, usize)> = Vec::new();
    for status in statuses {
        let same = |known: TaskStatus| mem::discriminant(&known) == mem::discriminant(&status);
        match counts.iter_mut().find(|(known, _)| same(*known)) {
            Some((_, count)) => *count += 1,
            None => counts.push((status, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let words = counts.into_iter();
    words
        .map(|(status, count)| (status.to_string(), count))
        .collect()
}

/// Escapes text for XML and HTML, also for attributes.
pub(crate) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Quotes a string for DOT. Graphviz also interprets escape sequences such as `\n` and entities
/// such as `&amp;` in it.
pub(crate) fn dot(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '&' => quoted.push_str("&amp;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Escapes text for a quoted string of Mermaid, where `#` begins an entity, and `1. `, `- `,
/// backquotes and stars begin Markdown. Plain words stay readable.
pub(crate) fn mermaid(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut escaped = String::new();
    let word = |at: Option<usize>| {
        let c = at.and_then(|at| chars.get(at));
        c.is_some_and(|c| c.is_alphanumeric())
    };
    for (at, &c) in chars.iter().enumerate() {
        let inside_a_word = matches!(c, '_' | '-' | '.' | ',') // `a_b`, `1.5`, but not `1. `
            && word(at.checked_sub(1))
            && word(Some(at + 1));
        if !c.is_ascii() || c.is_ascii_alphanumeric() || c == ' ' || inside_a_word {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}

/// Quotes a string for JSON. The result is also safe inside a script element of an HTML page and in
/// XML: it has no `<`, `>` or `&`, and no line ends.
pub(crate) fn json(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cleaned_and_keep_both_ends() {
        assert_eq!(clean("", 9), "(no name)");
        assert_eq!(clean("a\0b\nc\u{202e}d", 9), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(clean("abcdefghijklm#12", 9), "abcde…#12");
        assert_eq!(clean("\u{10ffff}x", 9), "\u{fffd}x");
        assert_eq!(clean(&"x".repeat(1 << 20), LONG).chars().count(), LONG);
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = |nanos| duration(Duration::from_nanos(nanos));
        assert_eq!(shown(0), "0 ns");
        assert_eq!(shown(12_345), "12.3 µs");
        assert_eq!(shown(4_560_000), "4.56 ms");
        assert_eq!(shown(999_999), "1000 µs");
        assert_eq!(shown(61_000_000_000), "1 min 1 s");
        assert_eq!(count(1234), "1234");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn mermaid_keeps_words_and_disarms_the_rest() {
        assert_eq!(mermaid("load_user v1.2"), "load_user v1.2");
        assert_eq!(mermaid("1. `x`"), "1#46; #96;x#96;");
        assert_eq!(mermaid("\"];end"), "#34;#93;#59;end");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn json_says_the_same_and_is_inert(text in any::<String>()) {
            let quoted = json(&text);
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
            let harmful = ['<', '>', '&', '\u{2028}', '\u{2029}'];
            prop_assert!(!quoted.contains(harmful));
        }

        #[test]
        fn xml_says_the_same(text in any::<String>()) {
            let text = clean(&text, LONG);
            let page = format!("<p title=\"{0}\">{0}</p>", xml(&text));
            let page = roxmltree::Document::parse(&page).unwrap();
            prop_assert_eq!(page.root_element().text().unwrap(), &text);
            prop_assert_eq!(page.root_element().attribute("title").unwrap(), &text);
        }
    }
}
