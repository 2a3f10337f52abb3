//! What every store of vectors does. What it has to find is what the plain collections of `sbd-vectors-search` find.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sbd_vectors::{Backend, Error};
use sbd_vectors_search::{
    Collections, Condition, Config, Dense, Filter, Hit, Metric, Point, Query, Refused, Scalar,
    Sparse,
};
use std::collections::BTreeSet;

/// A backend under test.
pub(crate) trait Opened {
    type Backend: Backend + Clone;

    fn backend(&self) -> &Self::Backend;

    /// After the server was stopped and started.
    fn opened_anew(self) -> Self;
}

/// The component that asks.
const ME: &str = "knowledge";
const DIMENSIONS: u32 = 4;

/// Makes one test of each check for the backend that `$open` opens.
macro_rules! conformance {
    ($open:path) => {
        conformance! { $open:
            points_are_found_by_their_vectors
            what_is_answered_is_kept
            a_point_is_replaced_as_a_whole
            points_go_by_id_and_by_filter
            all_or_none
            pages_go_through_all_points_by_their_ids
            components_do_not_see_each_other
            a_dropped_collection_leaves_nothing
            what_means_nothing_is_refused
            a_quota_bounds_what_is_kept_and_only_growth_is_refused
            searches_and_changes_at_once_see_whole_changes
            the_best_of_many_are_exact
        }

        #[test]
        fn whatever_is_done_it_finds_what_plain_collections_find() {
            $crate::suite::whatever_is_done($open);
        }
    };
    ($open:path: $($test:ident)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $crate::suite::$test($open()).await;
        })+
    };
}

fn both() -> Config {
    config(Metric::Cosine)
}

fn config(metric: Metric) -> Config {
    let dimensions = DIMENSIONS;
    Config {
        dense: Some(Dense { dimensions, metric }),
        sparse: true,
    }
}

fn sparse(terms: &[(u32, f32)]) -> Sparse {
    let (terms, weights) = terms.iter().copied().unzip();
    Sparse { terms, weights }
}

fn point(id: &str, dense: [f32; 4], terms: &[(u32, f32)], payload: &str) -> Point {
    Point {
        id: id.to_owned(),
        dense: Some(dense.to_vec()),
        sparse: Some(sparse(terms)),
        payload: payload.to_owned(),
    }
}

fn query(dense: Option<[f32; 4]>, terms: Option<&[(u32, f32)]>) -> Query {
    Query {
        dense: dense.map(|dense| dense.to_vec()),
        sparse: terms.map(sparse),
        candidates: 100,
        limit: 10,
        ..Query::default()
    }
}

fn is(field: &str, value: &str) -> Filter {
    Filter {
        must: vec![Condition::Any {
            field: field.to_owned(),
            values: vec![Scalar::Text(value.to_owned())],
        }],
        must_not: vec![],
    }
}

fn by_ids(ids: &[&str]) -> Filter {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Filter {
        must: vec![Condition::Ids(ids)],
        must_not: vec![],
    }
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| &*hit.id).collect()
}

async fn filled(backend: &impl Backend) {
    backend
        .create(ME, "notes".to_owned(), both())
        .await
        .unwrap();
    let points = vec![
        point(
            "a",
            [1.0, 0.0, 0.0, 0.0],
            &[(1, 1.0), (2, 1.0)],
            r#"{"library":"x","page":1}"#,
        ),
        point(
            "b",
            [0.9, 0.1, 0.0, 0.0],
            &[(1, 2.0)],
            r#"{"library":"y","page":2}"#,
        ),
        point(
            "c",
            [0.0, 1.0, 0.0, 0.0],
            &[(3, 1.0)],
            r#"{"library":"x","page":3}"#,
        ),
    ];
    backend
        .upsert(ME, "notes".to_owned(), points)
        .await
        .unwrap();
}

async fn search(backend: &impl Backend, query: Query) -> Vec<Hit> {
    backend.search(ME, "notes".to_owned(), query).await.unwrap()
}

async fn count(backend: &impl Backend, filter: Filter) -> u64 {
    backend.count(ME, "notes".to_owned(), filter).await.unwrap()
}

