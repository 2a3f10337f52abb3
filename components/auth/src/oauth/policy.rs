//! Whether clients register themselves in a tenant (RFC 7591). Nobody does until an administrator says so: whoever
//! registers chooses the name that users are asked in, and could call themselves anything.

use crate::policy;
use crate::store::OAUTH_POLICIES;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Result};
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
    let as_told = (ID, "policy.changed", &data);
    policy::decided(Transaction::new(), &OAUTH_POLICIES, &policy, as_told).await
}
