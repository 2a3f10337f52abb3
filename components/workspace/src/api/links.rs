//! `/api/v1/workspaces/{id}/links`, and joining by one: `/api/v1/workspaces/joining`.

use super::workspaces::WorkspaceView;
use crate::links::{self, Link, LinkId, Wish};
use crate::model::WorkspaceId;
use crate::permissions::Role;
use group::delivery;
use membership::link::State;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{
    ById, Caller, Created, Error, Json, Listing, NoContent, Path, Result, Tagged, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a link is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceLinkInput)]
pub(crate) struct LinkInput {
    /// What those who join by it are to be; what newcomers are, where it is not said.
    #[serde(default)]
    role: Option<Role>,
    /// How many days it is good for.
    #[serde(default = "usual_days")]
    #[schema(minimum = 1, maximum = 30, default = 7)]
    days: u32,
    /// How many may join by it.
    #[serde(default = "usual_uses")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    uses: u32,
}

/// A link by which people join a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceLink)]
pub(crate) struct LinkView {
    #[schema(inline)]
    id: LinkId,
    /// What those who join by it are to be.
    role: Role,
    /// The user who has made it.
    made_by: String,
    state: State,
    /// How many may join by it.
    uses: u32,
    /// How many have.
    used: u32,
    /// When it was made.
    created_at: Time,
    /// Until when one can join by it.
    expires_at: Time,
}

/// A link that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewWorkspaceLink)]
pub(crate) struct NewLinkView {
    #[serde(flatten)]
    link: LinkView,
    /// What is typed in to join; it is shown only now.
    code: String,
    /// A page with the code in it, where the component's variable `invitation_page` names one.
    url: Option<String>,
}

/// By what somebody joins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceJoiningInput)]
pub(crate) struct JoiningInput {
    /// The code of a link.
    #[schema(min_length = 1, max_length = 200)]
    code: String,
}

/// Where a link leads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceLinkPreview)]
pub(crate) struct PreviewView {
    workspace_name: String,
    /// The name of whoever has made the link.
    inviter_name: String,
    /// What the caller is to be.
    role: Role,
    /// What that is called.
    role_name: String,
    /// Until when one can join by it.
    expires_at: Time,
}

/// Makes a link by which people join a workspace; with the permission `invite`, or where all members invite.
#[operation(
    post "/api/v1/workspaces/{id}/links", permission = "workspaces:write", location = "The link's address",
    refuses(
        forbidden = "The caller invites nobody, or not as this",
        not_found = "No workspace the caller belongs to",
        conflict = "There are 50 links, or the workspace is archived"
    )
)]
pub(crate) async fn make_workspace_link(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<LinkInput>,
) -> Result<Created<NewLinkView>> {
    let wish = Wish {
        role: input.role,
        days: input.days,
        uses: input.uses,
    };
    let (link, code) = links::make(&id, &caller, &wish).await?;
    let location = format!("/api/v1/workspaces/{id}/links/{}", link.id);
    let view = NewLinkView {
        link: link.into(),
        url: delivery::page(&code)?,
        code,
    };
    Created::at(&location, &view)
}

/// Lists the links of a workspace.
///
/// All of them with the permission `invite`, else those that the caller has made.
#[operation(
    get "/api/v1/workspaces/{id}/links", permission = "workspaces:read",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_links(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    listing: Listing<ById>,
) -> Result<Json<Page<LinkView>>> {
    let page = links::list(&id, &caller, &listing).await?;
    Ok(Json(page.map(LinkView::from)))
}

/// Takes a link back: nobody joins by it any more.
#[operation(
    delete "/api/v1/workspaces/{id}/links/{link}", permission = "workspaces:write",
    refuses(not_found = "No workspace the caller belongs to, or no link that they look after")
)]
pub(crate) async fn revoke_workspace_link(
    caller: Caller,
    Path((id, link)): Path<(WorkspaceId, LinkId)>,
) -> Result<NoContent> {
    links::revoke(&id, &caller, &link).await?;
    Ok(NoContent)
}

/// Joins a workspace by a link; nothing happens if the caller belongs to it.
#[operation(
    post "/api/v1/workspaces/joining", permission = "workspaces:write", idempotent, answers = "The workspace",
    refuses(
        forbidden = "The caller was sent away since the link was made",
        not_found = "No such link",
        conflict = "The link has ended, whoever made it may not invite any more, or there is no room"
    )
)]
pub(crate) async fn join_workspace(
    caller: Caller,
    Json(input): Json<JoiningInput>,
) -> Result<Tagged<WorkspaceView>> {
    let (workspace, membership) = links::join(&caller, input.check()?).await?;
    Ok(WorkspaceView::tagged(&workspace, &membership))
}

/// Shows where a link leads, and who lets the caller in, before they join.
#[operation(
    post "/api/v1/workspaces/joining/preview", permission = "workspaces:read", effect = read,
    answers = "Where it leads",
    refuses(
        not_found = "No such link",
        conflict = "The link has ended, or whoever made it may not invite any more"
    )
)]
pub(crate) async fn preview_workspace_link(
    _: Caller,
    Json(input): Json<JoiningInput>,
) -> Result<Json<PreviewView>> {
    let preview = links::preview(input.check()?).await?;
    Ok(Json(PreviewView {
        workspace_name: preview.workspace_name,
        inviter_name: preview.inviter_name,
        role: preview.role,
        role_name: preview.role_name,
        expires_at: preview.expires_at,
    }))
}

fn usual_days() -> u32 {
    7
}

fn usual_uses() -> u32 {
    1
}

impl JoiningInput {
    fn check(&self) -> Result<&str> {
        match self.code.chars().count() {
            1..=200 => Ok(&self.code),
            _ => Err(Error::validation("code", "1 to 200 characters")),
        }
    }
}

impl From<Link> for LinkView {
    fn from(link: Link) -> Self {
        Self {
            state: link.state.state(time::now()),
            id: link.id,
            role: link.role,
            made_by: link.made_by,
            uses: link.state.uses,
            used: link.state.used,
            created_at: link.created_at,
            expires_at: link.state.expires_at,
        }
    }
}
