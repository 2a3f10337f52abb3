//! What a search means.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use sbd_vectors_search::{
    Collection, Collections, Condition, Config, Dense, Fields, Filter, Found, Metric, Point, Query,
    Refused, Scalar, Sparse, best, fuse, inverse_frequency, norm, score,
};

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

fn any(field: &str, values: &[Scalar]) -> Condition {
    Condition::Any {
        field: field.to_owned(),
        values: values.to_vec(),
    }
}

fn between(field: &str, at_least: Option<Scalar>, less_than: Option<Scalar>) -> Condition {
    Condition::Between {
        field: field.to_owned(),
        at_least,
        less_than,
    }
}

fn must(condition: Condition) -> Filter {
    Filter {
        must: vec![condition],
        must_not: vec![],
    }
}

#[test]
fn a_filter_means_what_its_fields_hold() {
    let fields = Fields::read(
        r#"{"kind":"pdf","tags":["a","b",null,{"c":1}],"page":3,"at":"2026-01-02","draft":false,"deep":{"kind":"x"},"none":null}"#,
    )
    .unwrap();
    let number = Scalar::Number;
    for (condition, holds) in [
        (any("kind", &[text("pdf")]), true),
        (any("kind", &[text("doc"), text("pdf")]), true),
        (any("kind", &[text("PDF")]), false),
        (any("tags", &[text("b")]), true),
        (any("tags", &[text("c")]), false),
        (any("page", &[number(3.0)]), true),
        (any("page", &[text("3")]), false),
        (any("draft", &[Scalar::Boolean(false)]), true),
        (any("deep", &[text("x")]), false),
        (any("none", &[text("null")]), false),
        (any("missing", &[text("x")]), false),
        (between("page", Some(number(3.0)), None), true),
        (between("page", None, Some(number(3.0))), false),
        (between("page", Some(number(2.5)), Some(number(3.5))), true),
        (
            between("at", Some(text("2026-01-01")), Some(text("2026-02-01"))),
            true,
        ),
        (between("at", Some(text("2026-02-01")), None), false),
        (between("at", Some(number(0.0)), None), false),
        (between("tags", Some(text("b")), None), true),
        (between("missing", None, Some(number(1.0))), false),
        (Condition::Ids(vec!["p".to_owned()]), true),
        (Condition::Ids(vec!["q".to_owned()]), false),
    ] {
        let filter = must(condition.clone());
        assert!(filter.check().is_ok(), "{condition:?}");
        assert_eq!(filter.fits("p", &fields), holds, "{condition:?}");
        let not = Filter {
            must: vec![],
            must_not: vec![condition],
        };
        assert_eq!(not.fits("p", &fields), !holds);
    }
    assert!(Filter::default().fits("p", &fields));
}

#[test]
fn conditions_that_mean_nothing_are_refused() {
    let long = "x".repeat(257);
    assert!(Scalar::read(&format!("\"{long}\"")).is_err());
    for json in ["null", "[1]", "{}", "tea", "", "1e999"] {
        assert!(Scalar::read(json).is_err(), "{json}");
    }
    let many = |count: usize| vec![Scalar::Boolean(true); count];
    for filter in [
        must(any("a", &[])),
        must(any("a", &many(1001))),
        must(between("a", None, None)),
        must(between("a", Some(text("a")), Some(Scalar::Number(1.0)))),
        must(between("a", Some(Scalar::Boolean(true)), None)),
        must(Condition::Ids(vec![])),
        must(Condition::Ids(vec![String::new()])),
        Filter {
            must: vec![any("a", &many(1)); 65],
            must_not: vec![],
        },
    ] {
        assert!(matches!(filter.check(), Err(Refused::Invalid(_))));
    }
}

fn dense(dimensions: u32, metric: Metric) -> Config {
    Config {
        dense: Some(Dense { dimensions, metric }),
        sparse: true,
    }
}

fn point(id: &str, dense: Option<&[f32]>) -> Point {
    Point {
        id: id.to_owned(),
        dense: dense.map(<[f32]>::to_vec),
        sparse: dense.is_none().then(|| Sparse {
            terms: vec![1],
            weights: vec![1.0],
        }),
        payload: "{}".to_owned(),
    }
}

fn collection(config: Config) -> Collection {
    let mut all = Collections::default();
    all.create("a", config).unwrap();
    all.get("a").unwrap().clone()
}

