//! What the component tells others, in the commit of the change itself. The subject of each is the
//! workspace's id, so that whoever listens hears of one workspace in order; and the workspace's audit has all
//! of it. They say who and what by ids alone; whoever wants to know more asks.
//!
//! | type | data beside `workspace_id` | when |
//! |---|---|---|
//! | `workspace.created` | `created_by` | a workspace is there, with nobody in it yet |
//! | `workspace.member.added` | `user_id`, `role` | somebody belongs to it, its creator first |
//! | `workspace.renamed` | `changed_by` | it has another name |
//! | `workspace.described` | `changed_by` | it has another description |
//! | `workspace.settings_set` | `inviters`, `newcomers`, `changed_by` | it is decided anew who invites, and what newcomers are |
//! | `workspace.archived`, `.unarchived` | `changed_by` | it is kept as it is, or changed again |
//! | `workspace.role.made` | `role_id`, `permissions`, `by` | it has another role of its own |
//! | `workspace.role.changed` | `role_id`, `before`, `permissions`, `by` | all who have it may this now |
//! | `workspace.role.deleted` | `role_id`, `by` | nobody gets it any more |
//! | `workspace.member.role_set` | `user_id`, `role`, `before`, `set_by` | a member has another role |
//! | `workspace.member.left` | `user_id` | somebody has gone |
//! | `workspace.member.removed` | `user_id`, `removed_by` | somebody was sent away |
//! | `workspace.ownership.offered` | `offered_by`, `to` | it is to be another's |
//! | `workspace.ownership.withdrawn` | `withdrawn_by` | it is not after all |
//! | `workspace.ownership.taken` | `taken_by`, `taken_from` | it is from now on |
//! | `workspace.ownership.appointed` | `taken_by`, `taken_from`, `appointed_by`, `reason` | a tenant's administrator has said so |
//! | `workspace.invitation.sent` | `role`, beside what `group::events` says | somebody is invited, or once more |
//! | `workspace.link.made` | `link_id`, `role`, `uses`, `expires_at`, `made_by` | whoever has it may join |
//! | `workspace.link.used` | `link_id`, `user_id` | this user has |
//! | `workspace.link.revoked` | `link_id`, `revoked_by` | nobody joins by it any more |
//! | `workspace.label.made`, `.changed`, `.deleted` | `label_id`, `by` | there is a label, it has another name, it is gone |
//! | `workspace.label.put`, `.taken` | `label_id`, `item`, `by` | it lies on something, or does not any more |
//! | `workspace.backup.designated`, `.removed` | `user_id`, `by` | somebody helps to unfreeze the account, or does not any more |
//!
//! What happens to the account and to invitations, and that it is deleted, is told by `group::events`.

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
