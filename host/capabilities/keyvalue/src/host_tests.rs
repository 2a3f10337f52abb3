//! The host functions called as a component would call them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use super::Failure;
use crate::bindings::atomics::{self, CasError, HostCasWithStore as _, HostWithStore as _};
use crate::bindings::batch::HostWithStore as _;
use crate::bindings::store::{self, HostBucketWithStore as _, HostWithStore as _};
use crate::limits::{
    MAX_BATCH_KEYS, MAX_KEY_BYTES, MAX_OPEN_BUCKETS, MAX_OPEN_SWAPS, MAX_VALUE_BYTES,
};
use crate::{
    Backend as _, Bucket, Error, Keyvalue, KeyvalueCtx, KeyvalueCtxView, KeyvalueView,
    SqliteBackend, add_to_linker,
};
use sbd_metering::{Budget, Meter, Metered, Unmetered};
use sbd_storage::{Database, Options};
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::component::{
    Access, Component, GuestTaskId, Linker, Resource, ResourceTable, TypedFunc,
};
use wasmtime::{AsContextMut as _, Config, Engine, Store, StoreContextMut};

struct Instance {
    ctx: KeyvalueCtx,
    table: ResourceTable,
    meter: Arc<dyn Meter>,
    /// The task that made each call.
    callers: Vec<GuestTaskId>,
    backend: SqliteBackend,
    _folder: tempfile::TempDir,
}

/// A component's side of the interfaces.
struct Guest(Store<Instance>);

impl Metered for Instance {
    fn meter(mut store: StoreContextMut<'_, Self>) -> Arc<dyn Meter> {
        let caller = store.async_call_stack().unwrap().last();
        let instance = store.data_mut();
        instance.callers.extend(caller);
        Arc::clone(&instance.meter)
    }
}

impl KeyvalueView for Instance {
    fn keyvalue(&mut self) -> KeyvalueCtxView<'_> {
        KeyvalueCtxView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    Engine::new(&config).unwrap()
}

async fn guest(granted: &[&str]) -> Guest {
    metered(granted, Arc::new(Unmetered)).await
}

async fn metered(granted: &[&str], meter: Arc<dyn Meter>) -> Guest {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("t.db"), &Options::default()).unwrap();
    let backend = SqliteBackend::open(database).await.unwrap();
    let granted = granted.iter().map(|&label| label.to_owned());
    let instance = Instance {
        ctx: KeyvalueCtx::new(
            Arc::new(backend.clone()),
            "family".into(),
            Arc::new(granted.collect::<BTreeSet<_>>()),
        ),
        table: ResourceTable::new(),
        meter,
        callers: Vec::new(),
        backend,
        _folder: folder,
    };
    Guest(Store::new(&engine(), instance))
}

impl Guest {
    fn calls(&mut self) -> Access<'_, Instance, Keyvalue> {
        Access::<_, Keyvalue>::new(self.0.as_context_mut(), Instance::keyvalue)
    }

    fn view(&mut self) -> KeyvalueCtxView<'_> {
        self.0.data_mut().keyvalue()
    }

    async fn open(&mut self) -> Resource<Bucket> {
        Keyvalue::open(self.calls(), "default".to_owned())
            .await
            .unwrap()
    }

    async fn get(&mut self, bucket: &Resource<Bucket>, key: &str) -> Option<Vec<u8>> {
        Keyvalue::get(self.calls(), lend(bucket), key.to_owned())
            .await
            .unwrap()
    }

    async fn has(&mut self, bucket: &Resource<Bucket>, key: &str) -> bool {
        Keyvalue::exists(self.calls(), lend(bucket), key.to_owned())
            .await
            .unwrap()
    }

    /// What each function that takes a key says, if all refuse.
    async fn refusals(&mut self, bucket: &Resource<Bucket>, key: &str) -> Vec<String> {
        let bucket = || lend(bucket);
        let key = || key.to_owned();
        vec![
            refusal(Keyvalue::get(self.calls(), bucket(), key()).await),
            refusal(Keyvalue::set(self.calls(), bucket(), key(), vec![]).await),
            refusal(Keyvalue::delete(self.calls(), bucket(), key()).await),
            refusal(Keyvalue::exists(self.calls(), bucket(), key()).await),
            refusal(Keyvalue::increment(self.calls(), bucket(), key(), 1).await),
            refusal(Keyvalue::get_many(self.calls(), bucket(), vec![key()]).await),
            refusal(Keyvalue::set_many(self.calls(), bucket(), vec![(key(), vec![])]).await),
            refusal(Keyvalue::delete_many(self.calls(), bucket(), vec![key()]).await),
            refusal(Keyvalue::new(self.calls(), bucket(), key()).await),
        ]
    }
}

