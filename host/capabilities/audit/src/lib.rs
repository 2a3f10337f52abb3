//! The audit capability: what was done, by whom and when, chained so that nobody alters it unnoticed.
//!
//! Entries stand beside the documents whose change they tell of, in one commit with it. So whoever keeps the
//! documents keeps them as well, and does for this capability what [`Trail`] says; how entries follow from
//! each other is `sbd-audit-chain`.

mod bindings;
mod host;
mod trail;

pub use trail::{Found, Look, NewEntry, Refused, Trail, Verdict};

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one instance has of the capability: its component's entries. Cheap to clone.
#[derive(Clone)]
pub struct AuditCtx {
    trail: Arc<dyn Trail>,
}

/// A store's data with the capability in it.
pub trait AuditView: Send {
    /// The capability.
    fn audit(&mut self) -> &mut AuditCtx;
}

struct Audit;

impl HasData for Audit {
    type Data<'a> = &'a mut AuditCtx;
}

// === impl AuditCtx ===

impl AuditCtx {
    /// Entries stand in this trail.
    pub fn new(trail: Arc<dyn Trail>) -> Self {
        Self { trail }
    }
}

/// Offers `sbd:platform/audit` to guests.
///
/// # Errors
/// When the linker has it already.
pub fn add_to_linker<T: AuditView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::audit::add_to_linker::<T, Audit>(linker, T::audit)
}
