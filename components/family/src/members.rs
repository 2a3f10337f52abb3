//! What becomes of members: what they may do, who answers for them, that they go.
//!
//! The rules are `membership::roles`. What they were asked about is a condition of the commit: the counts in the
//! family, what the member is, and that whoever does it is an administrator still. So two administrators cannot
//! demote each other at once, and nobody is promoted while they leave.

use crate::commit::{busy, committed, counted, member_who_is, still_admin, tries};
use crate::events::Happened;
use crate::model::{Family, FamilyId, Membership, Role, membership_id, require_admin};
use crate::store::{self, MEMBERSHIPS};
use crate::{deletion, ownership, relationships};
use group::notices;
use group::store::ALLOWANCES;
use membership::roles::{self, Act, Counts, Guards, MAX_ADMINS, MAX_GUARDIANS, Standing, Then};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, realtime};
use serde_json::{Value, json};

/// Makes a member an administrator, as a part of a change, for whoever has decided it: the change is not done
/// unless the member is one still and no minor, and there is room for another administrator.
pub(crate) fn promote(
    change: Transaction,
    family_id: &FamilyId,
    user: &str,
    by: &str,
) -> Transaction {
    let room = json!({"admin_count": {"$lt": MAX_ADMINS}});
    let change = counted(change, family_id, room, json!({"admin_count": 1})).update_one(
        &MEMBERSHIPS,
        member_who_is(
            family_id,
            user,
            json!({"role": Role::Member, "minor": false}),
        ),
        json!({"$set": {"role": Role::Admin}}),
    );
    let promoted = Happened::MemberPromoted {
        family_id,
        user_id: user,
        promoted_by: by,
    };
    promoted.told_by(change)
}

/// Makes an administrator a member again, as a part of a change: never the last one.
pub(crate) fn demote(
    change: Transaction,
    family_id: &FamilyId,
    user: &str,
    by: &str,
) -> Transaction {
    let others = json!({"admin_count": {"$gte": 2}});
    let change = counted(change, family_id, others, json!({"admin_count": -1})).update_one(
        &MEMBERSHIPS,
        member_who_is(family_id, user, json!({"role": Role::Admin})),
        json!({"$set": {"role": Role::Member}}),
    );
    let demoted = Happened::MemberDemoted {
        family_id,
        user_id: user,
        demoted_by: by,
    };
    demoted.told_by(change)
}

/// A member of the caller's family.
pub(crate) async fn get(family_id: &FamilyId, caller: &Caller, user: &str) -> Result<Membership> {
    store::reader(family_id, caller).await?;
    store::member(family_id, user).await
}

/// Makes a member an administrator, or an administrator a member; administrators do.
pub(crate) async fn set_role(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
    role: Role,
) -> Result<Membership> {
    let (act, kind, title) = match role {
        Role::Admin => (
            Act::Promote,
            "family.member.promoted",
            "You are an administrator of",
        ),
        Role::Member => (
            Act::Demote,
            "family.member.demoted",
            "You are no administrator any more of",
        ),
    };
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        deletion::require_open(&family)?;
        require_admin(&own)?;
        let member = store::member(family_id, user).await?;
        if roles::act(counts(&family), standing(&member, Guards::Nobody), act)? == Then::Same {
            return Ok(member);
        }
        let change =
            Transaction::new().check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1);
        let change = match role {
            Role::Admin => promote(change, family_id, user, &caller.user),
            Role::Member => demote(change, family_id, user, &caller.user),
        };
        let title = format!("{title} {}", family.name);
        let change = told(change, &family, caller, user, kind, &title);
        if committed(change.commit().await)? {
            return Ok(Membership { role, ..member });
        }
    }
    Err(busy())
}

