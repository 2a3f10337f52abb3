//! What a token is worth (RFC 7662), and giving one back (RFC 7009): both for the client that has it alone.

use super::access;
use super::clients::Client;
use super::failure::Failure;
use super::grants::{self, Grant, GrantId};
use super::parameters::Parameters;
use super::refresh;
use super::scope;
use crate::model::User;
use crate::store::{OAUTH_GRANTS, USERS};
use crate::tokens;
use sbd_sdk::Result;
use sbd_sdk::keys::Verdict;
use sbd_sdk::time;
use serde_json::{Value, json};

/// What a token of a confidential client is worth. Of what is not, nothing is said but that.
pub(crate) async fn introspect(
    client: &Client,
    fields: &Parameters,
    issuer: &str,
) -> Result<Value, Failure> {
    if !client.is_confidential() {
        return Err(fields.unknown_client());
    }
    let token = fields.required("token")?;
    let worth = match token.starts_with(refresh::PREFIX) {
        true => of_refresh(token, client).await?,
        false => of_access(token, client).await?,
    };
    let Some((grant, user, mut said)) = worth else {
        return Ok(json!({"active": false}));
    };
    said["active"] = json!(true);
    said["client_id"] = json!(client.id);
    said["sub"] = json!(user.id);
    said["username"] = json!(user.username);
    said["iss"] = json!(issuer);
    if said.get("scope").is_none() {
        said["scope"] = json!(scope::written(&grant.scopes));
    }
    Ok(said)
}

async fn of_access(token: &str, client: &Client) -> Result<Option<(Grant, User, Value)>> {
    let Verdict::Valid(claims) = access::read(token).await? else {
        return Ok(None);
    };
    let grant = access::grant(&claims).await?;
    let Some(grant) = grant.filter(|grant| grant.client_id == client.id) else {
        return Ok(None);
    };
    let user = active(&grant).await?;
    Ok(user.map(|user| {
        let scopes = tokens::scopes(&user.roles);
        let scopes = scopes.intersect(&grant.scopes).intersect(&claims.scope);
        let said = json!({
            "token_type": "Bearer", "exp": claims.exp, "iat": claims.iat, "scope": scope::written(&scopes),
        });
        (grant, user, said)
    }))
}

async fn of_refresh(token: &str, client: &Client) -> Result<Option<(Grant, User, Value)>> {
    let now = time::now();
    let stored = refresh::found(token, client).await?;
    let stored = stored.filter(|stored| stored.bought.is_none() && now < stored.expires_at);
    let Some(stored) = stored else {
        return Ok(None);
    };
    let grant = OAUTH_GRANTS.get(stored.grant_id.as_str()).await?;
    let Some(grant) = grant.filter(|grant| grant.is_alive(now)) else {
        return Ok(None);
    };
    let user = active(&grant).await?;
    Ok(user.map(|user| {
        let said = json!({"exp": stored.expires_at.seconds(), "iat": stored.created_at.seconds()});
        (grant, user, said)
    }))
}

async fn active(grant: &Grant) -> Result<Option<User>> {
    Ok(USERS.get(&grant.user_id).await?.filter(User::may_act))
}

/// Ends the grant of a token that its client gives back, with all its tokens. What is not known is worth nothing
/// already.
pub(crate) async fn revoke(client: &Client, fields: &Parameters) -> Result<Vec<GrantId>, Failure> {
    let token = fields.required("token")?;
    let id = match token.starts_with(refresh::PREFIX) {
        true => refresh::found(token, client)
            .await?
            .map(|stored| stored.grant_id),
        false => match access::read(token).await? {
            Verdict::Valid(claims) if claims.client_id == client.id => Some(claims.gid),
            _ => None,
        },
    };
    let grant = match id {
        Some(id) => OAUTH_GRANTS.get(id.as_str()).await?,
        None => None,
    };
    let Some(grant) = grant else {
        return Ok(Vec::new());
    };
    grants::end(&grant, "given_back").await?;
    Ok(vec![grant.id])
}
