//! Cross-origin rules from the settings, as tower-http's layer.

use crate::error::GatewayError;
use crate::rate;
use crate::tenant::TENANT;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use sbd_contract::header::IMPERSONATED_BY;
use sbd_manifest::Cors as Declared;
use std::convert::Infallible;
use std::time::Duration;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer, ExposeHeaders};

/// How long a browser may keep a preflight's answer. Chromium's own ceiling.
const PREFLIGHT_KEPT: Duration = Duration::from_secs(2 * 60 * 60);

const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// What the layer looks at.
const ASKED: [HeaderName; 3] = [
    header::ORIGIN,
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::ACCESS_CONTROL_REQUEST_HEADERS,
];

/// What pages may send along beyond the safelisted headers.
const SENT: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    TENANT,
];

/// What pages may read of an answer beyond the safelisted headers.
const READ: [HeaderName; 10] = [
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::ALLOW,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static("x-request-id"),
    rate::LEFT,
    rate::POLICY,
    IMPERSONATED_BY,
];

/// The cross-origin rules of this server.
pub(crate) struct Cors {
    layer: CorsLayer,
    /// Whose pages may ask; none are those of everybody.
    origins: Option<Vec<HeaderValue>>,
}

// === impl Cors ===

impl Cors {
    pub(crate) fn new(declared: &Declared) -> Result<Self, GatewayError> {
        let layer = CorsLayer::new()
            .allow_methods(METHODS)
            .allow_headers(SENT)
            .expose_headers(ExposeHeaders::list(READ))
            .max_age(PREFLIGHT_KEPT);
        if declared.origins.iter().any(|origin| origin == "*") {
            if declared.credentials {
                return Err(GatewayError::CredentialsForAll);
            }
            return Ok(Self {
                layer: layer.allow_origin(AllowOrigin::any()),
                origins: None,
            });
        }
        let origins: Vec<HeaderValue> = declared
            .origins
            .iter()
            .map(|origin| parse(origin).ok_or_else(|| GatewayError::Origin(origin.clone())))
            .collect::<Result<_, _>>()?;
        let layer = layer.allow_origin(origins.clone());
        Ok(Self {
            layer: layer.allow_credentials(declared.credentials),
            origins: Some(origins),
        })
    }

    /// Whether a request is from a page that may ask.
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN);
        self.origins
            .as_ref()
            .is_none_or(|origins| origin.is_some_and(|origin| origins.contains(origin)))
    }

    /// The headers that an answer to this request carries. The layer is run over the request's
    /// head alone, so that what lies below need not be a service.
    pub(crate) async fn headers(&self, parts: &Parts) -> HeaderMap {
        let mut head = Request::new(());
        *head.method_mut() = parts.method.clone();
        for name in ASKED {
            if let Some(value) = parts.headers.get(&name) {
                head.headers_mut().insert(name, value.clone());
            }
        }
        let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
        match self.layer.layer(inner).oneshot(head).await {
            Ok(response) => response.into_parts().0.headers,
            Err(never) => match never {},
        }
    }
}

/// A browser asking in advance. An `OPTIONS` without these headers is the guest's affair.
pub(crate) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Puts the rules' headers on an answer. What it varies by already it still varies by; and where they allow nothing, it
/// may itself, as what is for everybody's pages does.
pub(crate) fn add(answer: &mut HeaderMap, rules: HeaderMap) {
    let allow = rules.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    let mut last = None;
    for (name, value) in rules {
        // A name stands only before the first of its values.
        last = name.or(last);
        match &last {
            Some(name) if name == header::VARY => answer.append(name, value),
            Some(name) if allow => answer.insert(name, value).is_some(),
            _ => false,
        };
    }
}

/// Scheme and authority, nothing behind them: exactly what a browser sends as `Origin`.
fn parse(origin: &str) -> Option<HeaderValue> {
    let (scheme, authority) = origin.split_once("://")?;
    let named = !scheme.is_empty()
        && !authority.is_empty()
        && authority.parse::<http::uri::Authority>().is_ok()
        && origin == origin.to_ascii_lowercase();
    if named {
        HeaderValue::from_str(origin).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn with(origins: &[&str], credentials: bool) -> Result<Cors, GatewayError> {
        Cors::new(&Declared {
            origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
            credentials,
        })
    }

    #[test]
    fn settings_that_browsers_would_not_honour_are_refused() {
        assert!(with(&["https://app.example.com", "http://localhost:5173"], true).is_ok());
        assert!(with(&["*"], false).is_ok());
        assert!(matches!(
            with(&["*"], true),
            Err(GatewayError::CredentialsForAll)
        ));
        for bad in [
            "app.example.com",
            "https://",
            "https://a/b",
            "HTTPS://a",
            "https://a b",
            "",
        ] {
            assert!(
                matches!(with(&[bad], false), Err(GatewayError::Origin(_))),
                "{bad:?}"
            );
        }
    }
}
