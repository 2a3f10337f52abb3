//! What guests ask, read once and before it waits for a connection.

use super::schema::Collections;
use super::session::Session;
use super::write::Prepared;
use crate::backend::{Operation, Outcome, Query, UpdateOptions};
use crate::{Error, Limits};
use sbd_documents_query::sqlite::Collection;
use sbd_documents_query::{Filter, Projection, Sort, SortKey, Update, fingerprint};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the texts of one call may take in memory once they are read. However dense it is, a single
/// value as large as a document may be takes less.
const PARSED_BYTES: usize = 64 << 20;

/// A page to find.
pub(super) struct Find {
    pub(super) filter: Filter,
    pub(super) sort: Sort,
    pub(super) projection: Option<Projection>,
    pub(super) after: Option<SortKey>,
    pub(super) skip: usize,
    pub(super) limit: usize,
    /// What its cursors belong to.
    fingerprint: u64,
}

/// A step of a transaction.
pub(super) struct Step {
    collection: Arc<Collection>,
    action: Action,
    /// How many documents must match.
    expect: Option<u64>,
}

enum Action {
    Insert(Prepared),
    Update(Filter, Update, UpdateOptions),
    Delete { filter: Filter, many: bool },
    Check(Filter),
}

// === impl Find ===

impl Find {
    pub(super) fn parse(collection: &str, query: &Query, limits: &Limits) -> Result<Self, Error> {
        if query.limit == 0 {
            let most = limits.page;
            return Err(Error::Invalid(format!("`limit` must be 1 to {most}")));
        }
        if query.limit > limits.page {
            return Err(Error::Limit("page"));
        }
        let texts = [&query.sort, &query.projection].into_iter().flatten();
        check_parsed(texts.chain([&query.filter]).map(String::as_str))?;
        let filter = json("filter", &query.filter, limits)?;
        let sort = match &query.sort {
            Some(sort) => json("sort", sort, limits)?,
            None => json!({}),
        };
        let projection = query.projection.as_deref().map(|projection| {
            let projection = json("projection", projection, limits)?;
            Ok::<_, Error>(Projection::parse(&projection, &limits.query)?)
        });
        let fingerprint = fingerprint(&[&json!(collection), &filter, &sort]);
        let sort = Sort::parse(&sort, &limits.query)?;
        let cursor = query.cursor.as_deref();
        let after = cursor.map(|cursor| sort.read_cursor(cursor, fingerprint));
        Ok(Self {
            filter: Filter::parse(&filter, &limits.query)?,
            projection: projection.transpose()?,
            after: after.transpose()?,
            sort,
            skip: usize::try_from(query.skip).unwrap_or(usize::MAX),
            limit: usize::try_from(query.limit).unwrap_or(usize::MAX),
            fingerprint,
        })
    }

    pub(super) fn cursor(&self, last: &SortKey) -> String {
        self.sort.cursor(last, self.fingerprint)
    }
}

// === impl Step ===

impl Step {
    /// Reads all steps of a transaction.
    pub(super) fn parse_all(
        collections: &Collections,
        component: &str,
        operations: Vec<Operation>,
        limits: &Limits,
    ) -> Result<Vec<Self>, Error> {
        // Of a document only its text is kept.
        let kept = operations
            .iter()
            .filter(|operation| !matches!(operation, Operation::Insert { .. }));
        check_parsed(kept.flat_map(texts))?;
        let is_alone = operations.len() == 1;
        let steps = operations
            .into_iter()
            .enumerate()
            .map(|(place, operation)| {
                let step = Self::parse(collections, component, operation, limits);
                step.map_err(|error| match error {
                    Error::Invalid(message) if !is_alone => {
                        Error::Invalid(format!("operation {place}: {message}"))
                    }
                    other => other,
                })
            });
        steps.collect()
    }

