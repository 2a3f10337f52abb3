//! The host side of `sbd:platform/vectors`. The store is free while a call waits.

use crate::backend::Backend;
use crate::bindings::vectors as wit;
use crate::{Error, Vectors, VectorsCtx};
use sbd_metering::{Charge, Metered, OverLimit};
use sbd_vectors_search::{
    Condition, Config, Dense, Described, Filter, Hit, Metric, Place, Point, Query, Refused, Scalar,
    Sparse,
};
use std::sync::Arc;
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl wit::Host for VectorsCtx {}

impl<T: Metered> wit::HostWithStore<T> for Vectors {
    async fn create(
        store: &Accessor<T, Self>,
        name: String,
        config: wit::Config,
    ) -> Result<(), wit::Error> {
        let call = called(store, "create", name.len())?;
        let create = call.backend.create(&call.component, name, config.into());
        call.told(create.await)
    }

    async fn collections(store: &Accessor<T, Self>) -> Result<Vec<wit::Collection>, wit::Error> {
        let call = called(store, "collections", 0)?;
        let collections = call.told(call.backend.collections(&call.component).await)?;
        call.charge
            .answer(collections.iter().map(|one| one.name.len()).sum())?;
        Ok(collections.into_iter().map(Into::into).collect())
    }

    async fn drop(store: &Accessor<T, Self>, name: String) -> Result<bool, wit::Error> {
        let call = called(store, "drop", name.len())?;
        let drop = call.backend.drop_collection(&call.component, name);
        call.told(drop.await)
    }

    async fn upsert(
        store: &Accessor<T, Self>,
        collection: String,
        points: Vec<wit::Point>,
    ) -> Result<(), wit::Error> {
        let points: Vec<Point> = points.into_iter().map(Into::into).collect();
        let bytes = collection.len() + points.iter().map(Point::bytes).sum::<usize>();
        let call = called(store, "upsert", bytes)?;
        let upsert = call.backend.upsert(&call.component, collection, points);
        call.told(upsert.await)
    }

    async fn delete(
        store: &Accessor<T, Self>,
        collection: String,
        filter: wit::Filter,
    ) -> Result<u64, wit::Error> {
        let bytes = collection.len() + bytes_of_filter(&filter);
        let call = called(store, "delete", bytes)?;
        let filter = read_filter(Some(filter))?;
        let delete = call.backend.delete(&call.component, collection, filter);
        call.told(delete.await)
    }

    async fn search(
        store: &Accessor<T, Self>,
        collection: String,
        query: wit::Query,
    ) -> Result<Vec<wit::Hit>, wit::Error> {
        let wit::Query {
            dense,
            sparse,
            filter,
            candidates,
            offset,
            limit,
            with_payload,
        } = query;
        let bytes = collection.len()
            + dense.as_ref().map_or(0, |dense| 4 * dense.len())
            + sparse.as_ref().map_or(0, |sparse| 8 * sparse.terms.len())
            + filter.as_ref().map_or(0, bytes_of_filter);
        let call = called(store, "search", bytes)?;
        let query = Query {
            dense,
            sparse: sparse.map(Into::into),
            filter: read_filter(filter)?,
            candidates,
            offset,
            limit,
            with_payload,
        };
        let search = call.backend.search(&call.component, collection, query);
        let hits = call.told(search.await)?;
        call.charge.answer(hits.iter().map(bytes_of_hit).sum())?;
        Ok(hits.into_iter().map(Into::into).collect())
    }

    async fn count(
        store: &Accessor<T, Self>,
        collection: String,
        filter: Option<wit::Filter>,
    ) -> Result<u64, wit::Error> {
        let bytes = collection.len() + filter.as_ref().map_or(0, bytes_of_filter);
        let call = called(store, "count", bytes)?;
        let filter = read_filter(filter)?;
        let count = call.backend.count(&call.component, collection, filter);
        call.told(count.await)
    }

    async fn scroll(
        store: &Accessor<T, Self>,
        collection: String,
        filter: Option<wit::Filter>,
        cursor: Option<String>,
        limit: u32,
        with_vectors: bool,
    ) -> Result<wit::Page, wit::Error> {
        let bytes = collection.len()
            + filter.as_ref().map_or(0, bytes_of_filter)
            + cursor.as_ref().map_or(0, String::len);
        let call = called(store, "scroll", bytes)?;
        let filter = read_filter(filter)?;
        let scroll = call.backend.scroll(
            &call.component,
            collection,
            filter,
            cursor,
            limit,
            with_vectors,
        );
        let page = call.told(scroll.await)?;
        call.charge
            .answer(page.points.iter().map(Point::bytes).sum())?;
        Ok(wit::Page {
            points: page.points.into_iter().map(Into::into).collect(),
            next: page.next,
        })
    }
}

/// A call that has been charged, with what it needs taken out of the store, so that the store is free
/// meanwhile.
struct Called {
    backend: Arc<dyn Backend>,
    component: Arc<str>,
    charge: Charge,
}

