//! Freezing the family's account, and unfreezing it, be it by the members. What is decided here is carried out
//! in the ledger, where nothing is spent from a frozen account, whoever asks; that is repeated until it is done.

use crate::account::{self, Wallet};
use crate::allowances::still;
use crate::commit::{busy, committed, tries};
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
    for _ in tries() {
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
    Err(busy())
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
    for _ in tries() {
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
    Err(busy())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::home::{Home, When};
    use membership::freeze::VOTE;
    use serde_json::{Value, json};
    use std::cell::Cell;
    use std::rc::Rc;

    fn act(home: &Home, user: &str, what: &str) -> sbd_sdk::testing::Reply {
        let body = json!({"reason": "a reason"});
        home.app.signed_in(user).post(&home.path(what), body)
    }

    fn ledger_is_frozen(home: &Home) -> bool {
        let family = home
            .wallet
            .by(sbd_sdk::Principal::service("test", "family"));
        let account = family.get(&format!("/api/v1/wallet/accounts/{}", home.id));
        account["frozen"] != Value::Null
    }

    #[test]
    fn an_administrator_freezes_and_unfreezes() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        let order = json!({"to": "usr_9", "amount": 10});
        act(&home, "usr_2", "wallet/freeze").assert_refused(403, "FORBIDDEN");
        act(&home, "usr_8", "wallet/freeze").assert_refused(404, "NOT_FOUND");
        act(&home, "usr_1", "wallet/unfreeze").assert_refused(409, "CONFLICT");
        let frozen = act(&home, "usr_1", "wallet/freeze").assert_status(200);
        assert_eq!(frozen["frozen"]["by"], "usr_1");
        act(&home, "usr_1", "wallet/freeze").assert_refused(409, "CONFLICT");
        assert!(ledger_is_frozen(&home));
        let seen = home.read("usr_2", "wallet");
        assert_eq!(
            (&seen["frozen"]["reason"], &seen["spendable"]),
            (&json!("a reason"), &json!(0))
        );
        home.send("usr_1", "wallet/payments", order.clone())
            .assert_refused(409, "ACCOUNT_FROZEN");
        home.send(
            "usr_2",
            "token-requests",
            json!({"amount": 1, "reason": "a book"}),
        )
        .assert_refused(409, "ACCOUNT_FROZEN");
        // It can be paid into.
        home.deposit(1);
        home.hear();
        assert_eq!(home.notices("family.wallet.frozen"), ["usr_1", "usr_2"]);
        act(&home, "usr_2", "wallet/unfreeze").assert_refused(403, "FORBIDDEN");
        act(&home, "usr_1", "wallet/unfreeze").assert_status(200);
        assert!(!ledger_is_frozen(&home));
        home.send("usr_1", "wallet/payments", order)
            .assert_status(201);
        for reason in ["", " ", "a\u{7}b", &"x".repeat(201)] {
            let body = json!({"reason": reason});
            let refused = home
                .app
                .signed_in("usr_1")
                .post(&home.path("wallet/freeze"), body);
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn members_unfreeze_it_together() {
        let home = Home::new(&["usr_2", "usr_3", "usr_4"]);
        let vote = "wallet/emergency-unfreeze";
        act(&home, "usr_2", vote).assert_refused(409, "CONFLICT");
        act(&home, "usr_1", "wallet/freeze").assert_status(200);
        act(&home, "usr_8", vote).assert_refused(404, "NOT_FOUND");
        let asked = act(&home, "usr_2", vote).assert_status(200);
        assert_eq!(
            (&asked["vote"]["required"], &asked["vote"]["approvals"]),
            (&json!(2), &json!(1))
        );
        let approve = "wallet/emergency-unfreeze/approve";
        act(&home, "usr_2", approve).assert_refused(409, "CONFLICT");
        act(&home, "usr_3", vote).assert_refused(409, "CONFLICT");
        let open = act(&home, "usr_3", approve).assert_status(200);
        assert_eq!(
            (&open["frozen"], &open["vote"]),
            (&json!(null), &json!(null))
        );
        assert!(!ledger_is_frozen(&home));
        // Who left does not count, and who never answers does not hinder.
        act(&home, "usr_1", "wallet/freeze").assert_status(200);
        act(&home, "usr_2", vote).assert_status(200);
        home.leave("usr_2");
        assert_eq!(
            act(&home, "usr_3", approve).assert_status(200)["frozen"]["by"],
            "usr_1"
        );
        home.advance(VOTE);
        act(&home, "usr_4", approve).assert_refused(409, "CONFLICT");
        act(&home, "usr_3", vote).assert_status(200);
        act(&home, "usr_4", approve).assert_status(200);
        assert!(!ledger_is_frozen(&home));
        let told = home.told();
        let unfrozen = told.iter().filter(|kind| *kind == "family.wallet.unfrozen");
        assert_eq!(unfrozen.count(), 2);
    }

    #[test]
    fn a_freeze_comes_between_a_payment_and_its_hold() {
        let home = Rc::new(Home::new(&["usr_2"]));
        home.deposit(100);
        home.permit("usr_2", json!({}));
        let (other, once) = (Rc::clone(&home), Cell::new(true));
        home.whenever(move |call, when| {
            if when == When::Before && call.path.ends_with("/holds") && once.replace(false) {
                act(&other, "usr_1", "wallet/freeze").assert_status(200);
            }
        });
        let order = json!({"to": "usr_9", "amount": 10});
        home.send("usr_2", "wallet/payments", order)
            .assert_refused(409, "ACCOUNT_FROZEN");
        home.undisturbed();
        assert_eq!(
            home.read("usr_2", "wallet/permissions/usr_2")["spent_today"],
            0
        );
        home.assert_settled();
    }

    #[test]
    fn killed_anywhere_the_ledger_follows_what_was_decided() {
        for point in 0.. {
            let home = Home::new(&[]);
            home.deposit(100);
            let died = home.dies_at(point, || drop(act(&home, "usr_1", "wallet/freeze")));
            // Even then nothing is spent through the family.
            let order = json!({"to": "usr_9", "amount": 10});
            home.send("usr_1", "wallet/payments", order)
                .assert_refused(409, "ACCOUNT_FROZEN");
            home.recover();
            assert!(ledger_is_frozen(&home), "{point}");
            if !died {
                assert_eq!(point, 2);
                break;
            }
        }
        // Switched off, it is decided, and done when the wallet is there again.
        let home = Home::new(&[]);
        home.instead(503, "OVERLOADED");
        act(&home, "usr_1", "wallet/freeze").assert_status(200);
        home.undisturbed();
        assert!(!ledger_is_frozen(&home));
        home.recover();
        assert!(ledger_is_frozen(&home));
    }

    #[test]
    fn thousands_are_told() {
        let home = Home::new(&[]);
        for number in 0..200 {
            home.join(&format!("usr_m{number}"));
        }
        act(&home, "usr_1", "wallet/freeze").assert_status(200);
        home.hear();
        assert_eq!(home.notices("family.wallet.frozen").len(), 201);
    }
}
