//! The entries of a report as a table.

use sbd_sdk::audit::Entry;
use sbd_sdk::csv::line;

const COLUMNS: [&str; 8] = [
    "number", "at", "action", "kind", "actor", "request", "data", "hash",
];

pub(super) fn table(entries: &[Entry]) -> String {
    let lines = entries.iter().map(|entry| {
        line([
            &*entry.number.to_string(),
            &*entry.at,
            &*entry.action,
            entry.kind.name(),
            entry.actor.as_deref().unwrap_or_default(),
            entry.request.as_deref().unwrap_or_default(),
            &*entry.data.to_string(),
            &*entry.hash,
        ])
    });
    std::iter::once(line(COLUMNS)).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use crate::report::tests::{entry, report};

    #[test]
    fn a_table_has_a_line_for_each_and_runs_nothing() {
        let mut wrong = entry(1, "family.renamed", Some("=cmd()"));
        wrong.request = None;
        let table = report(vec![entry(2, "family.renamed", None), wrong], None).csv();
        let hash = "ab".repeat(32);
        let data = "\"{\"\"family_id\"\":\"\"fam_1\"\",\"\"user_id\"\":\"\"usr_2\"\"}\"";
        let at = "\"2026-01-31T08:15:30.250Z\",\"family.renamed\",\"user\"";
        let expected = format!(
            "\"number\",\"at\",\"action\",\"kind\",\"actor\",\"request\",\"data\",\"hash\"\r\n\
             \"1\",{at},\"'=cmd()\",\"\",{data},\"{hash}\"\r\n\
             \"2\",{at},\"\",\"req_1\",{data},\"{hash}\"\r\n"
        );
        assert_eq!(table, expected);
    }
}
