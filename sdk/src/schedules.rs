//! Times at which the host calls, again and again.

use axum::routing::MethodRouter;
use serde_json::{Value, json};

/// A time to be called at, again and again. [`crate::schedule`] makes one.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub(crate) name: &'static str,
    cron: &'static str,
    time_zone: &'static str,
    pub(crate) handler: MethodRouter,
}

// === impl Schedule ===

impl Schedule {
    /// A schedule of this name.
    #[doc(hidden)]
    pub fn new(
        name: &'static str,
        cron: &'static str,
        time_zone: &'static str,
        handler: MethodRouter,
    ) -> Self {
        Self {
            name,
            cron,
            time_zone,
            handler,
        }
    }

    pub(crate) fn offer(&self) -> Value {
        json!({"name": self.name, "cron": self.cron, "time_zone": self.time_zone})
    }
}
