//! Queued work that the host sends when its time has come, with its data as a JSON body.

use axum::routing::MethodRouter;

/// A kind of queued work. [`crate::task`] makes one.
#[derive(Clone, Debug)]
pub struct Task {
    pub(crate) name: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) handler: MethodRouter,
}

// === impl Task ===

impl Task {
    /// Work of this name, out of this queue.
    #[doc(hidden)]
    pub fn new(name: &'static str, queue: &'static str, handler: MethodRouter) -> Self {
        Self {
            name,
            queue,
            handler,
        }
    }
}