/// The same handle as a component passes it with every call.
fn lend<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(handle.rep())
}

/// What a component is told.
fn refusal<T: std::fmt::Debug>(answer: Result<T, Failure>) -> String {
    let Err(Failure::Told(error)) = answer else {
        panic!("not refused: {answer:?}");
    };
    match error.into() {
        store::Error::Other(message) => message,
        other => panic!("not refused in words: {other:?}"),
    }
}

#[test]
fn every_interface_links() {
    let mut linker = Linker::<Instance>::new(&engine());
    add_to_linker(&mut linker).unwrap();
    assert!(add_to_linker(&mut linker).is_err(), "linked twice");
}

#[tokio::test]
async fn only_granted_labels_open() {
    let mut guest = guest(&["default"]).await;
    guest.open().await;
    for label in ["other", "", "Default"] {
        let answer = Keyvalue::open(guest.calls(), label.to_owned()).await;
        assert!(
            matches!(answer, Err(Failure::Told(Error::AccessDenied { .. }))),
            "{label:?}"
        );
    }
}

#[tokio::test]
async fn values_go_in_and_come_out() {
    let mut guest = guest(&["default"]).await;
    let bucket = guest.open().await;
    let key = || "greeting".to_owned();

    assert_eq!(guest.get(&bucket, &key()).await, None);
    let set = Keyvalue::set(guest.calls(), lend(&bucket), key(), b"hello".to_vec());
    set.await.unwrap();
    assert_eq!(guest.get(&bucket, &key()).await.unwrap(), b"hello");
    assert!(guest.has(&bucket, &key()).await);
    let page = Keyvalue::list_keys(guest.calls(), lend(&bucket), None);
    let page = page.await.unwrap();
    assert_eq!((page.keys, page.cursor), (vec![key()], None));
    let delete = Keyvalue::delete(guest.calls(), lend(&bucket), key());
    delete.await.unwrap();
    assert!(!guest.has(&bucket, &key()).await);

    let pairs = vec![("a".to_owned(), vec![1]), ("b".to_owned(), vec![2])];
    let set = Keyvalue::set_many(guest.calls(), lend(&bucket), pairs);
    set.await.unwrap();
    let keys = || vec!["b".to_owned(), "c".to_owned()];
    let values = Keyvalue::get_many(guest.calls(), lend(&bucket), keys());
    assert_eq!(
        values.await.unwrap(),
        [("b".to_owned(), Some(vec![2])), ("c".to_owned(), None)]
    );
    let delete = Keyvalue::delete_many(guest.calls(), lend(&bucket), keys());
    delete.await.unwrap();
    let sum = Keyvalue::increment(guest.calls(), lend(&bucket), "n".to_owned(), -3);
    assert_eq!(sum.await.unwrap(), -3);
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    let mut guest = guest(&["default"]).await;
    let bucket = guest.open().await;
    let longest = "k".repeat(MAX_KEY_BYTES);
    let largest = vec![0; MAX_VALUE_BYTES];
    let set = Keyvalue::set(guest.calls(), lend(&bucket), longest.clone(), largest);
    set.await.unwrap();

    for key in [String::new(), longest + "k"] {
        let length = key.len().to_string();
        for message in guest.refusals(&bucket, &key).await {
            assert!(message.contains(&length), "{message}");
        }
    }
    let too_large = vec![0; MAX_VALUE_BYTES + 1];
    let key = "k".to_owned();
    refusal(Keyvalue::set(guest.calls(), lend(&bucket), key, too_large.clone()).await);
    let pairs = vec![("fits".to_owned(), vec![]), ("k".to_owned(), too_large)];
    refusal(Keyvalue::set_many(guest.calls(), lend(&bucket), pairs).await);
    assert!(!guest.has(&bucket, "fits").await);
    let keys = vec!["k".to_owned(); MAX_BATCH_KEYS + 1];
    refusal(Keyvalue::get_many(guest.calls(), lend(&bucket), keys).await);
    let pairs = (0..17)
        .map(|n| (n.to_string(), vec![0; MAX_VALUE_BYTES]))
        .collect();
    refusal(Keyvalue::set_many(guest.calls(), lend(&bucket), pairs).await);
    let cursor = Some("c".repeat(MAX_KEY_BYTES + 1));
    let page = Keyvalue::list_keys(guest.calls(), lend(&bucket), cursor).await;
    refusal(page.map(|page| page.keys));
}

