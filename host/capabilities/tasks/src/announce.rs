//! Who hears that there is something to do.

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

/// Hears that tasks are enqueued, so that somebody works on them. `()` hears nothing.
pub trait Announce: Send + Sync + 'static {
    /// Tasks are about to be enqueued. What is answered is dropped when they are, or are not.
    ///
    /// # Errors
    /// When they could be enqueued and never be worked on.
    fn announce(&self) -> BoxFuture<'_, Result<Box<dyn Send>, String>>;
}

// === impl Announce ===

impl Announce for () {
    fn announce(&self) -> BoxFuture<'_, Result<Box<dyn Send>, String>> {
        ready(Ok(Box::new(()) as Box<dyn Send>)).boxed()
    }
}
