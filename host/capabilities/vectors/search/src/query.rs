//! What is looked for, and what is found.

use crate::check::{Refused, ensure};
use crate::filter::Filter;
use crate::limits::{MAX_DEPTH, MAX_HITS};
use crate::point::{Config, Sparse};

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Alike to this dense vector.
    pub dense: Option<Vec<f32>>,
    /// Alike to this sparse one. With both, what either finds is fused by reciprocal rank.
    pub sparse: Option<Sparse>,
    /// Among these only.
    pub filter: Filter,
    /// How many are looked for by each vector before they are fused.
    pub candidates: u32,
    /// So many are left out.
    pub offset: u32,
    /// So many at most.
    pub limit: u32,
    /// Whether hits have their payloads.
    pub with_payload: bool,
}

/// A place among what one vector found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// From 1.
    pub rank: u32,
    /// How alike it is.
    pub score: f32,
}

/// A point that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// By what hits are sorted: the fused score, or that of the one vector that was asked for.
    pub score: f32,
    /// Its place by the dense vector.
    pub dense: Option<Place>,
    /// Its place by the sparse one.
    pub sparse: Option<Place>,
    /// Its payload, if it was asked for.
    pub payload: Option<String>,
}

// === impl Query ===

impl Query {
    /// Refuses what cannot be looked for in a collection.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn check(&self, config: &Config) -> Result<(), Refused> {
        ensure(self.dense.is_some() || self.sparse.is_some(), || {
            "a query has a dense vector, a sparse one, or both".to_owned()
        })?;
        config.check_vectors(self.dense.as_deref(), self.sparse.as_ref())?;
        self.filter.check()?;
        check_limit(self.limit)?;
        ensure((1..=MAX_HITS).contains(&self.candidates), || {
            format!("`candidates` is 1 to {MAX_HITS}, not {}", self.candidates)
        })?;
        let depth = u64::from(self.offset) + u64::from(self.limit);
        ensure(depth <= u64::from(MAX_DEPTH), || {
            format!(
                "`offset` and `limit` are {MAX_DEPTH} together at most, not {depth}; narrow the filter"
            )
        })
    }

    /// How many each vector has to find.
    pub fn depth(&self) -> usize {
        let depth = self.offset.saturating_add(self.limit);
        let most = match (&self.dense, &self.sparse) {
            (Some(_), Some(_)) => depth.max(self.candidates),
            _ => depth,
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// The hits of the page that was asked for.
    pub fn page(&self, hits: Vec<Hit>) -> Vec<Hit> {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let page = hits.into_iter().skip(count(self.offset));
        page.take(count(self.limit)).collect()
    }
}

/// Refuses a limit that is none.
///
/// # Errors
/// [`Refused::Invalid`].
pub fn check_limit(limit: u32) -> Result<(), Refused> {
    ensure((1..=MAX_HITS).contains(&limit), || {
        format!("`limit` is 1 to {MAX_HITS}, not {limit}")
    })
}