pub(crate) async fn points_are_found_by_their_vectors(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let dense = query(Some([1.0, 0.0, 0.0, 0.0]), None);
    let hits = search(backend, dense.clone()).await;
    assert_eq!(ids(&hits), ["a", "b", "c"]);
    assert_eq!(hits[0].score, 1.0);
    assert!(hits[0].payload.is_none() && hits[0].sparse.is_none());

    let filter = is("library", "x");
    let hits = search(
        backend,
        Query {
            filter,
            with_payload: true,
            ..dense.clone()
        },
    )
    .await;
    assert_eq!(ids(&hits), ["a", "c"]);
    assert_eq!(
        hits[1].payload.as_deref(),
        Some(r#"{"library":"x","page":3}"#)
    );

    let hits = search(backend, query(None, Some(&[(1, 1.0), (3, 1.0)]))).await;
    assert_eq!(ids(&hits), ["c", "b", "a"]);

    let hits = search(
        backend,
        query(Some([1.0, 0.0, 0.0, 0.0]), Some(&[(3, 1.0)])),
    )
    .await;
    assert_eq!(ids(&hits), ["c", "a", "b"]);
    assert_eq!(hits[0].dense.unwrap().rank, 3);
    assert_eq!(hits[0].sparse.unwrap().rank, 1);

    let hits = search(
        backend,
        Query {
            offset: 1,
            limit: 1,
            ..dense
        },
    )
    .await;
    assert_eq!(ids(&hits), ["b"]);
    assert_eq!(hits[0].dense.unwrap().rank, 2);
    assert!(
        search(backend, query(None, Some(&[(9, 1.0)])))
            .await
            .is_empty()
    );
    assert!(search(backend, query(None, Some(&[]))).await.is_empty());
}

pub(crate) async fn what_is_answered_is_kept(opened: impl Opened) {
    filled(opened.backend()).await;
    let asked = query(Some([0.2, 0.9, 0.0, 0.0]), Some(&[(1, 1.0), (2, 3.0)]));
    let before = search(opened.backend(), asked.clone()).await;
    let opened = opened.opened_anew();
    assert_eq!(search(opened.backend(), asked).await, before);
    let described = opened.backend().collections(ME).await.unwrap();
    assert_eq!(described.len(), 1);
    assert_eq!((&*described[0].name, described[0].points), ("notes", 3));
    assert_eq!(described[0].config, both());
}

pub(crate) async fn a_point_is_replaced_as_a_whole(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let other = Point {
        id: "a".to_owned(),
        dense: None,
        sparse: Some(sparse(&[(7, 1.0)])),
        payload: r#"{"library":"z"}"#.to_owned(),
    };
    search(backend, query(None, Some(&[(2, 1.0)]))).await;
    backend
        .upsert(ME, "notes".to_owned(), vec![other])
        .await
        .unwrap();
    assert!(
        search(backend, query(None, Some(&[(2, 1.0)])))
            .await
            .is_empty()
    );
    assert_eq!(
        ids(&search(backend, query(None, Some(&[(7, 1.0)]))).await),
        ["a"]
    );
    let hits = search(backend, query(Some([1.0, 0.0, 0.0, 0.0]), None)).await;
    assert_eq!(ids(&hits), ["b", "c"]);
    assert_eq!(count(backend, is("library", "x")).await, 1);
    assert_eq!(count(backend, is("library", "z")).await, 1);
    assert_eq!(count(backend, Filter::default()).await, 3);
}

pub(crate) async fn points_go_by_id_and_by_filter(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let delete = |filter| backend.delete(ME, "notes".to_owned(), filter);
    // Ids beside another condition: both hold.
    let both = Filter {
        must_not: is("library", "x").must,
        ..by_ids(&["a", "b", "nobody"])
    };
    assert_eq!(delete(both).await, Ok(1));
    assert_eq!(delete(is("library", "x")).await, Ok(2));
    assert_eq!(delete(is("library", "x")).await, Ok(0));
    assert_eq!(count(backend, Filter::default()).await, 0);
    assert!(
        search(backend, query(Some([1.0; 4]), Some(&[(1, 1.0)])))
            .await
            .is_empty()
    );
    assert_eq!(backend.stored(ME).await, Ok((0, 0)));
    let all = delete(Filter::default()).await;
    assert!(
        matches!(all, Err(Error::Refused(Refused::Invalid(_)))),
        "{all:?}"
    );
    // What was deleted may come again.
    filled(backend).await;
    assert_eq!(search(backend, query(Some([1.0; 4]), None)).await.len(), 3);
}

pub(crate) async fn all_or_none(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let good = point("d", [1.0; 4], &[], "{}");
    for bad in [
        point("e", [f32::NAN, 0.0, 0.0, 0.0], &[], "{}"),
        point("e", [0.0; 4], &[], "{}"),
        point("e", [1.0; 4], &[(1, 1.0), (1, 1.0)], "{}"),
        point("e", [1.0; 4], &[], "[]"),
        point("d", [1.0; 4], &[], "{}"),
        Point {
            dense: Some(vec![1.0; 5]),
            ..good.clone()
        },
    ] {
        let refused = backend
            .upsert(ME, "notes".to_owned(), vec![good.clone(), bad])
            .await;
        assert!(
            matches!(refused, Err(Error::Refused(Refused::Invalid(_)))),
            "{refused:?}"
        );
    }
    let many = (0..1001).map(|id| point(&id.to_string(), [1.0; 4], &[], "{}"));
    let many = backend.upsert(ME, "notes".to_owned(), many.collect()).await;
    assert!(
        matches!(many, Err(Error::Refused(Refused::Invalid(_)))),
        "{many:?}"
    );
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(16 << 10));
    let large = backend
        .upsert(
            ME,
            "notes".to_owned(),
            vec![point("e", [1.0; 4], &[], &large)],
        )
        .await;
    assert!(
        matches!(large, Err(Error::Refused(Refused::Invalid(_)))),
        "{large:?}"
    );
    assert_eq!(count(backend, Filter::default()).await, 3);
}

