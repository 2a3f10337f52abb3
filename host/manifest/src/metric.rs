//! `[component.X.tool.sbd.metrics.NAME]`: what a component counts, or says how much there is of.

use crate::collection::is_name;
use crate::document::Document;
use crate::grant::Grant;
use crate::raw;
use std::collections::BTreeMap;
use toml::Spanned;

/// How the names of what the host itself counts begin.
const HOSTS: [&str; 3] = ["sbd_", "http_", "process_"];
/// Labels that the host adds.
const ADDED: [&str; 2] = ["tenant", "component"];
/// Time series of one metric in one tenant at most: each combination of the labels' values is one.
const SERIES: usize = 100;

/// A counter of a component, or a gauge: its name says which ([`Metric::is_counter`]). Each label has only the values that stand here, so that there are only so many time
/// series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// What it counts or shows, in a sentence.
    pub help: String,
    /// Its labels, and the values of each. Others count as `other`, where that is among them.
    pub labels: BTreeMap<String, Vec<String>>,
}

// === impl Metric ===

impl Metric {
    /// Whether the metric of this name is a counter, which only goes up, and not a gauge.
    pub fn is_counter(name: &str) -> bool {
        name.ends_with("_total")
    }

    pub(crate) fn read_all(
        raw: BTreeMap<Spanned<String>, raw::Metric>,
        grants: &[Grant],
        document: &Document<'_>,
    ) -> BTreeMap<String, Self> {
        if let Some(name) = raw.keys().next()
            && !grants.contains(&Grant::Metrics)
        {
            document.problem(
                name.span(),
                "metrics need the capability metrics; add \"metrics\" to `grants`",
            );
        }
        raw.into_iter()
            .map(|(name, raw)| Self::read(name, raw, document))
            .collect()
    }

    fn read(name: Spanned<String>, raw: raw::Metric, document: &Document<'_>) -> (String, Self) {
        let text = name.get_ref();
        if !is_name(text) {
            document.problem(
                name.span(),
                format!(
                    "`{text}` is no name of a metric; use 1 to 64 lower-case letters, digits and _, with `_total` at the end of a counter's"
                ),
            );
        }
        if let Some(hosts) = HOSTS.iter().find(|hosts| text.starts_with(**hosts)) {
            document.problem(
                name.span(),
                format!("what begins with `{hosts}` is counted by the host; choose another name"),
            );
        }
        if raw.help.get_ref().trim().is_empty() {
            document.problem(raw.help.span(), "say in a sentence what is counted");
        }
        let mut series: usize = 1;
        let mut labels = BTreeMap::new();
        for (label, values) in raw.labels {
            if !is_name(label.get_ref()) || ADDED.contains(&label.get_ref().as_str()) {
                document.problem(
                    label.span(),
                    format!(
                        "`{}` is no name of a label; use 1 to 64 lower-case letters, digits and _, and neither `tenant` nor `component`, which the host adds",
                        label.get_ref()
                    ),
                );
            }
            if let Some(wrong) = values.get_ref().iter().find(|value| !is_name(value)) {
                document.problem(
                    values.span(),
                    format!(
                        "`{wrong}` is no value of a label; use 1 to 64 lower-case letters, digits and _"
                    ),
                );
            }
            series = series.saturating_mul(values.get_ref().len());
            labels.insert(label.into_inner(), values.into_inner());
        }
        if !(1..=SERIES).contains(&series) {
            document.problem(
                name.span(),
                format!(
                    "`{text}` makes {series} time series, one for each combination of its labels' values; at least 1 and at most {SERIES}"
                ),
            );
        }
        let metric = Self {
            help: raw.help.into_inner(),
            labels,
        };
        (name.into_inner(), metric)
    }
}
