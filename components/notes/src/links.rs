//! Links between notes: `[[title]]`, `[[title|what is shown]]`, `[[not_...]]`. What stands in code is none.

use crate::model::{LONGEST_TITLE, NoteId};
use sbd_sdk::text::key;

/// Most notes that one links to.
pub(crate) const MOST: usize = 200;

/// What a text links to, each once, in order: as it is written.
pub(crate) fn targets(body: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    // What begins a block of code, and ends it.
    let mut fence: Option<&str> = None;
    for line in body.lines() {
        let mark = fence_of(line);
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if mark.starts_with(open) => fence = None,
            (None, None) => {
                for target in of_line(line) {
                    let key = target_key(target);
                    if !keys.contains(&key) && keys.len() <= MOST {
                        keys.push(key);
                        found.push(target);
                    }
                }
            }
            (Some(_), _) => {}
        }
    }
    found
}

/// The same in the form in which they are compared: ids of notes, and keys of titles.
pub(crate) fn keys(body: &str) -> Vec<String> {
    targets(body).into_iter().map(target_key).collect()
}

/// A target in the form in which it is compared.
pub(crate) fn target_key(target: &str) -> String {
    match target.parse::<NoteId>() {
        Ok(id) => id.to_string(),
        Err(_) => key(target),
    }
}

/// Three or more backticks or tildes at the beginning of a line.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.len() - line.trim_start_matches(mark).len();
    line.get(..length).filter(|_| length >= 3)
}

fn of_line(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    // Every second part between backticks is code, unless the last one is never closed.
    let parts: Vec<_> = line.split('`').collect();
    let closed = parts.len() % 2 == 1;
    for (number, part) in parts.iter().enumerate() {
        if number % 2 == 1 && (closed || number + 1 < parts.len()) {
            continue;
        }
        let mut rest = *part;
        while let Some((_, after)) = rest.split_once("[[") {
            let Some((inside, after)) = after.split_once("]]") else {
                break;
            };
            rest = after;
            // Of `[[a [[b]]`, the inner one counts.
            let inside = inside.rsplit("[[").next().unwrap_or(inside);
            let target = inside.split('|').next().unwrap_or(inside).trim();
            if !target.is_empty() && target.chars().count() <= LONGEST_TITLE {
                found.push(target);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_where_they_are_meant() {
        let id = format!("not_{:032x}", 7);
        let by_id = format!("see [[{id}|that]]");
        let cases: [(&str, &[&str]); 12] = [
            ("[[Tea]] and [[ Milk |white]]", &["Tea", "Milk"]),
            ("[[Tea]] [[tea]] [[TEA ]]", &["Tea"]),
            (&by_id, &[id.as_str()]),
            ("no [link](x) [[]] [[ ]] [[|x]] [[open", &[]),
            ("[[a [[b]] c]]", &["b"]),
            ("`[[code]]` [[text]] `[[code]]`", &["text"]),
            ("one ` only [[text]]", &["text"]),
            ("```\n[[code]]\n```\n[[text]]", &["text"]),
            ("~~~~ x\n[[code]]\n~~~\n[[code]]\n~~~~\n[[text]]", &["text"]),
            ("```\n[[never closed]]", &[]),
            ("[[two\nlines]]", &[]),
            ("[[ünï|]]", &["ünï"]),
        ];
        for (text, expected) in cases {
            assert_eq!(targets(text), expected, "{text}");
        }
        assert_eq!(keys("[[Ünï]]"), ["ünï"]);
    }

    #[test]
    fn a_text_of_nothing_but_brackets_takes_no_time() {
        for text in [
            "[[".repeat(50_000),
            "]]".repeat(50_000),
            "[[x]]".repeat(20_000),
            "`".repeat(100_000),
        ] {
            assert!(targets(&text).len() <= 1);
        }
        let many: String = (0..20_000).map(|n| format!("[[{n}]]")).collect();
        assert_eq!(targets(&many).len(), MOST + 1);
    }
}
