//! The gateway put together.

use crate::admin::{self, AdminPages};
use crate::authenticate::Authenticator;
use crate::builtin::Yields;
use crate::components::Components;
use crate::config::GatewayConfig;
use crate::cors::Cors;
use crate::docs::Docs;
use crate::error::GatewayError;
use crate::health::Health;
use crate::home::Home;
use crate::openapi::{Catalogue, Info};
use crate::path;
use crate::rate::Limiter;
use crate::record::Series;
use crate::request_id::RequestId;
use crate::revoked::Revocations;
use crate::routes::Routes;
use crate::server::{self, ServerLimits};
use crate::tenant::TenantResolver;
use http::{HeaderValue, Response, header};
use sbd_manifest::App;
use sbd_runtime::{Body, body};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a component may take to say what it offers.
const OFFER_LIMIT: Duration = Duration::from_secs(10);

/// Connections of the admin listener; monitoring needs a handful.
const ADMIN_CONNECTIONS: usize = 64;

/// The HTTP edge of one application. Cheap to clone.
pub struct Gateway<C> {
    edge: Arc<Edge<C>>,
    limits: ServerLimits,
}

/// Everything that the request path looks at.
pub(crate) struct Edge<C> {
    pub(crate) components: C,
    pub(crate) routes: Routes,
    pub(crate) yields: Yields,
    pub(crate) tenants: TenantResolver,
    pub(crate) authenticator: Authenticator,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) cors: Option<Cors>,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) max_uri_bytes: usize,
    pub(crate) home: Home,
    pub(crate) docs: Docs,
    pub(crate) health: Health,
    pub(crate) series: Arc<Series>,
    catalogue: Catalogue,
    name: String,
    version: String,
}

// === impl Gateway ===

impl<C> Clone for Gateway<C> {
    fn clone(&self) -> Self {
        Self {
            edge: Arc::clone(&self.edge),
            limits: self.limits,
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
        let routes = Routes::new(app)?;
        let revoked = Revocations::shared();
        let hears = Arc::clone(&revoked);
        components.on_revoked(Box::new(move |tenant, sessions| {
            hears.add(tenant, sessions)
        }));

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
        let limits = ServerLimits {
            connections: config.max_connections,
            idle_timeout: config.idle_timeout,
            header_bytes: config.max_header_bytes,
            grace: config.shutdown_grace,
        };
        let edge = Edge {
            components,
            yields: Yields::to(&routes),
            home: Home::new(&app.name, &app.version, description, &routes),
            routes,
            tenants: TenantResolver::new(config.tenants),
            authenticator: Authenticator::new(app, revoked),
            limiter: app
                .settings
                .rate_limit
                .or(config.rate_limit)
                .map(Limiter::new),
            cors: app.settings.cors.as_ref().map(Cors::new).transpose()?,
            trusted_proxies: config
                .trusted_proxies
                .iter()
                .map(IpAddr::to_canonical)
                .collect(),
            max_uri_bytes: config.max_uri_bytes,
            docs: Docs::new(),
            health: Health::new(),
            series: Arc::new(Series::new()),
            catalogue: Catalogue::new(info, OFFER_LIMIT),
            name: app.name.clone(),
            version: app.version.clone(),
        };
        Ok(Self {
            edge: Arc::new(edge),
            limits,
        })
    }

    /// Serves the public API until `shutdown` resolves, then lets requests under way finish.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let edge = Arc::clone(&self.edge);
        let stopping = async {
            shutdown.await;
            self.edge.health.set_ready(false);
        };
        let handler = move |peer, request| path::answer(Arc::clone(&edge), peer, request);
        server::run(listener, self.limits, stopping, handler).await;
    }

    /// Serves `/metrics`, `/healthz`, `/readyz` and, to administrators, the admin API until `shutdown`
    /// resolves. For an address that the public cannot reach.
    pub async fn serve_admin(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        pages: impl AdminPages,
    ) {
        let edge = Arc::clone(&self.edge);
        let limits = ServerLimits {
            connections: ADMIN_CONNECTIONS,
            ..self.limits
        };
        let handler =
            move |peer, request| admin::answer(Arc::clone(&edge), pages.clone(), peer, request);
        server::run(listener, limits, shutdown, handler).await;
    }

    /// Whether `/readyz` says yes. A new gateway is ready.
    pub fn set_ready(&self, ready: bool) {
        self.edge.health.set_ready(ready);
    }

    /// Asks the components again what they offer. Without this it is asked at the first read of
    /// `/openapi.json` and then kept; call it after a component was swapped.
    pub async fn refresh_openapi(&self) {
        let tenant = self.edge.tenants.default_tenant();
        let id = RequestId::new();
        let edge = &self.edge;
        edge.catalogue
            .refresh(&edge.components, &edge.routes, &tenant, &id.text)
            .await;
    }
}

// === impl Edge ===

impl<C: Components> Edge<C> {
    /// `/openapi.json`.
    pub(crate) async fn openapi(&self, tenant: &Arc<str>, request_id: &Arc<str>) -> Response<Body> {
        let document = self
            .catalogue
            .document(&self.components, &self.routes, tenant, request_id)
            .await;
        let mut response = Response::new(body::full(document));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    /// `/health`.
    pub(crate) fn health_in_detail(&self) -> Response<Body> {
        self.health
            .detail(&self.name, &self.version, self.components.health())
    }
}
