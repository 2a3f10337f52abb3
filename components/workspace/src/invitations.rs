//! Inviting somebody into a workspace, and taking that back.
//!
//! Whoever is invited is named by a username or an e-mail address, and found later (`delivery`): who invites
//! learns nothing of whether there is such an account, and waits for nothing.

use crate::commit::{busy, committed, still_is, tries};
use crate::events::tell;
use crate::inviting::{self, looks_after, require_room};
use crate::model::{Membership, WorkspaceId};
use crate::permissions::{Permission, Role};
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

/// How many invitations a workspace has that nobody has answered, unless the variable
/// `invitations_per_workspace` says otherwise.
const PENDING: u64 = 1000;
/// How many people one user invites within 24 hours, unless the variable `invitations_per_day` says otherwise.
const PER_DAY: u64 = 200;
/// How long an invitation is remembered after its end.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An invitation, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    #[serde(rename = "_id")]
    pub(crate) id: InvitationId,
    pub(crate) workspace_id: WorkspaceId,
    /// Who answers for it: whoever made it, or has sent it last.
    pub(crate) invited_by: String,
    pub(crate) inviter_name: String,
    /// A username, or an e-mail address: as it was written, and as it is compared.
    pub(crate) to: String,
    pub(crate) to_key: String,
    /// What the invited are to be.
    pub(crate) role: Role,
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
    /// The workspace and whoever is invited, as long as nobody has answered: nobody is invited twice at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open_key: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) keep_until: Time,
    pub(crate) version: u64,
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

