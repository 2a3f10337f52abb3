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

/// The `If-Match` of a request that changes something: which version of it. The `If-None-Match` of one
/// that reads is answered by [`crate::Tagged`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<String>,
}

// === impl Preconditions ===

impl Preconditions {
    /// Answers 412 when the request has an `If-Match` that this version does not match.
    ///
    /// # Errors
    /// `PRECONDITION_FAILED` as said.
    pub fn require(&self, version: u64) -> crate::Result<()> {
        match &self.if_match {
            Some(tags) if !names(tags, &text(version), false) => Err(Error::precondition_failed()),
            _ => Ok(()),
        }
    }

    /// Whether the request has an `If-Match`. A change that loses a race is then a 412, else a 409.
    pub fn has_if_match(&self) -> bool {
        self.if_match.is_some()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            if_match: list(&parts.headers, header::IF_MATCH),
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

/// Whether who asks has this version already (`If-None-Match`), so that 304 says it all.
pub(crate) fn is_current(asked: Option<&str>, tag: &HeaderValue) -> bool {
    match (asked, tag.to_str()) {
        (Some(tags), Ok(current)) => names(tags, current, true),
        _ => false,
    }
}

/// The `If-None-Match` of a request.
pub(crate) fn if_none_match(headers: &HeaderMap) -> Option<String> {
    list(headers, header::IF_NONE_MATCH)
}

/// Whether a list of tags names the current one. A weak tag (`W/`) is never good enough for a change.
fn names(tags: &str, current: &str, weak_too: bool) -> bool {
    let strong = |tag| match weak_too {
        true => str::strip_prefix(tag, "W/").unwrap_or(tag),
        false => tag,
    };
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || strong(tag) == strong(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_compares_strongly() {
        let with = |tags: Option<&str>| Preconditions {
            if_match: tags.map(str::to_owned),
        };
        for good in [None, Some("*"), Some("\"7\""), Some("\"1\", \"7\"")] {
            assert!(with(good).require(7).is_ok(), "{good:?}");
        }
        for bad in ["\"6\"", "W/\"7\"", "7", "", "\"77\""] {
            assert!(with(Some(bad)).require(7).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let seven = of(7);
        assert!(!is_current(None, &seven));
        assert!(!is_current(Some("\"6\""), &seven));
        for good in ["*", "\"7\"", "W/\"7\"", "\"6\",\"7\""] {
            assert!(is_current(Some(good), &seven), "{good}");
        }
    }
}
