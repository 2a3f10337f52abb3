//! What is said to whoever lacks a token: where they read who gives them (RFC 9728, 5.1).

use crate::sender::Sender;
use http::{HeaderMap, HeaderValue, Uri, header};

/// Where it stands, with the path behind it of what was asked for.
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";

/// What was asked for, as whoever asked knows it.
pub(crate) struct Protected {
    scheme: &'static str,
    authority: HeaderValue,
    uri: Uri,
}

// === impl Protected ===

impl Protected {
    /// What a request asks for; none where it names no host.
    pub(crate) fn by(sender: &Sender, uri: &Uri) -> Option<Self> {
        Some(Self {
            scheme: sender.scheme(),
            authority: sender.authority.as_ref()?.value().clone(),
            uri: uri.clone(),
        })
    }

    /// Adds to a challenge that says no more than `Bearer` where its metadata is.
    pub(crate) fn tell(&self, answer: &mut HeaderMap) {
        let bare = answer.get(header::WWW_AUTHENTICATE);
        if bare.is_none_or(|bare| bare != "Bearer") {
            return;
        }
        let host = self.authority.to_str().unwrap_or_default();
        // What cannot stand between quotes is left out: it is the host's then.
        let path = self.uri.path();
        let path = match path
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        {
            true => path.trim_end_matches('/'),
            false => "",
        };
        let scheme = self.scheme;
        let challenge = format!("Bearer resource_metadata=\"{scheme}://{host}{METADATA}{path}\"");
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            answer.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_bare_challenge_says_where_the_metadata_is() {
        for (uri, bare, told) in [
            (
                "/mcp?x=1",
                "Bearer",
                "Bearer resource_metadata=\"https://a.example/.well-known/oauth-protected-resource/mcp\"",
            ),
            (
                "/",
                "Bearer",
                "Bearer resource_metadata=\"https://a.example/.well-known/oauth-protected-resource\"",
            ),
            (
                "/a\"b",
                "Bearer",
                "Bearer resource_metadata=\"https://a.example/.well-known/oauth-protected-resource\"",
            ),
            ("/mcp", "Basic realm=\"x\"", "Basic realm=\"x\""),
        ] {
            let protected = Protected {
                scheme: "https",
                authority: HeaderValue::from_static("a.example"),
                uri: uri.parse().unwrap(),
            };
            let bare = HeaderValue::from_static(bare);
            let mut headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, bare)]);
            protected.tell(&mut headers);
            assert_eq!(headers[header::WWW_AUTHENTICATE], told, "{uri}");
        }
    }
}