pub(crate) async fn pages_go_through_all_points_by_their_ids(opened: impl Opened) {
    let backend = opened.backend();
    backend
        .create(ME, "notes".to_owned(), both())
        .await
        .unwrap();
    let name = |number: i32| format!("p{number:03}");
    let points: Vec<_> = (0..250)
        .map(|number| {
            let payload = format!(r#"{{"third":{}}}"#, number % 3 == 0);
            point(&name(number), [1.0, 0.0, 0.5, 0.0], &[(1, 1.0)], &payload)
        })
        .collect();
    backend
        .upsert(ME, "notes".to_owned(), points.clone())
        .await
        .unwrap();
    let third = Filter {
        must: vec![Condition::Any {
            field: "third".to_owned(),
            values: vec![Scalar::Boolean(true)],
        }],
        must_not: vec![],
    };
    for (filter, step) in [(Filter::default(), 1), (third, 3)] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = backend
                .scroll(
                    ME,
                    "notes".to_owned(),
                    filter.clone(),
                    cursor.take(),
                    40,
                    true,
                )
                .await
                .unwrap();
            seen.extend(page.points);
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let all: Vec<_> = points.iter().step_by(step).cloned().collect();
        assert_eq!(seen, all);
    }
    let scroll = backend.scroll(ME, "notes".to_owned(), Filter::default(), None, 1000, false);
    let page = scroll.await.unwrap();
    assert!(
        page.points
            .iter()
            .all(|point| point.dense.is_none() && point.sparse.is_none())
    );
    assert_eq!((page.points.len(), page.next), (250, None));
}

pub(crate) async fn components_do_not_see_each_other(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let other = "notes-of-others";
    assert!(backend.collections(other).await.unwrap().is_empty());
    let asked = query(Some([1.0; 4]), None);
    let unknown = backend
        .search(other, "notes".to_owned(), asked.clone())
        .await;
    assert!(
        matches!(unknown, Err(Error::Refused(Refused::NotFound(_)))),
        "{unknown:?}"
    );
    backend
        .create(other, "notes".to_owned(), config(Metric::Dot))
        .await
        .unwrap();
    assert!(
        backend
            .search(other, "notes".to_owned(), asked)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        backend.drop_collection(other, "notes".to_owned()).await,
        Ok(true)
    );
    assert_eq!(count(backend, Filter::default()).await, 3);
}

