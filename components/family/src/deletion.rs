//! Deleting a family: `group::deletion` does it. Administrators do, and see before what there is to decide.

use crate::commit::{busy, still_admin, tries};
use crate::model::{Family, FamilyId, require_admin};
use crate::store::{self, RELATIONSHIPS};
use crate::{continuity, ownership};
use group::api::deletion::PlanView;
use group::deletion::{self, Deleting, Heir};
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;

impl Deleting for FamilyId {
    fn gone(&self, change: Transaction, owner: &str) -> Transaction {
        let change = change.delete_many(&RELATIONSHIPS, json!({"family_id": self}));
        ownership::given_back(continuity::gone(change, self), owner)
    }
}

/// What stands in the way of a deletion, and who could be given what is left.
pub(crate) async fn plan(family_id: &FamilyId, caller: &Caller) -> Result<PlanView> {
    require_admin(&store::family(family_id, caller).await?.1)?;
    group::api::deletion::plan(family_id).await
}

/// Deletes a family. What is on its account goes to a member, or in equal shares to all.
pub(crate) async fn delete(
    family_id: &FamilyId,
    caller: &Caller,
    wanted: &Preconditions,
    heir: Option<&Heir>,
) -> Result<()> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        require_admin(&own)?;
        wanted.require(family.version)?;
        require_open(&family)?;
        let still = still_admin(family_id, &caller.user);
        if deletion::delete(family_id, caller, still, family.version, heir).await? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Answers 409 while a family is deleted.