#[tokio::test]
async fn a_swap_notices_a_change_in_between() {
    let mut guest = guest(&["default"]).await;
    let bucket = guest.open().await;
    let key = || "k".to_owned();

    let fresh = Keyvalue::new(guest.calls(), lend(&bucket), key());
    let fresh = fresh.await.unwrap();
    let current = Keyvalue::current(guest.calls(), lend(&fresh)).await;
    assert_eq!(current.unwrap(), None);
    let set = Keyvalue::set(guest.calls(), lend(&bucket), key(), b"theirs".to_vec());
    set.await.unwrap();
    let swap = Keyvalue::swap(guest.calls(), fresh, b"ours".to_vec()).await;
    let Err(CasError::CasFailed(now)) = swap.unwrap() else {
        panic!("the change went unnoticed");
    };
    let current = Keyvalue::current(guest.calls(), lend(&now)).await;
    assert_eq!(current.unwrap().as_deref(), Some(&b"theirs"[..]));
    let swap = Keyvalue::swap(guest.calls(), now, b"ours".to_vec()).await;
    assert!(swap.unwrap().is_ok());
    assert_eq!(guest.get(&bucket, "k").await.unwrap(), b"ours");
}

#[tokio::test]
async fn handles_are_limited_and_come_back() {
    let mut guest = guest(&["default"]).await;
    let bucket = guest.open().await;
    let mut buckets = Vec::new();
    for _ in 1..MAX_OPEN_BUCKETS {
        buckets.push(guest.open().await);
    }
    refusal(Keyvalue::open(guest.calls(), "default".to_owned()).await);
    store::HostBucket::drop(&mut guest.view(), buckets.remove(0)).unwrap();
    guest.open().await;

    let mut swaps = Vec::new();
    for _ in 0..MAX_OPEN_SWAPS {
        let swap = Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned());
        swaps.push(swap.await.unwrap());
    }
    refusal(Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned()).await);
    atomics::HostCas::drop(&mut guest.view(), swaps.remove(0)).unwrap();
    let swap = Keyvalue::swap(guest.calls(), swaps.remove(0), vec![1]).await;
    assert!(swap.unwrap().is_ok());
    for _ in 0..2 {
        let swap = Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned());
        swap.await.unwrap();
    }
}

#[tokio::test]
async fn a_handle_that_is_none_traps() {
    let mut guest = guest(&["default"]).await;
    let nothing = Resource::<Bucket>::new_borrow(4711);
    let answer = Keyvalue::get(guest.calls(), nothing, "k".to_owned()).await;
    assert!(matches!(answer, Err(Failure::Trap(_))), "{answer:?}");
}

#[tokio::test]
async fn every_function_stops_where_the_request_may_not_call_any_more() {
    let meter = Arc::new(Budget::new(4, usize::MAX));
    let mut guest = metered(&["default"], meter.clone()).await;
    let bucket = guest.open().await;
    let swap = Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned());
    let swap = swap.await.unwrap();
    let last = Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned());
    let last = last.await.unwrap();
    let set = Keyvalue::set(guest.calls(), lend(&bucket), "k".to_owned(), vec![1]);
    set.await.unwrap();

    let mut refusals = guest.refusals(&bucket, "k").await;
    refusals.push(refusal(
        Keyvalue::open(guest.calls(), "default".to_owned()).await,
    ));
    refusals.push(refusal(
        Keyvalue::list_keys(guest.calls(), lend(&bucket), None)
            .await
            .map(|page| page.keys),
    ));
    refusals.push(refusal(Keyvalue::current(guest.calls(), lend(&swap)).await));
    let swapped = Keyvalue::swap(guest.calls(), swap, vec![2]).await;
    let Err(CasError::StoreError(store::Error::Other(message))) = swapped.unwrap() else {
        panic!("not refused in words");
    };
    refusals.push(message);
    assert_eq!(refusals.len(), 13, "one of each function");
    assert_eq!(meter.used().0, 4 + 13);
    for message in refusals {
        assert!(message.contains("capability_calls"), "{message}");
    }
    // Nothing was done; the handle that was given away is gone all the same.
    let backend = guest.0.data().backend.clone();
    assert_eq!(backend.get("default", "k").await.unwrap(), Some(vec![1]));
    assert_eq!(guest.0.data().ctx.open_swaps, 1);
    atomics::HostCas::drop(&mut guest.view(), last).unwrap();
}

