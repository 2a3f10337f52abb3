//! The text of a manifest, and the problems found in it so far.

use crate::error::{ManifestError, Place, Problem, did_you_mean};
use std::cell::RefCell;
use std::ops::Range;

/// A manifest's text.
pub(crate) struct Document<'a> {
    text: &'a str,
    file: &'a str,
    problems: RefCell<Vec<Problem>>,
}

// === impl Document ===

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str, file: &'a str) -> Self {
        Self {
            text,
            file,
            problems: RefCell::default(),
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

    /// Where a byte is, for a message.
    pub(crate) fn position(&self, byte: usize) -> String {
        format!("{}:{}", self.file, self.place(byte).line)
    }

    /// Everything noted, if anything was.
    pub(crate) fn verdict(self) -> Result<(), ManifestError> {
        let problems = self.problems.into_inner();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ManifestError::new(problems))
        }
    }

    /// A problem that the TOML reader found; unknown names get the nearest known one.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> ManifestError {
        let place = error.span().map(|span| self.place(span.start));
        let message =
            explain_unknown(error.message()).unwrap_or_else(|| error.message().to_owned());
        ManifestError::new(vec![Problem { message, place }])
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

/// serde's "unknown field `x`, expected one of `a`, `b`", said so that it helps.
fn explain_unknown(message: &str) -> Option<String> {
    let (kind, rest) = match message.strip_prefix("unknown field ") {
        Some(rest) => ("key", rest),
        None => ("value", message.strip_prefix("unknown variant ")?),
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(format!(
        "unknown {kind} `{wrong}`{}",
        did_you_mean(wrong, known)
    ))
}
