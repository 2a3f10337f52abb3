//! A collection in memory, as far as a search goes through all of it: quantised vectors, and what filters see of
//! payloads. It is made from what is on the disk, and follows what changes there.

use super::quantised::Quantised;
use super::schema::{self, Collection};
use crate::Error;
use indexmap::IndexSet;
use sbd_storage::rusqlite::{Connection, params};
use sbd_vectors_search::{Condition, Fields, Filter, Scalar};
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

/// Points that may be dead in a copy before it is made anew, beside as many as live.
const FEW: usize = 1000;
/// What a value costs beside its text: its place among the others, and in a table of hashes.
const VALUE: usize = 80;

/// A collection in memory.
#[derive(Debug, Default)]
pub(super) struct Copy {
    /// The version that it is of; none before it is made, and when it could not be followed to the end.
    version: Option<i64>,
    /// The place from which on points are not in here.
    next: u32,
    /// The places of its points, in their order; whatever else is here of a point is at the same index.
    places: Vec<u32>,
    /// Whether a point has been deleted.
    dead: Vec<bool>,
    deaths: usize,
    vectors: Quantised,
    ids: Lists<u8>,
    /// The values of each point, by their numbers in `values`.
    fields: Lists<u32>,
    /// Each field's name with a value.
    values: IndexSet<Named>,
    names: IndexSet<String>,
    /// Bytes of the texts among the values.
    texts: usize,
}

/// Lists one after the other.
#[derive(Debug, Default)]
struct Lists<T> {
    items: Vec<T>,
    ends: Vec<usize>,
}

/// A value of a field.
#[derive(Debug, PartialEq)]
struct Named {
    field: usize,
    value: Scalar,
}

/// Which points of a copy fit a filter, by their index.
pub(super) enum Fitting {
    All,
    These(Vec<bool>),
}

/// A condition, as it is tested.
enum Test {
    /// Which values are asked for, by their numbers.
    Values(Vec<bool>),
    /// Which indexes.
    Points(HashSet<usize>),
}

// === impl Copy ===

impl Copy {
    pub(super) fn version(&self) -> Option<i64> {
        self.version
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let points = self.places.capacity() * size_of::<u32>() + self.dead.capacity();
        let values = self.values.capacity() * VALUE + self.texts;
        points + values + self.vectors.bytes() + self.ids.bytes() + self.fields.bytes()
    }

    /// Brings it to the state of a moment that is not before its own. Whether that succeeded within so many bytes; else
    /// it is empty.
    pub(super) fn follow(
        &mut self,
        connection: &Connection,
        collection: &Collection,
        most_bytes: usize,
    ) -> Result<bool, Error> {
        let points = usize::try_from(collection.points).unwrap_or(usize::MAX);
        // If this fails midway, the next one begins anew.
        match self.version.take() {
            Some(version) if version >= collection.forgotten => {
                self.bury(connection, collection, version)?;
            }
            _ => self.clear(collection),
        }
        if self.deaths > FEW.max(self.places.len() / 2) {
            self.clear(collection);
        }
        let is_whole = self
            .vectors
            .make_room(points.saturating_add(self.deaths), most_bytes)
            && self.load(connection, collection, most_bytes)?;
        match is_whole {
            true => self.version = Some(collection.version),
            false => self.clear(collection),
        }
        Ok(is_whole)
    }

    fn clear(&mut self, collection: &Collection) {
        let dense = collection.config.dense;
        let dimensions = dense.map_or(0, |dense| usize::try_from(dense.dimensions).unwrap_or(0));
        *self = Self {
            vectors: Quantised::new(dimensions),
            ..Self::default()
        };
    }

    /// Notes which points are gone since a version.
    fn bury(
        &mut self,
        connection: &Connection,
        collection: &Collection,
        version: i64,
    ) -> Result<(), Error> {
        let mut reading = connection
            .prepare_cached("SELECT place FROM gone WHERE collection = ?1 AND version > ?2")?;
        let mut gone = reading.query(params![collection.number, version])?;
        while let Some(row) = gone.next()? {
            if let Some(at) = self.index(row.get(0)?)
                && let Some(dead) = self.dead.get_mut(at)
            {
                self.deaths += usize::from(!*dead);
                *dead = true;
            }
        }
        Ok(())
    }

    /// Adds the points that have come.
    fn load(
        &mut self,
        connection: &Connection,
        collection: &Collection,
        most_bytes: usize,
    ) -> Result<bool, Error> {
        let mut reading = connection.prepare_cached(
            "SELECT number, id, payload, dense FROM points WHERE number >= ?1 AND number < ?2 ORDER BY number",
        )?;
        let mut points = reading.query(collection.from(self.next))?;
        while let Some(row) = points.next()? {
            let place = collection.place(row.get(0)?);
            let fields = Fields::read(row.get_ref(2)?.as_str()?)?;
            let dense = row.get_ref(3)?.as_blob_or_null()?;
            self.push(place, row.get_ref(1)?.as_str()?, &fields, dense);
            if self.places.len().is_multiple_of(FEW) && self.bytes() > most_bytes {
                return Ok(false);
            }
        }
        self.next = collection.next;
        self.ids.shrink();
        self.fields.shrink();
        Ok(self.bytes() <= most_bytes)
    }

