//! Who owns a workspace: whoever created it, until somebody else takes it over.
//!
//! ```text
//!   owned ── offer (owner, to a member) ──▶ offered ── accept (that one) ──▶ owned by that one
//!     ▲                                       │
//!     └──── take back, decline, 7 days ───────┘
//! ```
//!
//! Whoever hands a workspace over is an administrator of it then. It counts against the limit of its owner.

use crate::changes::as_read;
use crate::commit::{busy, committed, still_is, tries};
use crate::creation::{counted, given_back};
use crate::events::tell;
use crate::model::{Membership, Offer, Workspace, WorkspaceId, membership_id};
use crate::notices;
use crate::permissions::Role;
use crate::store::{self, MEMBERSHIPS, WORKSPACES};
use membership::invitation::OPEN;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::{Value, json};

/// Offers a workspace to a member; its owner does. Another offer takes the place of the one before.
pub(crate) async fn offer(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    to: &str,
) -> Result<(Workspace, Membership)> {
    for _ in tries() {
        let (workspace, own) = store::workspace(workspace_id, caller).await?;
        store::require_open(&workspace)?;
        own.require_owner()?;
        if *caller.user == *to {
            return Err(Error::validation("to", "somebody else than you"));
        }
        let member = store::member(workspace_id, to).await?;
        let offer = Offer {
            to: to.to_owned(),
            expires_at: time::now() + OPEN,
        };
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_is(&own), 1)
            .check(&MEMBERSHIPS, json!({"_id": member.id}), 1);
        let change = set(change, &workspace, json!({"offer": offer}));
        let offered = json!({"offered_by": caller.user, "to": to});
        let kind = "workspace.ownership.offered";
        let change = tell(change, workspace_id, kind, offered);
        let title = format!(
            "{} wants to hand {} over to you",
            own.username, workspace.name
        );
        let unique = format!("{workspace_id}/offer/{}", workspace.version);
        let notice = notices::about(workspace_id, to, kind, title, unique);
        if committed(notice.told_by(change).commit().await)? {
            return store::workspace(workspace_id, caller).await;
        }
    }
    Err(busy())
}

