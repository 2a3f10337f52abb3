//! Freezing the family's account, and unfreezing it, be it by the members. What is decided here is carried out
//! in the ledger, where nothing is spent from a frozen account, whoever asks; that is repeated until it is done.

use crate::account::{self, TRIES, Wallet, committed, overtaken};
use crate::allowances::still;
use crate::events::Happened;
use crate::model::{FamilyId, Membership, Role};
use crate::store::{self, FAMILIES, MEMBERSHIPS, WALLETS};
use crate::wallet;
use membership::freeze::{Act, Freeze};
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::New;
use sbd_sdk::{Caller, Error, Result, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// The task that has the ledger do what was decided.
pub(crate) const SETTLE: &str = "settle-freeze";
/// When it begins: whoever decides does the same at once.
const LATER: Duration = Duration::from_secs(10);
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;

/// Which account a task is about.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    family_id: FamilyId,
}

/// Freezes the account, or unfreezes it; for administrators.
pub(crate) async fn decide(family_id: &FamilyId, caller: &Caller, act: Act) -> Result<Wallet> {
    let membership = store::membership(family_id, caller).await?;
    if membership.role != Role::Admin {
        return Err(Error::forbidden(
            "the account is frozen and unfrozen by administrators; ask one, or ask the members to unfreeze it",
        ));
    }
    change(family_id, &membership, |_| act.clone()).await
}

/// Asks the members to unfreeze the account.
pub(crate) async fn ask(family_id: &FamilyId, caller: &Caller, reason: &str) -> Result<Wallet> {
    let membership = store::membership(family_id, caller).await?;
    change(family_id, &membership, |members| Act::Ask {
        reason: reason.to_owned(),
        members,
    })
    .await
}

/// Votes on it.
pub(crate) async fn vote(family_id: &FamilyId, caller: &Caller, act: Act) -> Result<Wallet> {
    let membership = store::membership(family_id, caller).await?;
    change(family_id, &membership, |_| act.clone()).await
}

/// Does something about the freeze, and has the ledger do it, too, if it comes to that.
async fn change(
    family_id: &FamilyId,
    membership: &Membership,
    act: impl Fn(u64) -> Act,
) -> Result<Wallet> {
    for _ in 0..TRIES {
        let family = FAMILIES.get(family_id.as_str()).await?;
        let members = family
            .ok_or_else(|| Error::not_found("family"))?
            .member_count;
        let wallet = account::of(family_id).await?;
        let (before, voters) = of_members(family_id, &wallet.freeze).await?;
        let act = act(members);
        let after = before.after(act.clone(), &membership.user_id, time::now())?;
        let is_settled = before.frozen.is_some() == after.frozen.is_some();
        if !is_settled {
            // First, so that nothing is decided that the ledger never hears of.
            later(family_id).await?;
        }
        let change = Transaction::new()
            .update_one(
                &WALLETS,
                json!({"_id": family_id, "freeze.version": wallet.freeze.version}),
                json!({"$set": {"freeze": after}}),
            )
            .check(&MEMBERSHIPS, still(membership), 1)
            .check(
                &MEMBERSHIPS,
                json!({"family_id": family_id, "user_id": {"$in": voters}}),
                u64::try_from(voters.len()).map_err(Error::internal)?,
            );
        let change = told(family_id, &membership.user_id, &act, &after, change);
        if !committed(change.commit().await)? {
            continue;
        }
        if !is_settled && let Err(error) = settle(family_id).await {
            // It is decided, and nothing is spent through the family any more; the task does the rest.
            eprintln!("warning: the ledger was not told about {family_id}: {error:?}");
        }
        return account::of(family_id).await;
    }
    Err(overtaken())
}

/// The freeze with the votes of those who are members still, and who they are.
async fn of_members(family_id: &FamilyId, freeze: &Freeze) -> Result<(Freeze, BTreeSet<String>)> {
    let Some(vote) = &freeze.vote else {
        return Ok((freeze.clone(), BTreeSet::new()));
    };
    let voted: Vec<_> = vote.approvals.iter().chain(&vote.rejections).collect();
    let of = json!({"family_id": family_id, "user_id": {"$in": voted}});
    let members: Vec<String> = MEMBERSHIPS.distinct("user_id", of).await?;
    let members: BTreeSet<_> = members.into_iter().collect();
    Ok((freeze.of_members(|user| members.contains(user)), members))
}

fn told(
    family_id: &FamilyId,
    who: &str,
    act: &Act,
    after: &Freeze,
    change: Transaction,
) -> Transaction {
    let change = match act {
        Act::Freeze { .. } => Happened::WalletFrozen {
            family_id,
            frozen_by: who,
        }
        .told_by(change),
        Act::Ask { .. } => Happened::UnfreezeAsked {
            family_id,
            asked_by: who,
        }
        .told_by(change),
        Act::Approve | Act::Reject => Happened::UnfreezeVoted {
            family_id,
            user_id: who,
            approves: *act == Act::Approve,
        }
        .told_by(change),
        Act::Unfreeze => change,
    };
    let is_unfrozen = matches!(act, Act::Unfreeze | Act::Approve) && after.frozen.is_none();
    match is_unfrozen {
        true => Happened::WalletUnfrozen {
            family_id,
            unfrozen_by: who,
            by_members: *act == Act::Approve,
        }
        .told_by(change),
        false => change,
    }
}

async fn later(family_id: &FamilyId) -> Result<()> {
    let about = About {
        family_id: family_id.clone(),
    };
    let task = New::of(SETTLE, &about)?.delay(LATER).retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Has the ledger do what was decided, as the task that comes after it.
pub(crate) async fn settle_later(about: &About) -> Result<()> {
    settle(&about.family_id).await
}

/// Has the ledger do what was decided; and again, if something else was decided meanwhile.
async fn settle(family_id: &FamilyId) -> Result<()> {
    for _ in 0..TRIES {
        let Some(before) = WALLETS.get(family_id.as_str()).await? else {
            // The family is gone, and its account with it.
            return Ok(());
        };
        match &before.freeze.frozen {
            Some(frozen) => wallet::freeze(family_id, &frozen.reason).await?,
            None => wallet::unfreeze(family_id).await?,
        };
        let after = account::of(family_id).await?;
        if after.freeze.frozen == before.freeze.frozen {
            return Ok(());
        }
    }
    Err(overtaken())
}
