//! Steps of a transaction on the tables of their collections.

use super::schema::{Collections, known};
use super::session::Session;
use super::write::Prepared;
use crate::backend::{Outcome, UpdateOptions};
use crate::request::Step;
use crate::{Error, Limits};
use sbd_documents_query::sqlite::Collection;
use sbd_documents_query::{Filter, Update};
use std::sync::Arc;

/// A step that can be done.
pub(super) struct Ready {
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

// === impl Ready ===

impl Ready {
    pub(super) fn new(
        step: Step,
        collections: &Collections,
        component: &str,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let known = |name: &str| known(collections, component, name);
        let (name, action, expect) = match step {
            Step::Insert {
                collection,
                document,
            } => {
                let collection = known(&collection)?;
                let action = Action::Insert(Prepared::new(&collection, document, limits)?);
                return Ok(Self {
                    collection,
                    action,
                    expect: None,
                });
            }
            Step::Update {
                collection,
                filter,
                update,
                options,
                expect,
            } => (collection, Action::Update(filter, update, options), expect),
            Step::Delete {
                collection,
                filter,
                many,
                expect,
            } => (collection, Action::Delete { filter, many }, expect),
            Step::Check {
                collection,
                filter,
                expect,
            } => (collection, Action::Check(filter), Some(expect)),
        };
        Ok(Self {
            collection: known(&name)?,
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
