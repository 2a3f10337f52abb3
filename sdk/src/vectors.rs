//! Points found by likeness: by a dense vector (what a model makes of a text), by a sparse one (its words, weighed
//! by [`terms`]), or by both at once. Needs the grant `vectors`.
//!
//! ```
//! # use sbd_sdk::testing::App; use sbd_sdk::Component; use serde_json::json;
//! use sbd_sdk::vectors::{self, Condition, Config, Filter, Metric, Point, Query, Sparse, terms};
//! # async fn example() -> sbd_sdk::Result<()> {
//! vectors::create("chunks", Config::dense(2, Metric::Cosine).with_sparse()).await?;
//! let text = "The gardener waters the roses";
//! let language = terms::Language::guess(text);
//! let point = Point::new("chk_1")
//!     .dense([0.6, 0.8])
//!     .sparse(terms::document(text, language))
//!     .payload(json!({"library": "lib_1", "page": 3}));
//! vectors::upsert("chunks", vec![point]).await?;
//!
//! let query = Query::new(10)
//!     .dense([0.8, 0.6])
//!     .sparse(terms::query("roses", &[]))
//!     .filter(Filter::new().must(Condition::is("library", "lib_1")))
//!     .with_payload();
//! let hits = vectors::search("chunks", query).await?;
//! assert_eq!(hits[0].id, "chk_1");
//! assert_eq!(hits[0].payload.as_ref().unwrap()["page"], 3);
//! # Ok(())
//! # }
//! # App::new(Component::new()).run(example()).unwrap();
//! ```

use crate::bindings::vectors as host;
use crate::{Error, Result};
pub use sbd_vectors_terms as terms;
/// A sparse vector: terms, each once, with a positive weight each.
pub use sbd_vectors_terms::Terms as Sparse;
use serde_json::Value;

/// How dense vectors are compared. A higher score is always more alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// By the angle between them: 1 is the same direction.
    Cosine,
    /// By the inner product.
    Dot,
    /// By the negative distance.
    Euclid,
}

/// What the points of a collection have: dense vectors, sparse ones, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// How many numbers a dense vector has, 1 to 4096, and how they are compared.
    pub dense: Option<(u32, Metric)>,
    /// Whether points have sparse vectors.
    pub sparse: bool,
}

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// What its points have.
    pub config: Config,
    /// How many there are.
    pub points: u64,
}

/// A point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its id, 1 to 128 bytes.
    pub id: String,
    /// Its dense vector.
    pub dense: Option<Vec<f32>>,
    /// Its sparse one.
    pub sparse: Option<Sparse>,
    /// An object of at most 16 KiB. Filters look at its fields on the first level: texts of at most 256 bytes, numbers,
    /// booleans, and lists of them.
    pub payload: Value,
}

/// What a point must be like.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A field is one of these values, or has one of them in its list.
    Any {
        /// The field's name.
        field: String,
        /// 1 to 1000 texts, numbers or booleans.
        values: Vec<Value>,
    },
    /// A field lies between bounds, numbers or texts (as times are).
    Between {
        /// The field's name.
        field: String,
        /// At least so much.
        at_least: Option<Value>,
        /// Less than so much.
        less_than: Option<Value>,
    },
    /// Its id is one of these, 1 to 1000.
    Ids(Vec<String>),
}

/// Which points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// All of these hold.
    pub must: Vec<Condition>,
    /// None of these holds.
    pub must_not: Vec<Condition>,
}

/// What is looked for: what is alike to a dense vector, to a sparse one, or to either, fused by reciprocal rank.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Alike to this dense vector.
    pub dense: Option<Vec<f32>>,
    /// Alike to this sparse one.
    pub sparse: Option<Sparse>,
    /// Among these only; applied before ranking.
    pub filter: Filter,
    /// How many are looked for by each vector before they are fused, 1 to 1000.
    pub candidates: u32,
    /// So many are left out.
    pub offset: u32,
    /// So many at most, 1 to 1000.
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
    /// Its place by the dense vector, if that found it.
    pub dense: Option<Place>,
    /// Its place by the sparse one.
    pub sparse: Option<Place>,
    /// Its payload, if it was asked for.
    pub payload: Option<Value>,
}

/// Some points, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The points.
    pub points: Vec<Point>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// Makes a collection. Nothing if it is there already as it is to be.
///
/// # Errors
/// When it cannot be, or one of that name is there with other dimensions or another metric.
pub async fn create(name: &str, config: Config) -> Result<()> {
    let created = host::create(name.to_owned(), config.into()).await;
    created.map_err(told)
}

/// The component's collections.
///
/// # Errors
/// When they cannot be read.
pub async fn collections() -> Result<Vec<Collection>> {
    let collections = host::collections().await.map_err(told)?;
    Ok(collections.into_iter().map(Into::into).collect())
}

