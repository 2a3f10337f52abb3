//! The gateway put together.

use crate::admin::{self, AdminPages};
use crate::authenticate::Authenticator;
use crate::builtin::Yields;
use crate::components::Components;
use crate::concurrency::Concurrency;
use crate::config::GatewayConfig;
use crate::cors::Cors;
use crate::docs::Docs;
use crate::error::{GatewayError, Refusal};
use crate::forwarded::TrustedProxies;
use crate::health::Health;
use crate::home::Home;
use crate::host_routes::HostRoute;
use crate::openapi::{Catalogue, Info};
use crate::path;
use crate::rate::{Classes, Limiter, Payer};
use crate::record::Series;
use crate::revoked::Revocations;
use crate::routes::{Asked, Routes, Target};
use crate::server::{self, ServerLimits};
use crate::tenant::TenantResolver;
use crate::upgrade::Upgrades;
use arc_swap::ArcSwap;
use http::{HeaderValue, Response, header};
use sbd_manifest::{App, RateLimit};
use sbd_runtime::{Body, body};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Upgraded connections and answers that last, which one user or one anonymous address may have open:
/// nobody takes them all.
const OPEN_OF_ONE_PAYER: u32 = 64;

/// Connections of the admin listener; monitoring needs a handful.
const ADMIN_CONNECTIONS: usize = 64;

/// The HTTP edge of an application, which can be replaced while it serves. Cheap to clone.
pub struct Gateway<C> {
    served: Arc<ArcSwap<Edge<C>>>,
    lasting: Arc<Lasting>,
}

/// The edge of an application, ready to be served.
pub struct Next<C>(Arc<Edge<C>>);

/// What stays when the application is replaced.
pub(crate) struct Lasting {
    pub(crate) tenants: TenantResolver,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) max_uri_bytes: usize,
    pub(crate) docs: Docs,
    pub(crate) health: Health,
    pub(crate) series: Arc<Series>,
    pub(crate) upgrades: Arc<Upgrades>,
    /// What lasts, by who has it open.
    pub(crate) open: Arc<Concurrency>,
    /// Cancelled when the server stops.
    pub(crate) stopping: CancellationToken,
    host_routes: Vec<HostRoute>,
    revoked: Arc<Revocations>,
    rate_limit: Option<RateLimit>,
    pub(crate) limits: ServerLimits,
}

/// Everything that the request path looks at.
pub(crate) struct Edge<C> {
    pub(crate) lasting: Arc<Lasting>,
    pub(crate) components: C,
    pub(crate) routes: Routes,
    pub(crate) yields: Yields,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    pub(crate) classes: Arc<Classes>,
    pub(crate) cors: Option<Cors>,
    pub(crate) home: Home,
    catalogue: Catalogue,
    name: String,
    version: String,
}

// === impl Gateway ===

impl<C> Clone for Gateway<C> {
    fn clone(&self) -> Self {
        Self {
            served: Arc::clone(&self.served),
            lasting: Arc::clone(&self.lasting),
        }
    }
}

impl<C: Components> Gateway<C> {
    /// A gateway before these components. The process' metrics must be installed before, or the
    /// gateway's are lost.
    ///
    /// # Errors
    /// When the settings or the application's routes cannot be served.
    pub fn new(config: GatewayConfig, components: C, app: &App) -> Result<Self, GatewayError> {
        let revoked = Revocations::shared();
        let hears = Arc::clone(&revoked);
        components.on_revoked(Box::new(move |tenant, sessions| {
            hears.add(tenant, sessions)
        }));
        let stopping = CancellationToken::new();
        let open = Arc::new(Concurrency::new(OPEN_OF_ONE_PAYER));
        let upgrades = Upgrades::new(
            config.max_upgraded,
            Arc::clone(&open),
            stopping.clone(),
            config.shutdown_grace,
        );
        let lasting = Arc::new(Lasting {
            tenants: TenantResolver::new(config.tenants),
            trusted_proxies: config.trusted_proxies,
            max_uri_bytes: config.max_uri_bytes,
            docs: Docs::new(),
            health: Health::new(),
            series: Arc::new(Series::new()),
            upgrades: Arc::new(upgrades),
            open,
            stopping,
            host_routes: config.host_routes,
            revoked,
            rate_limit: config.rate_limit,
            limits: ServerLimits {
                connections: config.max_connections,
                idle_timeout: config.idle_timeout,
                take_timeout: config.take_timeout,
                header_bytes: config.max_header_bytes,
                grace: config.shutdown_grace,
            },
        });
        let edge = Edge::new(&lasting, components, app, None)?;
        Ok(Self {
            served: Arc::new(ArcSwap::from_pointee(edge)),
            lasting,
        })
    }

    /// Makes the edge of another application ready. Nothing of it is served yet.
    ///
    /// # Errors
    /// When the application's routes cannot be served.
    pub fn prepare(&self, components: C, app: &App) -> Result<Next<C>, GatewayError> {
        let served = self.served.load();
        let edge = Edge::new(&self.lasting, components, app, Some(&served))?;
        Ok(Next(Arc::new(edge)))
    }

