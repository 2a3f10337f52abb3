//! The calls of a backend: what is asked is read here, and done on a connection of the file.

use super::session::Session;
use super::{Effort, SqliteDocuments, audit, outbox};
use crate::backend::{Backend, Boxed, FindAndUpdate, Operation, Outcome, Page, Query};
use crate::request::{self, Find};
use crate::{Anchor, Asked, CollectionDeclaration, Entries, Published, Retention, Verdict};
use jiff::Timestamp;
use sbd_audit_chain::Entry;
use sbd_documents_query::{Path, Pipeline};
use sbd_storage::quota::{Quota, Stored};
use sbd_storage::rusqlite::Connection;
use std::sync::Arc;

/// Most entries that one job deletes; others write in between.
const PRUNED_AT_ONCE: u32 = 1000;

impl Backend for SqliteDocuments {
    fn configure<'a>(
        &'a self,
        component: &'a str,
        declared: &'a [CollectionDeclaration],
    ) -> Boxed<'a, ()> {
        Box::pin(self.configure(component, declared))
    }

    fn allow<'a>(&'a self, component: &'a str, quota: Quota) -> Boxed<'a, ()> {
        Box::pin(self.allow(component, quota))
    }

    fn stored<'a>(&'a self, component: &'a str) -> Boxed<'a, Stored> {
        Box::pin(self.stored(component))
    }

    fn insert(
        &self,
        component: &Arc<str>,
        collection: String,
        documents: Vec<String>,
    ) -> Boxed<'_, Vec<String>> {
        let (this, component) = (self.clone(), Arc::clone(component));
        let bytes = documents.iter().map(String::len).sum();
        let insert = async move { this.insert(&component, &collection, documents).await };
        Box::pin(self.database.to_the_end(bytes, insert))
    }

    fn get(
        &self,
        component: &Arc<str>,
        collection: String,
        id: String,
    ) -> Boxed<'_, Option<String>> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let get = move |session: &Session<'_>| session.get(&id);
            self.reading(&component, &collection, Effort::Brief, get)
                .await
        })
    }

    fn find(&self, component: &Arc<str>, collection: String, query: Query) -> Boxed<'_, Page> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let find = Find::parse(&collection, &query, &self.limits)?;
            let search = move |session: &Session<'_>| session.page(&find);
            self.reading(&component, &collection, Effort::Brief, search)
                .await
        })
    }

    fn count(&self, component: &Arc<str>, collection: String, filter: String) -> Boxed<'_, u64> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let filter = request::filter(&filter, &self.limits)?;
            let search = move |session: &Session<'_>| session.count(&filter, u64::MAX);
            self.reading(&component, &collection, Effort::Brief, search)
                .await
        })
    }

    fn distinct(
        &self,
        component: &Arc<str>,
        collection: String,
        field: String,
        filter: String,
    ) -> Boxed<'_, Vec<String>> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let limits = &self.limits;
            let field = Path::parse(&field, &limits.query)?;
            let filter = request::filter(&filter, limits)?;
            let search = move |session: &Session<'_>| session.distinct(&field, &filter);
            self.reading(&component, &collection, Effort::Search, search)
                .await
        })
    }

    fn aggregate(
        &self,
        component: &Arc<str>,
        collection: String,
        pipeline: String,
    ) -> Boxed<'_, Vec<String>> {
        let component = Arc::clone(component);
        Box::pin(async move {
            let limits = &self.limits;
            let pipeline = request::json("pipeline", &pipeline, limits)?;
            let pipeline = Pipeline::parse(&pipeline, &limits.query)?;
            let search = move |session: &Session<'_>| session.aggregate(&pipeline);
            self.reading(&component, &collection, Effort::Search, search)
                .await
        })
    }

    fn find_one_and_update(
        &self,
        component: &Arc<str>,
        collection: String,
        filter: String,
        update: String,
        options: FindAndUpdate,
    ) -> Boxed<'_, Option<String>> {
        let (this, component) = (self.clone(), Arc::clone(component));
        let bytes = filter.len() + update.len();
        let change = async move {
            let texts = (filter.as_str(), update.as_str());
            this.find_one_and_update(&component, &collection, texts, options)
                .await
        };
        Box::pin(self.database.to_the_end(bytes, change))
    }

    fn transact(
        &self,
        component: &Arc<str>,
        operations: Vec<Operation>,
    ) -> Boxed<'_, Vec<Outcome>> {
        let (this, component) = (self.clone(), Arc::clone(component));
        let texts = operations.iter().flat_map(request::texts);
        let bytes = texts.map(str::len).sum();
        let run = async move { this.transact(component, operations).await };
        Box::pin(self.database.to_the_end(bytes, run))
    }

    fn outbox(&self, after: u64, limit: u32) -> Boxed<'_, Vec<Published>> {
        let bytes = self.limits.answer_bytes;
        let read = move |connection: &Connection| outbox::after(connection, after, limit, bytes);
        Box::pin(self.database.read(read))
    }

    fn place_at(&self, time: Timestamp) -> Boxed<'_, u64> {
        let read = move |connection: &Connection| outbox::place_at(connection, time);
        Box::pin(self.database.read(read))
    }

    fn forget(&self, up_to: u64, keep: Option<Retention>) -> Boxed<'_, u64> {
        let forget = move |connection: &Connection| outbox::forget(connection, up_to, keep);
        Box::pin(self.database.write(forget))
    }

    fn audited<'a>(&'a self, component: &'a str, asked: Asked) -> Boxed<'a, Entries> {
        let (component, bytes) = (component.to_owned(), self.limits.answer_bytes);
        Box::pin(async move {
            let asked = asked.checked()?;
            let read =
                move |connection: &Connection| audit::page(connection, &component, &asked, bytes);
            self.database.read(read).await
        })
    }

    fn verify<'a>(&'a self, component: &'a str, subject: String) -> Boxed<'a, Verdict> {
        let component = component.to_owned();
        let read = move |connection: &Connection| audit::verify(connection, &component, &subject);
        Box::pin(self.database.read(read))
    }

    fn adopt(&self, entries: Vec<(Entry, Vec<u8>)>) -> Boxed<'_, ()> {
        let put = move |connection: &Connection| {
            let mut entries = entries.iter();
            entries.try_for_each(|(entry, hash)| audit::adopt(connection, entry, hash))
        };
        Box::pin(self.database.write(put))
    }

    fn begin_behind(&self, anchors: Vec<Anchor>) -> Boxed<'_, ()> {
        let put = move |connection: &Connection| {
            let mut anchors = anchors.iter();
            anchors.try_for_each(|anchor| audit::begin_behind(connection, anchor))
        };
        Box::pin(self.database.write(put))
    }

    fn prune<'a>(&'a self, component: &'a str, before: Timestamp) -> Boxed<'a, u64> {
        Box::pin(async move {
            let mut deleted = 0;
            loop {
                let component = component.to_owned();
                let prune = move |connection: &Connection| {
                    audit::prune(connection, &component, before, PRUNED_AT_ONCE)
                };
                let pruned = self.database.write(prune).await?;
                deleted += pruned;
                if pruned < u64::from(PRUNED_AT_ONCE) {
                    return Ok(deleted);
                }
            }
        })
    }

    fn sweep_at(&self, now: Timestamp) -> Boxed<'_, u64> {
        Box::pin(self.delete_due(now))
    }
}
