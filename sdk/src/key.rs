//! The key of a request that moves value.

use crate::Error;
use crate::openapi::{Description, Input};
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderName, StatusCode};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in bytes.
const LONGEST: usize = 128;

/// The `Idempotency-Key` of a request that moves value, which must have one. Unlike
/// [`Idempotency`](crate::Idempotency), it is the component's to keep, as long as what it stands for, and
/// components have keys, too.
#[derive(Clone, Debug)]
pub struct Key(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> crate::Result<Self> {
        let mut keys = parts.headers.get_all(HEADER).iter();
        let key = match (keys.next(), keys.next()) {
            (Some(key), None) => key.to_str().ok(),
            _ => None,
        };
        let is_right = |key: &&str| {
            (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let key = key.filter(is_right).map(str::to_owned);
        key.map(Self).ok_or_else(|| {
            let message = format!(
                "what moves value has one key of 1 to {LONGEST} visible ASCII characters, for example a UUID; send the same again when you do not know whether it arrived"
            );
            Error::validation("Idempotency-Key", message)
        })
    }
}

impl Input for Key {
    fn describe(description: &mut Description) {
        description.header_parameter(
            "Idempotency-Key",
            format!(
                "Must be there: 1 to {LONGEST} visible ASCII characters. The same key with the same request \
                 is done once, however often it comes, and answered again with `idempotency-replayed: true`."
            ),
        );
        description.refuses(
            StatusCode::UNPROCESSABLE_ENTITY,
            "there is no key, or it was used for another request",
        );
    }
}
