//! What every backend of the cache capability must do.
//!
//! Time is real here, since a backend may keep its own clock. So that a slow machine fails
//! nothing, no check needs a call to be quick: what must be there lives an hour, what must be
//! gone lives a few milliseconds and is asked for long after.

use sbd_cache::{Backend, Error};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const BRIEF: Duration = Duration::from_millis(5);

/// Makes one test of each check for the backend that `$factory` makes.
macro_rules! conformance {
    ($factory:ident) => {
        mod $factory {
            conformance!(
                $factory: values_come_back, components_are_apart, values_expire,
                a_new_value_has_a_new_time, a_swap_has_a_new_time, a_counter_keeps_its_time,
                counters_count, counters_refuse, increments_lose_nothing,
                a_swap_needs_the_present_value, one_of_many_swaps_wins, swaps_lose_nothing
            );
        }
    };
    ($factory:ident: $($check:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                crate::suite::$check(super::$factory().await).await;
            }
        )+
    };
}

async fn long_after_brief() {
    tokio::time::sleep(BRIEF * 10).await;
}

pub(crate) async fn values_come_back(backend: impl Backend) {
    assert_eq!(backend.get("c", "k").await.unwrap(), None);
    for value in [vec![], vec![0, 255, 1], vec![7; 1 << 20]] {
        backend.set("c", "k", value.clone(), HOUR).await.unwrap();
        assert_eq!(backend.get("c", "k").await.unwrap(), Some(value));
    }
    assert!(backend.delete("c", "k").await.unwrap());
    assert!(!backend.delete("c", "k").await.unwrap());
    assert_eq!(backend.get("c", "k").await.unwrap(), None);
}

pub(crate) async fn components_are_apart(backend: impl Backend) {
    // The second pair would collide if component and key were simply put together.
    for (component, key, value) in [("a", "k", 1), ("b", "k", 2), ("ab", "c", 3), ("a", "bc", 4)] {
        backend
            .set(component, key, vec![value], HOUR)
            .await
            .unwrap();
    }
    assert!(backend.delete("a", "k").await.unwrap());
    assert_eq!(backend.get("b", "k").await.unwrap(), Some(vec![2]));
    assert_eq!(backend.get("ab", "c").await.unwrap(), Some(vec![3]));
    assert_eq!(backend.get("a", "bc").await.unwrap(), Some(vec![4]));
}

pub(crate) async fn values_expire(backend: impl Backend) {
    backend.set("c", "brief", vec![1], BRIEF).await.unwrap();
    backend.set("c", "long", vec![1], HOUR).await.unwrap();
    backend.increment("c", "count", 5, BRIEF).await.unwrap();
    long_after_brief().await;
    assert_eq!(backend.get("c", "brief").await.unwrap(), None);
    assert!(!backend.delete("c", "brief").await.unwrap());
    assert_eq!(backend.get("c", "long").await.unwrap(), Some(vec![1]));
    assert_eq!(backend.increment("c", "count", 1, HOUR).await.unwrap(), 1);
    assert!(
        backend
            .compare_and_set("c", "brief", None, vec![2], HOUR)
            .await
            .unwrap()
    );
}

pub(crate) async fn a_new_value_has_a_new_time(backend: impl Backend) {
    backend.set("c", "longer", vec![1], BRIEF).await.unwrap();
    backend.set("c", "longer", vec![2], HOUR).await.unwrap();
    backend.set("c", "shorter", vec![1], HOUR).await.unwrap();
    backend.set("c", "shorter", vec![2], BRIEF).await.unwrap();
    long_after_brief().await;
    assert_eq!(backend.get("c", "longer").await.unwrap(), Some(vec![2]));
    assert_eq!(backend.get("c", "shorter").await.unwrap(), None);
}

pub(crate) async fn a_swap_has_a_new_time(backend: impl Backend) {
    backend.set("c", "k", vec![1], HOUR).await.unwrap();
    assert!(
        backend
            .compare_and_set("c", "k", Some(vec![1]), vec![2], BRIEF)
            .await
            .unwrap()
    );
    backend.set("c", "kept", vec![1], HOUR).await.unwrap();
    assert!(
        !backend
            .compare_and_set("c", "kept", None, vec![2], BRIEF)
            .await
            .unwrap()
    );
    long_after_brief().await;
    assert_eq!(backend.get("c", "k").await.unwrap(), None);
    assert_eq!(backend.get("c", "kept").await.unwrap(), Some(vec![1]));
}

