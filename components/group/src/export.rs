//! All that a component holds of a group, as it is stored, page by page: whatever there is of it, no page holds
//! more than an instance does. Left out are digests and keys, which say nothing to anybody else, and whom an
//! invitation found, which whoever invites is not to learn.

use crate::{Group, audit};
use sbd_sdk::audit::{Query, find};
use sbd_sdk::documents::{Collection, DocumentsError};
use sbd_sdk::{Error, Result};
use serde_json::{Value, json};

/// Documents on a page at most.
const MOST: usize = 1000;
/// The name of the last part: what was recorded of the group.
const AUDIT: &str = "audit";

/// A collection with something of groups.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    collection: &'static str,
    of: Of,
    /// The fields that are left out.
    secret: &'static [&'static str],
}

/// How a document says which group it is of.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// By its id, which is the group's.
    Id,
    /// By its id, which begins with the group's.
    Beginning,
    /// By this field.
    Field(&'static str),
}

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

/// The page behind another one of what these collections hold; the first one is recorded. Whether it is the caller's
/// to take is known before.
pub(crate) async fn page<G: Group>(
    group: &G,
    those: &[Part],
    cursor: Option<&str>,
) -> Result<Exported> {
    let place = cursor.map(|cursor| Place::read(cursor, those.len()));
    let mut place = place.transpose()?.unwrap_or_default();
    if cursor.is_none() {
        audit::record(group, "exported", json!({})).await?;
    }
    let (mut parts, mut room) = (Vec::new(), MOST);
    while room > 0 && place.part <= those.len() {
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let (name, documents, next) = match those.get(place.part) {
            Some(part) => part.read(group, place.cursor.take(), limit).await?,
            None => recorded(group, place.cursor.take(), limit).await?,
        };
        room = room.saturating_sub(documents.len());
        parts.push((name, documents));
        match next {
            Some(next) => place.cursor = Some(next),
            None => place.part += 1,
        }
    }
    let next = (place.part <= those.len()).then(|| place.written());
    Ok(Exported { parts, next })
}

/// A collection, how its documents say of which group they are, and what is left out of them.
pub const fn part(collection: &'static str, of: Of, secret: &'static [&'static str]) -> Part {
    Part {
        collection,
        of,
        secret,
    }
}

type Read = (&'static str, Vec<Value>, Option<String>);

async fn recorded(group: &impl Group, cursor: Option<String>, limit: u32) -> Result<Read> {
    let query = Query {
        subject: Some(group.to_string()),
        cursor,
        limit,
        ..Query::default()
    };
    let page = find(query).await?;
    let entries = page.entries.iter().map(serde_json::to_value);
    let entries = entries.collect::<Result<_, _>>().map_err(Error::internal)?;
    Ok((AUDIT, entries, page.next))
}

fn wrong_cursor() -> Error {
    Error::validation("cursor", "the `next` of the page before; begin without one")
}

// === impl Part ===

impl Part {
    /// What the collection is called.
    pub const fn collection(&self) -> &'static str {
        self.collection
    }

    async fn read(&self, group: &impl Group, cursor: Option<String>, limit: u32) -> Result<Read> {
        let id = group.to_string();
        let filter = match self.of {
            Of::Id => json!({"_id": id}),
            Of::Beginning => json!({"_id": {"$gte": format!("{id}/"), "$lt": format!("{id}0")}}),
            Of::Field(field) => json!({field: id}),
        };
        let asked = cursor.is_some();
        let documents: Collection<Value> = Collection::new(self.collection);
        let found = documents.find(filter).limit(limit).after(cursor).fetch();
        let mut found = found.await.map_err(|error| match error {
            DocumentsError::Invalid(_) if asked => wrong_cursor(),
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
    fn read(text: &str, parts: usize) -> Result<Self> {
        let (part, cursor) = text.split_once('.').ok_or_else(wrong_cursor)?;
        let part: usize = part.parse().map_err(|_| wrong_cursor())?;
        if part > parts {
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