pub(crate) async fn a_dropped_collection_leaves_nothing(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    search(backend, query(Some([1.0; 4]), Some(&[(1, 1.0)]))).await;
    assert_eq!(
        backend.drop_collection(ME, "notes".to_owned()).await,
        Ok(true)
    );
    assert_eq!(
        backend.drop_collection(ME, "notes".to_owned()).await,
        Ok(false)
    );
    assert_eq!(backend.stored(ME).await, Ok((0, 0)));
    for refused in [
        backend
            .count(ME, "notes".to_owned(), Filter::default())
            .await,
        backend.delete(ME, "notes".to_owned(), by_ids(&["a"])).await,
        backend
            .upsert(
                ME,
                "notes".to_owned(),
                vec![point("a", [1.0; 4], &[], "{}")],
            )
            .await
            .map(|()| 0),
    ] {
        assert!(
            matches!(refused, Err(Error::Refused(Refused::NotFound(_)))),
            "{refused:?}"
        );
    }
    // Another of that name has nothing of it.
    backend
        .create(ME, "notes".to_owned(), config(Metric::Dot))
        .await
        .unwrap();
    assert!(
        search(backend, query(Some([1.0; 4]), Some(&[(1, 1.0)])))
            .await
            .is_empty()
    );
}

pub(crate) async fn what_means_nothing_is_refused(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let dimensions = |dimensions| Dense {
        dimensions,
        metric: Metric::Cosine,
    };
    backend
        .create(ME, "notes".to_owned(), both())
        .await
        .unwrap();
    for other in [
        config(Metric::Dot),
        Config {
            sparse: false,
            ..both()
        },
        Config {
            dense: None,
            sparse: true,
        },
        Config {
            dense: Some(dimensions(5)),
            sparse: true,
        },
    ] {
        let differs = backend.create(ME, "notes".to_owned(), other).await;
        assert_eq!(
            differs,
            Err(Error::Refused(Refused::Differs("notes".to_owned())))
        );
    }
    let invalid = |refused: Result<(), Error>| {
        assert!(
            matches!(refused, Err(Error::Refused(Refused::Invalid(_)))),
            "{refused:?}"
        );
    };
    invalid(backend.create(ME, "Notes".to_owned(), both()).await);
    let none = Config {
        dense: None,
        sparse: false,
    };
    invalid(backend.create(ME, "none".to_owned(), none).await);
    let asked = query(Some([1.0; 4]), None);
    let between = Condition::Between {
        field: "page".to_owned(),
        at_least: None,
        less_than: None,
    };
    let nothing = Filter {
        must: vec![between],
        must_not: vec![],
    };
    for bad in [
        Query {
            dense: Some(vec![1.0; 3]),
            ..asked.clone()
        },
        Query {
            dense: Some(vec![0.0; 4]),
            ..asked.clone()
        },
        Query {
            dense: Some(vec![f32::INFINITY; 4]),
            ..asked.clone()
        },
        Query {
            dense: None,
            ..asked.clone()
        },
        Query {
            limit: 1001,
            ..asked.clone()
        },
        Query {
            offset: 10_000,
            ..asked.clone()
        },
        Query {
            filter: nothing.clone(),
            ..asked.clone()
        },
    ] {
        invalid(backend.search(ME, "notes".to_owned(), bad).await.map(drop));
    }
    invalid(
        backend
            .count(ME, "notes".to_owned(), nothing.clone())
            .await
            .map(drop),
    );
    invalid(
        backend
            .delete(ME, "notes".to_owned(), nothing.clone())
            .await
            .map(drop),
    );
    let scroll = |filter, limit| backend.scroll(ME, "notes".to_owned(), filter, None, limit, false);
    invalid(scroll(nothing, 10).await.map(drop));
    invalid(scroll(Filter::default(), 0).await.map(drop));
    // A field that nobody has is no mistake.
    assert_eq!(count(backend, is("nobody", "has it")).await, 0);
}