/// Gives a member guardians, or other ones, which makes them a minor; with none they are grown up.
/// Administrators do.
pub(crate) async fn set_guardians(
    family_id: &FamilyId,
    caller: &Caller,
    user: &str,
    guardians: &[String],
) -> Result<Membership> {
    let guardians = checked(user, guardians)?;
    let act = match guardians.is_empty() {
        true => Act::Release,
        false => Act::Guard,
    };
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        deletion::require_open(&family)?;
        require_admin(&own)?;
        let member = store::member(family_id, user).await?;
        let guards = guards(family_id, user).await?;
        let then = roles::act(counts(&family), standing(&member, guards), act)?;
        if then == Then::Same || member.guardians == guardians {
            return Ok(member);
        }
        require_adults(family_id, &guardians).await?;
        let member = Membership {
            minor: !guardians.is_empty(),
            guardians: guardians.clone(),
            ..member
        };
        let adults = json!({"_id": {"$in": ids(family_id, &guardians)}, "minor": false});
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1)
            .check(&MEMBERSHIPS, adults, guardians.len() as u64)
            .check(&MEMBERSHIPS, wards(family_id, user), 0)
            .update_one(
                &MEMBERSHIPS,
                member_who_is(family_id, user, json!({"role": Role::Member})),
                json!({"$set": {"minor": member.minor, "guardians": member.guardians}}),
            );
        let guarded = Happened::MemberGuarded {
            family_id,
            user_id: user,
            guardians: &guardians,
            decided_by: &caller.user,
        };
        let mut change = guarded.told_by(counted(change, family_id, json!({}), json!({})));
        let title = match member.minor {
            true => format!("You have guardians in {}", family.name),
            false => format!("You have no guardians any more in {}", family.name),
        };
        change = told(
            change,
            &family,
            caller,
            user,
            "family.member.guarded",
            &title,
        );
        for guardian in &guardians {
            let title = format!(
                "You are a guardian of {} in {}",
                member.username, family.name
            );
            change = told(
                change,
                &family,
                caller,
                guardian,
                "family.member.guarded",
                &title,
            );
        }
        if committed(change.commit().await)? {
            return Ok(member);
        }
    }
    Err(busy())
}

/// A member goes, or is sent away: by an administrator, or a minor by a guardian.
pub(crate) async fn remove(family_id: &FamilyId, caller: &Caller, user: &str) -> Result<()> {
    let leaves = *caller.user == *user;
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        deletion::require_open(&family)?;
        let member = store::member(family_id, user).await?;
        let is_guardian = member
            .guardians
            .iter()
            .any(|guardian| **guardian == *caller.user);
        if !leaves && !is_guardian {
            require_admin(&own)?;
        }
        let guards = guards(family_id, user).await?;
        let act = match leaves {
            true => Act::Leave,
            false => Act::Remove,
        };
        roles::act(counts(&family), standing(&member, guards), act)?;
        let change = Transaction::new();
        let change = match (leaves, is_guardian) {
            (true, _) => change,
            (false, true) => change.check(
                &MEMBERSHIPS,
                member_who_is(family_id, user, json!({"guardians": caller.user})),
                1,
            ),
            (false, false) => change.check(&MEMBERSHIPS, still_admin(family_id, &caller.user), 1),
        };
        let change = match family.owner == user {
            false => change,
            true if leaves => return Err(ownership::is_own()),
            true => ownership::taken(change, &family, &caller.user).await?,
        };
        let change = gone(change, &family, &member);
        let change = match leaves {
            true => Happened::MemberLeft {
                family_id,
                user_id: user,
            }
            .told_by(change),
            false => {
                let removed = Happened::MemberRemoved {
                    family_id,
                    user_id: user,
                    removed_by: &caller.user,
                };
                let title = format!("You do not belong to {} any more", family.name);
                let change = removed.told_by(change);
                told(
                    change,
                    &family,
                    caller,
                    user,
                    "family.member.removed",
                    &title,
                )
            }
        };
        if committed(change.commit().await)? {
            // They are gone; that they still listen where little is said is no reason to say otherwise.
            if let Err(error) = realtime::changed(&format!("family:{family_id}")).await {
                eprintln!("whoever listens to {family_id} could not be sent away: {error:?}");
            }
            return Ok(());
        }
    }
    Err(busy())
}

