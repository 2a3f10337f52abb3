//! The wasm host: engine, compile cache, grants, instance pools and service chaining.
//!
//! Whoever embeds it starts an application ([`Runtime::start`]), sends it requests
//! ([`Application::invoke`]) and puts another one in its place while it runs ([`Runtime::switch`]).
//! wasmtime and its `wasi` crates are an affair of this crate alone.
//!
//! Each of these folders knows those before it and none after it: `limits`, `engine`, `requests`,
//! `instances`, `inspection`, `offers`, `served`, `tenants`. Above them are the files beside this one,
//! which put them together: `application`, `delegation`, `events`, `realtime`, `swap`; below them `body`, `error`,
//! `principal`, `reserved`, `stores`, `archive` and `import`.

mod application;
mod archive;
mod audit;
pub mod body;
mod delegation;
mod engine;
mod error;
mod events;
mod import;
mod inspection;
mod instances;
mod keyrings;
mod limits;
mod offers;
mod principal;
mod realtime;
mod requests;
mod reserved;
mod served;
mod stores;
mod swap;
mod tenants;
mod vectors;

pub use application::Application;
pub use audit::{each_recorded, recorded_chains};
pub use body::Body;
pub use delegation::{DelegationError, identified};
pub use engine::compile_cache::CompileCacheStats;
pub use error::{Error, InvokeError};
pub use events::{EventLog, Publishing, TaskStore};
pub use import::ArchivedTenant;
pub use inspection::{Inspection, Reuse, Target, Toolchain, Unreadable};
pub use instances::grants::Permission;
pub use keyrings::check_keyrings;
pub use limits::{Limit, OverLimit};
pub use offers::{NoOffer, Offered, check as openapi};
pub use principal::{Authenticated, Delegation, Seal, SealError};
pub use realtime::SayError;
pub use requests::egress::Resolve;
pub use requests::{Call, Class, Question, Reply};
pub use reserved::is_reserved;
pub use sbd_realtime::Error as AnnounceError;
pub use sbd_storage::Options as StorageOptions;
pub use served::canary::{Canary, CanaryOutcome};
pub use served::{Changes, Definition, ReadSource};

use ::http::uri::{Authority, PathAndQuery};
use ::http::{HeaderValue, Request, Response, Uri, header};
use arc_swap::{ArcSwap, ArcSwapOption};
use engine::compile_cache::CompileCache;
use instances::cpu_scheduler::CpuScheduler;
use keyrings::Keyrings;
use offers::Loader;
use requests::egress::{Reaches, SystemResolver};
use requests::outgoing::INTERNAL_SCHEME;
use requests::running::RequestContext;
use sbd_contract::header as platform;
use sbd_features::Switches;
use sbd_inference::Models;
use sbd_keyring::HostSecret;
use sbd_mail::Mailer;
use sbd_ocr::Tesseract;
use sbd_pace::Breakers;
use sbd_passwords::Hasher;
use sbd_vectors::Searching;
use served::Snapshot;
use served::component::LoadedComponent;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;
use stores::SqliteStores;
use tenants::{Place, Shared, Tenant};
use tokio::time::Instant;

/// How often expired documents are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// A tenant's last requests may take this long when it is closed.
const CLOSING: Duration = Duration::from_secs(60);

/// How long to wait for a tenant in which nothing is to go on: instances without work end in half of it.
const LETTING_GO: Duration = Duration::from_secs(20);

