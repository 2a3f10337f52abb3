//! `/api/v1/workspaces/{id}/invitations`, and those received: `/api/v1/workspaces/invitations`.

use super::workspaces::WorkspaceView;
use crate::invitations::{Invitation, Terms};
use crate::model::WorkspaceId;
use crate::permissions::Role;
use crate::store;
use group::api::invitations::{self as asked, AnswerInput, ReceivedView, RefusalView, SentView};
use group::invitations::{InvitationFilter, InvitationId, InvitationSort};
use group::{answers, invitations};
use sbd_sdk::paging::Page;
use sbd_sdk::{Caller, Created, Json, Listing, NoContent, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// An invitation, as whoever looks after it sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceInvitation)]
pub(crate) struct InvitationView {
    #[serde(flatten)]
    sent: SentView,
    /// What they are to be.
    role: Role,
}

/// An invitation, as whoever is invited sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReceivedWorkspaceInvitation)]
pub(crate) struct ReceivedInvitationView {
    #[serde(flatten)]
    received: ReceivedView,
    #[schema(inline)]
    workspace_id: WorkspaceId,
    /// The workspace's name; none of one that is not there any more.
    workspace_name: Option<String>,
    /// What the caller is to be.
    role: Role,
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
    let invitation = invite(&id, &caller, &input).await?;
    let location = format!("/api/v1/workspaces/{id}/invitations/{}", invitation.id);
    Created::at(&location, &InvitationView::from(invitation))
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
    asked::require_some(input.invitations.len())?;
    let mut results = Vec::new();
    for one in input.invitations {
        let done = match invite(&id, &caller, &one).await {
            // Of all of them.
            Err(error) if error.code() == "NOT_FOUND" => return Err(error),
            done => done,
        };
        results.push(ResultView::new(one.to, done));
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
    let page = invitations::list(&id, &caller, &listing).await?;
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
    let invitation = invitations::get(&id, &caller, &invitation).await?;
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
) -> Result<Json<Page<ReceivedInvitationView>>> {
    let page = invitations::received(&caller, &listing).await?;
    let page = asked::with_names(page, ReceivedInvitationView::new).await?;
    Ok(Json(page))
}

/// Reads an invitation that the caller has received.
#[operation(
    get "/api/v1/workspaces/invitations/{invitation}", permission = "workspaces:read",
    answers = "The invitation", refuses(not_found = "No invitation of the caller's")
)]
pub(crate) async fn get_received_workspace_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
) -> Result<Json<ReceivedInvitationView>> {
    let (invitation, name) = answers::get(&caller, &invitation, None).await?;
    Ok(Json(ReceivedInvitationView::new(invitation, Some(name))))
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
    let id = answers::accept(&caller, &invitation, input.token()?).await?;
    let (workspace, membership) = store::workspace(&id, &caller).await?;
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
    answers::decline::<WorkspaceId>(&caller, &invitation, input.token()?).await?;
    Ok(NoContent)
}

async fn invite(id: &WorkspaceId, caller: &Caller, input: &InvitationInput) -> Result<Invitation> {
    let terms = input.role.clone().map(|role| Terms { role });
    invitations::invite(id, caller, &input.to, terms.as_ref()).await
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            sent: SentView::from(&invitation),
            role: invitation.terms.role,
        }
    }
}

impl ResultView {
    fn new(to: String, done: Result<Invitation>) -> Self {
        let (invitation, refusal) = match done {
            Ok(invitation) => (Some(invitation.into()), None),
            Err(error) => (None, Some(error.into())),
        };
        Self {
            to,
            invitation,
            refusal,
        }
    }
}

impl ReceivedInvitationView {
    fn new(invitation: Invitation, workspace_name: Option<String>) -> Self {
        Self {
            received: ReceivedView::from(&invitation),
            workspace_id: invitation.group().clone(),
            workspace_name,
            role: invitation.terms.role,
        }
    }
}