fn called<T: Metered>(
    store: &Accessor<T, Vectors>,
    operation: &'static str,
    bytes: usize,
) -> Result<Called, OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "vectors", operation, bytes)?;
        let ctx = access.get();
        Ok(Called {
            backend: Arc::clone(&ctx.backend),
            component: Arc::clone(&ctx.component),
            charge,
        })
    })
}

// === impl Called ===

impl Called {
    /// Tells the host which quota refused a write; the guest learns that there is no room.
    fn told<R>(&self, result: Result<R, Error>) -> Result<R, wit::Error> {
        if let Err(Error::Quota(limit)) = &result {
            self.charge.refused(limit);
        }
        Ok(result?)
    }
}

fn bytes_of_filter(filter: &wit::Filter) -> usize {
    let texts = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let bytes = |condition: &wit::Condition| match condition {
        wit::Condition::Any(any) => any.field.len() + texts(&any.values),
        wit::Condition::Between(range) => {
            let bounds = range.at_least.iter().chain(&range.less_than);
            range.field.len() + bounds.map(String::len).sum::<usize>()
        }
        wit::Condition::Ids(ids) => texts(ids),
    };
    filter.must.iter().chain(&filter.must_not).map(bytes).sum()
}

fn bytes_of_hit(hit: &Hit) -> usize {
    hit.id.len() + hit.payload.as_ref().map_or(0, String::len)
}

fn read_filter(filter: Option<wit::Filter>) -> Result<Filter, Refused> {
    let Some(wit::Filter { must, must_not }) = filter else {
        return Ok(Filter::default());
    };
    let read = |conditions: Vec<wit::Condition>| {
        let conditions = conditions.into_iter().map(read_condition);
        conditions.collect::<Result<Vec<_>, _>>()
    };
    Ok(Filter {
        must: read(must)?,
        must_not: read(must_not)?,
    })
}

fn read_condition(condition: wit::Condition) -> Result<Condition, Refused> {
    let scalar = |json: Option<String>| json.map(|json| Scalar::read(&json)).transpose();
    Ok(match condition {
        wit::Condition::Any(wit::AnyOf { field, values }) => {
            let values = values.iter().map(|json| Scalar::read(json));
            let values = values.collect::<Result<_, _>>()?;
            Condition::Any { field, values }
        }
        wit::Condition::Between(wit::Range {
            field,
            at_least,
            less_than,
        }) => Condition::Between {
            field,
            at_least: scalar(at_least)?,
            less_than: scalar(less_than)?,
        },
        wit::Condition::Ids(ids) => Condition::Ids(ids),
    })
}

impl From<OverLimit> for wit::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Refused> for wit::Error {
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

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refused) => refused.into(),
            Error::Full | Error::Quota(_) => Self::Full,
            Error::Busy | Error::Unavailable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<wit::Config> for Config {
    fn from(wit::Config { dense, sparse }: wit::Config) -> Self {
        let dense = dense.map(|dense| Dense {
            dimensions: dense.dimensions,
            metric: match dense.metric {
                wit::Metric::Cosine => Metric::Cosine,
                wit::Metric::Dot => Metric::Dot,
                wit::Metric::Euclid => Metric::Euclid,
            },
        });
        Self { dense, sparse }
    }
}

impl From<Described> for wit::Collection {
    fn from(described: Described) -> Self {
        let Described {
            name,
            config: Config { dense, sparse },
            points,
        } = described;
        let dense = dense.map(|dense| wit::DenseConfig {
            dimensions: dense.dimensions,
            metric: match dense.metric {
                Metric::Cosine => wit::Metric::Cosine,
                Metric::Dot => wit::Metric::Dot,
                Metric::Euclid => wit::Metric::Euclid,
            },
        });
        Self {
            name,
            config: wit::Config { dense, sparse },
            points,
        }
    }
}

impl From<wit::Sparse> for Sparse {
    fn from(wit::Sparse { terms, weights }: wit::Sparse) -> Self {
        Self { terms, weights }
    }
}

impl From<wit::Point> for Point {
    fn from(point: wit::Point) -> Self {
        let wit::Point {
            id,
            dense,
            sparse,
            payload,
        } = point;
        Self {
            id,
            dense,
            sparse: sparse.map(Into::into),
            payload,
        }
    }
}

impl From<Point> for wit::Point {
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
            sparse: sparse.map(|Sparse { terms, weights }| wit::Sparse { terms, weights }),
            payload,
        }
    }
}

impl From<Hit> for wit::Hit {
    fn from(hit: Hit) -> Self {
        let place = |Place { rank, score }| wit::Place { rank, score };
        let Hit {
            id,
            score,
            dense,
            sparse,
            payload,
        } = hit;
        Self {
            id,
            score,
            dense: dense.map(place),
            sparse: sparse.map(place),
            payload,
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
