//! Timelines as one HTML page without external resources.
//!
//! The page is both HTML and XML. Its Content Security Policy forbids it to load anything, and to
//! run anything except its own script, which the policy names by its hash. Names of tasks occur in
//! it as escaped text or in a JSON string that cannot end a script element. The script inserts them
//! as text only.

use std::collections::HashMap;
use std::fmt::Write;

use super::inside::Inside;
use super::model::{Bar, Timeline};
use crate::text::{self, json, nanos, xml};

/// Each file uses only those before it at the top level.
const SCRIPT: &str = concat!(
    "/*<![CDATA[*/\"use strict\";{\n",
    include_str!("page/data.js"),
    include_str!("page/scale.js"),
    include_str!("page/chart.js"),
    include_str!("page/minimap.js"),
    include_str!("page/interaction.js"),
    include_str!("page/table.js"),
    include_str!("page/main.js"),
    "}/*]]>*/"
);

const STYLE: &str = include_str!("page/page.css");

/// The hashes of both, for the policy of the page. When a file in `page` has changed, the test
/// `the_policy_names_the_hashes_of_what_it_allows` fails and prints the new hash.
const SCRIPT_HASH: &str = "Tc6AdqqW74KzPkuJBVaIg563spgNO/grI6YVD6FARpk=";
const STYLE_HASH: &str = "FKpS5T+E45FWBA+YUoqCvJ3RD6oz3RB2VyF2BjzcsQs=";

/// How many rows the table has before the script runs. The same number as `PAGE` in `table.js`.
const PAGE: usize = 50;

pub(crate) fn write(timeline: &Timeline) -> String {
    let title = xml(&timeline.title());
    let mut out = format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-{SCRIPT_HASH}'; \
         style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<meta name=\"generator\" content=\"asyncflow\"/>\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header><h1>{title}</h1></header>\n<main>\n"
    );
    match timeline.timed {
        true => totals(&mut out, timeline),
        false => out.push_str(
            "<p class=\"notice\">This run was not timed, so there is no timeline, only the status of each task. \
             Execute the flow with <code>.timed()</code> to get a timeline.</p>\n",
        ),
    }
    tools(&mut out, timeline.timed);
    if timeline.timed {
        out.push_str(CHART);
        legend(&mut out, timeline);
        out.push_str("</section>\n");
    }
    out.push_str(
        "<div id=\"details\" tabindex=\"-1\" role=\"region\" aria-label=\"The selected task\" hidden=\"hidden\"></div>\n\
         <p id=\"announcement\" class=\"hidden\" role=\"status\"></p>\n",
    );
    table(&mut out, timeline);
    out.push_str("</main>\n<script type=\"application/json\" id=\"data\">");
    data(&mut out, timeline);
    let _ = write!(
        out,
        "</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    );
    out
}

const CHART: &str = "\
<section aria-label=\"Timeline\">
<canvas id=\"minimap\" aria-hidden=\"true\"></canvas>
<div id=\"view\" tabindex=\"0\" role=\"application\" aria-roledescription=\"timeline\" aria-label=\"Timeline of the run. The table below has the same data.\" aria-describedby=\"keys\"><canvas id=\"chart\" aria-hidden=\"true\"></canvas><div id=\"spacer\"></div></div>
<div id=\"tooltip\" aria-hidden=\"true\" hidden=\"hidden\"></div>
";

fn totals(out: &mut String, timeline: &Timeline) {
    let totals = &timeline.totals;
    out.push_str("<dl class=\"totals\">");
    let mut total = |what: &str, value: String, note: String| {
        let _ = write!(
            out,
            "<div><dt>{what}</dt><dd>{}<small>{}</small></dd></div>",
            xml(&value),
            xml(&note)
        );
    };
    total("Wall", nanos(timeline.wall), "from start to end".to_owned());
    total(
        "Critical path",
        nanos(totals.critical),
        format!(
            "{}, {} running",
            text::tasks(totals.critical_tasks),
            nanos(totals.critical_ran)
        ),
    );
    total(
        "Work",
        nanos(totals.work),
        "running time of all tasks".to_owned(),
    );
    total(
        "Parallelism",
        format!("{:.1}", timeline.parallelism()),
        format!("on average, {} at most", text::count(totals.peak as usize)),
    );
    total(
        "Waited for permits",
        nanos(totals.permits),
        "all tasks".to_owned(),
    );
    total(
        "Other waiting",
        nanos(totals.threads),
        "for a slot or a thread".to_owned(),
    );
    out.push_str("</dl>\n");
}

