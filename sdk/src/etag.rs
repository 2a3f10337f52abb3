//! Versions of a resource as entity tags (RFC 9110): no lost update, no needless transfer.

use crate::Error;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::convert::Infallible;

/// The strong entity tag of a version.
pub fn of(version: u64) -> HeaderValue {
    HeaderValue::try_from(text(version)).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

fn text(version: u64) -> String {
    format!("\"{version}\"")
}

/// `If-Match` and `If-None-Match` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

// === impl Preconditions ===

impl Preconditions {
    /// Answers 412 when the request has an `If-Match` that this version does not match.
    ///
    /// # Errors
    /// `PRECONDITION_FAILED` as said.
    pub fn require(&self, version: u64) -> crate::Result<()> {
        match &self.if_match {
            Some(tags) if !matches(tags, version, false) => Err(Error::precondition_failed()),
            _ => Ok(()),
        }
    }

    /// Whether the request has an `If-Match`. A change that loses a race is then a 412, else a 409.
    pub fn has_if_match(&self) -> bool {
        self.if_match.is_some()
    }

    /// Whether the caller has this version already (`If-None-Match`), so that 304 says it all.
    pub fn has_current(&self, version: u64) -> bool {
        self.if_none_match
            .as_deref()
            .is_some_and(|tags| matches(tags, version, true))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            if_match: list(&parts.headers, header::IF_MATCH),
            if_none_match: list(&parts.headers, header::IF_NONE_MATCH),
        })
    }
}

/// A list header as one text, though it may come in several lines.
fn list(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Whether a list of tags names a version. A weak tag (`W/`) is never good enough for a change.
fn matches(tags: &str, version: u64, weak_too: bool) -> bool {
    let current = text(version);
    tags.split(',').map(str::trim).any(|tag| {
        let strong = if weak_too {
            tag.strip_prefix("W/").unwrap_or(tag)
        } else {
            tag
        };
        strong == "*" || strong == current
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(if_match: Option<&str>, if_none_match: Option<&str>) -> Preconditions {
        Preconditions {
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
        }
    }

    #[test]
    fn if_match_compares_strongly() {
        for good in [None, Some("*"), Some("\"7\""), Some("\"1\", \"7\"")] {
            assert!(with(good, None).require(7).is_ok(), "{good:?}");
        }
        for bad in ["\"6\"", "W/\"7\"", "7", "", "\"77\""] {
            assert!(with(Some(bad), None).require(7).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert!(!with(None, None).has_current(7));
        assert!(!with(None, Some("\"6\"")).has_current(7));
        for good in ["*", "\"7\"", "W/\"7\"", "\"6\",\"7\""] {
            assert!(with(None, Some(good)).has_current(7), "{good}");
        }
    }
}
