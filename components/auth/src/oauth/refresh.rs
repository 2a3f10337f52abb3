//! Refresh tokens of clients: each buys its successor once, and for half a minute the same again, as those of
//! sessions do. A later use ends the grant, since one of the two has stolen it.

use super::access;
use super::clients::{Client, ClientId};
use super::failure::Failure;
use super::grants::{self, Grant, GrantId, Issued};
use super::parameters::Parameters;
use super::scope;
use crate::model::{Bought, User};
use crate::place::Place;
use crate::store::{OAUTH_GRANTS, OAUTH_REFRESH_TOKENS, USERS};
use crate::tokens::{self, AGAIN};
use crate::{lockdown, network_policy};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Result, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What one begins with.
pub(crate) const PREFIX: &str = "ort_";

/// A refresh token, as stored: never the token itself, only its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    #[serde(rename = "_id")]
    digest: String,
    pub(crate) grant_id: GrantId,
    pub(crate) client_id: ClientId,
    /// What it has bought. It is kept, so that a second use is noticed.
    pub(crate) bought: Option<Bought>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
}

/// A new one.
pub(crate) fn new() -> Result<String> {
    Ok(format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(tokens::random()?)
    ))
}

/// The stored one, if this is one of the client's.
pub(crate) async fn found(token: &str, client: &Client) -> Result<Option<RefreshToken>> {
    let stored = OAUTH_REFRESH_TOKENS.get(&tokens::digest(token)).await?;
    Ok(stored.filter(|stored| stored.client_id == client.id))
}

/// Trades one for the next, and an access token.
pub(crate) async fn trade(
    client: &Client,
    fields: &Parameters,
    place: &Place,
) -> Result<Issued, Failure> {
    let token = fields.required("refresh_token")?;
    let now = time::now();
    let stored = found(token, client).await?.ok_or_else(Failure::grant)?;
    match &stored.bought {
        Some(bought) if now.since(bought.at) <= AGAIN => {
            // Nothing changes, so nothing is written.
            let (_, access, scopes) = renewed(&stored, fields, place, now).await?;
            let refresh = successor(token, bought);
            return Ok(Issued::new(access, refresh, &scopes, Vec::new()));
        }
        Some(_) => return Err(grants::end_stolen(&stored.grant_id).await),
        None if stored.expires_at <= now => return Err(Failure::grant()),
        None => {}
    }
    let (grant, access, scopes) = renewed(&stored, fields, place, now).await?;
    let grant = grant.used(now);
    let bought = Bought {
        salt: URL_SAFE_NO_PAD.encode(tokens::random()?),
        at: now,
    };
    let refresh = successor(token, &bought);
    let change = Transaction::new()
        .update_one(
            &OAUTH_REFRESH_TOKENS,
            json!({"_id": stored.digest, "bought": null}),
            json!({"$set": {"bought": bought}}),
        )
        .update_one(
            &OAUTH_GRANTS,
            json!({"_id": grant.id}),
            json!({"$set": {"last_used_at": grant.last_used_at, "expires_at": grant.expires_at}}),
        )
        .insert(
            &OAUTH_REFRESH_TOKENS,
            &RefreshToken::new(&refresh, &grant, now),
        );
    match change.commit().await {
        Ok(_) => Ok(Issued::new(access, refresh, &scopes, Vec::new())),
        // Another request was faster by a moment.
        Err(DocumentsError::PreconditionFailed(0)) => Box::pin(trade(client, fields, place)).await,
        Err(DocumentsError::PreconditionFailed(_)) => Err(Failure::grant()),
        Err(error) => Err(error.into()),
    }
}

/// The grant of a token, and the next access token with what it is for.
async fn renewed(
    stored: &RefreshToken,
    fields: &Parameters,
    place: &Place,
    now: Time,
) -> Result<(Grant, String, Scopes), Failure> {
    let grant = OAUTH_GRANTS.get(stored.grant_id.as_str()).await?;
    let grant = grant.filter(|grant| grant.is_alive(now));
    let grant = grant.ok_or_else(Failure::grant)?;
    let user = USERS.get(&grant.user_id).await?;
    user.filter(User::may_act).ok_or_else(Failure::grant)?;
    require_place(&grant.user_id, place).await?;
    let scopes = match fields.get("scope") {
        Some(scope) => scope::read(scope)?,
        None => grant.scopes.clone(),
    };
    if !scope::within(&scopes, &grant.scopes) {
        let granted = scope::written(&grant.scopes);
        let description = format!("the user granted `{granted}` and no more");
        return Err(Failure::new("invalid_scope", description));
    }
    let access = access::sign(&grant, &scopes).await?;
    Ok((grant, access, scopes))
}

/// Nothing is traded from where an access token would not count.
async fn require_place(user_id: &str, place: &Place) -> Result<(), Failure> {
    let admitted = async {
        network_policy::require_of_token(place).await?;
        lockdown::require_of_token(user_id, place, None).await
    };
    admitted.await.map_err(|error| match error.status() {
        StatusCode::UNAUTHORIZED => Failure::grant(),
        _ => error.into(),
    })
}

/// The token after this one, which takes the token to make.
fn successor(token: &str, bought: &Bought) -> String {
    let secret = tokens::successor_secret(token, bought);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))
}

// === impl RefreshToken ===

impl RefreshToken {
    /// What is stored of a new one. It lasts as long as its grant does when it is not used.
    pub(crate) fn new(token: &str, grant: &Grant, now: Time) -> Self {
        Self {
            digest: tokens::digest(token),
            grant_id: grant.id.clone(),
            client_id: grant.client_id.clone(),
            bought: None,
            created_at: now,
            expires_at: grant.expires_at,
        }
    }
}
