//! `{{ variable }}` in manifest values, as in Spin.

use std::collections::BTreeMap;

/// A text with places for variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

// === impl Template ===

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When a `{{` is not closed or holds no variable name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or("`{{` without `}}`; close it")?;
            let name = name.trim();
            check_variable_name(name)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The variables it names.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with every variable replaced.
    ///
    /// # Errors
    /// The name of the first variable without a value.
    pub fn resolve(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(name) => {
                    text.push_str(values.get(name).ok_or_else(|| name.clone())?)
                }
            }
        }
        Ok(text)
    }
}

/// Spin's rule: lower-case words of letters and digits that begin with a letter, joined by single
/// underscores.
pub(crate) fn check_variable_name(name: &str) -> Result<(), String> {
    let is_right = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if name.split('_').all(is_right) {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no variable name; use lower-case words joined by single underscores, like api_key"
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let template = Template::parse("https://{{ host }}:{{port}}/x").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["host", "port"]);
        let mut values = BTreeMap::from([("host".to_owned(), "a.b".to_owned())]);
        assert_eq!(template.resolve(&values).unwrap_err(), "port");
        values.insert("port".to_owned(), "8".to_owned());
        assert_eq!(template.resolve(&values).unwrap(), "https://a.b:8/x");
        assert_eq!(
            Template::parse("plain")
                .unwrap()
                .resolve(&BTreeMap::new())
                .unwrap(),
            "plain"
        );
    }

    #[test]
    fn wrong_templates_say_why() {
        for text in [
            "{{ a",
            "{{}}",
            "{{ A }}",
            "{{ a__b }}",
            "{{ _a }}",
            "{{ a-b }}",
            "{{ 1a }}",
            "{{ a_1 }}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
