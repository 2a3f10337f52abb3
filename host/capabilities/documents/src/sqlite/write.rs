//! Changing a collection, on the writer.

use super::read::{First, projected};
use super::schema::{entry_params, is_taken, length};
use super::session::{Session, parsed};
use crate::backend::{FindAndUpdate, UpdateOptions, Updated};
use crate::{Error, Limits};
use jiff::{SignedDuration, Timestamp};
use sbd_documents_query::sqlite::{Collection, Index};
use sbd_documents_query::{
    Filter, ID, Invalid, Projection, Sort, Update, check_document, id_of, key,
};
use sbd_storage::quota;
use serde_json::Value;
use std::ops::ControlFlow;

/// A new document with its index entries, ready to be stored. Making one needs no connection.
pub(super) struct Prepared {
    id: String,
    text: String,
    entries: Vec<Entries>,
}

/// The entries of a document in one index, each a key per field.
type Entries = Vec<Vec<Vec<u8>>>;

/// A document that is to be changed.
struct Stored {
    id: String,
    text: String,
    document: Value,
}

// === impl Prepared ===

impl Prepared {
    /// Checks a document, and gives it an id if it has none.
    pub(super) fn new(
        collection: &Collection,
        mut document: Value,
        limits: &Limits,
    ) -> Result<Self, Error> {
        if let Value::Object(fields) = &mut document
            && !fields.contains_key(ID)
        {
            let id = uuid::Uuid::now_v7().to_string();
            fields.shift_insert(0, ID.to_owned(), id.into());
        }
        let text = checked(&document, limits)?;
        Ok(Self {
            id: id_of(&document)?.to_owned(),
            entries: entries(collection, &document, limits)?,
            text,
        })
    }
}

/// The text of a document that may be stored.
fn checked(document: &Value, limits: &Limits) -> Result<String, Error> {
    let text = document.to_string();
    if text.len() > limits.document_bytes {
        return Err(Error::Limit("document_bytes"));
    }
    check_document(document, &limits.query)?;
    Ok(text)
}

fn entries(
    collection: &Collection,
    document: &Value,
    limits: &Limits,
) -> Result<Vec<Entries>, Invalid> {
    let indexes = collection.indexes.iter();
    indexes
        .map(|index| index.rows(document, &limits.query))
        .collect()
}

// === impl Session ===

