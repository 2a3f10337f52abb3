//! The host side of `sbd:platform/metrics`.

use crate::bindings::metrics;
use crate::{Metrics, MetricsCtx, Undeclared};
use sbd_metering::{Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl metrics::Host for MetricsCtx {}

impl<T: Metered> metrics::HostWithStore<T> for Metrics {
    async fn count(
        store: &Accessor<T, Self>,
        counter: String,
        labels: Vec<metrics::Label>,
        by: u64,
    ) -> Result<(), metrics::Error> {
        let ctx = begin(store, "count", &counter, &labels)?;
        Ok(ctx.count(&counter, &pairs(&labels), by)?)
    }

    async fn set(
        store: &Accessor<T, Self>,
        gauge: String,
        labels: Vec<metrics::Label>,
        to: u64,
    ) -> Result<(), metrics::Error> {
        let ctx = begin(store, "set", &gauge, &labels)?;
        Ok(ctx.set(&gauge, &pairs(&labels), to)?)
    }
}

/// Charges a call for what it was given.
fn begin<T: Metered>(
    store: &Accessor<T, Metrics>,
    operation: &'static str,
    name: &str,
    labels: &[metrics::Label],
) -> Result<MetricsCtx, OverLimit> {
    let bytes = labels
        .iter()
        .map(|label| label.name.len() + label.value.len());
    let bytes = name.len() + bytes.sum::<usize>();
    store.with(|mut access| {
        sbd_metering::begin(access.as_context_mut(), "metrics", operation, bytes)?;
        Ok(access.get().clone())
    })
}

fn pairs(labels: &[metrics::Label]) -> Vec<(&str, &str)> {
    let labels = labels.iter();
    labels.map(|label| (&*label.name, &*label.value)).collect()
}

impl From<OverLimit> for metrics::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Undeclared> for metrics::Error {
    fn from(undeclared: Undeclared) -> Self {
        Self::Undeclared(undeclared.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::metrics::{self, HostWithStore as _};
    use crate::{Declared, Kind, Metric, Metrics, MetricsCtx, MetricsView, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links, metered};
    use sbd_metering::Budget;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl MetricsView for Instance<MetricsCtx> {
        fn metrics(&mut self) -> &mut MetricsCtx {
            &mut self.ctx
        }
    }

    #[test]
    fn the_interface_links() {
        assert_links::<MetricsCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn a_guest_counts_and_shows_what_is_declared_and_is_charged() {
        let shown = sbd_telemetry::Metrics::install();
        let labels = ("type".to_owned(), vec!["gift".to_owned()]);
        let counter = Metric {
            kind: Kind::Counter,
            help: "Payments".to_owned(),
            labels: [labels].into(),
        };
        let gauge = Metric {
            kind: Kind::Gauge,
            help: "What is open".to_owned(),
            labels: [].into(),
        };
        let declared = Declared::new([
            ("shop_paid_total".to_owned(), counter),
            ("shop_open".to_owned(), gauge),
        ]);
        let ctx = MetricsCtx::new(Arc::new(declared), "default".into(), "shop".into());
        let meter = Arc::new(Budget::new(6, usize::MAX));
        let guest = async |store: &Accessor<_, Metrics>| {
            let count = async |counter: &str, by| {
                let label = metrics::Label {
                    name: "type".to_owned(),
                    value: "gift".to_owned(),
                };
                Metrics::count(store, counter.to_owned(), vec![label], by).await
            };
            assert!(count("shop_paid_total", 2).await.is_ok());
            assert!(count("shop_paid_total", 3).await.is_ok());
            let undeclared = count("other_total", 1).await;
            assert!(matches!(undeclared, Err(metrics::Error::Undeclared(_))));
            let set =
                async |gauge: &str, to| Metrics::set(store, gauge.to_owned(), vec![], to).await;
            assert!(set("shop_open", 7).await.is_ok());
            assert!(set("shop_open", 4).await.is_ok());
            let undeclared = set("shop_paid_total", 1).await;
            assert!(matches!(undeclared, Err(metrics::Error::Undeclared(_))));
            let over = count("shop_paid_total", 1).await;
            assert!(matches!(over, Err(metrics::Error::Limit(_))));
        };
        metered::<_, Metrics, _>(ctx, meter, Instance::<MetricsCtx>::metrics, guest).await;
        let shown = shown.map(|metrics| metrics.render()).unwrap_or_default();
        let line = r#"shop_paid_total{tenant="default",component="shop",type="gift"} 5"#;
        assert!(shown.contains(line), "{shown}");
        assert!(shown.contains("# HELP shop_paid_total Payments"), "{shown}");
        let line = r#"shop_open{tenant="default",component="shop"} 4"#;
        assert!(shown.contains(line), "{shown}");
        assert!(shown.contains("# TYPE shop_open gauge"), "{shown}");
    }
}