pub(crate) async fn a_quota_bounds_what_is_kept_and_only_growth_is_refused(opened: impl Opened) {
    let backend = opened.backend();
    filled(backend).await;
    let (points, bytes) = backend.stored(ME).await.unwrap();
    assert_eq!(points, 3);
    assert!(bytes > 0);
    backend.allow(ME, bytes).await.unwrap();
    backend.allow("another", u64::MAX).await.unwrap();
    let more = vec![point("d", [1.0; 4], &[], "{}")];
    let full = backend.upsert(ME, "notes".to_owned(), more.clone()).await;
    assert_eq!(full, Err(Error::Quota("stored_bytes")));
    assert_eq!(backend.stored(ME).await, Ok((points, bytes)));
    assert!(!ids(&search(backend, query(Some([1.0; 4]), None)).await).contains(&"d"));
    // As large as before, or less.
    let same = point(
        "a",
        [0.5; 4],
        &[(1, 1.0), (2, 1.0)],
        r#"{"library":"x","page":9}"#,
    );
    backend
        .upsert(ME, "notes".to_owned(), vec![same])
        .await
        .unwrap();
    backend.allow(ME, 1).await.unwrap();
    assert_eq!(
        backend.delete(ME, "notes".to_owned(), by_ids(&["a"])).await,
        Ok(1)
    );
    backend.allow(ME, bytes).await.unwrap();
    backend.upsert(ME, "notes".to_owned(), more).await.unwrap();
    // It is the component's whole, not a collection's.
    backend.create(ME, "more".to_owned(), both()).await.unwrap();
    let full = backend
        .upsert(
            ME,
            "more".to_owned(),
            vec![point(
                "d",
                [1.0; 4],
                &[(5, 1.0); 1],
                &format!("{{\"a\":\"{}\"}}", "x".repeat(500)),
            )],
        )
        .await;
    assert_eq!(full, Err(Error::Quota("stored_bytes")));
    assert_eq!(
        backend.drop_collection(ME, "notes".to_owned()).await,
        Ok(true)
    );
    assert_eq!(backend.stored(ME).await, Ok((0, 0)));
}

/// Ten points at a time are put and taken together: whoever searches meanwhile sees all of them or none.
pub(crate) async fn searches_and_changes_at_once_see_whole_changes(opened: impl Opened) {
    let backend = opened.backend();
    backend
        .create(ME, "notes".to_owned(), both())
        .await
        .unwrap();
    let writer = backend.clone();
    let writing = tokio::spawn(async move {
        for round in 0..40 {
            let group = |group: i32| {
                let payload = format!(r#"{{"group":"{group}"}}"#);
                let points = (0..10).map(move |number| {
                    point(
                        &format!("{group}-{number}"),
                        [1.0, number as f32, group as f32, 0.0],
                        &[(1, 1.0)],
                        &payload,
                    )
                });
                points.collect::<Vec<_>>()
            };
            writer
                .upsert(ME, "notes".to_owned(), group(round))
                .await
                .unwrap();
            // Again, with new places.
            writer
                .upsert(ME, "notes".to_owned(), group(round))
                .await
                .unwrap();
            if round % 2 == 1 {
                let gone = is("group", &(round - 1).to_string());
                assert_eq!(writer.delete(ME, "notes".to_owned(), gone).await, Ok(10));
            }
        }
    });
    let mut readers = Vec::new();
    for reader in 0..4 {
        let backend = backend.clone();
        readers.push(tokio::spawn(async move {
            let mut most = 0;
            for round in 0..60 {
                let asked = Query {
                    limit: 1000,
                    filter: match round % 3 {
                        0 => is("group", &(round % 40).to_string()),
                        _ => Filter::default(),
                    },
                    ..match reader % 2 {
                        0 => query(Some([1.0; 4]), None),
                        _ => query(None, Some(&[(1, 1.0)])),
                    }
                };
                let hits = search(&backend, asked).await;
                assert_eq!(hits.len() % 10, 0);
                let ids: BTreeSet<_> = ids(&hits).into_iter().collect();
                assert_eq!(ids.len(), hits.len());
                most = most.max(hits.len());
            }
            most
        }));
    }
    writing.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(
        search(
            backend,
            Query {
                limit: 1000,
                ..query(Some([1.0; 4]), None)
            }
        )
        .await
        .len(),
        200
    );
}

/// Of many points that are nearly the same, the best are the best.
pub(crate) async fn the_best_of_many_are_exact(opened: impl Opened) {
    let backend = opened.backend();
    let mut plain = Collections::default();
    for metric in [Metric::Cosine, Metric::Dot, Metric::Euclid] {
        let name = metric.name();
        backend
            .create(ME, name.to_owned(), config(metric))
            .await
            .unwrap();
        plain.create(name, config(metric)).unwrap();
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32
        };
        for batch in 0..4 {
            let points: Vec<_> = (0..500)
                .map(|number| {
                    let near = 1.0 + 0.001 * next();
                    // Some are the same but for their ids.
                    let dense = [
                        near,
                        if number % 5 == 0 { 0.5 } else { near * next() },
                        0.3,
                        0.0,
                    ];
                    point(&format!("{batch}-{number}"), dense, &[], "{}")
                })
                .collect();
            backend
                .upsert(ME, name.to_owned(), points.clone())
                .await
                .unwrap();
            plain.get(name).unwrap().upsert(points).unwrap();
        }
        for dense in [
            [1.0, 0.5, 0.3, 0.0],
            [1.0, 0.0, 0.0, 1.0],
            [-1.0, 0.2, 0.1, 0.0],
        ] {
            let asked = Query {
                limit: 50,
                ..query(Some(dense), None)
            };
            let hits = backend
                .search(ME, name.to_owned(), asked.clone())
                .await
                .unwrap();
            assert_eq!(
                hits,
                plain.get(name).unwrap().search(&asked).unwrap(),
                "{name}"
            );
        }
    }
}

