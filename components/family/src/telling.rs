//! Telling many of what happened on the family's account, after its own event: page by page, so that a family
//! may be as large as it likes. Each notice says what it is of, so that nobody is told twice.

use crate::model::{FamilyId, Membership, Role};
use crate::notices::Notice;
use crate::recovery::RecoveryId;
use crate::requests::{Kind, RequestId};
use crate::store::{MEMBERSHIPS, RECOVERIES, REQUESTS, WALLETS};
use membership::recovery;
use membership::request::State;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Result, time};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many are told in one commit: it takes 100 steps at most.
const AT_ONCE: u32 = 90;

/// What an event says.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    family_id: FamilyId,
    #[serde(default)]
    request_id: Option<RequestId>,
    #[serde(default)]
    recovery_id: Option<RecoveryId>,
}

/// All members, of what the account is now: frozen, unfrozen, or to be unfrozen if they want to.
pub(crate) async fn of_account(event: &str, kind: &str, told: &Told) -> Result<()> {
    let Some(wallet) = WALLETS.get(told.family_id.as_str()).await? else {
        return Ok(());
    };
    let frozen = wallet.freeze.frozen.as_ref();
    let vote = wallet.freeze.open_vote(time::now());
    let (kind, title, why) = match kind {
        "family.wallet.frozen" => (
            "family.wallet.frozen",
            "The family's account is frozen: nothing can be spent from it",
            frozen.map(|frozen| &frozen.reason),
        ),
        "family.wallet.unfrozen" => (
            "family.wallet.unfrozen",
            "The family's account can be spent from again",
            None,
        ),
        "family.wallet.unfreeze_asked" => (
            "family.wallet.unfreeze_asked",
            "A member wants the family's account unfrozen: say what you think",
            vote.map(|vote| &vote.reason),
        ),
        _ => return Ok(()),
    };
    tell(&told.family_id, json!({}), |member| {
        let unique = format!("{event}/{kind}");
        let notice = Notice::new(&told.family_id, &member.user_id, kind, title, unique).by_mail();
        match why {
            Some(why) => notice.body(why.clone()),
            None => notice,
        }
    })
    .await
}

/// The administrators, of a request that waits for one of them.
pub(crate) async fn of_request(told: &Told) -> Result<()> {
    let Some(id) = &told.request_id else {
        return Ok(());
    };
    let Some(request) = REQUESTS.get(id.as_str()).await? else {
        return Ok(());
    };
    if request.state != State::Pending {
        return Ok(());
    }
    let kind = match request.kind {
        Kind::Token => "family.token_request.created",
        Kind::Purchase => "family.purchase.created",
    };
    let title = format!("{} asks for {}", request.username, request.words());
    let others = json!({"role": Role::Admin, "user_id": {"$ne": request.user_id}});
    tell(&told.family_id, others, |admin| {
        let unique = format!("{}/created", request.id);
        let notice = Notice::new(&told.family_id, &admin.user_id, kind, title.clone(), unique);
        match &request.reason {
            Some(reason) => notice.body(reason.clone()),
            None => notice,
        }
    })
    .await
}

/// All who can confirm it, that somebody has lost access to their account.
pub(crate) async fn of_recovery(told: &Told) -> Result<()> {
    let Some(id) = &told.recovery_id else {
        return Ok(());
    };
    let Some(recovery) = RECOVERIES.get(id.as_str()).await? else {
        return Ok(());
    };
    if recovery.recovery.state(time::now()) != recovery::State::Asked {
        return Ok(());
    }
    let title = format!(
        "{} has lost access to their account, says another member: confirm it, if you know that it is so",
        recovery.username,
    );
    let others = [&recovery.user_id, &recovery.asked_by];
    let others = json!({"minor": false, "user_id": {"$nin": others}});
    tell(&told.family_id, others, |member| {
        let unique = format!("{}/asked", recovery.id);
        let kind = "family.recovery.asked";
        let notice = Notice::new(
            &told.family_id,
            &member.user_id,
            kind,
            title.clone(),
            unique,
        );
        notice.body(recovery.reason.clone()).by_mail()
    })
    .await
}

async fn tell(
    family_id: &FamilyId,
    whom: Value,
    notice: impl Fn(&Membership) -> Notice,
) -> Result<()> {
    let (mut whom, mut next) = (whom, None);
    whom["family_id"] = json!(family_id);
    loop {
        let page = MEMBERSHIPS.find(whom.clone()).limit(AT_ONCE).after(next);
        let page = page.fetch().await?;
        let change = page
            .documents
            .iter()
            .fold(Transaction::new(), |change, member| {
                notice(member).told_by(change)
            });
        if !page.documents.is_empty() {
            change.commit().await?;
        }
        match page.next {
            Some(after) => next = Some(after),
            None => return Ok(()),
        }
    }
}
