//! The key of a request that moves value.

use crate::ledger::Done;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use sbd_sdk::openapi::{Description, Input};
use sbd_sdk::{Answer, Created, Error, Result};
use serde::Serialize;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key, in bytes.
const LONGEST: usize = 128;

/// The `Idempotency-Key` of a request that moves value, which must have one. Unlike [`sbd_sdk::Idempotency`],
/// it is kept as long as the ledger itself, and components have keys, too.
pub(crate) struct Key(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
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

/// What was made, now or when the same was asked before.
pub(crate) fn created<T, V: Serialize>(
    done: Done<T>,
    location: impl Fn(&T) -> String,
    view: impl Fn(T) -> V,
) -> Result<Created<V>> {
    let location = location(&done.done);
    let answer = Answer::created(&location, &view(done.done))?;
    Ok(match done.replayed {
        true => answer.header(REPLAYED, "true"),
        false => answer,
    }
    .into())
}
