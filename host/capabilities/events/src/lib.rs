//! Events that belong to no transaction, as guests publish them (`sbd:platform/events`), and what is kept
//! of the deliveries of a tenant's events.
//!
//! The events themselves are a log, in the order of their commits. Of every subscriber is kept how far
//! down the log it has come ([`Position`]), and beside that only what went wrong: events that wait to
//! be sent again, those of the same subject behind them, and dead letters. Where all goes well a
//! delivery costs no write of its own.
//!
//! [`Backend`] is what a store of this must do; [`SqliteBackend`] is the embedded one. The log itself
//! stands beside what components keep: [`Log`] is what whoever keeps it does for this capability.

mod backend;
mod bindings;
mod error;
mod host;
mod publish;
mod sqlite;

pub use backend::{
    Backend, Blocked, DeadLetter, Held, Position, Progress, Replay, Settled, Waiting,
};
pub use error::Error;
pub use publish::{Log, NewEvent, Refused};
pub use sqlite::SqliteBackend;

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one instance has of the capability: its component's way into the log. Cheap to clone.
#[derive(Clone)]
pub struct EventsCtx {
    log: Arc<dyn Log>,
}

/// A store's data with the capability in it.
pub trait EventsView: Send {
    /// The capability.
    fn events(&mut self) -> &mut EventsCtx;
}

struct Events;

impl HasData for Events {
    type Data<'a> = &'a mut EventsCtx;
}

// === impl EventsCtx ===

impl EventsCtx {
    /// Events go into this log.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log }
    }
}

/// Offers `sbd:platform/events` to guests.
///
/// # Errors
/// When the linker has it already.
pub fn add_to_linker<T: EventsView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::events::add_to_linker::<T, Events>(linker, T::events)
}
