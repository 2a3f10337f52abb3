//! What each member may spend out of the family's account, and what of it is spent.

use crate::commit::{busy, committed, tries};
use crate::events::Happened;
use crate::model::{FamilyId, Membership, Role};
use crate::notices::Notice;
use crate::store::{self, ALLOWANCES, MEMBERSHIPS};
use membership::request::Automatic;
use membership::spending::{self, Permission, Spent};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Result, Tokens, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a member may spend and has spent, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowance {
    /// That of the membership.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) family_id: FamilyId,
    pub(crate) user_id: String,
    /// Since when the member is one: who leaves and comes back is allowed nothing by it.
    pub(crate) joined_at: Time,
    /// What somebody said; otherwise what the role gives.
    pub(crate) permission: Option<Permission>,
    pub(crate) set_by: Option<String>,
    pub(crate) set_at: Option<Time>,
    /// Goes up with every change of the permission, so that no payment overlooks one.
    pub(crate) version: u64,
    pub(crate) spent: Spent,
    pub(crate) approved: Approved,
}

/// What of a member's requests was approved by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Approved {
    /// The last month in which anything was; empty before the first.
    pub(crate) month: String,
    pub(crate) amount: i64,
}

/// A member's allowance, as it is read.
pub(crate) async fn read(membership: &Membership) -> Result<Allowance> {
    let stored = ALLOWANCES.get(&membership.id).await?;
    Ok(match stored {
        Some(allowance) if allowance.joined_at == membership.joined_at => allowance,
        Some(allowance) => Allowance {
            joined_at: membership.joined_at,
            permission: None,
            set_by: None,
            set_at: None,
            version: allowance.version + 1,
            ..allowance
        },
        None => Allowance::new(membership),
    })
}

/// The same, stored: what is counted on it is a condition on what is there.
pub(crate) async fn of(membership: &Membership) -> Result<Allowance> {
    for _ in tries() {
        let allowance = read(membership).await?;
        let stored = ALLOWANCES.get(&membership.id).await?;
        match stored {
            Some(stored) if stored.version == allowance.version => return Ok(allowance),
            Some(stored) => {
                let before = json!({"_id": stored.id, "version": stored.version});
                let change = json!({"$set": {
                    "joined_at": allowance.joined_at, "permission": null, "set_by": null, "set_at": null,
                    "version": allowance.version,
                }});
                ALLOWANCES.update_one(before, change).await?;
            }
            None => match ALLOWANCES.insert(&allowance).await {
                Ok(_) | Err(DocumentsError::Duplicate(_)) => {}
                Err(error) => return Err(error.into()),
            },
        }
    }
    Err(busy())
}

/// A member's allowance, for the member and for administrators.
pub(crate) async fn get(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
) -> Result<(Membership, Allowance)> {
    let own = store::reader(family_id, caller).await?;
    let of = store::member(family_id, user).await?;
    if own.user_id != of.user_id && !governs(&own, &of) {
        return Err(Error::forbidden(
            "what others may spend is for administrators and guardians to see; ask one of them",
        ));
    }
    let allowance = read(&of).await?;
    Ok((of, allowance))
}

/// Sets what a member may spend.
pub(crate) async fn set(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
    permission: Permission,
) -> Result<(Membership, Allowance)> {
    let own = store::membership(family_id, caller).await?;
    for _ in tries() {
        let member = store::member(family_id, user).await?;
        if !governs(&own, &member) {
            return Err(Error::forbidden(
                "what members may spend is for administrators to say, and for a minor's guardians; ask one of them",
            ));
        }
        let allowance = of(&member).await?;
        if allowance.permission == Some(permission) {
            return Ok((member, allowance));
        }
        let change = Transaction::new()
            .update_one(
                &ALLOWANCES,
                json!({"_id": allowance.id, "version": allowance.version}),
                json!({
                    "$set": {"permission": permission, "set_by": caller.user, "set_at": time::now()},
                    "$inc": {"version": 1},
                }),
            )
            .check(&MEMBERSHIPS, still(&own), 1);
        let change = match own.id == member.id {
            true => change,
            false => {
                let mut same = still(&member);
                same["guardians"] = json!(member.guardians);
                let change = change.check(&MEMBERSHIPS, same, 1);
                notice(family_id, &member, &allowance, permission).told_by(change)
            }
        };
        let told = Happened::PermissionSet {
            family_id,
            user_id: &member.user_id,
            set_by: &caller.user,
        };
        if committed(told.told_by(change).commit().await)? {
            let allowance = read(&member).await?;
            return Ok((member, allowance));
        }
    }
    Err(busy())
}

