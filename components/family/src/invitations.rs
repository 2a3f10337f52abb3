//! Inviting somebody into a family, and taking that back.
//!
//! Whoever is invited is named by a username or an e-mail address, and found later (`delivery`): who invites
//! learns nothing of whether there is such an account, and waits for nothing.

use crate::commit::{busy, committed, still_admin, tries};
use crate::deletion;
use crate::events::Happened;
use crate::kinship::Kinship;
use crate::model::{Family, FamilyId, require_admin};
use crate::store::{self, INVITATIONS, MEMBERSHIPS};
use membership::invitation::{Act, COOL_DOWN, Progress, State};
use membership::invitee;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, config, id, metrics, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

id!(pub(crate) InvitationId, "inv", "invitation");

/// How many members a family has at most, unless the variable `members_per_family` says otherwise. The reference
/// allows 5, which people find too few.
const MEMBERS: u64 = 10_000;
/// How many invitations a family has that nobody has answered, unless the variable `invitations_per_family` says
/// otherwise.
const PENDING: u64 = 200;
/// How many people one user invites within 24 hours, unless the variable `invitations_per_day` says otherwise.
/// The reference allows 10 in an hour.
const PER_DAY: u64 = 100;
/// How long an invitation is remembered after its end.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An invitation, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    #[serde(rename = "_id")]
    pub(crate) id: InvitationId,
    pub(crate) family_id: FamilyId,
    pub(crate) invited_by: String,
    pub(crate) inviter_name: String,
    /// A username, or an e-mail address: as it was written, and as it is compared.
    pub(crate) to: String,
    pub(crate) to_key: String,
    /// What the inviter and the invited are to each other once they are in one family.
    pub(crate) kinship: Option<[Kinship; 2]>,
    #[serde(flatten)]
    pub(crate) progress: Progress,
    /// Who is invited, if that is known. Whoever invites does not see it.
    pub(crate) invited: Option<String>,
    /// How many of the times that it was sent it was delivered, or found not to be deliverable.
    pub(crate) delivered: u32,
    /// The digest of the token in a mail, to whom no account belongs.
    pub(crate) token: Option<String>,
    /// Who has accepted, or declined.
    pub(crate) answered_by: Option<String>,
    /// The family and whoever is invited, as long as nobody has answered: nobody is invited twice at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_key: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) keep_until: Time,
    pub(crate) version: u64,
}

/// Who is to be invited, checked.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) to: String,
    pub(crate) kinship: Option<[Kinship; 2]>,
}

/// What lists of invitations are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvitationSort {
    /// When they were made.
    #[default]
    CreatedAt,
}

/// Which invitations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InvitationFilter {
    /// Only those in this state.
    #[param(inline)]
    state: Option<State>,
}

impl Sort for InvitationSort {
    const ITEMS: &'static str = "invitations";
    const ORDER: sbd_sdk::paging::Order = sbd_sdk::paging::Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
        }
    }
}

// === impl Wish ===

impl Wish {
    /// Checks what somebody wrote: whom they want to invite, what they are to them, and they to them.
    pub(crate) fn check(
        to: &str,
        relationship: Option<Kinship>,
        reciprocal: Option<Kinship>,
    ) -> Result<Self> {
        invitee::check(to)?;
        let kinship = match (relationship, reciprocal) {
            (Some(is), other) => Some([is, is.other(other)?]),
            (None, None) => None,
            (None, Some(_)) => {
                let message = "say what you are to whoever is invited";
                return Err(Error::validation("relationship", message));
            }
        };
        Ok(Self {
            to: to.to_owned(),
            kinship,
        })
    }
}

