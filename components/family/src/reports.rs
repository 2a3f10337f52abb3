//! What a report says of a family. `group::reports` makes it; that somebody has is recorded as `family.report.made`.

use crate::model::{FamilyId, Membership, Role};
use crate::store::{FAMILIES, MEMBERSHIPS};
use membership::report::Person;
use sbd_sdk::{Error, Result};
use serde_json::json;

/// Members that are read at once: the most there are on a page.
const AT_ONCE: u32 = 1000;

/// What a family is called, and who belongs to it.
pub(crate) async fn described(family_id: &FamilyId) -> Result<(String, Vec<Person>)> {
    let family = FAMILIES.get(family_id.as_str()).await?;
    let family = family.ok_or_else(|| Error::not_found("family"))?;
    Ok((family.name, members(family_id).await?))
}

async fn members(family_id: &FamilyId) -> Result<Vec<Person>> {
    let (mut members, mut cursor) = (Vec::new(), None);
    loop {
        let found = MEMBERSHIPS
            .find(json!({"family_id": family_id}))
            .sort(json!({"joined_at": 1}))
            .limit(AT_ONCE)
            .after(cursor)
            .fetch()
            .await?;
        members.extend(found.documents.into_iter().map(Person::from));
        cursor = found.next;
        if cursor.is_none() {
            return Ok(members);
        }
    }
}

impl From<Membership> for Person {
    fn from(member: Membership) -> Self {
        let role = match (member.role, member.minor) {
            (Role::Admin, _) => "admin",
            (Role::Member, false) => "member",
            (Role::Member, true) => "minor",
        };
        Self {
            user_id: member.user_id,
            username: member.username,
            role: role.to_owned(),
            joined_at: member.joined_at,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{app, family_with};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn administrators_report_what_happened_in_some_time() {
        let app = app();
        let id = family_with(&app, &["usr_2"]);
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/families/{id}");
        app.advance(Duration::from_secs(40 * 24 * 60 * 60));
        let middle = app.now();
        ada.put(&address, json!({"name": "B"})).assert_status(200);
        let path = format!("{address}/reports/compliance");
        let report = ada.get(&path).assert_status(200);
        assert_eq!(
            (&report["id"], &report["name"], &report["whole"]),
            (&json!(id), &json!("B"), &json!(true))
        );
        assert_eq!(
            report["totals"],
            json!([{"action": "family.renamed", "count": 1}])
        );
        assert_eq!(
            (&report["chain"]["entries"], &report["made_by"]),
            (&json!(3), &json!("usr_1"))
        );
        assert_eq!(report["members"].as_array().unwrap().len(), 2);
        let recorded = app.recorded();
        let last = recorded.last().unwrap();
        assert_eq!(
            (
                last.action.as_str(),
                &last.data["format"],
                &last.data["from"]
            ),
            ("family.report.made", &json!("json"), &report["from"])
        );
        let before = ada
            .get(&format!("{path}?from=2000-01-01T00:00:00Z&to={middle}"))
            .assert_status(200);
        assert_eq!(before["entries"].as_array().unwrap().len(), 2);
        assert_eq!(before["entries"][0]["action"], "family.created");
        for (query, field) in [
            (format!("from={middle}&to={middle}"), "from"),
            ("format=xml".to_owned(), "format"),
            ("until=x".to_owned(), "until"),
        ] {
            let refused = ada.get(&format!("{path}?{query}"));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        for path in ["reports/compliance", "export"] {
            let path = format!("{address}/{path}");
            app.signed_in("usr_2")
                .get(&path)
                .assert_refused(403, "FORBIDDEN");
            app.signed_in("usr_9")
                .get(&path)
                .assert_refused(404, "NOT_FOUND");
        }
    }

    #[test]
    fn a_report_comes_as_a_table_and_to_be_printed() {
        let app = app();
        let id = family_with(&app, &[]);
        let ada = app.signed_in("usr_1");
        let path = format!("/api/v1/families/{id}/reports/compliance");
        let table = ada.get(&format!("{path}?format=csv")).assert_status(200);
        let kind = table.header("content-type");
        assert_eq!(kind, Some("text/csv; charset=utf-8"));
        assert_eq!(table.body().as_str().unwrap().lines().count(), 3);
        let printed = ada.get(&format!("{path}?format=pdf")).assert_status(200);
        assert_eq!(printed.header("content-type"), Some("application/pdf"));
        let name = format!("attachment; filename=\"{id}-compliance.pdf\"");
        assert_eq!(printed.header("content-disposition"), Some(&*name));
    }
}