/// Deletes a collection with all its points; says whether it was there.
///
/// # Errors
/// When it cannot be written.
pub async fn drop_collection(name: &str) -> Result<bool> {
    host::drop(name.to_owned()).await.map_err(told)
}

/// Adds 1 to 1000 points, all or none; those with the same id are replaced. The next search finds them.
///
/// # Errors
/// When a point does not belong there, or there is no room left.
pub async fn upsert(collection: &str, points: Vec<Point>) -> Result<()> {
    let points = points.into_iter().map(Into::into).collect();
    let added = host::upsert(collection.to_owned(), points).await;
    added.map_err(told)
}

/// Deletes the points of a filter, which must not be empty; returns how many.
///
/// # Errors
/// When the filter means nothing, or they cannot be written.
pub async fn delete(collection: &str, filter: Filter) -> Result<u64> {
    let deleted = host::delete(collection.to_owned(), filter.into()).await;
    deleted.map_err(told)
}

/// Looks for points; the best first.
///
/// # Errors
/// When the query means nothing there, or they cannot be read.
pub async fn search(collection: &str, query: Query) -> Result<Vec<Hit>> {
    let hits = host::search(collection.to_owned(), query.into()).await;
    let hits = hits.map_err(told)?;
    hits.into_iter().map(Hit::read).collect()
}

/// How many points fit a filter.
///
/// # Errors
/// When the filter means nothing, or they cannot be read.
pub async fn count(collection: &str, filter: Filter) -> Result<u64> {
    let counted = host::count(collection.to_owned(), Some(filter.into())).await;
    counted.map_err(told)
}

/// The points of a filter by id, `limit` (1 to 1000) at a time, from the `next` of the page before.
///
/// # Errors
/// When the filter means nothing, or they cannot be read.
pub async fn scroll(
    collection: &str,
    filter: Filter,
    cursor: Option<String>,
    limit: u32,
    with_vectors: bool,
) -> Result<Page> {
    let filter = Some(filter.into());
    let page = host::scroll(collection.to_owned(), filter, cursor, limit, with_vectors).await;
    let page = page.map_err(told)?;
    let points = page.points.into_iter().map(Point::read);
    Ok(Page {
        points: points.collect::<Result<_>>()?,
        next: page.next,
    })
}

fn told(error: host::Error) -> Error {
    match error {
        host::Error::Full => Error::storage_full(),
        host::Error::Unavailable(cause) => {
            let again =
                "what is found by likeness cannot be read or kept just now; try again in a moment";
            Error::overloaded(again, 1).caused_by(format_args!("vectors unavailable: {cause}"))
        }
        host::Error::Invalid(cause)
        | host::Error::NotFound(cause)
        | host::Error::Differs(cause)
        | host::Error::Limit(cause)
        | host::Error::Other(cause) => Error::internal(cause),
    }
}

// === impl Config ===

impl Config {
    /// With dense vectors of so many numbers.
    pub const fn dense(dimensions: u32, metric: Metric) -> Self {
        Self {
            dense: Some((dimensions, metric)),
            sparse: false,
        }
    }

    /// With sparse vectors only.
    pub const fn sparse() -> Self {
        Self {
            dense: None,
            sparse: true,
        }
    }

    /// With sparse vectors too.
    #[must_use]
    pub const fn with_sparse(self) -> Self {
        Self {
            sparse: true,
            ..self
        }
    }
}

// === impl Point ===

impl Point {
    /// A point of nothing yet.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            dense: None,
            sparse: None,
            payload: Value::Object(serde_json::Map::new()),
        }
    }

    /// With a dense vector.
    #[must_use]
    pub fn dense(self, vector: impl Into<Vec<f32>>) -> Self {
        Self {
            dense: Some(vector.into()),
            ..self
        }
    }

    /// With a sparse vector.
    #[must_use]
    pub fn sparse(self, vector: Sparse) -> Self {
        Self {
            sparse: Some(vector),
            ..self
        }
    }

    /// With a payload, a JSON object.
    #[must_use]
    pub fn payload(self, payload: Value) -> Self {
        Self { payload, ..self }
    }

    fn read(point: host::Point) -> Result<Self> {
        let host::Point {
            id,
            dense,
            sparse,
            payload,
        } = point;
        Ok(Self {
            id,
            dense,
            sparse: sparse.map(Into::into),
            payload: serde_json::from_str(&payload).map_err(Error::internal)?,
        })
    }
}

// === impl Condition ===

impl Condition {
    /// A field is this.
    pub fn is(field: &str, value: impl Into<Value>) -> Self {
        Self::any(field, [value])
    }

