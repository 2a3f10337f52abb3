//! What changes collections. Each function runs in a savepoint of the writer's transaction.

use super::postings::{Added, Removed};
use super::schema::{self, Collection};
use crate::Error;
use sbd_storage::quota;
use sbd_storage::quota::Quota;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use sbd_vectors_search::limits::MAX_COLLECTIONS;
use sbd_vectors_search::{Condition, Config, Fields, Filter, Point, Refused, check_name};

/// Points whose terms are removed from the index together.
const AT_ONCE: usize = 1000;
/// Deleted points that are remembered for copies in memory: a copy that has missed more is made anew.
const REMEMBERED: i64 = 20_000;
/// Rows of a dropped collection that one job removes; others write in between.
const SWEPT_AT_ONCE: u32 = 2000;

/// Bytes that a component may keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed(pub(super) Option<u64>);

/// Points that were found to be deleted, in a moment that has passed.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    pub(super) places: Vec<u32>,
    /// The collection's number then.
    pub(super) collection: i64,
    /// Points from this place on were not looked at.
    pub(super) next: u32,
}

pub(super) fn create(
    connection: &Connection,
    component: &str,
    name: &str,
    config: Config,
) -> Result<(), Error> {
    check_name(name)?;
    config.check()?;
    if let Some(there) = schema::look_up(connection, component, name)? {
        return match there.config == config {
            true => Ok(()),
            false => Err(Refused::Differs(name.to_owned()).into()),
        };
    }
    if schema::list(connection, component)?.len() >= MAX_COLLECTIONS {
        return Err(Refused::too_many_collections().into());
    }
    let dense = config.dense;
    connection
        .prepare_cached(
            "INSERT INTO collections (component, name, dimensions, metric, sparse) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            component,
            name,
            dense.map(|dense| dense.dimensions),
            dense.map(|dense| dense.metric.name()),
            config.sparse
        ])?;
    Ok(())
}

/// Drops a collection at once, and its rows later ([`sweep`]).
pub(super) fn drop(connection: &Connection, component: &str, name: &str) -> Result<bool, Error> {
    let Some(collection) = schema::look_up(connection, component, name)? else {
        return Ok(false);
    };
    let bytes: i64 = connection
        .prepare_cached("DELETE FROM collections WHERE number = ?1 RETURNING bytes")?
        .query_row([collection.number], |row| row.get(0))?;
    connection
        .prepare_cached("INSERT INTO dropped VALUES (?1)")?
        .execute([collection.number])?;
    quota::begin(connection, component)?;
    quota::charge(connection, component, -bytes)?;
    Ok(true)
}

/// Removes some rows of a dropped collection; says whether there may be more.
pub(super) fn sweep(connection: &Connection) -> Result<bool, Error> {
    let dropped: Option<i64> = connection
        .prepare_cached("SELECT collection FROM dropped LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(number) = dropped else {
        return Ok(false);
    };
    for rows in [
        "DELETE FROM points WHERE number IN (SELECT number FROM points WHERE collection = ?1 LIMIT ?2)",
        "DELETE FROM postings WHERE (collection, block, term) IN
             (SELECT collection, block, term FROM postings WHERE collection = ?1 LIMIT ?2)",
        "DELETE FROM gone WHERE (collection, version, place) IN
             (SELECT collection, version, place FROM gone WHERE collection = ?1 LIMIT ?2)",
    ] {
        let mut removing = connection.prepare_cached(rows)?;
        if removing.execute(params![number, SWEPT_AT_ONCE])? > 0 {
            return Ok(true);
        }
    }
    connection
        .prepare_cached("DELETE FROM dropped WHERE collection = ?1")?
        .execute([number])?;
    Ok(true)
}

pub(super) fn upsert(
    connection: &Connection,
    component: &str,
    name: &str,
    points: &[Point],
    allowed: Allowed,
) -> Result<(), Error> {
    let collection = schema::find(connection, component, name)?;
    collection.config.check_points(points)?;
    let replaced = numbers_of(
        connection,
        &collection,
        points.iter().map(|point| &*point.id),
    )?;
    let mut change = Change::begin(connection, &collection);
    change.remove(&replaced)?;
    change.add(points)?;
    change.end(component, allowed)
}

/// Deletes the points of a filter that were found by a reader, as far as they are still there, and those that came
/// since. A filter that names ids needs no reader.
pub(super) fn delete(
    connection: &Connection,
    component: &str,
    name: &str,
    filter: &Filter,
    doomed: &Doomed,
    allowed: Allowed,
) -> Result<u64, Error> {
    let collection = schema::find(connection, component, name)?;
    let mut numbers = Vec::new();
    match named(filter) {
        Some(ids) => {
            let ids = ids.iter().map(String::as_str);
            for number in numbers_of(connection, &collection, ids)? {
                if fits(connection, number, filter)? {
                    numbers.push(number);
                }
            }
        }
        None => {
            // Dropped and made anew meanwhile, it has nothing of what was found.
            let is_same = doomed.collection == collection.number;
            let (found, next) = match is_same {
                true => (&*doomed.places, doomed.next),
                false => (&[][..], 0),
            };
            numbers.extend(found.iter().map(|place| collection.at(*place)));
            for place in next..collection.next {
                if fits(connection, collection.at(place), filter)? {
                    numbers.push(collection.at(place));
                }
            }
        }
    }
    let mut change = Change::begin(connection, &collection);
    let deleted = change.remove(&numbers)?;
    change.end(component, allowed)?;
    Ok(deleted)
}

