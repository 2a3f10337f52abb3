//! The host side of `sbd:platform/documents`. The store is free while a call waits.

use crate::backend::{Backend, FindAndUpdate, Operation, Outcome, Query, UpdateOptions, Updated};
use crate::bindings::documents as wit;
use crate::{Announce, Documents, DocumentsCtx, Error, Event, Record};
use sbd_metering::{Cause, Charge, Metered, OverLimit};
use std::sync::Arc;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl wit::Host for DocumentsCtx {}

impl<T: Metered> wit::HostWithStore<T> for Documents {
    async fn insert(
        store: &Accessor<T, Self>,
        collection: String,
        documents: Vec<String>,
    ) -> Result<Vec<String>, wit::Error> {
        let call = called(store, "insert", collection.len() + texts(&documents))?;
        let insert = call.backend.insert(&call.component, collection, documents);
        let ids = call.told(insert.await)?;
        call.charge.written(texts(&ids));
        Ok(ids)
    }

    async fn get(
        store: &Accessor<T, Self>,
        collection: String,
        id: String,
    ) -> Result<Option<String>, wit::Error> {
        let call = called(store, "get", collection.len() + id.len())?;
        let found = call.backend.get(&call.component, collection, id).await?;
        call.charge.answer(length(found.as_ref()))?;
        Ok(found)
    }

    async fn find(
        store: &Accessor<T, Self>,
        collection: String,
        query: wit::Query,
    ) -> Result<wit::Page, wit::Error> {
        let call = called(store, "find", collection.len() + bytes_of_query(&query))?;
        let wit::Query {
            filter,
            sort,
            projection,
            skip,
            limit,
            cursor,
            total,
        } = query;
        let query = Query {
            filter,
            sort,
            projection,
            skip,
            limit,
            cursor,
            total,
        };
        let page = call
            .backend
            .find(&call.component, collection, query)
            .await?;
        call.charge
            .answer(texts(&page.documents) + length(page.next.as_ref()))?;
        Ok(wit::Page {
            documents: page.documents,
            next: page.next,
            total: page.total,
        })
    }

    async fn count(
        store: &Accessor<T, Self>,
        collection: String,
        filter: String,
    ) -> Result<u64, wit::Error> {
        let call = called(store, "count", collection.len() + filter.len())?;
        Ok(call
            .backend
            .count(&call.component, collection, filter)
            .await?)
    }

    async fn distinct(
        store: &Accessor<T, Self>,
        collection: String,
        field: String,
        filter: String,
    ) -> Result<Vec<String>, wit::Error> {
        let bytes = collection.len() + field.len() + filter.len();
        let call = called(store, "distinct", bytes)?;
        let distinct = call
            .backend
            .distinct(&call.component, collection, field, filter);
        let values = distinct.await?;
        call.charge.answer(texts(&values))?;
        Ok(values)
    }

    async fn aggregate(
        store: &Accessor<T, Self>,
        collection: String,
        pipeline: String,
    ) -> Result<Vec<String>, wit::Error> {
        let call = called(store, "aggregate", collection.len() + pipeline.len())?;
        let aggregate = call
            .backend
            .aggregate(&call.component, collection, pipeline);
        let documents = aggregate.await?;
        call.charge.answer(texts(&documents))?;
        Ok(documents)
    }

    async fn update(
        store: &Accessor<T, Self>,
        collection: String,
        filter: String,
        update: String,
        options: wit::UpdateOptions,
    ) -> Result<wit::UpdateResult, wit::Error> {
        let bytes = collection.len() + filter.len() + update.len();
        let call = called(store, "update", bytes)?;
        let step = Operation::Update {
            collection,
            filter,
            update,
            options: options.into(),
            expect: None,
        };
        match alone(&call, step).await? {
            Outcome::Updated(updated) => Ok(updated.into()),
            other => Err(unexpected(&other)),
        }
    }

