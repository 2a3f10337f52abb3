//! Several changes that happen all or not at all.

use super::{Collection, DocumentsError, Outcome, Result, to_json};
use crate::bindings::documents as host;
use serde::Serialize;
use serde_json::Value;

/// Several writes and checks that happen all or not at all, at most 100.
#[derive(Default)]
#[must_use = "a transaction does nothing until it is committed"]
pub struct Transaction {
    operations: Vec<host::Operation>,
    unwritable: Option<DocumentsError>,
}

// === impl Transaction ===

impl Transaction {
    /// A transaction without steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts a document.
    pub fn insert<T: Serialize>(mut self, collection: &Collection<T>, document: &T) -> Self {
        match to_json(document) {
            Ok(document) => self.push(host::Operation::Insert(host::InsertOperation {
                collection: collection.name.to_owned(),
                document,
            })),
            Err(error) => {
                self.unwritable.get_or_insert(error);
                self
            }
        }
    }

    /// Updates the first match; the transaction is undone when there is none.
    pub fn update_one<T>(self, collection: &Collection<T>, filter: Value, update: Value) -> Self {
        self.update(collection, filter, update, false, Some(1))
    }

    /// Updates every match, be there any or none.
    pub fn update_many<T>(self, collection: &Collection<T>, filter: Value, update: Value) -> Self {
        self.update(collection, filter, update, true, None)
    }

    fn update<T>(
        self,
        to: &Collection<T>,
        filter: Value,
        update: Value,
        many: bool,
        expect: Option<u64>,
    ) -> Self {
        self.push(host::Operation::Update(host::UpdateOperation {
            collection: to.name.to_owned(),
            filter: filter.to_string(),
            update: update.to_string(),
            options: host::UpdateOptions {
                many,
                upsert: false,
            },
            expect,
        }))
    }

    /// Deletes the first match; the transaction is undone when there is none.
    pub fn delete_one<T>(self, collection: &Collection<T>, filter: Value) -> Self {
        self.delete(collection, filter, false, Some(1))
    }

    /// Deletes every match, be there any or none.
    pub fn delete_many<T>(self, collection: &Collection<T>, filter: Value) -> Self {
        self.delete(collection, filter, true, None)
    }

    fn delete<T>(
        self,
        from: &Collection<T>,
        filter: Value,
        many: bool,
        expect: Option<u64>,
    ) -> Self {
        self.push(host::Operation::Delete(host::DeleteOperation {
            collection: from.name.to_owned(),
            filter: filter.to_string(),
            many,
            expect,
        }))
    }

    /// Changes nothing; the transaction is undone unless exactly so many documents match.
    pub fn check<T>(self, collection: &Collection<T>, filter: Value, expect: u64) -> Self {
        self.push(host::Operation::Check(host::CheckOperation {
            collection: collection.name.to_owned(),
            filter: filter.to_string(),
            expect,
        }))
    }

    /// Publishes an event, such as `family.member.joined`, to whoever subscribes to it. Events of one
    /// subject are delivered in order.
    pub fn publish<T: Serialize>(mut self, kind: &str, subject: Option<&str>, data: &T) -> Self {
        match to_json(data) {
            Ok(data) => self.push(host::Operation::Publish(host::PublishOperation {
                type_: kind.to_owned(),
                subject: subject.map(str::to_owned),
                data,
                attributes: Vec::new(),
            })),
            Err(error) => {
                self.unwritable.get_or_insert(error);
                self
            }
        }
    }

    /// Records what was done to something, such as `family.member.removed`: by the user of the request, now,
    /// and chained to what was recorded of it before, so that nobody alters it unnoticed. [`crate::audit`]
    /// reads it.
    pub fn audit<T: Serialize>(mut self, subject: &str, action: &str, data: &T) -> Self {
        match to_json(data) {
            Ok(data) => self.push(host::Operation::Audit(host::AuditOperation {
                subject: subject.to_owned(),
                action: action.to_owned(),
                data,
            })),
            Err(error) => {
                self.unwritable.get_or_insert(error);
                self
            }
        }
    }

    fn push(mut self, operation: host::Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Does it all, or nothing.
    ///
    /// # Errors
    /// `PreconditionFailed` with the number of the step whose matches were not as expected,
    /// `Duplicate` when a step would break a unique index.
    pub async fn commit(self) -> Result<Vec<Outcome>> {
        match self.unwritable {
            Some(error) => Err(error),
            None => Ok(host::transact(self.operations).await?),
        }
    }
}
