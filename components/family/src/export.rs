//! What this component holds of a family, to be taken along: `group::export` does that.

use group::export::{Of, Part, part};

/// All of it.
pub(crate) const PARTS: [Part; 12] = [
    part("families", Of::Id, &[]),
    part("memberships", Of::Field("family_id"), &["family_name_key"]),
    part("relationships", Of::Field("family_id"), &["pair"]),
    part(
        "invitations",
        Of::Field("family_id"),
        &["token", "invited", "to_key", "open_key", "delivered"],
    ),
    part("wallets", Of::Id, &[]),
    part("allowances", Of::Beginning, &[]),
    part("payments", Of::Field("group"), &["key"]),
    part("requests", Of::Field("group"), &["key"]),
    part("succession_plans", Of::Id, &[]),
    part("successions", Of::Field("family_id"), &[]),
    part("emergency_accesses", Of::Field("family_id"), &["living"]),
    part("recoveries", Of::Field("family_id"), &["living"]),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::PARTS;
    use crate::tests::{app, family_with};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    /// What is of users rather than of families, and what only says what was answered.
    const OTHERS: [&str; 2] = ["creators", "idempotency"];

    #[test]
    fn every_collection_is_looked_into() {
        let manifest = include_str!("../spin.toml").lines();
        let declared = manifest.filter_map(|line| {
            let name = line.strip_prefix("[component.family.tool.sbd.collections.")?;
            name.strip_suffix(']')
        });
        let mut declared: Vec<_> = declared.collect();
        let mut known: Vec<_> = PARTS
            .iter()
            .map(|part| part.collection())
            .chain(OTHERS)
            .collect();
        declared.sort_unstable();
        known.sort_unstable();
        assert_eq!(declared, known);
    }

    #[test]
    fn all_of_a_family_is_taken_along_and_nothing_of_another() {
        let app = app();
        let others: Vec<_> = (0..1200)
            .map(|number| format!("usr_{}", 100 + number))
            .collect();
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        let id = family_with(&app, &others);
        family_with(&app, &["usr_5"]);
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/families/{id}");
        let invited = json!({"to": "bob@example.com"});
        ada.post(&format!("{address}/invitations"), invited)
            .assert_status(201);
        let (mut all, mut cursor) = (BTreeMap::<String, Vec<Value>>::new(), String::new());
        let mut pages = 0;
        loop {
            let page = ada
                .get(&format!("{address}/export{cursor}"))
                .assert_status(200);
            pages += 1;
            let documents = page["parts"].as_array().unwrap();
            let of = |part: &Value| part["documents"].as_array().unwrap().clone();
            assert!(documents.iter().map(|part| of(part).len()).sum::<usize>() <= 1000);
            for part in documents {
                let name = part["name"].as_str().unwrap().to_owned();
                all.entry(name).or_default().extend(of(part));
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("?cursor={next}"),
                None => break,
            }
        }
        assert_eq!(pages, 2);
        assert_eq!(all.len(), PARTS.len() + 1);
        assert_eq!((all["families"].len(), all["memberships"].len()), (1, 1201));
        assert_eq!(all["families"][0]["_id"], json!(id));
        let invitation = &all["invitations"][0];
        assert_eq!(invitation["to"], "bob@example.com");
        assert!(invitation.get("token").is_none() && invitation.get("invited").is_none());
        let actions: Vec<_> = all["audit"].iter().map(|entry| &entry["action"]).collect();
        let expected = [
            "family.exported",
            "family.invitation.sent",
            "family.member.added",
            "family.created",
        ];
        assert_eq!(actions, expected);
        for cursor in ["", "x", "99.", "-1.", "1.nonsense", "12.nonsense"] {
            let refused = ada.get(&format!("{address}/export?cursor={cursor}"));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(
                refused["error"]["details"][0]["field"], "cursor",
                "{cursor}"
            );
        }
    }
}
