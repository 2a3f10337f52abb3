//! Which host a request was sent to: one, well-formed, or the request is refused. What picks the tenant
//! must not be open to two readings.

use crate::error::Refusal;
use http::request::Parts;
use http::{HeaderValue, Version, header};
use std::net::Ipv6Addr;

/// A host and perhaps a port, as they stand in `Host`, in an absolute target and in `:authority`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    value: HeaderValue,
    /// Bytes of the host.
    host: usize,
    port: Option<u16>,
}

/// The authority of a request (RFC 9112, 3.2 and RFC 9113, 8.3.1). Only HTTP/1.0 may be without.
///
/// # Errors
/// When there is none or more than one, or what there is breaks the rules.
pub(crate) fn of(parts: &Parts) -> Result<Option<Authority>, Refusal> {
    let mut fields = parts.headers.get_all(header::HOST).into_iter();
    let field = fields.next().map(read).transpose()?;
    if fields.next().is_some() {
        return Err(Refusal::malformed(
            "The request has more than one Host header; send one.",
        ));
    }
    // The target as well, if it is written in full: in HTTP/2 it always is.
    let target = parts.uri.authority();
    let target = target
        .map(|target| HeaderValue::from_str(target.as_str()).map_err(|_| invalid()))
        .transpose()?;
    let target = target.as_ref().map(read).transpose()?;
    let http2 = parts.version >= Version::HTTP_2;
    match (target, field) {
        (Some(target), Some(field)) if http2 && !target.same(&field, parts.uri.scheme_str()) => {
            Err(Refusal::malformed(
                "The Host header and the request's :authority name two hosts; send one of them.",
            ))
        }
        // In HTTP/1.1 the header is there even if the target makes it void.
        (Some(target), Some(_)) => Ok(Some(target)),
        (Some(target), None) if parts.version != Version::HTTP_11 => Ok(Some(target)),
        (None, Some(field)) => Ok(Some(field)),
        (None, None) if parts.version < Version::HTTP_11 => Ok(None),
        _ => Err(Refusal::malformed(
            "The request does not say which host it is for; send the Host header.",
        )),
    }
}

fn read(value: &HeaderValue) -> Result<Authority, Refusal> {
    Authority::read(value.clone()).ok_or_else(invalid)
}

fn invalid() -> Refusal {
    Refusal::malformed(
        "The host that the request is for is not a name or address, with perhaps a port; correct the Host header.",
    )
}

// === impl Authority ===

impl Authority {
    /// `None` if it is no host: neither a name of letters, digits, `-`, `.` and `_`, nor an address. URIs
    /// allow for more in names, which no name on a network has and other readers take apart differently.
    pub(crate) fn read(value: HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                (address.len() + "[]".len(), port)
            }
            None => {
                let host = text.find(':').unwrap_or(text.len());
                let (name, port) = text.split_at(host);
                let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                if name.is_empty() || !name.bytes().all(named) {
                    return None;
                }
                (host, port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            // "host:" is as good as "host".
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { value, host, port })
    }

    /// The name or address without port; in brackets if it is of IPv6.
    pub(crate) fn host(&self) -> &str {
        self.text().get(..self.host).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        self.value.to_str().unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// The same host and port, over this scheme.
    pub(crate) fn same(&self, other: &Self, scheme: Option<&str>) -> bool {
        let usual = if scheme == Some("https") { 443 } else { 80 };
        self.host().eq_ignore_ascii_case(other.host())
            && self.port.unwrap_or(usual) == other.port.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use http::Request;

    fn at(version: Version, uri: &str, hosts: &[&str]) -> Result<Option<String>, ()> {
        let mut request = Request::get(uri).version(version);
        for host in hosts {
            request = request.header("host", *host);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let authority = of(&parts).map_err(drop)?;
        Ok(authority.map(|authority| authority.text().to_owned()))
    }

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        let authority = Authority::read(HeaderValue::from_str(text).unwrap())?;
        Some((authority.host().to_owned(), authority.port))
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("a.example"), is("a.example", None));
        assert_eq!(read("A_1.example.:80"), is("A_1.example.", Some(80)));
        assert_eq!(read("127.0.0.1:65535"), is("127.0.0.1", Some(65535)));
        assert_eq!(read("[::1]"), is("[::1]", None));
        assert_eq!(read("[2001:db8::7]:443"), is("[2001:db8::7]", Some(443)));
        assert_eq!(read("h:"), is("h", None));
        for bad in [
            "", ":80", "a b", "a/b", "a?b", "a#b", "user@a", "a:b", "a:80:80", "a:65536", "a:-1",
            "a:+1", "a,b", "a, b", "[::1", "::1", "[]", "[::1]x", "[::1]:x", "[a]", "a%2eb",
            "\"a\"", "http://a", "a\\b",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(
            Authority::read(HeaderValue::from_bytes(b"\xe4").unwrap()),
            None
        );
    }

    #[test]
    fn there_is_one_and_no_doubt_about_it() {
        let found = |host: &str| Ok(Some(host.to_owned()));
        let v11 = Version::HTTP_11;
        assert_eq!(at(v11, "/", &["a"]), found("a"));
        assert_eq!(at(v11, "/", &[]), Err(()));
        assert_eq!(at(v11, "/", &["a", "a"]), Err(()));
        assert_eq!(at(v11, "/", &["a", "b"]), Err(()));
        // A target in full makes the header void, which is there nevertheless.
        assert_eq!(at(v11, "http://a/", &["b"]), found("a"));
        assert_eq!(at(v11, "http://a/", &["b", "b"]), Err(()));
        assert_eq!(at(v11, "http://a/", &["b c"]), Err(()));
        assert_eq!(at(v11, "http://a/", &[]), Err(()));
        assert_eq!(at(v11, "http://user@a/", &["a"]), Err(()));
        let v10 = Version::HTTP_10;
        assert_eq!(at(v10, "/", &[]), Ok(None));
        assert_eq!(at(v10, "/", &["a"]), found("a"));
        assert_eq!(at(v10, "/", &["a", "b"]), Err(()));
        assert_eq!(at(v10, "http://a/", &[]), found("a"));
        let v2 = Version::HTTP_2;
        assert_eq!(at(v2, "http://a/", &[]), found("a"));
        assert_eq!(at(v2, "http://a/", &["A:80"]), found("a"));
        assert_eq!(at(v2, "https://a/", &["a:80"]), Err(()));
        assert_eq!(at(v2, "http://a/", &["b"]), Err(()));
        assert_eq!(at(v2, "/", &["a"]), found("a"));
        assert_eq!(at(v2, "/", &[]), Err(()));
        assert_eq!(at(v2, "http://user@a/", &[]), Err(()));
    }
}
