//! Inviting somebody into a group, and taking that back.
//!
//! Whoever is invited is named by a username or an e-mail address, and found later (`delivery`): who invites
//! learns nothing of whether there is such an account, and waits for nothing.

use crate::events::{id_of, tell};
use crate::inviting::{Inviting, Keeper};
use crate::store::{MEMBERSHIPS, Of, invitations};
use crate::{Group, Who};
use membership::commit::{busy, committed, tries};
use membership::invitation::{Act, COOL_DOWN, Progress, State};
use membership::invitee;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, config, id, metrics, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

id!(pub InvitationId, "inv", "invitation");

/// How long an invitation is remembered after its end.
pub const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An invitation, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Invitation<G: Inviting> {
    /// Which one.
    #[serde(rename = "_id")]
    pub id: InvitationId,
    #[serde(flatten)]
    pub(crate) of: Of<G>,
    /// Who answers for it: whoever made it, or has sent it last.
    pub invited_by: String,
    pub(crate) inviter_name: String,
    /// A username, or an e-mail address: as it was written, and as it is compared.
    pub(crate) to: String,
    pub(crate) to_key: String,
    /// As what they are invited.
    #[serde(flatten)]
    pub terms: G::Terms,
    /// Where it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Who is invited, if that is known. Whoever invites does not see it.
    pub(crate) invited: Option<String>,
    /// How many of the times that it was sent it was delivered, or found not to be deliverable.
    pub(crate) delivered: u32,
    /// The digest of the token in a mail, to whom no account belongs.
    pub token: Option<String>,
    /// Who has accepted, or declined.
    pub(crate) answered_by: Option<String>,
    /// The group and whoever is invited, as long as nobody has answered: nobody is invited twice at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_key: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) keep_until: Time,
    pub(crate) version: u64,
}

/// What lists of invitations are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationSort {
    /// When they were made.
    #[default]
    CreatedAt,
}

/// Which invitations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InvitationFilter {
    /// Only those in this state.
    #[param(inline)]
    state: Option<State>,
}

impl Sort for InvitationSort {
    const ITEMS: &'static str = "invitations";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
        }
    }
}

/// Invites somebody, as this or as is usual.
///
/// # Errors
/// When the caller may not, it is nobody who can be invited, or too many are.
pub async fn invite<G: Inviting>(
    group: &G,
    caller: &Caller,
    to: &str,
    terms: Option<&G::Terms>,
) -> Result<Invitation<G>> {
    invitee::check(to)?;
    let (key, invitations) = (text::key(to), invitations::<G>());
    for _ in tries() {
        let inviter = group.inviter(caller, terms).await?;
        let now = time::now();
        let open_key = format!("{group}/{key}");
        require_unasked(group, &key, &open_key, to, now).await?;
        let (pending, today) = (pending(group, now), of_day(&caller.user, now));
        let counts = (
            invitations.count(pending.clone()).await?,
            invitations.count(today.clone()).await?,
        );
        require_few::<G>(counts)?;
        let invitation = Invitation {
            id: InvitationId::new(),
            of: Of(group.clone()),
            invited_by: caller.user.to_string(),
            inviter_name: inviter.name,
            to: to.to_owned(),
            to_key: key.clone(),
            terms: inviter.terms,
            progress: Progress::begin(now),
            invited: None,
            delivered: 0,
            token: None,
            answered_by: None,
            open_key: Some(open_key.clone()),
            created_at: now,
            keep_until: now + REMEMBERED,
            version: 1,
        };
        let expired = json!({"open_key": open_key, "expires_at": {"$lte": now}});
        let change = inviter
            .still
            .check(&invitations, pending, counts.0)
            .check(&invitations, today, counts.1)
            .check(&invitations, declined(group, &key, now), 0)
            .update_many(&invitations, expired, json!({"$unset": {"open_key": ""}}))
            .insert(&invitations, &invitation);
        if committed(sent(change, &invitation).commit().await)? {
            count::<G>("sent").await;
            return Ok(invitation);
        }
    }
    Err(busy(G::NOUN))
}