/// Deletes a membership: never that of the last administrator, or of a minor's last guardian.
pub(crate) fn gone(change: Transaction, family: &Family, member: &Membership) -> Transaction {
    let (others, counts) = match member.role {
        Role::Admin => (
            json!({"admin_count": {"$gte": 2}}),
            json!({"member_count": -1, "admin_count": -1}),
        ),
        Role::Member => (
            json!({"member_count": {"$gte": 2}}),
            json!({"member_count": -1}),
        ),
    };
    let as_read = json!({"role": member.role, "minor": member.minor});
    let change = relationships::ended_of(change, &family.id, &member.user_id)
        // Whoever comes back begins anew.
        .delete_many(&ALLOWANCES, json!({"_id": member.id}));
    counted(change, &family.id, others, counts)
        .delete_one(
            &MEMBERSHIPS,
            member_who_is(&family.id, &member.user_id, as_read),
        )
        .check(&MEMBERSHIPS, wards_alone(&family.id, &member.user_id), 0)
        .update_many(
            &MEMBERSHIPS,
            wards(&family.id, &member.user_id),
            json!({"$pull": {"guardians": member.user_id}}),
        )
}

/// Those whose guardian somebody is.
fn wards(family_id: &FamilyId, user: &str) -> Value {
    json!({"family_id": family_id, "guardians": user})
}

/// Those whose only guardian somebody is.
pub(crate) fn wards_alone(family_id: &FamilyId, user: &str) -> Value {
    json!({"family_id": family_id, "guardians": [user]})
}

async fn guards(family_id: &FamilyId, user: &str) -> Result<Guards> {
    Ok(
        if MEMBERSHIPS
            .find_one(wards_alone(family_id, user))
            .await?
            .is_some()
        {
            Guards::Alone
        } else if MEMBERSHIPS
            .find_one(wards(family_id, user))
            .await?
            .is_some()
        {
            Guards::BesideOthers
        } else {
            Guards::Nobody
        },
    )
}

fn counts(family: &Family) -> Counts {
    Counts {
        members: family.member_count,
        admins: family.admin_count,
    }
}

fn standing(member: &Membership, guards: Guards) -> Standing {
    Standing {
        role: member.role,
        minor: member.minor,
        guards,
    }
}

/// Guardians as they are kept: each once, in order, and not the member.
fn checked(user: &str, guardians: &[String]) -> Result<Vec<String>> {
    let mut each: Vec<String> = guardians.to_vec();
    each.sort();
    each.dedup();
    if each.len() > MAX_GUARDIANS {
        let message = format!("at most {MAX_GUARDIANS} guardians");
        return Err(Error::validation("guardians", message));
    }
    if each.iter().any(|guardian| guardian == user) {
        return Err(Error::validation(
            "guardians",
            "somebody else than the minor",
        ));
    }
    Ok(each)
}

async fn require_adults(family_id: &FamilyId, guardians: &[String]) -> Result<()> {
    let adults = json!({"_id": {"$in": ids(family_id, guardians)}, "minor": false});
    if MEMBERSHIPS.count(adults).await? == guardians.len() as u64 {
        return Ok(());
    }
    let message = "members of the family who are no minors themselves";
    Err(Error::validation("guardians", message))
}

fn ids(family_id: &FamilyId, users: &[String]) -> Vec<String> {
    let ids = users.iter().map(|user| membership_id(family_id, user));
    ids.collect()
}

