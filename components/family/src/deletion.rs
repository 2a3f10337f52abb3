//! Deleting a family: what becomes of its balance is shown, decided, and done first; nothing is burnt.
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

use crate::commit::{busy, committed, counted, still_admin, tries};
use crate::events::Happened;
use crate::model::{Closing, Family, FamilyId, Heir, Membership, membership_id, require_admin};
use crate::store::{self, FAMILIES, INVITATIONS, MEMBERSHIPS, RELATIONSHIPS};
use crate::{continuity, ownership};
use group::closing::{self, Standing};
use group::wallet;
use http::StatusCode;
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::tasks::New;
use sbd_sdk::{Caller, Error, Result, Tokens, realtime, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// The task that goes on with a deletion.
pub(crate) const CLOSE: &str = "close-family";
/// How often it is tried again: over some days, later and later.
const RETRIES: u32 = 20;
/// How long whoever deletes has to do it, before the task goes on.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who could be given a balance.
const HEIRS_SAID: &str = "which member is given them, or `members` for equal shares";
/// Among how many a balance is split at most.
const HEIRS: usize = 100;

/// Which family.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) family: FamilyId,
}

/// What is to be known before a family is deleted.
pub(crate) struct Plan {
    pub(crate) family: Family,
    pub(crate) standing: Standing,
    /// Who could be given the balance: the first hundred.
    pub(crate) heirs: Vec<Membership>,
}

/// What stands in the way of a deletion, and who could be given what is left; administrators see it.
pub(crate) async fn plan(family_id: &FamilyId, caller: &Caller) -> Result<Plan> {
    let (family, own) = store::family(family_id, caller).await?;
    require_admin(&own)?;
    Ok(Plan {
        standing: closing::standing(family_id).await?,
        heirs: heirs(family_id).await?,
        family,
    })
}

/// Deletes a family; administrators do. What is on its account goes to a member, or in equal shares to all.
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
        let standing = closing::standing(family_id).await?;
        standing.require_closable::<FamilyId>(heir.is_none().then_some(HEIRS_SAID))?;
        let closing = decided(&family, caller, &standing.account, heir).await?;
        // First, so that no crash leaves a family that closes for ever; of one that does not it finds nothing.
        let about = About {
            family: family_id.clone(),
        };
        let task = New::of(CLOSE, &about)?.retries(RETRIES);
        let task = match closing.to {
            Some(Heir::Members) => task.delay(Duration::from_secs(1)),
            _ => task.delay(PATIENCE),
        };
        task.enqueue().await?;
        let as_read = json!({"version": family.version});
        let change =
            Transaction::new().check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1);
        let change = counted(change, family_id, as_read, json!({}));
        let change = closing::while_unpaid(change, family_id).update_one(
            &FAMILIES,
            json!({"_id": family_id}),
            json!({"$set": {"closing": closing}}),
        );
        let told = Happened::Closing {
            family_id,
            deleted_by: &caller.user,
            balance_to: closing.to.as_ref(),
        };
        if committed(told.told_by(change).commit().await)? {
            return match closing.to {
                // The task alone pays the shares: the ledger knows a request again by who sends it.
                Some(Heir::Members) => Ok(()),
                _ => settle(family_id).await,
            };
        }
    }
    Err(busy())
}

/// What is decided about a balance.
async fn decided(
    family: &Family,
    caller: &Caller,
    account: &wallet::Account,
    heir: Option<&Heir>,
) -> Result<Closing> {
    let closing = Closing {
        by: caller.user.to_string(),
        to: heir.cloned(),
        share: None,
        at: time::now(),
    };
    match heir {
        None => Ok(closing),
        Some(Heir::Member(user)) => {
            let member = MEMBERSHIPS.get(&membership_id(&family.id, user)).await?;
            match member {
                Some(_) => Ok(closing),
                None => Err(Error::validation(
                    "balance_to",
                    "a member of the family, or `members`",
                )),
            }
        }
        Some(Heir::Members) if family.member_count > HEIRS as u64 => {
            let message = format!("a member: among more than {HEIRS} nothing is split");
            Err(Error::validation("balance_to", message))
        }
        Some(Heir::Members) => {
            let available = u64::try_from(account.available).unwrap_or(0);
            Ok(Closing {
                share: Tokens::new(available / family.member_count.max(1)),
                ..closing
            })
        }
    }
}