/// Invites somebody, as this or as what newcomers are.
pub(crate) async fn invite(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    to: &str,
    role: Option<&Role>,
) -> Result<Invitation> {
    invitee::check(to)?;
    let key = text::key(to);
    for _ in tries() {
        let inviting = inviting::require(workspace_id, caller, role).await?;
        require_room(&inviting.workspace)?;
        let now = time::now();
        let open_key = format!("{workspace_id}/{key}");
        require_unasked(workspace_id, &key, &open_key, to, now).await?;
        let (pending, today) = (pending(workspace_id, now), of_day(&caller.user, now));
        let counts = (
            INVITATIONS.count(pending.clone()).await?,
            INVITATIONS.count(today.clone()).await?,
        );
        require_few(counts)?;
        let invitation = Invitation {
            id: InvitationId::new(),
            workspace_id: workspace_id.clone(),
            invited_by: caller.user.to_string(),
            inviter_name: inviting.own.username.clone(),
            to: to.to_owned(),
            to_key: key.clone(),
            role: inviting.given.role.clone(),
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
        let change = inviting
            .checked(Transaction::new())
            .check(&INVITATIONS, pending, counts.0)
            .check(&INVITATIONS, today, counts.1)
            .check(&INVITATIONS, declined(workspace_id, &key, now), 0)
            .update_many(&INVITATIONS, expired, json!({"$unset": {"open_key": ""}}))
            .insert(&INVITATIONS, &invitation);
        if committed(sent(change, &invitation).commit().await)? {
            count("sent").await;
            return Ok(invitation);
        }
    }
    Err(busy())
}

/// Has an invitation sent once it is stored.
fn sent(change: Transaction, invitation: &Invitation) -> Transaction {
    let data = json!({
        "invitation_id": invitation.id, "role": invitation.role, "sent_by": invitation.invited_by,
        "sent": invitation.progress.sent,
    });
    let kind = "workspace.invitation.sent";
    tell(change, &invitation.workspace_id, kind, data)
}

/// Takes an invitation back; whoever has sent it does, and those with the permission `invite`.
pub(crate) async fn cancel(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &InvitationId,
) -> Result<()> {
    for _ in tries() {
        let (invitation, own) = of_workspace(workspace_id, caller, id).await?;
        let Some(progress) = invitation.progress.act(Act::Cancel, time::now())? else {
            return Ok(());
        };
        let change = moved(&invitation, progress, None).check(&MEMBERSHIPS, still_is(&own), 1);
        let data = json!({"invitation_id": id, "cancelled_by": caller.user});
        let change = tell(change, workspace_id, "workspace.invitation.cancelled", data);
        if committed(change.commit().await)? {
            count("cancelled").await;
            return Ok(());
        }
    }
    Err(busy())
}

/// Counts what has become of an invitation. That one has expired nobody writes down, so it is not counted.
pub(crate) async fn count(outcome: &str) {
    metrics::count("workspace_invitations_total", &[("outcome", outcome)]).await;
}

/// Sends an invitation again, and gives it its time anew. Whoever does so answers for it from now on.
pub(crate) async fn resend(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &InvitationId,
) -> Result<Invitation> {
    for _ in tries() {
        let (invitation, _) = of_workspace(workspace_id, caller, id).await?;
        let inviting = inviting::require(workspace_id, caller, Some(&invitation.role)).await?;
        let now = time::now();
        let Some(progress) = invitation.progress.act(Act::Resend, now)? else {
            return Ok(invitation);
        };
        let open_key = format!("{workspace_id}/{}", invitation.to_key);
        let others = json!({
            "open_key": open_key, "expires_at": {"$lte": now}, "_id": {"$ne": id},
        });
        let again = Invitation {
            progress,
            invited_by: caller.user.to_string(),
            inviter_name: inviting.own.username.clone(),
            version: invitation.version + 1,
            ..invitation.clone()
        };
        let set = json!({
            "expires_at": progress.expires_at, "sent": progress.sent, "sent_at": progress.sent_at,
            "invited_by": again.invited_by, "inviter_name": again.inviter_name,
            "open_key": open_key, "keep_until": now + REMEMBERED,
        });
        let change = inviting
            .checked(Transaction::new())
            .update_many(&INVITATIONS, others, json!({"$unset": {"open_key": ""}}))
            .update_one(
                &INVITATIONS,
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
    Err(busy())
}

/// An invitation that the caller looks after, with their membership.
pub(crate) async fn of_workspace(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &InvitationId,
) -> Result<(Invitation, Membership)> {
    let own = store::membership(workspace_id, caller).await?;
    let found = INVITATIONS.get(id.as_str()).await?;
    let found = found.filter(|found| {
        found.workspace_id == *workspace_id && looks_after(&own, &found.invited_by)
    });
    Ok((found.ok_or_else(|| Error::not_found("invitation"))?, own))
}

/// A page of a workspace's invitations: all, for those with the permission `invite`; else the caller's.
pub(crate) async fn sent_by(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    listing: &Listing<InvitationSort, InvitationFilter>,
) -> Result<Page<Invitation>> {
    let own = store::membership(workspace_id, caller).await?;
    let mut filter = json!({"workspace_id": workspace_id});
    if !own.may(Permission::Invite) {
        filter["invited_by"] = json!(caller.user);
    }
    page(filter, listing).await
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

/// Answers 409 or 429 where too many are invited: into the workspace, or by one within a day.
fn require_few((pending, today): (u64, u64)) -> Result<()> {
    let most = config::get_as("invitations_per_workspace")?.unwrap_or(PENDING);
    if pending >= most {
        let message = format!(
            "{most} invitations are unanswered, the most there may be; cancel some, or wait for answers"
        );
        return Err(Error::conflict(message));
    }
    let most = config::get_as("invitations_per_day")?.unwrap_or(PER_DAY);
    if today >= most {
        let message = format!("you have invited {most} people within a day; go on tomorrow");
        return Err(Error::rate_limited(message, 60 * 60));
    }
    Ok(())
}

/// Neither a member already, nor asked already, nor to be left alone.
async fn require_unasked(
    workspace_id: &WorkspaceId,
    key: &str,
    open_key: &str,
    to: &str,
    now: Time,
) -> Result<()> {
    let member = json!({"workspace_id": workspace_id, "username": to});
    if MEMBERSHIPS.find_one(member).await?.is_some() {
        return Err(Error::conflict("they belong to the workspace already"));
    }
    let open = json!({"open_key": open_key, "expires_at": {"$gt": now}});
    if INVITATIONS.find_one(open).await?.is_some() {
        return Err(Error::conflict(
            "they are invited already; wait, or have it sent again",
        ));
    }
    if INVITATIONS
        .find_one(declined(workspace_id, key, now))
        .await?
        .is_some()
    {
        return Err(Error::conflict(
            "they have declined within the last 24 hours; ask again later, if at all",
        ));
    }
    Ok(())
}

fn pending(workspace_id: &WorkspaceId, now: Time) -> Value {
    json!({"workspace_id": workspace_id, "state": State::Pending, "expires_at": {"$gt": now}})
}

fn of_day(user: &str, now: Time) -> Value {
    json!({"invited_by": user, "created_at": {"$gt": now - DAY}})
}

fn declined(workspace_id: &WorkspaceId, key: &str, now: Time) -> Value {
    json!({
        "workspace_id": workspace_id, "to_key": key, "state": State::Declined,
        "changed_at": {"$gt": now - COOL_DOWN},
    })
}
