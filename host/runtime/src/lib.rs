//! The wasm host: engine, compile cache, grants, instance pools and service chaining.
//!
//! Whoever embeds it loads an application once ([`Runtime::start`]) and then sends it requests
//! ([`Runtime::invoke`]). wasmtime and its `wasi` crates are an affair of this crate alone.

mod answer;
pub mod body;
mod caller;
mod compile_cache;
mod declarations;
mod egress;
mod engine;
mod error;
mod failures;
mod grants;
mod http;
mod instance;
mod limit;
mod logs;
mod memory;
mod origin;
mod outgoing;
mod pool;
mod reserved;
mod tenant;
mod worker;

pub use body::Body;
pub use caller::{CALLER, Caller, CallerError, CallerSeal, Principal};
pub use compile_cache::CompileCacheStats;
pub use egress::Resolve;
pub use error::{Error, InvokeError};
pub use limit::{Limit, OverLimit};
pub use reserved::is_reserved;
pub use sbd_storage::Options as StorageOptions;

use ::http::uri::{Authority, PathAndQuery};
use ::http::{HeaderValue, Request, Response, Uri, header};
use compile_cache::CompileCache;
use egress::{Reaches, SystemResolver};
use engine::{Clock, Turns};
use instance::State;
use origin::{Chain, Passage};
use outgoing::{INTERNAL_SCHEME, drop_platform_headers};
use sbd_keys::{FileKeyring, HostSecret};
use sbd_manifest::{AllowedHosts, App, Component as Declared};
use sbd_passwords::Hasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tenant::{Place, Tenant};
use tokio::time::Instant;
use wasmtime::Engine;
use wasmtime_wasi_http::handler::ProxyPre;

/// How often expired documents are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// A tenant's last requests may take this long when it is closed.
const CLOSING: Duration = Duration::from_secs(60);

/// The header by which the auth component says which sessions have ended.
const REVOKED: &str = "sbd-revoked";

/// Reads a component's file, given the `source` of its manifest entry.
pub type ReadSource = Box<dyn Fn(&Path) -> std::io::Result<Vec<u8>> + Send + Sync>;

/// What the runtime needs besides the application.
pub struct Settings {
    /// The folder that holds everything: tenants, keys, compiled components.
    pub data_dir: PathBuf,
    /// Where components come from: files, or the bundle in the binary.
    pub read_source: ReadSource,
    /// Values of the application's variables, already resolved, by component.
    pub variables: HashMap<String, BTreeMap<String, String>>,
    /// How tenant databases are opened.
    pub storage: sbd_storage::Options,
    /// How passwords are hashed.
    pub passwords: sbd_passwords::Settings,
    /// How tokens are signed.
    pub keys: sbd_keys::Settings,
    /// How long a tenant stays open without a request.
    pub tenant_idle: Duration,
    /// What finds the addresses of names that guests call. `None`: the operating system.
    pub resolver: Option<Arc<dyn Resolve>>,
}

/// A running application. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

/// A request on its way to a component.
#[derive(Clone, Debug)]
pub struct Call {
    /// The tenant whose data it may touch.
    pub tenant: Arc<str>,
    /// The component.
    pub component: Arc<str>,
    /// `req_...`
    pub request_id: Arc<str>,
    /// Who asks; `None` is anybody.
    pub caller: Option<Arc<Principal>>,
}

/// Figures for `/health` and `/metrics`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Instances alive, by component.
    pub instances: BTreeMap<String, usize>,
    /// The compile cache since the start.
    pub compile_cache: CompileCacheStats,
    /// Tenants that are open.
    pub tenants: usize,
}

type Observer = Box<dyn Fn(&str, &[String]) + Send + Sync>;

pub(crate) struct Inner {
    app: Arc<App>,
    engine: Engine,
    clock: Clock,
    turns: Turns,
    components: HashMap<Arc<str>, LoadedComponent>,
    tenants: RwLock<HashMap<Arc<str>, Arc<Place>>>,
    tenant_idle: Duration,
    compile_cache: CompileCache,
    seal: CallerSeal,
    reaches: Reaches,
    passwords: Arc<Hasher>,
    keyring: Arc<FileKeyring>,
    storage: sbd_storage::Options,
    data_dir: PathBuf,
    revoked: RwLock<Vec<Observer>>,
}

pub(crate) struct LoadedComponent {
    declared: Declared,
    proxy: Arc<ProxyPre<State>>,
    allowed: Arc<AllowedHosts>,
    variables: Arc<BTreeMap<String, String>>,
    stores: Arc<BTreeSet<String>>,
    environment: Arc<[(String, String)]>,
    instances: Arc<AtomicUsize>,
}