/// Whether somebody says what a member may spend: administrators, and of a minor the guardians. A minor is no
/// administrator, and so lifts no limit of their own.
fn governs(own: &Membership, of: &Membership) -> bool {
    own.role == Role::Admin || of.minor && of.guardians.contains(&own.user_id)
}

fn notice(
    family_id: &FamilyId,
    member: &Membership,
    before: &Allowance,
    permission: Permission,
) -> Notice {
    let title = match permission.may_spend {
        true => "What you may spend out of the family's account was changed",
        false => "You may spend nothing out of the family's account now",
    };
    Notice::new(
        family_id,
        &member.user_id,
        "family.wallet.permission",
        title,
        format!("{}/permission/{}", before.id, before.version + 1),
    )
}

/// Counts what a member spends, as long as it may be and the member is one.
pub(crate) fn count(
    change: Transaction,
    membership: &Membership,
    allowance: &Allowance,
    amount: Tokens,
    now: Time,
) -> Result<Transaction> {
    let permission = allowance.permission(membership);
    let step = spending::count(&permission, &allowance.spent, amount, now)?;
    let mut filter = step.still("spent");
    filter.insert("_id".to_owned(), allowance.id.as_str().into());
    filter.insert("version".to_owned(), allowance.version.into());
    Ok(change
        .update_one(&ALLOWANCES, Value::Object(filter), step.change("spent"))
        .check(&MEMBERSHIPS, still(membership), 1))
}

/// Counts what is approved by itself, as long as there is room for it.
pub(crate) fn count_approved(
    change: Transaction,
    allowance: &Allowance,
    automatic: &Automatic,
    amount: Tokens,
    now: Time,
) -> Transaction {
    let month = spending::month(now);
    let number = amount.number();
    let id = &allowance.id;
    if allowance.approved.month == month {
        let most = automatic.per_month.map_or(0, Tokens::number) - number;
        let with_room =
            json!({"_id": id, "approved.month": month, "approved.amount": {"$lte": most}});
        let change_of = json!({"$inc": {"approved.amount": number}});
        return change.update_one(&ALLOWANCES, with_room, change_of);
    }
    let before = json!({"_id": id, "approved.month": allowance.approved.month});
    let begun = json!({"$set": {"approved": {"month": month, "amount": number}}});
    change.update_one(&ALLOWANCES, before, begun)
}

/// Gives back what was counted and not paid after all.
pub(crate) async fn give_back(
    change: Transaction,
    id: &str,
    amount: Tokens,
    counted_at: Time,
    automatic: bool,
) -> Result<Transaction> {
    let Some(allowance) = ALLOWANCES.get(id).await? else {
        return Ok(change);
    };
    let change = match spending::give_back(&allowance.spent, amount, counted_at) {
        Some(step) => {
            let mut filter = step.still("spent");
            filter.insert("_id".to_owned(), id.into());
            change.update_one(&ALLOWANCES, Value::Object(filter), step.change("spent"))
        }
        None => change,
    };
    let month = spending::month(counted_at);
    if !automatic || allowance.approved.month != month {
        return Ok(change);
    }
    let same = json!({"_id": id, "approved.month": month});
    let less = json!({"$inc": {"approved.amount": -amount.number()}});
    Ok(change.update_one(&ALLOWANCES, same, less))
}

/// That somebody is a member still, and the same as before.
pub(crate) fn still(membership: &Membership) -> Value {
    json!({"_id": membership.id, "role": membership.role, "joined_at": membership.joined_at})
}

// === impl Allowance ===

impl Allowance {
    fn new(membership: &Membership) -> Self {
        Self {
            id: membership.id.clone(),
            family_id: membership.family_id.clone(),
            user_id: membership.user_id.clone(),
            joined_at: membership.joined_at,
            permission: None,
            set_by: None,
            set_at: None,
            version: 0,
            spent: Spent::default(),
            approved: Approved::default(),
        }
    }

    /// What the member may spend: administrators everything and others nothing, unless somebody said otherwise.
    pub(crate) fn permission(&self, membership: &Membership) -> Permission {
        self.permission.unwrap_or(match membership.role {
            Role::Admin => Permission::UNLIMITED,
            _ => Permission::NOTHING,
        })
    }

