//! The same component without `sbd`: wasmtime, its `ProxyHandler`, and the capabilities linked.
//!
//! Engine and instances are set up as the runtime does it (pool sizes, kept pages, epoch checks in
//! the compiled code, instances reused as often), so that what is left between the two is what
//! gateway and runtime do for a request: request id, tenant, route, principal, limits, time-outs,
//! access log, metrics.

use crate::listen;
use anyhow::anyhow;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use sbd_config::{ConfigCtx, ConfigView};
use sbd_documents::{CollectionDeclaration, DocumentsCtx, DocumentsView, SqliteDocuments};
use sbd_metering::{Meter, Metered, Unmetered};
use sbd_storage::Database;
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::net::TcpListener;
use wasmtime::component::{Component, GuestTaskId, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store,
    StoreContextMut,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState,
    WorkerStatus,
};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView, p2, p3,
};

/// Requests an instance answers before it is thrown away, and at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reuse {
    pub(crate) requests: usize,
    pub(crate) at_once: usize,
}

/// Most instances; as `sbd` has it.
const INSTANCES: u32 = 1000;

const COMPONENT: &str = "family";

/// Serves a component on a free port and prints the address. Ends with the process.
pub(crate) fn serve(component: &Path, data_dir: &Path, reuse: Reuse) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let handler = ProxyHandler::new(
            Bare::new(component, data_dir, reuse)
                .await
                .map_err(|error| anyhow!("{error:#}"))?,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let service = service_fn(move |request: Request<Incoming>| {
            let handler = handler.clone();
            async move { handler.handle((), with_authority(request)?.map(body)).await }
        });
        listen::accept(listener, service).await
    })
}

/// A guest wants scheme and authority in the URI.
fn with_authority(mut request: Request<Incoming>) -> wasmtime::Result<Request<Incoming>> {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok()?.parse().ok());
    let path = request
        .uri()
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(host.unwrap_or_else(|| Authority::from_static("localhost")))
        .path_and_query(path)
        .build()?;
    Ok(request)
}

fn body(incoming: Incoming) -> WasiBody {
    incoming.map_err(HttpError::Hyper).boxed_unsync()
}

/// How to make an instance.
struct Bare {
    engine: Engine,
    proxy: ProxyPre<State>,
    documents: DocumentsCtx,
    reuse: Reuse,
}

// === impl Bare ===

impl Bare {
    async fn new(component: &Path, data_dir: &Path, reuse: Reuse) -> wasmtime::Result<Self> {
        let wasm = std::fs::read(component).with_context(|| {
            format!(
                "cannot read {}; build it with `cargo xtask guests`",
                component.display()
            )
        })?;
        let engine = Engine::new(&config())?;
        let component = Component::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        p2::add_only_http_to_linker_async(&mut linker)?;
        p3::add_to_linker(&mut linker)?;
        sbd_documents::add_to_linker(&mut linker)?;
        sbd_config::add_to_linker(&mut linker)?;
        let pre = linker.instantiate_pre(&component)?;
        let ty = component.component_type();
        let is_new = ty
            .exports(&engine)
            .any(|(name, _)| name.starts_with("wasi:http/handler@"));
        let proxy = if is_new {
            ProxyPre::P3(p3::bindings::ServicePre::new(pre)?)
        } else {
            ProxyPre::P2(p2::bindings::ProxyPre::new(pre)?)
        };
        let database = Database::open(&data_dir.join("bare.db"), &sbd_storage::Options::default())?;
        let documents = Arc::new(SqliteDocuments::new(database));
        let declared = ["families", "memberships", "creators"].map(|name| CollectionDeclaration {
            name: name.to_owned(),
            indexes: Vec::new(),
        });
        documents.configure(COMPONENT, &declared).await?;
        let documents = DocumentsCtx::new(documents, Arc::new(()), COMPONENT.into());
        Ok(Self {
            engine,
            proxy,
            documents,
            reuse,
        })
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(4 * INSTANCES)
        .total_memories(2 * INSTANCES)
        .total_tables(4 * INSTANCES)
        .total_stacks(2 * INSTANCES)
        .total_gc_heaps(INSTANCES)
        .max_memory_size(1 << 30)
        .max_core_instances_per_component(32)
        .max_memories_per_component(8)
        .max_tables_per_component(64)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(32 << 10);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_component_model_async(true);
    config
}

impl HandlerState for Bare {
    type StoreData = State;
    type WorkerExpiration = Never;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Never, Worker>> {
        let mut store = Store::new(&self.engine, State::new(self.documents.clone()));
        // Nothing advances the epoch here.
        store.set_epoch_deadline(1);
        let proxy = self.proxy.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Never,
            state: Worker(self.reuse),
        })
    }
}

struct Worker(Reuse);

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.0.requests {
            ShouldAccept::Never
        } else if concurrent >= self.0.at_once {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, _: Store<State>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            eprintln!("the component failed: {error:?}");
        }
    }
}

/// Workers end by their number of requests, never by time.
struct Never;

impl WorkerExpiration for Never {
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>, _: WorkerStatus, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

/// The data of one instance's store.
struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoWayOut,
    documents: DocumentsCtx,
    config: ConfigCtx,
}

// === impl State ===

impl State {
    fn new(documents: DocumentsCtx) -> Self {
        Self {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            hooks: NoWayOut,
            documents,
            config: ConfigCtx::new(COMPONENT.into(), Arc::new(BTreeMap::new())),
        }
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
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl Metered for State {
    fn meter(_: StoreContextMut<'_, Self>) -> Arc<dyn Meter> {
        Arc::new(Unmetered)
    }
}

impl DocumentsView for State {
    fn documents(&mut self) -> &mut DocumentsCtx {
        &mut self.documents
    }
}

impl ConfigView for State {
    fn config(&mut self) -> &mut ConfigCtx {
        &mut self.config
    }
}

/// The component sends no requests.
struct NoWayOut;

type Transferred = Box<dyn Future<Output = Result<(), HttpError>> + Send>;

impl WasiHttpHooks for NoWayOut {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Transferred,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transferred), HttpError>> + Send>
    {
        Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)))
    }
}
