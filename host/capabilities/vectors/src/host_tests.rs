//! The host functions called as a component would call them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use crate::bindings::vectors::{self as wit, HostWithStore as _};
use crate::{Searching, Settings, SqliteVectors, Vectors, VectorsCtx, VectorsView, add_to_linker};
use sbd_capability_testing::{Instance, assert_links, metered, run};
use sbd_metering::Budget;
use sbd_storage::Options;
use std::sync::Arc;
use tempfile::TempDir;

impl VectorsView for Instance<VectorsCtx> {
    fn vectors(&mut self) -> &mut VectorsCtx {
        &mut self.ctx
    }
}

fn ctx() -> (VectorsCtx, Arc<SqliteVectors>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let searching = Arc::new(Searching::new(Settings::default()));
    let path = folder.path().join("vectors.db");
    let backend = Arc::new(SqliteVectors::new(path, Options::default(), searching));
    let ctx = VectorsCtx::new(backend.clone(), "knowledge".into());
    (ctx, backend, folder)
}

fn name() -> String {
    "notes".to_owned()
}

fn config() -> wit::Config {
    wit::Config {
        dense: Some(wit::DenseConfig {
            dimensions: 2,
            metric: wit::Metric::Cosine,
        }),
        sparse: true,
    }
}

fn point(id: &str, payload: &str) -> wit::Point {
    wit::Point {
        id: id.to_owned(),
        dense: Some(vec![0.6, 0.8]),
        sparse: Some(wit::Sparse {
            terms: vec![7],
            weights: vec![1.5],
        }),
        payload: payload.to_owned(),
    }
}

fn filter(field: &str, json: &str) -> wit::Filter {
    let any = wit::AnyOf {
        field: field.to_owned(),
        values: vec![json.to_owned()],
    };
    wit::Filter {
        must: vec![wit::Condition::Any(any)],
        must_not: vec![],
    }
}

fn query(filter: Option<wit::Filter>) -> wit::Query {
    wit::Query {
        dense: Some(vec![0.6, 0.8]),
        sparse: Some(wit::Sparse {
            terms: vec![7],
            weights: vec![1.0],
        }),
        filter,
        candidates: 10,
        offset: 0,
        limit: 10,
        with_payload: true,
    }
}

#[test]
fn it_is_linked_once() {
    assert_links(add_to_linker::<Instance<VectorsCtx>>);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_finds_what_it_has_put() {
    let (ctx, _, _folder) = ctx();
    run::<_, Vectors, _>(ctx, Instance::vectors, async |store| {
        Vectors::create(store, name(), config()).await.unwrap();
        let points = vec![point("a", r#"{"page":1}"#), point("b", r#"{"page":2}"#)];
        Vectors::upsert(store, name(), points).await.unwrap();
        let hits = Vectors::search(store, name(), query(None)).await.unwrap();
        assert_eq!(hits.len(), 2);
        assert_eq!(hits[0].id, "a");
        assert_eq!(hits[0].score, 2.0 / 61.0);
        assert_eq!(hits[1].sparse.unwrap().rank, 2);
        let second = filter("page", "2");
        let hits = Vectors::search(store, name(), query(Some(second.clone()))).await;
        assert_eq!(hits.unwrap()[0].payload.as_deref(), Some(r#"{"page":2}"#));
        assert_eq!(
            Vectors::count(store, name(), Some(second.clone()))
                .await
                .unwrap(),
            1
        );
        let page = Vectors::scroll(store, name(), None, Some("a".to_owned()), 10, true).await;
        let page = page.unwrap();
        assert_eq!(page.points[0].dense.as_deref(), Some(&[0.6, 0.8][..]));
        assert_eq!(Vectors::delete(store, name(), second).await.unwrap(), 1);
        let collections = Vectors::collections(store).await.unwrap();
        assert_eq!((&*collections[0].name, collections[0].points), ("notes", 1));
        assert!(Vectors::drop(store, name()).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do() {
    let (ctx, _, _folder) = ctx();
    run::<_, Vectors, _>(ctx, Instance::vectors, async |store| {
        let unknown = Vectors::search(store, name(), query(None)).await;
        let Err(wit::Error::NotFound(text)) = unknown else {
            panic!("{unknown:?}")
        };
        assert!(text.contains("`create`"), "{text}");
        Vectors::create(store, name(), config()).await.unwrap();
        let other = wit::Config {
            sparse: false,
            ..config()
        };
        let differs = Vectors::create(store, name(), other).await;
        assert!(
            matches!(differs, Err(wit::Error::Differs(_))),
            "{differs:?}"
        );
        for json in ["tea", "null", "[1]", "{}"] {
            let refused = Vectors::count(store, name(), Some(filter("page", json))).await;
            assert!(
                matches!(refused, Err(wit::Error::Invalid(_))),
                "{refused:?}"
            );
        }
        let bad = wit::Point {
            dense: Some(vec![f32::NAN, 0.0]),
            ..point("a", "{}")
        };
        let refused = Vectors::upsert(store, name(), vec![bad]).await;
        let Err(wit::Error::Invalid(text)) = refused else {
            panic!("{refused:?}")
        };
        assert!(text.starts_with("point `a`:"), "{text}");
        let none = wit::Filter {
            must: vec![],
            must_not: vec![],
        };
        let refused = Vectors::delete(store, name(), none).await;
        assert!(
            matches!(refused, Err(wit::Error::Invalid(_))),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_quota_is_told_to_component_and_host() {
    let (ctx, backend, _folder) = ctx();
    let meter = Arc::new(Budget::new(100, 1 << 20));
    let its = meter.clone();
    crate::Backend::allow(&*backend, "knowledge", 90)
        .await
        .unwrap();
    metered::<_, Vectors, _>(ctx, meter, Instance::vectors, async move |store| {
        Vectors::create(store, name(), config()).await.unwrap();
        let full = Vectors::upsert(store, name(), vec![point("a", "{}")]).await;
        assert!(matches!(full, Err(wit::Error::Full)), "{full:?}");
        assert_eq!(its.refused(), Some("stored_bytes"));
        assert_eq!(Vectors::count(store, name(), None).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_brought_and_taken_is_paid_for() {
    let (ctx, _, _folder) = ctx();
    let meter = Arc::new(Budget::new(4, 1 << 20));
    let its = meter.clone();
    metered::<_, Vectors, _>(ctx, meter, Instance::vectors, async move |store| {
        Vectors::create(store, name(), config()).await.unwrap();
        assert_eq!(its.used(), (1, 5));
        // The collection's name, the id, two numbers, a term with its weight, the payload.
        Vectors::upsert(store, name(), vec![point("a", "{}")])
            .await
            .unwrap();
        assert_eq!(its.used(), (2, 5 + 5 + 1 + 8 + 8 + 2));
        // The name and two vectors there, the id and the payload back.
        Vectors::search(store, name(), query(None)).await.unwrap();
        assert_eq!(its.used(), (3, 29 + 5 + 8 + 8 + 1 + 2));
        Vectors::collections(store).await.unwrap();
        let over = Vectors::collections(store).await;
        assert!(matches!(over, Err(wit::Error::Limit(_))), "{over:?}");
    })
    .await;
}
