//! `/api/v1/workspaces/{id}/invitations`, and those received: `/api/v1/workspaces/invitations`.

use super::workspaces::WorkspaceView;
use crate::answers;
use crate::invitations::{self, Invitation, InvitationFilter, InvitationId, InvitationSort};
use crate::model::WorkspaceId;
use crate::permissions::Role;
use crate::store::WORKSPACES;
use membership::invitation::State;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Created, Error, Json, Listing, NoContent, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

/// How many are invited at once at most.
const BULK: usize = 50;

/// Who is to be invited.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceInvitationInput)]
pub(crate) struct InvitationInput {
    /// A username, or an e-mail address.
    #[schema(min_length = 3, max_length = 254, example = "ada@example.org")]
    to: String,
    /// What they are to be; what newcomers are, where it is not said.
    #[serde(default)]
    role: Option<Role>,
}

/// Who are to be invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceInvitationsInput)]
pub(crate) struct InvitationsInput {
    /// At most 50.
    invitations: Vec<InvitationInput>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceInvitationResults)]
pub(crate) struct ResultsView {
    /// In the order in which they came.
    results: Vec<ResultView>,
}

/// What became of one: an invitation, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceInvitationResult)]
pub(crate) struct ResultView {
    to: String,
    invitation: Option<InvitationView>,
    refusal: Option<RefusalView>,
}

/// Why somebody is not invited.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceInvitationRefusal)]
pub(crate) struct RefusalView {
    code: String,
    message: String,
}

/// An invitation, as whoever looks after it sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceInvitation)]
pub(crate) struct InvitationView {
    #[schema(inline)]
    id: InvitationId,
    /// Whom it is for, as whoever invited wrote it.
    to: String,
    /// What they are to be.
    role: Role,
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
#[schema(as = ReceivedWorkspaceInvitation)]
pub(crate) struct ReceivedView {
    #[schema(inline)]
    id: InvitationId,
    #[schema(inline)]
    workspace_id: WorkspaceId,
    /// The workspace's name; none of one that is not there any more.
    workspace_name: Option<String>,
    /// What the caller is to be.
    role: Role,
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
#[schema(as = WorkspaceInvitationAnswer)]
pub(crate) struct AnswerInput {
    /// What stands after the dot in the mail's link or code; of use once. None where the invitation is in the
    /// caller's inbox.
    #[serde(default)]
    #[schema(max_length = 100)]
    token: Option<String>,
}

/// Invites somebody into a workspace; with the permission `invite`, or where all members invite.
///
/// The answer is the same whether there is such an account or not. A user finds the invitation in their inbox;
/// to an address that belongs to no account a mail is sent. It can be accepted for 7 days.
#[operation(
    post "/api/v1/workspaces/{id}/invitations", permission = "workspaces:write",
    location = "The invitation's address",
    refuses(
        forbidden = "The caller invites nobody, or not as this",
        not_found = "No workspace the caller belongs to",
        conflict = "They are members or invited already, have declined within 24 hours, or there is no room",
        rate_limited = "The caller has invited as many as they may within a day"
    )
)]
pub(crate) async fn invite_to_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<InvitationInput>,
) -> Result<Created<InvitationView>> {
    let invitation = invitations::invite(&id, &caller, &input.to, input.role.as_ref()).await?;
    let location = format!("/api/v1/workspaces/{id}/invitations/{}", invitation.id);
    Created::at(&location, &invitation.into())
}

/// Invites up to 50 people into a workspace, each for itself.
#[operation(
    post "/api/v1/workspaces/{id}/invitations/bulk", permission = "workspaces:write",
    answers = "What became of each",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn invite_many_to_workspace(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<InvitationsInput>,
) -> Result<Json<ResultsView>> {
    if input.invitations.is_empty() || input.invitations.len() > BULK {
        let message = format!("1 to {BULK} at once");
        return Err(Error::validation("invitations", message));
    }
    let mut results = Vec::new();
    for one in input.invitations {
        let done = invitations::invite(&id, &caller, &one.to, one.role.as_ref()).await;
        results.push(match done {
            Ok(invitation) => ResultView {
                to: one.to,
                invitation: Some(invitation.into()),
                refusal: None,
            },
            // Of all of them.
            Err(error) if error.code() == "NOT_FOUND" => return Err(error),
            Err(error) => ResultView {
                to: one.to,
                invitation: None,
                refusal: Some(error.into()),
            },
        });
    }
    Ok(Json(ResultsView { results }))
}

/// Lists the invitations into a workspace, the newest first.
///
/// All of them with the permission `invite`, else those that the caller has sent.
#[operation(
    get "/api/v1/workspaces/{id}/invitations", permission = "workspaces:read",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_invitations(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    listing: Listing<InvitationSort, InvitationFilter>,
) -> Result<Json<Page<InvitationView>>> {
    let page = invitations::sent_by(&id, &caller, &listing).await?;
    Ok(Json(page.map(InvitationView::from)))
}

/// Reads an invitation into a workspace.
#[operation(
    get "/api/v1/workspaces/{id}/invitations/{invitation}", permission = "workspaces:read",
    answers = "The invitation",
    refuses(not_found = "No workspace the caller belongs to, or no invitation that they look after")
)]
pub(crate) async fn get_workspace_invitation(
    caller: Caller,
    Path((id, invitation)): Path<(WorkspaceId, InvitationId)>,
) -> Result<Json<InvitationView>> {
    let (invitation, _) = invitations::of_workspace(&id, &caller, &invitation).await?;
    Ok(Json(invitation.into()))
}

