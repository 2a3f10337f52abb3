//! The host functions called as a component would call them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use crate::bindings::atomics::{self, CasError, Host as _, HostCas as _};
use crate::bindings::batch::Host as _;
use crate::bindings::store::{self, Host as _, HostBucket as _};
use crate::limits::{
    MAX_BATCH_KEYS, MAX_KEY_BYTES, MAX_OPEN_BUCKETS, MAX_OPEN_SWAPS, MAX_VALUE_BYTES,
};
use crate::{Bucket, KeyvalueCtx, KeyvalueCtxView, KeyvalueView, SqliteBackend, add_to_linker};
use sbd_metering::Unmetered;
use sbd_storage::{Database, Options};
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceTable};

struct Instance {
    ctx: KeyvalueCtx,
    table: ResourceTable,
    _folder: tempfile::TempDir,
}

impl KeyvalueView for Instance {
    fn keyvalue(&mut self) -> KeyvalueCtxView<'_> {
        KeyvalueCtxView {
            ctx: &mut self.ctx,
            table: &mut self.table,
            meter: Arc::new(Unmetered),
        }
    }
}

async fn instance(granted: &[&str]) -> Instance {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("t.db"), &Options::default()).unwrap();
    let backend = SqliteBackend::open(database).await.unwrap();
    let granted = granted.iter().map(|&label| label.to_owned());
    Instance {
        ctx: KeyvalueCtx::new(
            Arc::new(backend),
            "family".into(),
            Arc::new(granted.collect::<BTreeSet<_>>()),
        ),
        table: ResourceTable::new(),
        _folder: folder,
    }
}

async fn open(view: &mut KeyvalueCtxView<'_>) -> Resource<Bucket> {
    view.open("default".to_owned()).await.unwrap().unwrap()
}

/// The same handle as a component passes it with every call.
fn lend<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(handle.rep())
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, store::Error>) -> String {
    match answer {
        Err(store::Error::Other(message)) => message,
        other => panic!("not refused in words: {other:?}"),
    }
}

#[test]
fn every_interface_links() {
    let engine = wasmtime::Engine::default();
    let mut linker = Linker::<Instance>::new(&engine);
    add_to_linker(&mut linker).unwrap();
    assert!(add_to_linker(&mut linker).is_err(), "linked twice");
}

#[tokio::test]
async fn only_granted_labels_open() {
    let mut instance = instance(&["default"]).await;
    let mut view = instance.keyvalue();
    assert!(view.open("default".to_owned()).await.unwrap().is_ok());
    for label in ["other", "", "Default"] {
        let answer = view.open(label.to_owned()).await.unwrap();
        assert!(
            matches!(answer, Err(store::Error::AccessDenied)),
            "{label:?}"
        );
    }
}