#[tokio::test]
async fn bytes_are_charged_both_ways() {
    let meter = Arc::new(Budget::new(u32::MAX, 59));
    let mut guest = metered(&["default"], meter.clone()).await;
    let bucket = guest.open().await;
    let mut used = "default".len();
    let mut charged = |bytes: usize| {
        used += bytes;
        assert_eq!(meter.used().1, used);
    };
    let set = Keyvalue::set(guest.calls(), lend(&bucket), "k".to_owned(), vec![0; 9]);
    set.await.unwrap();
    charged(10);
    guest.get(&bucket, "k").await;
    charged(10);
    let swap = Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned());
    let swap = swap.await.unwrap();
    charged(1);
    let current = Keyvalue::current(guest.calls(), lend(&swap)).await;
    current.unwrap();
    charged(9);
    let keys = vec!["k".to_owned(), "l".to_owned()];
    let many = Keyvalue::get_many(guest.calls(), lend(&bucket), keys).await;
    many.unwrap();
    charged(2 + 11);
    // The question would do, the answer would not.
    let message = refusal(Keyvalue::get(guest.calls(), lend(&bucket), "k".to_owned()).await);
    charged(10);
    assert!(message.contains("`capability_bytes` (59 "), "{message}");
}

#[tokio::test]
async fn a_quota_that_refuses_is_told_to_the_host() {
    let meter = Arc::new(Budget::new(u32::MAX, usize::MAX));
    let mut guest = metered(&["default"], meter.clone()).await;
    let bucket = guest.open().await;
    let swap = Keyvalue::new(guest.calls(), lend(&bucket), "k".to_owned());
    let swap = swap.await.unwrap();
    let backend = guest.0.data().backend.clone();
    backend.allow("default", 10).await.unwrap();
    let swapped = Keyvalue::swap(guest.calls(), swap, vec![0; 10]).await;
    let Err(CasError::StoreError(store::Error::Other(message))) = swapped.unwrap() else {
        panic!("not refused in words");
    };
    assert!(message.contains("stored_bytes"), "{message}");
    assert_eq!(meter.refused(), Some("stored_bytes"));
}

/// Two requests at once in one instance, which take turns after each call.
const TURNS: &str = r#"
(component
  (import "wasi:keyvalue/store@0.2.0-draft2" (instance $store
    (export "bucket" (type $bucket (sub resource)))
    (type $error' (variant (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $error')))
    (export "open" (func (param "identifier" string)
      (result (result (own $bucket) (error $error)))))))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
  (core instance $memory (instantiate $memory))
  (core func $open (canon lower (func $store "open")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $return (canon task.return))
  (core module $guest
    (import "host" "memory" (memory 1))
    (import "host" "open" (func $open (param i32 i32 i32)))
    (import "host" "return" (func $return))
    (data (i32.const 0) "default")
    (func (export "run") (result i32)
      (call $open (i32.const 0) (i32.const 7) (i32.const 64))
      i32.const 1) ;; yield
    (func (export "again") (param i32 i32 i32) (result i32)
      (call $open (i32.const 0) (i32.const 7) (i32.const 64))
      call $return
      i32.const 0)) ;; exit
  (core instance $guest (instantiate $guest (with "host" (instance
    (export "memory" (memory $memory "memory"))
    (export "open" (func $open))
    (export "return" (func $return))))))
  (func (export "run") async
    (canon lift (core func $guest "run") async (callback (core func $guest "again")))))
"#;

#[tokio::test]
async fn each_of_two_requests_at_once_is_charged_for_its_own_calls() {
    let Guest(mut store) = guest(&["default"]).await;
    let mut linker = Linker::<Instance>::new(store.engine());
    add_to_linker(&mut linker).unwrap();
    let component = Component::new(store.engine(), wat::parse_str(TURNS).unwrap()).unwrap();
    let instance = linker.instantiate_async(&mut store, &component).await;
    let run: TypedFunc<(), ()> = instance.unwrap().get_typed_func(&mut store, "run").unwrap();
    let tasks = store
        .run_concurrent(async |accessor| {
            let (one, two) = accessor.with(|mut access| {
                let mut start = || run.start_call_concurrent(&mut access, ()).unwrap();
                (start(), start())
            });
            let tasks = [one.task(), two.task()];
            let (one, two) = futures::join!(
                run.finish_call_concurrent(accessor, one),
                run.finish_call_concurrent(accessor, two)
            );
            one.and(two).unwrap();
            tasks
        })
        .await
        .unwrap();
    let callers = &store.data().callers;
    assert_eq!(callers.len(), 4);
    assert_ne!(callers[0], callers[1], "they did not take turns");
    for task in tasks {
        let calls = callers.iter().filter(|caller| **caller == task);
        assert_eq!(calls.count(), 2, "{callers:?}");
    }
}
