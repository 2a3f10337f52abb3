//! Logs and metrics of the host.
//!
//! [`logs::init`] sends everything that `tracing` records to standard error; [`Metrics::install`]
//! collects everything that the `metrics` macros record and renders it for Prometheus. Both are
//! of the process: whoever calls second gets what the first one set up.

pub mod access;
mod error;
mod lines;
pub mod logs;
pub mod metrics;
mod process;
mod redacted;

pub use error::Error;
pub use metrics::Metrics;
pub use redacted::Redacted;
