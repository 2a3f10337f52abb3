//! All that a tenant has stored, for its archive.

use super::schema::{self, COLLECTION, Collection};
use crate::Error;
use sbd_storage::rusqlite::Connection;
use sbd_vectors_search::{Described, Point};

/// A collection that is stored.
#[derive(Debug)]
pub struct Stored {
    /// Whose it is.
    pub component: String,
    collection: Collection,
}

/// All collections in a file, by components and names.
///
/// # Errors
/// When they cannot be read.
pub fn stored(connection: &Connection) -> Result<Vec<Stored>, Error> {
    // Nobody may have come so far as to make tables.
    let made = "SELECT 1 FROM sqlite_schema WHERE name = 'collections'";
    if !connection.prepare(made)?.exists([])? {
        return Ok(Vec::new());
    }
    let mut listing = connection.prepare(&format!(
        "SELECT {COLLECTION}, component FROM collections ORDER BY component, name"
    ))?;
    let stored = listing.query_map([], |row| {
        Ok(Stored {
            collection: Collection::read(row)?,
            component: row.get(10)?,
        })
    })?;
    Ok(stored.collect::<Result<_, _>>()?)
}

// === impl Stored ===

impl Stored {
    /// What it is.
    pub fn described(&self) -> Described {
        self.collection.clone().described()
    }

    /// Calls `each` with every point, in no order that means anything.
    ///
    /// # Errors
    /// When they cannot be read, or what `each` says.
    pub fn each<E: From<Error>>(
        &self,
        connection: &Connection,
        mut each: impl FnMut(Point) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: sbd_storage::rusqlite::Error| E::from(Error::from(error));
        let mut reading = connection
            .prepare("SELECT id, payload, dense, sparse FROM points WHERE number >= ?1 AND number < ?2 ORDER BY number")
            .map_err(failed)?;
        let points = reading
            .query_map(self.collection.from(0), schema::point)
            .map_err(failed)?;
        for point in points {
            each(point.map_err(failed)?)?;
        }
        Ok(())
    }
}
