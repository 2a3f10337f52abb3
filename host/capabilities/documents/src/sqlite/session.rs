//! One operation on one collection, on one connection.

use crate::backend::{UpdateOptions, Updated};
use crate::{Error, Limits};
use sbd_documents_query::sqlite::{Collection, Index, SqlValue, Statement};
use sbd_documents_query::{
    Filter, ID, Path, Pipeline, Sort, SortKey, Update, check_document, id_of, key,
};
use sbd_storage::rusqlite::{self, Connection, OptionalExtension as _, params_from_iter, types};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How many rows are read between two looks at the clock.
const ROWS_PER_LOOK: usize = 256;

pub(super) struct Session<'a> {
    connection: &'a Connection,
    collection: &'a Collection,
    limits: &'a Limits,
    begun: Instant,
}

/// A document that matches.
struct Match {
    id: String,
    document: Value,
    text: String,
}

/// What a search found.
pub(super) struct Found {
    pub(super) documents: Vec<(Value, String)>,
    /// The last one's place, if there are more.
    pub(super) next: Option<SortKey>,
}

// === impl Session ===

impl<'a> Session<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        collection: &'a Collection,
        limits: &'a Limits,
    ) -> Self {
        Self {
            connection,
            collection,
            limits,
            begun: Instant::now(),
        }
    }

    pub(super) fn get(&self, id: &str) -> Result<Option<String>, Error> {
        let statement = self.collection.get(id);
        let mut prepared = self.connection.prepare_cached(&statement.sql)?;
        Ok(prepared
            .query_row(params_from_iter(params(&statement)), |row| row.get(1))
            .optional()?)
    }

    pub(super) fn find(
        &self,
        filter: &Filter,
        sort: &Sort,
        after: Option<&SortKey>,
        skip: u32,
        limit: u32,
    ) -> Result<Found, Error> {
        let plan = self.collection.plan(filter, sort);
        let (skip, limit) = (
            usize::try_from(skip).unwrap_or(usize::MAX),
            usize::try_from(limit).unwrap_or(usize::MAX),
        );
        // One more than asked for tells whether there is a next page.
        let wanted = skip.saturating_add(limit).saturating_add(1);
        if !plan.sorted && wanted > self.limits.query.held {
            return Err(Error::Limit("skip"));
        }
        let mut found: Vec<(SortKey, Match)> = Vec::new();
        self.matches(filter, sort, |matched| {
            let place = sort.key(&matched.document, &matched.id);
            if after.is_some_and(|after| sort.compare(&place, after).is_le()) {
                return Ok(ControlFlow::Continue(()));
            }
            found.push((place, matched));
            if plan.sorted && found.len() >= wanted {
                return Ok(ControlFlow::Break(()));
            }
            if found.len() >= wanted.saturating_mul(2).max(1024) {
                found.sort_by(|(one, _), (other, _)| sort.compare(one, other));
                found.truncate(wanted);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if !plan.sorted {
            found.sort_by(|(one, _), (other, _)| sort.compare(one, other));
        }
        let more = found.len() > skip.saturating_add(limit);
        let page: Vec<(SortKey, Match)> = found.into_iter().skip(skip).take(limit).collect();
        let bytes: usize = page.iter().map(|(_, matched)| matched.text.len()).sum();
        if bytes > self.limits.answer_bytes {
            return Err(Error::Limit("answer_bytes"));
        }
        let next = page.last().filter(|_| more).map(|(place, _)| place.clone());
        let documents = page
            .into_iter()
            .map(|(_, matched)| (matched.document, matched.text));
        Ok(Found {
            documents: documents.collect(),
            next,
        })
    }

    pub(super) fn count(&self, filter: &Filter) -> Result<u64, Error> {
        let direct = if filter.is_all() {
            Some(self.collection.count_all())
        } else {
            self.collection.count(filter)
        };
        if let Some(statement) = direct {
            let mut prepared = self.connection.prepare_cached(&statement.sql)?;
            let count: i64 =
                prepared.query_row(params_from_iter(params(&statement)), |row| row.get(0))?;
            return Ok(u64::try_from(count).unwrap_or_default());
        }
        let mut count = 0;
        self.matches(filter, &Sort::default(), |_| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    pub(super) fn distinct(&self, path: &Path, filter: &Filter) -> Result<Vec<String>, Error> {
        let mut values: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        self.matches(filter, &Sort::default(), |matched| {
            for value in path.values(&matched.document) {
                values
                    .entry(key(value))
                    .or_insert_with(|| value.to_string());
            }
            if values.len() > self.limits.distinct {
                return Err(Error::Limit("distinct"));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(values.into_values().collect())
    }

    pub(super) fn aggregate(&self, pipeline: &Pipeline) -> Result<Vec<String>, Error> {
        let mut documents = Vec::new();
        self.matches(&pipeline.leading_filter(), &Sort::default(), |matched| {
            documents.push(matched.document);
            if documents.len() > self.limits.query.held {
                return Err(Error::Limit("aggregated_documents"));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let answer: Vec<String> = pipeline
            .run(documents)?
            .iter()
            .map(Value::to_string)
            .collect();
        if answer.iter().map(String::len).sum::<usize>() > self.limits.answer_bytes {
            return Err(Error::Limit("answer_bytes"));
        }
        Ok(answer)
    }

    /// Inserts a document, giving it an id if it has none; answers the id.
    pub(super) fn insert(&self, mut document: Value) -> Result<String, Error> {
        check_document(&document, &self.limits.query)?;
        if let Value::Object(fields) = &mut document
            && !fields.contains_key(ID)
        {
            fields.shift_insert(
                0,
                ID.to_owned(),
                uuid::Uuid::now_v7().simple().to_string().into(),
            );
        }
        let id = id_of(&document)?.to_owned();
        let text = self.text(&document)?;
        self.connection
            .prepare_cached(&self.collection.insert())?
            .execute((&id, &text))
            .map_err(|error| self.duplicate(error))?;
        for index in &self.collection.indexes {
            self.insert_rows(index, &id, index.rows(&document, &self.limits.query)?)?;
        }
        Ok(id)
    }

    pub(super) fn update(
        &self,
        filter: &Filter,
        update: &Update,
        options: UpdateOptions,
    ) -> Result<Updated, Error> {
        let matches = self.touched(filter, options.many)?;
        let now = time(0);
        let mut updated = Updated::default();
        for matched in matches {
            updated.matched += 1;
            updated.modified += u64::from(self.change(matched, update, &now)?.1);
        }
        if updated.matched == 0 && options.upsert {
            updated.upserted = Some(self.insert(update.upserted(filter, &now)?)?);
        }
        Ok(updated)
    }

    pub(super) fn find_one_and_update(
        &self,
        filter: &Filter,
        update: &Update,
        sort: &Sort,
        upsert: bool,
        return_new: bool,
    ) -> Result<Option<String>, Error> {
        let now = time(0);
        let found = self
            .find(filter, sort, None, 0, 1)?
            .documents
            .into_iter()
            .next();
        let Some((document, text)) = found else {
            if upsert {
                let id = self.insert(update.upserted(filter, &now)?)?;
                return if return_new { self.get(&id) } else { Ok(None) };
            }
            return Ok(None);
        };
        let id = id_of(&document)?.to_owned();
        let (after, _) = self.change(
            Match {
                id,
                document,
                text: String::new(),
            },
            update,
            &now,
        )?;
        Ok(Some(if return_new { after } else { text }))
    }

    pub(super) fn delete(&self, filter: &Filter, many: bool) -> Result<u64, Error> {
        let matches = self.touched(filter, many)?;
        let count = matches.len();
        for matched in matches {
            self.remove(&matched.id)?;
        }
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// Deletes documents whose time in this index is not after the bound.
    pub(super) fn delete_due(&self, index: &Index, bound: &[u8], most: i64) -> Result<u64, Error> {
        let Some(sql) = index.due() else { return Ok(0) };
        let mut due = self.connection.prepare_cached(&sql)?;
        let ids = due
            .query_map((bound, most), |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        for id in &ids {
            self.remove(id)?;
        }
        Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
    }

    /// Fills one index from every document.
    pub(super) fn fill(&self, index: &Index) -> Result<(), Error> {
        self.matches(&Filter::all(), &Sort::default(), |matched| {
            self.insert_rows(
                index,
                &matched.id,
                index.rows(&matched.document, &self.limits.query)?,
            )?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The documents that a write is about, read before the first of them changes.
    fn touched(&self, filter: &Filter, many: bool) -> Result<Vec<Match>, Error> {
        let mut matches = Vec::new();
        self.matches(filter, &Sort::default(), |matched| {
            matches.push(matched);
            if matches.len() > self.limits.touched {
                return Err(Error::Limit("touched_documents"));
            }
            Ok(if many {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(matches)
    }

    /// Changes a document; answers its text, and whether it is different now.
    fn change(&self, matched: Match, update: &Update, now: &str) -> Result<(String, bool), Error> {
        let mut document = matched.document.clone();
        if !update.apply(&mut document, now)? {
            return Ok((document.to_string(), false));
        }
        check_document(&document, &self.limits.query)?;
        let text = self.text(&document)?;
        self.connection
            .prepare_cached(&self.collection.update())?
            .execute((&matched.id, &text))?;
        for index in &self.collection.indexes {
            let before = index.rows(&matched.document, &self.limits.query)?;
            let after = index.rows(&document, &self.limits.query)?;
            if before != after {
                self.connection
                    .prepare_cached(&index.delete())?
                    .execute([&matched.id])?;
                self.insert_rows(index, &matched.id, after)?;
            }
        }
        Ok((text, true))
    }

    fn remove(&self, id: &str) -> Result<(), Error> {
        self.connection
            .prepare_cached(&self.collection.delete())?
            .execute([id])?;
        for index in &self.collection.indexes {
            self.connection
                .prepare_cached(&index.delete())?
                .execute([id])?;
        }
        Ok(())
    }

    fn insert_rows(&self, index: &Index, id: &str, rows: Vec<Vec<Vec<u8>>>) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached(&index.insert())?;
        for row in rows {
            let columns = row
                .into_iter()
                .map(types::Value::Blob)
                .chain([types::Value::Text(id.to_owned())]);
            insert
                .execute(params_from_iter(columns))
                .map_err(|error| self.duplicate(error))?;
        }
        Ok(())
    }

    fn text(&self, document: &Value) -> Result<String, Error> {
        let text = document.to_string();
        if text.len() > self.limits.document_bytes {
            Err(Error::Limit("document_bytes"))
        } else {
            Ok(text)
        }
    }

    /// A violated constraint, said in the words of the declaration.
    fn duplicate(&self, error: rusqlite::Error) -> Error {
        let message = error.to_string();
        let storage = sbd_storage::Error::from(error);
        if !matches!(storage, sbd_storage::Error::Constraint(_)) {
            return storage.into();
        }
        let violated = self
            .collection
            .indexes
            .iter()
            .find(|index| message.contains(&format!("{}.k0", index.table)));
        Error::Duplicate(violated.map_or(ID, |index| &index.name).to_owned())
    }

    /// Visits every document that matches, once, in the order of the plan.
    fn matches(
        &self,
        filter: &Filter,
        sort: &Sort,
        mut visit: impl FnMut(Match) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let plan = self.collection.plan(filter, sort);
        let mut prepared = self.connection.prepare_cached(&plan.statement.sql)?;
        let mut rows = prepared.query(params_from_iter(params(&plan.statement)))?;
        // Through an index a document comes once per entry.
        let mut seen = HashSet::new();
        let mut read = 0_usize;
        while let Some(row) = rows.next()? {
            read += 1;
            if read.is_multiple_of(ROWS_PER_LOOK) && self.begun.elapsed() > self.limits.query_time {
                return Err(Error::Limit("query_time"));
            }
            let id: String = row.get(0)?;
            if plan.index.is_some() && !seen.insert(id.clone()) {
                continue;
            }
            let text: String = row.get(1)?;
            let document: Value = serde_json::from_str(&text).map_err(|error| {
                Error::Unavailable(format!("document `{id}` is damaged: {error}"))
            })?;
            if filter.matches(&document) && visit(Match { id, document, text })?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn params(statement: &Statement) -> impl Iterator<Item = types::Value> {
    statement.params.iter().map(|value| match value {
        SqlValue::Text(text) => types::Value::Text(text.clone()),
        SqlValue::Blob(bytes) => types::Value::Blob(bytes.clone()),
    })
}

/// The time so many seconds ago, as documents hold times.
pub(super) fn time(seconds_ago: u64) -> String {
    let now = jiff::Timestamp::now();
    let then = now
        .checked_sub(Duration::from_secs(seconds_ago))
        .unwrap_or(jiff::Timestamp::MIN);
    format!("{then:.3}")
}
