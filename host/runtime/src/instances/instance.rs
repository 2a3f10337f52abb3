//! What one instance may use: the data of its store.

use crate::instances::capabilities::Capabilities;
use crate::instances::cpu_scheduler::{Computes, Work};
use crate::instances::logs::{LogStream, Stream};
use crate::instances::memory::MemoryLimiter;
use crate::limits::ComponentBudget;
use crate::requests::outgoing::Outgoing;
use crate::requests::running::{RunningRequests, RunningRequestsView, find_current};
use sbd_metering::{Meter, Metered};
use std::path::Path;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Largest block of random bytes a guest may ask for at once.
const LARGEST_RANDOM: u64 = 1 << 20;

/// Bytes of headers that the host keeps at least.
const HEADERS: usize = 128 << 10;

/// The data of one instance's store.
pub(crate) struct State {
    pub(crate) limiter: MemoryLimiter,
    work: Work,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    running_requests: RunningRequests,
    config: sbd_config::ConfigCtx,
    /// None of nobody's instance.
    capabilities: Option<Capabilities>,
    keyvalue: Option<sbd_keyvalue::KeyvalueCtx>,
    sqlite: Option<sbd_sqlite::SqliteCtx>,
}

// === impl State ===

impl State {
    pub(crate) fn new(
        outgoing: Outgoing,
        config: sbd_config::ConfigCtx,
        capabilities: Option<Capabilities>,
        environment: &[(String, String)],
        files: Option<&Path>,
        budget: &Arc<ComponentBudget>,
    ) -> Self {
        let running_requests = RunningRequests::new(outgoing.current.clone());
        let log = |stream| LogStream::new(stream, budget, &outgoing.current);
        // No sockets, no arguments; the environment and the files are what the manifest says.
        let mut wasi = WasiCtx::builder();
        if let Some(folder) = files
            && let Err(error) = wasi.preopened_dir(folder, "/", FsPerms::ReadOnly)
        {
            tracing::error!(folder = %folder.display(), %error, "a component's files cannot be opened; it finds none");
        }
        let wasi = wasi
            .stdout(log(Stream::Stdout))
            .stderr(log(Stream::Stderr))
            .envs(environment)
            .max_random_size(LARGEST_RANDOM)
            .build();
        let limits = &budget.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let mut http = WasiHttpCtx::new();
        // A guest that goes somewhat over the limit is told by name; this bounds what it can make.
        let largest = 2 * limits.response_headers.bytes_usize();
        http.set_field_size_limit(largest.max(HEADERS));
        Self {
            limiter: MemoryLimiter::new(limits.memory.bytes_usize()),
            work: Work::default(),
            table,
            wasi,
            http,
            outgoing,
            running_requests,
            config,
            keyvalue: capabilities.as_ref().map(|granted| granted.open_keyvalue()),
            sqlite: capabilities.as_ref().map(|granted| granted.open_sqlite()),
            capabilities,
        }
    }

    pub(crate) fn capabilities(&mut self) -> &mut Capabilities {
        granted(&mut self.capabilities)
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

/// What a call reaches that was charged: nobody's instance has nothing, and no call of it is.
fn granted<T>(capability: &mut Option<T>) -> &mut T {
    match capability {
        Some(capability) => capability,
        None => unreachable!("nobody's calls are refused before they reach a capability"),
    }
}

impl Computes for State {
    fn work(&mut self) -> &mut Work {
        &mut self.work
    }
}

impl RunningRequestsView for State {
    fn running_requests(&mut self) -> &mut RunningRequests {
        &mut self.running_requests
    }
}

impl Metered for State {
    fn meter(mut store: StoreContextMut<'_, Self>) -> Arc<dyn Meter> {
        find_current(store.as_context_mut());
        store.data_mut().running_requests.current()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl sbd_keyvalue::KeyvalueView for State {
    fn keyvalue(&mut self) -> sbd_keyvalue::KeyvalueCtxView<'_> {
        sbd_keyvalue::KeyvalueCtxView {
            ctx: granted(&mut self.keyvalue),
            table: &mut self.table,
        }
    }
}

impl sbd_sqlite::SqliteView for State {
    fn sqlite(&mut self) -> sbd_sqlite::SqliteCtxView<'_> {
        sbd_sqlite::SqliteCtxView {
            ctx: granted(&mut self.sqlite),
            table: &mut self.table,
        }
    }
}

impl sbd_config::ConfigView for State {
    fn config(&mut self) -> &mut sbd_config::ConfigCtx {
        &mut self.config
    }
}