    fn parse(
        collections: &Collections,
        component: &str,
        operation: Operation,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let filter = |text: &str| filter(text, limits);
        let (name, action, expect) = match operation {
            Operation::Insert {
                collection: name,
                document: text,
            } => {
                let collection = known(collections, component, &name)?;
                let document = document(&text, limits)?;
                let action = Action::Insert(Prepared::new(&collection, document, limits)?);
                return Ok(Self {
                    collection,
                    action,
                    expect: None,
                });
            }
            Operation::Update {
                collection,
                filter: of,
                update: to,
                options,
                expect,
            } => {
                let (of, to) = (filter(&of)?, update(&to, limits)?);
                if options.many && matches!(to, Update::Replace(_)) {
                    return Err(Error::Invalid(
                        "a whole document can replace one match only; use operators like $set for many"
                            .to_owned(),
                    ));
                }
                (collection, Action::Update(of, to, options), expect)
            }
            Operation::Delete {
                collection,
                filter: of,
                many,
                expect,
            } => {
                let filter = filter(&of)?;
                (collection, Action::Delete { filter, many }, expect)
            }
            Operation::Check {
                collection,
                filter: of,
                expect,
            } => (collection, Action::Check(filter(&of)?), Some(expect)),
        };
        Ok(Self {
            collection: known(collections, component, &name)?,
            action,
            expect,
        })
    }

    pub(super) fn collection(&self) -> Arc<Collection> {
        Arc::clone(&self.collection)
    }

    /// Does it, as the step at this place.
    pub(super) fn run(self, session: Session<'_>, place: u32) -> Result<Outcome, Error> {
        let (matched, outcome) = match self.action {
            Action::Insert(new) => return Ok(Outcome::Inserted(session.insert(new)?)),
            Action::Update(filter, update, options) => {
                let updated = session.update(&filter, &update, options)?;
                (updated.matched, Outcome::Updated(updated))
            }
            Action::Delete { filter, many } => {
                let deleted = session.delete(&filter, many)?;
                (deleted, Outcome::Deleted(deleted))
            }
            Action::Check(filter) => {
                let most = self.expect.unwrap_or_default();
                (session.count(&filter, most)?, Outcome::Checked)
            }
        };
        if self.expect.is_none_or(|expect| expect == matched) {
            Ok(outcome)
        } else {
            Err(Error::PreconditionFailed(place))
        }
    }
}

/// A declared collection.
pub(super) fn known(
    collections: &Collections,
    component: &str,
    name: &str,
) -> Result<Arc<Collection>, Error> {
    let found = collections.get(name).cloned();
    found.ok_or_else(|| Error::UnknownCollection {
        component: component.to_owned(),
        collection: name.to_owned(),
    })
}

pub(super) fn filter(text: &str, limits: &Limits) -> Result<Filter, Error> {
    Ok(Filter::parse(
        &json("filter", text, limits)?,
        &limits.query,
    )?)
}

pub(super) fn update(text: &str, limits: &Limits) -> Result<Update, Error> {
    Ok(Update::parse(
        &json("update", text, limits)?,
        &limits.query,
    )?)
}

/// By `_id` when there is none.
pub(super) fn sort(text: Option<&str>, limits: &Limits) -> Result<Sort, Error> {
    text.map_or(Ok(Sort::default()), |text| {
        Ok(Sort::parse(&json("sort", text, limits)?, &limits.query)?)
    })
}

/// A document that is to be stored.
pub(super) fn document(text: &str, limits: &Limits) -> Result<Value, Error> {
    if text.len() > limits.document_bytes {
        return Err(Error::Limit("document_bytes"));
    }
    json("document", text, limits)
}

/// Reads a guest's JSON.
pub(super) fn json(what: &str, text: &str, limits: &Limits) -> Result<Value, Error> {
    check_bytes([text], limits)?;
    check_parsed([text])?;
    serde_json::from_str(text).map_err(|error| {
        Error::Invalid(format!("the {what} is no JSON: {error}; correct it there"))
    })
}

/// The bytes of a call's texts; refuses what is too large together.
pub(super) fn check_bytes<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    limits: &Limits,
) -> Result<usize, Error> {
    let bytes = texts.into_iter().map(str::len).sum();
    if bytes > limits.call_bytes {
        return Err(Error::Limit("call_bytes"));
    }
    Ok(bytes)
}

