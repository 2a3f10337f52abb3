//! Deleting a workspace: what becomes of its balance is shown, decided, and done first; nothing is burnt.
//!
//! ```text
//!   open ── delete, with who gets the balance ──▶ closing ── the account is closed ──▶ gone
//!     ▲                                              │
//!     └────────── the ledger says no ────────────────┘
//! ```
//!
//! While it is closing nothing is paid, and nobody joins, leaves or becomes something else. The ledger closes
//! the account and moves what is left in one commit: so a payment is either held before, and then nothing is
//! deleted, or it is not made. If the process dies between, a task goes on.

use crate::changes::as_read;
use crate::commit::{busy, committed, still_is, tries};
use crate::creation::given_back;
use crate::events::tell;
use crate::members;
use crate::model::{Closing, Membership, Workspace, WorkspaceId, membership_id};
use crate::store::{
    self, INVITATIONS, LABELLED, LABELS, LINKS, MEMBERSHIPS, ROLES, SENT_AWAY, WORKSPACES,
};
use group::closing::{self, Standing};
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::tasks::New;
use sbd_sdk::{Caller, Error, Result, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// The task that goes on with a deletion.
pub(crate) const CLOSE: &str = "close-workspace";
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;
/// How long whoever deletes has to do it, before the task goes on.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many members are named who could be given the balance.
const HEIRS: u32 = 100;

/// Which workspace.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) workspace: WorkspaceId,
}

/// What is to be known before a workspace is deleted.
pub(crate) struct Plan {
    pub(crate) workspace: Workspace,
    pub(crate) standing: Standing,
    /// Who could be given the balance: the first hundred.
    pub(crate) heirs: Vec<Membership>,
}

/// What stands in the way of a deletion, and who could be given what is left; the owner sees it.
pub(crate) async fn plan(workspace_id: &WorkspaceId, caller: &Caller) -> Result<Plan> {
    let (workspace, own) = store::workspace(workspace_id, caller).await?;
    own.require_owner()?;
    let members = MEMBERSHIPS.find(json!({"workspace_id": workspace_id}));
    Ok(Plan {
        standing: closing::standing(workspace_id).await?,
        heirs: members.limit(HEIRS).fetch().await?.documents,
        workspace,
    })
}

/// Deletes a workspace; its owner does. What is on its account goes to a member.
pub(crate) async fn delete(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    wanted: &Preconditions,
    heir: Option<&str>,
) -> Result<()> {
    for _ in tries() {
        let (workspace, own) = store::workspace(workspace_id, caller).await?;
        own.require_owner()?;
        wanted.require(workspace.version)?;
        store::require_open(&workspace)?;
        require_heir(workspace_id, heir).await?;
        let undecided = heir.is_none().then_some("which member is given them");
        let standing = closing::standing(workspace_id).await?;
        standing.require_closable::<WorkspaceId>(undecided)?;
        let closing = Closing {
            by: caller.user.to_string(),
            to: heir.map(str::to_owned),
            at: time::now(),
        };
        // First, so that no crash leaves a workspace that closes for ever; of one that does not it finds nothing.
        let about = About {
            workspace: workspace_id.clone(),
        };
        let task = New::of(CLOSE, &about)?.retries(RETRIES).delay(PATIENCE);
        task.enqueue().await?;
        let set = json!({"closing": closing, "updated_at": closing.at});
        let change = Transaction::new().check(&MEMBERSHIPS, still_is(&own), 1);
        let change = closing::while_unpaid(change, workspace_id).update_one(
            &WORKSPACES,
            as_read(&workspace),
            json!({"$set": set, "$inc": {"version": 1}}),
        );
        let told = json!({"deleted_by": caller.user, "balance_to": heir});
        let change = tell(change, workspace_id, "workspace.closing", told);
        if committed(change.commit().await)? {
            return settle(workspace_id).await;
        }
    }
    Err(busy())
}

