//! What users have consented to: one entry of a user for a client. Taken back, all that the client has of the user ends
//! at once.

use super::clients::{Client, ClientId};
use super::grants::{self, GrantId};
use super::scope;
use crate::events::Happened;
use crate::model::User;
use crate::notices;
use crate::store::{
    OAUTH_CLIENTS, OAUTH_CODES, OAUTH_CONSENTS, OAUTH_DEVICES, OAUTH_GRANTS, OAUTH_REFRESH_TOKENS,
    USERS,
};
use crate::tokens;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Scopes, Sort};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

/// How often taking one back is begun anew where a grant began meanwhile.
const ATTEMPTS: usize = 5;

/// A consent, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consent {
    #[serde(rename = "_id")]
    id: String,
    user_id: String,
    pub(crate) client_id: ClientId,
    /// All that was ever granted.
    pub(crate) scopes: Scopes,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

/// What the list of consents is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsentSort {
    /// When they were last given.
    #[default]
    UpdatedAt,
}

/// There is one of a user for a client.
pub(crate) fn id(user_id: &str, client_id: &ClientId) -> String {
    format!("{user_id}/{client_id}")
}

/// What a user has consented to before, if anything.
pub(crate) async fn before(user_id: &str, client_id: &ClientId) -> Result<Option<Consent>> {
    Ok(OAUTH_CONSENTS.get(&id(user_id, client_id)).await?)
}

/// Who consents, and who may: their account.
pub(crate) async fn user(caller: &Caller) -> Result<User> {
    super::require_person(caller)?;
    let user = USERS.get(&caller.user).await?;
    user.filter(User::may_act)
        .ok_or_else(Error::unauthenticated)
}

/// What a user grants of what was asked for: no more than that, and than they have.
pub(crate) fn granted(user: &User, asked: &Scopes, wanted: Vec<String>) -> Result<Scopes> {
    let wrong = |why: String| Error::validation("scopes", why);
    let scopes = Scopes::new(wanted).map_err(|error| wrong(error.to_string()))?;
    if scopes.iter().next().is_none() {
        return Err(wrong("1 scope at least; deny it to grant none".to_owned()));
    }
    match scope::within(&scopes, &grantable(user, asked)) {
        true => Ok(scopes),
        false => Err(wrong(
            "more than is asked for, or than you may yourself".to_owned(),
        )),
    }
}

/// What a user can grant of what is asked for.
pub(crate) fn grantable(user: &User, asked: &Scopes) -> Scopes {
    tokens::scopes(&user.roles).intersect(asked)
}

/// A user consents with this change. It is told and recorded; a client that registered itself is kept from now on.
pub(crate) async fn given(
    change: Transaction,
    user: &User,
    client: &Client,
    scopes: &Scopes,
) -> Result<Transaction> {
    let before = before(&user.id, &client.id).await?;
    let now = time::now();
    let held = before
        .as_ref()
        .map(|before| before.scopes.clone())
        .unwrap_or_default();
    let more = scopes
        .iter()
        .filter(|scope| !held.iter().any(|one| one == *scope));
    let all = Scopes::new(held.iter().chain(more)).map_err(Error::internal)?;
    let consent = Consent {
        id: id(&user.id, &client.id),
        user_id: user.id.clone(),
        client_id: client.id.clone(),
        scopes: all,
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        updated_at: now,
    };
    let change = change
        .update_one(
            &OAUTH_CLIENTS,
            json!({"_id": client.id}),
            json!({"$unset": {"expires_at": ""}}),
        )
        .delete_many(&OAUTH_CONSENTS, json!({"_id": consent.id}))
        .insert(&OAUTH_CONSENTS, &consent);
    let happened = Happened::ConsentGiven {
        user_id: &user.id,
        client_id: &client.id,
        scopes,
    };
    let change = happened.told_by(change);
    Ok(notices::consented(change, &user.id, &client.name))
}

/// A page of the caller's consents, each with what its client is called.
pub(crate) async fn list(
    user_id: &str,
    listing: &Listing<ConsentSort>,
) -> Result<Page<(Consent, String)>> {
    let page = OAUTH_CONSENTS
        .find(json!({"user_id": user_id}))
        .page(listing)
        .await?;
    let ids: Vec<_> = page
        .items
        .iter()
        .map(|consent| consent.client_id.clone())
        .collect();
    let clients = OAUTH_CLIENTS.find(json!({"_id": {"$in": ids}}));
    let clients = clients.fetch().await?.documents.into_iter();
    let names: HashMap<_, _> = clients.map(|client| (client.id, client.name)).collect();
    Ok(page.map(|consent| {
        let name = names.get(&consent.client_id).cloned().unwrap_or_default();
        (consent, name)
    }))
}

/// Takes a consent back; answers the grants that ended.
pub(crate) async fn withdraw(caller: &Caller, client_id: &ClientId) -> Result<Vec<GrantId>> {
    super::require_person(caller)?;
    let user_id = &*caller.user;
    let of_both = json!({"user_id": user_id, "client_id": client_id});
    for _ in 0..ATTEMPTS {
        let ended = grants::of(of_both.clone()).await?;
        let count = u64::try_from(ended.len()).unwrap_or(u64::MAX);
        let change = Transaction::new()
            .delete_one(&OAUTH_CONSENTS, json!({"_id": id(user_id, client_id)}))
            .check(&OAUTH_GRANTS, of_both.clone(), count)
            .delete_many(&OAUTH_GRANTS, of_both.clone())
            .delete_many(&OAUTH_REFRESH_TOKENS, json!({"grant_id": {"$in": ended}}))
            .delete_many(&OAUTH_CODES, of_both.clone())
            .delete_many(&OAUTH_DEVICES, of_both.clone());
        let happened = Happened::ConsentWithdrawn { user_id, client_id };
        match happened.told_by(change).commit().await {
            Ok(_) => return Ok(ended),
            Err(DocumentsError::PreconditionFailed(0)) => return Err(Error::not_found("consent")),
            // One began or ended meanwhile.
            Err(DocumentsError::PreconditionFailed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::conflict("the client is at work just now; try again"))
}

impl Sort for ConsentSort {
    const ITEMS: &'static str = "consents";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::UpdatedAt => "updated_at",
        }
    }
}
