//! What the host of a test holds, and how the capabilities find it.

use super::App;
use super::{
    blobs, cache, documents, features, inference, keys, keyvalue, mail, metrics, ocr, outbound,
    realtime, schedules, tasks, vault, vectors,
};
use sbd_manifest::AllowedHosts;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// All that the host of one test holds.
#[derive(Default)]
pub(super) struct World {
    /// The present, in milliseconds since 1970.
    pub(super) now: Cell<i64>,
    /// Whether there is no room left.
    pub(super) full: Cell<bool>,
    /// The component's name in its manifest; `test` without one.
    pub(super) name: RefCell<Option<String>>,
    /// What the manifest grants; anything without one.
    pub(super) grants: RefCell<Option<Vec<String>>>,
    /// Where the manifest lets it send requests; anywhere without one.
    pub(super) reaches: RefCell<Option<AllowedHosts>>,
    pub(super) variables: RefCell<BTreeMap<String, String>>,
    pub(super) documents: RefCell<documents::Collections>,
    pub(super) blobs: RefCell<blobs::Blobs>,
    pub(super) cache: RefCell<cache::Entries>,
    pub(super) keyvalue: RefCell<keyvalue::Buckets>,
    pub(super) features: RefCell<BTreeMap<String, features::Switch>>,
    pub(super) had: RefCell<features::Had>,
    pub(super) channels: RefCell<realtime::Channels>,
    pub(super) keys: keys::Secret,
    pub(super) vault: RefCell<vault::Key>,
    pub(super) tasks: RefCell<tasks::Tasks>,
    pub(super) schedules: RefCell<schedules::Schedules>,
    pub(super) mails: RefCell<Vec<mail::Mail>>,
    pub(super) metrics: RefCell<metrics::Counted>,
    pub(super) models: RefCell<inference::Models>,
    pub(super) vectors: RefCell<vectors::Collections>,
    pub(super) images: RefCell<Option<Box<ocr::Reading>>>,
    pub(super) neighbours: RefCell<BTreeMap<String, Rc<App>>>,
    pub(super) answers: RefCell<Option<Box<outbound::Answers>>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The world is in place as long as this lives.
pub(super) struct Entered {
    before: Option<Rc<World>>,
}

// === impl World ===

impl World {
    pub(super) fn enter(self: &Rc<Self>) -> Entered {
        Entered {
            before: CURRENT.replace(Some(Rc::clone(self))),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

/// The world of the test that is running, if one is.
pub(super) fn current() -> Option<Rc<World>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The world of the test that is running, for a capability that the component must be granted.
pub(super) fn granted(capability: &str) -> Rc<World> {
    let world = present(capability);
    if let Some(grants) = &*world.grants.borrow() {
        assert!(
            grants.iter().any(|grant| grant == capability),
            "the component uses `{capability}`; add it to `grants` in its spin.toml"
        );
    }
    world
}

/// The world of the test that is running.
pub(super) fn present(capability: &str) -> Rc<World> {
    current().unwrap_or_else(|| {
        panic!("`{capability}` needs a host; run this by a `sbd_sdk::testing::App`")
    })
}
