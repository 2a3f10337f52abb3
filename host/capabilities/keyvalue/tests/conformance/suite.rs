//! What every backend of the keyvalue capability must do.

use sbd_keyvalue::limits::{MAX_VALUE_BYTES, PAGE_KEYS};
use sbd_keyvalue::{Backend, Error};
use std::sync::Arc;

/// Makes one test of each check for the backend that `$factory` makes.
macro_rules! conformance {
    ($factory:ident) => {
        mod $factory {
            conformance!(
                $factory: values_come_back, keys_are_any_text, buckets_are_apart, keys_come_in_pages,
                counters_count, counters_refuse, increments_lose_nothing,
                a_swap_needs_the_present_value, one_of_many_swaps_wins, batches, a_large_answer_is_refused
            );
        }
    };
    ($factory:ident: $($check:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                let (backend, _keep) = super::$factory().await;
                crate::suite::$check(backend).await;
            }
        )+
    };
}

pub(crate) async fn values_come_back(backend: impl Backend) {
    assert_eq!(backend.get("b", "k").await.unwrap(), None);
    assert!(!backend.exists("b", "k").await.unwrap());
    for value in [vec![], vec![0, 255, 1], vec![7; MAX_VALUE_BYTES]] {
        backend.set("b", "k", value.clone()).await.unwrap();
        assert_eq!(backend.get("b", "k").await.unwrap(), Some(value));
        assert!(backend.exists("b", "k").await.unwrap());
    }
    backend.delete("b", "k").await.unwrap();
    backend.delete("b", "k").await.unwrap();
    assert_eq!(backend.get("b", "k").await.unwrap(), None);
}

pub(crate) async fn keys_are_any_text(backend: impl Backend) {
    let long = "ö".repeat(512);
    let keys = [
        "a",
        "A",
        "a\0b",
        "a\0c",
        " ",
        "%_*?",
        "'; DROP TABLE keyvalue; --",
        "日本",
        &long,
    ];
    for (n, key) in (0u8..).zip(keys) {
        backend.set("b", key, vec![n]).await.unwrap();
    }
    for (n, key) in (0u8..).zip(keys) {
        assert_eq!(
            backend.get("b", key).await.unwrap(),
            Some(vec![n]),
            "{key:?}"
        );
    }
    let mut sorted = keys.map(str::to_owned);
    sorted.sort();
    assert_eq!(backend.list_keys("b", None).await.unwrap().keys, sorted);
}

pub(crate) async fn buckets_are_apart(backend: impl Backend) {
    // The second pair would collide if bucket and key were simply put together.
    for (bucket, key, value) in [("a", "k", 1), ("b", "k", 2), ("ab", "c", 3), ("a", "bc", 4)] {
        backend.set(bucket, key, vec![value]).await.unwrap();
    }
    assert_eq!(backend.get("a", "k").await.unwrap(), Some(vec![1]));
    assert_eq!(backend.get("ab", "c").await.unwrap(), Some(vec![3]));
    assert_eq!(backend.get("a", "bc").await.unwrap(), Some(vec![4]));
    backend.delete("a", "k").await.unwrap();
    assert_eq!(backend.get("b", "k").await.unwrap(), Some(vec![2]));
    assert_eq!(backend.list_keys("b", None).await.unwrap().keys, ["k"]);
    assert_eq!(
        backend.list_keys("c", None).await.unwrap().keys,
        Vec::<String>::new()
    );
}

pub(crate) async fn keys_come_in_pages(backend: impl Backend) {
    let keys: Vec<String> = (0..PAGE_KEYS * 2).map(|n| format!("k{n:05}")).collect();
    for chunk in keys.chunks(500) {
        let pairs = chunk.iter().map(|key| (key.clone(), vec![]));
        backend.set_many("b", pairs.collect()).await.unwrap();
    }
    let first = backend.list_keys("b", None).await.unwrap();
    assert_eq!(first.keys, keys[..PAGE_KEYS]);
    let cursor = first.next.unwrap();
    // A page does not shift when keys before it come or go.
    backend.delete("b", "k00001").await.unwrap();
    let second = backend.list_keys("b", Some(&cursor)).await.unwrap();
    assert_eq!(second.keys, keys[PAGE_KEYS..]);
    assert_eq!(second.next, None, "an exactly full last page is the last");
}

