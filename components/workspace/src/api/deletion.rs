//! `/api/v1/workspaces/{id}/deletion`, and deleting itself.

use crate::deletion::{self, Plan};
use crate::model::WorkspaceId;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Error, Json, NoContent, Path, Query, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What becomes of a balance.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Decision {
    /// The member who is given what is on the workspace's account; must be there if anything is.
    #[param(max_length = 64, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    balance_to: Option<String>,
}

/// What there is to decide before a workspace is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceDeletion)]
pub(crate) struct PlanView {
    /// How many tokens are on the workspace's account.
    balance: i64,
    /// How many of them are reserved; the workspace is deleted once none are.
    held: i64,
    /// Why the account is frozen, if it is; the workspace is deleted once it is not.
    frozen: Option<String>,
    /// Payments that are on their way, and purchases that wait for approval.
    open_payments: u64,
    /// What members ask for and nobody has decided; it goes with the workspace.
    pending_requests: u64,
    /// Members who could be given the balance: the first hundred.
    receivers: Vec<ReceiverView>,
    /// Whether the workspace can be deleted now, once it is said who is given the balance.
    possible: bool,
    /// Whether it is being deleted already.
    closing: bool,
}

/// A member who could be given the balance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceDeletionReceiver)]
pub(crate) struct ReceiverView {
    user_id: String,
    username: String,
}

/// Shows what there is to decide before a workspace is deleted; for its owner.
#[operation(
    get "/api/v1/workspaces/{id}/deletion", permission = "workspaces:read", answers = "What there is to decide",
    refuses(
        forbidden = "The caller is not its owner",
        not_found = "No workspace the caller belongs to"
    )
)]
pub(crate) async fn get_workspace_deletion(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<PlanView>> {
    Ok(Json(deletion::plan(&id, &caller).await?.into()))
}

/// Deletes a workspace; for its owner.
///
/// What is on its account goes to a member. Nothing is deleted while anything is reserved, or the account is frozen.
/// Its notes and libraries go with it.
#[operation(
    delete "/api/v1/workspaces/{id}", permission = "workspaces:write",
    refuses(
        forbidden = "The caller is not its owner",
        not_found = "No workspace the caller belongs to",
        conflict = "There is a balance and it is not said whose it is to be, or something of it is reserved or frozen: `BALANCE_UNDECIDED`, `HOLDS_OPEN`, `ACCOUNT_FROZEN`"
    )
)]
pub(crate) async fn delete_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    wanted: Preconditions,
    Query(decision): Query<Decision>,
) -> Result<NoContent> {
    let heir = decision.check()?;
    deletion::delete(&id, &caller, &wanted, heir).await?;
    Ok(NoContent)
}

impl Decision {
    fn check(&self) -> Result<Option<&str>> {
        match self.balance_to.as_deref() {
            Some(to) if to.is_empty() || to.chars().count() > 64 => {
                Err(Error::validation("balance_to", "the id of a member"))
            }
            to => Ok(to),
        }
    }
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let closing = plan.workspace.closing.is_some();
        let receivers = plan.heirs.into_iter().map(|member| ReceiverView {
            user_id: member.user_id,
            username: member.username,
        });
        Self {
            possible: !closing && plan.standing.is_closable(),
            balance: plan.standing.account.balance,
            held: plan.standing.account.held,
            frozen: plan.standing.account.frozen.map(|frozen| frozen.reason),
            open_payments: plan.standing.open_payments,
            pending_requests: plan.standing.pending_requests,
            receivers: receivers.collect(),
            closing,
        }
    }
}