    fn push(&mut self, place: u32, id: &str, fields: &Fields, dense: Option<&[u8]>) {
        self.places.push(place);
        self.dead.push(false);
        self.ids.push(id.bytes());
        self.vectors.push(dense.map(schema::numbers).as_deref());
        let mut numbers = Vec::new();
        for (name, values) in fields.iter() {
            let field = match self.names.get_index_of(name) {
                Some(field) => field,
                None => self.names.insert_full(name.to_owned()).0,
            };
            for value in values {
                let value = Named {
                    field,
                    value: value.clone(),
                };
                let text = value.text();
                let (number, is_new) = self.values.insert_full(value);
                self.texts += if is_new { text } else { 0 };
                numbers.push(u32::try_from(number).unwrap_or(u32::MAX));
            }
        }
        self.fields.push(numbers);
    }

    /// The index of the point at a place, dead or alive.
    pub(super) fn index(&self, place: u32) -> Option<usize> {
        self.places.binary_search(&place).ok()
    }

    /// The same, for one that is probably a little behind another.
    pub(super) fn index_near(&self, place: u32, near: usize) -> Option<usize> {
        const LITTLE: usize = 16;
        let behind = self.places.get(near..near + LITTLE).unwrap_or_default();
        let at = behind.iter().position(|there| *there == place);
        at.map_or_else(|| self.index(place), |at| Some(near + at))
    }

    pub(super) fn place(&self, at: usize) -> Option<u32> {
        self.places.get(at).copied()
    }

    pub(super) fn vectors(&self) -> &Quantised {
        &self.vectors
    }

    pub(super) fn id(&self, at: usize) -> &[u8] {
        self.ids.get(at)
    }

    /// How many there are, dead ones among them.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_alive(&self, at: usize) -> bool {
        self.dead.get(at) == Some(&false)
    }

    /// Which points fit a filter. Dead ones may be among them.
    pub(super) fn fitting(&self, filter: &Filter) -> Fitting {
        if filter.is_empty() {
            return Fitting::All;
        }
        let tests = |conditions: &[Condition]| -> Vec<Test> {
            conditions
                .iter()
                .map(|condition| self.test(condition))
                .collect()
        };
        let (must, must_not) = (tests(&filter.must), tests(&filter.must_not));
        let fits = |at: usize| {
            must.iter().all(|test| self.passes(at, test))
                && !must_not.iter().any(|test| self.passes(at, test))
        };
        Fitting::These((0..self.len()).map(fits).collect())
    }

    fn test(&self, condition: &Condition) -> Test {
        let (Condition::Any { field, .. } | Condition::Between { field, .. }) = condition else {
            return self.test_of_ids(condition);
        };
        let Some(field) = self.names.get_index_of(&**field) else {
            return Test::Values(Vec::new());
        };
        if let Condition::Any { values, .. } = condition {
            let mut asked = vec![false; self.values.len()];
            for value in values {
                let value = value.clone();
                let number = self.values.get_index_of(&Named { field, value });
                if let Some(asked) = number.and_then(|number| asked.get_mut(number)) {
                    *asked = true;
                }
            }
            return Test::Values(asked);
        }
        let admits = |named: &Named| named.field == field && condition.admits(&named.value);
        Test::Values(self.values.iter().map(admits).collect())
    }

    fn test_of_ids(&self, condition: &Condition) -> Test {
        let ids: HashSet<&[u8]> = match condition {
            Condition::Ids(ids) => ids.iter().map(String::as_bytes).collect(),
            _ => HashSet::new(),
        };
        let points = (0..self.len()).filter(|at| ids.contains(self.id(*at)));
        Test::Points(points.collect())
    }

    fn passes(&self, at: usize, test: &Test) -> bool {
        match test {
            Test::Points(points) => points.contains(&at),
            Test::Values(asked) => {
                let mut values = self.fields.get(at).iter();
                let is_asked = |number: &u32| {
                    let number = usize::try_from(*number).unwrap_or(usize::MAX);
                    asked.get(number) == Some(&true)
                };
                values.any(is_asked)
            }
        }
    }
}

// === impl Fitting ===

impl Fitting {
    pub(super) fn has(&self, at: usize) -> bool {
        match self {
            Self::All => true,
            Self::These(fitting) => fitting.get(at) == Some(&true),
        }
    }
}

// === impl Lists ===

impl<T> Lists<T> {
    fn push(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
        self.ends.push(self.items.len());
    }

    fn get(&self, at: usize) -> &[T] {
        let start = match at {
            0 => Some(0),
            at => self.ends.get(at - 1).copied(),
        };
        let range = start.zip(self.ends.get(at).copied());
        let list = range.and_then(|(start, end)| self.items.get(start..end));
        list.unwrap_or_default()
    }

    /// Gives back room that is not needed soon.
    fn shrink(&mut self) {
        let soon = self.items.len() / 8 * 9;
        self.items.shrink_to(soon);
    }

    fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.ends.capacity() * size_of::<usize>()
    }
}

// === impl Named ===

impl Named {
    /// Bytes of its text.
    fn text(&self) -> usize {
        match &self.value {
            Scalar::Text(text) => text.len(),
            _ => 0,
        }
    }
}

/// Numbers are finite, and there is one zero ([`Scalar::read`]).
impl Eq for Named {}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.field.hash(state);
        match &self.value {
            Scalar::Boolean(boolean) => boolean.hash(state),
            Scalar::Number(number) => number.to_bits().hash(state),
            Scalar::Text(text) => text.hash(state),
        }
    }
}
