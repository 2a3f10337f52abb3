//! The family's account: opened when the family is created, and what is decided about it here. The tokens are
//! in the ledger.

use crate::allowances::{self, Allowance};
use crate::api::host::Created;
use crate::commit::{busy, committed, tries};
use crate::events::Happened;
use crate::model::{FamilyId, Membership, require_admin};
use crate::store::{self, FAMILIES, MEMBERSHIPS, WALLETS};
use crate::wallet::{self, Transfer};
use http::StatusCode;
use membership::freeze::Freeze;
use membership::request::Automatic;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::tasks::New;
use sbd_sdk::{Caller, Error, Result, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A request for so many tokens is approved by itself, unless the family says otherwise. As in the reference.
const APPROVED_UP_TO: u64 = 100;
/// And so many of a member's in a month. The reference has no such number, and an account can be emptied in
/// small requests there.
const APPROVED_PER_MONTH: u64 = 500;
/// What is decided about a family's account, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wallet {
    #[serde(rename = "_id")]
    pub(crate) family_id: FamilyId,
    pub(crate) freeze: Freeze,
    pub(crate) automatic: Automatic,
    /// Goes up with every change of what is approved automatically.
    pub(crate) version: u64,
}

/// A family's account, as a member sees it.
pub(crate) struct Seen {
    pub(crate) account: wallet::Account,
    pub(crate) wallet: Wallet,
    pub(crate) membership: Membership,
    pub(crate) allowance: Allowance,
}

/// The task that opens an account that could not be opened at once.
const OPEN: &str = "open-account";
/// How often it is tried: over some days, later and later. After that whoever looks at the account opens it.
const RETRIES: u32 = 20;

/// Opens the account of a family that was created. Where the wallet is not there just now, it is opened later:
/// what else happens in the family is not to wait for that.
pub(crate) async fn open(family_id: &FamilyId) -> Result<()> {
    let Err(error) = wallet::open(family_id).await else {
        return Ok(());
    };
    eprintln!("warning: the account of {family_id} is opened later: {error:?}");
    let created = Created {
        family_id: family_id.clone(),
    };
    let task = New::of(OPEN, &created)?.unique(family_id.as_str());
    task.retries(RETRIES).enqueue().await.map(drop)
}

/// What is decided about a family's account, whether anything was or not.
pub(crate) async fn of(family_id: &FamilyId) -> Result<Wallet> {
    if let Some(wallet) = WALLETS.get(family_id.as_str()).await? {
        return Ok(wallet);
    }
    let wallet = Wallet {
        family_id: family_id.clone(),
        freeze: Freeze::default(),
        automatic: Automatic {
            up_to: Tokens::new(APPROVED_UP_TO),
            per_month: Tokens::new(APPROVED_PER_MONTH),
        },
        version: 0,
    };
    match WALLETS.insert(&wallet).await {
        Ok(_) => Ok(wallet),
        // Somebody else was quicker.
        Err(DocumentsError::Duplicate(_)) => {
            let known = WALLETS.get(family_id.as_str()).await?;
            known.ok_or_else(|| Error::not_found("family"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What a member sees of the account.
pub(crate) async fn seen(family_id: &FamilyId, caller: &Caller) -> Result<Seen> {
    let membership = store::reader(family_id, caller).await?;
    Ok(Seen {
        account: wallet::account(family_id).await?,
        wallet: of(family_id).await?,
        allowance: allowances::read(&membership).await?,
        membership,
    })
}

/// Pays into the account out of the caller's own.
pub(crate) async fn deposit(
    family_id: &FamilyId,
    caller: &Caller,
    key: &str,
    amount: Tokens,
    memo: Option<&str>,
) -> Result<Transfer> {
    store::membership(family_id, caller).await?;
    wallet::deposit(family_id, key, amount, memo).await
}

/// Sets what is approved without an administrator.
pub(crate) async fn set_automatic(
    family_id: &FamilyId,
    caller: &Caller,
    automatic: Automatic,
) -> Result<Wallet> {
    let membership = store::membership(family_id, caller).await?;
    require_admin(&membership)?;
    for _ in tries() {
        let wallet = of(family_id).await?;
        if wallet.automatic == automatic {
            return Ok(wallet);
        }
        let change = Transaction::new()
            .update_one(
                &WALLETS,
                json!({"_id": family_id, "version": wallet.version}),
                json!({"$set": {"automatic": automatic}, "$inc": {"version": 1}}),
            )
            .check(&MEMBERSHIPS, allowances::still(&membership), 1);
        let told = Happened::WalletSet {
            family_id,
            changed_by: &caller.user,
        };
        if committed(told.told_by(change).commit().await)? {
            return of(family_id).await;
        }
    }
    Err(busy())
}

/// Refuses to spend from an account that is frozen.
pub(crate) fn require_open(wallet: &Wallet) -> Result<()> {
    let Some(frozen) = &wallet.freeze.frozen else {
        return Ok(());
    };
    let message = format!(
        "the family's account is frozen ({}); ask an administrator to unfreeze it, or the members to",
        frozen.reason
    );
    Err(Error::new(StatusCode::CONFLICT, "ACCOUNT_FROZEN", message))
}

/// Has a change be made only while the account is not frozen, nor the family being deleted.
pub(crate) fn while_open(change: Transaction, family_id: &FamilyId) -> Transaction {
    let open = json!({"_id": family_id, "freeze.frozen": null});
    change
        .check(&WALLETS, open, 1)
        .check(&FAMILIES, json!({"_id": family_id, "closing": null}), 1)
}

/// Has a change be made only while what is approved automatically is what was read.
pub(crate) fn as_set(change: Transaction, wallet: &Wallet) -> Transaction {
    let same = json!({"_id": wallet.family_id, "version": wallet.version});
    change.check(&WALLETS, same, 1)
}
