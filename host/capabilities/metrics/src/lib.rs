//! The metrics capability, `sbd:platform/metrics`: what happens in a domain, counted for whoever runs the host.
//!
//! A component counts what its manifest declares ([`Counters`]): every counter with its labels, every label with
//! its values. So it makes as many time series as were read before it runs, and no more.

mod bindings;
mod counters;
mod host;

pub use counters::{Counter, Counters, Undeclared};

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one component of one tenant may count. Cheap to clone.
#[derive(Clone)]
pub struct MetricsCtx {
    counters: Arc<Counters>,
    tenant: Arc<str>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components count.
pub trait MetricsView: Send {
    /// The counters as this store's component sees them.
    fn metrics(&mut self) -> &mut MetricsCtx;
}

struct Metrics;

impl HasData for Metrics {
    type Data<'a> = &'a mut MetricsCtx;
}

/// Links `sbd:platform/metrics`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: MetricsView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::metrics::add_to_linker::<T, Metrics>(linker, T::metrics)
}

// === impl MetricsCtx ===

impl MetricsCtx {
    /// The counters of a component, in a tenant.
    pub fn new(counters: Arc<Counters>, tenant: Arc<str>, component: Arc<str>) -> Self {
        Self {
            counters,
            tenant,
            component,
        }
    }

    /// Adds so much to a counter.
    ///
    /// # Errors
    /// When the manifest does not declare it so.
    pub fn count(&self, counter: &str, labels: &[(&str, &str)], by: u64) -> Result<(), Undeclared> {
        let labels = self.counters.labels(&self.component, counter, labels)?;
        let labels = labels
            .into_iter()
            .map(|(name, value)| metrics::Label::new(name, value));
        let whose = [
            ("tenant", sbd_telemetry::metrics::tenant_label(&self.tenant)),
            ("component", Arc::clone(&self.component)),
        ];
        let whose = whose.map(|(name, value)| metrics::Label::new(name, value));
        let labels: Vec<_> = whose.into_iter().chain(labels).collect();
        metrics::counter!(counter.to_owned(), labels).increment(by);
        Ok(())
    }
}
