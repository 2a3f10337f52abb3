//! Who may open an account, and invitations: for a tenant's administrators.

use crate::invitations::{self, Invitation, InvitationId, InvitationSort};
use crate::policy::{self, Registration, SecondFactor};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{By, Caller, Created, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is decided about accounts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountPolicy {
    /// Who may open one.
    registration: Registration,
    /// Whose sign-in has to take a second step; as it is, where nothing is said.
    #[serde(default)]
    second_factor: Option<SecondFactor>,
}

/// Who is invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountInvitationInput)]
pub(crate) struct InvitationInput {
    /// Nobody's who has an account.
    #[schema(format = Email, max_length = 254, example = "bob@example.org")]
    email: String,
}

/// An invitation, without its code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountInvitation)]
pub(crate) struct InvitationView {
    #[schema(inline)]
    id: InvitationId,
    /// Where it was sent.
    email: String,
    /// The administrator who sent it.
    invited_by: String,
    /// When.
    created_at: Time,
    /// Until when it is good.
    expires_at: Time,
}

/// Reads who may open an account, and whose sign-in has to take a second step.
#[operation(get "/api/v1/auth/policy", permission = "admin:users:read", answers = "Who may")]
pub(crate) async fn get_account_policy(_: By) -> Result<Json<AccountPolicy>> {
    let registration = policy::get().await?;
    Ok(Json(AccountPolicy {
        registration,
        second_factor: Some(policy::second_factor().await?),
    }))
}

/// Says who may open an account, everybody, whoever is invited, or nobody; and whose sign-in has to take a second step.
#[operation(
    put "/api/v1/auth/policy", permission = "admin:users:write", answers = "Who may now",
    refuses(conflict = "Somebody else decided at the same time")
)]
pub(crate) async fn set_account_policy(
    caller: Caller,
    Json(input): Json<AccountPolicy>,
) -> Result<Json<AccountPolicy>> {
    let second_factor = match input.second_factor {
        Some(second_factor) => second_factor,
        None => policy::second_factor().await?,
    };
    policy::set(&caller, input.registration, second_factor).await?;
    Ok(Json(AccountPolicy {
        second_factor: Some(second_factor),
        ..input
    }))
}

/// Invites somebody to open an account, by a mail with a code that is good for 7 days.
///
/// Sent again it has another code, and the one before is worth nothing.
#[operation(
    post "/api/v1/auth/invitations", permission = "admin:users:write",
    location = "The open invitations",
    refuses(conflict = "There is an account with this address")
)]
pub(crate) async fn invite_user(
    caller: Caller,
    Json(input): Json<InvitationInput>,
) -> Result<Created<InvitationView>> {
    let invitation = invitations::invite(&caller, &input.email).await?;
    Created::at(
        "/api/v1/auth/invitations",
        &InvitationView::from(invitation),
    )
}

/// Lists the open invitations.
#[operation(get "/api/v1/auth/invitations", permission = "admin:users:read")]
pub(crate) async fn list_account_invitations(
    _: By,
    listing: Listing<InvitationSort>,
) -> Result<Json<Page<InvitationView>>> {
    let page = invitations::list(&listing).await?;
    Ok(Json(page.map(InvitationView::from)))
}

/// Takes an invitation back.
#[operation(
    delete "/api/v1/auth/invitations/{id}", permission = "admin:users:write",
    answers = "Taken back; its code is worth nothing", refuses(not_found = "No open invitation")
)]
pub(crate) async fn cancel_account_invitation(
    caller: Caller,
    Path(id): Path<InvitationId>,
) -> Result<NoContent> {
    invitations::cancel(&caller, &id).await?;
    Ok(NoContent)
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}
