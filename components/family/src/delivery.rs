//! Finding out who is invited, and telling them: users by their inbox, others by a mail with a link.
//!
//! The link has a token that works once, and only for a signed-in user who posts it: nothing that opens links
//! by itself accepts an invitation. Of the token only a digest is kept. Whoever has an account gets no token.

use crate::commit::committed;
use crate::invitations::{Invitation, InvitationId, as_read};
use crate::model::membership_id;
use crate::store::{FAMILIES, INVITATIONS, MEMBERSHIPS};
use group::notices;
use membership::invitation::{COOL_DOWN, State};
use membership::{invitee, secret};
use sbd_sdk::documents::Transaction;
use sbd_sdk::mail::{self, Message, Template};
use sbd_sdk::tasks::New;
use sbd_sdk::{Error, Result, config, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The task that delivers.
pub(crate) const DELIVER: &str = "deliver-invitation";
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;

/// Which invitation, and the how manieth time it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) invitation_id: InvitationId,
    pub(crate) sent: u32,
}

/// An invitation. An operator gives a tenant another one as `family/invitation`; its values are `family`,
/// `inviter`, `code` and `link`, which may be empty.
const INVITATION: [Template; 2] = [
    Template::with_html(
        "en",
        "{{ inviter }} invites you into a family",
        "Hello,\n\n{{ inviter }} invites you into the family \"{{ family }}\".\n\n{% if link %}Sign in, or open an account, and accept or decline here:\n\n{{ link }}\n{% else %}Sign in, or open an account, and accept or decline with this code:\n\n{{ code }}\n{% endif %}\nThis is good for 7 days. If you do not know {{ inviter }}, ignore it.\n",
        "<p>Hello,</p><p>{{ inviter }} invites you into the family <strong>{{ family }}</strong>.</p>{% if link %}<p>Sign in, or open an account, and accept or decline here: <a href=\"{{ link }}\">{{ link }}</a></p>{% else %}<p>Sign in, or open an account, and accept or decline with this code: <code>{{ code }}</code></p>{% endif %}<p>This is good for 7 days. If you do not know {{ inviter }}, ignore it.</p>",
    ),
    Template::with_html(
        "de",
        "{{ inviter }} lädt Sie in eine Familie ein",
        "Guten Tag,\n\n{{ inviter }} lädt Sie in die Familie \"{{ family }}\" ein.\n\n{% if link %}Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie hier an oder lehnen Sie ab:\n\n{{ link }}\n{% else %}Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie mit diesem Code an oder lehnen Sie ab:\n\n{{ code }}\n{% endif %}\nDas gilt 7 Tage. Wenn Sie {{ inviter }} nicht kennen, tun Sie nichts.\n",
        "<p>Guten Tag,</p><p>{{ inviter }} lädt Sie in die Familie <strong>{{ family }}</strong> ein.</p>{% if link %}<p>Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie hier an oder lehnen Sie ab: <a href=\"{{ link }}\">{{ link }}</a></p>{% else %}<p>Melden Sie sich an, oder eröffnen Sie ein Konto, und nehmen Sie mit diesem Code an oder lehnen Sie ab: <code>{{ code }}</code></p>{% endif %}<p>Das gilt 7 Tage. Wenn Sie {{ inviter }} nicht kennen, tun Sie nichts.</p>",
    ),
];

/// Has an invitation delivered.
pub(crate) async fn begin(about: &About) -> Result<()> {
    let once = format!("{}/{}", about.invitation_id, about.sent);
    let task = New::of(DELIVER, about)?.unique(once).retries(RETRIES);
    task.enqueue().await.map(drop)
}