#[test]
fn points_that_do_not_belong_are_refused_with_what_to_do() {
    let mut cosine = collection(dense(2, Metric::Cosine));
    let sparse = |terms: &[u32], weights: &[f32]| Point {
        sparse: Some(Sparse {
            terms: terms.to_vec(),
            weights: weights.to_vec(),
        }),
        ..point("p", None)
    };
    let payload = |payload: String| Point {
        payload,
        ..point("p", None)
    };
    let bad = [
        (point("p", Some(&[1.0])), "2 numbers"),
        (point("p", Some(&[f32::NAN, 1.0])), "finite"),
        (point("p", Some(&[f32::INFINITY, 1.0])), "finite"),
        (point("p", Some(&[f32::MAX, f32::MAX])), "finite"),
        (point("p", Some(&[0.0, 0.0])), "no direction"),
        (point("p", Some(&[1e-30, 0.0])), "no direction"),
        (point("", Some(&[1.0, 0.0])), "1 to 128 bytes"),
        (point(&"x".repeat(129), Some(&[1.0, 0.0])), "1 to 128 bytes"),
        (sparse(&[1, 1], &[1.0, 1.0]), "once"),
        (sparse(&[1], &[]), "as many weights"),
        (sparse(&[1], &[0.0]), "more than 0"),
        (sparse(&[1], &[-1.0]), "more than 0"),
        (sparse(&[1], &[f32::NAN]), "more than 0"),
        (
            Point {
                sparse: None,
                ..point("p", None)
            },
            "or both",
        ),
        (payload("[]".to_owned()), "JSON object"),
        (payload("{".to_owned()), "JSON object"),
        (
            payload(format!("{{\"a\":\"{}\"}}", "x".repeat(16 << 10))),
            "at most 16384 bytes",
        ),
    ];
    for (point, says) in bad {
        let refused = cosine.upsert(vec![self::point("good", Some(&[1.0, 0.0])), point.clone()]);
        let Err(Refused::Invalid(text)) = refused else {
            panic!("{point:?}")
        };
        assert!(text.contains(says), "{text}");
    }
    assert!(cosine.upsert(vec![]).is_err());
    let many = (0..1001).map(|id| point(&id.to_string(), Some(&[1.0, 0.0])));
    assert!(cosine.upsert(many.collect()).is_err());
    assert!(
        cosine
            .upsert(vec![point("p", None), point("p", None)])
            .is_err()
    );
    assert_eq!(cosine.count(&Filter::default()), Ok(0));
    collection(dense(2, Metric::Dot))
        .upsert(vec![point("p", Some(&[0.0, 0.0]))])
        .unwrap();

    let none = Config {
        dense: None,
        sparse: true,
    };
    assert!(
        collection(none)
            .upsert(vec![point("p", Some(&[1.0]))])
            .is_err()
    );
    let none = Config {
        sparse: false,
        ..dense(2, Metric::Dot)
    };
    assert!(collection(none).upsert(vec![point("p", None)]).is_err());
}

#[test]
fn a_collection_is_made_once_and_as_it_is() {
    let mut all = Collections::default();
    all.create("a", dense(2, Metric::Dot)).unwrap();
    all.create("a", dense(2, Metric::Dot)).unwrap();
    for other in [
        dense(3, Metric::Dot),
        dense(2, Metric::Cosine),
        Config {
            sparse: false,
            ..dense(2, Metric::Dot)
        },
    ] {
        assert_eq!(
            all.create("a", other),
            Err(Refused::Differs("a".to_owned()))
        );
    }
    for name in ["", "A", "a b", "ä", &"a".repeat(65)] {
        assert!(matches!(
            all.create(name, dense(2, Metric::Dot)),
            Err(Refused::Invalid(_))
        ));
    }
    for config in [
        Config {
            dense: None,
            sparse: false,
        },
        dense(0, Metric::Dot),
        dense(4097, Metric::Dot),
    ] {
        assert!(matches!(all.create("b", config), Err(Refused::Invalid(_))));
    }
    assert!(all.drop("a"));
    assert!(!all.drop("a"));
    assert!(matches!(all.get("a"), Err(Refused::NotFound(_))));
}

