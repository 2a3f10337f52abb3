//! `metrics` of a test: what was counted can be looked at, and what the manifest does not declare fails.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::metrics::{Error, Label};
use sbd_manifest::Metric;
use std::collections::BTreeMap;

/// The metrics that the manifest declares, and what they are at, by names and labels.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) declared: BTreeMap<String, Metric>,
    pub(super) counts: BTreeMap<(String, Labels), u64>,
}

/// The labels of a metric, in the order of their names.
pub(super) type Labels = Vec<(String, String)>;

pub(crate) async fn count(counter: String, labels: Vec<Label>, by: u64) -> Result<(), Error> {
    let world = granted("metrics");
    let mut counted = world.metrics.borrow_mut();
    assert!(
        Metric::is_counter(&counter),
        "`{counter}` is a gauge, which is set; the name of a counter ends in `_total`"
    );
    let labels = counted.labels(&counter, labels);
    *counted.counts.entry((counter, labels)).or_default() += by;
    Ok(())
}

pub(crate) async fn set(gauge: String, labels: Vec<Label>, to: u64) -> Result<(), Error> {
    let world = granted("metrics");
    let mut counted = world.metrics.borrow_mut();
    assert!(
        !Metric::is_counter(&gauge),
        "`{gauge}` is a counter, which is counted; the name of a gauge does not end in `_total`"
    );
    let labels = counted.labels(&gauge, labels);
    counted.counts.insert((gauge, labels), to);
    Ok(())
}

// === impl Counted ===

impl Counted {
    /// As the host counts it.
    fn labels(&self, counter: &str, labels: Vec<Label>) -> Labels {
        let declared = self.declared.get(counter);
        let declared = declared.unwrap_or_else(|| {
            panic!("the component counts `{counter}`; declare it in its spin.toml under `metrics`")
        });
        let given: BTreeMap<_, _> = labels
            .into_iter()
            .map(|label| (label.name, label.value))
            .collect();
        assert!(
            given.keys().eq(declared.labels.keys()),
            "the labels of `{counter}` in spin.toml are others: {given:?}"
        );
        let counted = given.into_iter().map(|(name, value)| {
            let values = &declared.labels[&name];
            let value = match values.contains(&value) {
                true => value,
                false => "other".to_owned(),
            };
            assert!(
                values.contains(&value),
                "`{name}` of `{counter}` has none of the values in spin.toml"
            );
            (name, value)
        });
        counted.collect()
    }
}
