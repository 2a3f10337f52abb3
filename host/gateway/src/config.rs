//! What an operator sets on the HTTP edge. What belongs to the application (auth component, CORS,
//! rate limit, limits of components) stands in its manifest.

use crate::forwarded::TrustedProxies;
use crate::host_routes::HostRoute;
use sbd_manifest::RateLimit;
use sbd_registry::Tenants;
use std::time::Duration;

/// Settings of the gateway. The defaults suit one host behind no proxy.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Connections open at once. Further clients wait in the listener's backlog.
    pub max_connections: usize,
    /// Connections that were upgraded (WebSockets) open at once, which are not among
    /// `max_connections`. One more is answered 503.
    pub max_upgraded: usize,
    /// How long a connection is kept without a request under way; so also how long a client may
    /// take to send a request's head.
    pub idle_timeout: Duration,
    /// How long a part of an answer may lie ready for a client that does not take it; then the
    /// connection is closed.
    pub take_timeout: Duration,
    /// Largest head of a request in bytes; more is answered 431. At least 8192 (hyper's floor).
    pub max_header_bytes: usize,
    /// Longest path with query in bytes; more is answered 414.
    pub max_uri_bytes: usize,
    /// How long requests under way and upgraded connections may take to finish once shutdown begins;
    /// then they are cut. Streams of events end at once.
    pub shutdown_grace: Duration,
    /// Requests allowed per user, or per client address for the anonymous, if the manifest does
    /// not say. `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// The tenants there are. `None`: only `default`.
    pub tenants: Option<Tenants>,
    /// Proxies whose word counts for a client's address, scheme and host: of `Forwarded` if it is there,
    /// else of `X-Forwarded-For`, `-Proto` and `-Host`.
    pub trusted_proxies: TrustedProxies,
    /// What the host answers itself, beside the gateway's own pages.
    pub host_routes: Vec<HostRoute>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_upgraded: 4096,
            idle_timeout: Duration::from_secs(15),
            take_timeout: Duration::from_secs(30),
            max_header_bytes: 64 * 1024,
            max_uri_bytes: 8 * 1024,
            shutdown_grace: Duration::from_secs(30),
            // No person gets there; a loop in somebody's script does.
            rate_limit: Some(RateLimit {
                per_second: 200,
                burst: 2000,
                // A fraction of the instances of one component, and more than a page asks for.
                at_once: 32,
            }),
            tenants: None,
            trusted_proxies: TrustedProxies::default(),
            host_routes: Vec::new(),
        }
    }
}