/// Something that is done to a collection.
#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<Point>),
    Delete(Filter),
    Search(Query),
    Scroll(Filter, u32),
    Count(Filter),
    Anew,
}

fn scalars() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        select(vec!["a", "b", "c", ""]).prop_map(|text| Scalar::Text(text.to_owned())),
        (-2_i8..3).prop_map(|number| Scalar::Number(f64::from(number) / 2.0 + 0.0)),
        any::<bool>().prop_map(Scalar::Boolean),
    ]
}

fn payloads() -> impl Strategy<Value = String> {
    let json = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => format!("\"{text}\""),
        Scalar::Number(number) => number.to_string(),
        Scalar::Boolean(boolean) => boolean.to_string(),
    };
    let values = prop::collection::vec(scalars(), 0..3);
    let fields = prop::collection::btree_map(select(vec!["f", "g", "h"]), values, 0..3);
    fields.prop_map(move |fields| {
        let fields = fields.iter().map(|(name, values)| match &**values {
            [value] => format!("\"{name}\":{}", json(value)),
            values => {
                let values: Vec<_> = values.iter().map(json).collect();
                format!("\"{name}\":[{}]", values.join(","))
            }
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    })
}

fn some_ids() -> impl Strategy<Value = String> {
    (0..12_u8).prop_map(|id| format!("p{id}"))
}

fn denses() -> impl Strategy<Value = Vec<f32>> {
    let numbers = prop::collection::vec(-3_i8..4, 4);
    let numbers = numbers.prop_filter("a direction", |numbers| numbers.iter().any(|it| *it != 0));
    numbers.prop_map(|numbers| numbers.into_iter().map(f32::from).collect())
}

fn sparses() -> impl Strategy<Value = Sparse> {
    let terms = prop::collection::btree_map(0..6_u32, 1..4_u8, 0..4);
    terms.prop_map(|terms| {
        let terms = terms.into_iter();
        let (terms, weights) = terms
            .map(|(term, weight)| (term, f32::from(weight) / 2.0))
            .unzip();
        Sparse { terms, weights }
    })
}

fn vectors() -> impl Strategy<Value = (Option<Vec<f32>>, Option<Sparse>)> {
    prop_oneof![
        3 => (denses(), sparses()).prop_map(|(dense, sparse)| (Some(dense), Some(sparse))),
        1 => denses().prop_map(|dense| (Some(dense), None)),
        1 => sparses().prop_map(|sparse| (None, Some(sparse))),
    ]
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let point = (vectors(), payloads());
    let points = prop::collection::btree_map(some_ids(), point, 1..8);
    points.prop_map(|points| {
        let points = points.into_iter();
        let points = points.map(|(id, ((dense, sparse), payload))| Point {
            id,
            dense,
            sparse,
            payload,
        });
        points.collect()
    })
}

fn conditions() -> impl Strategy<Value = Condition> {
    let field = || select(vec!["f", "g", "h", "i"]).prop_map(str::to_owned);
    let bounds = prop_oneof![
        (scalars(), any::<Index>()).prop_filter_map("a bound", |(bound, which)| {
            let is_bound = !matches!(bound, Scalar::Boolean(_));
            is_bound.then(|| match which.index(2) {
                0 => (Some(bound), None),
                _ => (None, Some(bound)),
            })
        }),
        (-2_i8..3, -2_i8..3).prop_map(|(low, high)| {
            let number = |number: i8| Some(Scalar::Number(f64::from(number) / 2.0));
            (number(low), number(high))
        }),
    ];
    prop_oneof![
        (field(), prop::collection::vec(scalars(), 1..3))
            .prop_map(|(field, values)| Condition::Any { field, values }),
        (field(), bounds).prop_map(|(field, (at_least, less_than))| Condition::Between {
            field,
            at_least,
            less_than
        }),
        prop::collection::vec(some_ids(), 1..4).prop_map(Condition::Ids),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let must = prop::collection::vec(conditions(), 0..3);
    let must_not = prop::collection::vec(conditions(), 0..2);
    (must, must_not).prop_map(|(must, must_not)| Filter { must, must_not })
}

fn queries() -> impl Strategy<Value = Query> {
    (
        vectors(),
        filters(),
        (1..8_u32, 0..3_u32, 1..8_u32),
        any::<bool>(),
    )
        .prop_map(
            |((dense, sparse), filter, (candidates, offset, limit), with_payload)| Query {
                dense,
                sparse,
                filter,
                candidates,
                offset,
                limit,
                with_payload,
            },
        )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => points().prop_map(Step::Upsert),
        2 => filters().prop_map(Step::Delete),
        6 => queries().prop_map(Step::Search),
        1 => (filters(), 1..5_u32).prop_map(|(filter, limit)| Step::Scroll(filter, limit)),
        1 => filters().prop_map(Step::Count),
        1 => Just(Step::Anew),
    ];
    prop::collection::vec(step, 1..25)
}

pub(crate) fn whatever_is_done<O: Opened>(open: fn() -> O) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let metrics = select(vec![Metric::Cosine, Metric::Dot, Metric::Euclid]);
    let settings = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(settings, |(steps in steps(), metric in metrics)| {
        runtime.block_on(run(open(), metric, steps))?;
    });
}