fn tools(out: &mut String, timed: bool) {
    out.push_str(
        "<div class=\"tools\"><label class=\"hidden\" for=\"search\">Search tasks</label>\
         <input id=\"search\" type=\"search\" placeholder=\"Search names, statuses, locks\" autocomplete=\"off\"/>\
         <small id=\"found\"></small><span class=\"grow\"></span>",
    );
    if timed {
        out.push_str(
            "<span class=\"pair\" role=\"group\" aria-label=\"Arrangement\"><button type=\"button\" data-mode=\"rows\" aria-pressed=\"true\">Rows</button>\
             <button type=\"button\" data-mode=\"lanes\" aria-pressed=\"false\">Lanes</button></span>\
             <span class=\"pair\" role=\"group\" aria-label=\"Zoom\"><button type=\"button\" id=\"out\" aria-label=\"Zoom out\">−</button>\
             <button type=\"button\" id=\"in\" aria-label=\"Zoom in\">+</button><button type=\"button\" id=\"fit\">Fit</button></span>",
        );
    }
    out.push_str("</div>\n");
}

/// Writes the legend. Of the statuses it has only those that occur.
fn legend(out: &mut String, timeline: &Timeline) {
    out.push_str("<ul class=\"legend\">");
    let mut entry = |sign: &str, what: &str| {
        let _ = write!(
            out,
            "<li><svg viewBox=\"0 0 22 12\" aria-hidden=\"true\">{sign}</svg>{what}</li>"
        );
    };
    entry(
        "<path class=\"dots\" d=\"M0 6H22\"/>",
        "waiting for upstreams",
    );
    entry(
        "<path class=\"hatch\" d=\"M.5 1.500H21.500V10.500H.5ZM2 10L8 2M7 10L13 2M12 10L18 2\"/>",
        match timeline.bars.iter().any(|bar| !bar.pauses.is_empty()) {
            true => "waiting for a permit, a slot, a thread or the next attempt",
            false => "ready, waiting for a permit, a slot or a thread",
        },
    );
    entry(
        "<rect class=\"s-run\" width=\"22\" height=\"12\"/>",
        "running",
    );
    if timeline.bars.iter().any(|bar| bar.inside.is_some()) {
        entry(
            "<rect class=\"s-run faint\" width=\"22\" height=\"12\"/><path class=\"s-run\" d=\"M0 12V7H7V3H15V9H22V12Z\"/>",
            "how many elements or tasks ran inside at once",
        );
    }
    let mut seen = vec!["run"];
    for bar in &timeline.bars {
        let class = bar.class();
        if !seen.contains(&class) && bar.started.is_some() {
            seen.push(class);
            let sign = format!("<rect class=\"s-{class}\" width=\"22\" height=\"12\"/>");
            entry(&sign, &xml(&bar.status.to_string()));
        }
    }
    if timeline
        .bars
        .iter()
        .any(|bar| bar.started.is_none() && bar.ended.is_some())
    {
        entry(
            "<circle class=\"ring\" cx=\"11\" cy=\"6\" r=\"4\"/>",
            "never started",
        );
    }
    entry("<path class=\"line\" d=\"M0 10H22\"/>", "critical path");
    out.push_str(
        "</ul>\n<p><small id=\"note\"></small></p>\n<p id=\"keys\" class=\"keys\"><small>Drag to move. Zoom with Ctrl and the wheel, or with + and −. The arrow keys go from task to task, \
         Enter goes to the details, a click or Space shows what ran inside of a task, 0 shows the whole run.</small></p>\n",
    );
}

