//! Invitations, as they are answered; and what is the same of all routes for them.

use crate::invitations::{Invitation, InvitationId};
use crate::inviting::Inviting;
use crate::store::groups;
use membership::invitation::State;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

/// How many are invited at once at most.
const BULK: usize = 50;

/// An invitation, as whoever looks after it sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentInvitation)]
pub struct SentView {
    #[schema(inline)]
    id: InvitationId,
    /// Whom it is for, as whoever invited wrote it.
    to: String,
    /// The user who invited, or has sent it last.
    invited_by: String,
    state: State,
    /// How often it was sent.
    sent: u32,
    /// The user who has answered.
    answered_by: Option<String>,
    /// When it was made.
    created_at: Time,
    /// Until when it can be accepted.
    expires_at: Time,
}

/// An invitation, as whoever is invited sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReceivedInvitation)]
pub struct ReceivedView {
    #[schema(inline)]
    id: InvitationId,
    /// The user who invites.
    invited_by: String,
    /// That user's name.
    inviter_name: String,
    state: State,
    /// When it was made.
    created_at: Time,
    /// Until when it can be accepted.
    expires_at: Time,
}

/// How an invitation that came by mail is answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InvitationAnswer)]
pub struct AnswerInput {
    /// What stands after the dot in the mail's link or code; of use once. None where the invitation is in the
    /// caller's inbox.
    #[serde(default)]
    #[schema(max_length = 100)]
    token: Option<String>,
}

/// Why somebody is not invited.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvitationRefusal)]
pub struct RefusalView {
    code: String,
    message: String,
}

/// Answers 422 where nobody is to be invited at once, or too many are.
///
/// # Errors
/// `VALIDATION_ERROR` of the field `invitations`.
pub fn require_some(many: usize) -> Result<()> {
    match (1..=BULK).contains(&many) {
        true => Ok(()),
        false => {
            let message = format!("1 to {BULK} at once");
            Err(Error::validation("invitations", message))
        }
    }
}

/// A page of invitations with what their groups are called; nothing of those that are gone.
///
/// # Errors
/// When they cannot be read.
pub async fn with_names<G: Inviting, V>(
    page: Page<Invitation<G>>,
    view: impl Fn(Invitation<G>, Option<String>) -> V,
) -> Result<Page<V>> {
    let ids: Vec<_> = page.items.iter().map(Invitation::group).collect();
    let found = groups::<G>().find(json!({"_id": {"$in": ids}}));
    let found = found.limit(page.per_page).fetch().await?.documents;
    let names: HashMap<_, _> = found
        .into_iter()
        .map(|group| (group.id.to_string(), group.name))
        .collect();
    Ok(page.map(|invitation| {
        let name = names.get(&invitation.group().to_string()).cloned();
        view(invitation, name)
    }))
}

// === impl AnswerInput ===

impl AnswerInput {
    /// The token, if it can be one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it cannot.
    pub fn token(&self) -> Result<Option<&str>> {
        match &self.token {
            Some(token) if token.chars().count() > 100 => {
                Err(Error::validation("token", "at most 100 characters"))
            }
            token => Ok(token.as_deref()),
        }
    }
}

impl From<Error> for RefusalView {
    fn from(error: Error) -> Self {
        let detail = error.details().first();
        Self {
            code: error.code().to_owned(),
            message: match detail {
                Some(detail) => format!("{}: {}", detail.field, detail.message),
                None => error.message().to_owned(),
            },
        }
    }
}

impl<G: Inviting> From<&Invitation<G>> for SentView {
    fn from(invitation: &Invitation<G>) -> Self {
        Self {
            id: invitation.id.clone(),
            to: invitation.to.clone(),
            invited_by: invitation.invited_by.clone(),
            state: invitation.progress.now(time::now()),
            sent: invitation.progress.sent,
            answered_by: invitation.answered_by.clone(),
            created_at: invitation.created_at,
            expires_at: invitation.progress.expires_at,
        }
    }
}

impl<G: Inviting> From<&Invitation<G>> for ReceivedView {
    fn from(invitation: &Invitation<G>) -> Self {
        Self {
            id: invitation.id.clone(),
            invited_by: invitation.invited_by.clone(),
            inviter_name: invitation.inviter_name.clone(),
            state: invitation.progress.now(time::now()),
            created_at: invitation.created_at,
            expires_at: invitation.progress.expires_at,
        }
    }
}
