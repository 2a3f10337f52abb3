//! One operation on one collection, on one connection, until a deadline.

use super::schema::Owned;
use crate::{Error, Limits};
use sbd_documents_query::sqlite::{Plan, SqlValue, Statement};
use sbd_documents_query::{Filter, Patience, Sort, SortKey, TooLong};
use sbd_storage::Deadline;
use sbd_storage::rusqlite::{Connection, Params, Row, Transaction, params_from_iter, types};
use serde_json::Value;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Instant;

/// About what an entry of a set or list takes beside its texts.
pub(super) const ENTRY_BYTES: usize = 64;

/// A collection on a connection.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) connection: &'a Connection,
    pub(super) collection: &'a Owned,
    pub(super) limits: &'a Limits,
    deadline: Instant,
    /// On a thread that others need: what is not brief by its nature is not even begun.
    is_brief: bool,
}

/// A document that matches, read only as far as somebody asks.
pub(super) struct Found<'r> {
    pub(super) id: &'r str,
    pub(super) text: &'r str,
    document: Option<Value>,
}

// === impl Session ===

impl<'a> Session<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        collection: &'a Owned,
        limits: &'a Limits,
        deadline: Instant,
    ) -> Self {
        Self {
            connection,
            collection,
            limits,
            deadline,
            is_brief: false,
        }
    }

    /// As [`Session::new`], for what is answered at once or, with an error of `query_time`, not at all.
    pub(super) fn brief(
        connection: &'a Connection,
        collection: &'a Owned,
        limits: &'a Limits,
        deadline: Instant,
    ) -> Self {
        Self {
            is_brief: true,
            ..Self::new(connection, collection, limits, deadline)
        }
    }

    /// Refuses to go on in brief with what may be long.
    pub(super) fn expect_brief(&self, may_be: bool) -> Result<(), Error> {
        if self.is_brief && !may_be {
            return Err(TooLong.into());
        }
        Ok(())
    }

    /// All that is read while the answer lives is of one moment. On the writer it is anyway.
    pub(super) fn moment(&self) -> Result<Option<Transaction<'a>>, Error> {
        let alone = self.connection.is_autocommit();
        let moment = alone.then(|| self.connection.unchecked_transaction());
        Ok(moment.transpose()?)
    }

    /// The text of a document.
    pub(super) fn get(&self, id: &str) -> Result<Option<String>, Error> {
        let statement = self.collection.get(id);
        let mut prepared = self.connection.prepare_cached(&statement.sql)?;
        let mut rows = prepared.query(params_from_iter(params(&statement)))?;
        let row = rows.next()?;
        row.map(|row| Ok(text_of(row, 1)?.to_owned())).transpose()
    }

    /// Visits each match once, in the order of the plan, until the visitor has seen enough.
    pub(super) fn each(
        &self,
        plan: &Plan,
        filter: &Filter,
        mut visit: impl FnMut(Found<'_>) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let _deadline = Deadline::until(self.deadline);
        let patience = self.patience();
        let mut prepared = self.connection.prepare_cached(&plan.statement.sql)?;
        let mut rows = prepared.query(params_from_iter(params(&plan.statement)))?;
        let (mut seen, mut seen_bytes) = (HashSet::new(), 0_usize);
        while let Some(row) = rows.next()? {
            self.check_time()?;
            let mut found = Found {
                id: text_of(row, 0)?,
                text: text_of(row, 1)?,
                document: None,
            };
            // An index has one entry for each element of a list.
            if plan.index.is_some() && found.may_hold_list() {
                if !seen.insert(found.id.to_owned()) {
                    continue;
                }
                seen_bytes += found.id.len() + ENTRY_BYTES;
                if seen_bytes > self.limits.query.held_bytes {
                    return Err(Error::Limit("held"));
                }
            }
            let matches = plan.exact || filter.matches(found.document()?, &patience)?;
            if matches && visit(found)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A number that one statement tells.
    pub(super) fn number(&self, statement: &Statement) -> Result<u64, Error> {
        let _deadline = Deadline::until(self.deadline);
        let mut prepared = self.connection.prepare_cached(&statement.sql)?;
        let number: i64 =
            prepared.query_row(params_from_iter(params(statement)), |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }

    /// A column of texts.
    pub(super) fn texts(&self, sql: &str, params: impl Params) -> Result<Vec<String>, Error> {
        let _deadline = Deadline::until(self.deadline);
        let mut prepared = self.connection.prepare_cached(sql)?;
        let texts = prepared.query_map(params, |row| row.get(0))?;
        Ok(texts.collect::<Result<_, _>>()?)
    }

    pub(super) fn check_time(&self) -> Result<(), Error> {
        if Instant::now() > self.deadline {
            return Err(TooLong.into());
        }
        Ok(())
    }

    /// For evaluations, which must be done by the same time.
    pub(super) fn patience(&self) -> Patience {
        Patience::until(self.deadline)
    }
}

// === impl Found ===

impl Found<'_> {
    pub(super) fn document(&mut self) -> Result<&Value, Error> {
        let document = match self.document.take() {
            Some(document) => document,
            None => parsed(self.id, self.text)?,
        };
        Ok(self.document.insert(document))
    }

    pub(super) fn into_document(self) -> Result<Value, Error> {
        match self.document {
            Some(document) => Ok(document),
            None => parsed(self.id, self.text),
        }
    }

    /// Its place in an order.
    pub(super) fn place(&mut self, sort: &Sort) -> Result<SortKey, Error> {
        let id = self.id;
        if sort.fields().is_empty() {
            return Ok(SortKey {
                fields: Vec::new(),
                id: id.to_owned(),
            });
        }
        Ok(sort.key(self.document()?, id))
    }

    /// Whether it could have several entries in an index; seen without parsing.
    pub(super) fn may_hold_list(&self) -> bool {
        self.text.contains('[')
    }
}

/// A stored document.
pub(super) fn parsed(id: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Unavailable(format!("the document `{id}` is damaged: {error}")))
}

/// A column of text.
pub(super) fn text_of<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, Error> {
    let value = row.get_ref(column)?;
    value
        .as_str()
        .map_err(|error| Error::Unavailable(format!("a row is damaged: {error}")))
}

/// A statement's parameters.
pub(super) fn params(statement: &Statement) -> impl Iterator<Item = types::ToSqlOutput<'_>> {
    statement.params.iter().map(|param| {
        types::ToSqlOutput::Borrowed(match param {
            SqlValue::Text(text) => types::ValueRef::Text(text.as_bytes()),
            SqlValue::Blob(bytes) => types::ValueRef::Blob(bytes),
        })
    })
}
