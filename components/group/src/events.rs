//! What is told of an account, of invitations, and of a deletion, in the commit of the change itself, as the component
//! tells what else happens to a group: the subject is the group's id, and the group's audit has all of it. Each begins
//! with what the group is, `family.wallet.set`, and has its id, `family_id`, beside the data.
//!
//! | type | data | when |
//! |---|---|---|
//! | `wallet.set` | `changed_by` | other requests are approved by themselves, or a role may spend more or less |
//! | `wallet.permission_set` | `user_id`, `set_by` | a member may spend more or less |
//! | `wallet.frozen` | `frozen_by` | nothing can be spent from the account |
//! | `wallet.unfrozen` | `unfrozen_by`, `by_members` | it can again |
//! | `wallet.unfreeze_asked` | `asked_by` | those whose say it is are asked to unfreeze it |
//! | `wallet.unfreeze_voted` | `user_id`, `approves` | one of them has answered |
//! | `wallet.paid` | `payment_id`, `user_id`, `to`, `amount`, `type`, `request_id` | somebody was paid out of the account |
//! | `token_request.created` | `request_id`, `user_id`, `amount`, `by` | a member asks for tokens |
//! | `token_request.approved` | the same | somebody approves it; the payment follows |
//! | `token_request.completed` | the same | it is paid |
//! | `token_request.not_paid` | the same | it cannot be paid just now, and is pending again |
//! | `token_request.denied`, `.canceled`, `.expired` | the same | it has ended so |
//! | `purchase.created` | the same, and `component`, `item_id` | a member wants something bought; the price is held |
//! | `purchase.approved` | the same | whoever sells is to deliver, and to say so (`docs/purchases.md`) |
//! | `purchase.completed` | the same | it is delivered, and paid |
//! | `purchase.failed` | the same | nothing is delivered, and nothing paid |
//! | `purchase.denied`, `.canceled`, `.expired` | the same | it has ended so |
//! | `invitation.sent` | `invitation_id`, `sent_by`, `sent` | somebody is invited, or once more |
//! | `invitation.accepted`, `.declined` | `invitation_id`, `user_id` | this user has answered |
//! | `invitation.cancelled` | `invitation_id`, `cancelled_by` | it was taken back |
//! | `closing` | `deleted_by`, `balance_to` | the group is being deleted |
//! | `not_deleted` | | it is not after all, for its account cannot be closed |
//! | `deleted` | `deleted_by` | it is gone, and so are all memberships |

use crate::Group;
use crate::payments::PaymentId;
use crate::requests::{Kind, RequestId};
use sbd_sdk::Tokens;
use sbd_sdk::documents::Transaction;
use serde::Serialize;
use serde_json::{Value, json};

/// Something that happened to an account.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Happened<'a> {
    Set {
        changed_by: &'a str,
    },
    PermissionSet {
        user_id: &'a str,
        set_by: &'a str,
    },
    Frozen {
        frozen_by: &'a str,
    },
    Unfrozen {
        unfrozen_by: &'a str,
        by_members: bool,
    },
    UnfreezeAsked {
        asked_by: &'a str,
    },
    UnfreezeVoted {
        user_id: &'a str,
        approves: bool,
    },
    Paid {
        payment_id: &'a PaymentId,
        user_id: &'a str,
        to: &'a str,
        amount: Tokens,
        #[serde(rename = "type")]
        kind: &'a str,
        request_id: Option<&'a RequestId>,
    },
    Requested {
        request_id: &'a RequestId,
        user_id: &'a str,
        amount: Tokens,
        by: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        component: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        item_id: Option<&'a str>,
        #[serde(skip)]
        kind: Kind,
        /// What became of it.
        #[serde(skip)]
        what: Step,
    },
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Created,
    Approved,
    Completed,
    NotPaid,
    Failed,
    Denied,
    Canceled,
    Expired,
}

// === impl Happened ===

impl Happened<'_> {
    /// Has a change tell of it, and be recorded in the group's audit: two of its steps.
    pub(crate) fn told_by<G: Group>(&self, group: &G, change: Transaction) -> Transaction {
        let kind = match self {
            Self::Set { .. } => "wallet.set",
            Self::PermissionSet { .. } => "wallet.permission_set",
            Self::Frozen { .. } => "wallet.frozen",
            Self::Unfrozen { .. } => "wallet.unfrozen",
            Self::UnfreezeAsked { .. } => "wallet.unfreeze_asked",
            Self::UnfreezeVoted { .. } => "wallet.unfreeze_voted",
            Self::Paid { .. } => "wallet.paid",
            Self::Requested { kind, what, .. } => &step(*kind, *what),
        };
        tell(change, group, kind, json!(self))
    }
}

/// Has a change tell of something, and be recorded in the group's audit: two of its steps.
pub fn tell<G: Group>(change: Transaction, group: &G, kind: &str, mut data: Value) -> Transaction {
    let (id, kind) = (group.to_string(), named::<G>(kind));
    data[id_of::<G>()] = json!(group);
    change
        .publish(&kind, Some(&id), &data)
        .audit(&id, &kind, &data)
}

/// What the group's id is called where something is told: `family_id`.
pub fn id_of<G: Group>() -> String {
    format!("{}_id", G::NOUN)
}

/// A kind of event, or of notice, of these groups.
pub(crate) fn named<G: Group>(kind: &str) -> String {
    format!("{}.{kind}", G::NOUN)
}

/// The same word is the kind of the notice that whoever asked has of it.
pub(crate) fn requested<G: Group>(kind: Kind, what: Step) -> String {
    named::<G>(&step(kind, what))
}

fn step(kind: Kind, what: Step) -> String {
    let kind = match kind {
        Kind::Token => "token_request",
        Kind::Purchase => "purchase",
    };
    let what = match what {
        Step::Created => "created",
        Step::Approved => "approved",
        Step::Completed => "completed",
        Step::NotPaid => "not_paid",
        Step::Failed => "failed",
        Step::Denied => "denied",
        Step::Canceled => "canceled",
        Step::Expired => "expired",
    };
    format!("{kind}.{what}")
}