    async fn delete(
        store: &Accessor<T, Self>,
        collection: String,
        filter: String,
        many: bool,
    ) -> Result<u64, wit::Error> {
        let call = called(store, "delete", collection.len() + filter.len())?;
        match alone(
            &call,
            Operation::Delete {
                collection,
                filter,
                many,
                expect: None,
            },
        )
        .await?
        {
            Outcome::Deleted(count) => Ok(count),
            other => Err(unexpected(&other)),
        }
    }

    async fn find_one_and_update(
        store: &Accessor<T, Self>,
        collection: String,
        filter: String,
        update: String,
        options: wit::FindAndUpdateOptions,
    ) -> Result<Option<String>, wit::Error> {
        let texts = [&options.sort, &options.projection];
        let texts = texts.into_iter().map(|text| length(text.as_ref()));
        let bytes = collection.len() + filter.len() + update.len() + texts.sum::<usize>();
        let call = called(store, "find-one-and-update", bytes)?;
        let wit::FindAndUpdateOptions {
            sort,
            projection,
            upsert,
            return_new,
        } = options;
        let options = FindAndUpdate {
            sort,
            projection,
            upsert,
            return_new,
        };
        let change =
            call.backend
                .find_one_and_update(&call.component, collection, filter, update, options);
        let found = call.told(change.await)?;
        call.charge.written(length(found.as_ref()));
        Ok(found)
    }

    async fn transact(
        store: &Accessor<T, Self>,
        operations: Vec<wit::Operation>,
    ) -> Result<Vec<wit::Outcome>, wit::Error> {
        let call = called(store, "transact", operations.iter().map(bytes_of).sum())?;
        let cause = call.charge.cause();
        let operations = operations.into_iter();
        let operations: Vec<_> = operations.map(|step| operation(step, &cause)).collect();
        let publishes = |step: &Operation| matches!(step, Operation::Publish(_));
        // Until the commit is over, one way or the other.
        let _announced = match operations.iter().any(publishes) {
            true => Some(call.announced().await?),
            false => None,
        };
        let transact = call.backend.transact(&call.component, operations);
        let outcomes = call.told(transact.await)?;
        call.charge
            .written(outcomes.iter().map(bytes_of_outcome).sum());
        Ok(outcomes.into_iter().map(Into::into).collect())
    }
}

/// A call that has been charged, with what it needs taken out of the store, so that the store is free
/// meanwhile.
struct Called {
    backend: Arc<dyn Backend>,
    announce: Arc<dyn Announce>,
    component: Arc<str>,
    charge: Charge,
}

fn called<T: Metered>(
    store: &Accessor<T, Documents>,
    operation: &'static str,
    bytes: usize,
) -> Result<Called, OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "documents", operation, bytes)?;
        let ctx = access.get();
        Ok(Called {
            backend: Arc::clone(&ctx.backend),
            announce: Arc::clone(&ctx.announce),
            component: Arc::clone(&ctx.component),
            charge,
        })
    })
}

// === impl Called ===

impl Called {
    /// Says that events come.
    async fn announced(&self) -> Result<Box<dyn Send>, Error> {
        self.announce.announce().await.map_err(Error::Unavailable)
    }

    /// Tells the host which quota refused a write; the guest learns that there is no room.
    fn told<R>(&self, result: Result<R, Error>) -> Result<R, wit::Error> {
        if let Err(Error::Quota(limit)) = &result {
            self.charge.refused(limit);
        }
        Ok(result?)
    }
}

fn bytes_of_query(query: &wit::Query) -> usize {
    let options = [&query.sort, &query.projection, &query.cursor];
    let options = options.into_iter().map(|text| length(text.as_ref()));
    query.filter.len() + options.sum::<usize>()
}