    /// A field is one of these.
    pub fn any<V: Into<Value>>(field: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::Any {
            field: field.to_owned(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    /// The id is one of these.
    pub fn ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Ids(ids.into_iter().map(Into::into).collect())
    }
}

// === impl Filter ===

impl Filter {
    /// All points.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of which this holds, too.
    #[must_use]
    pub fn must(mut self, condition: Condition) -> Self {
        self.must.push(condition);
        self
    }

    /// Of which this does not hold.
    #[must_use]
    pub fn must_not(mut self, condition: Condition) -> Self {
        self.must_not.push(condition);
        self
    }
}

// === impl Query ===

impl Query {
    /// For so many points at most, 1 to 1000.
    pub fn new(limit: u32) -> Self {
        Self {
            dense: None,
            sparse: None,
            filter: Filter::default(),
            candidates: 100,
            offset: 0,
            limit,
            with_payload: false,
        }
    }

    /// Alike to this dense vector.
    #[must_use]
    pub fn dense(self, vector: impl Into<Vec<f32>>) -> Self {
        Self {
            dense: Some(vector.into()),
            ..self
        }
    }

    /// Alike to this sparse vector.
    #[must_use]
    pub fn sparse(self, vector: Sparse) -> Self {
        Self {
            sparse: Some(vector),
            ..self
        }
    }

    /// Among these only.
    #[must_use]
    pub fn filter(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Looking for so many by each vector before they are fused, 1 to 1000; 100 unless this is said.
    #[must_use]
    pub fn candidates(self, candidates: u32) -> Self {
        Self { candidates, ..self }
    }

    /// Leaving out so many.
    #[must_use]
    pub fn offset(self, offset: u32) -> Self {
        Self { offset, ..self }
    }

    /// With their payloads.
    #[must_use]
    pub fn with_payload(self) -> Self {
        Self {
            with_payload: true,
            ..self
        }
    }
}

// === impl Hit ===

impl Hit {
    fn read(hit: host::Hit) -> Result<Self> {
        let host::Hit {
            id,
            score,
            dense,
            sparse,
            payload,
        } = hit;
        let payload = payload.map(|payload| serde_json::from_str(&payload));
        Ok(Self {
            id,
            score,
            dense: dense.map(Into::into),
            sparse: sparse.map(Into::into),
            payload: payload.transpose().map_err(Error::internal)?,
        })
    }
}

// Between what is written here and what the host is told.

impl From<Sparse> for host::Sparse {
    fn from(Sparse { terms, weights }: Sparse) -> Self {
        Self { terms, weights }
    }
}

impl From<host::Sparse> for Sparse {
    fn from(host::Sparse { terms, weights }: host::Sparse) -> Self {
        Self { terms, weights }
    }
}

impl From<host::Place> for Place {
    fn from(host::Place { rank, score }: host::Place) -> Self {
        Self { rank, score }
    }
}

impl From<Config> for host::Config {
    fn from(Config { dense, sparse }: Config) -> Self {
        let dense = dense.map(|(dimensions, metric)| host::DenseConfig {
            dimensions,
            metric: match metric {
                Metric::Cosine => host::Metric::Cosine,
                Metric::Dot => host::Metric::Dot,
                Metric::Euclid => host::Metric::Euclid,
            },
        });
        Self { dense, sparse }
    }
}

impl From<host::Collection> for Collection {
    fn from(collection: host::Collection) -> Self {
        let host::Collection {
            name,
            config,
            points,
        } = collection;
        let dense = config.dense.map(|dense| {
            let metric = match dense.metric {
                host::Metric::Cosine => Metric::Cosine,
                host::Metric::Dot => Metric::Dot,
                host::Metric::Euclid => Metric::Euclid,
            };
            (dense.dimensions, metric)
        });
        let sparse = config.sparse;
        Self {
            name,
            config: Config { dense, sparse },
            points,
        }
    }
}

impl From<Point> for host::Point {
    fn from(point: Point) -> Self {
        let Point {
            id,
            dense,
            sparse,
            payload,
        } = point;
        Self {
            id,
            dense,
            sparse: sparse.map(Into::into),
            payload: payload.to_string(),
        }
    }
}

impl From<Condition> for host::Condition {
    fn from(condition: Condition) -> Self {
        let json = |value: Value| value.to_string();
        match condition {
            Condition::Any { field, values } => Self::Any(host::AnyOf {
                field,
                values: values.into_iter().map(json).collect(),
            }),
            Condition::Between {
                field,
                at_least,
                less_than,
            } => Self::Between(host::Range {
                field,
                at_least: at_least.map(json),
                less_than: less_than.map(json),
            }),
            Condition::Ids(ids) => Self::Ids(ids),
        }
    }
}

impl From<Filter> for host::Filter {
    fn from(Filter { must, must_not }: Filter) -> Self {
        Self {
            must: must.into_iter().map(Into::into).collect(),
            must_not: must_not.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Query> for host::Query {
    fn from(query: Query) -> Self {
        let Query {
            dense,
            sparse,
            filter,
            candidates,
            offset,
            limit,
            with_payload,
        } = query;
        Self {
            dense,
            sparse: sparse.map(Into::into),
            filter: Some(filter.into()),
            candidates,
            offset,
            limit,
            with_payload,
        }
    }
}
