//! Deleting a group: what becomes of its balance is shown, decided, and done first; nothing is burnt.
//!
//! ```text
//!   open ── delete, with who gets the balance ──▶ closing ── the account is closed ──▶ gone
//!     ▲                                              │
//!     └────────── the ledger says no ────────────────┘
//! ```
//!
//! While it is closing nothing is paid, and nobody joins, leaves or becomes something else. The ledger closes
//! the account and moves what is left in one commit: so a payment is either held before, and then nothing is
//! deleted, or it is not made. If the process dies between, a task goes on.

use crate::closing::{self, Standing, while_unpaid};
use crate::events::tell;
use crate::inviting::Inviting;
use crate::store::{Known, MEMBERSHIPS, Named, groups, invitations};
use crate::{Who, member_id, wallet};
use membership::commit::committed;
use sbd_sdk::documents::Transaction;
use sbd_sdk::tasks::New;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, Tokens, realtime, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How often the task that goes on with a deletion is tried again: over some days, later and later.
const RETRIES: u32 = 20;
/// How long whoever deletes has to do it, before the task goes on.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who could be given a balance.
const HEIRS_SAID: &str = "which member is given them, or `members` for equal shares";
/// Among how many a balance is split at most.
const HEIRS: u32 = 100;

/// The id of a group that can be deleted.
pub trait Deleting: Inviting {
    /// Deletes what there is of the group beside itself, its memberships, its invitations and its account, and has it
    /// not count against its owner's limit any more.
    fn gone(&self, change: Transaction, owner: &str) -> Transaction;
}

/// That a group is being deleted, and what becomes of its balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Who deletes it.
    pub by: String,
    /// Who is given the balance.
    pub to: Option<Heir>,
    /// What each member is given, if all are.
    #[serde(default)]
    pub share: Option<Tokens>,
    /// Since when.
    pub at: Time,
}

/// Who is given the balance of a group that is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Heir {
    /// All members, in equal shares; what cannot be shared is for whoever deletes it.
    Members,
    /// This one.
    Member(String),
}

/// Which group the task goes on with.
#[derive(Debug, Serialize, Deserialize)]
pub struct About<G> {
    // As it was called before.
    #[serde(alias = "family", alias = "workspace")]
    group: G,
}

/// What is to be known before a group is deleted.
pub(crate) struct Plan {
    pub(crate) standing: Standing,
    /// Who could be given the balance: the first hundred.
    pub(crate) heirs: Vec<Named>,
    /// Whether it is being deleted already.
    pub(crate) closing: bool,
}

/// What stands in the way of a deletion, and who could be given what is left. Whether it is the caller's to see is
/// known before.
pub(crate) async fn plan<G: Deleting>(group: &G) -> Result<Plan> {
    Ok(Plan {
        standing: closing::standing(group).await?,
        heirs: heirs(group).await?,
        closing: known(group).await?.closing.is_some(),
    })
}

/// Deletes a group, of this version, as long as the caller is found so among its members: whether it is theirs to
/// delete is known before. What is on its account goes to a member, or in equal shares to all. Answers whether it is
/// done: not where somebody else was quicker.
///
/// # Errors
/// When the balance is undecided, or cannot be moved now.
pub async fn delete<G: Deleting>(
    group: &G,
    caller: &Caller,
    still: Value,
    version: u64,
    heir: Option<&Heir>,
) -> Result<bool> {
    let members = known(group).await?.member_count;
    require_heir(group, members, heir).await?;
    let standing = closing::standing(group).await?;
    standing.require_closable::<G>(heir.is_none().then_some(HEIRS_SAID))?;
    let closing = Closing {
        by: caller.user.to_string(),
        to: heir.cloned(),
        share: match heir {
            Some(Heir::Members) => share(&standing.account, members),
            _ => None,
        },
        at: time::now(),
    };
    // First, so that no crash leaves a group that closes for ever; of one that does not it finds nothing.
    let about = About {
        group: group.clone(),
    };
    let task = New::of(&format!("close-{}", G::NOUN), &about)?.retries(RETRIES);
    let task = match closing.to {
        Some(Heir::Members) => task.delay(Duration::from_secs(1)),
        _ => task.delay(PATIENCE),
    };
    task.enqueue().await?;
    let as_read = json!({"_id": group, "version": version, "closing": null});
    let set = json!({"closing": closing, "updated_at": closing.at});
    let change = Transaction::new().check(&MEMBERSHIPS, still, 1);
    let change = while_unpaid(change, group).update_one(
        &groups::<G>(),
        as_read,
        json!({"$set": set, "$inc": {"version": 1}}),
    );
    let told = json!({"deleted_by": caller.user, "balance_to": closing.to});
    let change = tell(change, group, "closing", told);
    if !committed(change.commit().await)? {
        return Ok(false);
    }
    match closing.to {
        // The task alone pays the shares: the ledger knows a request again by who sends it.
        Some(Heir::Members) => Ok(true),
        _ => settle(group).await.map(|()| true),
    }
}

