//! Who may open an account in a tenant: everybody, whoever is invited, or nobody. Administrators say which. The
//! operator makes administrators in any case (`sbd admin create`).

use crate::model::ADMIN;
use crate::store::POLICIES;
use sbd_sdk::documents::{Collection, DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// There is one.
const ID: &str = "policy";

/// Who may open an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Whoever was invited by an administrator.
    Invited,
    /// Nobody.
    Closed,
}

/// Whose sign-in has to take a second step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecondFactor {
    /// Whose user wants it to.
    #[default]
    Optional,
    /// Administrators'. Whoever has none may see to their own account, and do nothing else.
    RequiredForAdmins,
    /// Everybody's, likewise.
    Required,
}

/// What is decided about accounts, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(rename = "_id")]
    id: String,
    pub(crate) registration: Registration,
    #[serde(default)]
    second_factor: SecondFactor,
}

/// What is decided, or what holds as long as nobody has.
pub(crate) async fn get() -> Result<Registration> {
    let policy = POLICIES.get(ID).await?;
    Ok(policy.map(|policy| policy.registration).unwrap_or_default())
}

/// Whose sign-in has to take a second step.
pub(crate) async fn second_factor() -> Result<SecondFactor> {
    let policy = POLICIES.get(ID).await?;
    Ok(policy
        .map(|policy| policy.second_factor)
        .unwrap_or_default())
}

/// Decides it, which is recorded.
pub(crate) async fn set(
    by: &Caller,
    registration: Registration,
    second_factor: SecondFactor,
) -> Result<()> {
    let policy = Policy {
        id: ID.to_owned(),
        registration,
        second_factor,
    };
    let data = json!({
        "registration": registration, "second_factor": second_factor, "by": by.user,
    });
    let as_told = (ID, "policy.changed", &data);
    decided(Transaction::new(), &POLICIES, &policy, as_told).await
}

/// With this change a policy is what is decided from now on, which is recorded under its id as this action, with this data.
pub(crate) async fn decided<T: Serialize>(
    change: Transaction,
    policies: &Collection<T>,
    policy: &T,
    (id, action, data): (&str, &'static str, &Value),
) -> Result<()> {
    let change = change
        .delete_many(policies, json!({"_id": id}))
        .insert(policies, policy)
        .audit(id, action, data);
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::Duplicate(_)) => Err(Error::conflict(
            "somebody else decided at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

// === impl SecondFactor ===

impl SecondFactor {
    /// Whether it has to, for somebody who has these roles.
    pub(crate) fn includes(self, roles: &[String]) -> bool {
        match self {
            Self::Optional => false,
            Self::RequiredForAdmins => roles.iter().any(|role| role == ADMIN),
            Self::Required => true,
        }
    }
}
