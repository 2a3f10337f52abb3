//! `documents` of a test: collections in memory, in the host's own query language.
//!
//! What stands here is what a backend must do besides the language: find, check what is unique, and do
//! all of a call or nothing. Of the bounds that the host has, those on the language and on the steps of a transaction
//! are kept here, too; those on sizes are the host's alone.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::documents::{
    AuditOperation, CheckOperation, DeleteOperation, Error, FindAndUpdateOptions, InsertOperation,
    Operation, Page, PublishOperation, Query, UpdateOperation, UpdateOptions,
};
pub use crate::bindings::generated::sbd::platform::documents::{Outcome, UpdateResult};
use crate::time::{self, Time};
use sbd_contract::offer::is_event_type;
use sbd_contract::{Kind, Oversized};
use sbd_documents_query::{
    Direction, Distinct, Failed, Filter, ID, Invalid, Limits, OPERATIONS, Path, Patience, Pipeline,
    Projection, Sort, Update, check_document, fingerprint, id_of, sqlite,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

type Result<T> = std::result::Result<T, Error>;

/// A component's collections, and what it has published.
#[derive(Clone, Default)]
pub(super) struct Collections {
    by_name: BTreeMap<String, Collection>,
    pub(super) published: Vec<Published>,
    pub(super) recorded: Vec<Recorded>,
}

/// An event that a component has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: String,
    /// What happened: `family.member.joined`.
    pub kind: String,
    /// What it happened to.
    pub subject: Option<String>,
    /// What subscribers learn.
    pub data: Value,
}

/// What a component has recorded of what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What it is about.
    pub subject: String,
    /// Its place among what was recorded about that, from 1.
    pub number: u64,
    /// When.
    pub at: String,
    /// What was done.
    pub action: String,
    /// How whoever did it came to do it; none for somebody unknown.
    pub kind: Option<Kind>,
    /// The user who did it, or for whom it was done.
    pub actor: Option<String>,
    /// More about it.
    pub data: Value,
}

/// A collection: documents by id.
#[derive(Clone)]
struct Collection {
    indexes: Rc<[Index]>,
    documents: BTreeMap<String, Value>,
}

/// An index of a collection.
pub(super) struct Index(sqlite::Index);

// === impl Index ===

impl Index {
    /// As the manifest declares it.
    pub(super) fn read(collection: &str, declared: &sbd_manifest::Index) -> Self {
        let fields = declared.fields.iter().map(|field| {
            let direction = match field.direction {
                sbd_manifest::Direction::Ascending => Direction::Ascending,
                sbd_manifest::Direction::Descending => Direction::Descending,
            };
            (path(&field.path), direction)
        });
        Self(sqlite::Index {
            table: String::new(),
            name: format!("{collection}.{}", declared.name),
            fields: fields.collect(),
            unique: declared.unique,
            sparse: declared.sparse,
            ttl_seconds: declared.ttl_seconds,
        })
    }

    pub(super) fn unique(collection: &str, name: &str, fields: &[&str]) -> Self {
        let fields = fields
            .iter()
            .map(|field| (path(field), Direction::Ascending));
        Self(sqlite::Index {
            table: String::new(),
            name: format!("{collection}.{name}"),
            fields: fields.collect(),
            unique: true,
            sparse: false,
            ttl_seconds: None,
        })
    }

    /// Whether a document's time is over.
    fn is_due(&self, document: &Value, now: Time) -> bool {
        let (Some(seconds), [(path, _)]) = (self.0.ttl_seconds, self.0.fields.as_slice()) else {
            return false;
        };
        let due = json!({path.to_string(): {"$lte": now - Duration::from_secs(seconds)}});
        let due = Filter::parse(&due, &Limits::default());
        due.is_ok_and(|due| due.matches(document, &Patience::endless()) == Ok(true))
    }
}