/// Takes an invitation back; one's own, or any with the permission `invite`.
#[operation(
    delete "/api/v1/workspaces/{id}/invitations/{invitation}", permission = "workspaces:write",
    refuses(
        not_found = "No workspace the caller belongs to, or no invitation that they look after",
        conflict = "It was answered already"
    )
)]
pub(crate) async fn cancel_workspace_invitation(
    caller: Caller,
    Path((id, invitation)): Path<(WorkspaceId, InvitationId)>,
) -> Result<NoContent> {
    invitations::cancel(&id, &caller, &invitation).await?;
    Ok(NoContent)
}

/// Sends an invitation again, which can be accepted for 7 days from then. The caller answers for it from now on.
#[operation(
    post "/api/v1/workspaces/{id}/invitations/{invitation}/resend", permission = "workspaces:write",
    answers = "The invitation as it is now",
    refuses(
        forbidden = "The caller invites nobody, or not as this",
        not_found = "No workspace the caller belongs to, or no invitation that they look after",
        conflict = "It was answered, sent within the last ten minutes, or sent five times"
    )
)]
pub(crate) async fn resend_workspace_invitation(
    caller: Caller,
    Path((id, invitation)): Path<(WorkspaceId, InvitationId)>,
) -> Result<Json<InvitationView>> {
    let invitation = invitations::resend(&id, &caller, &invitation).await?;
    Ok(Json(invitation.into()))
}

/// Lists the invitations into workspaces that the caller has received, the newest first.
#[operation(get "/api/v1/workspaces/invitations", permission = "workspaces:read")]
pub(crate) async fn list_received_workspace_invitations(
    caller: Caller,
    listing: Listing<InvitationSort, InvitationFilter>,
) -> Result<Json<Page<ReceivedView>>> {
    let page = invitations::received(&caller, &listing).await?;
    let ids: Vec<_> = page
        .items
        .iter()
        .map(|invitation| &invitation.workspace_id)
        .collect();
    let workspaces = WORKSPACES
        .find(json!({"_id": {"$in": ids}}))
        .limit(listing.paging().limit());
    let workspaces = workspaces.fetch().await?.documents;
    let names: HashMap<_, _> = workspaces
        .into_iter()
        .map(|workspace| (workspace.id, workspace.name))
        .collect();
    Ok(Json(page.map(|invitation| {
        let name = names.get(&invitation.workspace_id).cloned();
        ReceivedView::new(invitation, name)
    })))
}

/// Reads an invitation that the caller has received.
#[operation(
    get "/api/v1/workspaces/invitations/{invitation}", permission = "workspaces:read",
    answers = "The invitation", refuses(not_found = "No invitation of the caller's")
)]
pub(crate) async fn get_received_workspace_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
) -> Result<Json<ReceivedView>> {
    let (invitation, workspace) = answers::get(&caller, &invitation, None).await?;
    Ok(Json(ReceivedView::new(invitation, Some(workspace.name))))
}

/// Accepts an invitation; the caller belongs to the workspace then.
#[operation(
    post "/api/v1/workspaces/invitations/{invitation}/acceptance", permission = "workspaces:write",
    answers = "The workspace",
    refuses(
        not_found = "No invitation of the caller's, or another token",
        conflict = "It has expired or ended, whoever invited may not any more, or there is no room"
    )
)]
pub(crate) async fn accept_workspace_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
    Json(input): Json<AnswerInput>,
) -> Result<Tagged<WorkspaceView>> {
    let token = input.check()?;
    let (workspace, membership) = answers::accept(&caller, &invitation, token).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

/// Declines an invitation; whoever invited is told, and cannot ask again for 24 hours.
#[operation(
    post "/api/v1/workspaces/invitations/{invitation}/decline", permission = "workspaces:write",
    refuses(
        not_found = "No invitation of the caller's, or another token",
        conflict = "It was answered otherwise, or taken back"
    )
)]
pub(crate) async fn decline_workspace_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
    Json(input): Json<AnswerInput>,
) -> Result<NoContent> {
    answers::decline(&caller, &invitation, input.check()?).await?;
    Ok(NoContent)
}

impl AnswerInput {
    fn check(&self) -> Result<Option<&str>> {
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

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            state: invitation.progress.now(time::now()),
            id: invitation.id,
            to: invitation.to,
            role: invitation.role,
            invited_by: invitation.invited_by,
            sent: invitation.progress.sent,
            answered_by: invitation.answered_by,
            created_at: invitation.created_at,
            expires_at: invitation.progress.expires_at,
        }
    }
}

impl ReceivedView {
    fn new(invitation: Invitation, workspace_name: Option<String>) -> Self {
        Self {
            state: invitation.progress.now(time::now()),
            id: invitation.id,
            workspace_id: invitation.workspace_id,
            workspace_name,
            role: invitation.role,
            invited_by: invitation.invited_by,
            inviter_name: invitation.inviter_name,
            created_at: invitation.created_at,
            expires_at: invitation.progress.expires_at,
        }
    }
}
