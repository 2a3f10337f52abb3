//! The host side of both interfaces: charges, grants and handles. A call of an `async func` leaves the
//! store free while it waits.

use crate::bindings::newer::{self, QueryResult, RowResult, Value};
use crate::bindings::older;
use crate::connection::{Answer, Opening};
use crate::{Connection, Error, Sqlite, SqliteCtx, SqliteCtxView};
use sbd_metering::{Charge, Metered, OverLimit};
use std::sync::Arc;
use wasmtime::AsContextMut as _;
use wasmtime::component::{
    Access, Accessor, FutureReader, Resource, ResourceTableError, StreamReader,
};

/// Characters of a label that are repeated to the operator.
const LONGEST_LABEL: usize = 100;

/// Why a function does not answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The component is told.
    Told(Error),
    /// A handle is none, which traps.
    Trap(wasmtime::Error),
}

/// Charges an `open`, and sees to it that the component may.
fn opening<T: Metered>(
    store: &mut Access<'_, T, Sqlite>,
    database: &str,
) -> Result<Opening, Failure> {
    sbd_metering::begin(store.as_context_mut(), "sqlite", "open", database.len())?;
    Ok(store.get().ctx.opening(database)?)
}

fn opened<T: Metered>(
    store: &mut Access<'_, T, Sqlite>,
    connection: Connection,
) -> Result<Resource<Connection>, Failure> {
    Ok(store.get().table.push(connection)?)
}

/// Charges an `execute`.
fn executing<T: Metered>(
    store: &mut Access<'_, T, Sqlite>,
    connection: &Resource<Connection>,
    statement: &str,
    parameters: &[Value],
) -> Result<(Connection, Charge), Failure> {
    let bytes = statement.len() + parameters.iter().map(Value::bytes).sum::<usize>();
    let charge = sbd_metering::begin(store.as_context_mut(), "sqlite", "execute", bytes)?;
    Ok((this(store, connection)?, charge))
}

fn this<T: Metered>(
    store: &mut Access<'_, T, Sqlite>,
    connection: &Resource<Connection>,
) -> Result<Connection, ResourceTableError> {
    Ok(store.get().table.get(connection)?.clone())
}

/// Charges the answer.
fn answered(charge: &Charge, answer: Result<Answer, Error>) -> Result<QueryResult, Failure> {
    if let Err(Error::Full) = &answer {
        charge.refused("stored_bytes");
    }
    let answer = answer?;
    if answer.is_read {
        charge.answer(answer.bytes)?;
    } else {
        charge.written(answer.bytes);
    }
    Ok(answer.result)
}

// === impl SqliteCtx ===

impl SqliteCtx {
    fn opening(&self, database: &str) -> Result<Opening, Error> {
        if !self.granted.contains(database) {
            let error = Error::AccessDenied {
                component: self.component.to_string(),
                database: database.chars().take(LONGEST_LABEL).collect(),
            };
            // The interface has no room for words here, so the operator gets them.
            tracing::warn!(component = &*self.component, "{error}");
            return Err(error);
        }
        let place = Arc::clone(&self.connections).try_acquire_owned();
        Ok(Opening {
            path: self.folder.join(format!("{database}.db")),
            most_bytes: self.most_bytes,
            statements: self.statements.clone(),
            place: place.map_err(|_| Error::TooManyConnections)?,
        })
    }
}

// === impl SqliteCtxView ===

