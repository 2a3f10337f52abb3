//! Grants: what a client has of a user. To the host a grant's id is what a session's is.

use super::access;
use super::clients::{Client, ClientId};
use super::consents;
use super::failure::Failure;
use super::refresh::{self, RefreshToken};
use super::scope;
use crate::model::User;
use crate::store::{OAUTH_CONSENTS, OAUTH_GRANTS, OAUTH_REFRESH_TOKENS};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::Time;
use sbd_sdk::{Result, Scopes, id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

id!(pub(crate) GrantId, "ogr", "grant");

/// How long one lasts without use.
const IDLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long one lasts at most, used or not.
const ABSOLUTE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Grants of a user to a client at a time, as on several machines; the one that was not used for longest ends for a
/// new one.
pub(crate) const MOST: usize = 20;

/// A grant, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    #[serde(rename = "_id")]
    pub(crate) id: GrantId,
    pub(crate) user_id: String,
    pub(crate) client_id: ClientId,
    pub(crate) scopes: Scopes,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Time,
    /// Moves with use.
    pub(crate) expires_at: Time,
}

/// What a client gets.
#[derive(Debug, Serialize)]
pub(crate) struct Issued {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    scope: String,
    /// Grants that ended for it.
    #[serde(skip)]
    pub(crate) ended: Vec<GrantId>,
}

/// A grant begins with a change that uses up what it is given for, in the first step; the id is known to that
/// already. Where that was used up meanwhile, there is none.
pub(crate) async fn begin(
    used: Transaction,
    grant: &Grant,
    user: &User,
    client: &Client,
) -> Result<Option<Issued>, Failure> {
    let ended = room(&grant.user_id, &client.id).await?;
    let refresh = refresh::new()?;
    let access = access::sign(grant, &grant.scopes).await?;
    let told = json!({"grant_id": grant.id, "client_id": client.id, "scopes": grant.scopes});
    let change = used
        .check(
            &OAUTH_CONSENTS,
            json!({"_id": consents::id(&user.id, &client.id)}),
            1,
        )
        .delete_many(&OAUTH_GRANTS, json!({"_id": {"$in": ended}}))
        .insert(&OAUTH_GRANTS, grant)
        .insert(
            &OAUTH_REFRESH_TOKENS,
            &RefreshToken::new(&refresh, grant, grant.created_at),
        )
        .audit(&user.id, "grant.began", &told);
    match change.commit().await {
        Ok(_) => Ok(Some(Issued::new(access, refresh, &grant.scopes, ended))),
        Err(DocumentsError::PreconditionFailed(0)) => Ok(None),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Failure::grant()),
        Err(error) => Err(error.into()),
    }
}

/// As many as it takes to have room for one more.
async fn room(user_id: &str, client_id: &ClientId) -> Result<Vec<GrantId>> {
    let mut all = of(json!({"user_id": user_id, "client_id": client_id})).await?;
    all.truncate((all.len() + 1).saturating_sub(MOST));
    Ok(all)
}

/// The ids of some grants, the one not used for longest first.
pub(crate) async fn of(filter: Value) -> Result<Vec<GrantId>> {
    let search = OAUTH_GRANTS
        .find(filter)
        .sort(json!({"last_used_at": 1}))
        .limit(1000);
    let all = search.fetch().await?.documents.into_iter();
    Ok(all.map(|grant| grant.id).collect())
}

/// Ends a grant with all its tokens; one that ended already is no error.
pub(crate) async fn end(grant: &Grant, reason: &str) -> Result<()> {
    let told = json!({"grant_id": grant.id, "client_id": grant.client_id, "reason": reason});
    let change = Transaction::new()
        .delete_one(&OAUTH_GRANTS, json!({"_id": grant.id}))
        .delete_many(&OAUTH_REFRESH_TOKENS, json!({"grant_id": grant.id}))
        .audit(&grant.user_id, "grant.ended", &told);
    match change.commit().await {
        Ok(_) | Err(DocumentsError::PreconditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends a grant whose token or code was used twice, and says no.
pub(crate) async fn end_stolen(id: &GrantId) -> Failure {
    eprintln!("a code or refresh token was used twice; ending grant {id}");
    let ended = match OAUTH_GRANTS.get(id.as_str()).await {
        Ok(Some(grant)) => end(&grant, "stolen").await,
        Ok(None) => Ok(()),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => Failure::grant().ending(vec![id.clone()]),
        Err(error) => error.into(),
    }
}

/// All grants of a user end with this change; answers which.
pub(crate) async fn all_over(
    change: Transaction,
    user_id: &str,
) -> Result<(Transaction, Vec<GrantId>)> {
    let ended = of(json!({"user_id": user_id})).await?;
    Ok((
        change.delete_many(&OAUTH_GRANTS, json!({"user_id": user_id})),
        ended,
    ))
}

// === impl Grant ===

impl Grant {
    /// One that begins now.
    pub(crate) fn new(user_id: &str, client_id: &ClientId, scopes: Scopes, now: Time) -> Self {
        Self {
            id: GrantId::new(),
            user_id: user_id.to_owned(),
            client_id: client_id.clone(),
            scopes,
            created_at: now,
            last_used_at: now,
            expires_at: now + IDLE,
        }
    }

    /// The grant after it was used now.
    pub(crate) fn used(self, now: Time) -> Self {
        let end = self.created_at + ABSOLUTE;
        Self {
            last_used_at: now,
            expires_at: end.min(now + IDLE),
            ..self
        }
    }

    /// Whether it lasts still.
    pub(crate) fn is_alive(&self, now: Time) -> bool {
        now < self.expires_at
    }
}

// === impl Issued ===

impl Issued {
    pub(crate) fn new(
        access: String,
        refresh: String,
        scopes: &Scopes,
        ended: Vec<GrantId>,
    ) -> Self {
        Self {
            access_token: access,
            token_type: "Bearer",
            expires_in: access::GOOD_FOR.as_secs(),
            refresh_token: refresh,
            scope: scope::written(scopes),
            ended,
        }
    }
}