/// Goes on with a deletion, as the task.
pub(crate) async fn go_on(about: &About) -> Result<()> {
    let Some(family) = FAMILIES.get(about.family.as_str()).await? else {
        return Ok(());
    };
    let Some(closing) = &family.closing else {
        return Ok(());
    };
    if let (Some(Heir::Members), Some(share)) = (&closing.to, closing.share) {
        for member in heirs(&family.id).await? {
            let key = format!("closing/{}/{}", family.id, member.user_id);
            match wallet::share_out(&family.id, &member.user_id, share, &key).await {
                // Nobody of this id has an account: the rest is for whoever deletes.
                Err(error) if error.code() == "NOT_FOUND" => {}
                Err(error) if error.status().is_client_error() => {
                    return undo(&family, error).await.or(Ok(()));
                }
                done => done?,
            }
        }
    }
    match settle(&family.id).await {
        // It was said where it can be heard.
        Err(error) if error.status().is_client_error() => Ok(()),
        done => done,
    }
}

/// Closes the account, and deletes the family.
async fn settle(family_id: &FamilyId) -> Result<()> {
    let Some(family) = FAMILIES.get(family_id.as_str()).await? else {
        return Ok(());
    };
    let Some(closing) = &family.closing else {
        return Ok(());
    };
    let to = match &closing.to {
        Some(Heir::Member(user)) => Some(user.as_str()),
        Some(Heir::Members) => Some(&*closing.by),
        None => None,
    };
    if let Some(error) = closing::close(family_id, to).await? {
        return undo(&family, error).await;
    }
    let change = erased(&family);
    let deleted = Happened::Deleted {
        family_id,
        deleted_by: &closing.by,
    };
    // Whoever was quicker has done the same.
    committed(deleted.told_by(change).commit().await)?;
    // It is deleted; that somebody still listens where nothing is said is no reason to say otherwise.
    if let Err(error) = realtime::changed(&format!("family:{family_id}")).await {
        eprintln!("whoever listens to {family_id} could not be sent away: {error:?}");
    }
    Ok(())
}

/// The family stays, for the ledger says no.
async fn undo(family: &Family, why: Error) -> Result<()> {
    let change = Transaction::new().update_one(
        &FAMILIES,
        still_closing(&family.id),
        json!({"$set": {"closing": null, "updated_at": time::now()}, "$inc": {"version": 1}}),
    );
    let told = Happened::NotDeleted {
        family_id: &family.id,
    };
    committed(told.told_by(change).commit().await)?;
    Err(why)
}

/// All that there is of a family.
fn erased(family: &Family) -> Transaction {
    let of_family = || json!({"family_id": family.id});
    let change = Transaction::new()
        .delete_one(&FAMILIES, still_closing(&family.id))
        .delete_many(&MEMBERSHIPS, of_family())
        .delete_many(&INVITATIONS, of_family())
        .delete_many(&RELATIONSHIPS, of_family());
    let change = closing::erased(change, &family.id);
    let change = continuity::gone(change, &family.id);
    ownership::given_back(change, &family.owner)
}

fn still_closing(family_id: &FamilyId) -> Value {
    json!({"_id": family_id, "closing.at": {"$exists": true}})
}

async fn heirs(family_id: &FamilyId) -> Result<Vec<Membership>> {
    let heirs = MEMBERSHIPS.find(json!({"family_id": family_id}));
    Ok(heirs.limit(100).fetch().await?.documents)
}

/// Answers 409 while a family is deleted.
pub(crate) fn require_open(family: &Family) -> Result<()> {
    match family.closing {
        None => Ok(()),
        Some(_) => Err(refused(
            "FAMILY_CLOSING",
            "the family is being deleted; nothing else is done to it".to_owned(),
        )),
    }
}

fn refused(code: &'static str, message: String) -> Error {
    Error::new(StatusCode::CONFLICT, code, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::tests::caller;
    use crate::tests::{app, family_with};
    use sbd_sdk::testing::{App, Reply};
    use sbd_sdk::{Principal, Scopes};

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
