//! A user who is gone is a member of no workspace. What they owned is owned by whoever has the most to say there, and
//! has been there for longest.
//!
//! A workspace that nobody is left in stays as it is, for the tenant's administrators to see.

use crate::commit::{busy, committed, still_is, tries};
use crate::creation::{counted, given_back};
use crate::events::tell;
use crate::members::{gone, sent_away};
use crate::model::{Membership, Workspace, WorkspaceId, membership_id};
use crate::ownership::{is, set};
use crate::permissions::Role;
use crate::store::{MEMBERSHIPS, WORKSPACES};
use sbd_sdk::Result;
use sbd_sdk::documents::Transaction;
use serde_json::json;

/// Workspaces that somebody may be a member of at most, with room to spare.
const MOST: u32 = 1000;

/// Leaves nothing of a user who is gone.
pub(crate) async fn of(user: &str) -> Result<()> {
    let own = MEMBERSHIPS.find(json!({"user_id": user})).limit(MOST);
    for member in own.fetch().await?.documents {
        from(&member.workspace_id, user).await?;
    }
    Ok(())
}

async fn from(workspace_id: &WorkspaceId, user: &str) -> Result<()> {
    for _ in tries() {
        let workspace = WORKSPACES.get(workspace_id.as_str()).await?;
        let member = MEMBERSHIPS.get(&membership_id(workspace_id, user)).await?;
        let (Some(workspace), Some(member)) = (workspace, member) else {
            return Ok(());
        };
        if workspace.closing.is_some() {
            return Ok(());
        }
        let Some(change) = left(&workspace, &member).await? else {
            eprintln!("nobody is left in {workspace_id} but its owner, whose account is gone");
            return Ok(());
        };
        if committed(change.commit().await)? {
            sent_away(workspace_id).await;
            return Ok(());
        }
    }
    Err(busy())
}

/// All that a member leaves behind, in other hands; none, where there are none.
async fn left(workspace: &Workspace, member: &Membership) -> Result<Option<Transaction>> {
    let (id, user) = (&workspace.id, &*member.user_id);
    let change = Transaction::new();
    let change = match member.is_owner() {
        false => change,
        true => {
            let Some(heir) = heir(id, user).await? else {
                return Ok(None);
            };
            let change = counted(change, &heir.user_id).await?;
            let change = given_back(change, user).update_one(
                &MEMBERSHIPS,
                still_is(&heir),
                json!({"$set": is(&Role::Owner)}),
            );
            let owner = json!({"owner": heir.user_id, "offer": null});
            let change = set(change, workspace, owner);
            let taken = json!({"taken_by": heir.user_id, "taken_from": user});
            tell(change, id, "workspace.ownership.taken", taken)
        }
    };
    let change = gone(change, member);
    let left = json!({"user_id": user});
    Ok(Some(tell(change, id, "workspace.member.left", left)))
}

/// Who owns a workspace after somebody.
async fn heir(workspace_id: &WorkspaceId, user: &str) -> Result<Option<Membership>> {
    let others = json!({"workspace_id": workspace_id, "user_id": {"$ne": user}});
    let admins = json!({
        "workspace_id": workspace_id, "user_id": {"$ne": user}, "role": Role::Admin,
    });
    for among in [admins, others] {
        let found = MEMBERSHIPS.find(among).sort(json!({"joined_at": 1}));
        if let Some(heir) = found.limit(1).fetch().await?.documents.pop() {
            return Ok(Some(heir));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, join, workspace};
    use sbd_sdk::Principal;

    #[test]
    fn what_somebody_who_is_gone_owned_somebody_else_owns() {
        let app = app();
        let id = workspace(&app.signed_in("usr_1"), "Ours")
            .text("id")
            .to_owned();
        for (user, role) in [
            ("usr_2", Role::Viewer),
            ("usr_3", Role::Admin),
            ("usr_4", Role::Editor),
        ] {
            join(&app, &id, user, role);
        }
        let host = app.by(Principal::service("test", "workspace"));
        for (gone, owner, left) in [
            ("usr_4", "usr_1", 3),
            ("usr_1", "usr_3", 2),
            ("usr_3", "usr_2", 1),
            // The last one leaves a workspace that nobody is in but by name.
            ("usr_2", "usr_2", 1),
        ] {
            for _ in 0..2 {
                host.event("account.deleted", json!({"user_id": gone}))
                    .assert_status(204);
            }
            let found = app.run(WORKSPACES.get(&id)).unwrap().unwrap();
            assert_eq!((&*found.owner, found.member_count), (owner, left));
            let members = MEMBERSHIPS.count(json!({"workspace_id": id}));
            assert_eq!(app.run(members).unwrap(), left);
            let owns = app.run(MEMBERSHIPS.get(&membership_id(&found.id, owner)));
            assert!(owns.unwrap().unwrap().is_owner());
        }
    }
}