pub(crate) async fn counters_count(backend: impl Backend) {
    assert_eq!(backend.increment("b", "n", 5).await.unwrap(), 5);
    assert_eq!(backend.increment("b", "n", -7).await.unwrap(), -2);
    assert_eq!(backend.increment("b", "n", 0).await.unwrap(), -2);
    let stored = backend.get("b", "n").await.unwrap();
    assert_eq!(stored, Some((-2i64).to_le_bytes().to_vec()));
    backend
        .set("b", "n", 40i64.to_le_bytes().to_vec())
        .await
        .unwrap();
    assert_eq!(backend.increment("b", "n", 2).await.unwrap(), 42);
}

pub(crate) async fn counters_refuse(backend: impl Backend) {
    backend.set("b", "text", b"12".to_vec()).await.unwrap();
    let refused = backend.increment("b", "text", 1).await;
    assert!(matches!(refused, Err(Error::NotACounter(key)) if key == "text"));
    assert_eq!(
        backend.get("b", "text").await.unwrap(),
        Some(b"12".to_vec())
    );

    backend.increment("b", "n", i64::MAX).await.unwrap();
    let refused = backend.increment("b", "n", 1).await;
    assert!(matches!(refused, Err(Error::Overflow(key)) if key == "n"));
    assert_eq!(backend.increment("b", "n", 0).await.unwrap(), i64::MAX);
}

pub(crate) async fn increments_lose_nothing(backend: impl Backend) {
    let backend = Arc::new(backend);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    backend.increment("b", "n", 1).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(backend.increment("b", "n", 0).await.unwrap(), 400);
}

pub(crate) async fn a_swap_needs_the_present_value(backend: impl Backend) {
    let one = || Some(vec![1]);
    assert!(
        !backend
            .compare_and_set("b", "k", one(), vec![2])
            .await
            .unwrap()
    );
    assert_eq!(backend.get("b", "k").await.unwrap(), None);
    assert!(
        backend
            .compare_and_set("b", "k", None, vec![1])
            .await
            .unwrap()
    );
    assert!(
        !backend
            .compare_and_set("b", "k", None, vec![9])
            .await
            .unwrap()
    );
    assert!(
        backend
            .compare_and_set("b", "k", one(), vec![2])
            .await
            .unwrap()
    );
    assert!(
        !backend
            .compare_and_set("b", "k", one(), vec![9])
            .await
            .unwrap()
    );
    assert_eq!(backend.get("b", "k").await.unwrap(), Some(vec![2]));
    // An empty value is a value.
    backend.set("b", "k", vec![]).await.unwrap();
    assert!(
        !backend
            .compare_and_set("b", "k", None, vec![9])
            .await
            .unwrap()
    );
    assert!(
        backend
            .compare_and_set("b", "k", Some(vec![]), vec![3])
            .await
            .unwrap()
    );
}

pub(crate) async fn one_of_many_swaps_wins(backend: impl Backend) {
    let backend = Arc::new(backend);
    let tasks: Vec<_> = (0..16u8)
        .map(|n| {
            let backend = backend.clone();
            tokio::spawn(async move {
                let won = backend
                    .compare_and_set("b", "k", None, vec![n])
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
    assert_eq!(backend.get("b", "k").await.unwrap(), Some(winners));
}

pub(crate) async fn batches(backend: impl Backend) {
    let pair = |key: &str, value: u8| (key.to_owned(), vec![value]);
    let pairs = vec![pair("a", 1), pair("b", 2), pair("a", 3)];
    backend.set_many("b", pairs).await.unwrap();
    let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
    let values = backend
        .get_many("b", keys(&["b", "none", "a", "b"]))
        .await
        .unwrap();
    let found = |key: &str, value: Option<u8>| (key.to_owned(), value.map(|value| vec![value]));
    let expected = [
        found("b", Some(2)),
        found("none", None),
        found("a", Some(3)),
        found("b", Some(2)),
    ];
    assert_eq!(values, expected);
    backend
        .delete_many("b", keys(&["a", "none"]))
        .await
        .unwrap();
    assert_eq!(backend.list_keys("b", None).await.unwrap().keys, ["b"]);
    backend.set_many("b", vec![]).await.unwrap();
    backend.delete_many("b", vec![]).await.unwrap();
    assert_eq!(backend.get_many("b", vec![]).await.unwrap(), []);
}

pub(crate) async fn a_large_answer_is_refused(backend: impl Backend) {
    backend
        .set("b", "k", vec![0; MAX_VALUE_BYTES])
        .await
        .unwrap();
    let fifteen = backend
        .get_many("b", vec!["k".to_owned(); 15])
        .await
        .unwrap();
    assert_eq!(fifteen.len(), 15);
    let refused = backend.get_many("b", vec!["k".to_owned(); 17]).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
}
