//! What is asked of a collection at one moment.

use super::copies::Copies;
use super::copy::{Copy, Fitting};
use super::postings::{self, BLOCK};
use super::quantised::Asked;
use super::schema::{self, Collection};
use super::write::Doomed;
use crate::Error;
use sbd_storage::Deadline;
use sbd_storage::rusqlite::{Connection, OptionalExtension as _, params};
use sbd_vectors_search::limits::MAX_PAGE_BYTES;
use sbd_vectors_search::{
    Fields, Filter, Found, Hit, Page, Point, Query, best, inverse_frequency, rank, score,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// How long a search may take, without what it takes to bring a copy into memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Vectors that are asked themselves, beside some for each that is looked for. So many have nearly the same score only
/// where they are nearly the same: then those that seem best are asked.
const ASKED_MOST: usize = 20_000;

/// A collection as it is at one moment.
pub(super) struct Moment<'a> {
    connection: &'a Connection,
    collection: &'a Collection,
    /// None where it is too large: then everything is read from the disk.
    copy: Option<&'a Copy>,
}

/// A score that can be sorted by.
#[derive(Clone, Copy, PartialEq)]
struct Score(f32);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Looks at a collection through its copy in memory, which is brought to the state of the moment. Blocks.
pub(super) fn at_moment<R>(
    (copies, database): (&Copies, u64),
    connection: &Connection,
    (component, name): (&str, &str),
    look: impl FnOnce(&Moment<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    loop {
        let moment = connection.unchecked_transaction()?;
        let collection = &schema::find(&moment, component, name)?;
        let key = (database, collection.number);
        let Some(shared) = copies.of(key, collection.points) else {
            return Moment::look(&moment, collection, None, look);
        };
        let copy = shared.read().unwrap_or_else(PoisonError::into_inner);
        if copy.version() == Some(collection.version) {
            return Moment::look(&moment, collection, Some(copy), look);
        }
        drop(copy);
        let mut copy = shared.write().unwrap_or_else(PoisonError::into_inner);
        if copy
            .version()
            .is_some_and(|version| version > collection.version)
        {
            // Somebody has seen a later moment: this one is given up for another.
            continue;
        }
        let is_whole = copy.follow(&moment, collection, copies.most_bytes())?;
        if !is_whole {
            drop(copy);
            copies.refuse(key, collection.points);
            return Moment::look(&moment, collection, None, look);
        }
        copies.weigh(key, copy.bytes());
        let copy = RwLockWriteGuard::downgrade(copy);
        return Moment::look(&moment, collection, Some(copy), look);
    }
}

// === impl Moment ===

impl<'a> Moment<'a> {
    fn look<R>(
        connection: &'a Connection,
        collection: &'a Collection,
        copy: Option<RwLockReadGuard<'_, Copy>>,
        look: impl FnOnce(&Moment<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let _deadline = Deadline::until(Instant::now() + PATIENCE);
        let copy = copy.as_deref();
        look(&Moment {
            connection,
            collection,
            copy,
        })
    }

    pub(super) fn search(&self, query: &Query) -> Result<Vec<Hit>, Error> {
        query.check(&self.collection.config)?;
        let fitting = self.copy.map(|copy| copy.fitting(&query.filter));
        let fitting = fitting.as_ref();
        let dense = query.dense.as_deref();
        let dense = dense
            .map(|vector| self.by_dense(query, vector, fitting))
            .transpose()?;
        let sparse = query.sparse.as_ref();
        let sparse = sparse.map(|_| self.by_sparse(query, fitting)).transpose()?;
        let mut hits = query.page(rank(dense, sparse));
        if query.with_payload {
            let mut reading = self
                .connection
                .prepare_cached("SELECT payload FROM points WHERE (collection, id) = (?1, ?2)")?;
            for hit in &mut hits {
                let payload =
                    reading.query_row(params![self.collection.number, hit.id], |row| row.get(0));
                hit.payload = Some(payload?);
            }
        }
        Ok(hits)
    }

    fn by_dense(
        &self,
        query: &Query,
        vector: &[f32],
        fitting: Option<&Fitting>,
    ) -> Result<Vec<Found>, Error> {
        let Some(config) = self.collection.config.dense else {
            return Ok(Vec::new());
        };
        let depth = query.depth();
        let (Some(copy), Some(fitting)) = (self.copy, fitting) else {
            let mut found = Vec::new();
            self.each_fitting(&query.filter, |_, id, dense| {
                if let Some(dense) = dense {
                    let score = score(config.metric, vector, &schema::numbers(dense));
                    found.push(Found {
                        id: id.to_owned(),
                        score,
                    });
                }
                if found.len() > ASKED_MOST + 2 * depth {
                    found = best(std::mem::take(&mut found), depth);
                }
            })?;
            return Ok(best(found, depth));
        };
        let asked = Asked::new(config.metric, vector);
        let mut reading = self
            .connection
            .prepare_cached("SELECT dense FROM points WHERE number = ?1")?;
        let mut found = Vec::new();
        for at in candidates(copy, fitting, &asked, depth) {
            let number = copy.place(at).map(|place| self.collection.at(place));
            let dense = reading.query_row([number], |row| {
                Ok(row.get_ref(0)?.as_blob_or_null()?.map(schema::numbers))
            });
            if let Some(dense) = dense.optional()?.flatten() {
                let id = String::from_utf8_lossy(copy.id(at)).into_owned();
                let score = score(config.metric, vector, &dense);
                found.push(Found { id, score });
            }
        }
        Ok(best(found, depth))
    }

    fn by_sparse(&self, query: &Query, fitting: Option<&Fitting>) -> Result<Vec<Found>, Error> {
        let mut scores: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
        let blocks = postings::blocks(self.connection, self.collection)?;
        let sparse = query.sparse.iter();
        let terms = sparse.flat_map(|sparse| sparse.terms.iter().zip(&sparse.weights));
        // Term by term in the order of the query, as everybody adds up.
        for (term, weight) in terms {
            let blocks = postings::of(self.connection, self.collection, &blocks, *term)?;
            let points = blocks.iter().map(|block| block.len() as u64).sum();
            let factor = weight * inverse_frequency(self.collection.with_terms, points);
            for block in &blocks {
                let scores = scores.entry(block.number);
                let scores = scores.or_insert_with(|| vec![f32::NAN; BLOCK]);
                for (at, weight) in block.entries() {
                    if let Some(score) = scores.get_mut(usize::from(at)) {
                        *score = if score.is_nan() { 0.0 } else { *score } + factor * weight;
                    }
                }
            }
        }
        let mut scored = Vec::new();
        let mut fits = self.fits(&query.filter, fitting);
        for (block, scores) in scores {
            for (at, score) in (0..).zip(scores).filter(|(_, score)| !score.is_nan()) {
                let place = postings::join(block, at);
                if fits(place)? {
                    scored.push((place, score));
                }
            }
        }
        self.best_of(scored, query.depth())
    }

    /// Names the best of what is known by its place.
    fn best_of(&self, mut scored: Vec<(u32, f32)>, depth: usize) -> Result<Vec<Found>, Error> {
        if depth > 0 && scored.len() > depth {
            let last = depth - 1;
            let (_, (_, last), _) =
                scored.select_nth_unstable_by(last, |one, other| other.1.total_cmp(&one.1));
            let last = *last;
            // Among those that are as good as the last, ids decide.
            scored.retain(|(_, score)| *score >= last);
        }
        let found = scored.into_iter().map(|(place, score)| {
            let id = self.id(place)?;
            Ok(Found { id, score })
        });
        Ok(best(found.collect::<Result<_, Error>>()?, depth))
    }

    fn id(&self, place: u32) -> Result<String, Error> {
        let copied = self.copy.and_then(|copy| Some((copy, copy.index(place)?)));
        if let Some((copy, at)) = copied {
            return Ok(String::from_utf8_lossy(copy.id(at)).into_owned());
        }
        let id = self
            .connection
            .prepare_cached("SELECT id FROM points WHERE number = ?1")?
            .query_row([self.collection.at(place)], |row| row.get(0))?;
        Ok(id)
    }

    /// Says of a place where there is a point whether that fits a filter.
    fn fits<'b>(
        &'b self,
        filter: &'b Filter,
        fitting: Option<&'b Fitting>,
    ) -> impl FnMut(u32) -> Result<bool, Error> + 'b {
        // Mostly places come in their order, and the next one is near.
        let mut near = 0;
        move |place| {
            if filter.is_empty() {
                return Ok(true);
            }
            let Some((copy, fitting)) = self.copy.zip(fitting) else {
                return self.fits_on_disk(place, filter);
            };
            let at = copy.index_near(place, near);
            near = at.unwrap_or(near);
            Ok(at.is_some_and(|at| fitting.has(at)))
        }
    }

    fn fits_on_disk(&self, place: u32, filter: &Filter) -> Result<bool, Error> {
        let (id, payload): (String, String) = self
            .connection
            .prepare_cached("SELECT id, payload FROM points WHERE number = ?1")?
            .query_row([self.collection.at(place)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(filter.fits(&id, &Fields::read(&payload)?))
    }

    /// Reads all points of a filter from the disk: their places, ids and dense vectors.
    fn each_fitting(
        &self,
        filter: &Filter,
        mut each: impl FnMut(u32, &str, Option<&[u8]>),
    ) -> Result<(), Error> {
        let mut reading = self.connection.prepare_cached(
            "SELECT number, id, payload, dense FROM points WHERE number >= ?1 AND number < ?2 ORDER BY number",
        )?;
        let mut points = reading.query(self.collection.from(0))?;
        while let Some(row) = points.next()? {
            let id = row.get_ref(1)?.as_str()?;
            let fits = filter.is_empty() || {
                let fields = Fields::read(row.get_ref(2)?.as_str()?)?;
                filter.fits(id, &fields)
            };
            if fits {
                let place = self.collection.place(row.get(0)?);
                each(place, id, row.get_ref(3)?.as_blob_or_null()?);
            }
        }
        Ok(())
    }

    /// The places of the points that fit a filter.
    fn places(&self, filter: &Filter) -> Result<Vec<u32>, Error> {
        let mut places = Vec::new();
        match self.copy {
            Some(copy) => {
                let fitting = copy.fitting(filter);
                let fits = |at: &usize| copy.is_alive(*at) && fitting.has(*at);
                let all = (0..copy.len()).filter(fits);
                places.extend(all.filter_map(|at| copy.place(at)));
            }
            None => self.each_fitting(filter, |place, _, _| places.push(place))?,
        }
        Ok(places)
    }

    pub(super) fn count(&self, filter: &Filter) -> Result<u64, Error> {
        match filter.is_empty() {
            true => Ok(self.collection.points),
            false => Ok(self.places(filter)?.len() as u64),
        }
    }

    /// The points to be deleted by a filter, as far as they are there.
    pub(super) fn doomed(&self, filter: &Filter) -> Result<Doomed, Error> {
        Ok(Doomed {
            places: self.places(filter)?,
            collection: self.collection.number,
            next: self.collection.next,
        })
    }

    pub(super) fn scroll(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: u32,
        with_vectors: bool,
    ) -> Result<Page, Error> {
        let fitting = self.copy.map(|copy| copy.fitting(filter));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut listing = self.connection.prepare_cached(
            "SELECT number FROM points WHERE collection = ?1 AND id > ?2 ORDER BY id",
        )?;
        // No id is empty.
        let after = params![self.collection.number, cursor.unwrap_or_default()];
        let mut numbers = listing.query(after)?;
        let mut page = Page::default();
        let mut bytes = 0;
        let mut fits = self.fits(filter, fitting.as_ref());
        while let Some(row) = numbers.next()? {
            let number: i64 = row.get(0)?;
            let place = self.collection.place(number);
            if !fits(place)? {
                continue;
            }
            if page.points.len() == limit || bytes > MAX_PAGE_BYTES {
                page.next = page.points.last().map(|point| point.id.clone());
                break;
            }
            let point = self.point(number, with_vectors)?;
            bytes += point.bytes();
            page.points.push(point);
        }
        Ok(page)
    }

    fn point(&self, number: i64, with_vectors: bool) -> Result<Point, Error> {
        let sql = match with_vectors {
            true => "SELECT id, payload, dense, sparse FROM points WHERE number = ?1",
            false => "SELECT id, payload, NULL, NULL FROM points WHERE number = ?1",
        };
        let mut reading = self.connection.prepare_cached(sql)?;
        Ok(reading.query_row([number], schema::point)?)
    }
}

/// The points among which the best are, by their indexes in order.
fn candidates(copy: &Copy, fitting: &Fitting, asked: &Asked, depth: usize) -> Vec<usize> {
    // The best that are certain: what could not be better than the last of them is out.
    let mut certain = BinaryHeap::with_capacity(depth + 1);
    let mut possible = Vec::new();
    let fits = |at: &usize| copy.is_alive(*at) && fitting.has(*at);
    for at in (0..copy.len()).filter(fits) {
        let Some(bounds) = copy.vectors().bounds(at, asked) else {
            continue;
        };
        let last = match certain.peek() {
            Some(Reverse(Score(last))) if certain.len() >= depth => *last,
            _ => f32::NEG_INFINITY,
        };
        if bounds.most >= last {
            possible.push((at, bounds.most));
        }
        if bounds.least > last || certain.len() < depth {
            certain.push(Reverse(Score(bounds.least)));
            if certain.len() > depth {
                certain.pop();
            }
        }
    }
    if let Some(Reverse(Score(last))) = certain.peek()
        && certain.len() >= depth
    {
        possible.retain(|(_, most)| most >= last);
    }
    let most = ASKED_MOST + 16 * depth;
    if possible.len() > most {
        let id = |at: usize| copy.id(at);
        possible.sort_unstable_by(|(one, one_most), (other, other_most)| {
            other_most
                .total_cmp(one_most)
                .then_with(|| id(*one).cmp(id(*other)))
        });
        possible.truncate(most);
        possible.sort_unstable_by_key(|(at, _)| *at);
    }
    possible.into_iter().map(|(at, _)| at).collect()
}
