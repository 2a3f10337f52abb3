//! Collections in memory, searched plainly.

use crate::check::Refused;
use crate::filter::{Fields, Filter};
use crate::limits::MAX_COLLECTIONS;
use crate::point::{Config, Described, Page, Point, check_name};
use crate::query::{Hit, Query, check_limit};
use crate::rank::{Found, best, rank};
use crate::score::{inverse_frequency, score};
use std::collections::BTreeMap;

/// The collections of a component.
#[derive(Clone, Debug, Default)]
pub struct Collections(BTreeMap<String, Collection>);

/// A collection.
#[derive(Clone, Debug)]
pub struct Collection {
    config: Config,
    points: BTreeMap<String, (Point, Fields)>,
}

// === impl Collections ===

impl Collections {
    /// Makes a collection. Nothing if it is there already as it is to be.
    ///
    /// # Errors
    /// [`Refused::Invalid`], [`Refused::Differs`], [`Refused::Limit`].
    pub fn create(&mut self, name: &str, config: Config) -> Result<(), Refused> {
        check_name(name)?;
        config.check()?;
        if let Some(there) = self.0.get(name) {
            return match there.config == config {
                true => Ok(()),
                false => Err(Refused::Differs(name.to_owned())),
            };
        }
        if self.0.len() >= MAX_COLLECTIONS {
            return Err(Refused::too_many_collections());
        }
        let points = BTreeMap::new();
        self.0
            .insert(name.to_owned(), Collection { config, points });
        Ok(())
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Described> {
        let described = self.0.iter().map(|(name, one)| Described {
            name: name.clone(),
            config: one.config,
            points: count(one.points.len()),
        });
        described.collect()
    }

    /// Deletes a collection; says whether it was there.
    pub fn drop(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Refused::NotFound`].
    pub fn get(&mut self, name: &str) -> Result<&mut Collection, Refused> {
        let collection = self.0.get_mut(name);
        collection.ok_or_else(|| Refused::NotFound(name.to_owned()))
    }
}

// === impl Collection ===

impl Collection {
    /// Adds points, all or none; those with the same id are replaced.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn upsert(&mut self, points: Vec<Point>) -> Result<(), Refused> {
        let fields = self.config.check_points(&points)?;
        let points = points.into_iter().zip(fields);
        let points = points.map(|(point, fields)| (point.id.clone(), (point, fields)));
        self.points.extend(points);
        Ok(())
    }

    /// Deletes the points of a filter, which is not empty; returns how many.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn delete(&mut self, filter: &Filter) -> Result<u64, Refused> {
        filter.check_deletion()?;
        let before = self.points.len();
        self.points
            .retain(|id, (_, fields)| !filter.fits(id, fields));
        Ok(count(before - self.points.len()))
    }

    /// Looks for points; the best first.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn search(&self, query: &Query) -> Result<Vec<Hit>, Refused> {
        query.check(&self.config)?;
        let dense = query
            .dense
            .as_deref()
            .map(|vector| self.by_dense(query, vector));
        let sparse = query.sparse.as_ref().map(|_| self.by_sparse(query));
        let mut hits = query.page(rank(dense, sparse));
        if query.with_payload {
            for hit in &mut hits {
                hit.payload = self
                    .points
                    .get(&hit.id)
                    .map(|(point, _)| point.payload.clone());
            }
        }
        Ok(hits)
    }

    /// How many points fit a filter.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn count(&self, filter: &Filter) -> Result<u64, Refused> {
        filter.check()?;
        Ok(count(self.fitting(filter).count()))
    }

    /// The points of a filter by id, so many at a time.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn scroll(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        limit: u32,
        with_vectors: bool,
    ) -> Result<Page, Refused> {
        filter.check()?;
        check_limit(limit)?;
        let later = |point: &&Point| cursor.is_none_or(|cursor| *point.id > *cursor);
        let mut rest = self.fitting(filter).filter(later);
        let some = rest
            .by_ref()
            .take(usize::try_from(limit).unwrap_or(usize::MAX));
        let points: Vec<_> = some
            .map(|point| match with_vectors {
                true => point.clone(),
                false => Point {
                    dense: None,
                    sparse: None,
                    ..point.clone()
                },
            })
            .collect();
        let last = points.last().map(|point| point.id.clone());
        let next = rest.next().and(last);
        Ok(Page { points, next })
    }

    fn fitting(&self, filter: &Filter) -> impl Iterator<Item = &Point> {
        let all = self.points.values();
        let fitting = all.filter(|(point, fields)| filter.fits(&point.id, fields));
        fitting.map(|(point, _)| point)
    }

    fn by_dense(&self, query: &Query, vector: &[f32]) -> Vec<Found> {
        let Some(config) = self.config.dense else {
            return Vec::new();
        };
        let found = self.fitting(&query.filter).filter_map(|point| {
            let score = score(config.metric, vector, point.dense.as_deref()?);
            Some(Found {
                id: point.id.clone(),
                score,
            })
        });
        best(found.collect(), query.depth())
    }

    fn by_sparse(&self, query: &Query) -> Vec<Found> {
        let Some(looked_for) = &query.sparse else {
            return Vec::new();
        };
        let terms: Vec<_> = looked_for.terms.iter().zip(&looked_for.weights).collect();
        let all = || {
            self.points
                .values()
                .filter_map(|(point, _)| point.sparse.as_ref())
        };
        let points = count(all().count());
        let mut scores: BTreeMap<&str, f32> = BTreeMap::new();
        // Term by term in the order of the query, as every backend adds up.
        for (term, weight) in terms {
            let with_it = all().filter(|sparse| sparse.terms.contains(term)).count();
            let factor = weight * inverse_frequency(points, count(with_it));
            for point in self.fitting(&query.filter) {
                let Some(sparse) = &point.sparse else {
                    continue;
                };
                let Some(place) = sparse.terms.iter().position(|has| has == term) else {
                    continue;
                };
                *scores.entry(&point.id).or_default() += factor * sparse.weights[place];
            }
        }
        let found = scores.into_iter().map(|(id, score)| Found {
            id: id.to_owned(),
            score,
        });
        best(found.collect(), query.depth())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