pub(crate) async fn a_counter_keeps_its_time(backend: impl Backend) {
    assert_eq!(backend.increment("c", "n", 1, HOUR).await.unwrap(), 1);
    assert_eq!(backend.increment("c", "n", 1, BRIEF).await.unwrap(), 2);
    long_after_brief().await;
    assert_eq!(backend.increment("c", "n", 1, BRIEF).await.unwrap(), 3);
}

pub(crate) async fn counters_count(backend: impl Backend) {
    assert_eq!(backend.increment("c", "n", 5, HOUR).await.unwrap(), 5);
    assert_eq!(backend.increment("c", "n", -7, HOUR).await.unwrap(), -2);
    assert_eq!(backend.get("c", "n").await.unwrap(), Some(b"-2".to_vec()));
    backend.set("c", "n", b"40".to_vec(), HOUR).await.unwrap();
    assert_eq!(backend.increment("c", "n", 2, HOUR).await.unwrap(), 42);
}

pub(crate) async fn counters_refuse(backend: impl Backend) {
    for text in ["", "twelve", "1.5", " 1", "+1", "01", "9223372036854775808"] {
        backend.set("c", "text", text.into(), HOUR).await.unwrap();
        let refused = backend.increment("c", "text", 1, HOUR).await;
        assert_eq!(
            refused,
            Err(Error::NotACounter("text".to_owned())),
            "{text:?}"
        );
        assert_eq!(backend.get("c", "text").await.unwrap(), Some(text.into()));
    }
    backend.increment("c", "n", i64::MIN, HOUR).await.unwrap();
    let refused = backend.increment("c", "n", -1, HOUR).await;
    assert_eq!(refused, Err(Error::Overflow("n".to_owned())));
    assert_eq!(
        backend.increment("c", "n", 0, HOUR).await.unwrap(),
        i64::MIN
    );
}

pub(crate) async fn increments_lose_nothing(backend: impl Backend) {
    let backend = Arc::new(backend);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    backend.increment("c", "n", 1, HOUR).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(backend.increment("c", "n", 0, HOUR).await.unwrap(), 6400);
}

pub(crate) async fn a_swap_needs_the_present_value(backend: impl Backend) {
    let swap = |expected: Option<u8>, value: u8| {
        backend.compare_and_set("c", "k", expected.map(|byte| vec![byte]), vec![value], HOUR)
    };
    assert!(!swap(Some(1), 2).await.unwrap());
    assert_eq!(backend.get("c", "k").await.unwrap(), None);
    assert!(swap(None, 1).await.unwrap());
    assert!(!swap(None, 9).await.unwrap());
    assert!(swap(Some(1), 2).await.unwrap());
    assert!(!swap(Some(1), 9).await.unwrap());
    assert_eq!(backend.get("c", "k").await.unwrap(), Some(vec![2]));
    // An empty value is a value.
    backend.set("c", "k", vec![], HOUR).await.unwrap();
    assert!(!swap(None, 9).await.unwrap());
    assert!(
        backend
            .compare_and_set("c", "k", Some(vec![]), vec![3], HOUR)
            .await
            .unwrap()
    );
}

pub(crate) async fn one_of_many_swaps_wins(backend: impl Backend) {
    let backend = Arc::new(backend);
    let tasks: Vec<_> = (0..64u8)
        .map(|n| {
            let backend = backend.clone();
            tokio::spawn(async move {
                let won = backend
                    .compare_and_set("c", "k", None, vec![n], HOUR)
                    .await
                    .unwrap();
                won.then_some(n)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(backend.get("c", "k").await.unwrap(), Some(winners));
}

/// A lock made of swaps: whoever holds it counts in a second key, without any other help.
pub(crate) async fn swaps_lose_nothing(backend: impl Backend) {
    let backend = Arc::new(backend);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    while !backend
                        .compare_and_set("c", "lock", None, vec![], HOUR)
                        .await
                        .unwrap()
                    {
                        tokio::task::yield_now().await;
                    }
                    let seen = backend
                        .get("c", "n")
                        .await
                        .unwrap()
                        .map_or(0, |bytes| bytes.len());
                    backend
                        .set("c", "n", vec![0; seen + 1], HOUR)
                        .await
                        .unwrap();
                    assert!(backend.delete("c", "lock").await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        backend
            .get("c", "n")
            .await
            .unwrap()
            .map(|bytes| bytes.len()),
        Some(200)
    );
}
