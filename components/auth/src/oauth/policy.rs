//! Whether clients register themselves in a tenant (RFC 7591). Nobody does until an administrator says so: whoever
//! registers chooses the name that users are asked in, and could call themselves anything.

use crate::store::OAUTH_POLICIES;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// There is one.
const ID: &str = "oauth";

/// Whether clients register themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientRegistration {
    /// Administrators register them.
    #[default]
    Off,
    /// Any does.
    Open,
}

/// What is decided about clients, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(rename = "_id")]
    id: String,
    client_registration: ClientRegistration,
}

/// What is decided, or what holds as long as nobody has.
pub(crate) async fn get() -> Result<ClientRegistration> {
    let policy = OAUTH_POLICIES.get(ID).await?;
    Ok(policy
        .map(|policy| policy.client_registration)
        .unwrap_or_default())
}

/// Decides it, which is recorded.
pub(crate) async fn set(by: &Caller, client_registration: ClientRegistration) -> Result<()> {
    super::require_person(by)?;
    let policy = Policy {
        id: ID.to_owned(),
        client_registration,
    };
    let data = json!({"client_registration": client_registration, "by": by.user});
    let change = Transaction::new()
        .delete_many(&OAUTH_POLICIES, json!({"_id": ID}))
        .insert(&OAUTH_POLICIES, &policy)
        .audit(ID, "policy.changed", &data);
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "somebody else decided at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}
