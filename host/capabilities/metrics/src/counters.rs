//! The counters that a component declares.

use std::collections::BTreeMap;

/// The value that stands for those that are not declared, where it is declared itself.
const OTHER: &str = "other";

/// A counter, as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// What it counts, in a sentence.
    pub help: String,
    /// Its labels, and the values of each.
    pub labels: BTreeMap<String, Vec<String>>,
}

/// The counters of a component, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, Counter>);

/// That a component counts what its manifest does not declare.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not declared; add to the manifest: {line}")]
pub struct Undeclared {
    what: String,
    line: String,
}

// === impl Counters ===

impl Counters {
    /// The counters that are declared. What each is for is shown beside it from then on.
    pub fn new(counters: impl IntoIterator<Item = (String, Counter)>) -> Self {
        let counters: BTreeMap<_, _> = counters.into_iter().collect();
        for (name, counter) in &counters {
            metrics::describe_counter!(name.clone(), counter.help.clone());
        }
        Self(counters)
    }

    /// The labels of a counter as they are counted, in the order of their names.
    ///
    /// # Errors
    /// When they are not declared so.
    pub(crate) fn labels(
        &self,
        component: &str,
        counter: &str,
        given: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, Undeclared> {
        let undeclared = |what: String| Undeclared {
            what,
            line: line(component, counter, given),
        };
        let declared = self.0.get(counter);
        let declared = declared.ok_or_else(|| undeclared(format!("the counter `{counter}`")))?;
        if declared.labels.len() != given.len() {
            let names: Vec<_> = declared.labels.keys().map(String::as_str).collect();
            let what = format!("`{counter}` without its labels, `{}`,", names.join("`, `"));
            return Err(undeclared(what));
        }
        let labels = declared.labels.iter().map(|(name, values)| {
            let given = given.iter().find(|(given, _)| given == name);
            let (_, given) = given
                .ok_or_else(|| undeclared(format!("`{counter}` without the label `{name}`")))?;
            let has = |value: &str| values.iter().any(|declared| declared == value);
            let value = match has(given) {
                true => given,
                false if has(OTHER) => OTHER,
                false => {
                    let shown: String = given.escape_debug().take(64).collect();
                    return Err(undeclared(format!("`{name}` = `{shown}` of `{counter}`")));
                }
            };
            Ok((name.clone(), value.to_owned()))
        });
        labels.collect()
    }
}

/// What would declare it.
fn line(component: &str, counter: &str, given: &[(&str, &str)]) -> String {
    let labels = given
        .iter()
        .map(|(name, value)| format!("{name} = [{value:?}, ...]"));
    let labels = labels.collect::<Vec<_>>().join(", ");
    let line = format!(
        "[component.{component}.tool.sbd.metrics.{counter}] help = \"...\", labels = {{ {labels} }}"
    );
    line.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn counters() -> Counters {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let counter = |labels: &[(&str, &[&str])]| Counter {
            help: "What it counts".to_owned(),
            labels: labels
                .iter()
                .map(|(name, given)| ((*name).to_owned(), values(given)))
                .collect(),
        };
        Counters::new([
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
        assert_eq!(counters.labels("shop", "asked_total", &[]), Ok(Vec::new()));
        for (kind, counted) in [("gift", "gift"), ("rent", "other"), ("other", "other")] {
            let given = [("type", kind), ("from", "user")];
            let labels = counters.labels("shop", "paid_total", &given).unwrap();
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
                .labels("shop", counter, given)
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{error}");
            let line = format!("[component.shop.tool.sbd.metrics.{counter}]");
            assert!(error.contains(&line), "{error}");
        }
        let long = "x".repeat(10_000);
        let given = [("type", "gift"), ("from", long.as_str())];
        let error = counters.labels("shop", "paid_total", &given).unwrap_err();
        assert!(error.to_string().len() < 1000);
    }
}
