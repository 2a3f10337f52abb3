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
                document,
            } => {
                let collection = known(collections, component, &name)?;
                let document = json("document", &document, limits)?;
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

/// Reads a guest's JSON.
pub(super) fn json(what: &str, text: &str, limits: &Limits) -> Result<Value, Error> {
    check_bytes([text], limits)?;
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
