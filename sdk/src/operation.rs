//! An operation of the public API as a value.

use crate::openapi::Declared;
use axum::routing::MethodRouter;

/// An operation: what answers it, and what it says of itself. [`crate::operation`] makes of a handler
/// the function that answers it.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(crate) declared: &'static Declared,
    pub(crate) handler: MethodRouter,
}

// === impl Operation ===

impl Operation {
    /// An operation of these.
    #[doc(hidden)]
    pub fn new(declared: &'static Declared, handler: MethodRouter) -> Self {
        Self { declared, handler }
    }
}
