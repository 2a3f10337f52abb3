//! The component's collections; the manifest declares their indexes.

use crate::invitations::Invitation;
use crate::labels::{Label, Labelled};
use crate::links::Link;
use crate::members::SentAway;
use crate::model::{Creator, Membership, Workspace, WorkspaceId, membership_id};
use crate::roles::OwnRole;
use http::StatusCode;
use sbd_sdk::documents::Collection;
use sbd_sdk::{Caller, Error, Result};

/// Workspaces by id.
pub(crate) const WORKSPACES: Collection<Workspace> = Collection::new("workspaces");
/// Who belongs to which workspace.
pub(crate) const MEMBERSHIPS: Collection<Membership> = Collection::new("memberships");
/// How many workspaces each user has.
pub(crate) const CREATORS: Collection<Creator> = Collection::new("creators");

/// The roles that workspaces have made for themselves.
pub(crate) const ROLES: Collection<OwnRole> = Collection::new("roles");
/// Who was sent away.
pub(crate) const SENT_AWAY: Collection<SentAway> = Collection::new("sent_away");

/// Invitations into workspaces.
pub(crate) const INVITATIONS: Collection<Invitation> = group::store::invitations();
/// Links by which people join workspaces.
pub(crate) const LINKS: Collection<Link> = Collection::new("links");

/// What workspaces sort by.
pub(crate) const LABELS: Collection<Label> = Collection::new("labels");
/// What labels lie on.
pub(crate) const LABELLED: Collection<Labelled> = Collection::new("labelled");

/// The caller's membership of a workspace. To a stranger the workspace is not there at all.
pub(crate) async fn membership(workspace_id: &WorkspaceId, caller: &Caller) -> Result<Membership> {
    let membership = MEMBERSHIPS
        .get(&membership_id(workspace_id, &caller.user))
        .await?;
    membership.ok_or_else(|| Error::not_found("workspace"))
}

/// A member of a workspace, whom the caller may see.
pub(crate) async fn member(workspace_id: &WorkspaceId, user: &str) -> Result<Membership> {
    let member = MEMBERSHIPS.get(&membership_id(workspace_id, user)).await?;
    member.ok_or_else(|| Error::not_found("member"))
}

/// A workspace that the caller belongs to, with the membership.
pub(crate) async fn workspace(
    workspace_id: &WorkspaceId,
    caller: &Caller,
) -> Result<(Workspace, Membership)> {
    let membership = membership(workspace_id, caller).await?;
    let workspace = WORKSPACES.get(workspace_id.as_str()).await?;
    let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
    Ok((workspace, membership))
}

/// The same, as long as something can be changed in it: it is neither archived nor being deleted.
pub(crate) async fn active(
    workspace_id: &WorkspaceId,
    caller: &Caller,
) -> Result<(Workspace, Membership)> {
    let (workspace, membership) = workspace(workspace_id, caller).await?;
    require_active(&workspace)?;
    Ok((workspace, membership))
}

/// Answers 409 while a workspace is deleted, or archived.
pub(crate) fn require_active(workspace: &Workspace) -> Result<()> {
    require_open(workspace)?;
    match workspace.archived_at {
        None => Ok(()),
        Some(_) => Err(Error::new(
            StatusCode::CONFLICT,
            "WORKSPACE_ARCHIVED",
            "the workspace is archived, and kept as it is; take it out of the archive first",
        )),
    }
}

/// Answers 409 while a workspace is deleted.
pub(crate) fn require_open(workspace: &Workspace) -> Result<()> {
    match workspace.closing {
        None => Ok(()),
        Some(_) => Err(Error::new(
            StatusCode::CONFLICT,
            "WORKSPACE_CLOSING",
            "the workspace is being deleted; nothing else is done to it",
        )),
    }
}