impl Session<'_> {
    /// Stores a new document; answers its id.
    pub(super) fn insert(&self, new: Prepared) -> Result<String, Error> {
        let Prepared { id, text, entries } = new;
        let mut insert = self.connection.prepare_cached(&self.collection.insert())?;
        let inserted = insert.execute((&id, &text));
        if is_taken(&inserted) {
            return Err(Error::Duplicate(ID.to_owned()));
        }
        inserted?;
        let mut entered = 0;
        for (index, entries) in self.collection.indexes.iter().zip(entries) {
            entered += self.enter(index, &id, entries)?;
        }
        self.charge(entered)?;
        Ok(id)
    }

    pub(super) fn update(
        &self,
        filter: &Filter,
        update: &Update,
        options: UpdateOptions,
    ) -> Result<Updated, Error> {
        let now = rfc3339(Timestamp::now());
        let mut updated = Updated::default();
        let mut change = |Stored { id, document, .. }| {
            updated.matched += 1;
            let after = self.change(&id, document, update, &now)?;
            updated.modified += u64::from(after.is_some());
            Ok::<_, Error>(())
        };
        if options.many {
            for id in self.ids(filter, true)? {
                self.check_time()?;
                self.stored(id)?.map(&mut change).transpose()?;
            }
        } else {
            self.first(filter, None)?.map(&mut change).transpose()?;
        }
        if updated.matched == 0 && options.upsert {
            updated.upserted = Some(self.upsert(filter, update, &now)?.0);
        }
        Ok(updated)
    }

    pub(super) fn find_one_and_update(
        &self,
        filter: &Filter,
        update: &Update,
        sort: &Sort,
        projection: Option<&Projection>,
        options: &FindAndUpdate,
    ) -> Result<Option<String>, Error> {
        let now = rfc3339(Timestamp::now());
        let (id, text) = match self.first(filter, Some(sort))? {
            Some(Stored { id, text, document }) => {
                let after = self.change(&id, document, update, &now)?;
                (id, after.filter(|_| options.return_new).unwrap_or(text))
            }
            None if options.upsert => {
                let inserted = self.upsert(filter, update, &now)?;
                if !options.return_new {
                    return Ok(None);
                }
                inserted
            }
            None => return Ok(None),
        };
        projected(&id, text, projection).map(Some)
    }

    /// Deletes the first match, or all; answers how many.
    pub(super) fn delete(&self, filter: &Filter, many: bool) -> Result<u64, Error> {
        self.remove_all(&self.ids(filter, many)?)
    }

    /// Deletes documents whose time is over by an index; answers how many, at most `most`.
    pub(super) fn delete_due(
        &self,
        index: &Index,
        now: Timestamp,
        most: u64,
    ) -> Result<u64, Error> {
        let (Some(due), Some(bound)) = (index.due(), bound_of(index, now)) else {
            return Ok(0);
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.remove_all(&self.texts(&due, (bound, most))?)
    }

    /// The ids of the matches that a write is about, before the first of them changes.
    fn ids(&self, filter: &Filter, many: bool) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        let plan = self.collection.plan(filter, &Sort::default());
        self.each(&plan, filter, |found| {
            if ids.len() == self.limits.touched {
                return Err(Error::Limit("touched"));
            }
            ids.push(found.id.to_owned());
            Ok(if many {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(ids)
    }

    /// The first match of an order; any when there is none.
    fn first(&self, filter: &Filter, order: Option<&Sort>) -> Result<Option<Stored>, Error> {
        let by_id = Sort::default();
        let sort = order.unwrap_or(&by_id);
        let plan = self.collection.plan(filter, sort);
        if plan.sorted || order.is_none() {
            let mut first = None;
            self.each(&plan, filter, |found| {
                first = Some(Stored {
                    id: found.id.to_owned(),
                    text: found.text.to_owned(),
                    document: found.into_document()?,
                });
                Ok(ControlFlow::Break(()))
            })?;
            return Ok(first);
        }
        let mut first = First::new(sort, 1, self.limits);
        self.each(&plan, filter, |mut found| {
            first.push(found.place(sort)?)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let place = first.finish().pop();
        place.map_or(Ok(None), |place| self.stored(place.id))
    }

    fn stored(&self, id: String) -> Result<Option<Stored>, Error> {
        let Some(text) = self.get(&id)? else {
            return Ok(None);
        };
        let document = parsed(&id, &text)?;
        Ok(Some(Stored { id, text, document }))
    }

    /// Updates a document; answers its new text if it is different.
    fn change(
        &self,
        id: &str,
        mut document: Value,
        update: &Update,
        now: &str,
    ) -> Result<Option<String>, Error> {
        let (collection, limits) = (self.collection, self.limits);
        let touched = collection.indexes.iter();
        let touched = touched.filter(|index| index.may_change(update));
        let before = touched.map(|index| (index, index.rows(&document, &limits.query).ok()));
        let before: Vec<_> = before.collect();
        if !update.apply(&mut document, now, &self.patience())? {
            return Ok(None);
        }
        let text = checked(&document, limits)?;
        self.connection
            .prepare_cached(&collection.update())?
            .execute((id, &text))?;
        let mut bytes = 0;
        for (index, before) in before {
            let after = index.rows(&document, &limits.query)?;
            bytes += match before {
                Some(before) => {
                    let left = self.leave(index, id, without(&before, &after))?;
                    self.enter(index, id, without(&after, &before))? - left
                }
                // It was stored when there were other bounds.
                None => {
                    let left = self.search_and_leave(index, id)?;
                    self.enter(index, id, after)? - left
                }
            };
        }
        self.charge(bytes)?;
        Ok(Some(text))
    }

    /// Inserts what an update makes of a filter; answers its id and text.
    fn upsert(
        &self,
        filter: &Filter,
        update: &Update,
        now: &str,
    ) -> Result<(String, String), Error> {
        let document = update.upserted(filter, now, &self.patience())?;
        let new = Prepared::new(self.collection, document, self.limits)?;
        let text = new.text.clone();
        Ok((self.insert(new)?, text))
    }

    fn remove_all(&self, ids: &[String]) -> Result<u64, Error> {
        let mut delete = self.connection.prepare_cached(&self.collection.delete())?;
        for id in ids {
            self.check_time()?;
            let left = self.leave_all(id)?;
            delete.execute([id])?;
            self.charge(-left)?;
        }
        Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
    }

    /// Counts what entries take, more or less of it.
    fn charge(&self, bytes: i64) -> Result<(), Error> {
        Ok(quota::charge(
            self.connection,
            &self.collection.owner,
            bytes,
        )?)
    }

    /// Adds entries of a document; answers what they take.
    fn enter(&self, index: &Index, id: &str, entries: Entries) -> Result<i64, Error> {
        let mut insert = self.connection.prepare_cached(&index.insert())?;
        let bytes = length(&entries, id);
        for entry in entries {
            let inserted = insert.execute(entry_params(entry, id));
            if is_taken(&inserted) {
                return Err(Error::Duplicate(index.name.clone()));
            }
            inserted?;
        }
        Ok(bytes)
    }

    /// Removes entries of a document; answers what they took.
    fn leave(&self, index: &Index, id: &str, entries: Entries) -> Result<i64, Error> {
        let mut remove = self.connection.prepare_cached(&index.remove())?;
        let mut bytes = 0;
        for entry in entries {
            let own = length(std::slice::from_ref(&entry), id);
            if remove.execute(entry_params(entry, id))? == 0 {
                return Ok(bytes + self.search_and_leave(index, id)?);
            }
            bytes += own;
        }
        Ok(bytes)
    }

    /// Removes all entries of a document that is about to go; answers what they took.
    fn leave_all(&self, id: &str) -> Result<i64, Error> {
        let indexes = &self.collection.indexes;
        if indexes.is_empty() {
            return Ok(0);
        }
        let text = self.get(id)?.unwrap_or_default();
        let document = parsed(id, &text);
        let mut bytes = 0;
        for index in indexes {
            let entries = document.as_ref().ok();
            let entries =
                entries.and_then(|document| index.rows(document, &self.limits.query).ok());
            bytes += match entries {
                Some(entries) => self.leave(index, id, entries)?,
                None => self.search_and_leave(index, id)?,
            };
        }
        Ok(bytes)
    }

    /// Removes all entries of a document that has others than it should, or that cannot be read; answers
    /// what they took.
    fn search_and_leave(&self, index: &Index, id: &str) -> Result<i64, Error> {
        let bytes = self
            .connection
            .prepare_cached(&index.sum())?
            .query_row([id], |row| row.get(0))?;
        self.connection
            .prepare_cached(&index.delete())?
            .execute([id])?;
        Ok(bytes)
    }
}

/// Those of some entries that are not among others; both are in order.
fn without(entries: &Entries, others: &Entries) -> Entries {
    let is_other = |entry: &&Vec<Vec<u8>>| others.binary_search(entry).is_ok();
    let left = entries.iter().filter(|entry| !is_other(entry));
    left.cloned().collect()
}

/// The key of the time at or before which documents are due. `None`: nothing is.
fn bound_of(index: &Index, now: Timestamp) -> Option<Vec<u8>> {
    let age = SignedDuration::from_secs(i64::try_from(index.ttl_seconds?).ok()?);
    let bound = now.checked_sub(age).ok()?;
    Some(key(&Value::String(rfc3339(bound))))
}

/// A time as documents hold it.
fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}
