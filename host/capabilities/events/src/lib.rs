//! What is kept of the deliveries of a tenant's events.
//!
//! The events themselves are a log, in the order of their commits. Of every subscriber is kept how far
//! down the log it has come ([`Position`]), and beside that only what went wrong: events that wait to
//! be sent again, those of the same subject behind them, and dead letters. Where all goes well a
//! delivery costs no write of its own.
//!
//! [`Backend`] is what a store of this must do; [`SqliteBackend`] is the embedded one.

mod backend;
mod error;
mod sqlite;

pub use backend::{
    Backend, Blocked, DeadLetter, Held, Position, Progress, Replay, Settled, Waiting,
};
pub use error::Error;
pub use sqlite::SqliteBackend;
