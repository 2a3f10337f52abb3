//! The counters and gauges that a component declares.

use std::collections::BTreeMap;
use std::fmt;

/// The value that stands for those that are not declared, where it is declared itself.
const OTHER: &str = "other";

/// A counter or a gauge, as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metric {
    /// Whether it is a counter, which only goes up, or a gauge.
    pub kind: Kind,
    /// What it counts or shows, in a sentence.
    pub help: String,
    /// Its labels, and the values of each.
    pub labels: BTreeMap<String, Vec<String>>,
}

/// How a metric changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It only goes up.
    #[default]
    Counter,
    /// It is what was said last.
    Gauge,
}

/// The metrics of a component, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared(BTreeMap<String, Metric>);

/// That a component counts or shows what its manifest does not declare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not declared; add to the manifest: {line}")]
pub struct Undeclared {
    what: String,
    line: String,
}

// === impl Declared ===

impl Declared {
    /// The metrics that are declared. What each is for is shown beside it from then on.
    pub fn new(metrics: impl IntoIterator<Item = (String, Metric)>) -> Self {
        let all: BTreeMap<_, _> = metrics.into_iter().collect();
        for (name, metric) in &all {
            match metric.kind {
                Kind::Counter => metrics::describe_counter!(name.clone(), metric.help.clone()),
                Kind::Gauge => metrics::describe_gauge!(name.clone(), metric.help.clone()),
            }
        }
        Self(all)
    }

    /// The labels of a metric as they are shown, in the order of their names.
    ///
    /// # Errors
    /// When they are not declared so.
    pub(crate) fn labels(
        &self,
        component: &str,
        (kind, name): (Kind, &str),
        given: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, Undeclared> {
        let undeclared = |what: String| Undeclared {
            what,
            line: line(component, name, given),
        };
        let declared = self.0.get(name).filter(|metric| metric.kind == kind);
        let declared = declared.ok_or_else(|| undeclared(format!("the {kind} `{name}`")))?;
        if declared.labels.len() != given.len() {
            let names: Vec<_> = declared.labels.keys().map(String::as_str).collect();
            let what = format!("`{name}` without its labels, `{}`,", names.join("`, `"));
            return Err(undeclared(what));
        }
        let labels = declared.labels.iter().map(|(label, values)| {
            let given = given.iter().find(|(given, _)| given == label);
            let (_, given) =
                given.ok_or_else(|| undeclared(format!("`{name}` without the label `{label}`")))?;
            let has = |value: &str| values.iter().any(|declared| declared == value);
            let value = match has(given) {
                true => given,
                false if has(OTHER) => OTHER,
                false => {
                    let shown: String = given.escape_debug().take(64).collect();
                    return Err(undeclared(format!("`{label}` = `{shown}` of `{name}`")));
                }
            };
            Ok((label.clone(), value.to_owned()))
        });
        labels.collect()
    }
}

/// What would declare it.
fn line(component: &str, name: &str, given: &[(&str, &str)]) -> String {
    let labels = given
        .iter()
        .map(|(label, value)| format!("{label} = [{value:?}, ...]"));
    let labels = labels.collect::<Vec<_>>().join(", ");
    let line = format!(
        "[component.{component}.tool.sbd.metrics.{name}] help = \"...\", labels = {{ {labels} }}"
    );
    line.chars().take(500).collect()
}

// === impl Kind ===

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn counters() -> Declared {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let counter = |labels: &[(&str, &[&str])]| Metric {
            kind: Kind::Counter,
            help: "What it counts".to_owned(),
            labels: labels
                .iter()
                .map(|(name, given)| ((*name).to_owned(), values(given)))
                .collect(),
        };
        Declared::new([
            ("asked_total".to_owned(), counter(&[])),
            (
                "paid_total".to_owned(),
                counter(&[("type", &["gift", "other"]), ("from", &["user", "family"])]),
            ),
        ])
    }

    #[test]
    fn what_is_declared_is_counted_and_the_rest_as_other_where_there_is_one() {
        let counters = counters();
        assert_eq!(
            counters.labels("shop", (Kind::Counter, "asked_total"), &[]),
            Ok(Vec::new())
        );
        for (kind, counted) in [("gift", "gift"), ("rent", "other"), ("other", "other")] {
            let given = [("type", kind), ("from", "user")];
            let labels = counters
                .labels("shop", (Kind::Counter, "paid_total"), &given)
                .unwrap();
            let expected = [("from", "user"), ("type", counted)];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(labels, expected);
        }
    }

    #[test]
    fn what_is_not_declared_says_what_to_add() {
        let counters = counters();
        for (counter, given, says) in [
            ("sold_total", &[][..], "`sold_total`"),
            ("asked_total", &[("type", "gift")], "without its labels"),
            ("paid_total", &[("type", "gift")], "`from`, `type`"),
            (
                "paid_total",
                &[("type", "gift"), ("to", "user")],
                "without the label `from`",
            ),
            (
                "paid_total",
                &[("type", "gift"), ("type", "gift")],
                "without the label `from`",
            ),
            (
                "paid_total",
                &[("type", "gift"), ("from", "bank")],
                "`from` = `bank`",
            ),
        ] {
            let error = counters
                .labels("shop", (Kind::Counter, counter), given)
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{error}");
            let line = format!("[component.shop.tool.sbd.metrics.{counter}]");
            assert!(error.contains(&line), "{error}");
        }
        let gauge = counters.labels("shop", (Kind::Gauge, "asked_total"), &[]);
        assert!(
            gauge
                .unwrap_err()
                .to_string()
                .contains("the gauge `asked_total`")
        );
        let long = "x".repeat(10_000);
        let given = [("type", "gift"), ("from", long.as_str())];
        let error = counters
            .labels("shop", (Kind::Counter, "paid_total"), &given)
            .unwrap_err();
        assert!(error.to_string().len() < 1000);
    }
}
