//! Spin's interfaces called as a component would call them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use crate::bindings::{newer, older};
use crate::host::Failure;
use crate::limits::{MAX_OPEN_BUCKETS, PAGE_KEYS};
use crate::{Bucket, Error, Keyvalue, KeyvalueCtx, KeyvalueCtxView, KeyvalueView, SqliteBackend};
use sbd_capability_testing::{Instance, engine};
use sbd_metering::{Budget, Meter, Unmetered};
use sbd_storage::{Database, Options};
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::component::{Access, Accessor, Resource, ResourceTable};
use wasmtime::{AsContextMut as _, Store};

struct Held {
    ctx: KeyvalueCtx,
    table: ResourceTable,
    _folder: tempfile::TempDir,
}

impl KeyvalueView for Instance<Held> {
    fn keyvalue(&mut self) -> KeyvalueCtxView<'_> {
        KeyvalueCtxView {
            ctx: &mut self.ctx.ctx,
            table: &mut self.ctx.table,
        }
    }
}

async fn store(meter: Arc<dyn Meter>) -> Store<Instance<Held>> {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("t.db"), &Options::default()).unwrap();
    let backend = SqliteBackend::open(database).await.unwrap();
    backend.allow("default", 1 << 20).await.unwrap();
    let granted: BTreeSet<String> = ["default".to_owned()].into();
    let held = Held {
        ctx: KeyvalueCtx::new(Arc::new(backend), "family".into(), Arc::new(granted)),
        table: ResourceTable::new(),
        _folder: folder,
    };
    Store::new(&engine(), Instance::new(held, meter))
}

fn calls(store: &mut Store<Instance<Held>>) -> Access<'_, Instance<Held>, Keyvalue> {
    Access::<_, Keyvalue>::new(store.as_context_mut(), Instance::<Held>::keyvalue)
}

fn lend(bucket: &Resource<Bucket>) -> Resource<Bucket> {
    Resource::new_borrow(bucket.rep())
}

fn key() -> String {
    "k".to_owned()
}

#[tokio::test]
async fn older_components_use_the_same_stores() {
    use older::HostStoreWithStore as _;
    let mut store = store(Arc::new(Unmetered)).await;
    let refused = Keyvalue::open(calls(&mut store), "other".to_owned()).await;
    assert!(matches!(
        refused,
        Err(Failure::Told(Error::AccessDenied { .. }))
    ));
    let bucket = Keyvalue::open(calls(&mut store), "default".to_owned()).await;
    let bucket = &bucket.unwrap();
    let get = Keyvalue::get(calls(&mut store), lend(bucket), key());
    assert_eq!(get.await.unwrap(), None);
    let set = Keyvalue::set(calls(&mut store), lend(bucket), key(), vec![7]);
    set.await.unwrap();
    let get = Keyvalue::get(calls(&mut store), lend(bucket), key());
    assert_eq!(get.await.unwrap(), Some(vec![7]));
    let exists = Keyvalue::exists(calls(&mut store), lend(bucket), key());
    assert!(exists.await.unwrap());
    let more = (0..=PAGE_KEYS).map(|n| format!("n{n:05}"));
    for key in more.clone() {
        let set = Keyvalue::set(calls(&mut store), lend(bucket), key, vec![]);
        set.await.unwrap();
    }
    let keys = Keyvalue::get_keys(calls(&mut store), lend(bucket)).await;
    let all: Vec<String> = std::iter::once(key()).chain(more).collect();
    assert_eq!(keys.unwrap(), all);
    for _ in 0..2 {
        let delete = Keyvalue::delete(calls(&mut store), lend(bucket), key());
        delete.await.unwrap();
    }
    let exists = Keyvalue::exists(calls(&mut store), lend(bucket), key());
    assert!(!exists.await.unwrap());
}

#[tokio::test]
async fn newer_components_use_the_same_stores() {
    use newer::HostStoreWithStore as _;
    let mut store = store(Arc::new(Unmetered)).await;
    let guest = async |accessor: &Accessor<Instance<Held>>| {
        let calls = &accessor.with_getter::<Keyvalue>(Instance::<Held>::keyvalue);
        let refused = Keyvalue::open(calls, "other".to_owned()).await;
        assert!(matches!(
            refused,
            Err(Failure::Told(Error::AccessDenied { .. }))
        ));
        let bucket = &Keyvalue::open(calls, "default".to_owned()).await.unwrap();
        assert_eq!(
            Keyvalue::get(calls, lend(bucket), key()).await.unwrap(),
            None
        );
        let set = Keyvalue::set(calls, lend(bucket), key(), vec![7]).await;
        set.unwrap();
        let get = Keyvalue::get(calls, lend(bucket), key()).await;
        assert_eq!(get.unwrap(), Some(vec![7]));
        assert!(Keyvalue::exists(calls, lend(bucket), key()).await.unwrap());
        let (mut keys, mut end) = Keyvalue::get_keys(calls, lend(bucket)).await.unwrap();
        accessor.with(|mut access| {
            keys.close(&mut access).unwrap();
            end.close(&mut access).unwrap();
        });
        Keyvalue::delete(calls, lend(bucket), key()).await.unwrap();
        Keyvalue::exists(calls, lend(bucket), key()).await.unwrap()
    };
    assert!(!store.run_concurrent(guest).await.unwrap());
}

#[tokio::test]
async fn stores_keys_and_bytes_are_charged_and_bounded() {
    use older::HostStoreWithStore as _;
    let meter = Arc::new(Budget::new(u32::MAX, usize::MAX));
    let mut store = store(meter.clone()).await;
    let mut open = Vec::new();
    for _ in 0..MAX_OPEN_BUCKETS {
        open.push(
            Keyvalue::open(calls(&mut store), "default".to_owned())
                .await
                .unwrap(),
        );
    }
    let Err(Failure::Told(refused)) = Keyvalue::open(calls(&mut store), "default".to_owned()).await
    else {
        panic!("not refused");
    };
    assert!(matches!(
        older::Error::from(refused),
        older::Error::StoreTableFull
    ));
    let bucket = open.remove(0);
    older::HostStore::drop(&mut store.data_mut().keyvalue(), bucket).unwrap();
    Keyvalue::open(calls(&mut store), "default".to_owned())
        .await
        .unwrap();

    let before = meter.used().1;
    let set = Keyvalue::set(calls(&mut store), lend(&open[0]), key(), vec![0; 9]);
    set.await.unwrap();
    Keyvalue::get_keys(calls(&mut store), lend(&open[0]))
        .await
        .unwrap();
    assert_eq!(meter.used().1, before + 10 + 1);
    let large = vec![0; 2 << 20];
    let refused = Keyvalue::set(calls(&mut store), lend(&open[0]), key(), large).await;
    assert!(matches!(refused, Err(Failure::Told(Error::Invalid(_)))));
    for n in 0.. {
        let value = vec![0; 1 << 19];
        let set = Keyvalue::set(calls(&mut store), lend(&open[0]), format!("n{n}"), value).await;
        if set.is_err() {
            break;
        }
    }
    assert_eq!(meter.refused(), Some("stored_bytes"));
}
