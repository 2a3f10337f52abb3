//! What a mail says: its template, in the language that is wanted, with its values. Without any I/O, so
//! that a component's tests read the very text that the host sends.

mod language;
mod render;

pub use language::nearest;
pub use render::{Rendered, render};

use serde::{Deserialize, Serialize};

/// Templates of a mail at most.
pub const MAX_TEMPLATES: usize = 50;
/// Largest template in bytes: subject, text and HTML together (256 KiB).
pub const MAX_TEMPLATE_BYTES: usize = 256 << 10;
/// Largest values in bytes (64 KiB).
pub const MAX_VALUE_BYTES: usize = 64 << 10;
/// Largest text, and largest HTML, that a template makes, in bytes (1 MiB).
pub const MAX_RENDERED_BYTES: usize = 1 << 20;
/// Longest subject in characters.
pub const MAX_SUBJECT: usize = 200;

/// What a mail says in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The language, like `en` or `pt-BR`.
    pub language: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A template or a value that cannot be used, in one sentence that says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

// === impl Template ===

impl Template {
    /// Says whether it can be read, and is no larger than it may be. Whether it has a value for
    /// everything is only known with the values.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Invalid> {
        language::check(&self.language)?;
        let html = self.html.as_deref().unwrap_or_default();
        let bytes = self.subject.len() + self.text.len() + html.len();
        if bytes > MAX_TEMPLATE_BYTES {
            return Err(Invalid(format!(
                "a template has at most {MAX_TEMPLATE_BYTES} bytes, this one has {bytes}; shorten it"
            )));
        }
        render::check(self)
    }
}
