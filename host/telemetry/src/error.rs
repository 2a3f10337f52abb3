//! Why telemetry could not be set up.

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log format has no such name.
    #[error("`{0}` is no log format; use auto, compact or json")]
    Format(String),
    /// The log filter cannot be read.
    #[error("`{filter}` is no log filter ({reason}); write it like `info,hyper=warn`")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another subscriber or recorder was installed in this process before.
    #[error("{0} are already collected by something else in this process; set up telemetry first")]
    Taken(&'static str),
    /// The metrics recorder could not be started.
    #[error("metrics could not be started: {0}; check the limits on threads of this process")]
    Metrics(String),
}