/// Invites somebody; administrators do.
pub(crate) async fn invite(
    family_id: &FamilyId,
    caller: &Caller,
    wish: &Wish,
) -> Result<Invitation> {
    let key = text::key(&wish.to);
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        require_admin(&own)?;
        deletion::require_open(&family)?;
        require_room(&family)?;
        let now = time::now();
        let open_key = format!("{family_id}/{key}");
        require_unasked(&family, &key, &open_key, &wish.to, now).await?;
        let (pending, today) = (pending(family_id, now), of_day(&caller.user, now));
        let most = (
            limit("invitations_per_family", PENDING)?,
            limit("invitations_per_day", PER_DAY)?,
        );
        let counts = (
            INVITATIONS.count(pending.clone()).await?,
            INVITATIONS.count(today.clone()).await?,
        );
        if counts.0 >= most.0 {
            let message = format!(
                "{} invitations are unanswered, the most there may be; cancel some, or wait for answers",
                most.0
            );
            return Err(Error::conflict(message));
        }
        if counts.1 >= most.1 {
            let message = format!(
                "you have invited {} people within a day; go on tomorrow",
                most.1
            );
            return Err(Error::rate_limited(message, 60 * 60));
        }
        let invitation = Invitation {
            id: InvitationId::new(),
            family_id: family_id.clone(),
            invited_by: caller.user.to_string(),
            inviter_name: own.username,
            to: wish.to.clone(),
            to_key: key.clone(),
            kinship: wish.kinship,
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
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1)
            .check(&INVITATIONS, pending, counts.0)
            .check(&INVITATIONS, today, counts.1)
            .check(&INVITATIONS, declined(family_id, &key, now), 0)
            .update_many(&INVITATIONS, expired, json!({"$unset": {"open_key": ""}}))
            .insert(&INVITATIONS, &invitation);
        if committed(sent(change, &invitation).commit().await)? {
            counted("sent").await;
            return Ok(invitation);
        }
    }
    Err(busy())
}

/// Has an invitation sent once it is stored.
fn sent(change: Transaction, invitation: &Invitation) -> Transaction {
    let sent = Happened::InvitationSent {
        family_id: &invitation.family_id,
        invitation_id: &invitation.id,
        sent_by: &invitation.invited_by,
        sent: invitation.progress.sent,
    };
    sent.told_by(change)
}

/// Takes an invitation back; administrators do.
pub(crate) async fn cancel(family_id: &FamilyId, caller: &Caller, id: &InvitationId) -> Result<()> {
    for _ in tries() {
        let invitation = of_family(family_id, caller, id).await?;
        let Some(progress) = invitation.progress.act(Act::Cancel, time::now())? else {
            return Ok(());
        };
        let change = moved(&invitation, progress, None).check(
            &MEMBERSHIPS,
            still_admin(family_id, &caller.user),
            1,
        );
        let cancelled = Happened::InvitationCancelled {
            family_id,
            invitation_id: id,
            cancelled_by: &caller.user,
        };
        if committed(cancelled.told_by(change).commit().await)? {
            counted("cancelled").await;
            return Ok(());
        }
    }
    Err(busy())
}

/// Counts what has become of an invitation. That one has expired nobody writes down, so it is not counted.
pub(crate) async fn counted(outcome: &str) {
    metrics::count("family_invitations_total", &[("outcome", outcome)]).await;
}

/// Sends an invitation again, and gives it its time anew; administrators do.
pub(crate) async fn resend(
    family_id: &FamilyId,
    caller: &Caller,
    id: &InvitationId,
) -> Result<Invitation> {
    for _ in tries() {
        let invitation = of_family(family_id, caller, id).await?;
        let now = time::now();
        let Some(progress) = invitation.progress.act(Act::Resend, now)? else {
            return Ok(invitation);
        };
        let open_key = format!("{family_id}/{}", invitation.to_key);
        let others = json!({
            "open_key": open_key, "expires_at": {"$lte": now}, "_id": {"$ne": id},
        });
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1)
            .update_many(&INVITATIONS, others, json!({"$unset": {"open_key": ""}}))
            // Whoever sends it again answers for it from now on.
            .update_one(
                &INVITATIONS,
                as_read(&invitation),
                json!({
                    "$set": {
                        "expires_at": progress.expires_at, "sent": progress.sent,
                        "sent_at": progress.sent_at, "open_key": open_key,
                        "keep_until": now + REMEMBERED,
                    },
                    "$inc": {"version": 1},
                }),
            );
        let again = Invitation {
            progress,
            version: invitation.version + 1,
            ..invitation
        };
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
    Err(busy())
}

