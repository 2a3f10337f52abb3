//! Invitations to open an account, by administrators. Whoever has the code that was mailed opens one with that
//! address, which is verified by it. Of the code only the digest is kept; sent again it is another one.

use crate::mailed;
use crate::registration::email_problem;
use crate::store::{INVITATIONS, USERS};
use crate::tokens;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::mail::{self, Message, Template};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::tasks::New;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, id, text};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

id!(pub(crate) InvitationId, "inv", "invitation");

/// The task that mails one.
pub(crate) const MAIL: &str = "mail-invitation";
/// How often it is tried again, over some days.
const RETRIES: u32 = 20;
/// How long one is good.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An invitation, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    #[serde(rename = "_id")]
    pub(crate) id: InvitationId,
    pub(crate) email: String,
    /// The address as addresses are compared: it is invited once at a time.
    email_key: String,
    /// Of the code that was mailed last, once it was.
    digest: Option<String>,
    pub(crate) invited_by: String,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
}

/// Which is to be mailed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    invitation_id: InvitationId,
}

/// What the list of invitations is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvitationSort {
    /// When they were sent.
    #[default]
    CreatedAt,
}

/// An invitation. An operator gives a tenant another one as `auth/invitation`; its values are `token` and `link`,
/// which may be empty.
const INVITATION: [Template; 2] = [
    Template::new(
        "en",
        "You are invited to open an account",
        "Hello,\n\n{% if link %}open an account here:\n\n{{ link }}\n{% else %}open an account with this code:\n\n{{ token }}\n{% endif %}\nThis is good for 7 days, and once.\n",
    ),
    Template::new(
        "de",
        "Sie sind eingeladen, ein Konto zu eröffnen",
        "Guten Tag,\n\n{% if link %}eröffnen Sie hier ein Konto:\n\n{{ link }}\n{% else %}eröffnen Sie ein Konto mit diesem Code:\n\n{{ token }}\n{% endif %}\nDas gilt 7 Tage und einmal.\n",
    ),
];

/// Invites somebody; the invitation there was is worth nothing any more.
pub(crate) async fn invite(by: &Caller, email: &str) -> Result<Invitation> {
    if let Some(problem) = email_problem(email) {
        return Err(Error::validation("email", problem));
    }
    let key = text::key(email);
    if USERS.find_one(json!({"email_key": key})).await?.is_some() {
        return Err(Error::conflict("there is an account with this address"));
    }
    let now = time::now();
    let invitation = Invitation {
        id: InvitationId::new(),
        email: email.to_owned(),
        email_key: key,
        digest: None,
        invited_by: by.user.to_string(),
        created_at: now,
        expires_at: now + GOOD_FOR,
    };
    let told = json!({"invitation_id": invitation.id, "by": by.user});
    let change = Transaction::new()
        .delete_many(&INVITATIONS, json!({"email_key": invitation.email_key}))
        .insert(&INVITATIONS, &invitation)
        .audit(invitation.id.as_str(), "invitation.sent", &told);
    match change.commit().await {
        Ok(_) => {}
        Err(DocumentsError::Duplicate(_)) => {
            let message = "this address was invited at the same time";
            return Err(Error::conflict(message));
        }
        Err(error) => return Err(error.into()),
    }
    let about = About {
        invitation_id: invitation.id.clone(),
    };
    New::of(MAIL, &about)?.retries(RETRIES).enqueue().await?;
    Ok(invitation)
}

/// Makes the code of an invitation and mails it.
pub(crate) async fn send(about: &About, task_id: &str) -> Result<()> {
    let Some(invitation) = INVITATIONS.get(about.invitation_id.as_str()).await? else {
        return Ok(());
    };
    let token = tokens::mail_token()?;
    // First, so that no mail has a code that is not kept.
    let set = json!({"$set": {"digest": tokens::digest(&token)}});
    INVITATIONS
        .update_one(json!({"_id": invitation.id}), set)
        .await?;
    let values = json!({"token": token, "link": mailed::link("register", &token)?});
    let message = Message::new(
        task_id,
        &invitation.email,
        "invitation",
        &INVITATION,
        values,
    );
    mail::send(&message).await
}

/// A page of those that are open.
pub(crate) async fn list(listing: &Listing<InvitationSort>) -> Result<Page<Invitation>> {
    INVITATIONS.find(json!({})).page(listing).await
}

/// Takes an invitation back.
pub(crate) async fn cancel(by: &Caller, id: &InvitationId) -> Result<()> {
    let told = json!({"invitation_id": id, "by": by.user});
    let change = Transaction::new()
        .delete_one(&INVITATIONS, json!({"_id": id}))
        .audit(id.as_str(), "invitation.cancelled", &told);
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("invitation")),
        Err(error) => Err(error.into()),
    }
}

