//! What is wrong with a query, in one sentence that says what to write instead.

use std::fmt;

/// A query or document that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(String);

// === impl Invalid ===

impl Invalid {
    /// With this explanation.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}
