//! What a running request came with, found again when its guest calls out.

use http::HeaderValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use wasmtime::AsContextMut;
use wasmtime::component::GuestTaskId;

/// The request that a guest is answering.
#[derive(Debug)]
pub(crate) struct Origin {
    /// `req_...`, the same all along a chain of components.
    pub(crate) request_id: Arc<str>,
    /// The sealed caller; `None` for an anonymous request.
    pub(crate) caller: Option<HeaderValue>,
    /// How many components called each other to get here.
    pub(crate) depth: u8,
    /// Whether the instance was stopped for computing too long, which wasmtime tells as a trap.
    pub(crate) over_time: AtomicBool,
    /// Nobody waits for the answer any more, because it took too long.
    given_up: Notify,
}

/// The origin on whose behalf an instance runs right now. Shared with the log streams of the
/// instance, which see bytes only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current(Arc<Mutex<Option<Arc<Origin>>>>);

/// The origins of one instance, by the task that answers each.
#[derive(Debug)]
pub(crate) struct Origins {
    by_task: HashMap<GuestTaskId, Arc<Origin>>,
    current: Current,
}

/// A store's data that knows its origins.
pub(crate) trait OriginsView: Send {
    fn origins(&mut self) -> &mut Origins;
}

// === impl Origin ===

impl Origin {
    pub(crate) fn new(request_id: Arc<str>, caller: Option<HeaderValue>, depth: u8) -> Self {
        Self {
            request_id,
            caller,
            depth,
            over_time: AtomicBool::new(false),
            given_up: Notify::new(),
        }
    }

    /// Ends the wait for an answer.
    pub(crate) fn give_up(&self) {
        self.given_up.notify_one();
    }

    /// Resolves once nobody waits for the answer any more.
    pub(crate) async fn given_up(self: Arc<Self>) {
        self.given_up.notified().await;
    }
}

// === impl Current ===

impl Current {
    pub(crate) fn get(&self) -> Option<Arc<Origin>> {
        self.0.lock().ok()?.clone()
    }

    fn set(&self, origin: Arc<Origin>) {
        if let Ok(mut current) = self.0.lock() {
            *current = Some(origin);
        }
    }
}

// === impl Origins ===

impl Origins {
    pub(crate) fn new(current: Current) -> Self {
        Self {
            by_task: HashMap::new(),
            current,
        }
    }

    /// Notes why the instance, and with it every request that it is answering, is about to end.
    pub(crate) fn over_time(&self) {
        for origin in self.by_task.values() {
            origin.over_time.store(true, Ordering::Relaxed);
        }
    }

    /// A task begins to answer a request. Entries stay until the instance ends (it is reused a
    /// bounded number of times), because a task may go on after its response.
    pub(crate) fn begin(&mut self, task: GuestTaskId, origin: Arc<Origin>) {
        self.by_task.insert(task, Arc::clone(&origin));
        self.current.set(origin);
    }
}

/// Makes the origin of the guest task that is calling the host the current one. Needed wherever
/// an instance may be answering several requests at once.
pub(crate) fn find_current<T: OriginsView + 'static>(mut store: impl AsContextMut<Data = T>) {
    let mut store = store.as_context_mut();
    // The last task of the stack is the one the host started.
    let Some(root) = store.async_call_stack().ok().and_then(Iterator::last) else {
        return;
    };
    let origins = store.data_mut().origins();
    if let Some(origin) = origins.by_task.get(&root) {
        origins.current.set(Arc::clone(origin));
    }
}