fn table(out: &mut String, timeline: &Timeline) {
    out.push_str(
        "<section aria-label=\"All tasks\"><h2 id=\"all\">All tasks</h2>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"all\"><table>\n<thead><tr>",
    );
    for (key, what, timed) in [
        ("name", "Task", false),
        ("status", "Status", false),
        ("ready", "Ready at", true),
        ("permits", "Waited for permits", true),
        ("thread", "Other waiting", true),
        ("started", "Started at", true),
        ("ran", "Ran", true),
        ("attempts", "Attempts", false),
    ] {
        if !timed || timeline.timed {
            let _ = write!(
                out,
                "<th scope=\"col\"><button type=\"button\" data-key=\"{key}\">{what}</button></th>"
            );
        }
    }
    out.push_str("</tr></thead>\n<tbody id=\"rows\">\n");
    for bar in timeline.bars.iter().take(PAGE) {
        row(out, bar, timeline.timed);
    }
    out.push_str(
        "</tbody>\n</table></div>\n<p class=\"pages\" id=\"pages\"><button type=\"button\" id=\"previous\">Previous</button>\
         <button type=\"button\" id=\"next\">Next</button><small id=\"where\" role=\"status\"></small></p></section>\n",
    );
    if timeline.bars.len() > PAGE {
        let _ = writeln!(
            out,
            "<noscript><p>These are the first {PAGE} of {}. The others and the chart need JavaScript.</p></noscript>",
            text::tasks(timeline.bars.len())
        );
    }
}

/// Writes a row as the script does, for readers without JavaScript.
fn row(out: &mut String, bar: &Bar, timed: bool) {
    let _ = write!(
        out,
        "<tr><th scope=\"row\" dir=\"auto\">{}{}{}</th><td>{}</td>",
        xml(&bar.name),
        if bar.critical {
            "<span class=\"tag\">critical path</span>"
        } else {
            ""
        },
        remarks(bar),
        xml(&bar.status.to_string())
    );
    let permits = bar.waited_for_permits();
    let waited = bar.wait().map(|(ready, until)| until - ready);
    if timed {
        for value in [
            bar.ready,
            waited.map(|_| permits),
            waited.map(|waited| waited - permits),
            bar.started,
            bar.ran(),
        ] {
            let _ = write!(
                out,
                "<td>{}</td>",
                value.map_or_else(|| "–".to_owned(), nanos)
            );
        }
    }
    let _ = writeln!(out, "<td>{}</td></tr>", bar.attempts);
}

/// What is written below the name of a task: what ran inside of it, and its note.
fn remarks(bar: &Bar) -> String {
    let inside = bar.inside.as_ref().map(Inside::summary);
    let remarks = inside.into_iter().chain(bar.note.clone());
    remarks
        .map(|remark| format!("<small class=\"remark\">{}</small>", xml(&remark)))
        .collect()
}