    /// What was approved by itself in the present month.
    pub(crate) fn approved_at(&self, now: Time) -> i64 {
        match self.approved.month == spending::month(now) {
            true => self.approved.amount,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::home::{Home, When};
    use serde_json::json;
    use std::rc::Rc;

    #[test]
    fn administrators_say_what_members_may_spend() {
        let home = Home::new(&["usr_2", "usr_3"]);
        let own = home.read("usr_1", "wallet/permissions/usr_1");
        assert_eq!(own["permission"]["may_spend"], true);
        let path = home.path("wallet/permissions/usr_2");
        let (ada, bob, eve) = (
            home.app.signed_in("usr_1"),
            home.app.signed_in("usr_2"),
            home.app.signed_in("usr_3"),
        );
        assert_eq!(
            bob.get(&path).assert_status(200)["permission"]["may_spend"],
            false
        );
        eve.get(&path).assert_refused(403, "FORBIDDEN");
        let may = json!({"may_spend": true, "per_day": 10});
        for by in [&bob, &eve] {
            by.put(&path, may.clone()).assert_refused(403, "FORBIDDEN");
        }
        home.app
            .signed_in("usr_8")
            .get(&path)
            .assert_refused(404, "NOT_FOUND");
        home.app
            .signed_in("usr_8")
            .put(&path, may.clone())
            .assert_refused(404, "NOT_FOUND");
        ada.put(&home.path("wallet/permissions/usr_8"), may.clone())
            .assert_refused(404, "NOT_FOUND");
        let set = ada.put(&path, may.clone()).assert_status(200);
        assert_eq!(
            (&set["set_by"], &set["is_set"]),
            (&json!("usr_1"), &json!(true))
        );
        assert_eq!(ada.put(&path, may).assert_status(200).body(), set.body());
        assert_eq!(home.notices("family.wallet.permission"), ["usr_2"]);
        // Administrators are unlimited unless somebody says otherwise, and then they are not.
        home.deposit(100);
        home.permit("usr_1", json!({"per_transaction": 5}));
        home.send(
            "usr_1",
            "wallet/payments",
            json!({"to": "usr_9", "amount": 6}),
        )
        .assert_refused(409, "LIMIT_EXCEEDED");
    }

    #[test]
    fn guardians_say_what_a_minor_may_spend_and_minors_do_not() {
        let home = Home::new(&["usr_2", "usr_3", "usr_4"]);
        home.deposit(100);
        let guardians = json!({"guardians": ["usr_3"]});
        home.app
            .signed_in("usr_1")
            .put(&home.path("members/usr_2/guardians"), guardians)
            .assert_status(200);
        let path = home.path("wallet/permissions/usr_2");
        let may = |amount: u64| json!({"may_spend": true, "per_day": amount});
        let set = |user: &str, amount| home.app.signed_in(user).put(&path, may(amount));
        set("usr_2", 50).assert_refused(403, "FORBIDDEN");
        set("usr_4", 50).assert_refused(403, "FORBIDDEN");
        set("usr_3", 5).assert_status(200);
        home.app.signed_in("usr_3").get(&path).assert_status(200);
        home.app
            .signed_in("usr_4")
            .get(&path)
            .assert_refused(403, "FORBIDDEN");
        // A guardian governs the minor alone.
        home.app
            .signed_in("usr_3")
            .put(&home.path("wallet/permissions/usr_3"), may(50))
            .assert_refused(403, "FORBIDDEN");
        home.send(
            "usr_2",
            "wallet/payments",
            json!({"to": "usr_9", "amount": 6}),
        )
        .assert_refused(409, "LIMIT_EXCEEDED");
        home.send(
            "usr_2",
            "wallet/payments",
            json!({"to": "usr_9", "amount": 5}),
        )
        .assert_status(201);
    }

    #[test]
    fn who_comes_back_is_allowed_nothing_by_what_was_said_before() {
        let home = Home::new(&["usr_2"]);
        home.deposit(100);
        home.permit("usr_2", json!({}));
        let order = json!({"to": "usr_9", "amount": 10});
        home.send("usr_2", "wallet/payments", order.clone())
            .assert_status(201);
        home.leave("usr_2");
        home.send("usr_2", "wallet/payments", order.clone())
            .assert_refused(404, "NOT_FOUND");
        home.advance(std::time::Duration::from_secs(1));
        home.join("usr_2");
        home.send("usr_2", "wallet/payments", order.clone())
            .assert_refused(403, "FORBIDDEN");
        home.permit("usr_2", json!({"per_day": 15}));
        // What was spent is spent.
        home.send("usr_2", "wallet/payments", order)
            .assert_refused(409, "LIMIT_EXCEEDED");
    }

    #[test]
    fn who_is_sent_away_while_paying_has_paid_or_has_not() {
        let home = Rc::new(Home::new(&["usr_2"]));
        home.deposit(100);
        home.permit("usr_2", json!({}));
        let (other, order) = (Rc::clone(&home), json!({"to": "usr_9", "amount": 10}));
        home.whenever(move |call, when| {
            if when == When::Before && call.path.ends_with("/holds") {
                other.leave("usr_2");
            }
        });
        // It was decided while they were a member.
        home.send("usr_2", "wallet/payments", order.clone())
            .assert_status(201);
        home.undisturbed();
        home.send("usr_2", "wallet/payments", order)
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(home.balance(), (90, 0));
    }
}
