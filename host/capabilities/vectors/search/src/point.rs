//! Collections and their points.

use crate::check::{Refused, ensure};
use crate::filter::Fields;
use crate::limits::{
    MAX_CALL_BYTES, MAX_DIMENSIONS, MAX_ID_BYTES, MAX_NAME_BYTES, MAX_PAYLOAD_BYTES, MAX_POINTS,
    MAX_TERMS,
};
use crate::score::norm;
use std::collections::BTreeSet;

/// How dense vectors are compared. A higher score is always more alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// By the angle between them: 1 is the same direction.
    Cosine,
    /// By the inner product.
    Dot,
    /// By the negative distance.
    Euclid,
}

/// The dense vectors of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dense {
    /// How many numbers each has.
    pub dimensions: u32,
    /// How they are compared.
    pub metric: Metric,
}

/// What the points of a collection have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Their dense vectors, if they have some.
    pub dense: Option<Dense>,
    /// Whether they have sparse ones.
    pub sparse: bool,
}

/// A collection, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// What its points have.
    pub config: Config,
    /// How many there are.
    pub points: u64,
}

/// A sparse vector: terms, each once, with a positive weight each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    /// The terms, by number.
    pub terms: Vec<u32>,
    /// Their weights, in the same order.
    pub weights: Vec<f32>,
}

/// A point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Its id.
    pub id: String,
    /// Its dense vector.
    pub dense: Option<Vec<f32>>,
    /// Its sparse one.
    pub sparse: Option<Sparse>,
    /// A JSON object, as its text.
    pub payload: String,
}

/// Some points, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The points.
    pub points: Vec<Point>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// Refuses what is no name of a collection.
///
/// # Errors
/// [`Refused::Invalid`].
pub fn check_name(name: &str) -> Result<(), Refused> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let is_name = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed);
    ensure(is_name, || {
        format!("a collection's name is 1 to {MAX_NAME_BYTES} of a-z, 0-9, `_` and `-`")
    })
}

// === impl Metric ===

impl Metric {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclid => "euclid",
        }
    }

    /// What a word stands for.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Cosine, Self::Dot, Self::Euclid];
        all.into_iter().find(|metric| metric.name() == name)
    }
}

// === impl Config ===

impl Config {
    /// Refuses a collection that cannot be.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn check(&self) -> Result<(), Refused> {
        ensure(self.dense.is_some() || self.sparse, || {
            "a collection has dense vectors, sparse ones, or both; set `dense` or `sparse`"
                .to_owned()
        })?;
        let dimensions = self.dense.map_or(1, |dense| dense.dimensions);
        ensure((1..=MAX_DIMENSIONS).contains(&dimensions), || {
            format!("`dimensions` is 1 to {MAX_DIMENSIONS}, not {dimensions}")
        })
    }

    /// Refuses points that do not belong here, or that are not what one call may bring; answers what filters see
    /// of them, in the same order.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub fn check_points(&self, points: &[Point]) -> Result<Vec<Fields>, Refused> {
        ensure((1..=MAX_POINTS).contains(&points.len()), || {
            format!(
                "1 to {MAX_POINTS} points are added by one call, not {}",
                points.len()
            )
        })?;
        let bytes: usize = points.iter().map(Point::bytes).sum();
        ensure(bytes <= MAX_CALL_BYTES, || {
            format!(
                "the points of one call have {MAX_CALL_BYTES} bytes at most, not {bytes}; add fewer at once"
            )
        })?;
        let mut ids = BTreeSet::new();
        for point in points {
            ensure(ids.insert(&*point.id), || {
                format!("the id `{}` is there twice in one call", point.id)
            })?;
        }
        points.iter().map(|point| self.check_point(point)).collect()
    }

    fn check_point(&self, point: &Point) -> Result<Fields, Refused> {
        check_id(&point.id)?;
        let fields = self.fields_of(point);
        fields.map_err(|refused| Refused::Invalid(format!("point `{}`: {refused}", point.id)))
    }

    fn fields_of(&self, point: &Point) -> Result<Fields, Refused> {
        ensure(point.dense.is_some() || point.sparse.is_some(), || {
            "a point has a dense vector, a sparse one, or both".to_owned()
        })?;
        self.check_vectors(point.dense.as_deref(), point.sparse.as_ref())?;
        ensure(point.payload.len() <= MAX_PAYLOAD_BYTES, || {
            format!("a payload has at most {MAX_PAYLOAD_BYTES} bytes; keep the rest elsewhere")
        })?;
        Fields::read(&point.payload)
    }

    /// Refuses vectors of a point or a query that do not belong here.
    ///
    /// # Errors
    /// [`Refused::Invalid`].
    pub(crate) fn check_vectors(
        &self,
        dense: Option<&[f32]>,
        sparse: Option<&Sparse>,
    ) -> Result<(), Refused> {
        if let Some(vector) = dense {
            let config = self.dense.ok_or_else(|| {
                Refused::Invalid(
                    "the collection has no dense vectors; leave `dense` out".to_owned(),
                )
            })?;
            config.check(vector)?;
        }
        if let Some(vector) = sparse {
            ensure(self.sparse, || {
                "the collection has no sparse vectors; leave `sparse` out".to_owned()
            })?;
            vector.check()?;
        }
        Ok(())
    }
}

// === impl Dense ===

impl Dense {
    fn check(self, vector: &[f32]) -> Result<(), Refused> {
        let Self { dimensions, metric } = self;
        ensure(u32::try_from(vector.len()) == Ok(dimensions), || {
            format!(
                "a dense vector has {dimensions} numbers here, not {}; is it of another model?",
                vector.len()
            )
        })?;
        let norm = norm(vector);
        ensure(
            vector.iter().all(|number| number.is_finite()) && norm.is_finite(),
            || "a dense vector has finite numbers, whose squares have a finite sum".to_owned(),
        )?;
        ensure(metric != Metric::Cosine || norm > 0.0, || {
            "a vector of nothing but zeros (or next to it) has no direction, by which vectors are compared here"
                .to_owned()
        })
    }
}

// === impl Point ===

impl Point {
    /// Bytes of all its parts.
    pub fn bytes(&self) -> usize {
        let dense = self.dense.as_ref().map_or(0, |dense| 4 * dense.len());
        let sparse = self.sparse.as_ref();
        let sparse = sparse.map_or(0, |sparse| 4 * (sparse.terms.len() + sparse.weights.len()));
        self.id.len() + self.payload.len() + dense + sparse
    }
}

// === impl Sparse ===

impl Sparse {
    fn check(&self) -> Result<(), Refused> {
        ensure(self.terms.len() == self.weights.len(), || {
            "a sparse vector has as many weights as terms".to_owned()
        })?;
        ensure(self.terms.len() <= MAX_TERMS, || {
            format!("a sparse vector has at most {MAX_TERMS} terms; cut the text into more points")
        })?;
        let is_weight = |weight: &f32| weight.is_finite() && *weight > 0.0;
        ensure(self.weights.iter().all(is_weight), || {
            "the weights of a sparse vector are finite and more than 0".to_owned()
        })?;
        let mut terms = self.terms.clone();
        terms.sort_unstable();
        ensure(terms.is_sorted_by(|before, after| before < after), || {
            "a sparse vector has each term once; add their weights up".to_owned()
        })
    }
}

/// Refuses what is no id of a point.
pub(crate) fn check_id(id: &str) -> Result<(), Refused> {
    ensure((1..=MAX_ID_BYTES).contains(&id.len()), || {
        format!(
            "a point's id has 1 to {MAX_ID_BYTES} bytes, not {}",
            id.len()
        )
    })
}
