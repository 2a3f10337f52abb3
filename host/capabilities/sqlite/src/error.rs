//! Why a database refused.

use crate::limits::{BUSY_TIME, MAX_OPEN_CONNECTIONS, MAX_STATEMENT_BYTES, STATEMENT_TIME};
use sbd_storage::rusqlite::{self, ErrorCode};

/// Why a database refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The manifest does not grant this database.
    #[error(
        "component `{component}` may not open the database `{database}`; \
         add it to `sqlite_databases` under `[component.{component}]` of the manifest"
    )]
    AccessDenied {
        /// Who asked.
        component: String,
        /// For what.
        database: String,
    },
    /// The database is as large as it may be, or the disk is full.
    #[error("the database is full; delete something or raise `stored_bytes` in the manifest")]
    Full,
    /// Another connection is in a transaction.
    #[error(
        "the database is locked by another connection for more than {} s; end its transaction",
        BUSY_TIME.as_secs()
    )]
    Busy,
    /// It ran too long.
    #[error(
        "the statement ran for more than {} s; narrow it or add an index",
        STATEMENT_TIME.as_secs()
    )]
    TooLong,
    /// It answered too much.
    #[error("the answer is too large; ask for fewer rows at once, with LIMIT")]
    TooLarge,
    /// There is not one statement.
    #[error("{0}; send one statement a call, of at most {MAX_STATEMENT_BYTES} bytes")]
    NotOneStatement(&'static str),
    /// The instance holds too many connections.
    #[error(
        "too many connections opened: at most {MAX_OPEN_CONNECTIONS} may be open at once; drop those no longer needed"
    )]
    TooManyConnections,
    /// What SQLite says.
    #[error("{0}")]
    Sqlite(String),
    /// The file or its folder cannot be used.
    #[error("the database's file cannot be used; the operator finds why in the log")]
    Unavailable,
    /// The running request may not have more.
    #[error(transparent)]
    OverLimit(#[from] sbd_metering::OverLimit),
}

// === impl Error ===

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::OperationInterrupted) => Self::TooLong,
            Some(ErrorCode::AuthorizationForStatementDenied) => Self::Sqlite(format!(
                "{error}: a component's statements stay within its own database"
            )),
            _ => Self::Sqlite(error.to_string()),
        }
    }
}