/// Answers 422 where somebody is to be given the balance who is no member.
async fn require_heir(workspace_id: &WorkspaceId, heir: Option<&str>) -> Result<()> {
    let Some(heir) = heir else { return Ok(()) };
    let member = MEMBERSHIPS.get(&membership_id(workspace_id, heir)).await?;
    match member {
        Some(_) => Ok(()),
        None => Err(Error::validation("balance_to", "a member of the workspace")),
    }
}

/// Goes on with a deletion, as the task.
pub(crate) async fn go_on(about: &About) -> Result<()> {
    match settle(&about.workspace).await {
        // It was said where it can be heard.
        Err(error) if error.status().is_client_error() => Ok(()),
        done => done,
    }
}

/// Closes the account, and deletes the workspace.
async fn settle(workspace_id: &WorkspaceId) -> Result<()> {
    let Some(workspace) = WORKSPACES.get(workspace_id.as_str()).await? else {
        return Ok(());
    };
    let Some(closing) = &workspace.closing else {
        return Ok(());
    };
    if let Some(error) = closing::close(workspace_id, closing.to.as_deref()).await? {
        return undo(workspace_id, error).await;
    }
    let deleted = json!({"deleted_by": closing.by});
    let change = tell(
        erased(&workspace),
        workspace_id,
        "workspace.deleted",
        deleted,
    );
    // Whoever was quicker has done the same.
    committed(change.commit().await)?;
    members::sent_away(workspace_id).await;
    Ok(())
}

/// The workspace stays, for the ledger says no.
async fn undo(workspace_id: &WorkspaceId, why: Error) -> Result<()> {
    let change = Transaction::new().update_one(
        &WORKSPACES,
        still_closing(workspace_id),
        json!({"$set": {"closing": null, "updated_at": time::now()}, "$inc": {"version": 1}}),
    );
    let change = tell(change, workspace_id, "workspace.not_deleted", json!({}));
    committed(change.commit().await)?;
    Err(why)
}

/// All that there is of a workspace.
fn erased(workspace: &Workspace) -> Transaction {
    let id = &workspace.id;
    let all = || json!({"workspace_id": id});
    let change = Transaction::new()
        .delete_one(&WORKSPACES, still_closing(id))
        .delete_many(&MEMBERSHIPS, all())
        .delete_many(&ROLES, all())
        .delete_many(&SENT_AWAY, all())
        .delete_many(&INVITATIONS, all())
        .delete_many(&LINKS, all())
        .delete_many(&LABELLED, all())
        .delete_many(&LABELS, all());
    let change = closing::erased(change, id);
    given_back(change, &workspace.owner)
}

