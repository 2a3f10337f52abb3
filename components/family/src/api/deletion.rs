//! `/api/v1/families/{id}/deletion`, and deleting itself.

use crate::deletion::{self, Plan};
use crate::model::{FamilyId, Heir};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Error, Json, NoContent, Path, Query, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What becomes of a balance.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Decision {
    /// The member who is given what is on the family's account, or `members` for equal shares; must be there if
    /// anything is.
    #[param(max_length = 64, example = "members")]
    balance_to: Option<String>,
}

/// What there is to decide before a family is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyDeletion)]
pub(crate) struct PlanView {
    /// How many tokens are on the family's account.
    balance: i64,
    /// How many of them are reserved; the family is deleted once none are.
    held: i64,
    /// Why the account is frozen, if it is; the family is deleted once it is not.
    frozen: Option<String>,
    /// Payments that are on their way, and purchases that wait for approval.
    open_payments: u64,
    /// What members ask for and nobody has decided; it goes with the family.
    pending_requests: u64,
    /// Members who could be given the balance: the first hundred.
    receivers: Vec<ReceiverView>,
    /// Whether the family can be deleted now, once it is said who is given the balance.
    possible: bool,
    /// Whether it is being deleted already.
    closing: bool,
}

/// A member who could be given the balance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyDeletionReceiver)]
pub(crate) struct ReceiverView {
    user_id: String,
    username: String,
}

/// Shows what there is to decide before a family is deleted; for its administrators.
#[operation(
    get "/api/v1/families/{id}/deletion", permission = "families:read", answers = "What there is to decide",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn get_family_deletion(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<PlanView>> {
    Ok(Json(deletion::plan(&id, &caller).await?.into()))
}

/// Deletes a family; for its administrators.
///
/// What is on its account goes to a member, or in equal shares to all, who have them a moment later. Nothing is
/// deleted while anything is reserved, or the account is frozen.
#[operation(
    delete "/api/v1/families/{id}", permission = "families:write",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "There is a balance and it is not said whose it is to be, or something of it is reserved or frozen: `BALANCE_UNDECIDED`, `HOLDS_OPEN`, `ACCOUNT_FROZEN`"
    )
)]
pub(crate) async fn delete_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    wanted: Preconditions,
    Query(decision): Query<Decision>,
) -> Result<NoContent> {
    let heir = decision.check()?;
    deletion::delete(&id, &caller, &wanted, heir.as_ref()).await?;
    Ok(NoContent)
}

impl Decision {
    fn check(&self) -> Result<Option<Heir>> {
        match &self.balance_to {
            Some(to) if to.is_empty() || to.chars().count() > 64 => {
                let message = "the id of a member, or `members`";
                Err(Error::validation("balance_to", message))
            }
            to => Ok(to.clone().map(Heir::from)),
        }
    }
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let closing = plan.family.closing.is_some();
        let standing = plan.standing;
        let receivers = plan.heirs.into_iter().map(|member| ReceiverView {
            user_id: member.user_id,
            username: member.username,
        });
        Self {
            possible: !closing && standing.is_closable(),
            balance: standing.account.balance,
            held: standing.account.held,
            frozen: standing.account.frozen.map(|frozen| frozen.reason),
            open_payments: standing.open_payments,
            pending_requests: standing.pending_requests,
            receivers: receivers.collect(),
            closing,
        }
    }
}
