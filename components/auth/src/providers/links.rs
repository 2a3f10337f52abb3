//! Who users are to providers. A link is of the issuer and of what that calls the user, both of which stay; an address
//! is neither.

use super::attempts::{self, Brought, Purpose};
use super::configuration::Provider;
use super::identity::{Identity, unknown};
use crate::events::Happened;
use crate::oauth::require_person;
use crate::store::PROVIDER_LINKS;
use crate::{confirmation, notices, tokens};
use http::HeaderMap;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Links of a user at most.
const MOST: u32 = 50;

/// A link, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    /// The digest of issuer and subject: of both there is one.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) provider: String,
    pub(crate) issuer: String,
    /// What the user is called there, to know it again.
    pub(crate) name: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Option<Time>,
}

/// What a link is found by.
pub(crate) fn id(provider: &Provider, identity: &Identity) -> String {
    tokens::digest(&format!("{}\n{}", provider.issuer, identity.subject))
}

/// All links of a user, the first first.
pub(crate) async fn list(user_id: &str) -> Result<Vec<Link>> {
    let own = PROVIDER_LINKS.find(json!({"user_id": user_id}));
    Ok(own
        .sort(json!({"created_at": 1}))
        .limit(MOST)
        .fetch()
        .await?
        .documents)
}

/// A user is linked with this change, which is told and recorded.
pub(crate) fn begun(change: Transaction, link: &Link) -> Transaction {
    let happened = Happened::ProviderLinked {
        user_id: &link.user_id,
        provider: &link.provider,
        link_id: &link.id,
    };
    happened.told_by(change.insert(&PROVIDER_LINKS, link))
}

/// Links whoever came back from a provider to the account from which they were led there.
pub(crate) async fn end(
    caller: &Caller,
    brought: &Brought<'_>,
    headers: &HeaderMap,
) -> Result<Link> {
    require_person(caller)?;
    let (purpose, provider, identity) = attempts::end(brought, headers).await?;
    let is_own = matches!(&purpose, Purpose::Link { user_id } if **user_id == *caller.user);
    if !is_own {
        return Err(unknown());
    }
    let count = u32::try_from(list(&caller.user).await?.len());
    if count.is_ok_and(|count| count >= MOST) {
        return Err(Error::conflict("there are 50 links; remove one first"));
    }
    let link = Link::new(&caller.user, &provider, &identity);
    let change = begun(Transaction::new(), &link);
    let change = notices::provider_linked(change, &caller.user, &provider.label);
    match change.commit().await {
        Ok(_) => Ok(link),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "whoever that is there is linked to an account already; sign in by it, and unlink it first",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Unlinks the caller from a provider; they sign in by their password, which they may have mailed anew.
pub(crate) async fn remove(caller: &Caller, id: &str) -> Result<()> {
    require_person(caller)?;
    confirmation::fresh(caller).await?;
    let own = json!({"_id": id, "user_id": caller.user});
    let Some(link) = PROVIDER_LINKS.find_one(own.clone()).await? else {
        return Err(Error::not_found("link"));
    };
    let happened = Happened::ProviderUnlinked {
        user_id: &caller.user,
        provider: &link.provider,
        link_id: id,
    };
    let change = Transaction::new().delete_one(&PROVIDER_LINKS, own);
    match happened.told_by(change).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("link")),
        Err(error) => Err(error.into()),
    }
}

// === impl Link ===

impl Link {
    /// A new one.
    pub(crate) fn new(user_id: &str, provider: &Provider, identity: &Identity) -> Self {
        Self {
            id: id(provider, identity),
            user_id: user_id.to_owned(),
            provider: provider.id.clone(),
            issuer: provider.issuer.clone(),
            name: identity.name.clone().or_else(|| identity.email.clone()),
            created_at: time::now(),
            last_used_at: None,
        }
    }
}