    /// Serves another application from now on. Requests that run go on with the one they arrived at.
    pub fn switch(&self, next: Next<C>) {
        self.served.store(next.0);
    }

    /// Serves the public API until `shutdown` resolves, then lets requests under way finish, and
    /// upgraded connections end.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let served = Arc::clone(&self.served);
        let stopping = async {
            shutdown.await;
            self.lasting.health.set_ready(false);
            self.lasting.stopping.cancel();
        };
        let handler = move |peer, request| path::answer(served.load_full(), peer, request);
        server::run(listener, self.lasting.limits, stopping, handler).await;
        self.lasting.upgrades.ended().await;
    }

    /// Has `/health` tell this about a subject, until something else is said about it.
    pub fn note(&self, subject: &'static str, state: serde_json::Value) {
        self.lasting.health.note(subject, state);
    }

    /// Serves `/metrics`, `/healthz`, `/readyz` and, to administrators, the admin API until `shutdown`
    /// resolves. For an address that the public cannot reach.
    pub async fn serve_admin(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        pages: impl AdminPages,
    ) {
        let served = Arc::clone(&self.served);
        let limits = ServerLimits {
            connections: ADMIN_CONNECTIONS,
            ..self.lasting.limits
        };
        let handler =
            move |peer, request| admin::answer(served.load_full(), pages.clone(), peer, request);
        server::run(listener, limits, shutdown, handler).await;
    }

    /// Whether `/readyz` says yes. A new gateway is ready.
    pub fn set_ready(&self, ready: bool) {
        self.lasting.health.set_ready(ready);
    }
}

// === impl Edge ===

impl<C: Components> Edge<C> {
    /// The edge of an application. What it has in common with the one that is served, it keeps: who
    /// was recognised, and what has been spent of rates.
    fn new(
        lasting: &Arc<Lasting>,
        components: C,
        app: &App,
        served: Option<&Self>,
    ) -> Result<Self, GatewayError> {
        let routes = Routes::new(app, &lasting.host_routes)?;
        let description = app.description.as_deref();
        let info = Info {
            title: app.name.clone(),
            // The manifest may leave it out, OpenAPI may not.
            version: if app.version.is_empty() {
                "0.0.0".to_owned()
            } else {
                app.version.clone()
            },
            description: app.description.clone(),
        };
        let authenticator = served
            .map(|served| &served.authenticator)
            .filter(|kept| kept.asks(app))
            .cloned();
        let rate = app.settings.rate_limit.or(lasting.rate_limit);
        let limiter = served
            .and_then(|served| served.limiter.as_ref())
            .filter(|kept| Some(kept.rate()) == rate)
            .cloned();
        let classes = Classes::of(app);
        let kept = served.map(|served| &served.classes);
        let kept = kept.filter(|kept| kept.same_as(&classes)).cloned();
        let catalogue = Catalogue::new(info, &components, &routes, &lasting.host_routes)?;
        Ok(Self {
            lasting: Arc::clone(lasting),
            components,
            yields: Yields::to(&routes),
            home: Home::new(&app.name, &app.version, description, &routes),
            routes,
            authenticator: authenticator
                .unwrap_or_else(|| Arc::new(Authenticator::new(app, Arc::clone(&lasting.revoked)))),
            limiter: limiter.or_else(|| rate.map(Limiter::new).map(Arc::new)),
            classes: kept.unwrap_or_else(|| Arc::new(classes)),
            cors: app.settings.cors.as_ref().map(Cors::new).transpose()?,
            catalogue,
            name: app.name.clone(),
            version: app.version.clone(),
        })
    }

    /// Whether whoever answers has clients of its own, as the authorization server has.
    pub(crate) fn has_clients(&self, target: &Target) -> bool {
        let asked = match target {
            Target::Asked(Asked::Component { id, .. }, _) => Some(id),
            _ => None,
        };
        asked.is_some_and(|id| self.authenticator.is_asked_of(id))
    }

    /// The same of whoever answers at a path.
    pub(crate) fn is_for_clients(&self, path: &str) -> bool {
        let found = self.routes.find(path);
        found.is_some_and(|found| self.has_clients(&found.route.target))
    }

    /// Takes one request from a payer's bucket.
    pub(crate) fn charge(&self, payer: &Payer) -> Result<(), Refusal> {
        match &self.limiter {
            Some(limiter) => limiter.of(payer).take(payer),
            None => Ok(()),
        }
    }

    /// `/openapi.json`.
    pub(crate) async fn openapi(&self, tenant: &str) -> Response<Body> {
        let document = self.catalogue.document(&self.components, tenant).await;
        let mut response = Response::new(body::full(document));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    /// `/health`, for the administrators of a tenant. Those of the default one are the operator's own, and
    /// see what goes on in all.
    pub(crate) fn health_in_detail(&self, tenant: &Arc<str>) -> Response<Body> {
        let lasting = &self.lasting;
        let is_own = *tenant == lasting.tenants.default_tenant();
        let components = self.components.health((!is_own).then_some(tenant));
        lasting.health.detail(&self.name, &self.version, components)
    }
}
