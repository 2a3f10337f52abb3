//! What the component tells others, in the commit of the change itself. The subject of each is the account
//! that tokens are taken from, or that is changed, so that whoever listens hears of one account in order.
//!
//! | type | data | when |
//! |---|---|---|
//! | `wallet.transferred` | `transaction_id`, `from`, `to`, `amount`, `type`, `cause`, `hold_id` | tokens went from one account to another, by a transfer or out of a hold |
//! | `wallet.minted` | the same | there are more tokens |
//! | `wallet.burned` | the same | there are fewer tokens |
//! | `wallet.hold.made` | `hold_id`, `from`, `to`, `amount`, `cause`, `expires_at` | tokens are reserved |
//! | `wallet.hold.captured` | the same | they, or a part of them, were paid: `wallet.transferred` has more |
//! | `wallet.hold.released` | the same | they are free again |
//! | `wallet.hold.expired` | the same | they are free again, because their time was over |
//! | `wallet.account.frozen` | `account`, `reason` | nothing can be spent |
//! | `wallet.account.unfrozen` | `account` | it can again |
//! | `wallet.account.limited` | `account`, `limits` | other limits hold |
//! | `wallet.account.closed` | `account`, `to`, `transaction_id` | nothing is given to it or taken from it any more; what was left went there |
//!
//! What administrators do to accounts, and what is decided about one, is in the audit of the account as well.
//!
//! Beside these, users are told by `notification.requested` what they received, and that they are frozen.

use crate::model::{
    Account, BURN, Hold, HoldId, HoldState, Kind, Limits, MINT, Transaction, TransactionId,
};
use sbd_sdk::documents;
use sbd_sdk::time::Time;
use serde::Serialize;
use serde_json::{Value, json};

/// Something that happened in the ledger.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Happened<'a> {
    Moved {
        transaction_id: &'a TransactionId,
        from: &'a str,
        to: &'a str,
        amount: i64,
        #[serde(rename = "type")]
        kind: &'a str,
        cause: Option<&'a str>,
        hold_id: Option<&'a HoldId>,
    },
    Held {
        hold_id: &'a HoldId,
        from: &'a str,
        to: &'a str,
        amount: i64,
        cause: Option<&'a str>,
        expires_at: Time,
        #[serde(skip)]
        state: HoldState,
    },
    Frozen {
        account: &'a str,
        reason: &'a str,
    },
    Unfrozen {
        account: &'a str,
    },
    Limited {
        account: &'a str,
        limits: Limits,
    },
    Closed {
        account: &'a str,
        to: Option<&'a str>,
        transaction_id: Option<&'a TransactionId>,
    },
}

// === impl Happened ===

impl<'a> Happened<'a> {
    pub(crate) fn moved(transaction: &'a Transaction) -> Self {
        let movement = &transaction.movement;
        Self::Moved {
            transaction_id: &transaction.id,
            from: &movement.from,
            to: &movement.to,
            amount: movement.amount.number(),
            kind: &movement.kind,
            cause: movement.cause.as_deref(),
            hold_id: transaction.hold.as_ref(),
        }
    }

    /// What became of a hold.
    pub(crate) fn held(hold: &'a Hold, state: HoldState) -> Self {
        let movement = &hold.movement;
        Self::Held {
            hold_id: &hold.id,
            from: &movement.from,
            to: &movement.to,
            amount: movement.amount.number(),
            cause: movement.cause.as_deref(),
            expires_at: hold.expires_at,
            state,
        }
    }

    /// Has a change tell of it.
    pub(crate) fn told_by(&self, change: documents::Transaction) -> documents::Transaction {
        let (kind, account) = match self {
            Self::Moved { kind, from, .. } => match *kind {
                MINT => ("wallet.minted", from),
                BURN => ("wallet.burned", from),
                _ => ("wallet.transferred", from),
            },
            Self::Held { state, from, .. } => match state {
                HoldState::Open => ("wallet.hold.made", from),
                HoldState::Captured => ("wallet.hold.captured", from),
                HoldState::Released => ("wallet.hold.released", from),
                HoldState::Expired => ("wallet.hold.expired", from),
            },
            Self::Frozen { account, .. } => ("wallet.account.frozen", account),
            Self::Unfrozen { account } => ("wallet.account.unfrozen", account),
            Self::Limited { account, .. } => ("wallet.account.limited", account),
            Self::Closed { account, .. } => ("wallet.account.closed", account),
        };
        let change = change.publish(kind, Some(account), self);
        match self.accounted_for() {
            Some(account) => change.audit(account, kind, self),
            None => change,
        }
    }

    /// The account whose audit has it: what administrators do to accounts and what is decided about one is
    /// there. That tokens moved is in the ledger, which is an account of its own.
    fn accounted_for(&self) -> Option<&'a str> {
        match self {
            Self::Moved { kind, to, .. } if *kind == MINT => Some(to),
            Self::Moved { kind, from, .. } if *kind == BURN => Some(from),
            Self::Moved { .. } | Self::Held { .. } => None,
            Self::Frozen { account, .. }
            | Self::Unfrozen { account }
            | Self::Limited { account, .. }
            | Self::Closed { account, .. } => Some(account),
        }
    }
}

/// Has a user told that tokens came.
pub(crate) fn tell_receiver(
    change: documents::Transaction,
    transaction: &Transaction,
    to: &Account,
) -> documents::Transaction {
    let amount = transaction.movement.amount.number();
    let tokens = if amount == 1 { "token" } else { "tokens" };
    tell(
        change,
        to,
        json!({
            "user": to.id,
            "kind": "wallet.received",
            "title": format!("You have received {amount} {tokens}"),
            "body": transaction.movement.memo.as_deref().unwrap_or_default(),
            "data": {"transaction_id": transaction.id, "from": transaction.movement.from, "amount": amount},
            "unique": format!("{}/received", transaction.id),
        }),
    )
}

/// Has a user told that nothing can be spent.
pub(crate) fn tell_frozen(
    change: documents::Transaction,
    account: &Account,
    reason: &str,
) -> documents::Transaction {
    tell(
        change,
        account,
        json!({
            "user": account.id,
            "kind": "wallet.frozen",
            "title": "Your wallet is frozen: nothing can be spent from it",
            "body": reason,
            "mail": true,
        }),
    )
}

fn tell(
    change: documents::Transaction,
    account: &Account,
    notice: Value,
) -> documents::Transaction {
    match account.kind {
        Kind::User => change.publish("notification.requested", Some(&account.id), &notice),
        Kind::Family | Kind::Workspace | Kind::Shop | Kind::System => change,
    }
}