fn still_closing(workspace_id: &WorkspaceId) -> Value {
    json!({"_id": workspace_id, "closing.at": {"$exists": true}})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, team};
    use sbd_sdk::testing::{App, Reply};
    use sbd_sdk::{Principal, Scopes};

    const WALLET: &str = "/api/v1/wallet";

    /// A team with so much on its account.
    fn funded(app: &App, amount: u64) -> String {
        let workspace = team(app);
        let wallet = app.neighbour("wallet");
        for user in ["usr_1", "usr_2", "usr_3"] {
            let registered = json!({"user_id": user});
            let auth = wallet.by(Principal::service("test", "auth"));
            auth.event("account.registered", registered)
                .assert_status(204);
        }
        plan_of(app, "usr_1", &workspace).assert_status(200);
        if amount > 0 {
            let scopes = Scopes::everything().with_administration();
            let root = wallet.by(Principal::user("test", "usr_root").with_scopes(scopes));
            let keyed = root.with_header("idempotency-key", &format!("mint-{workspace}"));
            let body = json!({"to": workspace, "amount": amount});
            keyed
                .post(&format!("{WALLET}/mint"), body)
                .assert_status(201);
        }
        workspace
    }

    fn plan_of(app: &App, by: &str, workspace: &str) -> Reply {
        app.signed_in(by)
            .get(&format!("/api/v1/workspaces/{workspace}/deletion"))
    }

    fn delete(app: &App, by: &str, workspace: &str, to: &str) -> Reply {
        app.signed_in(by)
            .delete(&format!("/api/v1/workspaces/{workspace}{to}"))
    }

    fn balance(app: &App, user: &str) -> i64 {
        let wallet = app.neighbour("wallet");
        let own = wallet.signed_in(user).get(WALLET).assert_status(200);
        own["balance"].as_i64().unwrap()
    }

    fn is_gone(app: &App, workspace: &str) -> bool {
        let all = json!({"workspace_id": workspace});
        app.run(WORKSPACES.get(workspace)).unwrap().is_none()
            && app.run(MEMBERSHIPS.count(all.clone())).unwrap() == 0
            && app.run(ROLES.count(all.clone())).unwrap() == 0
            && app.run(LINKS.count(all)).unwrap() == 0
    }

    fn closes(app: &App, workspace: &str, to: Option<&str>) {
        let closing = Closing {
            by: "usr_1".to_owned(),
            to: to.map(str::to_owned),
            at: app.now(),
        };
        let closing = json!({"$set": {"closing": closing}});
        app.run(WORKSPACES.update_one(json!({"_id": workspace}), closing))
            .unwrap();
    }

    #[test]
    fn what_becomes_of_the_balance_is_shown_and_decided_first() {
        let app = app();
        let workspace = funded(&app, 70);
        let ada = app.signed_in("usr_1");
        let at = format!("/api/v1/workspaces/{workspace}");
        ada.post(
            &format!("{at}/roles"),
            json!({"name": "x", "permissions": []}),
        )
        .assert_status(201);
        ada.post(&format!("{at}/links"), json!({}))
            .assert_status(201);
        for (by, status, code) in [("usr_2", 403, "FORBIDDEN"), ("usr_9", 404, "NOT_FOUND")] {
            plan_of(&app, by, &workspace).assert_refused(status, code);
            delete(&app, by, &workspace, "?balance_to=usr_2").assert_refused(status, code);
        }
        let plan = plan_of(&app, "usr_1", &workspace).assert_status(200);
        assert_eq!(
            (&plan["balance"], &plan["held"], &plan["possible"]),
            (&json!(70), &json!(0), &json!(true))
        );
        assert_eq!(plan["receivers"].as_array().unwrap().len(), 4);
        let undecided = delete(&app, "usr_1", &workspace, "");
        let undecided = undecided.assert_refused(409, "BALANCE_UNDECIDED");
        let message = undecided["error"]["message"].as_str().unwrap();
        assert!(message.contains("70 tokens"), "{message}");
        for wrong in ["usr_9", "", "members", &"x".repeat(65)] {
            let wrong = delete(&app, "usr_1", &workspace, &format!("?balance_to={wrong}"));
            wrong.assert_refused(422, "VALIDATION_ERROR");
        }
        assert!(!is_gone(&app, &workspace));
        delete(&app, "usr_1", &workspace, "?balance_to=usr_2").assert_status(204);
        assert!(is_gone(&app, &workspace));
        assert_eq!((balance(&app, "usr_2"), balance(&app, "usr_1")), (70, 0));
        // Its task finds nothing to do, and nothing moves twice.
        app.advance(PATIENCE);
        app.run_tasks();
        assert_eq!(balance(&app, "usr_2"), 70);
        // It counts no more, and is told last.
        let app = app.variable("workspaces_per_user", "1");
        crate::tests::workspace(&app.signed_in("usr_1"), "Another");
        let told = app.published().into_iter().map(|event| event.kind);
        assert!(told.into_iter().any(|kind| kind == "workspace.deleted"));
    }

    #[test]
    fn an_archived_workspace_is_deleted_as_well() {
        let app = app();
        let workspace = funded(&app, 0);
        app.signed_in("usr_1")
            .put(
                &format!("/api/v1/workspaces/{workspace}/archive"),
                json!({}),
            )
            .assert_status(200);
        delete(&app, "usr_1", &workspace, "").assert_status(204);
        assert!(is_gone(&app, &workspace));
    }

    #[test]
    fn nothing_is_deleted_while_something_is_paid() {
        let app = app();
        let workspace = funded(&app, 70);
        let service = Principal::service("test", "workspace");
        let wallet = app.neighbour("wallet");
        let keyed = wallet
            .by(service.clone())
            .with_header("idempotency-key", "hold-1");
        let body = json!({"from": workspace, "to": "usr_2", "amount": 40});
        let hold = keyed
            .post(&format!("{WALLET}/holds"), body)
            .assert_status(201);
        let refused = delete(&app, "usr_1", &workspace, "?balance_to=usr_1");
        refused.assert_refused(409, "HOLDS_OPEN");
        assert_eq!(plan_of(&app, "usr_1", &workspace)["possible"], false);
        // Decided a moment before it was held: the ledger says no, and the workspace stays.
        closes(&app, &workspace, Some("usr_1"));
        let host = app.by(service.clone());
        host.task(CLOSE, json!({"workspace": workspace}))
            .assert_status(200);
        let stored = app.run(WORKSPACES.get(&workspace)).unwrap().unwrap();
        assert_eq!(stored.closing, None);
        let capture = format!("{WALLET}/holds/{}/capture", hold.text("id"));
        wallet
            .by(service)
            .post(&capture, json!({}))
            .assert_status(200);
        delete(&app, "usr_1", &workspace, "?balance_to=usr_1").assert_status(204);
        assert_eq!((balance(&app, "usr_1"), balance(&app, "usr_2")), (30, 40));
    }

    #[test]
    fn nothing_else_is_done_while_it_is_deleted() {
        let app = app();
        let workspace = funded(&app, 70);
        closes(&app, &workspace, None);
        let at = format!("/api/v1/workspaces/{workspace}");
        let ada = app.signed_in("usr_1");
        assert_eq!(ada.get(&at).assert_status(200)["closing"], true);
        ada.put(&at, json!({"name": "Other"}))
            .assert_refused(409, "WORKSPACE_CLOSING");
        ada.post(&format!("{at}/links"), json!({}))
            .assert_refused(409, "WORKSPACE_CLOSING");
        app.signed_in("usr_4")
            .delete(&format!("{at}/members/usr_4"))
            .assert_refused(409, "WORKSPACE_CLOSING");
        delete(&app, "usr_1", &workspace, "?balance_to=usr_1")
            .assert_refused(409, "WORKSPACE_CLOSING");
    }

    #[test]
    fn what_stopped_on_the_way_is_gone_on_with() {
        let app = app();
        // Killed after it was decided, and after the account was closed.
        for is_closed in [false, true] {
            let workspace = funded(&app, 71);
            closes(&app, &workspace, Some("usr_3"));
            let service = Principal::service("test", "workspace");
            if is_closed {
                let path = format!("{WALLET}/accounts/{workspace}/closure");
                app.neighbour("wallet")
                    .by(service.clone())
                    .with_header("idempotency-key", "killed")
                    .post(&path, json!({"to": "usr_3"}))
                    .assert_status(200);
            }
            for _ in 0..2 {
                app.by(service.clone())
                    .task(CLOSE, json!({"workspace": workspace}))
                    .assert_status(200);
            }
            assert!(is_gone(&app, &workspace));
        }
        assert_eq!(balance(&app, "usr_3"), 142);
    }

    #[test]
    fn a_frozen_account_is_not_closed() {
        let app = app();
        let workspace = funded(&app, 70);
        let wallet = app.neighbour("wallet");
        let service = wallet.by(Principal::service("test", "workspace"));
        let freeze = format!("{WALLET}/accounts/{workspace}/freeze");
        service
            .post(&freeze, json!({"reason": "lost"}))
            .assert_status(200);
        let refused = delete(&app, "usr_1", &workspace, "?balance_to=usr_1");
        refused.assert_refused(409, "ACCOUNT_FROZEN");
        assert_eq!(plan_of(&app, "usr_1", &workspace)["frozen"], "lost");
        assert!(!is_gone(&app, &workspace));
    }
}