/// Writes the data for the script. Each task is an array; the constants in `data.js` name its
/// elements. `data.js` also tells what `inside` is.
fn data(out: &mut String, timeline: &Timeline) {
    let mut statuses: Vec<(String, &str)> = Vec::new();
    // There may be as many locks as tasks, so a linear search would be quadratic.
    let mut holds: Vec<String> = Vec::new();
    let mut known: HashMap<&[String], usize> = HashMap::new();
    let _ = write!(
        out,
        "{{\"timed\":{},\"wall\":{},\"lanes\":{},\"tasks\":[",
        timeline.timed, timeline.wall, timeline.lanes
    );
    let moment =
        |moment: Option<u64>| moment.map_or(-1, |moment| i64::try_from(moment).unwrap_or(i64::MAX));
    for (number, bar) in timeline.bars.iter().enumerate() {
        let status = index_of(&mut statuses, (bar.status.to_string(), bar.class()));
        let holds_index = match bar.holds.is_empty() {
            true => -1,
            false => *known.entry(&bar.holds).or_insert_with(|| {
                holds.push(bar.holds.join(", "));
                holds.len() - 1
            }) as i64,
        };
        let upstreams: Vec<String> = bar.upstreams.iter().map(usize::to_string).collect();
        let _ = write!(
            out,
            "{}[{},\"{}\",{status},{},{},{},{},{},{},{},{holds_index},[{}],{},{}]",
            if number == 0 { "\n" } else { ",\n" },
            json(&bar.name),
            bar.kind,
            bar.attempts,
            moment(bar.ready),
            moment(bar.permitted),
            moment(bar.started),
            moment(bar.ended),
            bar.lane.map_or(-1, i64::from),
            u8::from(bar.critical),
            upstreams.join(","),
            u8::from(bar.more_upstreams),
            bar.because.map_or(-1, |because| because as i64),
        );
    }
    let noted = timeline.bars.iter().enumerate();
    let notes: Vec<String> = noted
        .filter_map(|(number, bar)| Some(format!("[{number},{}]", json(bar.note.as_ref()?))))
        .collect();
    let paused = timeline.bars.iter().enumerate();
    let paused = paused.filter(|(_, bar)| !bar.pauses.is_empty());
    let pauses = paused.map(|(number, bar)| {
        let pauses = bar.pauses.iter();
        let pauses: Vec<String> = pauses.map(|(from, to)| format!("[{from},{to}]")).collect();
        format!("[{number},[{}]]", pauses.join(","))
    });
    let pauses: Vec<String> = pauses.collect();
    let mut inside = Vec::new();
    for (number, bar) in timeline.bars.iter().enumerate() {
        let Some(of_it) = &bar.inside else {
            continue;
        };
        let parts = of_it.shown.iter().map(|part| {
            let status = index_of(&mut statuses, (part.status.to_string(), part.class()));
            let (started, ended) = (moment(part.started), moment(part.ended));
            format!("[{},{status},{started},{ended}]", json(&part.name))
        });
        let parts: Vec<String> = parts.collect();
        let levels = of_it
            .heights()
            .map(|height| format!("{:.0}", height * 100.0));
        let levels: Vec<String> = levels.collect();
        let count = |(word, count): &(String, usize)| format!("[{},{count}]", json(word));
        let counts: Vec<String> = of_it.statuses.iter().map(count).collect();
        inside.push(format!(
            "[{number},{},{},[{}],[{}],[{}]]",
            json(&of_it.summary()),
            of_it.count,
            counts.join(","),
            levels.join(","),
            parts.join(",")
        ));
    }
    let statuses: Vec<String> = statuses
        .iter()
        .map(|(word, class)| format!("[{},\"{class}\"]", json(word)))
        .collect();
    let holds: Vec<String> = holds.iter().map(|held| json(held)).collect();
    let _ = write!(
        out,
        "\n],\"inside\":[{}],\"notes\":[{}],\"pauses\":[{}],\"statuses\":[{}],\"holds\":[{}]}}",
        inside.join(",\n"),
        notes.join(","),
        pauses.join(","),
        statuses.join(","),
        holds.join(",")
    );
}

/// The index of an item in a list; adds it if it is missing. The lists are short.
fn index_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    match list.iter().position(|known| *known == item) {
        Some(found) => found,
        None => {
            list.push(item);
            list.len() - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_policy_names_the_hashes_of_what_it_allows() {
        assert_eq!(SCRIPT_HASH, hash(SCRIPT), "SCRIPT_HASH in html.rs");
        assert_eq!(STYLE_HASH, hash(STYLE), "STYLE_HASH in html.rs");
    }

    /// The SHA-256 hash in base64.
    fn hash(text: &str) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digest = Sha256::digest(text.as_bytes());
        let mut encoded = String::new();
        for three in digest.chunks(3) {
            let bits = three
                .iter()
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - three.len()));
            for digit in 0..4 {
                encoded.push(match digit <= three.len() {
                    true => char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]),
                    false => '=',
                });
            }
        }
        encoded
    }

    #[test]
    fn the_style_can_stand_in_xml() {
        assert!(!STYLE.contains(['<', '&']));
        assert!(!SCRIPT.trim_end_matches("/*]]>*/").contains("]]>"));
        assert!(!SCRIPT.contains("</script"));
    }
}