/// Answers 422 where nobody can be given the balance so.
async fn require_heir<G: Deleting>(group: &G, members: u64, heir: Option<&Heir>) -> Result<()> {
    let message = match heir {
        Some(Heir::Member(user)) => match MEMBERSHIPS.get(&member_id(group, user)).await? {
            Some(_) => return Ok(()),
            None => format!("a member of the {}, or `members`", G::NOUN),
        },
        Some(Heir::Members) if members > HEIRS.into() => {
            format!("a member: among more than {HEIRS} nothing is split")
        }
        _ => return Ok(()),
    };
    Err(Error::validation("balance_to", message))
}

/// What each of so many is given.
fn share(account: &wallet::Account, members: u64) -> Option<Tokens> {
    let available = u64::try_from(account.available).unwrap_or(0);
    Tokens::new(available / members.max(1))
}

/// Goes on with a deletion, as the task.
///
/// # Errors
/// When it is to be tried again.
pub async fn go_on<G: Deleting>(about: &About<G>) -> Result<()> {
    let group = &about.group;
    let Some((closing, _)) = closing(group).await? else {
        return Ok(());
    };
    if let (Some(Heir::Members), Some(share)) = (&closing.to, closing.share) {
        for member in heirs(group).await? {
            let key = format!("closing/{group}/{}", member.user_id);
            match wallet::share_out(group, &member.user_id, share, &key).await {
                // Nobody of this id has an account: the rest is for whoever deletes.
                Err(error) if error.code() == "NOT_FOUND" => {}
                Err(error) if error.status().is_client_error() => {
                    return undo(group, error).await.or(Ok(()));
                }
                done => done?,
            }
        }
    }
    match settle(group).await {
        // It was said where it can be heard.
        Err(error) if error.status().is_client_error() => Ok(()),
        done => done,
    }
}

/// Closes the account, and deletes the group.
async fn settle<G: Deleting>(group: &G) -> Result<()> {
    let Some((closing, owner)) = closing(group).await? else {
        return Ok(());
    };
    let to = match &closing.to {
        Some(Heir::Member(user)) => Some(user.as_str()),
        Some(Heir::Members) => Some(&*closing.by),
        None => None,
    };
    if let Some(error) = closing::close(group, to).await? {
        return undo(group, error).await;
    }
    let change = erased(group, &owner);
    let change = tell(change, group, "deleted", json!({"deleted_by": closing.by}));
    // Whoever was quicker has done the same.
    committed(change.commit().await)?;
    // It is deleted; that somebody still listens where nothing is said is no reason to say otherwise.
    if let Err(error) = realtime::changed(&format!("{}:{group}", G::NOUN)).await {
        eprintln!("whoever listens to {group} could not be sent away: {error:?}");
    }
    Ok(())
}

/// The group stays, for the ledger says no.
async fn undo<G: Deleting>(group: &G, why: Error) -> Result<()> {
    let change = Transaction::new().update_one(
        &groups::<G>(),
        still_closing(group),
        json!({"$set": {"closing": null, "updated_at": time::now()}, "$inc": {"version": 1}}),
    );
    let change = tell(change, group, "not_deleted", json!({}));
    committed(change.commit().await)?;
    Err(why)
}

/// All that there is of a group.
fn erased<G: Deleting>(group: &G, owner: &str) -> Transaction {
    let change = Transaction::new()
        .delete_one(&groups::<G>(), still_closing(group))
        .delete_many(&MEMBERSHIPS, group.those(Who::Everybody))
        .delete_many(&invitations::<G>(), group.those(Who::Everybody));
    group.gone(closing::erased(change, group), owner)
}

fn still_closing<G: Deleting>(group: &G) -> Value {
    json!({"_id": group, "closing.at": {"$exists": true}})
}

async fn known<G: Deleting>(group: &G) -> Result<Known<G>> {
    let known = groups::<G>().get(&group.to_string()).await?;
    known.ok_or_else(|| Error::not_found(G::NOUN))
}

/// How a group is being deleted, if it is, and whose it was.
async fn closing<G: Deleting>(group: &G) -> Result<Option<(Closing, String)>> {
    let known = groups::<G>().get(&group.to_string()).await?;
    Ok(known.and_then(|known| Some((known.closing?, known.owner))))
}

async fn heirs<G: Deleting>(group: &G) -> Result<Vec<Named>> {
    let heirs = MEMBERSHIPS.find(group.those(Who::Everybody));
    Ok(heirs.limit(HEIRS).fetch().await?.documents)
}

impl From<String> for Heir {
    fn from(text: String) -> Self {
        match &*text {
            "members" => Self::Members,
            _ => Self::Member(text),
        }
    }
}

impl From<Heir> for String {
    fn from(heir: Heir) -> Self {
        match heir {
            Heir::Members => "members".to_owned(),
            Heir::Member(user) => user,
        }
    }
}
