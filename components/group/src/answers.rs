//! Answering an invitation. Accepting makes the membership in the same commit.

use crate::events::{named, tell};
use crate::invitations::{Invitation, InvitationId, count, moved};
use crate::inviting::Inviting;
use crate::store::{MEMBERSHIPS, groups, invitations};
use crate::{Group, member_id, notices};
use membership::commit::{busy, committed, tries};
use membership::invitation::{Act, State};
use membership::secret;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::json;

/// An invitation of the caller's, with what its group is called: they are invited, or have its token. To everybody
/// else it is not there.
///
/// # Errors
/// When it is not there.
pub async fn get<G: Inviting>(
    caller: &Caller,
    id: &InvitationId,
    token: Option<&str>,
) -> Result<(Invitation<G>, String)> {
    let none = || Error::not_found("invitation");
    let invitation = invitations::<G>().get(id.as_str()).await?;
    let invitation = invitation.ok_or_else(none)?;
    let is = |user: &Option<String>| user.as_deref() == Some(&*caller.user);
    let has_token = || token.is_some_and(|token| secret::is(token, invitation.token.as_deref()));
    if !is(&invitation.invited) && !is(&invitation.answered_by) && !has_token() {
        return Err(none());
    }
    let group = groups::<G>().get(&invitation.group().to_string()).await?;
    Ok((invitation, group.ok_or_else(none)?.name))
}

/// Accepts an invitation, and answers into which group. Doing so again is doing nothing.
///
/// # Errors
/// When it is not the caller's, has ended, or there is no room.
pub async fn accept<G: Inviting>(
    caller: &Caller,
    id: &InvitationId,
    token: Option<&str>,
) -> Result<G> {
    for _ in tries() {
        let (invitation, _) = get::<G>(caller, id, token).await?;
        let (group, now) = (invitation.group(), time::now());
        let Some(progress) = invitation.progress.act(Act::Accept, now)? else {
            return Ok(group.clone());
        };
        require_stranger(group, caller).await?;
        let change = moved(&invitation, progress, Some(&caller.user));
        let change = answered(change, &invitation, caller, progress.state);
        let change = group.joins(change, &invitation, caller, now).await?;
        if committed(change.commit().await)? {
            count::<G>("accepted").await;
            return Ok(group.clone());
        }
    }
    Err(busy(G::NOUN))
}

async fn require_stranger<G: Group>(group: &G, caller: &Caller) -> Result<()> {
    let membership = member_id(group, &caller.user);
    match MEMBERSHIPS.get(&membership).await? {
        None => Ok(()),
        Some(_) => {
            let message = format!("you belong to the {} already", G::NOUN);
            Err(Error::conflict(message))
        }
    }
}

/// Declines an invitation. Doing so again is doing nothing.
///
/// # Errors
/// When it is not the caller's, or has ended otherwise.
pub async fn decline<G: Inviting>(
    caller: &Caller,
    id: &InvitationId,
    token: Option<&str>,
) -> Result<()> {
    for _ in tries() {
        let (invitation, _) = get::<G>(caller, id, token).await?;
        let Some(progress) = invitation.progress.act(Act::Decline, time::now())? else {
            return Ok(());
        };
        let change = moved(&invitation, progress, Some(&caller.user));
        let change = answered(change, &invitation, caller, progress.state);
        if committed(change.commit().await)? {
            count::<G>("declined").await;
            return Ok(());
        }
    }
    Err(busy(G::NOUN))
}

/// Tells whoever invited.
fn answered<G: Inviting>(
    change: Transaction,
    invitation: &Invitation<G>,
    by: &Caller,
    now: State,
) -> Transaction {
    let (kind, what) = match now {
        State::Accepted => ("invitation.accepted", "accepts"),
        _ => ("invitation.declined", "declines"),
    };
    let (group, inviter) = (invitation.group(), &invitation.invited_by);
    let data = json!({"invitation_id": invitation.id, "user_id": by.user});
    let change = tell(change, group, kind, data);
    let title = format!("{} {what} your invitation", invitation.to);
    let kind = named::<G>(kind);
    notices::about(group, inviter, kind, title, invitation.id.as_str()).told_by(change)
}
