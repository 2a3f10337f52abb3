//! What every backend of the blobs capability must do.

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sbd_blobs::limits::MAX_BEGUN;
use sbd_blobs::{Backend, Blob, Error};
use std::sync::{Arc, LazyLock};

/// Makes one test of each check for the backend that `$factory` makes.
macro_rules! conformance {
    ($factory:ident) => {
        mod $factory {
            conformance!(
                $factory: what_is_put_comes_back, an_empty_blob_is_one, names_are_any_text,
                components_are_apart, ranges_are_read, what_is_replaced_is_told,
                what_is_not_finished_is_not_there, many_put_one_name, names_come_in_pages,
                what_is_deleted_is_gone, what_is_left_alone_is_forgotten, so_many_are_put_at_once
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

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) static NOTES: LazyLock<Arc<str>> = LazyLock::new(|| "notes".into());

/// Puts a blob in these pieces.
pub(crate) async fn put(backend: &impl Backend, name: &str, pieces: &[&[u8]]) -> Blob {
    let component = NOTES.clone();
    let begun = backend.begin(&component, name.to_owned(), "text/plain".to_owned());
    let id = begun.await.unwrap();
    for piece in pieces {
        let appended = backend.append(&component, id.clone(), piece.to_vec());
        appended.await.unwrap();
    }
    backend.finish(&component, id).await.unwrap()
}

pub(crate) async fn read(backend: &impl Backend, name: &str) -> Result<Vec<u8>, Error> {
    let whole = backend.read(&NOTES, name.to_owned(), 0, 1 << 20, None);
    whole.await
}

async fn names(backend: &impl Backend, prefix: &str) -> Vec<String> {
    let page = backend.list(&NOTES, prefix.to_owned(), None, 1000).await;
    let blobs = page.unwrap().blobs.into_iter();
    blobs.map(|blob| blob.name).collect()
}

pub(crate) async fn what_is_put_comes_back(backend: impl Backend) {
    let before = Timestamp::now();
    let component = NOTES.clone();
    assert_eq!(
        backend.head(&component, "a".to_owned()).await.unwrap(),
        None
    );
    let refused = read(&backend, "a").await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
    let blob = put(&backend, "a", &[b"he", b"l", b"lo"]).await;
    assert_eq!((blob.name.as_str(), blob.size), ("a", 5));
    assert_eq!(
        (blob.content_type.as_str(), blob.sha256.as_str()),
        ("text/plain", HELLO)
    );
    assert!(blob.at.as_second() >= before.as_second() && blob.at <= Timestamp::now());
    let head = backend.head(&component, "a".to_owned()).await.unwrap();
    assert_eq!(head, Some(blob));
    assert_eq!(read(&backend, "a").await.unwrap(), b"hello");
}

pub(crate) async fn an_empty_blob_is_one(backend: impl Backend) {
    let blob = put(&backend, "empty", &[]).await;
    assert_eq!((blob.size, blob.sha256.as_str()), (0, NOTHING));
    assert_eq!(read(&backend, "empty").await.unwrap(), b"");
}

pub(crate) async fn names_are_any_text(backend: impl Backend) {
    let long = "ö".repeat(256);
    let names = [
        "a",
        "A",
        "a/b",
        "a\0b",
        "a\\..\\b",
        "...",
        " ",
        "%_*?",
        "'; DROP TABLE blobs; --",
        "日本/語",
        "..a/.b",
        &long,
    ];
    for name in names {
        put(&backend, name, &[name.as_bytes()]).await;
    }
    for name in names {
        assert_eq!(read(&backend, name).await.unwrap(), name.as_bytes());
    }
}

pub(crate) async fn components_are_apart(backend: impl Backend) {
    put(&backend, "a", &[b"ours"]).await;
    let other: Arc<str> = "other".into();
    assert_eq!(backend.head(&other, "a".to_owned()).await.unwrap(), None);
    assert!(!backend.delete(&other, "a".to_owned()).await.unwrap());
    assert_eq!(backend.delete_all(&other, "a".to_owned()).await.unwrap(), 0);
    let page = backend.list(&other, String::new(), None, 10).await.unwrap();
    assert!(page.blobs.is_empty());
    let begun = backend.begin(&NOTES, "b".to_owned(), "x".to_owned());
    let id = begun.await.unwrap();
    let appended = backend.append(&other, id.clone(), vec![1]).await;
    assert!(matches!(appended, Err(Error::NotBegun)), "{appended:?}");
    backend.abandon(&other, id.clone()).await.unwrap();
    let finished = backend.finish(&other, id.clone()).await;
    assert!(matches!(finished, Err(Error::NotBegun)), "{finished:?}");
    backend.finish(&NOTES, id).await.unwrap();
    assert_eq!(read(&backend, "a").await.unwrap(), b"ours");
}

pub(crate) async fn ranges_are_read(backend: impl Backend) {
    let blob = put(&backend, "n", &[b"01234", b"56789"]).await;
    for (offset, length, expected) in [
        (0, 10, "0123456789"),
        (0, 1 << 20, "0123456789"),
        (3, 4, "3456"),
        (9, 1, "9"),
        (9, 9, "9"),
        (10, 1, ""),
        (u64::MAX, 1, ""),
    ] {
        let sha256 = Some(blob.sha256.clone());
        let read = backend.read(&NOTES, "n".to_owned(), offset, length, sha256);
        assert_eq!(
            read.await.unwrap(),
            expected.as_bytes(),
            "{offset} {length}"
        );
    }
}

pub(crate) async fn what_is_replaced_is_told(backend: impl Backend) {
    let first = put(&backend, "n", &[b"first"]).await;
    let second = put(&backend, "n", &[b"second"]).await;
    assert_ne!(first.sha256, second.sha256);
    let read = |sha256: &Blob| {
        let sha256 = Some(sha256.sha256.clone());
        let component = NOTES.clone();
        let backend = &backend;
        async move { backend.read(&component, "n".to_owned(), 0, 9, sha256).await }
    };
    assert!(matches!(read(&first).await, Err(Error::Replaced(_))));
    assert_eq!(read(&second).await.unwrap(), b"second");
    assert_eq!(names(&backend, "").await, ["n"]);
}

pub(crate) async fn what_is_not_finished_is_not_there(backend: impl Backend) {
    put(&backend, "n", &[b"before"]).await;
    let component = NOTES.clone();
    let begun = backend.begin(&component, "n".to_owned(), "x".to_owned());
    let id = begun.await.unwrap();
    backend
        .append(&component, id.clone(), vec![1; 9])
        .await
        .unwrap();
    assert_eq!(read(&backend, "n").await.unwrap(), b"before");
    backend.abandon(&component, id.clone()).await.unwrap();
    backend.abandon(&component, id.clone()).await.unwrap();
    let appended = backend.append(&component, id.clone(), vec![1]).await;
    assert!(matches!(appended, Err(Error::NotBegun)), "{appended:?}");
    let finished = backend.finish(&component, id).await;
    assert!(matches!(finished, Err(Error::NotBegun)), "{finished:?}");
    assert_eq!(read(&backend, "n").await.unwrap(), b"before");

    // What is finished cannot be added to, nor finished twice.
    let begun = backend.begin(&component, "n".to_owned(), "x".to_owned());
    let id = begun.await.unwrap();
    backend.finish(&component, id.clone()).await.unwrap();
    assert!(
        backend
            .append(&component, id.clone(), vec![1])
            .await
            .is_err()
    );
    assert!(backend.finish(&component, id).await.is_err());
}

/// Each reader finds one of them whole, at any time.
pub(crate) async fn many_put_one_name(backend: impl Backend) {
    put(&backend, "n", &[&[0; 3000]]).await;
    let puts = (1..=64u8).map(|n| {
        let backend = &backend;
        async move {
            let piece = [n; 1000];
            put(backend, "n", &[&piece, &piece, &piece]).await;
            let found = read(backend, "n").await.unwrap();
            assert_eq!(found.len(), 3000);
            assert!(found.iter().all(|byte| *byte == found[0]), "two in one");
        }
    });
    join_all(puts).await;
    assert_eq!(names(&backend, "").await, ["n"]);
    assert_ne!(read(&backend, "n").await.unwrap()[0], 0);
}

pub(crate) async fn names_come_in_pages(backend: impl Backend) {
    for name in ["b/1", "a", "b/3", "b/2", "b", "c", "b\u{10FFFF}"] {
        put(&backend, name, &[]).await;
    }
    assert_eq!(
        names(&backend, "").await,
        ["a", "b", "b/1", "b/2", "b/3", "b\u{10FFFF}", "c"]
    );
    assert_eq!(names(&backend, "b/").await, ["b/1", "b/2", "b/3"]);
    assert_eq!(names(&backend, "b\u{10FFFF}").await, ["b\u{10FFFF}"]);
    assert!(names(&backend, "z").await.is_empty());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = backend
            .list(&NOTES, "b/".to_owned(), after, 2)
            .await
            .unwrap();
        assert!(page.blobs.len() <= 2);
        found.extend(page.blobs.into_iter().map(|blob| blob.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, ["b/1", "b/2", "b/3"]);
}

pub(crate) async fn what_is_deleted_is_gone(backend: impl Backend) {
    for n in 0..1100 {
        put(&backend, &format!("many/{n}"), &[]).await;
    }
    put(&backend, "manyother", &[b"kept"]).await;
    let component = NOTES.clone();
    assert!(
        backend
            .delete(&component, "many/7".to_owned())
            .await
            .unwrap()
    );
    assert!(
        !backend
            .delete(&component, "many/7".to_owned())
            .await
            .unwrap()
    );
    let deleted = backend.delete_all(&component, "many/".to_owned()).await;
    assert_eq!(deleted.unwrap(), 1099);
    assert_eq!(names(&backend, "").await, ["manyother"]);
    assert_eq!(read(&backend, "manyother").await.unwrap(), b"kept");
}

pub(crate) async fn what_is_left_alone_is_forgotten(backend: impl Backend) {
    let component = NOTES.clone();
    let begun = backend.begin(&component, "n".to_owned(), "x".to_owned());
    let id = begun.await.unwrap();
    let minutes = |minutes| Timestamp::now() + SignedDuration::from_mins(minutes);
    assert_eq!(backend.sweep_at(minutes(59)).await.unwrap(), 0);
    backend
        .append(&component, id.clone(), vec![1])
        .await
        .unwrap();
    assert_eq!(backend.sweep_at(minutes(61)).await.unwrap(), 1);
    assert!(backend.append(&component, id, vec![1]).await.is_err());
}

pub(crate) async fn so_many_are_put_at_once(backend: impl Backend) {
    let component = NOTES.clone();
    let begin = |n: usize| backend.begin(&component, n.to_string(), "x".to_owned());
    let mut ids = Vec::new();
    for n in 0..MAX_BEGUN {
        ids.push(begin(n).await.unwrap());
    }
    let refused = begin(MAX_BEGUN).await;
    assert!(matches!(refused, Err(Error::TooMany(_))), "{refused:?}");
    let other: Arc<str> = "other".into();
    backend
        .begin(&other, "n".to_owned(), "x".to_owned())
        .await
        .unwrap();
    backend.abandon(&component, ids.remove(0)).await.unwrap();
    begin(MAX_BEGUN).await.unwrap();
}