/// Delivers an invitation, if it is to be accepted still: each time that it is sent once.
pub(crate) async fn deliver(about: &About) -> Result<()> {
    let Some(invitation) = INVITATIONS.get(about.invitation_id.as_str()).await? else {
        return Ok(());
    };
    let is_due = invitation.progress.now(time::now()) == State::Pending
        && invitation.progress.sent == about.sent
        && invitation.delivered < about.sent;
    let family = FAMILIES.get(invitation.family_id.as_str()).await?;
    let Some(family) = family.filter(|_| is_due) else {
        return Ok(());
    };
    let delivered = match invitee::find(&invitation.to).await? {
        Some(user) => tell(&invitation, &user, &family.name).await?,
        None if invitation.to.contains('@') => write(&invitation, &family.name).await?,
        // Nobody is told, and nobody learns of it: it expires.
        None => noted(&invitation, json!({})),
    };
    match committed(delivered.commit().await)? {
        true => Ok(()),
        false => Err(again()),
    }
}

/// Notes that it is delivered, with this as well.
fn noted(invitation: &Invitation, mut set: Value) -> Transaction {
    set["delivered"] = invitation.progress.sent.into();
    Transaction::new().update_one(
        &INVITATIONS,
        as_read(invitation),
        json!({"$set": set, "$inc": {"version": 1}}),
    )
}

/// Tells a user, unless they belong to the family or are to be left alone.
async fn tell(invitation: &Invitation, user: &str, family: &str) -> Result<Transaction> {
    let membership = membership_id(&invitation.family_id, user);
    if MEMBERSHIPS.get(&membership).await?.is_some() || is_left_alone(invitation, user).await? {
        return Ok(noted(invitation, json!({})));
    }
    let change = noted(invitation, json!({"invited": user, "token": null}));
    let title = format!(
        "{} invites you into the family {family}",
        invitation.inviter_name
    );
    let unique = format!("{}/{}", invitation.id, invitation.progress.sent);
    let kind = "family.invitation.received";
    let notice = notices::about(&invitation.family_id, user, kind, title, unique)
        .link(format!("/families/invitations/{}", invitation.id))
        .by_mail();
    Ok(notice.told_by(change))
}

/// Whether they have declined just now, by another name.
async fn is_left_alone(invitation: &Invitation, user: &str) -> Result<bool> {
    let declined = json!({
        "family_id": invitation.family_id, "answered_by": user, "state": State::Declined,
        "changed_at": {"$gt": time::now() - COOL_DOWN},
    });
    Ok(INVITATIONS.find_one(declined).await?.is_some())
}

/// Writes to somebody without an account. Another time another token: the one before is no good any more.
async fn write(invitation: &Invitation, family: &str) -> Result<Transaction> {
    let token = secret::new()?;
    // First, so that no mail has a token that is not kept.
    let change = Transaction::new().update_one(
        &INVITATIONS,
        as_read(invitation),
        json!({"$set": {"token": secret::digest(&token)}, "$inc": {"version": 1}}),
    );
    if !committed(change.commit().await)? {
        return Err(again());
    }
    let code = format!("{}.{token}", invitation.id);
    // In the fragment, which no server sees.
    let page = config::get("invitation_page")?.filter(|page| !page.is_empty());
    let link = page
        .map(|page| format!("{page}#{code}"))
        .unwrap_or_default();
    let values = json!({
        "family": family, "inviter": invitation.inviter_name, "code": code, "link": link,
    });
    let id = format!("{}/{}", invitation.id, invitation.progress.sent);
    let mail = Message::new(id, &invitation.to, "invitation", &INVITATION, values);
    // Now, and not by a task: what tasks are about is kept, and the token is not.
    mail::send(&mail).await?;
    let kept = Invitation {
        version: invitation.version + 1,
        ..invitation.clone()
    };
    Ok(noted(&kept, json!({})))
}

/// Whether this is the token that was sent.
pub(crate) fn is_token(invitation: &Invitation, token: &str) -> bool {
    secret::is(token, invitation.token.as_deref())
}

fn again() -> Error {
    Error::overloaded(
        "it changed while it was delivered; it is delivered again",
        1,
    )
}