/// Has an invitation sent once it is stored.
fn sent<G: Inviting>(change: Transaction, invitation: &Invitation<G>) -> Transaction {
    let mut data = G::told(&invitation.terms);
    data["invitation_id"] = json!(invitation.id);
    data["sent_by"] = json!(invitation.invited_by);
    data["sent"] = json!(invitation.progress.sent);
    tell(change, invitation.group(), "invitation.sent", data)
}

/// Takes an invitation back.
///
/// # Errors
/// When it is not the caller's to look after, or answered.
pub async fn cancel<G: Inviting>(group: &G, caller: &Caller, id: &InvitationId) -> Result<()> {
    for _ in tries() {
        let (invitation, keeper) = kept(group, caller, id).await?;
        let Some(progress) = invitation.progress.act(Act::Cancel, time::now())? else {
            return Ok(());
        };
        let change = moved(&invitation, progress, None).check(&MEMBERSHIPS, keeper.still, 1);
        let data = json!({"invitation_id": id, "cancelled_by": caller.user});
        let change = tell(change, group, "invitation.cancelled", data);
        if committed(change.commit().await)? {
            count::<G>("cancelled").await;
            return Ok(());
        }
    }
    Err(busy(G::NOUN))
}

/// Counts what has become of an invitation. That one has expired nobody writes down, so it is not counted.
pub async fn count<G: Group>(outcome: &str) {
    let counter = format!("{}_invitations_total", G::NOUN);
    metrics::count(&counter, &[("outcome", outcome)]).await;
}

/// Sends an invitation again, and gives it its time anew. Whoever does so answers for it from now on.
///
/// # Errors
/// When the caller may not, or it is answered, or sent often enough.
pub async fn resend<G: Inviting>(
    group: &G,
    caller: &Caller,
    id: &InvitationId,
) -> Result<Invitation<G>> {
    let invitations = invitations::<G>();
    for _ in tries() {
        let (invitation, _) = kept(group, caller, id).await?;
        let inviter = group.inviter(caller, Some(&invitation.terms)).await?;
        let now = time::now();
        let Some(progress) = invitation.progress.act(Act::Resend, now)? else {
            return Ok(invitation);
        };
        let open_key = format!("{group}/{}", invitation.to_key);
        let others = json!({
            "open_key": open_key, "expires_at": {"$lte": now}, "_id": {"$ne": id},
        });
        let again = Invitation {
            progress,
            invited_by: caller.user.to_string(),
            inviter_name: inviter.name,
            version: invitation.version + 1,
            ..invitation.clone()
        };
        let set = json!({
            "expires_at": progress.expires_at, "sent": progress.sent, "sent_at": progress.sent_at,
            "invited_by": again.invited_by, "inviter_name": again.inviter_name,
            "open_key": open_key, "keep_until": now + REMEMBERED,
        });
        let change = inviter
            .still
            .update_many(&invitations, others, json!({"$unset": {"open_key": ""}}))
            .update_one(
                &invitations,
                as_read(&invitation),
                json!({"$set": set, "$inc": {"version": 1}}),
            );
        let done = sent(change, &again).commit().await;
        if matches!(done, Err(DocumentsError::Duplicate(_))) {
            return Err(Error::conflict(
                "there is another invitation of the same person by now; send that one again",
            ));
        }
        if committed(done)? {
            return Ok(again);
        }
    }
    Err(busy(G::NOUN))
}

/// An invitation that the caller looks after.
///
/// # Errors
/// When it is another's, or there is none.
pub async fn get<G: Inviting>(
    group: &G,
    caller: &Caller,
    id: &InvitationId,
) -> Result<Invitation<G>> {
    Ok(kept(group, caller, id).await?.0)
}

async fn kept<G: Inviting>(
    group: &G,
    caller: &Caller,
    id: &InvitationId,
) -> Result<(Invitation<G>, Keeper)> {
    let keeper = group.keeper(caller).await?;
    let found = invitations::<G>().get(id.as_str()).await?;
    let found = found.filter(|found| {
        found.group() == group && (keeper.of_all || found.invited_by == *caller.user)
    });
    let found = found.ok_or_else(|| Error::not_found("invitation"))?;
    Ok((found, keeper))
}

