//! The account: opened when the group is created, and what is decided about it here. The tokens are in the ledger.

use crate::allowances::{self, Allowance};
use crate::events::Happened;
use crate::store::wallets;
use crate::wallet::{self, Transfer};
use crate::{Group, Member};
use http::StatusCode;
use membership::commit::{busy, committed, tries};
use membership::freeze::Freeze;
use membership::request::Automatic;
use membership::spending::Permission;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::tasks::New;
use sbd_sdk::{Caller, Error, Result, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// A request for so many tokens is approved by itself, unless the group says otherwise. As in the reference.
const APPROVED_UP_TO: u64 = 100;
/// And so many of a member's in a month. The reference has no such number, and an account can be emptied in
/// small requests there.
const APPROVED_PER_MONTH: u64 = 500;
/// The task that opens an account that could not be opened at once.
const OPEN: &str = "open-account";
/// How often it is tried: over some days, later and later. After that whoever looks at the account opens it.
const RETRIES: u32 = 20;

/// What is decided about a group's account, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet<G> {
    #[serde(rename = "_id")]
    pub(crate) group: G,
    pub(crate) freeze: Freeze,
    pub(crate) automatic: Automatic,
    /// What members of a role may spend, where the group says other than usual.
    #[serde(default)]
    pub(crate) roles: BTreeMap<String, Permission>,
    /// How many unfreeze it in an emergency, where the group says other than usual.
    #[serde(default)]
    pub(crate) unfreezers: Option<u64>,
    /// Goes up with every change of what is approved automatically, who unfreezes, and what roles may spend.
    pub(crate) version: u64,
}

/// Which account a task is about.
#[derive(Debug, Serialize, Deserialize)]
pub struct About<G> {
    pub(crate) group: G,
}

/// A group's account, as a member sees it.
pub(crate) struct Seen<G> {
    pub(crate) account: wallet::Account,
    pub(crate) wallet: Wallet<G>,
    pub(crate) member: Member,
    pub(crate) allowance: Allowance,
}

/// Opens the account of a group that was created. Where the wallet is not there just now, it is opened later:
/// what else happens in the group is not to wait for that.
///
/// # Errors
/// When it cannot be opened later either.
pub async fn open<G: Group>(group: &G) -> Result<()> {
    let Err(error) = wallet::open(group).await else {
        return Ok(());
    };
    eprintln!("warning: the account of {group} is opened later: {error:?}");
    let about = About {
        group: group.clone(),
    };
    let task = New::of(OPEN, &about)?.unique(group.to_string());
    task.retries(RETRIES).enqueue().await.map(drop)
}

/// Opens an account that could not be, as long as the wallet was switched off.
///
/// # Errors
/// As long as it is.
pub async fn open_later<G: Group>(about: &About<G>) -> Result<()> {
    let opened = wallet::open(&about.group).await;
    opened.map(drop).map_err(|error| {
        // Also what says that trying again is no use: the wallet may be there tomorrow.
        Error::overloaded("the wallet is not there; the account is opened later", 60)
            .caused_by(error.message())
    })
}

/// What is decided about a group's account, whether anything was or not.
///
/// # Errors
/// When the group is gone.
pub async fn of<G: Group>(group: &G) -> Result<Wallet<G>> {
    if let Some(wallet) = wallets::<G>().get(&group.to_string()).await? {
        return Ok(wallet);
    }
    let wallet = Wallet {
        group: group.clone(),
        freeze: Freeze::default(),
        automatic: Automatic {
            up_to: Tokens::new(APPROVED_UP_TO),
            per_month: Tokens::new(APPROVED_PER_MONTH),
        },
        roles: BTreeMap::new(),
        unfreezers: None,
        version: 0,
    };
    match wallets().insert(&wallet).await {
        Ok(_) => Ok(wallet),
        // Somebody else was quicker.
        Err(DocumentsError::Duplicate(_)) => {
            let known = wallets().get(&group.to_string()).await?;
            known.ok_or_else(|| Error::not_found(G::NOUN))
        }
        Err(error) => Err(error.into()),
    }
}