/// The invitation with this code, if it is for this address.
pub(crate) async fn found(token: &str, email: &str) -> Result<Invitation> {
    let invitation = INVITATIONS
        .find_one(json!({"digest": tokens::digest(token)}))
        .await?;
    let is_good =
        |one: &Invitation| one.email_key == text::key(email) && time::now() < one.expires_at;
    invitation.filter(is_good).ok_or_else(mailed::unknown)
}

// === impl Invitation ===

impl Invitation {
    /// It is used with this change, which is not made where that has happened already.
    pub(crate) fn used(&self, change: Transaction) -> Transaction {
        change.delete_one(&INVITATIONS, json!({"_id": self.id, "digest": self.digest}))
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::GOOD_FOR;
    use crate::tests::{PASSWORD, app, login, mailed, register};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::json;

    const POLICY: &str = "/api/v1/auth/policy";
    const INVITATIONS: &str = "/api/v1/auth/invitations";

    fn decided(app: &App, registration: &str) {
        let policy = json!({"registration": registration});
        let root = app.signed_in("usr_root");
        root.put(POLICY, policy).assert_status(200);
        assert_eq!(root.get(POLICY)["registration"], registration);
    }

    fn open(app: &App, name: &str, email: &str, token: &str) -> Reply {
        let account =
            json!({"username": name, "email": email, "password": PASSWORD, "invitation": token});
        app.anonymous().post("/api/v1/auth/register", account)
    }

    fn invited(app: &App, email: &str) -> String {
        let invite = json!({"email": email});
        app.signed_in("usr_root")
            .post(INVITATIONS, invite)
            .assert_status(201);
        app.run_tasks();
        mailed(app, "invitation", email)
    }

    #[test]
    fn whoever_may_open_an_account_is_decided_by_administrators() {
        let app = app();
        register(&app, "ada").assert_status(201);
        decided(&app, "closed");
        register(&app, "bob").assert_refused(403, "FORBIDDEN");
        let token = invited(&app, "bob@example.com");
        open(&app, "bob", "bob@example.com", &token).assert_refused(403, "FORBIDDEN");
        decided(&app, "invited");
        register(&app, "bob").assert_refused(403, "FORBIDDEN");
        let made = open(&app, "bob", "BOB@example.com", &token).assert_status(201);
        assert_eq!(made["email_verified"], true);
        decided(&app, "open");
        register(&app, "eve").assert_status(201);
        let wrong = app
            .signed_in("usr_root")
            .put(POLICY, json!({"registration": "perhaps"}));
        wrong.assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn an_invitation_is_good_once_for_a_week_and_for_its_address() {
        let app = app();
        decided(&app, "invited");
        let token = invited(&app, "bob@example.com");
        for (email, token) in [
            ("eve@example.com", &*token),
            ("bob@example.com", "mt_x"),
            ("bob@example.com", ""),
        ] {
            open(&app, "bob", email, token).assert_refused(401, "TOKEN_INVALID");
        }
        // What is wrong with the account uses nothing up.
        open(&app, "b", "bob@example.com", &token).assert_refused(422, "VALIDATION_ERROR");
        let again = invited(&app, "bob@example.com");
        open(&app, "bob", "bob@example.com", &token).assert_refused(401, "TOKEN_INVALID");
        open(&app, "bob", "bob@example.com", &again).assert_status(201);
        open(&app, "bob2", "bob@example.com", &again).assert_refused(401, "TOKEN_INVALID");
        let known = json!({"email": "bob@example.com"});
        let root = app.signed_in("usr_root");
        root.post(INVITATIONS, known)
            .assert_refused(409, "CONFLICT");
        let late = invited(&app, "eve@example.com");
        app.advance(GOOD_FOR);
        open(&app, "eve", "eve@example.com", &late).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn an_invitation_is_taken_back() {
        let app = app();
        decided(&app, "invited");
        let token = invited(&app, "bob@example.com");
        let root = app.signed_in("usr_root");
        let open_ones = root.get(INVITATIONS).assert_status(200);
        assert!(!open_ones.body().to_string().contains(&token));
        let id = open_ones["items"][0]["id"].as_str().unwrap();
        let path = format!("{INVITATIONS}/{id}");
        root.delete(&path).assert_status(204);
        root.delete(&path).assert_refused(404, "NOT_FOUND");
        open(&app, "bob", "bob@example.com", &token).assert_refused(401, "TOKEN_INVALID");
        assert_eq!(root.get(INVITATIONS)["total"], 0);
        let tokens = login(&app, "bob", PASSWORD);
        tokens.assert_refused(401, "INVALID_CREDENTIALS");
    }
}
