//! Finding out who is invited, and telling them: users by their inbox, others by a mail with a link.
//!
//! The link has a token that works once, and only for a signed-in user who posts it: nothing that opens links
//! by itself accepts an invitation. Of the token only a digest is kept. Whoever has an account gets no token.

use crate::events::{id_of, named};
use crate::invitations::{Invitation, InvitationId, as_read};
use crate::inviting::Inviting;
use crate::store::{MEMBERSHIPS, groups, invitations};
use crate::{member_id, notices};
use membership::commit::committed;
use membership::invitation::{COOL_DOWN, State};
use membership::{invitee, secret};
use sbd_sdk::documents::Transaction;
use sbd_sdk::mail::{self, Message};
use sbd_sdk::tasks::New;
use sbd_sdk::{Error, Result, config, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The task that delivers.
const DELIVER: &str = "deliver-invitation";
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;

/// Which invitation, and the how manieth time it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    invitation_id: InvitationId,
    sent: u32,
}

/// Has an invitation delivered.
///
/// # Errors
/// When that cannot be enqueued.
pub async fn begin(about: &About) -> Result<()> {
    let once = format!("{}/{}", about.invitation_id, about.sent);
    let task = New::of(DELIVER, about)?.unique(once).retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Delivers an invitation, if it is to be accepted still: each time that it is sent once.
///
/// # Errors
/// When it is to be tried again.
pub async fn deliver<G: Inviting>(about: &About) -> Result<()> {
    let invitation = invitations::<G>().get(about.invitation_id.as_str()).await?;
    let Some(invitation) = invitation else {
        return Ok(());
    };
    let is_due = invitation.progress.now(time::now()) == State::Pending
        && invitation.progress.sent == about.sent
        && invitation.delivered < about.sent;
    let group = groups::<G>().get(&invitation.group().to_string()).await?;
    let Some(group) = group.filter(|_| is_due) else {
        return Ok(());
    };
    let delivered = match invitee::find(&invitation.to).await? {
        Some(user) => tell(&invitation, &user, &group.name).await?,
        None if invitation.to.contains('@') => write(&invitation, &group.name).await?,
        // Nobody is told, and nobody learns of it: it expires.
        None => noted(&invitation, json!({})),
    };
    match committed(delivered.commit().await)? {
        true => Ok(()),
        false => Err(again()),
    }
}

/// Notes that it is delivered, with this as well.
fn noted<G: Inviting>(invitation: &Invitation<G>, mut set: Value) -> Transaction {
    set["delivered"] = invitation.progress.sent.into();
    Transaction::new().update_one(
        &invitations::<G>(),
        as_read(invitation),
        json!({"$set": set, "$inc": {"version": 1}}),
    )
}

/// Tells a user, unless they belong to the group or are to be left alone.
async fn tell<G: Inviting>(
    invitation: &Invitation<G>,
    user: &str,
    name: &str,
) -> Result<Transaction> {
    let group = invitation.group();
    let belongs = MEMBERSHIPS.get(&member_id(group, user)).await?.is_some();
    if belongs || is_left_alone(invitation, user).await? {
        return Ok(noted(invitation, json!({})));
    }
    let change = noted(invitation, json!({"invited": user, "token": null}));
    let title = format!(
        "{} invites you into the {} {name}",
        invitation.inviter_name,
        G::NOUN
    );
    let unique = format!("{}/{}", invitation.id, invitation.progress.sent);
    let kind = named::<G>("invitation.received");
    let notice = notices::about(group, user, kind, title, unique)
        .link(format!("/{}/invitations/{}", G::PATH, invitation.id))
        .by_mail();
    Ok(notice.told_by(change))
}

/// Whether they have declined just now, by another name.
async fn is_left_alone<G: Inviting>(invitation: &Invitation<G>, user: &str) -> Result<bool> {
    let declined = json!({
        id_of::<G>(): invitation.group(), "answered_by": user, "state": State::Declined,
        "changed_at": {"$gt": time::now() - COOL_DOWN},
    });
    Ok(invitations::<G>().find_one(declined).await?.is_some())
}

/// Writes to somebody without an account. Another time another token: the one before is no good any more.
async fn write<G: Inviting>(invitation: &Invitation<G>, name: &str) -> Result<Transaction> {
    let token = secret::new()?;
    // First, so that no mail has a token that is not kept.
    let change = Transaction::new().update_one(
        &invitations::<G>(),
        as_read(invitation),
        json!({"$set": {"token": secret::digest(&token)}, "$inc": {"version": 1}}),
    );
    if !committed(change.commit().await)? {
        return Err(again());
    }
    let code = format!("{}.{token}", invitation.id);
    let values = json!({
        G::NOUN: name, "inviter": invitation.inviter_name, "link": page(&code)?.unwrap_or_default(),
        "code": code,
    });
    let id = format!("{}/{}", invitation.id, invitation.progress.sent);
    let mail = Message::new(id, &invitation.to, "invitation", &G::MAIL, values);
    // Now, and not by a task: what tasks are about is kept, and the token is not.
    mail::send(&mail).await?;
    let kept = Invitation {
        version: invitation.version + 1,
        ..invitation.clone()
    };
    Ok(noted(&kept, json!({})))
}

/// Where a code is typed in by itself, if the variable `invitation_page` says where.
///
/// # Errors
/// When the variable cannot be read.
pub fn page(code: &str) -> Result<Option<String>> {
    let page = config::get("invitation_page")?.filter(|page| !page.is_empty());
    // In the fragment, which no server sees.
    Ok(page.map(|page| format!("{page}#{code}")))
}

fn again() -> Error {
    Error::overloaded(
        "it changed while it was delivered; it is delivered again",
        1,
    )
}
