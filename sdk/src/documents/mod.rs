//! Typed collections of JSON documents, in MongoDB's language.
//!
//! Declare the collections and their indexes in the manifest, `[component.X.tool.sbd.collections.NAME]`.
//! Build filters and updates with `serde_json::json!` from typed values; what a request brings can
//! then only ever be a value, never an operator.

mod error;
mod find;
mod transaction;

use crate::bindings::documents as host;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;

pub use error::DocumentsError;
pub use find::{Counted, Find, Found};
pub use host::{Outcome, UpdateResult};
pub use transaction::Transaction;

/// A collection of documents of one type. Make it a `const`: it is only a name.
pub struct Collection<T> {
    name: &'static str,
    of: PhantomData<fn() -> T>,
}

type Result<T> = std::result::Result<T, DocumentsError>;

// === impl Collection ===

impl<T> Collection<T> {
    /// The collection of this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            of: PhantomData,
        }
    }

    /// The collection's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// Inserts a document and returns its `_id`.
    ///
    /// # Errors
    /// `Duplicate` when a unique index or the `_id` holds its values already.
    pub async fn insert(&self, document: &T) -> Result<String> {
        let ids = host::insert(self.name.to_owned(), vec![to_json(document)?]).await?;
        let id = ids.into_iter().next();
        id.ok_or_else(|| DocumentsError::Unavailable("the insert returned no id".to_owned()))
    }

    /// Inserts 1 to 1000 documents, all or none, and returns their ids in order.
    ///
    /// # Errors
    /// `Duplicate` when a unique index or an `_id` holds values of one of them already.
    pub async fn insert_all(&self, documents: &[T]) -> Result<Vec<String>> {
        let documents = documents.iter().map(to_json).collect::<Result<_>>()?;
        Ok(host::insert(self.name.to_owned(), documents).await?)
    }

    /// The document with this `_id`.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn get(&self, id: &str) -> Result<Option<T>> {
        let document = host::get(self.name.to_owned(), id.to_owned()).await?;
        document.map(|json| from_json(&json)).transpose()
    }

    /// Starts a search; it finds at most 100 documents unless told otherwise.
    pub fn find(&self, filter: Value) -> Find<T> {
        Find::new(self.name, filter)
    }

    /// The first document that matches, by `_id`.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn find_one(&self, filter: Value) -> Result<Option<T>> {
        let found = self.find(filter).limit(1).fetch().await?;
        Ok(found.documents.into_iter().next())
    }

    /// How many documents match.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn count(&self, filter: Value) -> Result<u64> {
        Ok(host::count(self.name.to_owned(), filter.to_string()).await?)
    }

    /// The distinct values of a field among the documents that match, at most 10 000.
    ///
    /// # Errors
    /// When the filter is wrong or there are too many values.
    pub async fn distinct<V: DeserializeOwned>(
        &self,
        field: &str,
        filter: Value,
    ) -> Result<Vec<V>> {
        let values =
            host::distinct(self.name.to_owned(), field.to_owned(), filter.to_string()).await?;
        values.iter().map(|json| from_json(json)).collect()
    }

    /// Runs an aggregation pipeline, an array of stages.
    ///
    /// # Errors
    /// When the pipeline is wrong.
    pub async fn aggregate<R: DeserializeOwned>(&self, pipeline: Value) -> Result<Vec<R>> {
        let rows = host::aggregate(self.name.to_owned(), pipeline.to_string()).await?;
        rows.iter().map(|json| from_json(json)).collect()
    }

    /// Updates the first match. An update without operators replaces the document.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn update_one(&self, filter: Value, update: Value) -> Result<UpdateResult> {
        self.update(
            filter,
            update,
            host::UpdateOptions {
                many: false,
                upsert: false,
            },
        )
        .await
    }

    /// Updates every match.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn update_many(&self, filter: Value, update: Value) -> Result<UpdateResult> {
        self.update(
            filter,
            update,
            host::UpdateOptions {
                many: true,
                upsert: false,
            },
        )
        .await
    }

    /// Updates the first match, or inserts a document built from filter and update.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn upsert(&self, filter: Value, update: Value) -> Result<UpdateResult> {
        self.update(
            filter,
            update,
            host::UpdateOptions {
                many: false,
                upsert: true,
            },
        )
        .await
    }

    async fn update(
        &self,
        filter: Value,
        update: Value,
        options: host::UpdateOptions,
    ) -> Result<UpdateResult> {
        Ok(host::update(
            self.name.to_owned(),
            filter.to_string(),
            update.to_string(),
            options,
        )
        .await?)
    }

    /// Deletes the first match; says whether there was one.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn delete_one(&self, filter: Value) -> Result<bool> {
        Ok(host::delete(self.name.to_owned(), filter.to_string(), false).await? > 0)
    }

    /// Deletes every match and returns how many there were.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn delete_many(&self, filter: Value) -> Result<u64> {
        Ok(host::delete(self.name.to_owned(), filter.to_string(), true).await?)
    }

    /// Updates the first match in one step and returns it as it is afterwards.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn find_one_and_update(&self, filter: Value, update: Value) -> Result<Option<T>> {
        self.find_and_update(filter, update, true).await
    }

    /// Updates the first match in one step and returns it as it was before.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn find_one_before_update(&self, filter: Value, update: Value) -> Result<Option<T>> {
        self.find_and_update(filter, update, false).await
    }

    async fn find_and_update(
        &self,
        filter: Value,
        update: Value,
        return_new: bool,
    ) -> Result<Option<T>> {
        let options = host::FindAndUpdateOptions {
            sort: None,
            projection: None,
            upsert: false,
            return_new,
        };
        let document = host::find_one_and_update(
            self.name.to_owned(),
            filter.to_string(),
            update.to_string(),
            options,
        )
        .await?;
        document.map(|json| from_json(&json)).transpose()
    }
}

fn to_json<T: Serialize>(document: &T) -> Result<String> {
    serde_json::to_string(document).map_err(|error| DocumentsError::Form(error.to_string()))
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| DocumentsError::Form(error.to_string()))
}
