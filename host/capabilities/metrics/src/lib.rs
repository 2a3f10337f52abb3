//! The metrics capability, `sbd:platform/metrics`: what happens in a domain, counted for whoever runs the host.
//!
//! A component counts, or says how much there is of, what its manifest declares ([`Declared`]): every metric with its
//! labels, every label with its values. So it makes as many time series as were read before it runs, and no more.

mod bindings;
mod declared;
mod host;

pub use declared::{Declared, Kind, Metric, Undeclared};

use sbd_metering::Metered;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// What one component of one tenant may count. Cheap to clone.
#[derive(Clone)]
pub struct MetricsCtx {
    declared: Arc<Declared>,
    tenant: Arc<str>,
    component: Arc<str>,
}

/// Implemented by the data of a store whose components count.
pub trait MetricsView: Send {
    /// The metrics as this store's component sees them.
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
    /// The metrics of a component, in a tenant.
    pub fn new(declared: Arc<Declared>, tenant: Arc<str>, component: Arc<str>) -> Self {
        Self {
            declared,
            tenant,
            component,
        }
    }

    /// Adds so much to a counter.
    ///
    /// # Errors
    /// When the manifest does not declare it so.
    pub fn count(&self, counter: &str, labels: &[(&str, &str)], by: u64) -> Result<(), Undeclared> {
        let tenant = sbd_telemetry::metrics::tenant_label(&self.tenant);
        let labels = self.labels((Kind::Counter, counter), labels, tenant)?;
        metrics::counter!(counter.to_owned(), labels).increment(by);
        Ok(())
    }

    /// Says what a gauge is at. What tenants without a name in the metrics say is not shown: one would be taken for
    /// the other.
    ///
    /// # Errors
    /// When the manifest does not declare it so.
    #[allow(clippy::cast_precision_loss, reason = "a gauge needs no more digits")]
    pub fn set(&self, gauge: &str, labels: &[(&str, &str)], to: u64) -> Result<(), Undeclared> {
        let tenant = sbd_telemetry::metrics::tenant_label(&self.tenant);
        let is_named = tenant == self.tenant;
        let labels = self.labels((Kind::Gauge, gauge), labels, tenant)?;
        if is_named {
            metrics::gauge!(gauge.to_owned(), labels).set(to as f64);
        }
        Ok(())
    }

    fn labels(
        &self,
        metric: (Kind, &str),
        labels: &[(&str, &str)],
        tenant: Arc<str>,
    ) -> Result<Vec<metrics::Label>, Undeclared> {
        let labels = self.declared.labels(&self.component, metric, labels)?;
        let labels = labels
            .into_iter()
            .map(|(name, value)| metrics::Label::new(name, value));
        let whose = [
            ("tenant", tenant),
            ("component", Arc::clone(&self.component)),
        ];
        let whose = whose.map(|(name, value)| metrics::Label::new(name, value));
        Ok(whose.into_iter().chain(labels).collect())
    }
}
