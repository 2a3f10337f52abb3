//! All documents of a tenant, for whoever takes them elsewhere.

use super::session::text_of;
use crate::Error;
use percent_encoding::percent_decode_str;
use sbd_storage::rusqlite::Connection;

/// A collection that there is, whether a component still declares it or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCollection {
    /// The component that it belongs to.
    pub component: String,
    /// Its name.
    pub collection: String,
    table: String,
}

/// The collections in a tenant's database, in the order of their tables.
///
/// # Errors
/// [`Error::Unavailable`] when it cannot be read.
pub fn stored_collections(connection: &Connection) -> Result<Vec<StoredCollection>, Error> {
    let mut tables = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 4) = 'doc:' ORDER BY name",
    )?;
    let tables = tables.query_map([], |row| row.get::<_, String>(0))?;
    let mut collections = Vec::new();
    for table in tables {
        let table = table?;
        let Some((component, collection)) = table
            .strip_prefix("doc:")
            .and_then(|place| place.split_once(':'))
        else {
            continue;
        };
        let unescaped = |name| percent_decode_str(name).decode_utf8_lossy().into_owned();
        collections.push(StoredCollection {
            component: unescaped(component),
            collection: unescaped(collection),
            table: table.clone(),
        });
    }
    Ok(collections)
}

// === impl StoredCollection ===

impl StoredCollection {
    /// Hands every document to `take` as JSON on one line, in the order of their ids.
    ///
    /// # Errors
    /// What `take` answers; [`Error::Unavailable`] when a document cannot be read.
    pub fn each<E: From<Error>>(
        &self,
        connection: &Connection,
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let table = self.table.replace('"', "\"\"");
        let select = format!("SELECT doc FROM \"{table}\" ORDER BY id");
        let mut select = connection.prepare(&select).map_err(Error::from)?;
        let mut rows = select.query([]).map_err(Error::from)?;
        while let Some(row) = rows.next().map_err(Error::from)? {
            take(text_of(row, 0)?)?;
        }
        Ok(())
    }
}
