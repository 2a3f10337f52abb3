//! Deleting a group, as it is asked and answered.

use crate::deletion::{self, Deleting, Heir, Plan};
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What becomes of a balance.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Decision {
    /// The member who is given what is on the group's account, or `members` for equal shares; must be there if
    /// anything is.
    #[param(max_length = 64, example = "members")]
    balance_to: Option<String>,
}

/// What there is to decide before a group is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupDeletion)]
pub struct PlanView {
    /// How many tokens are on the group's account.
    balance: i64,
    /// How many of them are reserved; the group is deleted once none are.
    held: i64,
    /// Why the account is frozen, if it is; the group is deleted once it is not.
    frozen: Option<String>,
    /// Payments that are on their way, and purchases that wait for approval.
    open_payments: u64,
    /// What members ask for and nobody has decided; it goes with the group.
    pending_requests: u64,
    /// Members who could be given the balance: the first hundred.
    receivers: Vec<ReceiverView>,
    /// Whether the group can be deleted now, once it is said who is given the balance.
    possible: bool,
    /// Whether it is being deleted already.
    closing: bool,
}

/// A member who could be given the balance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupDeletionReceiver)]
pub struct ReceiverView {
    user_id: String,
    username: String,
}

/// What there is to decide before a group is deleted. Whether it is the caller's to see is known before.
///
/// # Errors
/// When the ledger does not answer.
pub async fn plan(group: &impl Deleting) -> Result<PlanView> {
    Ok(deletion::plan(group).await?.into())
}

impl Decision {
    /// Who is given the balance, if that is said.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it can be nobody.
    pub fn heir(&self) -> Result<Option<Heir>> {
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
        let standing = plan.standing;
        let receivers = plan.heirs.into_iter().map(|member| ReceiverView {
            user_id: member.user_id,
            username: member.username,
        });
        Self {
            possible: !plan.closing && standing.is_closable(),
            balance: standing.account.balance,
            held: standing.account.held,
            frozen: standing.account.frozen.map(|frozen| frozen.reason),
            open_payments: standing.open_payments,
            pending_requests: standing.pending_requests,
            receivers: receivers.collect(),
            closing: plan.closing,
        }
    }
}