/// The ids that a filter asks for, one of which a point must have to fit.
pub(super) fn named(filter: &Filter) -> Option<&[String]> {
    let mut ids = filter.must.iter().filter_map(|condition| match condition {
        Condition::Ids(ids) => Some(&**ids),
        _ => None,
    });
    ids.next()
}

/// The numbers of the points that have these ids.
fn numbers_of<'a>(
    connection: &Connection,
    collection: &Collection,
    ids: impl Iterator<Item = &'a str>,
) -> Result<Vec<i64>, Error> {
    let mut looking =
        connection.prepare_cached("SELECT number FROM points WHERE (collection, id) = (?1, ?2)")?;
    let mut numbers = Vec::new();
    for id in ids {
        let number = looking.query_row(params![collection.number, id], |row| row.get::<_, i64>(0));
        numbers.extend(number.optional()?);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Whether the point of a number is there, and fits.
fn fits(connection: &Connection, number: i64, filter: &Filter) -> Result<bool, Error> {
    let point: Option<(String, String)> = connection
        .prepare_cached("SELECT id, payload FROM points WHERE number = ?1")?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match point {
        Some((id, payload)) => Ok(filter.fits(&id, &Fields::read(&payload)?)),
        None => Ok(false),
    }
}

/// A change of a collection, with what becomes of its row.
struct Change<'a> {
    connection: &'a Connection,
    collection: &'a Collection,
    next: u32,
    points: i64,
    with_terms: i64,
    bytes: i64,
    gone: u64,
}

// === impl Change ===

impl<'a> Change<'a> {
    fn begin(connection: &'a Connection, collection: &'a Collection) -> Self {
        Self {
            connection,
            collection,
            next: collection.next,
            points: 0,
            with_terms: 0,
            bytes: 0,
            gone: 0,
        }
    }

    /// The version that the collection is brought to.
    fn version(&self) -> i64 {
        self.collection.version + 1
    }

    /// Removes points, as far as they are there; answers how many were.
    fn remove(&mut self, numbers: &[i64]) -> Result<u64, Error> {
        let before = self.gone;
        for numbers in numbers.chunks(AT_ONCE) {
            let mut terms = Removed::default();
            let mut deleting = self.connection.prepare_cached(
                "DELETE FROM points WHERE number = ?1 RETURNING id, payload, dense, sparse",
            )?;
            let mut remembering = self
                .connection
                .prepare_cached("INSERT INTO gone VALUES (?1, ?2, ?3)")?;
            for number in numbers {
                let point = deleting.query_row([number], schema::point).optional()?;
                let Some(point) = point else { continue };
                let place = self.collection.place(*number);
                remembering.execute(params![self.collection.number, self.version(), place])?;
                if let Some(sparse) = &point.sparse {
                    terms.add(place, sparse);
                }
                self.account(&point, -1);
                self.gone += 1;
            }
            terms.write(self.connection, self.collection)?;
        }
        Ok(self.gone - before)
    }

    fn add(&mut self, points: &[Point]) -> Result<(), Error> {
        let mut terms = Added::default();
        let mut inserting = self
            .connection
            .prepare_cached("INSERT INTO points VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for point in points {
            let place = self.next;
            self.next = place.checked_add(1).ok_or_else(|| {
                Refused::Limit("the collection has changed too often; make it anew".to_owned())
            })?;
            inserting.execute(params![
                self.collection.at(place),
                self.collection.number,
                point.id,
                point.payload,
                point.dense.as_deref().map(schema::numbers_blob),
                point.sparse.as_ref().map(schema::terms_blob),
            ])?;
            if let Some(sparse) = &point.sparse {
                terms.add(place, sparse);
            }
            self.account(point, 1);
        }
        terms.write(self.connection, self.collection)
    }

    fn account(&mut self, point: &Point, sign: i64) {
        let dense = point.dense.as_ref().map_or(0, |dense| 4 * dense.len());
        let sparse = point
            .sparse
            .as_ref()
            .map_or(0, |sparse| 8 * sparse.terms.len());
        self.points += sign;
        self.with_terms += sign * i64::from(point.sparse.is_some());
        self.bytes += sign * schema::bytes(&point.id, &point.payload, dense, sparse);
    }

    fn end(self, component: &str, allowed: Allowed) -> Result<(), Error> {
        let (connection, number) = (self.connection, self.collection.number);
        let version = self.version();
        connection
            .prepare_cached(
                "UPDATE collections SET points = points + ?2, with_terms = with_terms + ?3, bytes = bytes + ?4,
                 next = ?5, version = ?6 WHERE number = ?1",
            )?
            .execute(params![number, self.points, self.with_terms, self.bytes, self.next, version])?;
        if self.gone > 0 {
            forget(connection, number)?;
        }
        quota::begin(connection, component)?;
        if let Allowed(Some(bytes)) = allowed {
            let documents = u64::MAX;
            quota::allow(connection, component, Quota { documents, bytes })?;
        }
        Ok(quota::charge(connection, component, self.bytes)?)
    }
}

/// Forgets the points that were deleted long ago.
fn forget(connection: &Connection, collection: i64) -> Result<(), Error> {
    let version: Option<i64> = connection
        .prepare_cached(
            "SELECT version FROM gone WHERE collection = ?1 ORDER BY version DESC, place DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![collection, REMEMBERED], |row| row.get(0))
        .optional()?;
    let Some(version) = version else {
        return Ok(());
    };
    connection
        .prepare_cached("DELETE FROM gone WHERE collection = ?1 AND version <= ?2")?
        .execute(params![collection, version])?;
    connection
        .prepare_cached("UPDATE collections SET forgotten = ?2 WHERE number = ?1")?
        .execute(params![collection, version])?;
    Ok(())
}
