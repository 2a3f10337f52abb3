//! Steps of a transaction on the tables of their collections.

use super::schema::{Collections, Owned, known};
use super::session::Session;
use super::write::Prepared;
use crate::backend::{Outcome, UpdateOptions};
use crate::request::Step;
use crate::{Error, Event, Limits, Record};
use sbd_documents_query::{Filter, Update};
use std::sync::Arc;

/// A step that can be done.
pub(super) enum Ready {
    On(Arc<Owned>, Action),
    Publish(Event),
    Audit(Record),
}

/// What is done on a collection, and how many documents must match.
pub(super) enum Action {
    Insert(Prepared),
    Update(Filter, Update, UpdateOptions, Option<u64>),
    Delete(Filter, bool, Option<u64>),
    Check(Filter, u64),
}

// === impl Ready ===

impl Ready {
    pub(super) fn new(
        step: Step,
        collections: &Collections,
        component: &str,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let on = |name: &str, action| Ok(Self::On(known(collections, component, name)?, action));
        match step {
            Step::Insert {
                collection,
                document,
            } => {
                let collection = known(collections, component, &collection)?;
                let new = Prepared::new(&collection, document, limits)?;
                Ok(Self::On(collection, Action::Insert(new)))
            }
            Step::Update {
                collection,
                filter,
                update,
                options,
                expect,
            } => on(&collection, Action::Update(filter, update, options, expect)),
            Step::Delete {
                collection,
                filter,
                many,
                expect,
            } => on(&collection, Action::Delete(filter, many, expect)),
            Step::Check {
                collection,
                filter,
                expect,
            } => on(&collection, Action::Check(filter, expect)),
            Step::Publish(event) => Ok(Self::Publish(event)),
            Step::Audit(record) => Ok(Self::Audit(record)),
        }
    }
}

// === impl Action ===

impl Action {
    /// Does it, as the step at this place.
    pub(super) fn run(self, session: Session<'_>, place: u32) -> Result<Outcome, Error> {
        let (matched, expect, outcome) = match self {
            Self::Insert(new) => return Ok(Outcome::Inserted(session.insert(new)?)),
            Self::Update(filter, update, options, expect) => {
                let updated = session.update(&filter, &update, options)?;
                (updated.matched, expect, Outcome::Updated(updated))
            }
            Self::Delete(filter, many, expect) => {
                let deleted = session.delete(&filter, many)?;
                (deleted, expect, Outcome::Deleted(deleted))
            }
            Self::Check(filter, expect) => {
                let matched = session.count(&filter, expect)?;
                (matched, Some(expect), Outcome::Checked)
            }
        };
        if expect.is_none_or(|expect| expect == matched) {
            Ok(outcome)
        } else {
            Err(Error::PreconditionFailed(place))
        }
    }
}
