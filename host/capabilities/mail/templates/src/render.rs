//! A template with its values.

use crate::{Invalid, MAX_RENDERED_BYTES, MAX_SUBJECT, MAX_VALUE_BYTES, Template};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// What one rendering may cost: so many steps, and 64 times as many bytes.
const FUEL: u64 = 100_000;
/// How deep one may nest.
const DEPTH: usize = 50;

const SUBJECT: &str = "subject";
const TEXT: &str = "text";
const HTML: &str = "html";

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
}

/// Puts values, an object as JSON, into a template.
///
/// # Errors
/// When the template cannot be read, wants a value that is not there, or makes too much.
pub fn render(template: &Template, values: &str) -> Result<Rendered, Invalid> {
    if values.len() > MAX_VALUE_BYTES {
        return Err(Invalid(format!(
            "the values have at most {MAX_VALUE_BYTES} bytes, these have {}; say less",
            values.len()
        )));
    }
    let values: Map<String, Value> = serde_json::from_str(values)
        .map_err(|error| Invalid(format!("the values are no JSON object: {error}")))?;
    let environment = environment(template)?;
    let part = |name| filled(&environment, name, &values);
    Ok(Rendered {
        subject: line(&part(SUBJECT)?)?,
        text: part(TEXT)?,
        html: template.html.as_ref().map(|_| part(HTML)).transpose()?,
    })
}

/// Says whether a template can be read.
pub(crate) fn check(template: &Template) -> Result<(), Invalid> {
    environment(template).map(drop)
}

fn environment(template: &Template) -> Result<Environment<'_>, Invalid> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    environment.set_auto_escape_callback(|name| match name {
        HTML => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    let parts = [
        (SUBJECT, Some(&template.subject)),
        (TEXT, Some(&template.text)),
        (HTML, template.html.as_ref()),
    ];
    for (name, source) in parts {
        if let Some(source) = source {
            let added = environment.add_template(name, source);
            added.map_err(|error| wrong(name, &error))?;
        }
    }
    Ok(environment)
}

fn filled(
    environment: &Environment<'_>,
    name: &str,
    values: &Map<String, Value>,
) -> Result<String, Invalid> {
    let mut made = Bounded(Vec::new());
    let rendered = environment
        .get_template(name)
        .and_then(|part| part.render_captured_to(Serde(values), &mut made).map(drop));
    rendered.map_err(|error| wrong(name, &error))?;
    String::from_utf8(made.0).map_err(|error| Invalid(format!("the {name} is no text: {error}")))
}

/// A subject as one line.
fn line(subject: &str) -> Result<String, Invalid> {
    let subject = subject.trim();
    if subject.chars().any(char::is_control) {
        return Err(Invalid(
            "the subject is more than one line, or has a control character in it; take it out of the template, or out of its value".to_owned(),
        ));
    }
    match (1..=MAX_SUBJECT).contains(&subject.chars().count()) {
        true => Ok(subject.to_owned()),
        false => Err(Invalid(format!(
            "a subject has 1 to {MAX_SUBJECT} characters; shorten it, or its value"
        ))),
    }
}

/// What is wrong with a part of a template, and where.
fn wrong(name: &str, error: &Error) -> Invalid {
    let line = error.line().map(|line| format!(", line {line}"));
    let place = format!("in the {name} of the template{}", line.unwrap_or_default());
    let detail = error.detail().map(|detail| format!(": {detail}"));
    let detail = detail.unwrap_or_default();
    Invalid(match error.kind() {
        ErrorKind::UndefinedError => format!(
            "{place}, a value is wanted that is not there{detail}; give it, or ask first: {{% if name is defined %}}"
        ),
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => {
            format!("{place}, too much is made; make less of it")
        }
        kind => format!("{place}: {kind}{detail}"),
    })
}

