//! Telling many of what happened on the account, after its own event: page by page, so that a group may be as large
//! as it likes. Each notice says what it is of, so that nobody is told twice.

use crate::events::{Step, requested};
use crate::notices;
use crate::requests::RequestId;
use crate::store::{MEMBERSHIPS, requests, wallets};
use crate::{Group, Who};
use membership::notice::Notice;
use membership::request::State;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Result, time};
use serde_json::{Value, json};

/// How many are told in one commit: it takes 100 steps at most.
const AT_ONCE: u32 = 90;

/// All members, of what the account is now: frozen, unfrozen, or to be unfrozen if enough want it.
///
/// # Errors
/// When not all of them are told.
pub async fn of_account<G: Group>(event: &str, kind: &str, group: &G) -> Result<()> {
    let Some(wallet) = wallets::<G>().get(&group.to_string()).await? else {
        return Ok(());
    };
    let frozen = wallet.freeze.frozen.as_ref();
    let vote = wallet.freeze.open_vote(time::now());
    let what = kind.strip_prefix(G::NOUN).unwrap_or(kind);
    let (who, title, why) = match what {
        ".wallet.frozen" => (
            Who::Everybody,
            "account is frozen: nothing can be spent from it",
            frozen.map(|frozen| &frozen.reason),
        ),
        ".wallet.unfrozen" => (Who::Everybody, "account can be spent from again", None),
        ".wallet.unfreeze_asked" => (
            Who::Unfreezers,
            "account is to be unfrozen, says a member: say what you think",
            vote.map(|vote| &vote.reason),
        ),
        _ => return Ok(()),
    };
    tell(group.those(who), |user| {
        let title = format!("The {}'s {title}", G::NOUN);
        let notice = notices::about(
            group,
            user,
            kind.to_owned(),
            title,
            format!("{event}/{kind}"),
        )
        .by_mail();
        match why {
            Some(why) => notice.body(why.clone()),
            None => notice,
        }
    })
    .await
}

/// Those who review, of a request that waits for one of them.
///
/// # Errors
/// When not all of them are told.
pub async fn of_request<G: Group>(group: &G, id: &RequestId) -> Result<()> {
    let Some(request) = requests::<G>().get(id.as_str()).await? else {
        return Ok(());
    };
    if request.state != State::Pending {
        return Ok(());
    }
    let title = format!("{} asks for {}", request.username, request.words());
    let mut others = group.those(Who::Reviewers);
    others["user_id"] = json!({"$ne": request.user_id});
    tell(others, |user| {
        let (kind, unique) = (
            requested::<G>(request.kind, Step::Created),
            format!("{}/created", request.id),
        );
        let notice = notices::about(group, user, kind, title.clone(), unique);
        match &request.reason {
            Some(reason) => notice.body(reason.clone()),
            None => notice,
        }
    })
    .await
}

/// Tells those of the memberships that a filter finds.
///
/// # Errors
/// When not all of them are told.
pub async fn tell(whom: Value, notice: impl Fn(&str) -> Notice) -> Result<()> {
    let mut next = None;
    loop {
        let page = MEMBERSHIPS.find(whom.clone()).limit(AT_ONCE).after(next);
        let page = page.fetch().await?;
        let change = page
            .documents
            .iter()
            .fold(Transaction::new(), |change, member| {
                notice(&member.user_id).told_by(change)
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
