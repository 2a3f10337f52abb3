//! Backup administrators: members who unfreeze the account together when those who froze it cannot be reached. It
//! stands in the membership, and is gone with it.

use crate::commit::{active, busy, committed, counted, still_is, tries};
use crate::events::tell;
use crate::model::{Membership, WorkspaceId};
use crate::notices;
use crate::permissions::Permission;
use crate::store::{self, MEMBERSHIPS};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;

/// How many there are at most.
const MOST: u64 = 20;

/// All of them, as any member sees them.
pub(crate) async fn list(workspace_id: &WorkspaceId, caller: &Caller) -> Result<Vec<Membership>> {
    store::membership(workspace_id, caller).await?;
    let all = MEMBERSHIPS.find(those(workspace_id));
    let all = all.sort(json!({"joined_at": 1})).limit(100);
    Ok(all.fetch().await?.documents)
}

/// Has a member be one, or not any more; with the permission `wallet`. Doing so again is doing nothing.
pub(crate) async fn set(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    user: &str,
    is: bool,
) -> Result<()> {
    for _ in tries() {
        let (workspace, own) = store::active(workspace_id, caller).await?;
        own.require(Permission::Wallet)?;
        let member = store::member(workspace_id, user).await?;
        if member.backup == is {
            return Ok(());
        }
        let count = MEMBERSHIPS.count(those(workspace_id)).await?;
        if is && count >= MOST {
            let message = format!(
                "a workspace has {MOST} backup administrators at most; take one away first"
            );
            return Err(Error::conflict(message));
        }
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_is(&own), 1)
            .check(&MEMBERSHIPS, those(workspace_id), count)
            .update_one(
                &MEMBERSHIPS,
                still_is(&member),
                json!({"$set": {"backup": is}}),
            );
        let change = counted(change, workspace_id, active(), json!({}));
        let (kind, title) = match is {
            true => (
                "workspace.backup.designated",
                "You can help to unfreeze the account of",
            ),
            false => (
                "workspace.backup.removed",
                "You do not unfreeze the account any more of",
            ),
        };
        let data = json!({"user_id": user, "by": caller.user});
        let change = tell(change, workspace_id, kind, data);
        let change = match *caller.user == *user {
            true => change,
            false => {
                let title = format!("{title} {}", workspace.name);
                let unique = format!("{}/{kind}/{}", workspace.id, workspace.version);
                notices::about(workspace_id, user, kind, title, unique).told_by(change)
            }
        };
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

fn those(workspace_id: &WorkspaceId) -> serde_json::Value {
    json!({"workspace_id": workspace_id, "backup": true})
}
