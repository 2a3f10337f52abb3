//! What happened in a group in some time, for whoever has to account for it: what was recorded, how much of what,
//! who belongs to it, and whether anything that was recorded has been altered since.

mod csv;
mod pdf;

use sbd_sdk::audit::{Entry, Verdict};
use sbd_sdk::time::Time;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Whom a report is about, and for whom and when it is made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Heading {
    /// The id of the group.
    #[schema(example = "fam_019a2f3c8b7e7c2d9f00112233445566")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// What happened then or later is in it.
    pub from: Time,
    /// What happened before.
    pub to: Time,
    /// When it was made.
    pub made_at: Time,
    /// The user for whom.
    pub made_by: String,
}

/// Somebody who belongs to the group when the report is made.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReportedMember)]
pub struct Person {
    /// The user's id.
    pub user_id: String,
    /// The user's name.
    pub username: String,
    /// What the user is in the group.
    pub role: String,
    /// Since when.
    pub joined_at: Time,
}

/// How often something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReportedTotal)]
pub struct Total {
    /// What.
    pub action: String,
    /// So often.
    pub count: u64,
}

/// What happened in a group in some time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ComplianceReport)]
pub struct Report {
    /// Whom it is about.
    #[serde(flatten)]
    pub heading: Heading,
    /// Whether all that was recorded of the group, in this time and before it, is as it was recorded.
    pub whole: bool,
    /// How that was found.
    pub chain: Verdict,
    /// Who belongs to the group now.
    pub members: Vec<Person>,
    /// How often each thing was done, by its name.
    pub totals: Vec<Total>,
    /// What was done, in the order in which it was.
    pub entries: Vec<Entry>,
}

// === impl Report ===

impl Report {
    /// Of entries as they are read: the newest first.
    pub fn new(
        heading: Heading,
        members: Vec<Person>,
        chain: Verdict,
        mut entries: Vec<Entry>,
    ) -> Self {
        entries.reverse();
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in &entries {
            *totals.entry(&entry.action).or_default() += 1;
        }
        let totals = totals.into_iter().map(|(action, count)| Total {
            action: action.to_owned(),
            count,
        });
        Self {
            totals: totals.collect(),
            heading,
            whole: chain.broken_at.is_none(),
            chain,
            members,
            entries,
        }
    }

    /// The entries as a table.
    pub fn csv(&self) -> String {
        csv::table(&self.entries)
    }

    /// All of it, to be printed and signed.
    pub fn pdf(&self) -> Vec<u8> {
        pdf::document(self)
    }

    /// The name of a user, or the id of one who does not belong to the group any more.
    fn called<'a>(&'a self, user: &'a str) -> &'a str {
        let member = self.members.iter().find(|member| member.user_id == user);
        member.map_or(user, |member| &member.username)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_sdk::audit::ActorKind;
    use serde_json::json;

    pub(crate) fn entry(number: u64, action: &str, actor: Option<&str>) -> Entry {
        Entry {
            subject: "fam_1".to_owned(),
            number,
            at: "2026-01-31T08:15:30.250Z".to_owned(),
            action: action.to_owned(),
            kind: ActorKind::User,
            actor: actor.map(str::to_owned),
            request: Some("req_1".to_owned()),
            data: json!({"family_id": "fam_1", "user_id": "usr_2"}),
            hash: "ab".repeat(32),
        }
    }

    pub(crate) fn report(entries: Vec<Entry>, broken_at: Option<u64>) -> Report {
        let heading = Heading {
            id: "fam_1".to_owned(),
            name: "Lovelace (née Byron) — Ада".to_owned(),
            from: Time::from_seconds(1_769_800_000),
            to: Time::from_seconds(1_769_900_000),
            made_at: Time::from_seconds(1_769_900_001),
            made_by: "usr_1".to_owned(),
        };
        let ada = Person {
            user_id: "usr_1".to_owned(),
            username: "ada".to_owned(),
            role: "admin".to_owned(),
            joined_at: Time::from_seconds(1_769_800_000),
        };
        let chain = Verdict {
            entries: 12,
            pruned: 3,
            broken_at,
            head: Some("cd".repeat(32)),
        };
        Report::new(heading, vec![ada], chain, entries)
    }

    #[test]
    fn what_happened_is_counted_and_in_order() {
        let entries = vec![
            entry(3, "family.renamed", None),
            entry(2, "family.member.added", Some("usr_1")),
            entry(1, "family.renamed", Some("usr_9")),
        ];
        let report = report(entries, None);
        let numbers: Vec<_> = report.entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let totals = serde_json::to_value(&report.totals).unwrap();
        assert_eq!(
            totals,
            json!([{"action": "family.member.added", "count": 1}, {"action": "family.renamed", "count": 2}])
        );
        assert_eq!(
            (report.called("usr_1"), report.called("usr_9")),
            ("ada", "usr_9")
        );
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&written["id"], &written["whole"]),
            (&json!("fam_1"), &json!(true))
        );
        assert!(!super::tests::report(Vec::new(), Some(4)).whole);
    }
}
