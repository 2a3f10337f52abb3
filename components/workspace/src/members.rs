//! What becomes of members: what they may do, that they go.
//!
//! ```text
//!              a role (whoever has the permission `members`)
//!           ┌──────┐
//!           ▼      │      leave, be sent away
//!   member ─────────────────────────────────▶ gone
//!     │  ▲
//!     │  └── hand over (the owner) ──┐
//!     └── take over ──▶ owner ───────┘
//! ```
//!
//! A workspace has one owner at any time, whom nobody demotes or sends away. Whoever does something with a
//! member may all that the member may, before and after. What was asked about is a condition of the commit.

use crate::commit::{active, busy, committed, counted, still_is, tries};
use crate::events::tell;
use crate::model::{Membership, Workspace, WorkspaceId};
use crate::permissions::{Permission, Role, beyond};
use crate::store::{self, MEMBERSHIPS, SENT_AWAY, WORKSPACES};
use crate::{notices, roles};
use group::store::ALLOWANCES;
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, realtime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// That somebody was sent away, as it is stored: no link that was made before lets them in again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SentAway {
    /// The id of the membership.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) at: Time,
}

/// Since when those are there who are: users who listen to what happens in the workspace, a thousand at most.
/// Nobody is seen where nobody can say.
pub(crate) async fn present(workspace_id: &WorkspaceId) -> HashMap<String, Time> {
    let present = realtime::presence(&channel(workspace_id)).await;
    let present = present.unwrap_or_else(|error| {
        eprintln!("who is present in {workspace_id} is not known: {error:?}");
        Vec::new()
    });
    present
        .into_iter()
        .map(|one| (one.user, one.since))
        .collect()
}

/// Gives a member another role.
pub(crate) async fn set_role(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    user: &str,
    role: &Role,
) -> Result<Membership> {
    for _ in tries() {
        let (workspace, own) = store::active(workspace_id, caller).await?;
        own.require(Permission::Members)?;
        let member = store::member(workspace_id, user).await?;
        require_other(&member)?;
        let given = roles::given(workspace_id, role).await?;
        if !member.permissions.are_within(&own.permissions)
            || !given.permissions.are_within(&own.permissions)
        {
            return Err(beyond());
        }
        if member.role == given.role {
            return Ok(member);
        }
        let after = Membership {
            role: given.role.clone(),
            permissions: given.permissions.clone(),
            ..member.clone()
        };
        let change = Transaction::new().check(&MEMBERSHIPS, still_is(&own), 1);
        let change = given.checked(change).update_one(
            &MEMBERSHIPS,
            still_is(&member),
            json!({"$set": {"role": after.role, "permissions": after.permissions}}),
        );
        let change = counted(change, workspace_id, active(), json!({}));
        let set = json!({
            "user_id": user, "role": after.role, "before": member.role, "set_by": caller.user,
        });
        let change = tell(change, workspace_id, "workspace.member.role_set", set);
        let title = format!("You have another role in {}", workspace.name);
        let change = told(
            change,
            &workspace,
            caller,
            user,
            "workspace.member.role_set",
            &title,
        );
        if committed(change.commit().await)? {
            return Ok(after);
        }
    }
    Err(busy())
}

/// A member goes, or is sent away.
pub(crate) async fn remove(workspace_id: &WorkspaceId, caller: &Caller, user: &str) -> Result<()> {
    let leaves = *caller.user == *user;
    for _ in tries() {
        let (workspace, own) = store::workspace(workspace_id, caller).await?;
        // Out of an archived one as well.
        store::require_open(&workspace)?;
        if !leaves {
            own.require(Permission::Members)?;
        }
        let member = store::member(workspace_id, user).await?;
        require_other(&member)?;
        if !leaves && !member.permissions.are_within(&own.permissions) {
            return Err(beyond());
        }
        let change = Transaction::new();
        let change = match leaves {
            true => change,
            false => change.check(&MEMBERSHIPS, still_is(&own), 1),
        };
        let change = gone(change, &member);
        let change = match leaves {
            true => {
                let left = json!({"user_id": user});
                tell(change, workspace_id, "workspace.member.left", left)
            }
            false => {
                let away = SentAway {
                    id: member.id.clone(),
                    workspace_id: workspace_id.clone(),
                    at: time::now(),
                };
                let change = change
                    .delete_many(&SENT_AWAY, json!({"_id": member.id}))
                    .insert(&SENT_AWAY, &away);
                let removed = json!({"user_id": user, "removed_by": caller.user});
                let kind = "workspace.member.removed";
                let change = tell(change, workspace_id, kind, removed);
                let title = format!("You do not belong to {} any more", workspace.name);
                told(change, &workspace, caller, user, kind, &title)
            }
        };
        if committed(change.commit().await)? {
            sent_away(workspace_id).await;
            return Ok(());
        }
    }
    Err(busy())
}

