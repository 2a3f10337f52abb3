//! `vectors` of a test: collections in memory, searched plainly by the code that the host searches with.

use super::world::{World, granted};
pub(crate) use crate::bindings::generated::sbd::platform::vectors::{
    AnyOf, Collection, Condition, Config, DenseConfig, Error, Filter, Hit, Metric, Page, Place,
    Point, Query, Range, Sparse,
};
use sbd_vectors_search as search;
use search::{Refused, Scalar};
use std::rc::Rc;

/// The component's collections.
pub(super) type Collections = search::Collections;

pub(crate) async fn create(name: String, config: Config) -> Result<(), Error> {
    let dense = config.dense.map(|dense| search::Dense {
        dimensions: dense.dimensions,
        metric: match dense.metric {
            Metric::Cosine => search::Metric::Cosine,
            Metric::Dot => search::Metric::Dot,
            Metric::Euclid => search::Metric::Euclid,
        },
    });
    let sparse = config.sparse;
    let config = search::Config { dense, sparse };
    let world = world();
    Ok(world.vectors.borrow_mut().create(&name, config)?)
}

pub(crate) async fn collections() -> Result<Vec<Collection>, Error> {
    let world = world();
    let described = world.vectors.borrow().list();
    let collections = described.into_iter().map(|described| {
        let search::Described {
            name,
            config,
            points,
        } = described;
        let dense = config.dense.map(|dense| DenseConfig {
            dimensions: dense.dimensions,
            metric: match dense.metric {
                search::Metric::Cosine => Metric::Cosine,
                search::Metric::Dot => Metric::Dot,
                search::Metric::Euclid => Metric::Euclid,
            },
        });
        let sparse = config.sparse;
        Collection {
            name,
            config: Config { dense, sparse },
            points,
        }
    });
    Ok(collections.collect())
}

pub(crate) async fn drop(name: String) -> Result<bool, Error> {
    Ok(world().vectors.borrow_mut().drop(&name))
}

pub(crate) async fn upsert(collection: String, points: Vec<Point>) -> Result<(), Error> {
    let points = points.into_iter().map(|point| search::Point {
        id: point.id,
        dense: point.dense,
        sparse: point.sparse.map(sparse),
        payload: point.payload,
    });
    let world = world();
    if world.full.get() {
        return Err(Error::Full);
    }
    let mut vectors = world.vectors.borrow_mut();
    Ok(vectors.get(&collection)?.upsert(points.collect())?)
}

pub(crate) async fn delete(collection: String, filter: Filter) -> Result<u64, Error> {
    let filter = read(Some(filter))?;
    let world = world();
    let mut vectors = world.vectors.borrow_mut();
    Ok(vectors.get(&collection)?.delete(&filter)?)
}

pub(crate) async fn search(collection: String, query: Query) -> Result<Vec<Hit>, Error> {
    let query = search::Query {
        dense: query.dense,
        sparse: query.sparse.map(sparse),
        filter: read(query.filter)?,
        candidates: query.candidates,
        offset: query.offset,
        limit: query.limit,
        with_payload: query.with_payload,
    };
    let world = world();
    let mut vectors = world.vectors.borrow_mut();
    let hits = vectors.get(&collection)?.search(&query)?;
    let place = |search::Place { rank, score }| Place { rank, score };
    let hits = hits.into_iter().map(|hit| Hit {
        id: hit.id,
        score: hit.score,
        dense: hit.dense.map(place),
        sparse: hit.sparse.map(place),
        payload: hit.payload,
    });
    Ok(hits.collect())
}

pub(crate) async fn count(collection: String, filter: Option<Filter>) -> Result<u64, Error> {
    let filter = read(filter)?;
    let world = world();
    let mut vectors = world.vectors.borrow_mut();
    Ok(vectors.get(&collection)?.count(&filter)?)
}

pub(crate) async fn scroll(
    collection: String,
    filter: Option<Filter>,
    cursor: Option<String>,
    limit: u32,
    with_vectors: bool,
) -> Result<Page, Error> {
    let filter = read(filter)?;
    let world = world();
    let mut vectors = world.vectors.borrow_mut();
    let collection = vectors.get(&collection)?;
    let page = collection.scroll(&filter, cursor.as_deref(), limit, with_vectors)?;
    let points = page.points.into_iter().map(|point| Point {
        id: point.id,
        dense: point.dense,
        sparse: point
            .sparse
            .map(|search::Sparse { terms, weights }| Sparse { terms, weights }),
        payload: point.payload,
    });
    Ok(Page {
        points: points.collect(),
        next: page.next,
    })
}

fn world() -> Rc<World> {
    granted("vectors")
}

fn sparse(Sparse { terms, weights }: Sparse) -> search::Sparse {
    search::Sparse { terms, weights }
}

fn read(filter: Option<Filter>) -> Result<search::Filter, Error> {
    let Some(Filter { must, must_not }) = filter else {
        return Ok(search::Filter::default());
    };
    let all = |conditions: Vec<Condition>| {
        let read = conditions.into_iter().map(condition);
        read.collect::<Result<Vec<_>, _>>()
    };
    Ok(search::Filter {
        must: all(must)?,
        must_not: all(must_not)?,
    })
}

fn condition(condition: Condition) -> Result<search::Condition, Error> {
    let scalar = |json: Option<String>| json.map(|json| Scalar::read(&json)).transpose();
    Ok(match condition {
        Condition::Any(AnyOf { field, values }) => search::Condition::Any {
            field,
            values: values
                .iter()
                .map(|json| Scalar::read(json))
                .collect::<Result<_, _>>()?,
        },
        Condition::Between(Range {
            field,
            at_least,
            less_than,
        }) => search::Condition::Between {
            field,
            at_least: scalar(at_least)?,
            less_than: scalar(less_than)?,
        },
        Condition::Ids(ids) => search::Condition::Ids(ids),
    })
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Invalid(_) => Self::Invalid(text),
            Refused::NotFound(_) => Self::NotFound(text),
            Refused::Differs(_) => Self::Differs(text),
            Refused::Limit(_) => Self::Limit(text),
        }
    }
}