/// So much, and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED_BYTES {
            return Err(io::Error::other("too much"));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn template(subject: &str, text: &str, html: Option<&str>) -> Template {
        Template {
            language: "en".to_owned(),
            subject: subject.to_owned(),
            text: text.to_owned(),
            html: html.map(str::to_owned),
        }
    }

    fn refused(template: &Template, values: &str) -> String {
        render(template, values).unwrap_err().to_string()
    }

    #[test]
    fn values_conditions_and_loops_and_html_escapes() {
        let template = template(
            "{{ who }} & you",
            "{% if many %}{% for x in many %}{{ loop.index }}. {{ x.name }}\n{% endfor %}{% endif %}",
            Some("<p>{{ who }}</p>{% for x in many %}<b title=\"{{ x.name }}\">{% endfor %}"),
        );
        let values = r#"{"who": "<Ada>", "many": [{"name": "Tea \"&\""}, {"name": "Jam"}]}"#;
        let said = render(&template, values).unwrap();
        assert_eq!(said.subject, "<Ada> & you");
        assert_eq!(said.text, "1. Tea \"&\"\n2. Jam\n");
        let html = said.html.unwrap();
        assert!(
            html.starts_with("<p>&lt;Ada&gt;</p><b title=\"Tea &quot;&amp;&quot;\">"),
            "{html}"
        );
    }

    #[test]
    fn a_value_that_is_not_there_is_named_with_its_place() {
        let said = refused(&template("s", "a\n{{ nobody }}", None), "{}");
        assert!(
            said.contains("in the text of the template, line 2") && said.contains("is defined"),
            "{said}"
        );
        let asked = template(
            "s",
            "{% if nobody is defined %}{{ nobody }}{% endif %}-",
            None,
        );
        assert_eq!(render(&asked, "{}").unwrap().text, "-");
        let said = refused(&template("s", "{% if %}", None), "{}");
        assert!(said.contains("line 1") && said.contains("syntax"), "{said}");
        assert!(template("s", "t", Some("{{")).check().is_err());
        for values in ["", "[]", "1", "{"] {
            assert!(refused(&template("s", "t", None), values).contains("JSON object"));
        }
    }

    #[test]
    fn a_subject_is_one_line() {
        for value in [
            r"a\r\nBcc: eve@example.com",
            r"a\nb",
            r"a\u0000b",
            "",
            "   ",
        ] {
            let values = format!(r#"{{"title": "{value}"}}"#);
            let said = refused(&template("{{ title }}", "t", None), &values);
            assert!(said.contains("subject"), "{value}: {said}");
        }
        let long = format!(r#"{{"title": "{}"}}"#, "ä".repeat(MAX_SUBJECT + 1));
        assert!(refused(&template("{{ title }}", "t", None), &long).contains("shorten"));
        let said = render(&template("  Grüße\n", "t", None), "{}").unwrap();
        assert_eq!(said.subject, "Grüße");
    }

    #[test]
    fn nothing_grows_beyond_bounds() {
        for bomb in [
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{{ 'x' * 1000000000 }}",
            "{{ 'x'|indent(1000000000) }}{{ '%1000000000d'|format(1) }}",
            "{% for a in range(90000) %}{{ name }}{% endfor %}",
            "{% set a %}{{ name }}{{ name }}{% endset %}{% set b = a ~ a ~ a ~ a ~ a ~ a ~ a ~ a %}{% set c = b ~ b ~ b ~ b ~ b ~ b ~ b ~ b %}{% set d = c ~ c ~ c ~ c ~ c ~ c ~ c ~ c %}{% set e = d ~ d ~ d ~ d ~ d ~ d ~ d ~ d %}{{ e ~ e ~ e ~ e }}",
        ] {
            let name = "y".repeat(1000);
            let values = format!(r#"{{"name": "{name}"}}"#);
            let said = refused(&template("s", bomb, None), &values);
            assert!(
                said.contains("too much") || said.contains("in the text"),
                "{said}"
            );
        }
        let deep = "{% if 1 %}".repeat(10_000);
        assert!(render(&template("s", &deep, None), "{}").is_err());
        let brackets = format!("{{{{ {}1 }}}}", "(".repeat(100_000));
        assert!(render(&template("s", &brackets, None), "{}").is_err());
        let large = template("s", &"x".repeat(crate::MAX_TEMPLATE_BYTES), None);
        assert!(large.check().unwrap_err().to_string().contains("shorten"));
    }

    #[test]
    fn a_template_reads_no_other() {
        for text in [
            "{% include 'html' %}",
            "{% extends 'html' %}",
            "{% import 'html' as h %}",
        ] {
            assert!(
                template("s", text, Some("secret")).check().is_err(),
                "{text}"
            );
        }
    }
}
