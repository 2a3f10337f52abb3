//! Typed collections of JSON documents, in MongoDB's language.
//!
//! Declare the collections and their indexes in the manifest, `[component.X.tool.sbd.collections.NAME]`.
//! Build filters and updates with `serde_json::json!` from typed values; what a request brings can
//! then only ever be a value, never an operator.

use crate::bindings::documents as host;
use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::marker::PhantomData;

pub use host::{Outcome, UpdateResult};

/// Why the collections refused. `From` makes it an [`crate::Error`] with a status; match on it
/// first where the domain has its own answer, for example to a duplicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// The manifest does not declare the collection; the text names the line to add.
    #[error("unknown collection: {0}")]
    UnknownCollection(String),
    /// A filter, an update or a document is wrong.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A unique index or the `_id` holds these values already; the text names the index.
    #[error("duplicate: {0}")]
    Duplicate(String),
    /// The operation of this number, counted from 0, did not find what it expected; nothing of
    /// the transaction was done.
    #[error("the precondition of step {0} does not hold")]
    PreconditionFailed(u32),
    /// A limit was exceeded; the text names it.
    #[error("limit exceeded: {0}")]
    Limit(String),
    /// No room left.
    #[error("no room left")]
    Full,
    /// No answer now; the same call may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A document does not have the form of its Rust type.
    #[error("a document has another form than its type: {0}")]
    Form(String),
}

/// A collection of documents of one type. Make it a `const`: it is only a name.
pub struct Collection<T> {
    name: Cow<'static, str>,
    of: PhantomData<fn() -> T>,
}

/// A search, to be refined and then fetched.
#[must_use = "a search does nothing until it is fetched"]
pub struct Find<'a, T> {
    collection: &'a Collection<T>,
    filter: Value,
    sort: Option<Value>,
    skip: u32,
    limit: u32,
    cursor: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The documents, in order.
    pub documents: Vec<T>,
    /// Where the next page starts; none on the last one.
    pub next: Option<String>,
}

/// Several writes and checks that happen all or not at all, at most 100.
#[derive(Default)]
#[must_use = "a transaction does nothing until it is committed"]
pub struct Transaction {
    operations: Vec<host::Operation>,
    unwritable: Option<DocumentsError>,
}

type Result<T> = std::result::Result<T, DocumentsError>;

// === impl Collection ===

impl<T> Collection<T> {
    /// The collection of this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            of: PhantomData,
        }
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn owned_name(&self) -> String {
        self.name.clone().into_owned()
    }
}

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// Inserts a document and returns its `_id`.
    ///
    /// # Errors
    /// `Duplicate` when a unique index or the `_id` holds its values already.
    pub async fn insert(&self, document: &T) -> Result<String> {
        let ids = host::insert(self.owned_name(), vec![to_json(document)?]).await?;
        let id = ids.into_iter().next();
        id.ok_or_else(|| DocumentsError::Unavailable("the insert returned no id".to_owned()))
    }

    /// Inserts 1 to 1000 documents, all or none, and returns their ids in order.
    ///
    /// # Errors
    /// `Duplicate` when a unique index or an `_id` holds values of one of them already.
    pub async fn insert_all(&self, documents: &[T]) -> Result<Vec<String>> {
        let documents = documents.iter().map(to_json).collect::<Result<_>>()?;
        Ok(host::insert(self.owned_name(), documents).await?)
    }

    /// The document with this `_id`.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn get(&self, id: &str) -> Result<Option<T>> {
        let document = host::get(self.owned_name(), id.to_owned()).await?;
        document.map(|json| from_json(&json)).transpose()
    }

    /// Starts a search; it finds at most 100 documents unless told otherwise.
    pub fn find(&self, filter: Value) -> Find<'_, T> {
        Find {
            collection: self,
            filter,
            sort: None,
            skip: 0,
            limit: 100,
            cursor: None,
        }
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
        Ok(host::count(self.owned_name(), filter.to_string()).await?)
    }

    /// The distinct values of a field among the documents that match, at most 10 000.
    ///
    /// # Errors
    /// When the filter is wrong or there are too many values.
    pub async fn distinct<V: DeserializeOwned>(&self, field: &str, filter: Value) -> Result<Vec<V>> {
        let values = host::distinct(self.owned_name(), field.to_owned(), filter.to_string()).await?;
        values.iter().map(|json| from_json(json)).collect()
    }

    /// Runs an aggregation pipeline, an array of stages.
    ///
    /// # Errors
    /// When the pipeline is wrong.
    pub async fn aggregate<R: DeserializeOwned>(&self, pipeline: Value) -> Result<Vec<R>> {
        let rows = host::aggregate(self.owned_name(), pipeline.to_string()).await?;
        rows.iter().map(|json| from_json(json)).collect()
    }

    /// Updates the first match. An update without operators replaces the document.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn update_one(&self, filter: Value, update: Value) -> Result<UpdateResult> {
        self.update(filter, update, host::UpdateOptions { many: false, upsert: false }).await
    }

    /// Updates every match.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn update_many(&self, filter: Value, update: Value) -> Result<UpdateResult> {
        self.update(filter, update, host::UpdateOptions { many: true, upsert: false }).await
    }

    /// Updates the first match, or inserts a document built from filter and update.
    ///
    /// # Errors
    /// `Duplicate` when the result would break a unique index.
    pub async fn upsert(&self, filter: Value, update: Value) -> Result<UpdateResult> {
        self.update(filter, update, host::UpdateOptions { many: false, upsert: true }).await
    }

    async fn update(&self, filter: Value, update: Value, options: host::UpdateOptions) -> Result<UpdateResult> {
        Ok(host::update(self.owned_name(), filter.to_string(), update.to_string(), options).await?)
    }

    /// Deletes the first match; says whether there was one.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn delete_one(&self, filter: Value) -> Result<bool> {
        Ok(host::delete(self.owned_name(), filter.to_string(), false).await? > 0)
    }

    /// Deletes every match and returns how many there were.
    ///
    /// # Errors
    /// When the filter is wrong or the storage does not answer.
    pub async fn delete_many(&self, filter: Value) -> Result<u64> {
        Ok(host::delete(self.owned_name(), filter.to_string(), true).await?)
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

    async fn find_and_update(&self, filter: Value, update: Value, return_new: bool) -> Result<Option<T>> {
        let options = host::FindAndUpdateOptions { sort: None, upsert: false, return_new };
        let document =
            host::find_one_and_update(self.owned_name(), filter.to_string(), update.to_string(), options).await?;
        document.map(|json| from_json(&json)).transpose()
    }
}