/// Has the host ask again who may listen.
pub(crate) async fn sent_away(workspace_id: &WorkspaceId) {
    // They are gone; that they still listen where little is said is no reason to say otherwise.
    if let Err(error) = realtime::changed(&channel(workspace_id)).await {
        eprintln!("whoever listens to {workspace_id} could not be sent away: {error:?}");
    }
}

/// Where it is said what happens in a workspace.
pub(crate) fn channel(workspace_id: &WorkspaceId) -> String {
    format!("workspace:{workspace_id}")
}

/// Deletes a membership, and what hangs on it.
pub(crate) fn gone(change: Transaction, member: &Membership) -> Transaction {
    let offered = json!({"_id": member.workspace_id, "offer.to": member.user_id});
    let change = change
        .delete_one(&MEMBERSHIPS, still_is(member))
        .delete_many(&ALLOWANCES, json!({"_id": member.id}))
        .update_many(&WORKSPACES, offered, json!({"$set": {"offer": null}}));
    counted(
        change,
        &member.workspace_id,
        json!({}),
        json!({"member_count": -1}),
    )
}

/// Answers 409 where it is the owner.
fn require_other(member: &Membership) -> Result<()> {
    match member.is_owner() {
        false => Ok(()),
        true => Err(Error::new(
            StatusCode::CONFLICT,
            "IS_OWNER",
            "the owner stays the owner; the workspace is handed over first, or deleted",
        )),
    }
}

