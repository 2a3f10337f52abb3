//! The component's collections; the manifest declares their indexes.

use crate::model::{Account, Entry, Hold, HoldId, Transaction, TransactionId};
use sbd_sdk::documents::Collection;
use sbd_sdk::{Error, Result};

/// Accounts by the ids of their owners.
pub(crate) const ACCOUNTS: Collection<Account> = Collection::new("accounts");
/// What went from one account to another.
pub(crate) const TRANSACTIONS: Collection<Transaction> = Collection::new("transactions");
/// Both sides of each transaction.
pub(crate) const ENTRIES: Collection<Entry> = Collection::new("entries");
/// What is reserved, and what was.
pub(crate) const HOLDS: Collection<Hold> = Collection::new("holds");

/// An account, whosever it is. An owner's id is never longer than an id of documents may be.
pub(crate) async fn account(id: &str) -> Result<Account> {
    let account = match (1..=200).contains(&id.len()) {
        true => ACCOUNTS.get(id).await?,
        false => None,
    };
    account.ok_or_else(|| Error::not_found("account"))
}

/// A transaction, whosever it is.
pub(crate) async fn transaction(id: &TransactionId) -> Result<Transaction> {
    let transaction = TRANSACTIONS.get(id.as_str()).await?;
    transaction.ok_or_else(|| Error::not_found("transaction"))
}

/// A hold, whosever it is.
pub(crate) async fn hold(id: &HoldId) -> Result<Hold> {
    let hold = HOLDS.get(id.as_str()).await?;
    hold.ok_or_else(|| Error::not_found("hold"))
}
