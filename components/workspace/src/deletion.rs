//! Deleting a workspace: `group::deletion` does it. Its owner does, and sees before what there is to decide.

use crate::commit::{busy, still_is, tries};
use crate::creation::given_back;
use crate::model::WorkspaceId;
use crate::store::{self, LABELLED, LABELS, LINKS, ROLES, SENT_AWAY};
use group::api::deletion::PlanView;
use group::deletion::{self, Deleting, Heir};
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Result};
use serde_json::json;

impl Deleting for WorkspaceId {
    fn gone(&self, change: Transaction, owner: &str) -> Transaction {
        let all = || json!({"workspace_id": self});
        let change = change
            .delete_many(&ROLES, all())
            .delete_many(&SENT_AWAY, all())
            .delete_many(&LINKS, all())
            .delete_many(&LABELLED, all())
            .delete_many(&LABELS, all());
        given_back(change, owner)
    }
}

/// What stands in the way of a deletion, and who could be given what is left.
pub(crate) async fn plan(workspace_id: &WorkspaceId, caller: &Caller) -> Result<PlanView> {
    store::workspace(workspace_id, caller)
        .await?
        .1
        .require_owner()?;
    group::api::deletion::plan(workspace_id).await
}

/// Deletes a workspace. What is on its account goes to a member, or in equal shares to all.
pub(crate) async fn delete(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    wanted: &Preconditions,
    heir: Option<&Heir>,
) -> Result<()> {
    for _ in tries() {
        let (workspace, own) = store::workspace(workspace_id, caller).await?;
        own.require_owner()?;
        wanted.require(workspace.version)?;
        store::require_open(&workspace)?;
        let still = still_is(&own);
        if deletion::delete(workspace_id, caller, still, workspace.version, heir).await? {
            return Ok(());
        }
    }
    Err(busy())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::store::{LINKS, MEMBERSHIPS, ROLES, WORKSPACES};
    use crate::tests::{app, team};
    use group::deletion::{Closing, Heir};
    use sbd_sdk::testing::{App, Reply};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;
    use std::time::Duration;

    /// The task that goes on with a deletion.
    const CLOSE: &str = "close-workspace";
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
            to: to.map(|to| Heir::from(to.to_owned())),
            share: None,
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
        for wrong in ["usr_9", "", "workspace", &"x".repeat(65)] {
            let wrong = delete(&app, "usr_1", &workspace, &format!("?balance_to={wrong}"));
            wrong.assert_refused(422, "VALIDATION_ERROR");
        }
        assert!(!is_gone(&app, &workspace));
        delete(&app, "usr_1", &workspace, "?balance_to=usr_2").assert_status(204);
        assert!(is_gone(&app, &workspace));
        assert_eq!((balance(&app, "usr_2"), balance(&app, "usr_1")), (70, 0));
        // Its task finds nothing to do, and nothing moves twice.
        app.advance(Duration::from_secs(60));
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

    #[test]
    fn members_share_and_the_rest_is_for_whoever_deletes() {
        let app = app();
        let workspace = funded(&app, 71);
        delete(&app, "usr_1", &workspace, "?balance_to=members").assert_status(204);
        let view = app
            .signed_in("usr_1")
            .get(&format!("/api/v1/workspaces/{workspace}"));
        assert_eq!(view["closing"], true);
        app.advance(Duration::from_secs(1));
        app.run_tasks();
        assert!(is_gone(&app, &workspace));
        // Four are 17 each; who has no account has none.
        let balances = ["usr_1", "usr_2", "usr_3"].map(|user| balance(&app, user));
        assert_eq!(balances, [37, 17, 17]);
    }
}
