//! Whose limit a family counts against: whoever created it, until somebody else takes it over.
//!
//! ```text
//!   owned ── offer (owner, to an administrator) ──▶ offered ── accept (that one) ──▶ owned by that one
//!     ▲                                               │
//!     └──────── take back, decline, 7 days ───────────┘
//! ```
//!
//! Ownership is a place in a limit and gives no rights. Whoever has it does not leave before they have handed it
//! over; an administrator who sends them away takes it over.

use crate::commit::{busy, committed, counted, still_admin, tries};
use crate::creation;
use crate::deletion;
use crate::events::Happened;
use crate::model::{Family, FamilyId, Membership, Offer, Role};
use crate::store::{self, CREATORS, FAMILIES, MEMBERSHIPS};
use group::notices;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::{Value, json};
use std::time::Duration;

/// How long an offer can be accepted: as an invitation.
const OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Offers a family to an administrator; its owner does. Another offer takes the place of the one before.
pub(crate) async fn offer(
    family_id: &FamilyId,
    caller: &Caller,
    to: &str,
) -> Result<(Family, Membership)> {
    if *caller.user == *to {
        return Err(Error::validation("to", "somebody else than you"));
    }
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        deletion::require_open(&family)?;
        require_owner(&family, caller)?;
        if store::member(family_id, to).await?.role != Role::Admin {
            return Err(Error::conflict(
                "only an administrator takes a family over; promote them first",
            ));
        }
        let now = time::now();
        let offer = Offer {
            to: to.to_owned(),
            expires_at: now + OPEN,
        };
        let as_read = json!({"version": family.version, "owner": caller.user});
        let change = Transaction::new().check(&MEMBERSHIPS, still_admin(family_id, to), 1);
        let change = counted(change, family_id, as_read, json!({})).update_one(
            &FAMILIES,
            json!({"_id": family_id}),
            json!({"$set": {"offer": offer}}),
        );
        let offered = Happened::OwnershipOffered {
            family_id,
            offered_by: &caller.user,
            to,
        };
        let title = format!("{} wants to hand {} over to you", own.username, family.name);
        let unique = format!("{family_id}/offer/{}", family.version);
        let notice = notices::about(family_id, to, "family.ownership.offered", title, unique);
        if committed(notice.told_by(offered.told_by(change)).commit().await)? {
            return store::family(family_id, caller).await;
        }
    }
    Err(busy())
}

/// Takes an offer back, or declines it; nothing happens where there is none.
pub(crate) async fn withdraw(family_id: &FamilyId, caller: &Caller) -> Result<()> {
    for _ in tries() {
        let (family, _) = store::family(family_id, caller).await?;
        let offered = family.offer.as_ref().map(|offer| &*offer.to);
        if family.owner != *caller.user && offered != Some(&*caller.user) {
            return Err(Error::forbidden(
                "only the owner takes an offer back, and only whom it is for declines it",
            ));
        }
        if offered.is_none() {
            return Ok(());
        }
        let as_read = json!({"version": family.version});
        let change = counted(Transaction::new(), family_id, as_read, json!({})).update_one(
            &FAMILIES,
            json!({"_id": family_id}),
            json!({"$set": {"offer": null}}),
        );
        let withdrawn = Happened::OwnershipWithdrawn {
            family_id,
            withdrawn_by: &caller.user,
        };
        if committed(withdrawn.told_by(change).commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Takes a family over that was offered.
pub(crate) async fn accept(family_id: &FamilyId, caller: &Caller) -> Result<(Family, Membership)> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        deletion::require_open(&family)?;
        if family.owner == *caller.user {
            return Ok((family, own));
        }
        let now = time::now();
        let is_open = |offer: &&Offer| offer.to == *caller.user && now < offer.expires_at;
        if family.offer.as_ref().filter(is_open).is_none() {
            return Err(Error::conflict(
                "the family is not offered to you, or not any more; ask its owner",
            ));
        }
        if own.role != Role::Admin {
            return Err(Error::conflict(
                "only an administrator takes a family over; ask one to promote you",
            ));
        }
        let as_read = json!({"version": family.version});
        let change =
            Transaction::new().check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1);
        let change = counted(change, family_id, as_read, json!({}));
        let change = taken(change, &family, &caller.user).await?;
        let title = format!("{} has taken {} over", own.username, family.name);
        let unique = format!("{family_id}/taken/{}", family.version);
        let kind = "family.ownership.taken";
        let notice = notices::about(family_id, &family.owner, kind, title, unique);
        if committed(notice.told_by(change).commit().await)? {
            return store::family(family_id, caller).await;
        }
    }
    Err(busy())
}

/// Has a family count against the limit of somebody else from now on, as a part of a change.
pub(crate) async fn taken(change: Transaction, family: &Family, by: &str) -> Result<Transaction> {
    let change = creation::counted(change, by).await?;
    let change = given_back(change, &family.owner);
    let taken = Happened::OwnershipTaken {
        family_id: &family.id,
        taken_by: by,
        taken_from: &family.owner,
    };
    Ok(taken.told_by(change.update_one(
        &FAMILIES,
        owned(&family.id, &family.owner),
        json!({"$set": {"owner": by, "offer": null}}),
    )))
}

