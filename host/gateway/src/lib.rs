//! The HTTP edge: one request path from socket to component.
//!
//! [`Gateway::serve`] takes a listener and answers; `path.rs` is the request path, to be read from
//! top to bottom. It leads to components, and to what the host answers itself ([`HostRoute`]). The gateway knows no domain: whoever calls, what they may do and what the answer
//! is are the components' affair.
mod activity;
mod admin;
mod authenticate;
mod authority;
mod builtin;
mod challenge;
mod components;
mod concurrency;
mod config;
mod cors;
mod credentials;
mod docs;
mod error;
mod forwarded;
mod gateway;
mod headers;
mod health;
mod home;
mod host_routes;
mod lingering_body;
pub mod openapi;
mod path;
mod rate;
mod record;
mod refusing_stream;
mod request_body;
mod request_id;
mod revoked;
mod routes;
mod sender;
mod server;
mod site;
mod stream_kind;
mod tenant;
mod tickets;
mod upgrade;
mod version;

pub use admin::AdminPages;
pub use components::{Components, RevocationListener};
pub use config::GatewayConfig;
pub use error::{GatewayError, Refusal};
pub use forwarded::TrustedProxies;
pub use gateway::{Gateway, Next};
pub use host_routes::{HostRequest, HostRoute};
pub use tickets::Tickets;
pub use upgrade::{Upgrade, UpgradedConnection};
