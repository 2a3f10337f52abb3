//! Searching a collection.

use super::{DocumentsError, Result, from_json};
use crate::bindings::documents as host;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;

/// A search, to be refined and then fetched.
#[must_use = "a search does nothing until it is fetched"]
pub struct Find<T> {
    collection: &'static str,
    filter: Value,
    sort: Option<Value>,
    skip: u32,
    limit: u32,
    cursor: Option<String>,
    of: PhantomData<fn() -> T>,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The documents, in order.
    pub documents: Vec<T>,
    /// Where the next page starts; none on the last one.
    pub next: Option<String>,
}

/// What a search found, and how much there is.
#[derive(Debug, Clone)]
pub struct Counted<T> {
    /// The documents, in order.
    pub documents: Vec<T>,
    /// Where the next page starts; none on the last one.
    pub next: Option<String>,
    /// How many documents match in all.
    pub total: u64,
}

// === impl Find ===

impl<T: DeserializeOwned> Find<T> {
    pub(super) fn new(collection: &'static str, filter: Value) -> Self {
        Self {
            collection,
            filter,
            sort: None,
            skip: 0,
            limit: 100,
            cursor: None,
            of: PhantomData,
        }
    }

    /// The order: `{"field": 1, "other": -1}`. By `_id` when not given.
    pub fn sort(mut self, sort: Value) -> Self {
        self.sort = Some(sort);
        self
    }

    /// How many matches to leave out first.
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// How many documents to find at most, 1 to 1000.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on where the page before ended: its `next`, with the same filter and sort.
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }

    /// Runs the search.
    ///
    /// # Errors
    /// When filter, sort or cursor are wrong, or the storage does not answer.
    pub async fn fetch(self) -> Result<Found<T>> {
        let page = self.run(false).await?;
        Ok(Found {
            documents: documents(&page)?,
            next: page.next,
        })
    }

    /// Runs the search and counts all matches, in one call and of one moment.
    ///
    /// # Errors
    /// As [`Find::fetch`].
    pub async fn fetch_with_total(self) -> Result<Counted<T>> {
        let page = self.run(true).await?;
        let total = page.total;
        Ok(Counted {
            documents: documents(&page)?,
            next: page.next,
            total: total.ok_or_else(|| {
                DocumentsError::Unavailable("the search returned no total".to_owned())
            })?,
        })
    }

    async fn run(self, total: bool) -> Result<host::Page> {
        let query = host::Query {
            filter: self.filter.to_string(),
            sort: self.sort.map(|sort| sort.to_string()),
            projection: None,
            skip: self.skip,
            limit: self.limit,
            cursor: self.cursor,
            total,
        };
        Ok(host::find(self.collection.to_owned(), query).await?)
    }
}

fn documents<T: DeserializeOwned>(page: &host::Page) -> Result<Vec<T>> {
    page.documents.iter().map(|json| from_json(json)).collect()
}
