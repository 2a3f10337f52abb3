//! Freezing the account, and unfreezing it, be it by those whose say that is in an emergency. What is decided here is
//! carried out in the ledger, where nothing is spent from a frozen account, whoever asks; that is repeated until it
//! is done.

use crate::account::{self, About, Wallet};
use crate::events::Happened;
use crate::store::{MEMBERSHIPS, wallets};
use crate::wallet;
use crate::{Group, Member, Who};
use membership::commit::{busy, committed, tries};
use membership::freeze::{Act, Freeze};
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::New;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The task that has the ledger do what was decided.
const SETTLE: &str = "settle-freeze";
/// When it begins: whoever decides does the same at once.
const LATER: Duration = Duration::from_secs(10);
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;

/// Freezes the account, or unfreezes it; for those who govern it.
pub(crate) async fn decide<G: Group>(group: &G, caller: &Caller, act: Act) -> Result<Wallet<G>> {
    let own = group.own(caller).await?;
    match own.governs {
        true => change(group, &own, act).await,
        false => Err(Error::forbidden(
            "the account is frozen and unfrozen by administrators; ask one, or ask the members to unfreeze it",
        )),
    }
}

/// Asks those whose say it is to unfreeze the account; whoever asks is one of them.
pub(crate) async fn ask<G: Group>(group: &G, caller: &Caller, reason: &str) -> Result<Wallet<G>> {
    let own = unfreezer(group, caller).await?;
    let wallet = account::of(group).await?;
    let members = MEMBERSHIPS.count(group.those(Who::Unfreezers)).await?;
    let act = Act::Ask {
        reason: reason.to_owned(),
        members,
        required: wallet.unfreezers.unwrap_or_else(|| G::required(members)),
    };
    change(group, &own, act).await
}

/// Votes on it.
pub(crate) async fn vote<G: Group>(group: &G, caller: &Caller, act: Act) -> Result<Wallet<G>> {
    let own = unfreezer(group, caller).await?;
    change(group, &own, act).await
}

async fn unfreezer<G: Group>(group: &G, caller: &Caller) -> Result<Member> {
    let own = group.own(caller).await?;
    match own.unfreezes {
        true => Ok(own),
        false => Err(Error::forbidden(
            "the account is unfrozen by its administrators, and in an emergency by backup administrators; ask one",
        )),
    }
}

/// Does something about the freeze, and has the ledger do it, too, if it comes to that.
async fn change<G: Group>(group: &G, own: &Member, act: Act) -> Result<Wallet<G>> {
    for _ in tries() {
        let wallet = account::of(group).await?;
        let (before, voters) = of_voters(group, &wallet.freeze).await?;
        let after = before.after(act.clone(), &own.user_id, time::now())?;
        let is_settled = before.frozen.is_some() == after.frozen.is_some();
        if !is_settled {
            // First, so that nothing is decided that the ledger never hears of.
            later(group).await?;
        }
        let change = Transaction::new().update_one(
            &wallets::<G>(),
            json!({"_id": group, "freeze.version": wallet.freeze.version}),
            json!({"$set": {"freeze": after}}),
        );
        let voted = u64::try_from(voters.len()).map_err(Error::internal)?;
        let still = of_these(group, &voters);
        let change = own.unchanged(change).check(&MEMBERSHIPS, still, voted);
        let change = told(group, &own.user_id, &act, &after, change);
        if !committed(change.commit().await)? {
            continue;
        }
        if !is_settled && let Err(error) = settle(group).await {
            // It is decided, and nothing is spent through the group any more; the task does the rest.
            eprintln!("warning: the ledger was not told about {group}: {error:?}");
        }
        return account::of(group).await;
    }
    Err(busy(G::NOUN))
}

/// The freeze with the votes of those whose say it is still, and who they are.
async fn of_voters<G: Group>(group: &G, freeze: &Freeze) -> Result<(Freeze, BTreeSet<String>)> {
    let Some(vote) = &freeze.vote else {
        return Ok((freeze.clone(), BTreeSet::new()));
    };
    let voted = vote.approvals.iter().chain(&vote.rejections);
    let of = of_these(group, &voted.cloned().collect());
    let voters: Vec<String> = MEMBERSHIPS.distinct("user_id", of).await?;
    let voters: BTreeSet<_> = voters.into_iter().collect();
    Ok((freeze.of_members(|user| voters.contains(user)), voters))
}

/// Those of these whose say it is.
fn of_these<G: Group>(group: &G, users: &BTreeSet<String>) -> Value {
    let mut of = group.those(Who::Unfreezers);
    of["user_id"] = json!({"$in": users});
    of
}

fn told<G: Group>(
    group: &G,
    who: &str,
    act: &Act,
    after: &Freeze,
    change: Transaction,
) -> Transaction {
    let change = match act {
        Act::Freeze { .. } => Happened::Frozen { frozen_by: who }.told_by(group, change),
        Act::Ask { .. } => Happened::UnfreezeAsked { asked_by: who }.told_by(group, change),
        Act::Approve | Act::Reject => Happened::UnfreezeVoted {
            user_id: who,
            approves: *act == Act::Approve,
        }
        .told_by(group, change),
        Act::Unfreeze => change,
    };
    let is_unfrozen = !matches!(act, Act::Freeze { .. }) && after.frozen.is_none();
    match is_unfrozen {
        true => Happened::Unfrozen {
            unfrozen_by: who,
            by_members: *act != Act::Unfreeze,
        }
        .told_by(group, change),
        false => change,
    }
}

async fn later<G: Group>(group: &G) -> Result<()> {
    let about = About {
        group: group.clone(),
    };
    let task = New::of(SETTLE, &about)?.delay(LATER).retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Has the ledger do what was decided, as the task that comes after it.
///
/// # Errors
/// When it has to be tried again.
pub async fn settle_later<G: Group>(about: &About<G>) -> Result<()> {
    settle(&about.group).await
}

/// Has the ledger do what was decided; and again, if something else was decided meanwhile.
async fn settle<G: Group>(group: &G) -> Result<()> {
    for _ in tries() {
        let Some(before) = wallets::<G>().get(&group.to_string()).await? else {
            // The group is gone, and its account with it.
            return Ok(());
        };
        match &before.freeze.frozen {
            Some(frozen) => wallet::freeze(group, &frozen.reason).await?,
            None => wallet::unfreeze(group).await?,
        };
        let after = account::of(group).await?;
        if after.freeze.frozen == before.freeze.frozen {
            return Ok(());
        }
    }
    Err(busy(G::NOUN))
}
