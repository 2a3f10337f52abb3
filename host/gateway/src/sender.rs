//! Who sent a request, and to what: what the socket says, or the trusted proxies in between.

use crate::authority::{self, Authority};
use crate::error::Refusal;
use crate::forwarded::{self, Told, TrustedProxies};
use crate::headers;
use crate::server::Peer;
use crate::site::Site;
use http::request::Parts;
use http::uri::{self, Scheme};
use http::{HeaderValue, Uri, header};
use std::net::IpAddr;

/// The one true account of a request, for limits, tenants and components alike.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) client: IpAddr,
    /// The client's address and port as header value.
    pub(crate) header: HeaderValue,
    /// The host that the client named. `None` only in HTTP/1.0.
    pub(crate) authority: Option<Authority>,
    https: bool,
    /// Whether a proxy is trusted to have told.
    told: bool,
}

// === impl Sender ===

impl Sender {
    /// Reads it off a request's head, before that is rid of what only proxies may write.
    ///
    /// # Errors
    /// When the request does not say for which one host it is.
    pub(crate) fn of(
        parts: &Parts,
        peer: &Peer,
        trusted: &TrustedProxies,
    ) -> Result<Self, Refusal> {
        let scheme = parts.uri.scheme();
        if scheme.is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
            return Err(Refusal::malformed(
                "The request is not for an http or https address; send it to one.",
            ));
        }
        let named = authority::of(parts)?;
        let by_proxy = trusted.trusts(peer.address.ip());
        let told = Told::by(peer.address, &parts.headers, trusted);
        Ok(Self {
            client: told.client.ip(),
            header: if by_proxy {
                headers::address(told.client)
            } else {
                peer.header.clone()
            },
            authority: told.authority.or(named),
            // TLS ends before this server: what a client itself says of it is not known to be true.
            https: told
                .https
                .unwrap_or(by_proxy && scheme == Some(&Scheme::HTTPS)),
            told: by_proxy,
        })
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Where a request with this head is from.
    pub(crate) fn site<'a>(&'a self, parts: &'a Parts) -> Site<'a> {
        let authority = self.authority.as_ref();
        Site::new(&parts.method, &parts.headers, self.https, authority)
    }

    /// Makes a request's head say what is true, and nothing else.
    pub(crate) fn correct(&self, parts: &mut Parts) {
        headers::drop_reserved(&mut parts.headers);
        headers::join_cookies(&mut parts.headers);
        if self.told {
            let host = self.authority.as_ref();
            forwarded::tell(&mut parts.headers, self.client, self.https, host);
        }
        let Some(authority) = &self.authority else {
            return;
        };
        if parts.headers.get(header::HOST) != Some(authority.value()) {
            parts
                .headers
                .insert(header::HOST, authority.value().clone());
        }
        // A target without host is completed by that header, as one of http.
        let bare = parts.uri.authority().is_none();
        if (bare && !self.https) || self.says(&parts.uri, authority) {
            return;
        }
        if let Some(uri) = self.complete(&parts.uri, authority) {
            parts.uri = uri;
        }
    }

    fn says(&self, uri: &Uri, authority: &Authority) -> bool {
        let named = uri.authority().map(uri::Authority::as_str);
        named == Some(authority.text()) && uri.scheme_str() == Some(self.scheme())
    }

    fn complete(&self, uri: &Uri, authority: &Authority) -> Option<Uri> {
        let mut parts = uri.clone().into_parts();
        parts.scheme = Some(if self.https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        });
        parts.authority = Some(authority.text().parse().ok()?);
        Uri::from_parts(parts).ok()
    }
}
