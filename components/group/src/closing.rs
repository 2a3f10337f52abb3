//! Closing the account before its group is deleted: what becomes of the balance is decided first, nothing is burnt, and
//! nothing is closed while anything is being paid.

use crate::store::{ALLOWANCES, payments, requests, wallets};
use crate::wallet::{self, Account};
use crate::{Group, payments as paying};
use http::StatusCode;
use membership::request::State;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result};
use serde_json::json;

/// What is to be known of an account before it is closed.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What is on it.
    pub account: Account,
    /// Payments that are not done yet, purchases that wait for approval among them.
    pub open_payments: u64,
    /// What members ask for, which nobody has decided.
    pub pending_requests: u64,
}

/// How an account stands.
///
/// # Errors
/// When the ledger does not answer.
pub async fn standing<G: Group>(group: &G) -> Result<Standing> {
    Ok(Standing {
        account: wallet::account(group).await?,
        open_payments: open_payments(group).await?,
        pending_requests: pending_requests(group).await?,
    })
}

/// Payments out of an account that are not done yet, purchases that wait for approval among them.
///
/// # Errors
/// When they cannot be counted.
pub async fn open_payments<G: Group>(group: &G) -> Result<u64> {
    Ok(payments::<G>().count(paying::open(group)).await?)
}

/// What members ask for, which nobody has decided.
///
/// # Errors
/// When it cannot be counted.
pub async fn pending_requests<G: Group>(group: &G) -> Result<u64> {
    let pending = json!({"group": group, "state": State::Pending});
    Ok(requests::<G>().count(pending).await?)
}

/// Has a change be made only while nothing is being paid.
pub fn while_unpaid<G: Group>(change: Transaction, group: &G) -> Transaction {
    change.check(&payments::<G>(), paying::open(group), 0)
}

/// Closes the account, and gives what is left on it to somebody. Answers why not, where the ledger says no for good.
///
/// # Errors
/// When it is not known whether it is closed.
pub async fn close<G: Group>(group: &G, to: Option<&str>) -> Result<Option<Error>> {
    match wallet::close(group, to).await {
        Ok(()) => Ok(None),
        Err(error) if error.code() == "ACCOUNT_CLOSED" => Ok(None),
        Err(error) if error.status().is_client_error() => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// Deletes all that there is of an account here.
pub fn erased<G: Group>(change: Transaction, group: &G) -> Transaction {
    let of = || json!({"group": group});
    // The ids of memberships begin with the group's.
    let allowances = json!({"_id": {"$gte": format!("{group}/"), "$lt": format!("{group}0")}});
    change
        .delete_many(&requests::<G>(), of())
        .delete_many(&payments::<G>(), of())
        .delete_many(&ALLOWANCES, allowances)
        .delete_many(&wallets::<G>(), json!({"_id": group}))
}

// === impl Standing ===

impl Standing {
    /// Whether it can be closed, once it is said who is given the balance.
    pub fn is_closable(&self) -> bool {
        self.account.frozen.is_none() && self.account.held == 0 && self.open_payments == 0
    }

    /// Answers 409 where it cannot; `undecided` says who could be given the balance, where nobody is to be.
    ///
    /// # Errors
    /// `ACCOUNT_FROZEN`, `BALANCE_UNDECIDED` or `HOLDS_OPEN`.
    pub fn require_closable<G: Group>(&self, undecided: Option<&str>) -> Result<()> {
        let (noun, account) = (G::NOUN, &self.account);
        let (code, message) = match (&account.frozen, undecided) {
            (Some(frozen), _) => {
                let reason = &frozen.reason;
                let message = format!(
                    "the account is frozen ({reason}); have it unfrozen, and delete the {noun} then"
                );
                ("ACCOUNT_FROZEN", message)
            }
            (None, Some(heirs)) if account.balance > 0 => {
                let balance = account.balance;
                let message = format!(
                    "{balance} tokens are on the {noun}'s account; say by `balance_to` {heirs}"
                );
                ("BALANCE_UNDECIDED", message)
            }
            _ if self.open_payments > 0 || account.held > 0 => {
                let message = format!(
                    "{} tokens are reserved for what is being paid or waits for approval; wait, or cancel the requests, and delete it then",
                    account.held
                );
                ("HOLDS_OPEN", message)
            }
            _ => return Ok(()),
        };
        Err(Error::new(StatusCode::CONFLICT, code, message))
    }
}
