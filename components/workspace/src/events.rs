//! What the component tells others, in the commit of the change itself. The subject of each is the
//! workspace's id, so that whoever listens hears of one workspace in order; and the workspace's audit has all
//! of it. They say who and what by ids alone; whoever wants to know more asks.
//!
//! | type | data beside `workspace_id` | when |
//! |---|---|---|
//! | `workspace.created` | `created_by` | a workspace is there, with nobody in it yet |
//! | `workspace.member.added` | `user_id`, `role` | somebody belongs to it, its creator first |
//! | `workspace.renamed` | `changed_by` | it has another name |

use crate::model::WorkspaceId;
use sbd_sdk::documents::Transaction;
use serde_json::Value;

/// Has a change tell of something, and be recorded in the workspace's audit: two of its steps.
pub(crate) fn tell(
    change: Transaction,
    workspace_id: &WorkspaceId,
    kind: &str,
    mut data: Value,
) -> Transaction {
    data["workspace_id"] = workspace_id.as_str().into();
    change
        .publish(kind, Some(workspace_id.as_str()), &data)
        .audit(workspace_id.as_str(), kind, &data)
}
