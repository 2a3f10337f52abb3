//! How a capability charges the request that uses it, without knowing what a request is.
//!
//! Every host function of a capability begins with [`begin`], which counts the call and the bytes it
//! brings, and ends with [`Charge::answer`] for the bytes it takes back. Either may refuse; the guest
//! then gets an error of the capability, and the host remembers why.

use sbd_telemetry::metrics::capability_called;
use std::sync::Arc;
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
    Charge::new(T::meter(store), capability, operation, bytes)
}

// === impl Charge ===

impl Charge {
    /// The same, where the meter is at hand.
    ///
    /// # Errors
    /// When the running request may not have it.
    pub fn new(
        meter: Arc<dyn Meter>,
        capability: &'static str,
        operation: &'static str,
        bytes: usize,
    ) -> Result<Self, OverLimit> {
        capability_called(capability, operation);
        meter.charge(1, bytes)?;
        Ok(Self { meter })
    }

    /// Counts the bytes of the answer.
    ///
    /// # Errors
    /// When the running request may not have them.
    pub fn answer(&self, bytes: usize) -> Result<(), OverLimit> {
        self.meter.charge(0, bytes)
    }

    /// Notes that a limit on what may be kept refused a write.
    pub fn refused(&self, limit: &'static str) {
        self.meter.refused(limit);
    }
}

impl Meter for Unmetered {
    fn charge(&self, _: u32, _: usize) -> Result<(), OverLimit> {
        Ok(())
    }

    fn refused(&self, _: &'static str) {}
}
