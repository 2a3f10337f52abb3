//! What an operator may set on the HTTP edge.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Settings of the gateway. The defaults suit one host behind no proxy.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The component that answers `POST /-/authenticate`. `None`: nobody is ever signed in and
    /// an `Authorization` header goes through to the guest as it came.
    pub auth_component: Option<Arc<str>>,
    /// Connections open at once. Further clients wait in the listener's backlog.
    pub max_connections: usize,
    /// How long a client may take to send a request's head, and how long an idle HTTP/1.1
    /// connection is kept.
    pub header_read_timeout: Duration,
    /// Largest head of a request in bytes; more is answered 431. At least 8192 (hyper's floor).
    pub max_header_bytes: usize,
    /// Longest path with query in bytes; more is answered 414.
    pub max_uri_bytes: usize,
    /// Largest request body in bytes for a component that sets no limit of its own.
    pub max_body_bytes: u64,
    /// How long a component may take to begin its answer, for one that sets no limit of its own.
    pub request_timeout: Duration,
    /// How long requests under way may take to finish once shutdown begins; then they are cut.
    pub shutdown_grace: Duration,
    /// Requests allowed per user, or per client address for the anonymous. `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// Which other origins' pages may call the API. Empty: none, and no CORS header is sent.
    pub cors: CorsConfig,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// A token bucket: `burst` requests at once, refilled at `per_second`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a second in the long run. Zero is taken as one.
    pub per_second: u32,
    /// Requests at once. Zero is taken as one.
    pub burst: u32,
}

/// Cross-origin access for browsers.
#[derive(Clone, Debug, Default)]
pub struct CorsConfig {
    /// Origins as browsers send them (`https://app.example.com`), or the one entry `*` for all.
    pub allowed_origins: Vec<String>,
    /// Whether cookies may be sent along. Not with `*`: browsers refuse that pair.
    pub allow_credentials: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            auth_component: None,
            max_connections: 4096,
            header_read_timeout: Duration::from_secs(15),
            max_header_bytes: 64 * 1024,
            max_uri_bytes: 8 * 1024,
            max_body_bytes: 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            rate_limit: Some(RateLimit {
                per_second: 200,
                burst: 2000,
            }),
            cors: CorsConfig::default(),
            trusted_proxies: Vec::new(),
        }
    }
}