/// Tells a member of what somebody else did with them, once for each version of the workspace.
fn told(
    change: Transaction,
    workspace: &Workspace,
    by: &Caller,
    user: &str,
    kind: &'static str,
    title: &str,
) -> Transaction {
    if *by.user == *user {
        return change;
    }
    let unique = format!("{}/{kind}/{}", workspace.id, workspace.version);
    notices::about(&workspace.id, user, kind, title, unique).told_by(change)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::permissions::Role;
    use crate::store::{MEMBERSHIPS, WORKSPACES};
    use crate::tests::{app, join, team};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::json;

    fn address(workspace: &str, user: &str) -> String {
        format!("/api/v1/workspaces/{workspace}/members/{user}")
    }

    fn role(app: &App, by: &str, workspace: &str, of: &str, role: &str) -> Reply {
        let path = format!("{}/role", address(workspace, of));
        app.signed_in(by).put(&path, json!({"role": role}))
    }

    fn remove(app: &App, by: &str, workspace: &str, whom: &str) -> Reply {
        app.signed_in(by).delete(&address(workspace, whom))
    }

    #[test]
    fn the_owner_stays_and_is_the_only_one() {
        let app = app();
        let workspace = team(&app);
        for by in ["usr_1", "usr_2"] {
            role(&app, by, &workspace, "usr_1", "viewer").assert_refused(409, "IS_OWNER");
            remove(&app, by, &workspace, "usr_1").assert_refused(409, "IS_OWNER");
            let refused = role(&app, by, &workspace, "usr_3", "owner");
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
        // Administrators are equal.
        role(&app, "usr_2", &workspace, "usr_3", "admin").assert_status(200);
        role(&app, "usr_3", &workspace, "usr_2", "viewer").assert_status(200);
        role(&app, "usr_2", &workspace, "usr_3", "viewer").assert_refused(403, "FORBIDDEN");
        let changed = app.published().into_iter().rev();
        let changed: Vec<_> = changed
            .filter(|event| event.kind == "workspace.member.role_set")
            .map(|event| event.data)
            .collect();
        assert_eq!(
            changed[0],
            json!({
                "workspace_id": workspace, "user_id": "usr_2", "role": "viewer", "before": "admin",
                "set_by": "usr_3"
            })
        );
        // Once more is nothing.
        role(&app, "usr_3", &workspace, "usr_2", "viewer").assert_status(200);
        let notices = app.published().into_iter();
        let notices = notices.filter(|event| event.kind == "notification.requested");
        assert_eq!(notices.count(), 2);
    }

    #[test]
    fn members_leave_and_are_sent_away() {
        let app = app();
        let workspace = team(&app);
        remove(&app, "usr_4", &workspace, "usr_3").assert_refused(403, "FORBIDDEN");
        remove(&app, "usr_4", &workspace, "usr_4").assert_status(204);
        remove(&app, "usr_2", &workspace, "usr_3").assert_status(204);
        remove(&app, "usr_2", &workspace, "usr_3").assert_refused(404, "NOT_FOUND");
        for user in ["usr_3", "usr_4"] {
            let path = format!("/api/v1/workspaces/{workspace}");
            app.signed_in(user)
                .get(&path)
                .assert_refused(404, "NOT_FOUND");
        }
        let stored = app.run(WORKSPACES.get(&workspace)).unwrap().unwrap();
        let members = MEMBERSHIPS.count(json!({"workspace_id": workspace}));
        assert_eq!((stored.member_count, app.run(members).unwrap()), (2, 2));
        assert_eq!(app.changed().len(), 2);
    }

    #[test]
    fn members_are_listed_with_their_roles_and_who_is_there() {
        let app = app();
        let workspace = team(&app);
        app.present(&format!("workspace:{workspace}"), &["usr_3"]);
        let list = |query: &str| {
            let path = format!("/api/v1/workspaces/{workspace}/members?{query}");
            app.signed_in("usr_4").get(&path).assert_status(200)
        };
        let all = list("");
        assert_eq!(all["total"], 4);
        let of = |user: &str| {
            let items = all["items"].as_array().unwrap().iter();
            items
                .clone()
                .find(|one| one["user_id"] == user)
                .unwrap()
                .clone()
        };
        assert_eq!(
            (&of("usr_1")["role"], &of("usr_2")["role"]),
            (&json!("owner"), &json!("admin"))
        );
        assert!(of("usr_3")["present_since"].is_string());
        assert!(of("usr_4")["present_since"].is_null());
        assert_eq!(list("role=editor")["total"], 1);
        for (query, field) in [("role=boss", "role"), ("sort=age", "sort")] {
            let path = format!("/api/v1/workspaces/{workspace}/members?{query}");
            let refused = app.signed_in("usr_4").get(&path);
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        let one = app.signed_in("usr_4").get(&address(&workspace, "usr_3"));
        assert_eq!(
            one.assert_status(200)["permissions"],
            json!(["request", "write"])
        );
        app.signed_in("usr_9")
            .get(&address(&workspace, "usr_3"))
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn a_thousand_members_are_listed_and_given_roles() {
        let app = app();
        let workspace = team(&app);
        for number in 10..1006 {
            join(&app, &workspace, &format!("usr_{number}"), Role::Viewer);
        }
        let path = format!("/api/v1/workspaces/{workspace}/members?per_page=100&page=10");
        let last = app.signed_in("usr_1").get(&path).assert_status(200);
        assert_eq!(
            (&last["total"], last["items"].as_array().unwrap().len()),
            (&json!(1000), 100)
        );
        role(&app, "usr_1", &workspace, "usr_777", "editor").assert_status(200);
        let path = format!("/api/v1/workspaces/{workspace}");
        let seen = app.signed_in("usr_777").get(&path).assert_status(200);
        assert_eq!(
            (&seen["role"], &seen["member_count"]),
            (&json!("editor"), &json!(1000))
        );
    }
}
