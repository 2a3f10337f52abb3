//! The vectors capability: points found by likeness, by dense vectors, sparse ones, or both.
//!
//! [`Backend`] is what a store of vectors must do. What a search means is the crate `sbd-vectors-search`, the same
//! for all.

mod backend;
mod error;

pub use backend::Backend;
pub use error::Error;
