//! Looking for damage.

use crate::{Deadline, Error};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

/// Looks through a database's pages for damage, for so long at most; `None`: to the end.
pub(crate) fn look(
    connection: &Connection,
    path: &Path,
    patience: Option<Duration>,
) -> Result<(), Error> {
    let _deadline = patience.map(|patience| Deadline::until(Instant::now() + patience));
    match found(connection, "quick_check") {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(Error::damaged(path, reason)),
        Err(Error::Interrupted) => {
            let file = path.display();
            tracing::info!(%file, "too large to be looked through wholly at its opening");
            Ok(())
        }
        Err(error) => Err(Error::at(path, error)),
    }
}

/// Looks through everything, indexes too, in a file that nobody uses. Blocks, however long that takes.
///
/// # Errors
/// [`Error::Damaged`], or whatever keeps it from being read.
pub fn check(path: &Path) -> Result<(), Error> {
    let checked = Connection::open(path)
        .map_err(Error::from)
        .and_then(|connection| found(&connection, "integrity_check"));
    match checked {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(Error::damaged(path, reason)),
        Err(error) => Err(Error::at(path, error)),
    }
}

/// The first thing that is wrong.
fn found(connection: &Connection, pragma: &str) -> Result<Option<String>, Error> {
    let said: String =
        connection.query_row(&format!("PRAGMA {pragma}(1)"), [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}
