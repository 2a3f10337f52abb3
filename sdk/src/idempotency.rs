//! `Idempotency-Key`: a request that is sent again has its effect once and its answer twice.
//!
//! A handler asks [`Idempotency::replay`] first and ends with [`Idempotency::commit`], which writes
//! effect and answer in one transaction. The component's manifest declares the collection
//! `idempotency` with an index that expires documents at `expires_at`.

use crate::documents::{Collection, DocumentsError, Transaction};
use crate::time::{self, Time};
use crate::{Answer, Error, context};
use axum::extract::FromRequestParts;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderName;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long an answer is kept for repeats.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest key, in bytes.
pub const MAX_KEY: usize = 255;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const RECORDS: Collection<Record> = Collection::new("idempotency");

/// The `Idempotency-Key` of a request, if it has one: 1 to 255 visible ASCII characters.
///
/// Keys belong to a user, a method and a path; without a signed-in user a key has no effect.
#[derive(Clone, Debug)]
pub struct Idempotency {
    record: Option<String>,
}

/// An answer that was given.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    #[serde(rename = "_id")]
    id: String,
    request: String,
    answer: Answer,
    expires_at: Time,
}

// === impl Idempotency ===

impl Idempotency {
    /// The answer that was given to this very request before.
    ///
    /// # Errors
    /// `IDEMPOTENCY_KEY_REUSED` when the key came with another request before.
    pub async fn replay<T: Serialize, A: From<Answer>>(
        &self,
        request: &T,
    ) -> crate::Result<Option<A>> {
        let Some(id) = &self.record else {
            return Ok(None);
        };
        let record = RECORDS
            .get(id)
            .await?
            .filter(|record| record.expires_at > time::now());
        match record {
            None => Ok(None),
            Some(record) if record.request == fingerprint(request)? => {
                Ok(Some(record.answer.header(REPLAYED, "true").into()))
            }
            Some(_) => Err(Error::idempotency_key_reused()),
        }
    }

    /// Commits the effect, and with it the answer for repeats. When the same request was quicker
    /// elsewhere, the answer is the one given there; when another request with the same key was,
    /// `IDEMPOTENCY_KEY_REUSED`.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub async fn commit<T: Serialize, A: From<Answer> + Into<Answer>>(
        &self,
        request: &T,
        effect: Transaction,
        answer: A,
    ) -> Result<crate::Result<A>, DocumentsError> {
        let Some(id) = &self.record else {
            effect.commit().await?;
            return Ok(Ok(answer));
        };
        let answer = answer.into();
        let now = time::now();
        let record = Record {
            id: id.clone(),
            request: fingerprint(request)
                .map_err(|error| DocumentsError::Form(error.to_string()))?,
            answer: answer.clone(),
            expires_at: now + KEPT,
        };
        let with_record = effect
            .delete_many(&RECORDS, json!({"_id": id, "expires_at": {"$lte": now}}))
            .insert(&RECORDS, &record);
        match with_record.commit().await {
            Ok(_) => Ok(Ok(answer.into())),
            // Lost against the same key: whichever step noticed, that answer counts.
            Err(lost) => match self.replay(request).await {
                Ok(Some(answer)) => Ok(Ok(answer)),
                Ok(None) => Err(lost),
                Err(reused) => Ok(Err(reused)),
            },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut keys = parts.headers.get_all(HEADER).iter();
        let (Some(key), another) = (keys.next(), keys.next()) else {
            return Ok(Self { record: None });
        };
        let visible = |key: &&[u8]| {
            (1..=MAX_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic)
        };
        let key = Some(key.as_bytes())
            .filter(visible)
            .filter(|_| another.is_none());
        let key = key.ok_or_else(|| {
            let message =
                format!("one key of 1 to {MAX_KEY} visible ASCII characters, for example a UUID");
            Error::validation("Idempotency-Key", message)
        })?;
        let context = context::current();
        let principal = context
            .as_ref()
            .and_then(|context| context.principal.as_ref());
        let user = principal.and_then(|principal| principal.user.as_deref());
        let scope = user.map(|user| {
            digest(&[
                user.as_bytes(),
                parts.method.as_str().as_bytes(),
                parts.uri.path().as_bytes(),
                key,
            ])
        });
        Ok(Self { record: scope })
    }
}

fn fingerprint<T: Serialize>(request: &T) -> crate::Result<String> {
    let json = serde_json::to_vec(request).map_err(Error::internal)?;
    Ok(digest(&[&json]))
}

/// A digest of several parts, each with its length before it, so that no two lists look alike.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}