pub(crate) fn require_open(family: &Family) -> Result<()> {
    match family.closing {
        None => Ok(()),
        Some(_) => Err(Error::new(
            StatusCode::CONFLICT,
            "FAMILY_CLOSING",
            "the family is being deleted; nothing else is done to it",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::commit::{committed, counted, still_admin};
    use crate::model::FamilyId;
    use crate::model::tests::caller;
    use crate::store::{self, FAMILIES, INVITATIONS, MEMBERSHIPS};
    use crate::tests::{app, family_with};
    use group::deletion::{Closing, Heir};
    use sbd_sdk::documents::Transaction;
    use sbd_sdk::testing::{App, Reply};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;
    use std::time::Duration;

    /// The task that goes on with a deletion.
    const CLOSE: &str = "close-family";
    const WALLET: &str = "/api/v1/wallet";

    /// A family of `usr_1`, `usr_2` and `usr_3` with so much on its account.
    fn funded(app: &App, amount: u64) -> String {
        let family = family_with(app, &["usr_2", "usr_3"]);
        let wallet = app.neighbour("wallet");
        for user in ["usr_1", "usr_2", "usr_3"] {
            let registered = json!({"user_id": user});
            let auth = wallet.by(Principal::service("test", "auth"));
            auth.event("account.registered", registered)
                .assert_status(204);
        }
        plan_of(app, "usr_1", &family).assert_status(200);
        if amount > 0 {
            let scopes = Scopes::everything().with_administration();
            let root = wallet.by(Principal::user("test", "usr_root").with_scopes(scopes));
            let keyed = root.with_header("idempotency-key", &format!("mint-{family}"));
            let body = json!({"to": family, "amount": amount});
            keyed
                .post(&format!("{WALLET}/mint"), body)
                .assert_status(201);
        }
        family
    }

    fn plan_of(app: &App, by: &str, family: &str) -> Reply {
        app.signed_in(by)
            .get(&format!("/api/v1/families/{family}/deletion"))
    }

    fn delete(app: &App, by: &str, family: &str, to: &str) -> Reply {
        app.signed_in(by)
            .delete(&format!("/api/v1/families/{family}{to}"))
    }

    fn balance(app: &App, user: &str) -> i64 {
        let wallet = app.neighbour("wallet");
        let own = wallet.signed_in(user).get(WALLET).assert_status(200);
        own["balance"].as_i64().unwrap()
    }

    fn is_gone(app: &App, family: &str) -> bool {
        let all = json!({"family_id": family});
        app.run(FAMILIES.get(family)).unwrap().is_none()
            && app.run(MEMBERSHIPS.count(all.clone())).unwrap() == 0
            && app.run(INVITATIONS.count(all)).unwrap() == 0
    }

    fn closes(app: &App, family: &str, to: Option<Heir>) {
        let closing = Closing {
            by: "usr_1".to_owned(),
            to,
            share: None,
            at: app.now(),
        };
        let closing = json!({"$set": {"closing": closing}});
        app.run(FAMILIES.update_one(json!({"_id": family}), closing))
            .unwrap();
    }

    #[test]
    fn what_becomes_of_the_balance_is_shown_and_decided_first() {
        let app = app();
        let family = funded(&app, 70);
        plan_of(&app, "usr_2", &family).assert_refused(403, "FORBIDDEN");
        plan_of(&app, "usr_9", &family).assert_refused(404, "NOT_FOUND");
        let plan = plan_of(&app, "usr_1", &family).assert_status(200);
        assert_eq!(
            (&plan["balance"], &plan["held"], &plan["possible"]),
            (&json!(70), &json!(0), &json!(true))
        );
        assert_eq!(plan["receivers"].as_array().unwrap().len(), 3);
        let undecided = delete(&app, "usr_1", &family, "").assert_refused(409, "BALANCE_UNDECIDED");
        assert!(
            undecided["error"]["message"]
                .as_str()
                .unwrap()
                .contains("70 tokens")
        );
        for wrong in ["usr_9", "", "family", &"x".repeat(65)] {
            let wrong = delete(&app, "usr_1", &family, &format!("?balance_to={wrong}"));
            wrong.assert_refused(422, "VALIDATION_ERROR");
        }
        delete(&app, "usr_2", &family, "?balance_to=usr_2").assert_refused(403, "FORBIDDEN");
        assert!(!is_gone(&app, &family));
        delete(&app, "usr_1", &family, "?balance_to=usr_2").assert_status(204);
        assert!(is_gone(&app, &family));
        assert_eq!((balance(&app, "usr_2"), balance(&app, "usr_1")), (70, 0));
        // Its task finds nothing to do, and nothing moves twice.
        app.advance(Duration::from_secs(60));
        app.run_tasks();
        assert_eq!(balance(&app, "usr_2"), 70);
        app.signed_in("usr_1")
            .post("/api/v1/families", json!({"name": "B"}))
            .assert_status(201);
    }

    #[test]
    fn members_share_and_the_rest_is_for_whoever_deletes() {
        let app = app();
        let family = funded(&app, 71);
        delete(&app, "usr_1", &family, "?balance_to=members").assert_status(204);
        // Meanwhile nothing else is done to it.
        let view = app
            .signed_in("usr_1")
            .get(&format!("/api/v1/families/{family}"));
        assert_eq!(view["closing"], true);
        delete(&app, "usr_1", &family, "?balance_to=usr_1").assert_refused(409, "FAMILY_CLOSING");
        let leaves = format!("/api/v1/families/{family}/members/usr_2");
        app.signed_in("usr_2")
            .delete(&leaves)
            .assert_refused(409, "FAMILY_CLOSING");
        app.advance(Duration::from_secs(1));
        app.run_tasks();
        assert!(is_gone(&app, &family));
        let balances = ["usr_1", "usr_2", "usr_3"].map(|user| balance(&app, user));
        assert_eq!(balances, [25, 23, 23]);
    }

    #[test]
    fn nothing_is_deleted_while_something_is_paid() {
        let app = app();
        let family = funded(&app, 70);
        let service = Principal::service("test", "family");
        let wallet = app.neighbour("wallet");
        let keyed = wallet
            .by(service.clone())
            .with_header("idempotency-key", "hold-1");
        let body = json!({"from": family, "to": "usr_2", "amount": 40});
        let hold = keyed
            .post(&format!("{WALLET}/holds"), body)
            .assert_status(201);
        delete(&app, "usr_1", &family, "?balance_to=usr_1").assert_refused(409, "HOLDS_OPEN");
        assert_eq!(plan_of(&app, "usr_1", &family)["possible"], false);
        // Decided a moment before it was held: the ledger says no, and the family stays.
        closes(&app, &family, Some(Heir::Member("usr_1".to_owned())));
        let host = app.by(service.clone());
        host.task(CLOSE, json!({"family": family}))
            .assert_status(200);
        let stored = app.run(FAMILIES.get(&family)).unwrap().unwrap();
        assert_eq!(stored.closing, None);
        let capture = format!("{WALLET}/holds/{}/capture", hold.text("id"));
        wallet
            .by(service)
            .post(&capture, json!({}))
            .assert_status(200);
        delete(&app, "usr_1", &family, "?balance_to=usr_1").assert_status(204);
        assert_eq!((balance(&app, "usr_1"), balance(&app, "usr_2")), (30, 40));
    }

    #[test]
    fn nothing_is_paid_while_it_is_deleted() {
        let app = app();
        let family = funded(&app, 70);
        let id: FamilyId = family.parse().unwrap();
        let account = app.run(group::account::of(&id)).unwrap();
        let paid = || group::account::while_open(Transaction::new(), &account);
        assert!(committed(app.run(paid().commit())).unwrap());
        closes(&app, &family, None);
        assert!(!committed(app.run(paid().commit())).unwrap());
        // Nor is anybody promoted, whatever was read before.
        let late = crate::members::promote(Transaction::new(), &id, "usr_2", "usr_1");
        assert!(!committed(app.run(late.commit())).unwrap());
    }

    #[test]
    fn what_stopped_on_the_way_is_gone_on_with() {
        let app = app();
        for (to, expected) in [
            (Heir::Member("usr_3".to_owned()), [0, 0, 71]),
            (Heir::Members, [25, 23, 94]),
        ] {
            let family = funded(&app, 71);
            // Killed after it was decided, or after the account was closed.
            closes(&app, &family, Some(to.clone()));
            if to == Heir::Members {
                let share = json!({"$set": {"closing.share": 23}});
                app.run(FAMILIES.update_one(json!({"_id": family}), share))
                    .unwrap();
            } else {
                let wallet = app.neighbour("wallet");
                let service = wallet.by(Principal::service("test", "family"));
                let path = format!("{WALLET}/accounts/{family}/closure");
                let keyed = service.with_header("idempotency-key", "killed");
                keyed.post(&path, json!({"to": "usr_3"})).assert_status(200);
            }
            let host = app.by(Principal::service("test", "family"));
            for _ in 0..2 {
                host.task(CLOSE, json!({"family": family}))
                    .assert_status(200);
            }
            assert!(is_gone(&app, &family));
            let balances = ["usr_1", "usr_2", "usr_3"].map(|user| balance(&app, user));
            assert_eq!(balances, expected);
        }
    }

    #[test]
    fn a_frozen_account_is_not_closed() {
        let app = app();
        let family = funded(&app, 70);
        let wallet = app.neighbour("wallet");
        let service = wallet.by(Principal::service("test", "family"));
        let freeze = format!("{WALLET}/accounts/{family}/freeze");
        service
            .post(&freeze, json!({"reason": "lost"}))
            .assert_status(200);
        let refused = delete(&app, "usr_1", &family, "?balance_to=usr_1");
        refused.assert_refused(409, "ACCOUNT_FROZEN");
        assert_eq!(plan_of(&app, "usr_1", &family)["frozen"], "lost");
        assert!(!is_gone(&app, &family));
    }

    #[test]
    fn whoever_is_no_administrator_any_more_deletes_nothing() {
        let app = app();
        let family = funded(&app, 0);
        let id: FamilyId = family.parse().unwrap();
        let ada = caller("usr_1");
        let read = app.run(store::family(&id, &ada)).unwrap().0;
        let change = Transaction::new().check(&MEMBERSHIPS, still_admin(&id, "usr_1"), 1);
        let late = counted(change, &id, json!({"version": read.version}), json!({}));
        for (by, of, role) in [("usr_1", "usr_2", "admin"), ("usr_2", "usr_1", "member")] {
            let path = format!("/api/v1/families/{family}/members/{of}/role");
            app.signed_in(by)
                .put(&path, json!({"role": role}))
                .assert_status(200);
        }
        assert!(!committed(app.run(late.commit())).unwrap());
        delete(&app, "usr_1", &family, "").assert_refused(403, "FORBIDDEN");
    }
}
