//! Whoever comes back from a provider signs in; and whoever is new opens an account, where they may.

use super::attempts::{self, Brought, Purpose};
use super::configuration::Provider;
use super::identity::{Identity, unknown};
use super::links::{self, Link};
use crate::administrators::{name_from, unlike_any};
use crate::model::{Device, Proof, USER, User};
use crate::network_policy;
use crate::registration::{self, email_problem};
use crate::sign_in::{self, Admitted};
use crate::store::{self, PROVIDER_LINKS, USERS};
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result, passwords, text, time};
use serde_json::json;

/// Signs in whoever came back from a provider.
pub(crate) async fn end(
    brought: &Brought<'_>,
    headers: &HeaderMap,
    device: &Device,
) -> Result<Admitted> {
    network_policy::require(device).await?;
    let (purpose, provider, identity) = attempts::end(brought, headers).await?;
    let Purpose::SignIn { invitation, pass } = purpose else {
        return Err(unknown());
    };
    let mut device = device.clone();
    device.shown_pass = device.shown_pass.or(pass);
    let id = links::id(&provider, &identity);
    let user = match PROVIDER_LINKS.get(&id).await? {
        Some(link) => {
            let used = json!({"$set": {"last_used_at": time::now()}});
            PROVIDER_LINKS.update_one(json!({"_id": id}), used).await?;
            USERS.get(&link.user_id).await?.ok_or_else(unknown)?
        }
        None => opened(&provider, &identity, invitation.as_deref()).await?,
    };
    sign_in::admit(&user, &[Proof::Provider], &device).await
}

/// Opens an account for somebody whom a provider knows, as the tenant lets accounts be opened.
async fn opened(
    provider: &Provider,
    identity: &Identity,
    invitation: Option<&str>,
) -> Result<User> {
    let email = identity
        .email
        .as_deref()
        .filter(|email| email_problem(email).is_none());
    let email = email.ok_or_else(|| {
        Error::forbidden("the provider names no e-mail address of yours; let it, or register here and link it then")
    })?;
    let invitation = registration::admitted(email, invitation).await?;
    if store::user_by_identifier(&text::key(email))
        .await?
        .is_some()
    {
        // Whoever it is: what a provider says of an address is no proof that the account is theirs.
        return Err(Error::conflict(
            "there is an account with this e-mail address; sign in to it, and link the provider there",
        ));
    }
    let hash = passwords::hash(&URL_SAFE_NO_PAD.encode(tokens::random()?)).await?;
    let now = time::now();
    let shown = identity.email_verified || invitation.is_some();
    let user = User {
        email_verified_at: shown.then_some(now),
        ..User::new(&named(identity, email).await?, email, hash, &[USER], now)
    };
    let link = Link::new(&user.id, provider, identity);
    let change = links::begun(Transaction::new(), &link);
    store::open_user(change, &user, invitation.as_ref()).await?;
    Ok(user)
}

/// A username that is free and nobody's else, after what they are called there.
async fn named(identity: &Identity, email: &str) -> Result<String> {
    let name = name_from(identity.name.as_deref().unwrap_or(email));
    let taken = registration::is_reserved(&name)
        || store::user_by_identifier(&text::key(&name))
            .await?
            .is_some();
    Ok(if taken { unlike_any(&name) } else { name })
}
