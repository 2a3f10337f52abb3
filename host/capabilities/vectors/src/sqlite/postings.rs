//! The index by terms: for each term the points that have it, with its weight there.
//!
//! Points whose places are neighbours share a row for a term: a text that comes in pieces writes few rows, and a
//! search reads few.

use super::schema::Collection;
use crate::Error;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use sbd_vectors_search::Sparse;
use std::collections::{BTreeMap, BTreeSet};

/// Places of a row, as a power of two: the largest row still lies in one page of SQLite.
const BITS: u32 = 7;
/// Places of a row.
pub(super) const BLOCK: usize = 1 << BITS;
/// Bytes of an entry: where in the block, and the weight.
const ENTRY: usize = 5;

/// Entries to be added.
#[derive(Default)]
pub(super) struct Added(BTreeMap<(u32, u32), Vec<u8>>);

/// Entries to be removed.
#[derive(Default)]
pub(super) struct Removed(BTreeMap<(u32, u32), BTreeSet<u8>>);

/// A row: entries of a term in one block.
pub(super) struct Block {
    pub(super) number: u32,
    entries: Vec<u8>,
}

/// All entries of a term, by their places.
pub(super) fn of(
    connection: &Connection,
    collection: &Collection,
    term: u32,
) -> Result<Vec<Block>, Error> {
    let mut reading = connection.prepare_cached(
        "SELECT block, entries FROM postings WHERE (collection, term) = (?1, ?2) ORDER BY block",
    )?;
    let rows = reading.query_map(params![collection.number, term], |row| {
        Ok(Block {
            number: row.get(0)?,
            entries: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The block of a place, and where it is in there.
pub(super) fn split(place: u32) -> (u32, u8) {
    let within = place & (u32::MAX >> (32 - BITS));
    (place >> BITS, u8::try_from(within).unwrap_or_default())
}

/// The place of what is somewhere in a block.
pub(super) fn join(block: u32, at: u8) -> u32 {
    block << BITS | u32::from(at)
}

fn row(
    connection: &Connection,
    collection: &Collection,
    (term, block): (u32, u32),
) -> Result<Option<Vec<u8>>, Error> {
    let row = connection
        .prepare_cached(
            "SELECT entries FROM postings WHERE (collection, term, block) = (?1, ?2, ?3)",
        )?
        .query_row(params![collection.number, term, block], |row| row.get(0))
        .optional()?;
    Ok(row)
}

fn put(
    connection: &Connection,
    collection: &Collection,
    (term, block): (u32, u32),
    entries: &[u8],
) -> Result<(), Error> {
    let mut putting = match entries {
        [] => connection.prepare_cached(
            "DELETE FROM postings WHERE (collection, term, block) = (?1, ?2, ?3) AND ?4 IS NOT NULL",
        )?,
        _ => connection.prepare_cached("INSERT OR REPLACE INTO postings VALUES (?1, ?2, ?3, ?4)")?,
    };
    putting.execute(params![collection.number, term, block, entries])?;
    Ok(())
}

// === impl Block ===

impl Block {
    /// How many points there have the term.
    pub(super) fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Where in the block they are, and the term's weight there.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u8, f32)> {
        let (entries, _) = self.entries.as_chunks::<ENTRY>();
        let entries = entries.iter();
        entries.map(|[at, a, b, c, d]| (*at, f32::from_le_bytes([*a, *b, *c, *d])))
    }
}

// === impl Added ===

impl Added {
    /// Adds the terms of a point. Its place is behind all that were added before.
    pub(super) fn add(&mut self, place: u32, sparse: &Sparse) {
        let (block, at) = split(place);
        for (term, weight) in sparse.terms.iter().zip(&sparse.weights) {
            let entries = self.0.entry((*term, block)).or_default();
            entries.push(at);
            entries.extend(weight.to_le_bytes());
        }
    }

    pub(super) fn write(self, connection: &Connection, to: &Collection) -> Result<(), Error> {
        for (key, added) in self.0 {
            let mut entries = row(connection, to, key)?.unwrap_or_default();
            entries.extend(added);
            put(connection, to, key, &entries)?;
        }
        Ok(())
    }
}

// === impl Removed ===

impl Removed {
    /// Removes the terms of a point.
    pub(super) fn add(&mut self, place: u32, sparse: &Sparse) {
        let (block, at) = split(place);
        for term in &sparse.terms {
            self.0.entry((*term, block)).or_default().insert(at);
        }
    }

    pub(super) fn write(self, connection: &Connection, to: &Collection) -> Result<(), Error> {
        for (key, removed) in self.0 {
            let entries = row(connection, to, key)?.unwrap_or_default();
            let (entries, _) = entries.as_chunks::<ENTRY>();
            let left = entries.iter().filter(|[at, ..]| !removed.contains(at));
            let left: Vec<u8> = left.flatten().copied().collect();
            put(connection, to, key, &left)?;
        }
        Ok(())
    }
}