/// Has a family not count against somebody's limit any more.
pub(crate) fn given_back(change: Transaction, owner: &str) -> Transaction {
    change.update_many(
        &CREATORS,
        json!({"_id": owner}),
        json!({"$inc": {"families": -1}}),
    )
}

/// What to say to the owner who wants to go.
pub(crate) fn is_own() -> Error {
    Error::conflict(
        "the family counts against your limit; hand it over to another administrator first, or delete it",
    )
}

fn require_owner(family: &Family, caller: &Caller) -> Result<()> {
    match family.owner == *caller.user {
        true => Ok(()),
        false => Err(Error::forbidden(
            "only its owner hands a family over; ask them to",
        )),
    }
}

fn owned(family_id: &FamilyId, owner: &str) -> Value {
    json!({"_id": family_id, "owner": owner})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, family_with};
    use sbd_sdk::testing::{App, Reply};

    fn address(family: &str) -> String {
        format!("/api/v1/families/{family}/transfer")
    }

    fn offer(app: &App, by: &str, family: &str, to: &str) -> Reply {
        app.signed_in(by).put(&address(family), json!({"to": to}))
    }

    fn accept(app: &App, by: &str, family: &str) -> Reply {
        let path = format!("{}/acceptance", address(family));
        app.signed_in(by).post(&path, json!({}))
    }

    fn role(app: &App, family: &str, of: &str, role: &str) {
        let path = format!("/api/v1/families/{family}/members/{of}/role");
        let done = app.signed_in("usr_1").put(&path, json!({"role": role}));
        done.assert_status(200);
    }

    #[test]
    fn a_family_is_handed_over_by_agreement() {
        let app = app().variable("families_per_user", "1");
        let family = family_with(&app, &["usr_2", "usr_3"]);
        offer(&app, "usr_1", &family, "usr_2").assert_refused(409, "CONFLICT");
        role(&app, &family, "usr_2", "admin");
        offer(&app, "usr_2", &family, "usr_2").assert_refused(422, "VALIDATION_ERROR");
        offer(&app, "usr_2", &family, "usr_1").assert_refused(403, "FORBIDDEN");
        offer(&app, "usr_1", &family, "usr_9").assert_refused(404, "NOT_FOUND");
        offer(&app, "usr_9", &family, "usr_2").assert_refused(404, "NOT_FOUND");
        accept(&app, "usr_2", &family).assert_refused(409, "CONFLICT");
        let offered = offer(&app, "usr_1", &family, "usr_2").assert_status(200);
        assert_eq!(
            (&offered["offered_to"], &offered["owner"]),
            (&json!("usr_2"), &json!("usr_1"))
        );
        accept(&app, "usr_3", &family).assert_refused(409, "CONFLICT");
        app.signed_in("usr_3")
            .delete(&address(&family))
            .assert_refused(403, "FORBIDDEN");
        // Whoever has no room for another one cannot.
        let own = app
            .signed_in("usr_2")
            .post("/api/v1/families", json!({"name": "B"}));
        let own = own.assert_status(201).text("id").to_owned();
        accept(&app, "usr_2", &family).assert_refused(409, "CONFLICT");
        app.signed_in("usr_2")
            .delete(&format!("/api/v1/families/{own}"))
            .assert_status(204);
        let taken = accept(&app, "usr_2", &family).assert_status(200);
        assert_eq!(
            (&taken["owner"], &taken["offered_to"]),
            (&json!("usr_2"), &json!(null))
        );
        accept(&app, "usr_2", &family).assert_status(200);
        // It counts for the one and not for the other, who can leave.
        let create = |user: &str| {
            app.signed_in(user)
                .post("/api/v1/families", json!({"name": "C"}))
        };
        create("usr_2").assert_refused(409, "CONFLICT");
        create("usr_1").assert_status(201);
        let leave = |user: &str| {
            let path = format!("/api/v1/families/{family}/members/{user}");
            app.signed_in(user).delete(&path)
        };
        leave("usr_1").assert_status(204);
        leave("usr_2").assert_refused(409, "LAST_ADMINISTRATOR");
    }

    #[test]
    fn an_offer_is_taken_back_declined_and_expires() {
        let app = app();
        let family = family_with(&app, &["usr_2"]);
        role(&app, &family, "usr_2", "admin");
        for by in ["usr_1", "usr_2"] {
            offer(&app, "usr_1", &family, "usr_2").assert_status(200);
            app.signed_in(by)
                .delete(&address(&family))
                .assert_status(204);
            accept(&app, "usr_2", &family).assert_refused(409, "CONFLICT");
        }
        app.signed_in("usr_1")
            .delete(&address(&family))
            .assert_status(204);
        offer(&app, "usr_1", &family, "usr_2").assert_status(200);
        app.advance(OPEN);
        accept(&app, "usr_2", &family).assert_refused(409, "CONFLICT");
        offer(&app, "usr_1", &family, "usr_2").assert_status(200);
        // Whoever is demoted meanwhile does not take it over.
        role(&app, &family, "usr_2", "member");
        accept(&app, "usr_2", &family).assert_refused(409, "CONFLICT");
    }
}
