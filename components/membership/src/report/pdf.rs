//! A report to be printed.
//!
//! What no font has of a name is shown as `?`, and the id beside it says who it is.

use super::Report;
use crate::pages::{Font, MARGIN, Pages, SIZE, WIDTH, wrapped};
use sbd_sdk::audit::{ActorKind, Entry};
use serde_json::Value;

/// Where the columns begin: of what was done, of members, of totals.
const DONE: [f32; 5] = [MARGIN, 75.0, 187.0, 345.0, 475.0];
const MEMBERS: [f32; 4] = [MARGIN, 215.0, 300.0, 420.0];
const TOTALS: [f32; 2] = [MARGIN, 300.0];

pub(super) fn document(report: &Report) -> Vec<u8> {
    let mut pages = Pages::new("Compliance report");
    heading(&mut pages, report);
    members(&mut pages, report);
    totals(&mut pages, report);
    entries(&mut pages, report);
    pages.written(&format!("{} {}", report.heading.id, report.heading.made_at))
}

fn heading(pages: &mut Pages, report: &Report) {
    let about = &report.heading;
    pages.line(&[(MARGIN, "Compliance report")], Font::Bold, 18.0);
    pages.line(&[(MARGIN, &about.name)], Font::Bold, 12.0);
    pages.space();
    let chain = &report.chain;
    let found = match chain.broken_at {
        None => format!(
            "all {} entries are as they were recorded, each chained to the one before it",
            chain.entries
        ),
        Some(at) => format!("BROKEN: entry {at} was altered, or is missing"),
    };
    let period = format!("{} to {}", about.from, about.to);
    let made = format!(
        "{} for {} ({})",
        about.made_at,
        report.called(&about.made_by),
        about.made_by
    );
    let facts = [
        ("Id", about.id.as_str()),
        ("Period", &period),
        ("Made", &made),
        ("Audit", &found),
        ("Last hash", chain.head.as_deref().unwrap_or("none")),
    ];
    for (name, fact) in facts {
        pages.fact(name, fact);
    }
    if chain.pruned > 0 {
        let gone = format!(
            "{} older entries are gone, as their time was over",
            chain.pruned
        );
        pages.fact("", &gone);
    }
}

fn members(pages: &mut Pages, report: &Report) {
    pages.title(&format!("Members ({})", report.members.len()));
    pages.columns(&MEMBERS, &["user", "role", "name", "since"]);
    for member in &report.members {
        let since = member.joined_at.to_string();
        let cells = [&*member.user_id, &*member.role, &*member.username, &*since];
        pages.cells(&MEMBERS, &cells);
    }
}

fn totals(pages: &mut Pages, report: &Report) {
    pages.title(&format!("Totals ({} entries)", report.entries.len()));
    pages.columns(&TOTALS, &["action", "times"]);
    for total in &report.totals {
        pages.cells(&TOTALS, &[&total.action, &total.count.to_string()]);
    }
}

fn entries(pages: &mut Pages, report: &Report) {
    pages.title("What was done");
    let names = ["no.", "at", "action", "by", "more"];
    pages.columns(&DONE, &names);
    for entry in &report.entries {
        let number = entry.number.to_string();
        let who = who(report, entry);
        let more = more(&entry.data);
        let room = WIDTH - MARGIN - DONE[4];
        for (at, part) in wrapped(&more, room).into_iter().enumerate() {
            if pages.is_full() {
                pages.turn();
                pages.columns(&DONE, &names);
            }
            match at {
                0 => pages.cells(&DONE, &[&number, &entry.at, &entry.action, &who, &part]),
                _ => pages.line(&[(DONE[4], &*part)], Font::Plain, SIZE),
            }
        }
    }
}

fn who(report: &Report, entry: &Entry) -> String {
    let user = entry.actor.as_deref().map(|user| report.called(user));
    match (entry.kind, user) {
        (ActorKind::Delegated, Some(user)) => format!("for {user}"),
        (_, Some(user)) => user.to_owned(),
        (kind, None) => kind.name().to_owned(),
    }
}

/// What is recorded with an entry, on one line; the group's own id is on every page.
fn more(data: &Value) -> String {
    let Value::Object(fields) = data else {
        return data.to_string();
    };
    let is_known = |name: &str| matches!(name, "family_id" | "workspace_id");
    let shown = fields
        .iter()
        .filter(|(name, value)| !is_known(name) && !value.is_null());
    let shown = shown.map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        value => format!("{name} {value}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::report::tests::{entry, report};

    fn count(document: &[u8], what: &str) -> usize {
        let what = what.as_bytes();
        document
            .windows(what.len())
            .filter(|part| *part == what)
            .count()
    }

    #[test]
    fn all_of_it_is_printed_on_as_many_pages_as_it_takes() {
        let entries: Vec<_> = (1..=100)
            .rev()
            .map(|number| entry(number, "family.member.added", Some("usr_1")))
            .collect();
        let document = report(entries, None).pdf();
        assert!(document.starts_with(b"%PDF-1."));
        assert!(document.ends_with(b"%%EOF"));
        let pages = count(&document, "/Type /Page\n");
        assert!((3..=5).contains(&pages), "{pages}");
        assert_eq!(count(&document, "(family.member.added)"), 101);
        assert_eq!(count(&document, &format!("page 1 of {pages}")), 1);
        assert_eq!(count(&document, "(100)"), 2);
        assert_eq!(count(&document, "BROKEN"), 0);
        // What is not ASCII is written in hexadecimal digits: here é, the dash, and three letters there are not.
        let name = "<4C6F76656C61636520286EE965204279726F6E292097203F3F3F>";
        assert_eq!(count(&document, name), 1);
        let broken = report(Vec::new(), Some(4)).pdf();
        assert_eq!(count(&broken, "BROKEN: entry 4"), 1);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_recorded_is_printed(texts in proptest::collection::vec(".{0,300}", 0..20)) {
            let entries = (1..).zip(&texts).map(|(number, text)| {
                let mut entry = entry(number, "family.renamed", Some(text));
                entry.data = serde_json::json!({"memo": text});
                entry
            });
            let document = report(entries.collect(), None).pdf();
            proptest::prop_assert!(document.ends_with(b"%%EOF"));
        }
    }
}