/// What the runtime needs besides the application.
pub struct Settings {
    /// The folder that holds everything: tenants, keys, compiled components.
    pub data_dir: PathBuf,
    /// How tenant databases are opened.
    pub storage: sbd_storage::Options,
    /// How passwords are hashed.
    pub passwords: sbd_passwords::Settings,
    /// How tokens are signed.
    pub keys: sbd_keys::Settings,
    /// Through which server mails go, and from whom.
    pub mail: sbd_mail::Settings,
    /// The language models that components may ask.
    pub models: Arc<Models>,
    /// How much searches for vectors may take.
    pub vectors: sbd_vectors::Settings,
    /// Which features are on.
    pub switches: Switches,
    /// Hears of events that are published.
    pub publishing: Arc<dyn Publishing>,
    /// Hears of tasks that are enqueued.
    pub enqueuing: Arc<dyn Publishing>,
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

/// A runtime for whom it does not go on: for what it holds itself.
#[derive(Clone)]
pub struct WeakRuntime {
    inner: Weak<Inner>,
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
    shared: Shared,
    started: Instant,
    /// What is served now.
    current: ArcSwap<Snapshot>,
    /// What is to be served next, if it does well.
    tried: ArcSwapOption<Snapshot>,
    tenants: RwLock<HashMap<Arc<str>, Arc<Place>>>,
    tenant_idle: Duration,
    compile_cache: CompileCache,
    seal: Seal,
    data_dir: PathBuf,
    revoked: RwLock<Vec<Observer>>,
}

/// A call with its caller sealed, as it travels between components.
pub(crate) struct Chained {
    tenant: Arc<str>,
    component: Arc<LoadedComponent>,
    context: RequestContext,
}

// === impl Runtime ===

impl Runtime {
    /// Loads every component of the application: reads, compiles (or takes from the cache), checks
    /// its imports against its grants, links it. Nothing runs yet.
    ///
    /// # Errors
    /// The first thing that is wrong, with what to do about it.
    pub async fn start(definition: Definition, settings: Settings) -> Result<Self, Error> {
        let loading = tokio::task::spawn_blocking(move || Inner::load(&definition, settings));
        let inner = loading
            .await
            .map_err(|error| Error::Engine(error.to_string()))??;
        let inner = Arc::new(inner);
        let pruned = Arc::clone(&inner);
        tokio::spawn(async move { pruned.prune_compiled().await });
        let swept = Arc::downgrade(&inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(inner) = swept.upgrade() else { return };
                inner.shared.stores.realtime().tidy();
                for place in inner.places() {
                    if let Some(tenant) = place.tenant.get() {
                        tenant.sweep().await;
                        // Late requests to a version that was replaced.
                        inner.settle(tenant).await;
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

    /// What is served now.
    pub fn application(&self) -> Application {
        Application::new(&self.inner, self.inner.current.load_full())
    }

    /// The same for what it holds itself: a circle would keep its databases open for ever.
    pub fn downgrade(&self) -> WeakRuntime {
        WeakRuntime {
            inner: Arc::downgrade(&self.inner),
        }
    }

    /// The circuit breakers of this process: its own, and those of whoever sends to components.
    pub fn breakers(&self) -> &Breakers {
        &self.inner.shared.breakers
    }

    /// The folder that holds everything.
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }

    /// Opens a tenant now instead of at its first request.
    ///
    /// # Errors
    /// When its database cannot be opened or does not fit the declared indexes.
    pub async fn open_tenant(&self, name: &Arc<str>) -> Result<(), Error> {
        let place = self.inner.place(name)?;
        place.touch(self.inner.started.elapsed());
        self.inner.open(&place, name).await
    }

    /// Whether a tenant is open.
    pub fn is_open(&self, name: &str) -> bool {
        let place = self.inner.known_place(name);
        place.is_some_and(|place| place.tenant.initialized())
    }

    /// Closes a tenant as soon as nothing goes on in it, if it was opened for what the host had to do there
    /// alone. Where that takes long, it is closed with those that are idle.
    pub async fn let_go(&self, name: &str) {
        let (inner, until) = (&self.inner, Instant::now() + LETTING_GO);
        while let Some(place) = inner.known_place(name) {
            let is_used = !place.is_unused(inner.started.elapsed(), inner.tenant_idle);
            drop(place);
            let chosen = |known: &str, _: &Place| known == name;
            if is_used || Instant::now() > until || inner.close(chosen, inner.tenant_idle).await > 0
            {
                return;
            }
            tokio::time::sleep(LETTING_GO / 100).await;
        }
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

    /// Says that the process is about to end: instances that are cut off from now on have not failed.
    pub fn stop(&self) {
        self.inner.shared.stopping.store(true, Ordering::Relaxed);
    }

    /// Writes all that a tenant has stored, as of one moment, into a file without a name: a tar archive.
    /// `about` stands in it as `tenant.json`. Requests go on meanwhile.
    ///
    /// # Errors
    /// When the tenant cannot be opened or read, or the archive not written.
    pub async fn export_tenant(
        &self,
        name: &Arc<str>,
        about: serde_json::Value,
    ) -> Result<File, Error> {
        // In hand until the end, so that it stays open.
        let place = self.inner.place(name)?;
        self.inner.open(&place, name).await?;
        let Some(tenant) = place.tenant.get() else {
            return Err(Error::capability(
                "storage",
                &"the tenant is closing; try again",
            ));
        };
        let archive = Arc::clone(&tenant.stores().archive);
        let stay = self.inner.current.load().stay();
        let temporary = self.inner.data_dir.join("temporary");
        archive.export(&temporary, about, stay).await
    }

    /// Makes the stores of a tenant that has none, with all that an archive holds: all of it or nothing.
    /// What a component of the application may keep, it may not exceed.
    ///
    /// # Errors
    /// [`Error::Archive`] when the archive is to blame; when the stores cannot be made.
    pub async fn import_tenant(&self, name: &str, archive: File) -> Result<(), Error> {
        let allowed = self.inner.current.load().allowed();
        let stores = &self.inner.shared.stores;
        stores.import(name, archive, allowed).await
    }

    /// What sends the tenants' mails.
    pub fn mailer(&self) -> &Mailer {
        &self.inner.shared.mailer
    }

    /// The language models that components may ask.
    pub fn models(&self) -> &Arc<Models> {
        &self.inner.shared.models
    }

    /// Signs and encrypts with new keys for a tenant from now on. What was signed before is good until it runs out, and
    /// what was encrypted opens as before.
    ///
    /// # Errors
    /// When the keys cannot be made or kept.
    pub async fn rotate_keys(&self, name: &str) -> Result<(), Error> {
        let rotated = self.inner.shared.keyrings.rotate(name).await;
        rotated.map_err(|error| Error::capability("keys", &error))
    }

    /// Removes everything that a closed tenant has on disk; answers the files, with their sizes.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub async fn remove_tenant(&self, name: &str) -> Result<Vec<(PathBuf, u64)>, Error> {
        let shared = &self.inner.shared;
        let mut removed = shared.stores.remove(name).await?;
        let keys = shared.keyrings.remove(name).await;
        removed.extend(keys.map_err(|error| Error::capability("keys", &error))?);
        let (mailer, tenant) = (Arc::clone(&shared.mailer), name.to_owned());
        let mails = tokio::task::spawn_blocking(move || mailer.remove(&tenant)).await;
        let mails = mails.map_err(|error| Error::capability("mail", &error))?;
        removed.extend(mails.map_err(|error| Error::capability("mail", &error))?);
        let forgotten = shared.models.forget(name).await;
        forgotten.map_err(|error| Error::capability("inference", &error))?;
        Ok(removed)
    }
}

// === impl WeakRuntime ===

impl WeakRuntime {
    /// The runtime, if it is still there.
    pub fn upgrade(&self) -> Option<Runtime> {
        let inner = self.inner.upgrade()?;
        Some(Runtime { inner })
    }
}

// === impl Inner ===

impl Inner {
    fn load(definition: &Definition, settings: Settings) -> Result<Self, Error> {
        let data_dir = settings.data_dir;
        let keyring = data_dir.join("keyring");
        let secrets = keyrings::host_secrets(&keyring);
        let secret = |name| {
            HostSecret::load_or_create(&secrets, name)
                .map_err(|error| Error::capability("keys", &error))
        };
        let (engine, clock) =
            engine::engine().map_err(|error| Error::Engine(format!("{error:#}")))?;
        let compile_cache =
            CompileCache::open(data_dir.join("compiled"), secret("compile-cache")?.bytes())?;
        let keyrings = Keyrings::open(&keyring, settings.keys)
            .map_err(|error| Error::capability("keys", &error))?;
        let passwords = Hasher::new(settings.passwords)
            .map_err(|error| Error::capability("passwords", &error))?;
        let recognition = sbd_ocr::Settings::default();
        let tesseract = Arc::new(Tesseract::new(recognition.clone()));
        let images = sbd_ocr::Reader::new(tesseract, recognition);
        let mailer = Mailer::open(&data_dir, &settings.mail)
            .map_err(|error| Error::capability("mail", &error))?;
        let files = data_dir.join("files");
        served::files::clear(&files).map_err(|error| Error::data_directory(&files, &error))?;
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let resolver = settings.resolver;
        let breakers = Breakers::default();
        settings.models.list_breakers(&breakers);
        let shared = Shared {
            engine,
            scheduler: CpuScheduler::new(clock, threads),
            reaches: Reaches::new(resolver.unwrap_or_else(|| Arc::new(SystemResolver))),
            passwords: Arc::new(passwords),
            images,
            keyrings,
            mailer: Arc::new(mailer),
            models: settings.models,
            switches: settings.switches,
            publishing: settings.publishing,
            breakers,
            enqueuing: settings.enqueuing,
            stores: Box::new(SqliteStores {
                data_dir: data_dir.clone(),
                options: settings.storage,
                searching: Arc::new(Searching::new(settings.vectors)),
                realtime: Default::default(),
            }),
            files,
            crowded: Arc::default(),
            stopping: Arc::default(),
        };
        let served = Snapshot::load(shared.loader(&compile_cache), definition, None)?;
        Ok(Self {
            seal: Seal::new(secret("caller")?.bytes()),
            shared,
            started: Instant::now(),
            current: ArcSwap::from_pointee(served),
            tried: ArcSwapOption::empty(),
            tenants: RwLock::default(),
            tenant_idle: settings.tenant_idle,
            compile_cache,
            data_dir,
            revoked: RwLock::default(),
        })
    }

    /// What components are loaded with.
    fn loader(&self) -> Loader<'_> {
        self.shared.loader(&self.compile_cache)
    }

    fn stats(&self, application: &Snapshot) -> Stats {
        let instances = application.components.iter();
        Stats {
            instances: instances
                .map(|(id, component)| (id.to_string(), component.quota.taken()))
                .collect(),
            compile_cache: self.compile_cache.stats(),
            tenants: self
                .places()
                .iter()
                .filter(|place| place.tenant.initialized())
                .count(),
        }
    }

    /// Removes compiled components that nobody serves any more.
    async fn prune_compiled(self: &Arc<Self>) {
        let inner = Arc::clone(self);
        let prune = move || {
            let served = inner.current.load();
            let served = served.components.values();
            let served = served.map(|component| component.sha256.clone()).collect();
            inner.compile_cache.prune(&inner.shared.engine, &served);
        };
        // It says in the log what went wrong.
        let _ = tokio::task::spawn_blocking(prune).await;
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
        place
            .tenant
            .get_or_try_init(|| Tenant::open(&self.shared, name))
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
        let now = self.started.elapsed();
        if let Ok(mut tenants) = self.tenants.write() {
            // Under this lock nobody can take one in hand who has not got it.
            tenants.retain(|name, place| {
                let goes = chosen(name, place)
                    && Arc::strong_count(place) == 1
                    && place.is_idle(now, idle);
                if goes {
                    closed.push((Arc::clone(name), Arc::clone(place)));
                }
                !goes
            });
        }
        let count = closed.len();
        for (name, _) in &closed {
            self.shared.keyrings.forget(name);
        }
        // A database that closes writes its log back and waits for its thread.
        let _ = tokio::task::spawn_blocking(move || drop(closed)).await;
        count
    }

    /// The way of every request to every component, from outside or from another component.
    async fn invoke(
        self: &Arc<Self>,
        application: &Arc<Snapshot>,
        call: Chained,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, InvokeError> {
        application.check_switched_on(
            &self.shared.switches,
            &call.tenant,
            &call.component,
            &call.context,
            request.uri().path(),
        )?;
        if let Some(offer) = &call.component.offer {
            let principal = call.context.principal.as_deref();
            offer.check(request.method(), request.uri().path(), principal)?;
        }
        // Boxed is what happens once: it would make the future of every request larger.
        let unopened = |error: Error| match error {
            Error::Full => InvokeError::StorageFull,
            error => InvokeError::CannotStart(error.to_string()),
        };
        let place = self.place(&call.tenant).map_err(unopened)?;
        if !matches!(call.context.class, Class::Events | Class::Tasks) {
            place.touch(self.started.elapsed());
        }
        if !place.tenant.initialized() {
            let opening = Box::pin(self.open(&place, &call.tenant));
            opening.await.map_err(unopened)?;
        }
        let closed =
            || InvokeError::CannotStart(format!("the tenant `{}` is not open", call.tenant));
        let tenant = place.tenant.get().ok_or_else(closed)?;
        let component = &call.component;
        let serving = match tenant.serving(component) {
            Some(serving) => serving,
            None => {
                let tried = self.tries(component);
                let preparing =
                    Box::pin(tenant.prepare(&self.shared, application, component, tried));
                preparing.await.map_err(unopened)?
            }
        };
        self.describe(&mut request, &call)?;
        let is_public = call.context.class == Class::Public;
        let answer = serving.pool.handle(call.context, request).await;
        if is_public {
            component.watch.note(&answer);
        }
        let mut response = answer?;
        if response.headers().contains_key(platform::REVOKED)
            && application.app.settings.auth.as_deref() == Some(component.declared.id.as_str())
        {
            self.revoke(&call.tenant, response.headers());
        }
        platform::drop_all(response.headers_mut());
        Ok(response)
    }

    fn revoke(&self, tenant: &str, headers: &::http::HeaderMap) {
        let lists = headers
            .get_all(platform::REVOKED)
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

impl Inner {
    /// Sets what the host tells a guest about a request: the platform's headers, and a complete URI.
    fn describe(&self, request: &mut Request<Body>, call: &Chained) -> Result<(), InvokeError> {
        let text = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| InvokeError::CannotStart(error.to_string()))
        };
        let headers = request.headers_mut();
        headers.insert(platform::REQUEST_ID, text(&call.context.request_id)?);
        headers.insert(platform::TENANT, text(&call.tenant)?);
        let principal = call.context.principal.as_ref();
        if let Some(sealed) = principal.and_then(|principal| principal.sealed(&self.seal)) {
            headers.insert(platform::CALLER, sealed);
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
}
