//! Logs and metrics of the host.
