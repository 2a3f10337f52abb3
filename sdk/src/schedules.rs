//! Times at which the host calls, again and again.
//!
//! ```
//! # use sbd_sdk::{Component, Result, schedule, schedules::Tick};
//! /// Clears up.
//! #[schedule("nightly", cron = "0 3 * * *", time_zone = "Europe/Berlin", missed = "once", jitter = "10m")]
//! async fn nightly(tick: Tick) -> Result<()> {
//!     println!("clearing up what was there at {}", tick.due);
//!     Ok(())
//! }
//! let app = sbd_sdk::testing::App::new(Component::new().schedules([nightly()]));
//! assert_eq!(app.anonymous().tick("nightly").status(), 200);
//! ```
//!
//! A tick is queued work: it comes in each tenant that has the component switched on, at least once, and
//! again, later and later, where it fails. A new schedule begins from now, and one whose cron is changed
//! goes on from now.

use crate::time::Time;
use crate::{Error, Json};
use axum::extract::{FromRequest, Request};
use axum::routing::MethodRouter;
use serde::Deserialize;
use serde_json::{Value, json};

/// One of the times of a schedule, as a handler's last argument.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Tick {
    /// Its id: the same whenever this tick comes.
    pub id: String,
    /// How often it was sent, with this time: 1 at first.
    pub attempt: u32,
    /// The time that it stands for, as cron says it; it is now, or has passed.
    pub due: Time,
}

/// A time to be called at, again and again. [`crate::schedule`] makes one.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub(crate) name: &'static str,
    cron: &'static str,
    time_zone: &'static str,
    missed: &'static str,
    jitter_ms: u64,
    pub(crate) handler: MethodRouter,
}

// === impl Tick ===

impl<S: Send + Sync> FromRequest<S> for Tick {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let Json(tick) = Json::from_request(request, state).await?;
        Ok(tick)
    }
}

// === impl Schedule ===

impl Schedule {
    /// A schedule of this name.
    #[doc(hidden)]
    pub fn new(
        name: &'static str,
        cron: &'static str,
        time_zone: &'static str,
        missed: &'static str,
        jitter_ms: u64,
        handler: MethodRouter,
    ) -> Self {
        Self {
            name,
            cron,
            time_zone,
            missed,
            jitter_ms,
            handler,
        }
    }

    pub(crate) fn offer(&self) -> Value {
        json!({
            "name": self.name, "cron": self.cron, "time_zone": self.time_zone,
            "missed": self.missed, "jitter_ms": self.jitter_ms,
        })
    }
}
