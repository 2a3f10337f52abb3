//! Tokens signed with the tenant's keys, which never leave the host.

use crate::Error;
use crate::bindings::keys as host;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use utoipa::ToSchema;

/// What a token turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// A good one, with these claims.
    Valid(T),
    /// Ours, and it has run out.
    Expired,
    /// Not a token of ours, or of another tenant or purpose.
    Forged,
}

/// Signs claims as a JWT for 1 second to 366 days. The host adds `iss`, `aud` (the purpose),
/// `iat`, `nbf`, `exp` and `jti`.
///
/// # Errors
/// When the claims are not an object or set one of the host's.
pub async fn sign<T: Serialize>(purpose: &str, claims: &T, ttl: Duration) -> crate::Result<String> {
    let claims = serde_json::to_string(claims).map_err(Error::internal)?;
    let seconds = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
    host::sign(purpose.to_owned(), claims, seconds)
        .await
        .map_err(refused)
}

/// Checks signature, tenant, purpose and times of a token, and reads its claims.
///
/// # Errors
/// When the key store does not answer, or the claims are no `T`.
pub async fn verify<T: DeserializeOwned>(purpose: &str, token: &str) -> crate::Result<Verdict<T>> {
    match host::verify(purpose.to_owned(), token.to_owned())
        .await
        .map_err(refused)?
    {
        host::Verdict::Valid(claims) => serde_json::from_str(&claims)
            .map(Verdict::Valid)
            .map_err(Error::internal),
        host::Verdict::Refused(host::Refusal::Expired) => Ok(Verdict::Expired),
        host::Verdict::Refused(host::Refusal::Forged) => Ok(Verdict::Forged),
    }
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = Object)]
pub struct KeySet(pub serde_json::Value);

/// The tenant's public keys.
///
/// # Errors
/// When the key store does not answer.
pub async fn jwks() -> crate::Result<KeySet> {
    let keys = host::jwks().await.map_err(refused)?;
    serde_json::from_str(&keys)
        .map(KeySet)
        .map_err(Error::internal)
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Invalid(cause) | host::Error::Limit(cause) | host::Error::Other(cause) => {
            Error::internal(cause)
        }
        host::Error::Unavailable(cause) => Error::overloaded(
            "tokens cannot be checked just now; try again in a moment",
            1,
        )
        .caused_by(format_args!("keys unavailable: {cause}")),
    }
}