/// Refuses texts that would take too much memory together once they are read.
pub(super) fn check_parsed<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<(), Error> {
    if texts.into_iter().map(parsed_bytes).sum::<usize>() > PARSED_BYTES {
        return Err(Error::Limit("call_bytes"));
    }
    Ok(())
}

/// About what a JSON text takes in memory once it is read: each value, and each field's name, is
/// much larger than its text can be. None is without a sign of its own.
fn parsed_bytes(text: &str) -> usize {
    let (mut signs, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => signs += 1,
            _ => {}
        }
    }
    text.len() + signs * size_of::<Value>()
}

/// The JSON texts of an operation.
pub(super) fn texts(operation: &Operation) -> impl Iterator<Item = &str> {
    let (one, other) = match operation {
        Operation::Insert { document, .. } => (document, None),
        Operation::Update { filter, update, .. } => (filter, Some(update)),
        Operation::Delete { filter, .. } | Operation::Check { filter, .. } => (filter, None),
    };
    std::iter::once(one).chain(other).map(String::as_str)
}

/// Refuses a call of none, or of too many of something.
pub(super) fn check_count(
    count: usize,
    limit: &'static str,
    most: usize,
    what: &str,
) -> Result<(), Error> {
    if count == 0 {
        return Err(Error::Invalid(format!("{what} 1 to {most} at once")));
    }
    if count > most {
        return Err(Error::Limit(limit));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_would_be_large_is_not_read() {
        let limits = Limits::default();
        let zeros = |count| format!("[{}0]", "0,".repeat(count));
        let too_large = Err(Error::Limit("call_bytes"));
        assert_eq!(json("filter", &zeros(1_000_000), &limits), too_large);
        // It is not even JSON.
        assert_eq!(
            json("filter", &"{\"\":".repeat(500_000), &limits),
            too_large
        );
        assert_eq!(
            check_parsed(vec![zeros(400_000); 3].iter().map(String::as_str)),
            too_large.map(drop)
        );
        // A value as large as a document may be can be read, and a text may hold anything.
        for text in [
            zeros(524_000),
            format!("[{}{{}}]", "[],".repeat(349_000)),
            format!("{{\"a\":\"{}\"}}", ",".repeat(4 << 20)),
            format!("{{\"a\":\"\\\"{}\\\\\"}}", "[{:,".repeat(1 << 20)),
        ] {
            assert!(json("update", &text, &limits).is_ok());
        }
        let text = r#"{"a":"\\","b":[1,"\",",2]}"#;
        assert_eq!(parsed_bytes(text), text.len() + 7 * size_of::<Value>());
    }

    #[test]
    fn a_document_is_measured_before_it_is_read() {
        let limits = Limits::default();
        let large = "[".repeat(limits.document_bytes + 1);
        let refused = Err(Error::Limit("document_bytes"));
        assert_eq!(document(&large, &limits), refused);
        let just = format!("{{\"a\":\"{}\"}}", "x".repeat(limits.document_bytes - 8));
        assert_eq!(just.len(), limits.document_bytes);
        assert!(document(&just, &limits).is_ok());
    }

    #[test]
    fn the_steps_of_a_transaction_are_read_only_if_there_is_room_for_all() {
        let limits = Limits::default();
        let zeros = format!("[{}0]", "0,".repeat(400_000));
        let update = Operation::Update {
            collection: "things".to_owned(),
            filter: "{}".to_owned(),
            update: format!("{{\"$set\":{{\"a\":{zeros}}}}}"),
            options: UpdateOptions::default(),
            expect: None,
        };
        let parse = |steps| Step::parse_all(&Collections::new(), "family", steps, &limits).err();
        let unknown = parse(vec![update.clone(); 2]).unwrap();
        assert!(matches!(unknown, Error::UnknownCollection { .. }));
        let refused = parse(vec![update; 3]);
        assert_eq!(refused, Some(Error::Limit("call_bytes")));
    }
}