/// What a member sees of the account.
pub(crate) async fn seen<G: Group>(group: &G, caller: &Caller) -> Result<Seen<G>> {
    let member = group.reader(caller).await?;
    Ok(Seen {
        account: wallet::account(group).await?,
        wallet: of(group).await?,
        allowance: allowances::read(&member).await?,
        member,
    })
}

/// Pays into the account out of the caller's own.
pub(crate) async fn deposit<G: Group>(
    group: &G,
    caller: &Caller,
    key: &str,
    amount: Tokens,
    memo: Option<&str>,
) -> Result<Transfer> {
    group.own(caller).await?;
    wallet::deposit(group, key, amount, memo).await
}

/// Sets what is approved without anybody who reviews, and how many unfreeze it, if that is said.
pub(crate) async fn set_automatic<G: Group>(
    group: &G,
    caller: &Caller,
    automatic: Automatic,
    unfreezers: Option<u64>,
) -> Result<Wallet<G>> {
    let set_to = |before: Wallet<G>| Wallet {
        automatic,
        unfreezers: unfreezers.or(before.unfreezers),
        ..before
    };
    set(group, caller, set_to).await
}

/// Sets what members of a role may spend of whom nothing else is said; none: what is usual.
pub(crate) async fn set_of_role<G: Group>(
    group: &G,
    caller: &Caller,
    role: &str,
    permission: Option<Permission>,
) -> Result<Wallet<G>> {
    let set_to = |mut before: Wallet<G>| {
        match permission {
            Some(permission) => before.roles.insert(role.to_owned(), permission),
            None => before.roles.remove(role),
        };
        before
    };
    set(group, caller, set_to).await
}

async fn set<G: Group>(
    group: &G,
    caller: &Caller,
    set_to: impl Fn(Wallet<G>) -> Wallet<G>,
) -> Result<Wallet<G>> {
    let own = group.own(caller).await?;
    if !own.governs {
        return Err(not_governing());
    }
    for _ in tries() {
        let before = of(group).await?;
        let after = set_to(before.clone());
        if after == before {
            return Ok(after);
        }
        let change = Transaction::new().update_one(
            &wallets::<G>(),
            json!({"_id": group, "version": before.version}),
            json!({
                "$set": {
                    "automatic": after.automatic, "roles": after.roles, "unfreezers": after.unfreezers,
                },
                "$inc": {"version": 1},
            }),
        );
        let told = Happened::Set {
            changed_by: &caller.user,
        };
        let change = told.told_by(group, own.unchanged(change));
        if committed(change.commit().await)? {
            return of(group).await;
        }
    }
    Err(busy(G::NOUN))
}

/// Refuses to spend from an account that is frozen.
pub(crate) fn require_open<G: Group>(wallet: &Wallet<G>) -> Result<()> {
    let Some(frozen) = &wallet.freeze.frozen else {
        return Ok(());
    };
    let message = format!(
        "the {}'s account is frozen ({}); ask an administrator to unfreeze it, or the members to",
        G::NOUN,
        frozen.reason
    );
    Err(Error::new(StatusCode::CONFLICT, "ACCOUNT_FROZEN", message))
}

/// Has a change be made only while the account is not frozen, nor the group being deleted, and what was decided
/// about it is what was read.
pub fn while_open<G: Group>(change: Transaction, wallet: &Wallet<G>) -> Transaction {
    let open = json!({"_id": wallet.group, "freeze.frozen": null, "version": wallet.version});
    wallet
        .group
        .while_there(change.check(&wallets::<G>(), open, 1))
}

/// What whoever does not govern the account is told.
pub(crate) fn not_governing() -> Error {
    Error::forbidden("only an administrator does this; ask one of them")
}