async fn run(
    mut opened: impl Opened,
    metric: Metric,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let mut plain = Collections::default();
    let name = || "notes".to_owned();
    opened
        .backend()
        .create(ME, name(), config(metric))
        .await
        .unwrap();
    plain.create("notes", config(metric)).unwrap();
    for step in steps {
        let backend = opened.backend();
        let plain = plain.get("notes").unwrap();
        match step {
            Step::Upsert(points) => {
                backend.upsert(ME, name(), points.clone()).await.unwrap();
                plain.upsert(points).unwrap();
            }
            Step::Delete(filter) => {
                let deleted = backend.delete(ME, name(), filter.clone()).await;
                prop_assert_eq!(deleted, plain.delete(&filter).map_err(Into::into));
            }
            Step::Search(query) => {
                let hits = backend.search(ME, name(), query.clone()).await.unwrap();
                prop_assert_eq!(hits, plain.search(&query).unwrap());
            }
            Step::Scroll(filter, limit) => {
                let page = backend
                    .scroll(ME, name(), filter.clone(), None, limit, true)
                    .await;
                prop_assert_eq!(
                    page.unwrap(),
                    plain.scroll(&filter, None, limit, true).unwrap()
                );
            }
            Step::Count(filter) => {
                let counted = backend.count(ME, name(), filter.clone()).await;
                prop_assert_eq!(counted, Ok(plain.count(&filter).unwrap()));
            }
            Step::Anew => opened = opened.opened_anew(),
        }
    }
    Ok(())
}
