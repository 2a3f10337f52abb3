//! How a capability charges the request that uses it, without knowing what a request is.
//!
//! Every host function of a capability begins with [`begin`], which counts the call and the bytes it
//! brings, and ends with [`Charge::answer`] for the bytes it takes back. Either may refuse; the guest
//! then gets an error of the capability, and the host remembers why. What has been written cannot be
//! refused any more: the answer to a write is counted by [`Charge::written`].

use sbd_contract::Kind;
use sbd_telemetry::metrics::capability_called;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use wasmtime::StoreContextMut;

/// Implemented by the data of a store whose guests use capabilities.
pub trait Metered: Sized + 'static {
    /// The meter of the request on whose behalf the guest that is calling runs.
    fn meter(store: StoreContextMut<'_, Self>) -> Arc<dyn Meter>;
}

/// What a request may still use.
pub trait Meter: Send + Sync {
    /// Counts so many calls and bytes.
    ///
    /// # Errors
    /// When that is more than the request may have.
    fn charge(&self, calls: u32, bytes: usize) -> Result<(), OverLimit>;

    /// Notes that a limit on what may be kept refused a write.
    fn refused(&self, limit: &'static str);

    /// What led to the request.
    fn cause(&self) -> Cause;

    /// Leaves the component to act for the user of the request later.
    ///
    /// # Errors
    /// Why it cannot, with what to do about it.
    fn delegate(&self) -> Result<Delegated, String> {
        Err("there is no user to act for".to_owned())
    }
}

/// What a component keeps to act for a user later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// The user.
    pub user: Arc<str>,
    /// The delegation, sealed by the host.
    pub sealed: String,
}

/// What led to a request, as far as it is known; noted beside what outlives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The id of the request from outside that all this is done for.
    pub request: Option<Arc<str>>,
    /// The id of the event that the request delivers.
    pub event: Option<Arc<str>>,
    /// The user for whom it is.
    pub user: Option<Arc<str>>,
    /// The trace that it is part of, as a W3C `traceparent`.
    pub trace: Option<Arc<str>>,
    /// How whoever it is for came to ask; none for somebody unknown. It is kept with what was done, not with
    /// events.
    pub kind: Option<Kind>,
    /// The administrator who acts in the user's place; kept likewise.
    pub impersonated_by: Option<Arc<str>>,
}

/// A limit that refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit `{limit}` ({allowed} a request) is reached; ask for less at once, or raise it in the manifest"
)]
pub struct OverLimit {
    /// Its key in the manifest.
    pub limit: &'static str,
    /// Its value, as the manifest writes it.
    pub allowed: String,
}

/// A call that has been paid for.
pub struct Charge {
    meter: Arc<dyn Meter>,
}

/// A meter that never refuses, for tests of capabilities.
pub struct Unmetered;

/// A meter of so many calls and bytes, for tests of capabilities.
#[derive(Debug)]
pub struct Budget {
    most: (u32, usize),
    calls: AtomicU32,
    bytes: AtomicUsize,
    refused: OnceLock<&'static str>,
}

/// Counts a call of a capability, for example `("cache", "get")`, and the bytes of its arguments.
///
/// # Errors
/// When the running request may not have it.
pub fn begin<T: Metered>(
    store: StoreContextMut<'_, T>,
    capability: &'static str,
    operation: &'static str,
    bytes: usize,
) -> Result<Charge, OverLimit> {
    capability_called(capability, operation);
    let meter = T::meter(store);
    meter.charge(1, bytes)?;
    Ok(Charge { meter })
}

// === impl Charge ===

impl Charge {
    /// Counts the bytes of the answer.
    ///
    /// # Errors
    /// When the running request may not have them.
    pub fn answer(&self, bytes: usize) -> Result<(), OverLimit> {
        self.meter.charge(0, bytes)
    }

    /// Counts the bytes of the answer to a write. It is too late to refuse them, as a guest that gets
    /// an error may rely on nothing being written; the next call pays.
    pub fn written(&self, bytes: usize) {
        let _ = self.meter.charge(0, bytes);
    }

    /// Notes that a limit on what may be kept refused a write.
    pub fn refused(&self, limit: &'static str) {
        self.meter.refused(limit);
    }

    /// What led to the call.
    pub fn cause(&self) -> Cause {
        self.meter.cause()
    }

    /// Leaves the component to act for the user of the request later.
    ///
    /// # Errors
    /// Why it cannot, with what to do about it.
    pub fn delegate(&self) -> Result<Delegated, String> {
        self.meter.delegate()
    }
}

// === impl Unmetered ===

impl Meter for Unmetered {
    fn charge(&self, _: u32, _: usize) -> Result<(), OverLimit> {
        Ok(())
    }

    fn refused(&self, _: &'static str) {}

    fn cause(&self) -> Cause {
        Cause::default()
    }
}

// === impl Budget ===

impl Budget {
    /// Refuses what is more than so many calls or bytes.
    pub fn new(calls: u32, bytes: usize) -> Self {
        Self {
            most: (calls, bytes),
            calls: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            refused: OnceLock::new(),
        }
    }

    /// The calls and bytes that were asked for, those refused among them.
    pub fn used(&self) -> (u32, usize) {
        (
            self.calls.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }

    /// The first limit on what may be kept that refused a write.
    pub fn refused(&self) -> Option<&'static str> {
        self.refused.get().copied()
    }
}

impl Meter for Budget {
    fn charge(&self, calls: u32, bytes: usize) -> Result<(), OverLimit> {
        let calls = self.calls.fetch_add(calls, Ordering::Relaxed) + calls;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let over = |limit, allowed: String| Err(OverLimit { limit, allowed });
        if calls > self.most.0 {
            return over("capability_calls", self.most.0.to_string());
        }
        if bytes > self.most.1 {
            return over("capability_bytes", self.most.1.to_string());
        }
        Ok(())
    }

    fn refused(&self, limit: &'static str) {
        let _ = self.refused.set(limit);
    }

    fn cause(&self) -> Cause {
        Cause::default()
    }
}