/// Tells a member of what somebody else did with them, once for each version of the family.
fn told(
    change: Transaction,
    family: &Family,
    by: &Caller,
    user: &str,
    kind: &'static str,
    title: &str,
) -> Transaction {
    if *by.user == *user {
        return change;
    }
    let unique = format!("{}/{kind}/{}", family.id, family.version);
    notices::about(&family.id, user, kind, title, unique).told_by(change)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::store::FAMILIES;
    use crate::tests::{app, family_with, join};
    use sbd_sdk::testing::{App, Reply};

    fn members(family: &str) -> String {
        format!("/api/v1/families/{family}/members")
    }

    fn role(app: &App, by: &str, family: &str, of: &str, role: &str) -> Reply {
        let path = format!("{}/{of}/role", members(family));
        app.signed_in(by).put(&path, json!({"role": role}))
    }

    fn guard(app: &App, by: &str, family: &str, of: &str, guardians: &[&str]) -> Reply {
        let path = format!("{}/{of}/guardians", members(family));
        app.signed_in(by)
            .put(&path, json!({"guardians": guardians}))
    }

    fn remove(app: &App, by: &str, family: &str, whom: &str) -> Reply {
        let path = format!("{}/{whom}", members(family));
        app.signed_in(by).delete(&path)
    }

    /// The counts in a family are those of its members, and nobody is missing whom it needs.
    fn assert_whole(app: &App, family: &str) {
        let family: Family = app.run(FAMILIES.get(family)).unwrap().unwrap();
        let all = MEMBERSHIPS
            .find(json!({"family_id": family.id}))
            .limit(1000);
        let all = app.run(all.fetch()).unwrap().documents;
        let admins = all.iter().filter(|member| member.role == Role::Admin);
        let admins = admins.count() as u64;
        assert_eq!(
            (family.member_count, family.admin_count),
            (all.len() as u64, admins)
        );
        assert!(admins > 0);
        for member in &all {
            assert_eq!(member.minor, !member.guardians.is_empty());
            assert!(!member.minor || member.role == Role::Member);
            for guardian in &member.guardians {
                let is = |other: &&Membership| other.user_id == *guardian && !other.minor;
                assert!(
                    all.iter().any(|other| is(&other)),
                    "{guardian} of {}",
                    member.id
                );
            }
        }
    }

    #[test]
    fn administrators_promote_and_demote_and_one_is_left() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3"]);
        role(&app, "usr_2", &family, "usr_2", "admin").assert_refused(403, "FORBIDDEN");
        role(&app, "usr_9", &family, "usr_2", "admin").assert_refused(404, "NOT_FOUND");
        role(&app, "usr_1", &family, "usr_9", "admin").assert_refused(404, "NOT_FOUND");
        role(&app, "usr_1", &family, "usr_1", "member").assert_refused(409, "LAST_ADMINISTRATOR");
        remove(&app, "usr_1", &family, "usr_1").assert_refused(409, "LAST_ADMINISTRATOR");
        let made = role(&app, "usr_1", &family, "usr_2", "admin").assert_status(200);
        assert_eq!(made["role"], "admin");
        // Again is nothing.
        role(&app, "usr_1", &family, "usr_2", "admin").assert_status(200);
        role(&app, "usr_2", &family, "usr_1", "member").assert_status(200);
        role(&app, "usr_1", &family, "usr_3", "admin").assert_refused(403, "FORBIDDEN");
        assert_whole(&app, &family);
        let kinds: Vec<_> = app
            .published()
            .into_iter()
            .map(|event| event.kind)
            .collect();
        assert_eq!(
            kinds.get(2..).unwrap(),
            [
                "family.member.promoted",
                "notification.requested",
                "family.member.demoted",
                "notification.requested"
            ]
        );
    }

    #[test]
    fn there_are_so_many_administrators() {
        let app = app();
        let others: Vec<_> = (2..=21).map(|number| format!("usr_{number}")).collect();
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        let family = family_with(&app, &others);
        for user in others.iter().take(19) {
            role(&app, "usr_1", &family, user, "admin").assert_status(200);
        }
        role(&app, "usr_1", &family, "usr_21", "admin")
            .assert_refused(409, "TOO_MANY_ADMINISTRATORS");
        assert_whole(&app, &family);
    }

    #[test]
    fn members_go_and_are_sent_away_and_hear_nothing_more() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3", "usr_4"]);
        let channel = format!("family:{family}");
        remove(&app, "usr_2", &family, "usr_3").assert_refused(403, "FORBIDDEN");
        remove(&app, "usr_9", &family, "usr_3").assert_refused(404, "NOT_FOUND");
        remove(&app, "usr_2", &family, "usr_2").assert_status(204);
        remove(&app, "usr_2", &family, "usr_2").assert_refused(404, "NOT_FOUND");
        remove(&app, "usr_1", &family, "usr_3").assert_status(204);
        remove(&app, "usr_1", &family, "usr_3").assert_refused(404, "NOT_FOUND");
        assert_eq!(app.changed(), [channel.clone(), channel.clone()]);
        let listen = json!({"channel": channel});
        for gone in ["usr_2", "usr_3"] {
            let gone = app.signed_in(gone);
            gone.post("/-/channels/authorize", listen.clone())
                .assert_refused(404, "NOT_FOUND");
            gone.get(&members(&family)).assert_refused(404, "NOT_FOUND");
            assert_eq!(gone.get("/api/v1/families")["total"], 0);
        }
        let view = app
            .signed_in("usr_4")
            .get(&format!("/api/v1/families/{family}"));
        assert_eq!(view.assert_status(200)["member_count"], 2);
        remove(&app, "usr_4", &family, "usr_4").assert_status(204);
        remove(&app, "usr_1", &family, "usr_1").assert_refused(409, "LAST_MEMBER");
        assert_whole(&app, &family);
        let kinds: Vec<_> = app
            .published()
            .into_iter()
            .map(|event| event.kind)
            .collect();
        assert_eq!(
            kinds.get(2..).unwrap(),
            [
                "family.member.left",
                "family.member.removed",
                "notification.requested",
                "family.member.left"
            ]
        );
    }

    #[test]
    fn minors_have_guardians_and_cannot_rid_themselves_of_them() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3", "usr_4"]);
        guard(&app, "usr_2", &family, "usr_3", &["usr_1"]).assert_refused(403, "FORBIDDEN");
        for (of, guardians) in [
            ("usr_3", &["usr_3"][..]),
            ("usr_3", &["usr_9"]),
            ("usr_3", &["usr_1", ""]),
            ("usr_3", &["1", "2", "3", "4", "5", "6"]),
        ] {
            guard(&app, "usr_1", &family, of, guardians).assert_refused(422, "VALIDATION_ERROR");
        }
        guard(&app, "usr_1", &family, "usr_1", &["usr_2"]).assert_refused(409, "IS_ADMINISTRATOR");
        let minor = guard(
            &app,
            "usr_1",
            &family,
            "usr_3",
            &["usr_2", "usr_1", "usr_2"],
        );
        let minor = minor.assert_status(200);
        assert_eq!(
            (&minor["minor"], &minor["guardians"]),
            (&json!(true), &json!(["usr_1", "usr_2"]))
        );
        guard(&app, "usr_1", &family, "usr_4", &["usr_3"]).assert_refused(422, "VALIDATION_ERROR");
        guard(&app, "usr_1", &family, "usr_2", &["usr_1"]).assert_refused(409, "IS_GUARDIAN");
        guard(&app, "usr_3", &family, "usr_3", &[]).assert_refused(403, "FORBIDDEN");
        role(&app, "usr_1", &family, "usr_3", "admin").assert_refused(409, "MINOR");
        remove(&app, "usr_3", &family, "usr_3").assert_refused(409, "MINOR");
        remove(&app, "usr_3", &family, "usr_2").assert_refused(403, "FORBIDDEN");
        // The other guardian stays.
        remove(&app, "usr_2", &family, "usr_2").assert_status(204);
        assert_whole(&app, &family);
        join(&app, &family, "usr_2");
        guard(&app, "usr_1", &family, "usr_3", &["usr_2"]).assert_status(200);
        remove(&app, "usr_2", &family, "usr_2").assert_refused(409, "LAST_GUARDIAN");
        remove(&app, "usr_1", &family, "usr_2").assert_refused(409, "LAST_GUARDIAN");
        assert_whole(&app, &family);
        // A guardian takes a minor away.
        remove(&app, "usr_4", &family, "usr_3").assert_refused(403, "FORBIDDEN");
        remove(&app, "usr_2", &family, "usr_3").assert_status(204);
        remove(&app, "usr_2", &family, "usr_2").assert_status(204);
        guard(&app, "usr_1", &family, "usr_4", &["usr_1"]).assert_status(200);
        guard(&app, "usr_1", &family, "usr_4", &[]).assert_status(200);
        remove(&app, "usr_4", &family, "usr_4").assert_status(204);
        assert_whole(&app, &family);
    }

    #[test]
    fn whoever_the_family_counts_for_hands_it_over_first() {
        let app = app().variable("families_per_user", "1");
        let family = family_with(&app, &["usr_2"]);
        role(&app, "usr_1", &family, "usr_2", "admin").assert_status(200);
        remove(&app, "usr_1", &family, "usr_1").assert_refused(409, "CONFLICT");
        // Whoever sends them away takes it over, if there is room.
        let own = app
            .signed_in("usr_2")
            .post("/api/v1/families", json!({"name": "B"}));
        remove(&app, "usr_2", &family, "usr_1").assert_refused(409, "CONFLICT");
        let own = format!("/api/v1/families/{}", own.assert_status(201).text("id"));
        app.signed_in("usr_2").delete(&own).assert_status(204);
        remove(&app, "usr_2", &family, "usr_1").assert_status(204);
        let full = app
            .signed_in("usr_2")
            .post("/api/v1/families", json!({"name": "B"}));
        full.assert_refused(409, "CONFLICT");
        app.signed_in("usr_1")
            .post("/api/v1/families", json!({"name": "B"}))
            .assert_status(201);
        assert_whole(&app, &family);
    }

    #[test]
    fn ten_thousand_members_are_a_family_like_another() {
        let app = app();
        let family = family_with(&app, &[]);
        let id: FamilyId = family.parse().unwrap();
        let first = app.run(MEMBERSHIPS.get(&membership_id(&id, "usr_1")));
        let first = first.unwrap().unwrap();
        let member = |number: u32| {
            let user = format!("usr_m{number:05}");
            Membership {
                id: membership_id(&id, &user),
                username: format!("m{number:05}"),
                user_id: user,
                role: Role::Member,
                ..first.clone()
            }
        };
        for start in (0..9_999).step_by(1000) {
            let some: Vec<_> = (start..9_999.min(start + 1000)).map(member).collect();
            app.run(MEMBERSHIPS.insert_all(&some)).unwrap();
        }
        let counted = json!({"$set": {"member_count": 10_000}});
        app.run(FAMILIES.update_one(json!({"_id": family}), counted))
            .unwrap();
        let ada = app.signed_in("usr_1");
        let page = ada.get(&format!(
            "{}?sort=username&per_page=100&page=100",
            members(&family)
        ));
        let page = page.assert_status(200);
        assert_eq!(page["total"], 10_000);
        assert_eq!(page["items"].as_array().unwrap().len(), 100);
        assert_eq!(
            ada.get(&members(&family))["items"]
                .as_array()
                .unwrap()
                .len(),
            20
        );
        // There is no room for another one.
        let invited = ada.post(
            &format!("/api/v1/families/{family}/invitations"),
            json!({"to": "bob"}),
        );
        invited.assert_refused(409, "CONFLICT");
        role(&app, "usr_1", &family, "usr_m05000", "admin").assert_status(200);
        guard(&app, "usr_1", &family, "usr_m09998", &["usr_m05000"]).assert_status(200);
        remove(&app, "usr_1", &family, "usr_m05000").assert_refused(409, "LAST_GUARDIAN");
        remove(&app, "usr_m00001", &family, "usr_m00001").assert_status(204);
        let address = format!("/api/v1/families/{family}");
        ada.put(&address, json!({"name": "Many"}))
            .assert_status(200);
        assert_eq!(
            app.signed_in("usr_m09000")
                .get("/api/v1/families?name=many")["total"],
            1
        );
        ada.delete(&format!("{address}?balance_to=members"))
            .assert_refused(422, "VALIDATION_ERROR");
        ada.delete(&address).assert_status(204);
        assert_eq!(app.run(MEMBERSHIPS.count(json!({}))).unwrap(), 0);
    }

    /// Two changes of which each was decided before the other was done: whichever is first, the other is not.
    fn race(app: &App, family: &str, changes: [Transaction; 2]) {
        let [first, second] = changes;
        assert!(committed(app.run(first.commit())).unwrap());
        assert!(!committed(app.run(second.commit())).unwrap());
        assert_whole(app, family);
    }

    fn demoted_by(id: &FamilyId, by: &str, user: &str) -> Transaction {
        let change = Transaction::new().check(&MEMBERSHIPS, still_admin(id, by), 1);
        demote(change, id, user, by)
    }

    #[test]
    fn two_administrators_do_not_demote_each_other() {
        for turn in 0..2 {
            let app = app();
            let family = family_with(&app, &["usr_2", "usr_3"]);
            role(&app, "usr_1", &family, "usr_2", "admin").assert_status(200);
            role(&app, "usr_1", &family, "usr_3", "admin").assert_status(200);
            let id: FamilyId = family.parse().unwrap();
            let mut both = [
                demoted_by(&id, "usr_1", "usr_2"),
                demoted_by(&id, "usr_2", "usr_1"),
            ];
            both.rotate_left(turn);
            race(&app, &family, both);
        }
    }

    #[test]
    fn the_last_two_administrators_do_not_both_step_down() {
        let app = app();
        let family = family_with(&app, &["usr_2"]);
        role(&app, "usr_1", &family, "usr_2", "admin").assert_status(200);
        let id: FamilyId = family.parse().unwrap();
        let itself = |user: &str| demoted_by(&id, user, user);
        race(&app, &family, [itself("usr_1"), itself("usr_2")]);
        // Nor does one go while the other steps down.
        for turn in 0..2 {
            role(&app, "usr_2", &family, "usr_1", "admin").assert_status(200);
            let read = |user: &str| app.run(MEMBERSHIPS.get(&membership_id(&id, user))).unwrap();
            let stored: Family = app.run(FAMILIES.get(&family)).unwrap().unwrap();
            let goes = gone(Transaction::new(), &stored, &read("usr_2").unwrap());
            let mut both = [goes, itself("usr_1")];
            both.rotate_left(turn);
            race(&app, &family, both);
            if turn == 0 {
                join(&app, &family, "usr_2");
                role(&app, "usr_1", &family, "usr_2", "admin").assert_status(200);
                role(&app, "usr_2", &family, "usr_1", "member").assert_status(200);
            }
        }
    }

    #[test]
    fn nobody_is_promoted_or_guarded_while_they_go() {
        let app = app();
        let family = family_with(&app, &["usr_2"]);
        let id: FamilyId = family.parse().unwrap();
        let goes = || {
            let stored: Family = app.run(FAMILIES.get(&family)).unwrap().unwrap();
            let member = app.run(MEMBERSHIPS.get(&membership_id(&id, "usr_2")));
            gone(Transaction::new(), &stored, &member.unwrap().unwrap())
        };
        let promoted = || promote(Transaction::new(), &id, "usr_2", "usr_1");
        race(&app, &family, [promoted(), goes()]);
        role(&app, "usr_1", &family, "usr_2", "member").assert_status(200);
        race(&app, &family, [goes(), promoted()]);
        join(&app, &family, "usr_2");
        // Whoever becomes a minor meanwhile does not leave by themselves, nor is promoted.
        let (goes, promoted) = (goes(), promoted());
        guard(&app, "usr_1", &family, "usr_2", &["usr_1"]).assert_status(200);
        for late in [goes, promoted] {
            assert!(!committed(app.run(late.commit())).unwrap());
        }
        assert_whole(&app, &family);
    }
}
