//! What this component holds of a workspace, to be taken along by its owner and administrators: `group::export` does
//! that.

use group::export::{Of, Part, part};

/// All of it.
pub(crate) const PARTS: [Part; 12] = [
    part("workspaces", Of::Id, &[]),
    part(
        "memberships",
        Of::Field("workspace_id"),
        &["workspace_name_key"],
    ),
    part("roles", Of::Field("workspace_id"), &["name_key"]),
    part("sent_away", Of::Field("workspace_id"), &[]),
    part(
        "invitations",
        Of::Field("workspace_id"),
        &["token", "invited", "to_key", "open_key", "delivered"],
    ),
    part("links", Of::Field("workspace_id"), &["token"]),
    part("labels", Of::Field("workspace_id"), &["name_key"]),
    part("labelled", Of::Field("workspace_id"), &[]),
    part("wallets", Of::Id, &[]),
    part("allowances", Of::Beginning, &[]),
    part("payments", Of::Field("group"), &["key"]),
    part("requests", Of::Field("group"), &["key"]),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::PARTS;
    use crate::tests::{app, team, workspace};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    /// What is of users rather than of workspaces, and what only says what was answered.
    const OTHERS: [&str; 2] = ["creators", "idempotency"];

    #[test]
    fn every_collection_is_looked_into() {
        let manifest = include_str!("../spin.toml").lines();
        let declared = manifest.filter_map(|line| {
            let name = line.strip_prefix("[component.workspace.tool.sbd.collections.")?;
            name.strip_suffix(']')
        });
        let mut declared: Vec<_> = declared.collect();
        let known = PARTS.iter().map(|part| part.collection());
        let mut known: Vec<_> = known.chain(OTHERS).collect();
        declared.sort_unstable();
        known.sort_unstable();
        assert_eq!(declared, known);
    }

    #[test]
    fn all_of_a_workspace_is_taken_along_and_nothing_of_another_nor_a_secret() {
        let app = app();
        let id = team(&app);
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        workspace(&ada, "Other");
        let at = |path: &str| format!("/api/v1/workspaces/{id}/{path}");
        let made = ada
            .post(&at("links"), json!({"uses": 2}))
            .assert_status(201);
        let code = made.text("code").split_once('.').unwrap().1.to_owned();
        ada.post(&at("invitations"), json!({"to": "bob@example.com"}))
            .assert_status(201);
        ada.post(
            &at("roles"),
            json!({"name": "Treasurer", "permissions": ["spend"]}),
        )
        .assert_status(201);
        ada.post(&at("labels"), json!({"name": "Apollo"}))
            .assert_status(201);
        for user in ["usr_3", "usr_4"] {
            app.signed_in(user)
                .get(&at("export"))
                .assert_refused(403, "FORBIDDEN");
        }
        app.signed_in("usr_9")
            .get(&at("export"))
            .assert_refused(404, "NOT_FOUND");
        let page = bob.get(&at("export")).assert_status(200);
        assert_eq!(page["next"], json!(null));
        let text = page.body().to_string();
        assert!(
            !text.contains(&code) && !text.contains("\"token\""),
            "{text}"
        );
        let parts = page["parts"].as_array().unwrap().iter();
        let counts: BTreeMap<_, _> = parts
            .map(|part| {
                let documents: &Vec<Value> = part["documents"].as_array().unwrap();
                (part["name"].as_str().unwrap(), documents.len())
            })
            .collect();
        let said: Vec<_> = [
            "workspaces",
            "memberships",
            "roles",
            "invitations",
            "links",
            "labels",
        ]
        .iter()
        .map(|name| counts[name])
        .collect();
        assert_eq!(said, [1, 4, 1, 1, 1, 1]);
        let last = app.recorded();
        assert_eq!(last.last().unwrap().action, "workspace.exported");
        ada.get(&at("export?cursor=99."))
            .assert_refused(422, "VALIDATION_ERROR");
    }
}
