//! The text of a manifest, and the problems found in it so far.

use crate::Warning;
use crate::error::{ManifestError, Place, Problem, did_you_mean};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// A manifest's text.
pub(crate) struct Document<'a> {
    text: &'a str,
    file: &'a str,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
}

// === impl Document ===

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str, file: &'a str) -> Self {
        Self {
            text,
            file,
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Notes a problem at a place and goes on, so that one run finds them all.
    pub(crate) fn problem(&self, span: Range<usize>, message: impl Into<String>) {
        let place = Some(self.place(span.start));
        self.problems.borrow_mut().push(Problem {
            message: message.into(),
            place,
        });
    }

    /// Notes a problem that has no place.
    pub(crate) fn missing(&self, message: impl fmt::Display) {
        let message = format!("{}: {message}", self.file);
        let place = None;
        self.problems.borrow_mut().push(Problem { message, place });
    }

    /// Notes something that has no effect here.
    pub(crate) fn warning(&self, message: impl fmt::Display) {
        let message = format!("{}: {message}", self.file);
        self.warnings.borrow_mut().push(Warning(message));
    }

    /// Where a byte is, for a message.
    pub(crate) fn position(&self, byte: usize) -> String {
        format!("{}:{}", self.file, self.place(byte).line)
    }

    /// Every problem noted, if there was one; else the warnings.
    pub(crate) fn verdict(self) -> Result<Vec<Warning>, ManifestError> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(Problem::order);
        if problems.is_empty() {
            Ok(self.warnings.into_inner())
        } else {
            Err(ManifestError::new(problems))
        }
    }

    /// A problem that the TOML reader found; unknown names get the nearest known one.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> ManifestError {
        let span = error.span().unwrap_or(0..0);
        let table = self.table(span.start);
        let message =
            explain(error.message(), &table).unwrap_or_else(|| error.message().to_owned());
        let place = error.span().map(|span| self.place(span.start));
        ManifestError::new(vec![Problem { message, place }])
    }

    /// ` in [table]` for the last header above a byte; empty on a header itself.
    fn table(&self, byte: usize) -> String {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(line_begin..).unwrap_or_default();
        if line.trim_start().starts_with('[') {
            return String::new();
        }
        let above = self.text.get(..line_begin).unwrap_or_default();
        let header = above.lines().rev().find_map(|line| {
            let line = line.split('#').next().unwrap_or_default().trim();
            let name = |c: char| c.is_alphanumeric() || "[].-_\"' ".contains(c);
            let is_header = line.starts_with('[') && line.ends_with(']') && line.chars().all(name);
            is_header.then_some(line)
        });
        header.map_or_else(String::new, |header| format!(" in {header}"))
    }

    fn place(&self, byte: usize) -> Place {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let text = self
            .text
            .get(begin..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let column = before.get(begin..).unwrap_or_default().chars().count() + 1;
        Place {
            file: self.file.to_owned(),
            line,
            column,
            text: text.to_owned(),
        }
    }
}

/// What serde says of names, said so that it helps.
fn explain(message: &str, table: &str) -> Option<String> {
    if message == "duplicate key" {
        return Some("this name stands in its table already; remove one of the two".to_owned());
    }
    if let Some(missing) = message.strip_prefix("missing field ") {
        return Some(format!("{missing} is missing{table}; add it"));
    }
    let (kind, rest) = match message.strip_prefix("unknown field ") {
        Some(rest) => ("key", rest),
        None => ("value", message.strip_prefix("unknown variant ")?),
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(format!(
        "unknown {kind} `{wrong}`{table}{}",
        did_you_mean(wrong, known)
    ))
}