#[tokio::test]
async fn values_go_in_and_come_out() {
    let mut instance = instance(&["default"]).await;
    let mut view = instance.keyvalue();
    let bucket = open(&mut view).await;
    let key = || "greeting".to_owned();

    assert_eq!(view.get(lend(&bucket), key()).await.unwrap().unwrap(), None);
    view.set(lend(&bucket), key(), b"hello".to_vec())
        .await
        .unwrap()
        .unwrap();
    let value = view.get(lend(&bucket), key()).await.unwrap().unwrap();
    assert_eq!(value.as_deref(), Some(&b"hello"[..]));
    assert!(view.exists(lend(&bucket), key()).await.unwrap().unwrap());
    let page = view.list_keys(lend(&bucket), None).await.unwrap().unwrap();
    assert_eq!((page.keys, page.cursor), (vec![key()], None));
    view.delete(lend(&bucket), key()).await.unwrap().unwrap();
    assert!(!view.exists(lend(&bucket), key()).await.unwrap().unwrap());

    let pairs = vec![("a".to_owned(), vec![1]), ("b".to_owned(), vec![2])];
    view.set_many(lend(&bucket), pairs).await.unwrap().unwrap();
    let keys = || vec!["b".to_owned(), "c".to_owned()];
    let values = view.get_many(lend(&bucket), keys()).await.unwrap().unwrap();
    assert_eq!(
        values,
        [("b".to_owned(), Some(vec![2])), ("c".to_owned(), None)]
    );
    view.delete_many(lend(&bucket), keys())
        .await
        .unwrap()
        .unwrap();
    let sum = view
        .increment(lend(&bucket), "n".to_owned(), -3)
        .await
        .unwrap();
    assert_eq!(sum.unwrap(), -3);
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    let mut instance = instance(&["default"]).await;
    let mut view = instance.keyvalue();
    let bucket = open(&mut view).await;
    let longest = "k".repeat(MAX_KEY_BYTES);
    let largest = vec![0; MAX_VALUE_BYTES];
    view.set(lend(&bucket), longest.clone(), largest)
        .await
        .unwrap()
        .unwrap();

    for key in [String::new(), longest + "k"] {
        let length = key.len().to_string();
        let message = refusal(view.get(lend(&bucket), key.clone()).await.unwrap());
        assert!(message.contains(&length), "{message}");
        refusal(view.set(lend(&bucket), key.clone(), vec![]).await.unwrap());
        refusal(view.delete(lend(&bucket), key.clone()).await.unwrap());
        refusal(view.exists(lend(&bucket), key.clone()).await.unwrap());
        refusal(view.increment(lend(&bucket), key.clone(), 1).await.unwrap());
        refusal(
            view.get_many(lend(&bucket), vec![key.clone()])
                .await
                .unwrap(),
        );
        refusal(
            view.set_many(lend(&bucket), vec![(key.clone(), vec![])])
                .await
                .unwrap(),
        );
        refusal(
            view.delete_many(lend(&bucket), vec![key.clone()])
                .await
                .unwrap(),
        );
        let cas = atomics::HostCas::new(&mut view, lend(&bucket), key)
            .await
            .unwrap();
        refusal(cas);
    }
    let too_large = vec![0; MAX_VALUE_BYTES + 1];
    refusal(
        view.set(lend(&bucket), "k".to_owned(), too_large.clone())
            .await
            .unwrap(),
    );
    let pairs = vec![("fits".to_owned(), vec![]), ("k".to_owned(), too_large)];
    refusal(view.set_many(lend(&bucket), pairs).await.unwrap());
    assert!(
        !view
            .exists(lend(&bucket), "fits".to_owned())
            .await
            .unwrap()
            .unwrap()
    );
    let keys = vec!["k".to_owned(); MAX_BATCH_KEYS + 1];
    refusal(view.get_many(lend(&bucket), keys).await.unwrap());
    let pairs = (0..17)
        .map(|n| (n.to_string(), vec![0; MAX_VALUE_BYTES]))
        .collect();
    refusal(view.set_many(lend(&bucket), pairs).await.unwrap());
    let cursor = Some("c".repeat(MAX_KEY_BYTES + 1));
    let page = view.list_keys(lend(&bucket), cursor).await.unwrap();
    refusal(page.map(|page| page.keys));
}

#[tokio::test]
async fn a_swap_notices_a_change_in_between() {
    let mut instance = instance(&["default"]).await;
    let mut view = instance.keyvalue();
    let bucket = open(&mut view).await;
    let key = || "k".to_owned();

    let fresh = atomics::HostCas::new(&mut view, lend(&bucket), key())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.current(lend(&fresh)).await.unwrap().unwrap(), None);
    view.set(lend(&bucket), key(), b"theirs".to_vec())
        .await
        .unwrap()
        .unwrap();
    let Err(CasError::CasFailed(now)) = view.swap(fresh, b"ours".to_vec()).await.unwrap() else {
        panic!("the change went unnoticed");
    };
    let current = view.current(lend(&now)).await.unwrap().unwrap();
    assert_eq!(current.as_deref(), Some(&b"theirs"[..]));
    assert!(view.swap(now, b"ours".to_vec()).await.unwrap().is_ok());
    let value = view.get(lend(&bucket), key()).await.unwrap().unwrap();
    assert_eq!(value.as_deref(), Some(&b"ours"[..]));
}

#[tokio::test]
async fn handles_are_limited_and_come_back() {
    let mut instance = instance(&["default"]).await;
    let mut view = instance.keyvalue();
    let bucket = open(&mut view).await;
    let mut buckets = Vec::new();
    for _ in 1..MAX_OPEN_BUCKETS {
        buckets.push(open(&mut view).await);
    }
    refusal(view.open("default".to_owned()).await.unwrap());
    store::HostBucket::drop(&mut view, buckets.remove(0))
        .await
        .unwrap();
    open(&mut view).await;

    let mut swaps = Vec::new();
    for _ in 0..MAX_OPEN_SWAPS {
        let swap = atomics::HostCas::new(&mut view, lend(&bucket), "k".to_owned()).await;
        swaps.push(swap.unwrap().unwrap());
    }
    refusal(
        atomics::HostCas::new(&mut view, lend(&bucket), "k".to_owned())
            .await
            .unwrap(),
    );
    atomics::HostCas::drop(&mut view, swaps.remove(0))
        .await
        .unwrap();
    assert!(view.swap(swaps.remove(0), vec![1]).await.unwrap().is_ok());
    for _ in 0..2 {
        let swap = atomics::HostCas::new(&mut view, lend(&bucket), "k".to_owned()).await;
        swap.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_handle_that_is_none_traps() {
    let mut instance = instance(&["default"]).await;
    let mut view = instance.keyvalue();
    let nothing = Resource::<Bucket>::new_borrow(4711);
    assert!(view.get(nothing, "k".to_owned()).await.is_err());
}