/// An invitation of the caller's family; administrators see it.
pub(crate) async fn of_family(
    family_id: &FamilyId,
    caller: &Caller,
    id: &InvitationId,
) -> Result<Invitation> {
    require_admin(&store::membership(family_id, caller).await?)?;
    let found = INVITATIONS.get(id.as_str()).await?;
    let found = found.filter(|found| found.family_id == *family_id);
    found.ok_or_else(|| Error::not_found("invitation"))
}

/// A page of a family's invitations; administrators see them.
pub(crate) async fn sent_by_family(
    family_id: &FamilyId,
    caller: &Caller,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation>> {
    require_admin(&store::membership(family_id, caller).await?)?;
    page(json!({"family_id": family_id}), listing).await
}

/// A page of the invitations that somebody has received.
pub(crate) async fn received(
    caller: &Caller,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation>> {
    page(json!({"invited": caller.user}), listing).await
}

async fn page(
    mut filter: Value,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation>> {
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
    INVITATIONS.find(filter).page(listing).await
}

/// Has an invitation be where it is now, as it was read before.
pub(crate) fn moved(invitation: &Invitation, progress: Progress, by: Option<&str>) -> Transaction {
    let update = json!({
        "$set": {
            "state": progress.state, "changed_at": progress.changed_at, "answered_by": by,
            "token": null, "keep_until": progress.changed_at + REMEMBERED,
        },
        "$unset": {"open_key": ""},
        "$inc": {"version": 1},
    });
    Transaction::new().update_one(&INVITATIONS, as_read(invitation), update)
}

pub(crate) fn as_read(invitation: &Invitation) -> Value {
    json!({"_id": invitation.id, "version": invitation.version})
}

/// How many members a family may have.
pub(crate) fn members_limit() -> Result<u64> {
    limit("members_per_family", MEMBERS)
}

fn limit(name: &str, usually: u64) -> Result<u64> {
    Ok(config::get_as(name)?.unwrap_or(usually))
}

/// Answers 409 where a family has as many members as it may.
pub(crate) fn require_room(family: &Family) -> Result<()> {
    let most = members_limit()?;
    if family.member_count < most {
        return Ok(());
    }
    let message = format!("the family has {most} members, the most there may be");
    Err(Error::conflict(message))
}

/// Neither a member already, nor asked already, nor to be left alone.
async fn require_unasked(
    family: &Family,
    key: &str,
    open_key: &str,
    to: &str,
    now: Time,
) -> Result<()> {
    let member = json!({"family_id": family.id, "username": to});
    if MEMBERSHIPS.find_one(member).await?.is_some() {
        return Err(Error::conflict("they belong to the family already"));
    }
    let open = json!({"open_key": open_key, "expires_at": {"$gt": now}});
    if let Some(open) = INVITATIONS.find_one(open).await? {
        let message = format!(
            "they are invited already, by {}; wait, or have it sent again",
            open.id
        );
        return Err(Error::conflict(message));
    }
    if INVITATIONS
        .find_one(declined(&family.id, key, now))
        .await?
        .is_some()
    {
        return Err(Error::conflict(
            "they have declined within the last 24 hours; ask again later, if at all",
        ));
    }
    Ok(())
}

fn pending(family_id: &FamilyId, now: Time) -> Value {
    json!({"family_id": family_id, "state": State::Pending, "expires_at": {"$gt": now}})
}

fn of_day(user: &str, now: Time) -> Value {
    json!({"invited_by": user, "created_at": {"$gt": now - DAY}})
}

fn declined(family_id: &FamilyId, key: &str, now: Time) -> Value {
    json!({
        "family_id": family_id, "to_key": key, "state": State::Declined,
        "changed_at": {"$gt": now - COOL_DOWN},
    })
}