#[test]
fn queries_that_mean_nothing_are_refused() {
    let config = dense(2, Metric::Cosine);
    let good = Query {
        dense: Some(vec![1.0, 0.0]),
        candidates: 10,
        limit: 10,
        ..Query::default()
    };
    good.check(&config).unwrap();
    for bad in [
        Query {
            dense: None,
            ..good.clone()
        },
        Query {
            dense: Some(vec![1.0]),
            ..good.clone()
        },
        Query {
            dense: Some(vec![0.0, 0.0]),
            ..good.clone()
        },
        Query {
            dense: Some(vec![f32::NAN, 0.0]),
            ..good.clone()
        },
        Query {
            limit: 0,
            ..good.clone()
        },
        Query {
            limit: 1001,
            ..good.clone()
        },
        Query {
            candidates: 0,
            ..good.clone()
        },
        Query {
            candidates: 1001,
            ..good.clone()
        },
        Query {
            offset: 9991,
            ..good.clone()
        },
        Query {
            offset: u32::MAX,
            ..good.clone()
        },
    ] {
        assert!(
            matches!(bad.check(&config), Err(Refused::Invalid(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn keyword_search_prefers_what_is_rare() {
    let mut texts = collection(Config {
        dense: None,
        sparse: true,
    });
    let text = |id: &str, terms: &[u32]| Point {
        sparse: Some(Sparse {
            terms: terms.to_vec(),
            weights: vec![1.0; terms.len()],
        }),
        ..point(id, None)
    };
    texts
        .upsert(vec![
            text("a", &[1, 2]),
            text("b", &[1]),
            text("c", &[1]),
            text("d", &[3]),
        ])
        .unwrap();
    let sparse = Some(Sparse {
        terms: vec![1, 2],
        weights: vec![1.0, 1.0],
    });
    let query = Query {
        sparse,
        candidates: 1,
        limit: 10,
        ..Query::default()
    };
    let hits = texts.search(&query).unwrap();
    let ids: Vec<_> = hits.iter().map(|hit| &*hit.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(hits[1].score, inverse_frequency(4, 3));
    assert_eq!(
        hits[0].score,
        inverse_frequency(4, 3) + inverse_frequency(4, 1)
    );
    assert!(hits[0].dense.is_none());
    assert_eq!(hits[0].sparse.unwrap().rank, 1);
}

fn found(ids: &[&str]) -> Vec<Found> {
    let ids = ids.iter().zip([9.0_f32, 8.0, 7.0, 6.0]);
    ids.map(|(id, score)| Found {
        id: (*id).to_owned(),
        score,
    })
    .collect()
}

#[test]
fn ranks_are_fused_reciprocally() {
    let hits = fuse(found(&["a", "b", "c"]), found(&["c", "d"]));
    let ids: Vec<_> = hits.iter().map(|hit| &*hit.id).collect();
    assert_eq!(ids, ["c", "a", "b", "d"]);
    assert_eq!(hits[0].score, 1.0_f32 / 63.0 + 1.0 / 61.0);
    assert_eq!(hits[2].score, hits[3].score);
    assert_eq!(hits[0].dense.unwrap().rank, 3);
    assert_eq!(hits[0].sparse.unwrap().score, 9.0);
}

proptest! {
    #[test]
    fn the_best_are_those_of_a_whole_sort(scores in prop::collection::vec(-3_i8..3, 0..60), most in 0_usize..70) {
        let all = scores.iter().enumerate();
        let all: Vec<_> = all.map(|(id, score)| Found { id: format!("{id:03}"), score: f32::from(*score) }).collect();
        let mut whole = all.clone();
        whole.sort_by(|one, other| other.score.total_cmp(&one.score).then(one.id.cmp(&other.id)));
        whole.truncate(most);
        prop_assert_eq!(best(all, most), whole);
    }

    #[test]
    fn nothing_is_more_alike_than_itself(vector in prop::collection::vec(-10.0_f32..10.0, 1..70), other in prop::collection::vec(-10.0_f32..10.0, 70)) {
        let other = &other[..vector.len()];
        prop_assume!(norm(&vector) > 0.0 && norm(other) > 0.0);
        for metric in [Metric::Cosine, Metric::Euclid] {
            prop_assert!(score(metric, &vector, other) <= score(metric, &vector, &vector) + 1e-5);
            prop_assert_eq!(score(metric, &vector, other), score(metric, other, &vector));
        }
        let plain: f64 = vector.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum();
        prop_assert!((f64::from(score(Metric::Dot, &vector, other)) - plain).abs() < 0.01);
    }
}
