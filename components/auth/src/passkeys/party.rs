//! Whom a passkey is for: a host, and the one origin there whose pages may ask for it.

use http::{HeaderMap, HeaderName};
use sbd_sdk::{Error, Result, config};
use webauthn_rs::prelude::{Url, Webauthn, WebauthnBuilder};

/// Where the host writes where a request was sent to.
const SENT_TO: HeaderName = HeaderName::from_static("spin-full-url");
/// What people are shown of who asks.
const NAME: &str = "Second Brain";

/// Who asks for passkeys: this tenant, as browsers reach it.
pub(crate) struct Party {
    pub(super) host: String,
    pub(super) webauthn: Webauthn,
}

// === impl Party ===

impl Party {
    /// Where a request was sent to, unless it is set.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self> {
        let sent_to = headers.get(&SENT_TO).and_then(|url| url.to_str().ok());
        let sent_to = sent_to.and_then(|url| Url::parse(url).ok());
        let set = config::get("passkey_origin")?.unwrap_or_default();
        let origin = chosen(&set, sent_to)?;
        let origin = origin.filter(is_secure).ok_or_else(unfit)?;
        let host = origin.domain().ok_or_else(unfit)?.to_owned();
        let webauthn = WebauthnBuilder::new(&host, &origin)
            .map(|builder| builder.rp_name(NAME))
            .and_then(WebauthnBuilder::build)
            .map_err(Error::internal)?;
        Ok(Self { host, webauthn })
    }
}

/// Of the origins that are set the one with the host that a request was sent to, else the first; without any, the one
/// that it was sent to.
fn chosen(set: &str, sent_to: Option<Url>) -> Result<Option<Url>> {
    let set: Vec<Url> = set
        .split_whitespace()
        .map(Url::parse)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::internal(format_args!("variable `passkey_origin`: {error}")))?;
    let is_there = |origin: &&Url| {
        let sent_to = sent_to.as_ref();
        sent_to.is_some_and(|sent_to| sent_to.domain() == origin.domain())
    };
    let fitting = set.iter().find(is_there).or(set.first()).cloned();
    Ok(fitting.or(sent_to))
}

/// Whether browsers have passkeys there at all.
fn is_secure(origin: &Url) -> bool {
    let is_here = |host: &str| host == "localhost" || host.ends_with(".localhost");
    match origin.scheme() {
        "https" => origin.domain().is_some(),
        "http" => origin.domain().is_some_and(is_here),
        _ => false,
    }
}

fn unfit() -> Error {
    Error::conflict(
        "browsers have passkeys for a host name over https alone, and for localhost; go there, or ask the operator to set where this server is reached",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_party_is_where_the_request_was_sent_to_unless_it_is_set() {
        const TWO: &str = "https://brain.example https://acme.example:8443";
        for (set, sent_to, expected) in [
            ("", "http://localhost:4747/x", Some("http://localhost:4747")),
            ("", "https://brain.example/x", Some("https://brain.example")),
            ("", "http://brain.example/x", None),
            ("", "http://127.0.0.1:4747/x", None),
            ("", "https://192.0.2.1/x", None),
            ("", "http://localhost.example/x", None),
            (
                TWO,
                "http://localhost:4747/x",
                Some("https://brain.example"),
            ),
            (
                TWO,
                "http://acme.example/x",
                Some("https://acme.example:8443"),
            ),
            ("http://brain.example", "https://brain.example/x", None),
        ] {
            let sent_to = Url::parse(sent_to).unwrap();
            let origin = chosen(set, Some(sent_to)).unwrap().filter(is_secure);
            let origin = origin.map(|origin| origin.origin().ascii_serialization());
            assert_eq!(origin.as_deref(), expected, "{set}");
        }
        assert_eq!(
            chosen("brain.example", None).unwrap_err().code(),
            "INTERNAL"
        );
        assert!(chosen("", None).unwrap().is_none());
    }
}