// === impl Find ===

impl<T: DeserializeOwned> Find<'_, T> {
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
        let query = host::Query {
            filter: self.filter.to_string(),
            sort: self.sort.map(|sort| sort.to_string()),
            projection: None,
            skip: self.skip,
            limit: self.limit,
            cursor: self.cursor,
        };
        let page = host::find(self.collection.owned_name(), query).await?;
        Ok(Found {
            documents: page.documents.iter().map(|json| from_json(json)).collect::<Result<_>>()?,
            next: page.next,
        })
    }
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
                collection: collection.owned_name(),
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

    fn update<T>(self, to: &Collection<T>, filter: Value, update: Value, many: bool, expect: Option<u64>) -> Self {
        self.push(host::Operation::Update(host::UpdateOperation {
            collection: to.owned_name(),
            filter: filter.to_string(),
            update: update.to_string(),
            options: host::UpdateOptions { many, upsert: false },
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

    fn delete<T>(self, from: &Collection<T>, filter: Value, many: bool, expect: Option<u64>) -> Self {
        self.push(host::Operation::Delete(host::DeleteOperation {
            collection: from.owned_name(),
            filter: filter.to_string(),
            many,
            expect,
        }))
    }

    /// Changes nothing; the transaction is undone unless exactly so many documents match.
    pub fn check<T>(self, collection: &Collection<T>, filter: Value, expect: u64) -> Self {
        self.push(host::Operation::Check(host::CheckOperation {
            collection: collection.owned_name(),
            filter: filter.to_string(),
            expect,
        }))
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

// === impl DocumentsError ===

impl From<host::Error> for DocumentsError {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::UnknownCollection(text) => Self::UnknownCollection(text),
            host::Error::Invalid(text) => Self::Invalid(text),
            host::Error::Duplicate(text) => Self::Duplicate(text),
            host::Error::PreconditionFailed(step) => Self::PreconditionFailed(step),
            host::Error::Limit(text) => Self::Limit(text),
            host::Error::Full => Self::Full,
            host::Error::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

impl From<DocumentsError> for Error {
    fn from(error: DocumentsError) -> Self {
        match error {
            DocumentsError::Duplicate(_) => Self::conflict("this is there already; use another value, or change what is there"),
            DocumentsError::PreconditionFailed(_) => {
                Self::conflict("it changed while this was being done; read it again and repeat")
            }
            DocumentsError::Full => Self::storage_full(),
            DocumentsError::Unavailable(cause) => {
                eprintln!("documents unavailable: {cause}");
                Self::overloaded("the storage does not answer just now; try again in a moment", 1)
            }
            other => Self::internal(other),
        }
    }
}

fn to_json<T: Serialize>(document: &T) -> Result<String> {
    serde_json::to_string(document).map_err(|error| DocumentsError::Form(error.to_string()))
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| DocumentsError::Form(error.to_string()))
}
