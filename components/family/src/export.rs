//! All that this component holds of a family, as it is stored, page by page: whatever there is of it, no page holds
//! more than an instance does. Left out are digests and keys, which say nothing to anybody else, and whom an
//! invitation found, which whoever invites is not to learn.

use crate::model::{FamilyId, require_admin};
use crate::store;
use sbd_sdk::audit::{self, Query};
use sbd_sdk::documents::Collection;
use sbd_sdk::{Caller, Error, Result};
use serde_json::{Value, json};

/// That an administrator has taken all that is known of the family.
const EXPORTED: &str = "family.exported";
/// Documents on a page at most.
const MOST: usize = 1000;
/// The name of the last part: what was recorded of the family.
const AUDIT: &str = "audit";

/// A collection with something of families.
struct Part {
    collection: &'static str,
    of: Of,
    /// The fields that are left out.
    secret: &'static [&'static str],
}

/// How a document says which family it is of.
enum Of {
    /// By its id, which is the family's.
    Id,
    /// By its id, which begins with the family's.
    Beginning,
    /// By this field.
    Field(&'static str),
}

const PARTS: [Part; 12] = [
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

/// Where a page ends: in which part, and where in that.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    part: usize,
    cursor: Option<String>,
}

/// A page of all that there is.
pub(crate) struct Exported {
    /// Documents by the name of what they are in.
    pub(crate) parts: Vec<(&'static str, Vec<Value>)>,
    pub(crate) next: Option<String>,
}

/// The page behind another one; the first one is recorded.
pub(crate) async fn page(
    family_id: &FamilyId,
    caller: &Caller,
    cursor: Option<&str>,
) -> Result<Exported> {
    require_admin(&store::membership(family_id, caller).await?)?;
    let mut place = cursor.map(Place::read).transpose()?.unwrap_or_default();
    if cursor.is_none() {
        let exported = json!({"family_id": family_id});
        audit::append(family_id.as_str(), EXPORTED, &exported).await?;
    }
    let (mut parts, mut room) = (Vec::new(), MOST);
    while room > 0 && place.part <= PARTS.len() {
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let (name, documents, next) = match PARTS.get(place.part) {
            Some(part) => part.read(family_id, place.cursor.take(), limit).await?,
            None => recorded(family_id, place.cursor.take(), limit).await?,
        };
        room = room.saturating_sub(documents.len());
        parts.push((name, documents));
        match next {
            Some(next) => place.cursor = Some(next),
            None => place.part += 1,
        }
    }
    let next = (place.part <= PARTS.len()).then(|| place.written());
    Ok(Exported { parts, next })
}

const fn part(collection: &'static str, of: Of, secret: &'static [&'static str]) -> Part {
    Part {
        collection,
        of,
        secret,
    }
}

type Read = (&'static str, Vec<Value>, Option<String>);

async fn recorded(family_id: &FamilyId, cursor: Option<String>, limit: u32) -> Result<Read> {
    let query = Query {
        subject: Some(family_id.to_string()),
        cursor,
        limit,
        ..Query::default()
    };
    let page = audit::find(query).await?;
    let entries = page.entries.iter().map(serde_json::to_value);
    let entries = entries.collect::<Result<_, _>>().map_err(Error::internal)?;
    Ok((AUDIT, entries, page.next))
}

fn wrong_cursor() -> Error {
    Error::validation("cursor", "the `next` of the page before; begin without one")
}

// === impl Part ===

impl Part {
    async fn read(&self, family_id: &FamilyId, cursor: Option<String>, limit: u32) -> Result<Read> {
        let id = family_id.as_str();
        let filter = match self.of {
            Of::Id => json!({"_id": id}),
            Of::Beginning => json!({"_id": {"$gte": format!("{id}/"), "$lt": format!("{id}0")}}),
            Of::Field(field) => json!({field: id}),
        };
        let asked = cursor.is_some();
        let documents: Collection<Value> = Collection::new(self.collection);
        let found = documents.find(filter).limit(limit).after(cursor).fetch();
        let mut found = found.await.map_err(|error| match error {
            sbd_sdk::documents::DocumentsError::Invalid(_) if asked => wrong_cursor(),
            error => error.into(),
        })?;
        for document in &mut found.documents {
            if let Value::Object(fields) = document {
                fields.retain(|name, _| !self.secret.contains(&&**name));
            }
        }
        Ok((self.collection, found.documents, found.next))
    }
}

// === impl Place ===

impl Place {
    fn read(text: &str) -> Result<Self> {
        let (part, cursor) = text.split_once('.').ok_or_else(wrong_cursor)?;
        let part: usize = part.parse().map_err(|_| wrong_cursor())?;
        if part > PARTS.len() {
            return Err(wrong_cursor());
        }
        let cursor = Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty());
        Ok(Self { part, cursor })
    }

    fn written(&self) -> String {
        format!(
            "{}.{}",
            self.part,
            self.cursor.as_deref().unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, family_with};
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
            .map(|part| part.collection)
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
            assert!(documents.iter().map(|part| of(part).len()).sum::<usize>() <= MOST);
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
        let actions: Vec<_> = all[AUDIT].iter().map(|entry| &entry["action"]).collect();
        let expected = [
            EXPORTED,
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
