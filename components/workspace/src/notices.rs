//! What people are told about a workspace.

use crate::model::WorkspaceId;
use membership::notice::Notice;
use serde_json::json;

/// A notice about a workspace, without a mail; `unique` is what it is about, and what of it.
pub(crate) fn about(
    workspace_id: &WorkspaceId,
    user: &str,
    kind: &'static str,
    title: impl Into<String>,
    unique: impl Into<String>,
) -> Notice {
    Notice::new(user, kind, title, unique)
        .link(format!("/workspaces/{workspace_id}"))
        .about(json!({"workspace_id": workspace_id}))
}
