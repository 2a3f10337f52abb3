//! Headers between host and components. From outside and to the outside they are dropped.

use http::{HeaderMap, HeaderName};

/// How all of them begin.
pub const PREFIX: &str = "sbd-";

/// Who asks: `base64url(JSON of a Principal) "." base64url(seal)`. A guest reads it and may pass it
/// on; it can neither change nor make one.
pub const CALLER: HeaderName = HeaderName::from_static("sbd-caller");

/// `req_...`, the same all along a chain of components.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("sbd-request-id");

/// The name of the tenant.
pub const TENANT: HeaderName = HeaderName::from_static("sbd-tenant");

/// By which the auth component says in an answer which sessions and tokens have ended, or had something taken from
/// them, separated by commas: the host forgets what it knows of each, and asks anew.
pub const REVOKED: HeaderName = HeaderName::from_static("sbd-revoked");

/// Who acts in the user's place, `usr_...`: on every answer to an administrator who does. It is the one of these that
/// leaves the host.
pub const IMPERSONATED_BY: HeaderName = HeaderName::from_static("sbd-impersonated-by");

/// Removes every header that is only between host and components.
pub fn drop_all(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(PREFIX))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
}