/// A page of the invitations that the caller looks after.
///
/// # Errors
/// When the group is not the caller's to see.
pub async fn list<G: Inviting>(
    group: &G,
    caller: &Caller,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation<G>>> {
    let mut filter = group.those(Who::Everybody);
    if !group.keeper(caller).await?.of_all {
        filter["invited_by"] = json!(caller.user);
    }
    page(filter, listing).await
}

/// A page of the invitations that somebody has received.
///
/// # Errors
/// When they cannot be read.
pub async fn received<G: Inviting>(
    caller: &Caller,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation<G>>> {
    page(json!({"invited": caller.user}), listing).await
}

async fn page<G: Inviting>(
    mut filter: Value,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation<G>>> {
    if let Some(state) = listing.filter.state {
        let (state, end) = match state {
            State::Pending => (State::Pending, Some("$gt")),
            State::Expired => (State::Pending, Some("$lte")),
            state => (state, None),
        };
        filter["state"] = json!(state);
        if let Some(end) = end {
            filter["expires_at"] = json!({end: time::now()});
        }
    }
    invitations().find(filter).page(listing).await
}

/// Has an invitation be where it is now, as it was read before.
pub fn moved<G: Inviting>(
    invitation: &Invitation<G>,
    progress: Progress,
    by: Option<&str>,
) -> Transaction {
    let update = json!({
        "$set": {
            "state": progress.state, "changed_at": progress.changed_at, "answered_by": by,
            "token": null, "keep_until": progress.changed_at + REMEMBERED,
        },
        "$unset": {"open_key": ""},
        "$inc": {"version": 1},
    });
    Transaction::new().update_one(&invitations::<G>(), as_read(invitation), update)
}

pub(crate) fn as_read<G: Inviting>(invitation: &Invitation<G>) -> Value {
    json!({"_id": invitation.id, "version": invitation.version})
}

/// Answers 409 or 429 where too many are invited: into the group, or by one within a day.
fn require_few<G: Inviting>((pending, today): (u64, u64)) -> Result<()> {
    let most = format!("invitations_per_{}", G::NOUN);
    let most = config::get_as(&most)?.unwrap_or(G::UNANSWERED);
    if pending >= most {
        let message = format!(
            "{most} invitations are unanswered, the most there may be; cancel some, or wait for answers"
        );
        return Err(Error::conflict(message));
    }
    let most = config::get_as("invitations_per_day")?.unwrap_or(G::PER_DAY);
    if today >= most {
        let message = format!("you have invited {most} people within a day; go on tomorrow");
        return Err(Error::rate_limited(message, 60 * 60));
    }
    Ok(())
}

/// Neither a member already, nor asked already, nor to be left alone.
async fn require_unasked<G: Inviting>(
    group: &G,
    key: &str,
    open_key: &str,
    to: &str,
    now: Time,
) -> Result<()> {
    let mut member = group.those(Who::Everybody);
    member["username"] = json!(to);
    if MEMBERSHIPS.find_one(member).await?.is_some() {
        let message = format!("they belong to the {} already", G::NOUN);
        return Err(Error::conflict(message));
    }
    let open = json!({"open_key": open_key, "expires_at": {"$gt": now}});
    if invitations::<G>().find_one(open).await?.is_some() {
        return Err(Error::conflict(
            "they are invited already; wait, or have it sent again",
        ));
    }
    let declined = declined(group, key, now);
    if invitations::<G>().find_one(declined).await?.is_some() {
        return Err(Error::conflict(
            "they have declined within the last 24 hours; ask again later, if at all",
        ));
    }
    Ok(())
}

fn pending<G: Inviting>(group: &G, now: Time) -> Value {
    json!({id_of::<G>(): group, "state": State::Pending, "expires_at": {"$gt": now}})
}

fn of_day(user: &str, now: Time) -> Value {
    json!({"invited_by": user, "created_at": {"$gt": now - DAY}})
}

fn declined<G: Inviting>(group: &G, key: &str, now: Time) -> Value {
    json!({
        id_of::<G>(): group, "to_key": key, "state": State::Declined,
        "changed_at": {"$gt": now - COOL_DOWN},
    })
}

// === impl Invitation ===

impl<G: Inviting> Invitation<G> {
    /// Into which group.
    pub fn group(&self) -> &G {
        &self.of.0
    }
}
