//! Cross-origin rules from the settings, as tower-http's layer.

use crate::config::CorsConfig;
use crate::error::GatewayError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use std::time::Duration;
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

/// What pages may send along beyond the safelisted headers.
const SENT: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
];

/// What pages may read of an answer beyond the safelisted headers.
const READ: [HeaderName; 7] = [
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];

/// The layer, or `None` if no origin is allowed.
pub(crate) fn layer(config: &CorsConfig) -> Result<Option<CorsLayer>, GatewayError> {
    if config.allowed_origins.is_empty() {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_methods(METHODS)
        .allow_headers(SENT)
        .expose_headers(ExposeHeaders::list(READ))
        .max_age(PREFLIGHT_KEPT);
    if config.allowed_origins.iter().any(|origin| origin == "*") {
        if config.allow_credentials {
            return Err(GatewayError::CredentialsForAll);
        }
        return Ok(Some(layer.allow_origin(AllowOrigin::any())));
    }
    let origins: Vec<HeaderValue> = config
        .allowed_origins
        .iter()
        .map(|origin| parse(origin).ok_or_else(|| GatewayError::Origin(origin.clone())))
        .collect::<Result<_, _>>()?;
    Ok(Some(
        layer
            .allow_origin(origins)
            .allow_credentials(config.allow_credentials),
    ))
}

/// Does the layer concern this request? An `OPTIONS` that is no preflight is the guest's.
pub(crate) fn concerns(parts: &Parts) -> bool {
    parts.headers.contains_key(header::ORIGIN)
        && (parts.method != Method::OPTIONS
            || parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD))
}

/// Tells caches that the answer depends on who asks, also where this request named no origin.
pub(crate) fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// Scheme and authority, nothing behind them: exactly what a browser sends as `Origin`.
fn parse(origin: &str) -> Option<HeaderValue> {
    let (scheme, authority) = origin.split_once("://")?;
    let named = !scheme.is_empty()
        && !authority.is_empty()
        && authority.parse::<http::uri::Authority>().is_ok()
        && origin == origin.to_ascii_lowercase();
    if named { HeaderValue::from_str(origin).ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn with(origins: &[&str], allow_credentials: bool) -> Result<Option<CorsLayer>, GatewayError> {
        layer(&CorsConfig {
            allowed_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
            allow_credentials,
        })
    }

    #[test]
    fn settings_that_browsers_would_not_honour_are_refused() {
        assert!(with(&[], false).unwrap().is_none());
        assert!(with(&["https://app.example.com", "http://localhost:5173"], true).unwrap().is_some());
        assert!(with(&["*"], false).unwrap().is_some());
        assert!(matches!(with(&["*"], true), Err(GatewayError::CredentialsForAll)));
        for bad in ["app.example.com", "https://", "https://a/b", "HTTPS://a", "https://a b", ""] {
            assert!(matches!(with(&[bad], false), Err(GatewayError::Origin(_))), "{bad:?}");
        }
    }
}
