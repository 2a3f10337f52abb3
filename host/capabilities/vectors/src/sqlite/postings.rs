//! The index by terms: for each term the points that have it, with its weight there.
//!
//! Points whose places are neighbours share a row for a term, and the rows of a block lie together: points that come
//! together are written to few pages, and a search reads one row a term of each block. By terms first, a search would
//! read somewhat less, and a hundred points would write some thousand pages all over the file.

use super::schema::Collection;
use crate::Error;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use sbd_vectors_search::Sparse;
use std::collections::{BTreeMap, BTreeSet};

/// Places of a block, as a power of two.
const BITS: u32 = 12;
/// Places of a block.
pub(super) const BLOCK: usize = 1 << BITS;
/// Bytes of an entry: where in the block, and the weight.
const ENTRY: usize = 6;

/// Entries to be added.
#[derive(Default)]
pub(super) struct Added(BTreeMap<(u32, u32), Vec<u8>>);

/// Entries to be removed.
#[derive(Default)]
pub(super) struct Removed(BTreeMap<(u32, u32), BTreeSet<u16>>);

/// A row: entries of a term in one block.
pub(super) struct Block {
    pub(super) number: u32,
    entries: Vec<u8>,
}

/// The blocks that there are.
pub(super) fn blocks(connection: &Connection, collection: &Collection) -> Result<Vec<u32>, Error> {
    // From one to the next, past all the rows of each.
    let mut looking = connection.prepare_cached(
        "SELECT block FROM postings WHERE collection = ?1 AND block > ?2 ORDER BY block LIMIT 1",
    )?;
    let mut blocks: Vec<u32> = Vec::new();
    loop {
        let last = blocks.last().map_or(-1, |last| i64::from(*last));
        let next = looking.query_row(params![collection.number, last], |row| row.get(0));
        match next.optional()? {
            Some(next) => blocks.push(next),
            None => return Ok(blocks),
        }
    }
}

/// All entries of a term in these blocks.
pub(super) fn of(
    connection: &Connection,
    collection: &Collection,
    blocks: &[u32],
    term: u32,
) -> Result<Vec<Block>, Error> {
    let mut found = Vec::new();
    for number in blocks {
        let entries = row(connection, collection, (*number, term))?;
        found.extend(entries.map(|entries| Block {
            number: *number,
            entries,
        }));
    }
    Ok(found)
}

/// The block of a place, and where it is in there.
pub(super) fn split(place: u32) -> (u32, u16) {
    let within = place & (u32::MAX >> (32 - BITS));
    (place >> BITS, u16::try_from(within).unwrap_or_default())
}

/// The place of what is somewhere in a block.
pub(super) fn join(block: u32, at: u16) -> u32 {
    block << BITS | u32::from(at)
}

fn row(
    connection: &Connection,
    collection: &Collection,
    (block, term): (u32, u32),
) -> Result<Option<Vec<u8>>, Error> {
    let row = connection
        .prepare_cached(
            "SELECT entries FROM postings WHERE (collection, block, term) = (?1, ?2, ?3)",
        )?
        .query_row(params![collection.number, block, term], |row| row.get(0))
        .optional()?;
    Ok(row)
}

fn put(
    connection: &Connection,
    collection: &Collection,
    (block, term): (u32, u32),
    entries: &[u8],
) -> Result<(), Error> {
    let mut putting = match entries {
        [] => connection.prepare_cached(
            "DELETE FROM postings WHERE (collection, block, term) = (?1, ?2, ?3) AND ?4 IS NOT NULL",
        )?,
        _ => connection.prepare_cached("INSERT OR REPLACE INTO postings VALUES (?1, ?2, ?3, ?4)")?,
    };
    putting.execute(params![collection.number, block, term, entries])?;
    Ok(())
}

// === impl Block ===

impl Block {
    /// How many points there have the term.
    pub(super) fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Where in the block they are, and the term's weight there.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u16, f32)> {
        let (entries, _) = self.entries.as_chunks::<ENTRY>();
        let entries = entries.iter();
        entries.map(|[low, high, weight @ ..]| {
            (
                u16::from_le_bytes([*low, *high]),
                f32::from_le_bytes(*weight),
            )
        })
    }
}

// === impl Added ===

impl Added {
    /// Adds the terms of a point. Its place is behind all that were added before.
    pub(super) fn add(&mut self, place: u32, sparse: &Sparse) {
        let (block, at) = split(place);
        for (term, weight) in sparse.terms.iter().zip(&sparse.weights) {
            let entries = self.0.entry((block, *term)).or_default();
            entries.extend(at.to_le_bytes());
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
            self.0.entry((block, *term)).or_default().insert(at);
        }
    }

    pub(super) fn write(self, connection: &Connection, to: &Collection) -> Result<(), Error> {
        for (key, removed) in self.0 {
            let entries = row(connection, to, key)?.unwrap_or_default();
            let (entries, _) = entries.as_chunks::<ENTRY>();
            let left = entries.iter().filter(|[low, high, ..]| {
                let at = u16::from_le_bytes([*low, *high]);
                !removed.contains(&at)
            });
            let left: Vec<u8> = left.flatten().copied().collect();
            put(connection, to, key, &left)?;
        }
        Ok(())
    }
}