impl newer::Host for SqliteCtxView<'_> {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<newer::Error> {
        match failure {
            Failure::Told(error) => Ok(error.into()),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl newer::HostConnection for SqliteCtxView<'_> {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl older::Host for SqliteCtxView<'_> {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<older::Error> {
        match failure {
            Failure::Told(error) => Ok(error.into()),
            Failure::Trap(error) => Err(error),
        }
    }
}

impl older::HostConnection for SqliteCtxView<'_> {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

// === impl Sqlite ===

impl<T: Metered + Send> newer::HostConnectionWithStore<T> for Sqlite {
    async fn open(
        mut store: Access<'_, T, Self>,
        database: String,
    ) -> Result<Resource<Connection>, Failure> {
        let connection = opening(&mut store, &database)?.open().await?;
        opened(&mut store, connection)
    }

    async fn open_async(
        store: &Accessor<T, Self>,
        database: String,
    ) -> Result<Resource<Connection>, Failure> {
        let opening = store.with(|mut access| opening(&mut access, &database))?;
        let connection = opening.open().await?;
        store.with(|mut access| opened(&mut access, connection))
    }

    async fn execute(
        mut store: Access<'_, T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Failure> {
        let (connection, charge) = executing(&mut store, &connection, &statement, &parameters)?;
        answered(&charge, connection.execute(statement, parameters).await)
    }

    /// All rows have been read when the first one comes, so that no reader keeps the database locked.
    async fn execute_async(
        store: &Accessor<T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<
        (
            Vec<String>,
            StreamReader<RowResult>,
            FutureReader<Result<(), newer::Error>>,
        ),
        Failure,
    > {
        let (connection, charge) = store
            .with(|mut access| executing(&mut access, &connection, &statement, &parameters))?;
        let answer = connection.execute(statement, parameters).await;
        let QueryResult { columns, rows } = answered(&charge, answer)?;
        store.with(|mut access| {
            let rows = StreamReader::new(&mut access, rows)?;
            let end = async { wasmtime::error::Ok(Ok(())) };
            Ok((columns, rows, FutureReader::new(&mut access, end)?))
        })
    }

    async fn last_insert_rowid(
        mut store: Access<'_, T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        Ok(this(&mut store, &connection)?.last_insert_rowid().await)
    }

    async fn last_insert_rowid_async(
        store: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<i64> {
        let connection = store.with(|mut access| this(&mut access, &connection))?;
        Ok(connection.last_insert_rowid().await)
    }

    async fn changes(
        mut store: Access<'_, T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        Ok(this(&mut store, &connection)?.changes().await)
    }

    async fn changes_async(
        store: &Accessor<T, Self>,
        connection: Resource<Connection>,
    ) -> wasmtime::Result<u64> {
        let connection = store.with(|mut access| this(&mut access, &connection))?;
        Ok(connection.changes().await)
    }
}

impl<T: Metered + Send> older::HostConnectionWithStore<T> for Sqlite {
    async fn open(
        store: Access<'_, T, Self>,
        database: String,
    ) -> Result<Resource<Connection>, Failure> {
        newer::HostConnectionWithStore::open(store, database).await
    }

    async fn execute(
        store: Access<'_, T, Self>,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<older::Value>,
    ) -> Result<older::QueryResult, Failure> {
        let parameters = parameters.into_iter().map(Value::from).collect();
        let executed =
            newer::HostConnectionWithStore::execute(store, connection, statement, parameters);
        Ok(executed.await?.into())
    }
}

// === impl Failure ===

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<OverLimit> for Failure {
    fn from(over: OverLimit) -> Self {
        Self::Told(over.into())
    }
}

impl From<ResourceTableError> for Failure {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<Error> for newer::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::AccessDenied,
            Error::Full => Self::DatabaseFull,
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<Error> for older::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::AccessDenied,
            Error::Full => Self::DatabaseFull,
            other => Self::Io(other.to_string()),
        }
    }
}

impl From<older::Value> for Value {
    fn from(value: older::Value) -> Self {
        match value {
            older::Value::Integer(number) => Self::Integer(number),
            older::Value::Real(number) => Self::Real(number),
            older::Value::Text(text) => Self::Text(text),
            older::Value::Blob(bytes) => Self::Blob(bytes),
            older::Value::Null => Self::Null,
        }
    }
}

impl From<Value> for older::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            Value::Text(text) => Self::Text(text),
            Value::Blob(bytes) => Self::Blob(bytes),
            Value::Null => Self::Null,
        }
    }
}

impl From<QueryResult> for older::QueryResult {
    fn from(result: QueryResult) -> Self {
        let rows = result.rows.into_iter().map(|row| older::RowResult {
            values: row.values.into_iter().map(Into::into).collect(),
        });
        Self {
            columns: result.columns,
            rows: rows.collect(),
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
