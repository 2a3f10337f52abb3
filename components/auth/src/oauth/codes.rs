//! Authorization codes: one use within a minute, by the client that asked, for the address it named, by whoever knows
//! what its challenge was made of (RFC 7636). A second use ends what the first one gave.

use super::clients::{Client, ClientId};
use super::failure::Failure;
use super::grants::{self, Grant, GrantId, Issued};
use super::parameters::Parameters;
use crate::store::{OAUTH_CODES, USERS};
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Result, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// What one begins with.
const PREFIX: &str = "oac_";
/// How long one is good: the browser brings it at once.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long one is kept, so that a second use is noticed.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A code, as stored: never the code itself, only its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Code {
    #[serde(rename = "_id")]
    digest: String,
    client_id: ClientId,
    user_id: String,
    redirect_uri: String,
    challenge: String,
    scopes: Scopes,
    /// What it was traded for.
    grant_id: Option<GrantId>,
    made_at: Time,
    expires_at: Time,
}

/// What a code is for.
pub(crate) struct For<'a> {
    pub(crate) client_id: &'a ClientId,
    pub(crate) user_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) challenge: &'a str,
    pub(crate) scopes: Scopes,
}

/// A new code, and what is stored of it.
pub(crate) fn new(of: For<'_>) -> Result<(String, Code)> {
    let code = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(tokens::random()?));
    let now = time::now();
    let stored = Code {
        digest: tokens::digest(&code),
        client_id: of.client_id.clone(),
        user_id: of.user_id.to_owned(),
        redirect_uri: of.redirect_uri.to_owned(),
        challenge: of.challenge.to_owned(),
        scopes: of.scopes,
        grant_id: None,
        made_at: now,
        expires_at: now + KEPT,
    };
    Ok((code, stored))
}

/// Whether a text can be a challenge: SHA-256 in base64url.
pub(crate) fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|digest| digest.len() == 32)
}

/// Trades a code for a grant.
pub(crate) async fn redeem(client: &Client, fields: &Parameters) -> Result<Issued, Failure> {
    let code = fields.required("code")?;
    let verifier = fields.required("code_verifier")?;
    let redirect_uri = fields.required("redirect_uri")?;
    let stored = OAUTH_CODES.get(&tokens::digest(code)).await?;
    let stored = stored.filter(|stored| stored.client_id == client.id);
    let stored = stored.ok_or_else(Failure::grant)?;
    if let Some(grant) = &stored.grant_id {
        return Err(grants::end_stolen(grant).await);
    }
    let now = time::now();
    let is_good = now.since(stored.made_at) < GOOD_FOR
        && stored.redirect_uri == redirect_uri
        && stored.is_made_of(verifier);
    let user = USERS
        .get(&stored.user_id)
        .await?
        .filter(crate::model::User::may_act);
    let user = user.filter(|_| is_good).ok_or_else(Failure::grant)?;
    let grant = Grant::new(&user.id, &client.id, stored.scopes, now);
    let used = Transaction::new().update_one(
        &OAUTH_CODES,
        json!({"_id": stored.digest, "grant_id": null}),
        json!({"$set": {"grant_id": grant.id}}),
    );
    match grants::begin(used, &grant, &user, client).await? {
        Some(issued) => Ok(issued),
        // Another request was faster by a moment: this is a second use.
        None => Box::pin(redeem(client, fields)).await,
    }
}

// === impl Code ===

impl Code {
    /// Whether its challenge was made of this.
    fn is_made_of(&self, verifier: &str) -> bool {
        let is_verifier = (43..=128).contains(&verifier.len())
            && verifier
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let made = tokens::digest(verifier);
        is_verifier && bool::from(made.as_bytes().ct_eq(self.challenge.as_bytes()))
    }
}
