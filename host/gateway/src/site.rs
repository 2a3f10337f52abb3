//! Whether it is a page of ours that has a browser send a request. A browser sends cookies along whoever asks it
//! to; so what a cookie speaks for, and changes something, must come from our own origin.

use crate::authority::Authority;
use crate::error::Refusal;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sbd_contract::session_cookie;

/// Where browsers say that a request comes from, which no page can write.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request is from, as far as a browser says so, and to what.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    https: bool,
    authority: Option<&'a Authority>,
}

// === impl Site ===

impl<'a> Site<'a> {
    /// Of a request to this host, over TLS or not, as the gateway knows it to be true.
    pub(crate) fn new(
        method: &'a Method,
        headers: &'a HeaderMap,
        https: bool,
        authority: Option<&'a Authority>,
    ) -> Self {
        Self {
            method,
            headers,
            https,
            authority,
        }
    }

    /// What the cookie of a session is called here.
    pub(crate) fn cookie(&self) -> &'static str {
        session_cookie::name(self.https)
    }

    /// Refuses what changes something, or opens a socket, unless a page of our own origin asks for it.
    pub(crate) fn require_own(&self) -> Result<(), Refusal> {
        if self.only_reads() || self.is_own() {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "CROSS_SITE_REQUEST",
            "The session's cookie counts only for what a page of this very address sends (`Sec-Fetch-Site: same-origin`, or `Origin`); elsewhere send an access token as `Authorization: Bearer ...`.",
        ))
    }

    fn only_reads(&self) -> bool {
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(self.method);
        safe && !self.headers.contains_key(header::UPGRADE)
    }

    /// Browsers send the first of both headers over https and to this machine, the second everywhere.
    fn is_own(&self) -> bool {
        match (self.said(&FETCH_SITE), self.said(&header::ORIGIN)) {
            (Said::Once(site), _) => site == "same-origin",
            (Said::Nothing, Said::Once(origin)) => self.is_our(origin),
            _ => false,
        }
    }

    fn is_our(&self, origin: &str) -> bool {
        let scheme = if self.https { "https" } else { "http" };
        let named = origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .and_then(|named| Authority::read(HeaderValue::from_str(named).ok()?));
        match (named, self.authority) {
            (Some(named), Some(ours)) => ours.same(&named, Some(scheme)),
            _ => false,
        }
    }

    fn said(&self, name: &HeaderName) -> Said<'a> {
        let mut values = self.headers.get_all(name).into_iter();
        match (values.next(), values.next()) {
            (None, _) => Said::Nothing,
            (Some(value), None) => value.to_str().map_or(Said::Unclear, Said::Once),
            _ => Said::Unclear,
        }
    }
}

/// What a header says that stands in a request once.
enum Said<'a> {
    Nothing,
    Once(&'a str),
    Unclear,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The headers of a request, and whether it may change something over https, and over http.
    type Row = (&'static [(&'static str, &'static str)], bool, bool);

    /// What a request says of where it is from, and whether it may change something that is at
    /// `https://brain.example`, and at `http://brain.example`.
    const TABLE: [Row; 19] = [
        (&[], false, false),
        (&[("sec-fetch-site", "same-origin")], true, true),
        (&[("sec-fetch-site", "same-site")], false, false),
        (&[("sec-fetch-site", "cross-site")], false, false),
        (&[("sec-fetch-site", "none")], false, false),
        (&[("sec-fetch-site", "Same-Origin")], false, false),
        (&[("sec-fetch-site", "")], false, false),
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
            false,
        ),
        // The first says more than the second.
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://brain.example"),
            ],
            false,
            false,
        ),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            true,
            true,
        ),
        (&[("origin", "https://brain.example")], true, false),
        (&[("origin", "http://brain.example")], false, true),
        (&[("origin", "https://BRAIN.example:443")], true, false),
        (&[("origin", "http://brain.example:80")], false, true),
        (&[("origin", "https://brain.example:8443")], false, false),
        (&[("origin", "https://evil.example")], false, false),
        (
            &[("origin", "https://brain.example.evil.example")],
            false,
            false,
        ),
        (&[("origin", "null")], false, false),
        (&[("origin", "https://brain.example/")], false, false),
    ];

    #[test]
    fn what_changes_something_comes_from_our_own_origin() {
        let ours = Authority::read(HeaderValue::from_static("brain.example")).unwrap();
        let methods = [
            ("GET", true),
            ("HEAD", true),
            ("OPTIONS", true),
            ("POST", false),
            ("PUT", false),
            ("PATCH", false),
            ("DELETE", false),
            ("CONNECT", false),
            ("TRACE", false),
            ("ODD", false),
        ];
        for (said, over_https, over_http) in TABLE {
            for (https, own) in [(true, over_https), (false, over_http)] {
                for (method, safe) in methods {
                    for socket in [false, true] {
                        let mut headers = HeaderMap::new();
                        for (name, value) in said {
                            headers.append(*name, HeaderValue::from_static(value));
                        }
                        if socket {
                            headers.insert("upgrade", HeaderValue::from_static("websocket"));
                        }
                        let method = method.parse().unwrap();
                        let site = Site::new(&method, &headers, https, Some(&ours));
                        let right = own || (safe && !socket);
                        let what = format!("{method} {https} {socket} {said:?}");
                        assert_eq!(site.require_own().is_ok(), right, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_host_there_is_no_own_origin() {
        let headers = [(header::ORIGIN, HeaderValue::from_static("http://a.example"))];
        let (method, headers) = (Method::POST, HeaderMap::from_iter(headers));
        assert!(
            Site::new(&method, &headers, false, None)
                .require_own()
                .is_err()
        );
    }
}