/// Takes an offer back, or declines it; nothing happens where there is none.
pub(crate) async fn withdraw(workspace_id: &WorkspaceId, caller: &Caller) -> Result<()> {
    for _ in tries() {
        let (workspace, own) = store::workspace(workspace_id, caller).await?;
        let offered = workspace.offer.as_ref().map(|offer| &*offer.to);
        if !own.is_owner() && offered != Some(&*caller.user) {
            return Err(Error::forbidden(
                "only the owner takes an offer back, and only whom it is for declines it",
            ));
        }
        if offered.is_none() {
            return Ok(());
        }
        let change = set(Transaction::new(), &workspace, json!({"offer": null}));
        let by = json!({"withdrawn_by": caller.user});
        let change = tell(change, workspace_id, "workspace.ownership.withdrawn", by);
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Takes a workspace over that was offered. Doing so again is doing nothing.
pub(crate) async fn accept(
    workspace_id: &WorkspaceId,
    caller: &Caller,
) -> Result<(Workspace, Membership)> {
    for _ in tries() {
        let (workspace, own) = store::workspace(workspace_id, caller).await?;
        store::require_open(&workspace)?;
        if own.is_owner() {
            return Ok((workspace, own));
        }
        let now = time::now();
        let is_open = |offer: &&Offer| offer.to == *caller.user && now < offer.expires_at;
        if workspace.offer.as_ref().filter(is_open).is_none() {
            return Err(Error::conflict(
                "the workspace is not offered to you, or not any more; ask its owner",
            ));
        }
        let change = handed(&workspace, &own).await?;
        let taken = json!({"taken_by": caller.user, "taken_from": workspace.owner});
        let kind = "workspace.ownership.taken";
        let change = tell(change, workspace_id, kind, taken);
        let title = format!("{} has taken {} over", own.username, workspace.name);
        let unique = format!("{workspace_id}/taken/{}", workspace.version);
        let notice = notices::about(workspace_id, &workspace.owner, kind, title, unique);
        if committed(notice.told_by(change).commit().await)? {
            return store::workspace(workspace_id, caller).await;
        }
    }
    Err(busy())
}

/// Has a workspace be another member's; whoever it was is an administrator of it, if they belong to it still.
pub(crate) async fn handed(workspace: &Workspace, to: &Membership) -> Result<Transaction> {
    let before = membership_id(&workspace.id, &workspace.owner);
    let before = json!({"_id": before, "role": Role::Owner});
    let change = counted(Transaction::new(), &to.user_id).await?;
    let change = given_back(change, &workspace.owner)
        .update_many(&MEMBERSHIPS, before, json!({"$set": is(&Role::Admin)}))
        .update_one(
            &MEMBERSHIPS,
            still_is(to),
            json!({"$set": is(&Role::Owner)}),
        );
    let owner = json!({"owner": to.user_id, "offer": null});
    Ok(set(change, workspace, owner))
}

/// What a membership is of this role.
pub(crate) fn is(role: &Role) -> Value {
    json!({"role": role, "permissions": role.built_in()})
}

pub(crate) fn set(change: Transaction, workspace: &Workspace, mut set: Value) -> Transaction {
    set["updated_at"] = json!(time::now());
    let update = json!({"$set": set, "$inc": {"version": 1}});
    change.update_one(&WORKSPACES, as_read(workspace), update)
}

#[cfg(test)]
mod tests {
    use super::OPEN;
    use crate::tests::{app, team, workspace};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::json;

    fn address(workspace: &str) -> String {
        format!("/api/v1/workspaces/{workspace}/transfer")
    }

    fn offer(app: &App, by: &str, workspace: &str, to: &str) -> Reply {
        app.signed_in(by)
            .put(&address(workspace), json!({"to": to}))
    }

    fn accept(app: &App, by: &str, workspace: &str) -> Reply {
        let path = format!("{}/acceptance", address(workspace));
        app.signed_in(by).post(&path, json!({}))
    }

    #[test]
    fn a_workspace_is_handed_over_by_agreement() {
        let app = app().variable("workspaces_per_user", "1");
        let team = team(&app);
        offer(&app, "usr_2", &team, "usr_3").assert_refused(403, "FORBIDDEN");
        offer(&app, "usr_1", &team, "usr_1").assert_refused(422, "VALIDATION_ERROR");
        offer(&app, "usr_1", &team, "usr_9").assert_refused(404, "NOT_FOUND");
        accept(&app, "usr_3", &team).assert_refused(409, "CONFLICT");
        let offered = offer(&app, "usr_1", &team, "usr_3").assert_status(200);
        assert_eq!(offered["offered_to"], "usr_3");
        accept(&app, "usr_2", &team).assert_refused(409, "CONFLICT");
        // Whoever has no room for another one cannot.
        workspace(&app.signed_in("usr_3"), "Own");
        accept(&app, "usr_3", &team).assert_refused(409, "CONFLICT");
        offer(&app, "usr_1", &team, "usr_4").assert_status(200);
        let taken = accept(&app, "usr_4", &team).assert_status(200);
        assert_eq!(
            (&taken["owner"], &taken["role"], &taken["offered_to"]),
            (&json!("usr_4"), &json!("owner"), &json!(null))
        );
        accept(&app, "usr_4", &team).assert_status(200);
        let before = app.signed_in("usr_1");
        let seen = before.get(&format!("/api/v1/workspaces/{team}"));
        assert_eq!(seen.assert_status(200)["role"], "admin");
        // It counts for the one, and not for the other, who can leave.
        workspace(&before, "Another");
        before
            .delete(&format!("/api/v1/workspaces/{team}/members/usr_1"))
            .assert_status(204);
        app.signed_in("usr_4")
            .post("/api/v1/workspaces", json!({"name": "More"}))
            .assert_refused(409, "CONFLICT");
    }

    #[test]
    fn an_offer_is_taken_back_declined_and_expires() {
        let app = app();
        let team = team(&app);
        for by in ["usr_1", "usr_2"] {
            offer(&app, "usr_1", &team, "usr_2").assert_status(200);
            app.signed_in("usr_3")
                .delete(&address(&team))
                .assert_refused(403, "FORBIDDEN");
            app.signed_in(by).delete(&address(&team)).assert_status(204);
            accept(&app, "usr_2", &team).assert_refused(409, "CONFLICT");
        }
        offer(&app, "usr_1", &team, "usr_2").assert_status(200);
        app.advance(OPEN);
        accept(&app, "usr_2", &team).assert_refused(409, "CONFLICT");
        // Whoever has left meanwhile does not take it over when they are back.
        offer(&app, "usr_1", &team, "usr_2").assert_status(200);
        app.signed_in("usr_2")
            .delete(&format!("/api/v1/workspaces/{team}/members/usr_2"))
            .assert_status(204);
        crate::tests::join(&app, &team, "usr_2", crate::permissions::Role::Admin);
        accept(&app, "usr_2", &team).assert_refused(409, "CONFLICT");
    }
}