fn path(text: &str) -> Path {
    Path::parse(text, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

// === impl Collections ===

impl Collections {
    /// A collection with these indexes, and with those it has already.
    pub(super) fn declare(&mut self, name: &str, indexes: Vec<Index>) {
        let empty = || Collection {
            indexes: Rc::new([]),
            documents: BTreeMap::new(),
        };
        let collection = self.by_name.entry(name.to_owned()).or_insert_with(empty);
        let before = collection
            .indexes
            .iter()
            .map(|index| Index(index.0.clone()));
        collection.indexes = before.chain(indexes).collect();
    }

    /// Deletes what is due.
    pub(super) fn sweep(&mut self, now: Time) {
        for collection in self.by_name.values_mut() {
            let indexes = Rc::clone(&collection.indexes);
            let is_due = |document: &Value| indexes.iter().any(|index| index.is_due(document, now));
            collection.documents.retain(|_, document| !is_due(document));
        }
    }

    fn of(&mut self, name: &str) -> Result<&mut Collection> {
        self.by_name.get_mut(name).ok_or_else(|| {
            Error::UnknownCollection(format!(
                "collection `{name}` is not declared; add it to the component's spin.toml, or to the test's app"
            ))
        })
    }

    pub(super) fn publish(
        &mut self,
        kind: String,
        subject: Option<String>,
        data: &str,
    ) -> Result<String> {
        if !is_event_type(&kind) {
            return Err(Error::Invalid(format!(
                "`{kind}` is no type of an event; write words with dots between them, like `family.member.joined`"
            )));
        }
        let id = crate::id::new("evt");
        self.published.push(Published {
            id: id.clone(),
            kind,
            subject,
            data: read("data", data)?,
        });
        Ok(id)
    }

    pub(super) fn record(&mut self, subject: String, action: String, data: &str) -> Result<u64> {
        if !is_event_type(&action) {
            return Err(Error::Invalid(format!(
                "`{action}` is no action; write words with dots between them, like `family.member.removed`"
            )));
        }
        let of_it = self
            .recorded
            .iter()
            .filter(|entry| entry.subject == subject);
        let number = u64::try_from(of_it.count()).unwrap_or(u64::MAX) + 1;
        let principal = crate::context::current().and_then(|context| context.principal.clone());
        let mut data = read("data", data)?;
        let by = principal
            .as_ref()
            .and_then(|who| who.impersonated_by.as_deref());
        if let (Some(by), Some(data)) = (by, data.as_object_mut()) {
            data.insert("impersonated_by".to_owned(), by.into());
        }
        self.recorded.push(Recorded {
            subject,
            number,
            at: crate::time::now().to_string(),
            action,
            kind: principal.as_ref().map(|who| who.kind),
            actor: principal.and_then(|who| who.user.as_deref().map(str::to_owned)),
            data,
        });
        Ok(number)
    }

    fn step(&mut self, operation: Operation, place: u32) -> Result<Outcome> {
        let (matched, expect, outcome) = match operation {
            Operation::Insert(InsertOperation {
                collection,
                document,
            }) => {
                let id = self.of(&collection)?.insert(read("document", &document)?)?;
                return Ok(Outcome::Inserted(id));
            }
            Operation::Update(UpdateOperation {
                collection,
                filter: of,
                update,
                options,
                expect,
            }) => {
                let updated = self.of(&collection)?.update(&of, &update, options)?;
                (updated.matched, expect, Outcome::Updated(updated))
            }
            Operation::Delete(DeleteOperation {
                collection,
                filter: of,
                many,
                expect,
            }) => {
                let deleted = self.of(&collection)?.delete(&filter(&of)?, many)?;
                (deleted, expect, Outcome::Deleted(deleted))
            }
            Operation::Audit(AuditOperation {
                subject,
                action,
                data,
            }) => {
                let number = self.record(subject, action, &data)?;
                return Ok(Outcome::Audited(number));
            }
            Operation::Publish(PublishOperation {
                type_: kind,
                subject,
                data,
                ..
            }) => {
                let id = self.publish(kind, subject, &data)?;
                return Ok(Outcome::Published(id));
            }
            Operation::Check(CheckOperation {
                collection,
                filter: of,
                expect,
            }) => {
                let matches = self.of(&collection)?.matches(&filter(&of)?)?;
                (count_of(&matches), Some(expect), Outcome::Checked)
            }
        };
        match expect.is_none_or(|expect| expect == matched) {
            true => Ok(outcome),
            false => Err(Error::PreconditionFailed(place)),
        }
    }
}

// === impl Collection ===

impl Collection {
    /// The ids of the documents that match.
    fn matches(&self, filter: &Filter) -> Result<Vec<String>> {
        let patience = Patience::endless();
        let mut ids = Vec::new();
        for (id, document) in &self.documents {
            if filter
                .matches(document, &patience)
                .map_err(|error| invalid(&error))?
            {
                ids.push(id.clone());
            }
        }
        Ok(ids)
    }

    fn in_order(&self, filter: &Filter, sort: &Sort) -> Result<Vec<String>> {
        let mut places = Vec::new();
        for id in self.matches(filter)? {
            places.push(sort.key(self.document(&id), &id));
        }
        places.sort_by(|one, other| sort.compare(one, other));
        Ok(places.into_iter().map(|place| place.id).collect())
    }

    fn document(&self, id: &str) -> &Value {
        self.documents.get(id).unwrap_or(&Value::Null)
    }

    fn insert(&mut self, mut document: Value) -> Result<String> {
        if let Value::Object(fields) = &mut document
            && !fields.contains_key(ID)
        {
            let id = uuid::Uuid::now_v7().to_string();
            fields.shift_insert(0, ID.to_owned(), id.into());
        }
        let id = id_of(&document)
            .map_err(|error| invalid(&error))?
            .to_owned();
        if self.documents.contains_key(&id) {
            return Err(Error::Duplicate(ID.to_owned()));
        }
        self.store(id.clone(), document)?;
        Ok(id)
    }

    /// Stores a document, unless it has what another one has alone.
    fn store(&mut self, id: String, document: Value) -> Result<()> {
        let limits = Limits::default();
        check_document(&document, &limits).map_err(|error| invalid(&error))?;
        for Index(index) in self.indexes.iter() {
            let rows = index
                .rows(&document, &limits)
                .map_err(|error| invalid(&error))?;
            let mut others = self.documents.iter().filter(|(other, _)| **other != id);
            let is_taken = |(_, other): (&String, &Value)| {
                let taken = index.rows(other, &limits).unwrap_or_default();
                taken.iter().any(|row| rows.contains(row))
            };
            if index.unique && others.any(is_taken) {
                return Err(Error::Duplicate(index.name.clone()));
            }
        }
        self.documents.insert(id, document);
        Ok(())
    }

    fn update(&mut self, of: &str, update: &str, options: UpdateOptions) -> Result<UpdateResult> {
        let (of, update) = (filter(of)?, changes(update)?);
        if options.many && matches!(update, Update::Replace(_)) {
            return Err(Error::Invalid(
                "a whole document can replace one match only; use operators like $set for many"
                    .to_owned(),
            ));
        }
        let mut ids = self.matches(&of)?;
        if !options.many {
            ids.truncate(1);
        }
        let mut result = UpdateResult {
            matched: count_of(&ids),
            modified: 0,
            upserted: None,
        };
        for id in ids {
            result.modified += u64::from(self.change(&id, &update)?);
        }
        if result.matched == 0 && options.upsert {
            result.upserted = Some(self.upsert(&of, &update)?);
        }
        Ok(result)
    }

    /// Changes a document; says whether it is different.
    fn change(&mut self, id: &str, update: &Update) -> Result<bool> {
        let mut document = self.document(id).clone();
        let now = time::now().to_string();
        let changed = update.apply(&mut document, &now, &Patience::endless());
        let changed = changed.map_err(|error| failed(&error))?;
        self.store(id.to_owned(), document)?;
        Ok(changed)
    }

    fn upsert(&mut self, of: &Filter, update: &Update) -> Result<String> {
        let now = time::now().to_string();
        let document = update.upserted(of, &now, &Patience::endless());
        self.insert(document.map_err(|error| failed(&error))?)
    }

    fn delete(&mut self, of: &Filter, many: bool) -> Result<u64> {
        let mut ids = self.matches(of)?;
        if !many {
            ids.truncate(1);
        }
        for id in &ids {
            self.documents.remove(id);
        }
        Ok(count_of(&ids))
    }

    fn page(&self, name: &str, query: &Query) -> Result<Page> {
        let of = read("filter", &query.filter)?;
        let sort = query
            .sort
            .as_deref()
            .map_or(Ok(json!({})), |sort| read("sort", sort))?;
        let fingerprint = fingerprint(&[&json!(name), &of, &sort]);
        let limits = Limits::default();
        let of = Filter::parse(&of, &limits).map_err(|error| invalid(&error))?;
        let sort = Sort::parse(&sort, &limits).map_err(|error| invalid(&error))?;
        let projection = query.projection.as_deref().map(projection).transpose()?;
        let after = query
            .cursor
            .as_deref()
            .map(|cursor| sort.read_cursor(cursor, fingerprint));
        let after = after.transpose().map_err(|error| invalid(&error))?;
        let mut ids = self.in_order(&of, &sort)?;
        let total = count_of(&ids);
        if let Some(after) = &after {
            ids.retain(|id| {
                sort.compare(&sort.key(self.document(id), id), after)
                    .is_gt()
            });
        }
        let (skip, limit) = (length(query.skip), length(query.limit));
        let more = ids.len().saturating_sub(skip) > limit;
        let shown: Vec<_> = ids.iter().skip(skip).take(limit).collect();
        let last = shown.last().filter(|_| more);
        let next = last.map(|id| sort.cursor(&sort.key(self.document(id), id), fingerprint));
        let documents = shown.iter().map(|id| match &projection {
            Some(projection) => projection.apply(self.document(id)).to_string(),
            None => self.document(id).to_string(),
        });
        Ok(Page {
            documents: documents.collect(),
            next,
            total: query.total.then_some(total),
        })
    }
}

fn length(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn count_of(ids: &[String]) -> u64 {
    u64::try_from(ids.len()).unwrap_or(u64::MAX)
}

fn read(what: &str, text: &str) -> Result<Value> {
    let value = serde_json::from_str(text).map_err(|error| {
        Error::Invalid(format!("the {what} is no JSON: {error}; correct it there"))
    })?;
    match Oversized::find(text) {
        None => Ok(value),
        Some(number) => Err(Error::Invalid(format!("at `{}`: {number}", number.field()))),
    }
}

fn filter(text: &str) -> Result<Filter> {
    Filter::parse(&read("filter", text)?, &Limits::default()).map_err(|error| invalid(&error))
}

fn changes(text: &str) -> Result<Update> {
    Update::parse(&read("update", text)?, &Limits::default()).map_err(|error| invalid(&error))
}

fn projection(text: &str) -> Result<Projection> {
    Projection::parse(&read("projection", text)?, &Limits::default())
        .map_err(|error| invalid(&error))
}

fn invalid(error: &impl ToString) -> Error {
    Error::Invalid(error.to_string())
}

fn failed(error: &Failed) -> Error {
    invalid(error)
}

/// Does all of it, or nothing.
fn change<T>(act: impl FnOnce(&mut Collections) -> Result<T>) -> Result<T> {
    let world = granted("documents");
    let mut changed = world.documents.borrow().clone();
    let done = act(&mut changed)?;
    world.documents.replace(changed);
    Ok(done)
}

/// Looks at a collection.
fn look<T>(name: &str, act: impl FnOnce(&Collection) -> Result<T>) -> Result<T> {
    let world = granted("documents");
    act(world.documents.borrow_mut().of(name)?)
}

pub(crate) async fn insert(collection: String, documents: Vec<String>) -> Result<Vec<String>> {
    change(|collections| {
        let collection = collections.of(&collection)?;
        let documents = documents.iter();
        let inserted = documents.map(|text| collection.insert(read("document", text)?));
        inserted.collect()
    })
}

pub(crate) async fn get(collection: String, id: String) -> Result<Option<String>> {
    look(&collection, |collection| {
        Ok(collection.documents.get(&id).map(Value::to_string))
    })
}

pub(crate) async fn find(collection: String, query: Query) -> Result<Page> {
    look(&collection, |found| found.page(&collection, &query))
}

pub(crate) async fn count(collection: String, of: String) -> Result<u64> {
    look(&collection, |collection| {
        Ok(count_of(&collection.matches(&filter(&of)?)?))
    })
}

pub(crate) async fn distinct(collection: String, field: String, of: String) -> Result<Vec<String>> {
    look(&collection, |collection| {
        let path = Path::parse(&field, &Limits::default()).map_err(|error| invalid(&error))?;
        let mut values = Distinct::new(&path, 10_000);
        for id in collection.matches(&filter(&of)?)? {
            let added: std::result::Result<(), Invalid> = values.add(collection.document(&id));
            added.map_err(|error| invalid(&error))?;
        }
        Ok(values.finish().iter().map(Value::to_string).collect())
    })
}

pub(crate) async fn aggregate(collection: String, pipeline: String) -> Result<Vec<String>> {
    look(&collection, |collection| {
        let pipeline = Pipeline::parse(&read("pipeline", &pipeline)?, &Limits::default());
        let pipeline = pipeline.map_err(|error| invalid(&error))?;
        let rows = pipeline.run(collection.documents.values().cloned());
        let rows = rows.map_err(|error| failed(&error))?;
        Ok(rows.iter().map(Value::to_string).collect())
    })
}

pub(crate) async fn update(
    collection: String,
    of: String,
    update: String,
    options: UpdateOptions,
) -> Result<UpdateResult> {
    change(|collections| collections.of(&collection)?.update(&of, &update, options))
}

pub(crate) async fn delete(collection: String, of: String, many: bool) -> Result<u64> {
    change(|collections| collections.of(&collection)?.delete(&filter(&of)?, many))
}

pub(crate) async fn find_one_and_update(
    collection: String,
    of: String,
    update: String,
    options: FindAndUpdateOptions,
) -> Result<Option<String>> {
    change(|collections| {
        let collection = collections.of(&collection)?;
        let (of, update) = (filter(&of)?, changes(&update)?);
        let sort = options
            .sort
            .as_deref()
            .map_or(Ok(json!({})), |sort| read("sort", sort))?;
        let sort = Sort::parse(&sort, &Limits::default()).map_err(|error| invalid(&error))?;
        let (before, id) = match collection.in_order(&of, &sort)?.into_iter().next() {
            Some(id) => {
                let before = collection.document(&id).clone();
                collection.change(&id, &update)?;
                (Some(before), id)
            }
            None if options.upsert => (None, collection.upsert(&of, &update)?),
            None => return Ok(None),
        };
        let found = match options.return_new {
            true => Some(collection.document(&id).clone()),
            false => before,
        };
        let projection = options.projection.as_deref().map(projection).transpose()?;
        Ok(found.map(|found| match &projection {
            Some(projection) => projection.apply(&found).to_string(),
            None => found.to_string(),
        }))
    })
}

pub(crate) async fn transact(operations: Vec<Operation>) -> Result<Vec<Outcome>> {
    match operations.len() {
        0 => {
            let message = format!("run 1 to {OPERATIONS} at once");
            return Err(Error::Invalid(message));
        }
        many if many > OPERATIONS => {
            let message = format!(
                "{many} operations, where there may be {OPERATIONS}: split the transaction"
            );
            return Err(Error::Limit(message));
        }
        _ => {}
    }
    change(|collections| {
        let steps = operations.into_iter().zip(0..);
        let done = steps.map(|(operation, place)| collections.step(operation, place));
        done.collect()
    })
}
