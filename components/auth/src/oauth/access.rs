//! Access tokens of clients: signed, and worth nothing without their grant, which is looked up.

use super::clients::ClientId;
use super::grants::{Grant, GrantId};
use super::scope;
use crate::model::{ADMIN, User};
use crate::store::{OAUTH_GRANTS, USERS};
use crate::tokens;
use sbd_sdk::authentication::Identity;
use sbd_sdk::keys::{self, Verdict};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// What one begins with.
pub(crate) const PREFIX: &str = "oat_";
/// How long one is good.
pub(crate) const GOOD_FOR: Duration = tokens::ACCESS;
/// What they are signed for; no other token is taken for one.
const PURPOSE: &str = "oauth-access";
/// How long the host takes one for granted: its use is noted no more often.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// What one says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) gid: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) scope: Scopes,
    #[serde(default, skip_serializing)]
    pub(crate) exp: i64,
    #[serde(default, skip_serializing)]
    pub(crate) iat: i64,
}

/// Makes one of a grant, for no more than it has.
pub(crate) async fn sign(grant: &Grant, scopes: &Scopes) -> Result<String> {
    let claims = Claims {
        sub: grant.user_id.clone(),
        gid: grant.id.clone(),
        client_id: grant.client_id.clone(),
        scope: scopes.clone(),
        exp: 0,
        iat: 0,
    };
    let token = keys::sign(PURPOSE, &claims, GOOD_FOR).await?;
    Ok(format!("{PREFIX}{token}"))
}

/// What a token says, if it is one of ours that is good.
pub(crate) async fn read(token: &str) -> Result<Verdict<Claims>> {
    match token.strip_prefix(PREFIX) {
        Some(token) => keys::verify(PURPOSE, token).await,
        None => Ok(Verdict::Forged),
    }
}

/// The grant of a token, as long as it lasts.
pub(crate) async fn grant(claims: &Claims) -> Result<Option<Grant>> {
    let grant = OAUTH_GRANTS.get(claims.gid.as_str()).await?;
    let now = time::now();
    Ok(grant.filter(|grant| grant.is_alive(now) && grant.user_id == claims.sub))
}

/// Whom a token's client acts for, and what it may do: what the token, the grant and the user all may.
pub(crate) async fn bearer(token: &str) -> Result<Identity> {
    let claims = match read(token).await? {
        Verdict::Valid(claims) => claims,
        Verdict::Expired => {
            return Err(Error::token_expired(
                "the access token has run out; refresh it",
            ));
        }
        Verdict::Forged => {
            return Err(Error::token_invalid(
                "this is no access token of ours; have the user consent",
            ));
        }
    };
    let over =
        || Error::token_invalid("the user takes no more part in this; have them consent again");
    let grant = grant(&claims).await?.ok_or_else(over)?;
    let user = USERS.get(&grant.user_id).await?.filter(User::may_act);
    let user = user.ok_or_else(over)?;
    let now = time::now();
    if now.since(grant.last_used_at) >= KNOWN_FOR {
        let used = json!({"$set": {"last_used_at": now}});
        OAUTH_GRANTS
            .update_one(json!({"_id": grant.id}), used)
            .await?;
    }
    let scopes = tokens::scopes(&user.roles);
    let scopes = scopes.intersect(&grant.scopes).intersect(&claims.scope);
    let mut roles = user.roles;
    // A client that does not administer is no administrator to whoever asks for the role.
    roles.retain(|role| role != ADMIN || scope::administers(&scopes));
    Ok(Identity {
        user: user.id.into(),
        session: Some(grant.id.as_str().into()),
        username: user.username,
        impersonated_by: None,
        scopes,
        roles,
        expires_at: Time::from_seconds(claims.exp).to_string(),
    })
}