fn bytes_of(operation: &wit::Operation) -> usize {
    match operation {
        wit::Operation::Insert(insert) => insert.collection.len() + insert.document.len(),
        wit::Operation::Update(update) => {
            update.collection.len() + update.filter.len() + update.update.len()
        }
        wit::Operation::Delete(delete) => delete.collection.len() + delete.filter.len(),
        wit::Operation::Check(check) => check.collection.len() + check.filter.len(),
        wit::Operation::Audit(entry) => entry.subject.len() + entry.action.len() + entry.data.len(),
        wit::Operation::Publish(event) => {
            let attributes = event.attributes.iter();
            let attributes = attributes.map(|(name, value)| name.len() + value.len());
            event.type_.len()
                + length(event.subject.as_ref())
                + event.data.len()
                + attributes.sum::<usize>()
        }
    }
}

fn bytes_of_outcome(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Inserted(id) | Outcome::Published(id) => id.len(),
        Outcome::Updated(updated) => length(updated.upserted.as_ref()),
        Outcome::Deleted(_) | Outcome::Checked | Outcome::Audited(_) => 0,
    }
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn texts(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

/// A single write is a transaction of one step.
async fn alone(call: &Called, step: Operation) -> Result<Outcome, wit::Error> {
    let transact = call.backend.transact(&call.component, vec![step]);
    let outcome = call.told(transact.await)?.into_iter().next();
    call.charge
        .written(outcome.as_ref().map_or(0, bytes_of_outcome));
    outcome.ok_or_else(|| wit::Error::Unavailable("the storage answered nothing".to_owned()))
}

fn unexpected(outcome: &Outcome) -> wit::Error {
    wit::Error::Unavailable(format!(
        "the storage answered another operation: {outcome:?}"
    ))
}

impl From<OverLimit> for wit::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::UnknownCollection { .. } => Self::UnknownCollection(error.to_string()),
            Error::Invalid(message) => Self::Invalid(message),
            Error::Duplicate(index) => Self::Duplicate(index),
            Error::PreconditionFailed(place) => Self::PreconditionFailed(place),
            Error::Limit(_) => Self::Limit(error.to_string()),
            Error::Full | Error::Quota(_) => Self::Full,
            Error::Unavailable(message) => Self::Unavailable(message),
        }
    }
}

impl From<wit::UpdateOptions> for UpdateOptions {
    fn from(options: wit::UpdateOptions) -> Self {
        Self {
            many: options.many,
            upsert: options.upsert,
        }
    }
}

impl From<Updated> for wit::UpdateResult {
    fn from(updated: Updated) -> Self {
        let Updated {
            matched,
            modified,
            upserted,
        } = updated;
        Self {
            matched,
            modified,
            upserted,
        }
    }
}

fn operation(step: wit::Operation, cause: &Cause) -> Operation {
    match step {
        wit::Operation::Insert(wit::InsertOperation {
            collection,
            document,
        }) => Operation::Insert {
            collection,
            document,
        },
        wit::Operation::Update(wit::UpdateOperation {
            collection,
            filter,
            update,
            options,
            expect,
        }) => Operation::Update {
            collection,
            filter,
            update,
            options: options.into(),
            expect,
        },
        wit::Operation::Delete(wit::DeleteOperation {
            collection,
            filter,
            many,
            expect,
        }) => Operation::Delete {
            collection,
            filter,
            many,
            expect,
        },
        wit::Operation::Check(wit::CheckOperation {
            collection,
            filter,
            expect,
        }) => Operation::Check {
            collection,
            filter,
            expect,
        },
        wit::Operation::Audit(wit::AuditOperation {
            subject,
            action,
            data,
        }) => Operation::Audit(Record {
            subject,
            action,
            data,
            cause: cause.clone(),
        }),
        wit::Operation::Publish(wit::PublishOperation {
            type_,
            subject,
            data,
            attributes,
        }) => Operation::Publish(Event {
            kind: type_,
            subject,
            data,
            attributes,
            cause: cause.clone(),
        }),
    }
}

impl From<Outcome> for wit::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Inserted(id) => Self::Inserted(id),
            Outcome::Updated(updated) => Self::Updated(updated.into()),
            Outcome::Deleted(count) => Self::Deleted(count),
            Outcome::Checked => Self::Checked,
            Outcome::Published(id) => Self::Published(id),
            Outcome::Audited(number) => Self::Audited(number),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
