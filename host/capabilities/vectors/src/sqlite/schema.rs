//! Tables, and what stands in their rows.

use crate::Error;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use sbd_vectors_search::{Config, Dense, Described, Metric, Point, Refused, Sparse};

/// The number of a point is that of its collection and, in the lower half, its place there. Places only ascend: a point
/// that is replaced gets a new one. So whoever knows a number knows one state of a point, for ever.
const PLACES: i64 = 1 << 32;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS collections (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    component TEXT NOT NULL,
    name TEXT NOT NULL,
    dimensions INTEGER,
    metric TEXT,
    sparse INTEGER NOT NULL,
    points INTEGER NOT NULL DEFAULT 0,
    -- Those with a sparse vector.
    with_terms INTEGER NOT NULL DEFAULT 0,
    -- What its points count for.
    bytes INTEGER NOT NULL DEFAULT 0,
    -- The place of the next point.
    next INTEGER NOT NULL DEFAULT 0,
    -- How often it has changed.
    version INTEGER NOT NULL DEFAULT 0,
    -- Up to which version `gone` has been forgotten.
    forgotten INTEGER NOT NULL DEFAULT 0,
    UNIQUE (component, name)
) STRICT;
CREATE TABLE IF NOT EXISTS points (
    number INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    payload TEXT NOT NULL,
    dense BLOB,
    sparse BLOB
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS points_by_id ON points (collection, id);
-- Which points have a term, by blocks of neighbouring places.
CREATE TABLE IF NOT EXISTS postings (
    collection INTEGER NOT NULL,
    block INTEGER NOT NULL,
    term INTEGER NOT NULL,
    entries BLOB NOT NULL,
    PRIMARY KEY (collection, block, term)
) STRICT, WITHOUT ROWID;
-- The points that a version deleted, for copies in memory that were made before.
CREATE TABLE IF NOT EXISTS gone (
    collection INTEGER NOT NULL,
    version INTEGER NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (collection, version, place)
) STRICT, WITHOUT ROWID;
-- Collections that are dropped, whose rows are still there.
CREATE TABLE IF NOT EXISTS dropped (collection INTEGER PRIMARY KEY) STRICT;";

/// What every statement about a collection needs of it.
pub(super) const COLLECTION: &str =
    "number, name, dimensions, metric, sparse, points, with_terms, next, version, forgotten";

/// A collection.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) points: u64,
    pub(super) with_terms: u64,
    /// The place of its next point.
    pub(super) next: u32,
    pub(super) version: i64,
    pub(super) forgotten: i64,
}

pub(super) fn create(connection: &Connection) -> Result<(), Error> {
    Ok(connection.execute_batch(TABLES)?)
}

/// A collection of a component.
pub(super) fn find(
    connection: &Connection,
    component: &str,
    name: &str,
) -> Result<Collection, Error> {
    let found = look_up(connection, component, name)?;
    found.ok_or_else(|| Refused::NotFound(name.to_owned()).into())
}

/// A collection of a component, if it is there.
pub(super) fn look_up(
    connection: &Connection,
    component: &str,
    name: &str,
) -> Result<Option<Collection>, Error> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT {COLLECTION} FROM collections WHERE (component, name) = (?1, ?2)"
        ))?
        .query_row(params![component, name], Collection::read)
        .optional()?;
    Ok(found)
}

/// The collections of a component by name.
pub(super) fn list(connection: &Connection, component: &str) -> Result<Vec<Collection>, Error> {
    let mut listing = connection.prepare_cached(&format!(
        "SELECT {COLLECTION} FROM collections WHERE component = ?1 ORDER BY name"
    ))?;
    let listed = listing.query_map([component], Collection::read)?;
    Ok(listed.collect::<Result<_, _>>()?)
}

/// A number that is not below zero.
pub(super) fn count(row: &Row<'_>, column: usize) -> sbd_storage::rusqlite::Result<u64> {
    let count: i64 = row.get(column)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The point of a row: `id, payload, dense, sparse`.
pub(super) fn point(row: &Row<'_>) -> sbd_storage::rusqlite::Result<Point> {
    let dense = row.get_ref(2)?.as_blob_or_null()?;
    let sparse = row.get_ref(3)?.as_blob_or_null()?;
    Ok(Point {
        id: row.get(0)?,
        payload: row.get(1)?,
        dense: dense.map(numbers),
        sparse: sparse.map(terms),
    })
}

/// What a point counts for: its parts, the entries of the index by terms, and what rows cost.
pub(super) fn bytes(id: &str, payload: &str, dense: usize, sparse: usize) -> i64 {
    const ROWS: usize = 64;
    let bytes = ROWS + 2 * id.len() + payload.len() + dense + 2 * sparse;
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A dense vector, as it is kept.
pub(super) fn numbers_blob(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// A dense vector that is kept.
pub(super) fn numbers(blob: &[u8]) -> Vec<f32> {
    let (numbers, _) = blob.as_chunks();
    numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect()
}

/// A sparse vector, as it is kept: each term with its weight.
pub(super) fn terms_blob(sparse: &Sparse) -> Vec<u8> {
    let terms = sparse.terms.iter().zip(&sparse.weights);
    let pairs = terms.flat_map(|(term, weight)| [term.to_le_bytes(), weight.to_le_bytes()]);
    pairs.flatten().collect()
}

/// A sparse vector that is kept.
pub(super) fn terms(blob: &[u8]) -> Sparse {
    let (pairs, _) = blob.as_chunks();
    let pairs = pairs.iter().map(|pair: &[u8; 8]| {
        let [a, b, c, d, e, f, g, h] = *pair;
        (
            u32::from_le_bytes([a, b, c, d]),
            f32::from_le_bytes([e, f, g, h]),
        )
    });
    let (terms, weights) = pairs.unzip();
    Sparse { terms, weights }
}

// === impl Collection ===

impl Collection {
    pub(super) fn read(row: &Row<'_>) -> sbd_storage::rusqlite::Result<Self> {
        let dimensions: Option<u32> = row.get(2)?;
        let metric: Option<String> = row.get(3)?;
        let metric = metric.and_then(|metric| Metric::named(&metric));
        let dense = dimensions.zip(metric);
        Ok(Self {
            number: row.get(0)?,
            name: row.get(1)?,
            config: Config {
                dense: dense.map(|(dimensions, metric)| Dense { dimensions, metric }),
                sparse: row.get(4)?,
            },
            points: count(row, 5)?,
            with_terms: count(row, 6)?,
            next: row.get(7)?,
            version: row.get(8)?,
            forgotten: row.get(9)?,
        })
    }

    /// The number of the point at a place.
    pub(super) fn at(&self, place: u32) -> i64 {
        self.number * PLACES + i64::from(place)
    }

    /// The numbers from a place on: the first, and the first that is another's.
    pub(super) fn from(&self, place: u32) -> (i64, i64) {
        (self.at(place), (self.number + 1) * PLACES)
    }

    /// The place of a point by its number.
    pub(super) fn place(&self, number: i64) -> u32 {
        u32::try_from(number - self.number * PLACES).unwrap_or(u32::MAX)
    }

    pub(super) fn described(self) -> Described {
        Described {
            name: self.name,
            config: self.config,
            points: self.points,
        }
    }
}