/// A call with its caller sealed, as it travels between components.
pub(crate) struct Chained {
    tenant: Arc<str>,
    component: Arc<str>,
    passage: Passage,
}

// === impl Runtime ===

impl Runtime {
    /// Loads every component of the application: reads, compiles (or takes from the cache), checks
    /// its imports against its grants, links it. Nothing runs yet.
    ///
    /// # Errors
    /// The first thing that is wrong, with what to do about it.
    pub async fn start(app: Arc<App>, settings: Settings) -> Result<Self, Error> {
        let loading = tokio::task::spawn_blocking(move || Inner::load(app, settings));
        let inner = loading
            .await
            .map_err(|error| Error::Engine(error.to_string()))??;
        let inner = Arc::new(inner);
        let swept = Arc::downgrade(&inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(inner) = swept.upgrade() else { return };
                for place in inner.places() {
                    if let Some(tenant) = place.tenant.get() {
                        tenant.sweep().await;
                    }
                }
            }
        });
        let closed = Arc::downgrade(&inner);
        let often = (inner.tenant_idle / 4).clamp(Duration::from_millis(50), SWEEP);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(often).await;
                let Some(inner) = closed.upgrade() else {
                    return;
                };
                inner.close_idle().await;
            }
        });
        Ok(Self { inner })
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        &self.inner.app
    }

    /// Opens a tenant now instead of at its first request.
    ///
    /// # Errors
    /// When its database cannot be opened or does not fit the declared indexes.
    pub async fn open_tenant(&self, name: &Arc<str>) -> Result<(), Error> {
        let place = self.inner.place(name)?;
        self.inner.open(&place, name).await
    }

    /// Lets a tenant's requests finish and closes it. Who closes it has seen to it that no new ones
    /// come.
    ///
    /// # Errors
    /// When a request still runs after a minute.
    pub async fn close_tenant(&self, name: &str) -> Result<(), Error> {
        let until = Instant::now() + CLOSING;
        while let Some(place) = self.inner.known_place(name) {
            if let Some(tenant) = place.tenant.get() {
                tenant.retire();
            }
            drop(place);
            if self
                .inner
                .close(|known, _| known == name, Duration::ZERO)
                .await
                > 0
            {
                break;
            }
            if Instant::now() > until {
                let reason = format!(
                    "the tenant `{name}` still answers a request after {} s; try again",
                    CLOSING.as_secs()
                );
                return Err(Error::capability("storage", &reason));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Removes everything that a closed tenant has on disk; answers the files, with their sizes.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub async fn remove_tenant(&self, name: &str) -> Result<Vec<(PathBuf, u64)>, Error> {
        let (data_dir, tenant) = (self.inner.data_dir.clone(), name.to_owned());
        let removing = move || {
            tenant::remove_files(&data_dir, &tenant)
                .map_err(|error| Error::data_directory(&data_dir.join("tenants"), &error))
        };
        let removed = tokio::task::spawn_blocking(removing).await;
        let mut removed = removed.map_err(|error| Error::capability("storage", &error))??;
        let keys = self.inner.keyring.remove(name).await;
        removed.extend(keys.map_err(|error| Error::capability("keys", &error))?);
        Ok(removed)
    }

    /// Sends a request to a component. Headers that begin with `sbd-` are replaced by the host's.
    ///
    /// # Errors
    /// When there is no answer; see [`InvokeError`]. An error status of the component is an answer.
    pub async fn invoke(
        &self,
        call: Call,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        drop_platform_headers(request.headers_mut());
        let caller = call
            .caller
            .as_ref()
            .and_then(|principal| principal.sealed(&self.inner.seal));
        let component = self
            .inner
            .components
            .get(&call.component)
            .ok_or_else(|| InvokeError::UnknownComponent(call.component.to_string()))?;
        let limits = &component.declared.settings.limits;
        let passage = Passage {
            request_id: call.request_id,
            caller,
            depth: 0,
            chain: Arc::new(Chain::new(limits.calls, limits.call_depth)),
        };
        let chained = Chained {
            tenant: call.tenant,
            component: call.component,
            passage,
        };
        self.inner.invoke(chained, request).await
    }

    /// Hears of sessions that the auth component has ended, by tenant.
    pub fn on_revoked(&self, observer: impl Fn(&str, &[String]) + Send + Sync + 'static) {
        if let Ok(mut observers) = self.inner.revoked.write() {
            observers.push(Box::new(observer));
        }
    }

    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        let instances = self.inner.components.iter();
        Stats {
            instances: instances
                .map(|(id, component)| {
                    (id.to_string(), component.instances.load(Ordering::Relaxed))
                })
                .collect(),
            compile_cache: self.inner.compile_cache.stats(),
            tenants: self
                .inner
                .places()
                .iter()
                .filter(|place| place.tenant.initialized())
                .count(),
        }
    }
}

// === impl Inner ===

impl Inner {
    fn load(app: Arc<App>, settings: Settings) -> Result<Self, Error> {
        let data_dir = settings.data_dir;
        let secrets = data_dir.join("keyring").join("host");
        let secret = |name| {
            HostSecret::load_or_create(&secrets, name)
                .map_err(|error| Error::capability("keys", &error))
        };
        let (engine, clock) =
            engine::engine().map_err(|error| Error::Engine(format!("{error:#}")))?;
        let compile_cache =
            CompileCache::open(data_dir.join("compiled"), secret("compile-cache")?.bytes())?;
        let mut components = HashMap::new();
        for declared in app.components.values() {
            let variables = settings
                .variables
                .get(declared.id.as_str())
                .cloned()
                .unwrap_or_default();
            let component = LoadedComponent::load(
                &engine,
                &compile_cache,
                declared,
                variables,
                &settings.read_source,
            )?;
            components.insert(Arc::from(declared.id.as_str()), component);
        }
        let keyring = FileKeyring::open(data_dir.join("keyring").join("tenants"), settings.keys)
            .map_err(|error| Error::capability("keys", &error))?;
        let passwords = Hasher::new(settings.passwords)
            .map_err(|error| Error::capability("passwords", &error))?;
        Ok(Self {
            seal: CallerSeal::new(secret("caller")?.bytes()),
            app,
            engine,
            clock,
            turns: Turns::new(tokio::runtime::Handle::current().metrics().num_workers()),
            components,
            tenants: RwLock::default(),
            tenant_idle: settings.tenant_idle,
            compile_cache,
            reaches: Reaches::new(
                settings
                    .resolver
                    .unwrap_or_else(|| Arc::new(SystemResolver)),
            ),
            passwords: Arc::new(passwords),
            keyring: Arc::new(keyring),
            storage: settings.storage,
            data_dir,
            revoked: RwLock::default(),
        })
    }

    fn places(&self) -> Vec<Arc<Place>> {
        self.tenants
            .read()
            .map(|tenants| tenants.values().cloned().collect())
            .unwrap_or_default()
    }

    fn known_place(&self, name: &str) -> Option<Arc<Place>> {
        self.tenants.read().ok()?.get(name).cloned()
    }

    /// The tenant's place, open or not.
    fn place(&self, name: &Arc<str>) -> Result<Arc<Place>, Error> {
        if let Some(place) = self.known_place(name) {
            return Ok(place);
        }
        let poisoned =
            |_| Error::capability("storage", &"a thread panicked while opening a tenant");
        let mut tenants = self.tenants.write().map_err(poisoned)?;
        Ok(Arc::clone(tenants.entry(Arc::clone(name)).or_default()))
    }

    async fn open(self: &Arc<Self>, place: &Place, name: &Arc<str>) -> Result<(), Error> {
        place.touch(&self.clock);
        place
            .tenant
            .get_or_try_init(|| Tenant::open(self, name))
            .await
            .map(drop)
    }

    /// Closes tenants that nobody has asked for anything for a while.
    async fn close_idle(&self) {
        let closed = self.close(|_, _| true, self.tenant_idle).await;
        if closed > 0 {
            tracing::debug!(closed, "idle tenants closed");
        }
    }

    /// Closes those of the tenants that are idle for so long and that nobody has in hand; answers how
    /// many.
    async fn close(&self, chosen: impl Fn(&str, &Place) -> bool, idle: Duration) -> usize {
        let mut closed = Vec::new();
        if let Ok(mut tenants) = self.tenants.write() {
            // Under this lock nobody can take one in hand who has not got it.
            tenants.retain(|name, place| {
                let goes = chosen(name, place)
                    && Arc::strong_count(place) == 1
                    && place.is_idle(&self.clock, idle);
                if goes {
                    closed.push((Arc::clone(name), Arc::clone(place)));
                }
                !goes
            });
        }
        let count = closed.len();
        for (name, _) in &closed {
            self.keyring.forget(name);
        }
        // A database that closes writes its log back and waits for its thread.
        let _ = tokio::task::spawn_blocking(move || drop(closed)).await;
        count
    }

    /// How much a bucket may hold: as much as the most generous of the components that may open it.
    fn bucket_bytes(&self, bucket: &str) -> u64 {
        let opens = |component: &&LoadedComponent| component.stores.contains(bucket);
        let limits = self.components.values().filter(opens);
        limits
            .map(|component| component.declared.settings.limits.stored_bytes.bytes())
            .max()
            .unwrap_or_default()
    }

    /// The way of every request to every component, from outside or from another component.
    async fn invoke(
        self: &Arc<Self>,
        call: Chained,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        // Boxed is what happens once: it would make the future of every request larger.
        let unopened = |error: Error| InvokeError::CannotStart(error.to_string());
        let place = self.place(&call.tenant).map_err(unopened)?;
        place.touch(&self.clock);
        if !place.tenant.initialized() {
            let opening = Box::pin(self.open(&place, &call.tenant));
            opening.await.map_err(unopened)?;
        }
        let unknown = || InvokeError::UnknownComponent(call.component.to_string());
        let tenant = place.tenant.get().ok_or_else(unknown)?;
        let pool = match tenant.pool(&call.component) {
            Some(pool) => pool,
            None => {
                let (id, component) = self
                    .components
                    .get_key_value(&call.component)
                    .ok_or_else(unknown)?;
                let opening = Box::pin(tenant.open_pool(self, id, component));
                opening.await.map_err(unopened)?
            }
        };
        describe(&mut request, &call)?;
        let mut response = pool.handle(call.passage, request).await?;
        if response.headers().contains_key(REVOKED)
            && self.app.settings.auth.as_deref() == Some(&*call.component)
        {
            self.revoke(&call.tenant, response.headers());
        }
        drop_platform_headers(response.headers_mut());
        Ok(response)
    }

    fn revoke(&self, tenant: &str, headers: &::http::HeaderMap) {
        let lists = headers
            .get_all(REVOKED)
            .iter()
            .filter_map(|list| list.to_str().ok());
        let sessions: Vec<String> = lists
            .flat_map(|list| list.split(','))
            .map(|id| id.trim().to_owned())
            .collect();
        if let Ok(observers) = self.revoked.read() {
            for observer in observers.iter() {
                observer(tenant, &sessions);
            }
        }
    }
}

/// Sets what the host tells a guest about a request: the platform's headers, and a complete URI.
fn describe(request: &mut Request<Body>, call: &Chained) -> Result<(), InvokeError> {
    let text = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| InvokeError::CannotStart(error.to_string()))
    };
    let headers = request.headers_mut();
    headers.insert("sbd-request-id", text(&call.passage.request_id)?);
    headers.insert("sbd-tenant", text(&call.tenant)?);
    if let Some(caller) = &call.passage.caller {
        headers.insert(CALLER, caller.clone());
    }
    if request.uri().authority().is_none() {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host
            .and_then(|host| host.parse().ok())
            .unwrap_or_else(|| Authority::from_static("localhost"));
        let path = request
            .uri()
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        let complete = Uri::builder()
            .scheme(INTERNAL_SCHEME)
            .authority(host)
            .path_and_query(path)
            .build();
        *request.uri_mut() =
            complete.map_err(|error| InvokeError::CannotStart(error.to_string()))?;
    }
    Ok(())
}

// === impl LoadedComponent ===

impl LoadedComponent {
    fn load(
        engine: &Engine,
        cache: &CompileCache,
        declared: &Declared,
        variables: BTreeMap<String, String>,
        read: &ReadSource,
    ) -> Result<Self, Error> {
        let id = declared.id.as_str();
        let wasm = read(&declared.source).map_err(|error| Error::Source {
            component: id.to_owned(),
            path: declared.source.clone(),
            reason: error.to_string(),
        })?;
        let component = cache.load(engine, &wasm).map_err(|error| {
            Error::not_runnable(id, format!("{}: {error:#}", declared.source.display()))
        })?;
        let proxy = grants::link(engine, declared, &component)?;
        Ok(Self {
            proxy: Arc::new(proxy),
            allowed: Arc::new(declared.allowed_outbound_hosts.clone()),
            variables: Arc::new(variables),
            stores: Arc::new(declared.key_value_stores.iter().cloned().collect()),
            environment: declared.environment.clone().into_iter().collect(),
            instances: Arc::default(),
            declared: declared.clone(),
        })
    }
}
