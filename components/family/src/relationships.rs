//! What members are to each other: one document a pair, so that both sides always say the same.
//!
//! ```text
//!               propose           both sides agree
//!   (nothing) ──────────▶ proposed ────────────────▶ related ──▶ (nothing)
//!                            │ withdraw                │ ▲   end
//!                            ▼                 propose ▼ │ both agree, or withdraw
//!                        (nothing)             related, and another proposed
//! ```
//!
//! A member speaks for their own side, and guardians for a minor's. Whoever proposes agrees for each side that
//! they speak for. A minor may propose, and administrators for a minor; a guardian must still agree.

use crate::commit::{busy, committed, tries};
use crate::events::Happened;
use crate::kinship::Kinship;
use crate::model::{FamilyId, Membership, Role, membership_id};
use crate::store::{self, MEMBERSHIPS, RELATIONSHIPS};
use group::notices;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

id!(pub(crate) RelationshipId, "rel", "relationship");

/// What two members are to each other, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Relationship {
    #[serde(rename = "_id")]
    pub(crate) id: RelationshipId,
    pub(crate) family_id: FamilyId,
    /// The family's id and both users', in order, so that there is one for each pair.
    pub(crate) pair: String,
    /// Both, in the order of their ids.
    pub(crate) users: [String; 2],
    /// What each is to the other, in the same order; none until both have agreed for the first time.
    pub(crate) kinship: Option<[Kinship; 2]>,
    pub(crate) proposal: Option<Proposal>,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) version: u64,
}

/// What two members are to be to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    /// In the order of the users.
    pub(crate) kinship: [Kinship; 2],
    pub(crate) proposed_by: String,
    /// Which sides have agreed, in the same order.
    pub(crate) agreed: [bool; 2],
}

/// A user and what they are to the other one.
pub(crate) type Side<'a> = (&'a str, Kinship);

// === impl Relationship ===

impl Relationship {
    fn new(family_id: &FamilyId, one: &str, other: &str, now: Time) -> Self {
        let mut users = [one.to_owned(), other.to_owned()];
        users.sort();
        Self {
            id: RelationshipId::new(),
            family_id: family_id.clone(),
            pair: pair(family_id, one, other),
            users,
            kinship: None,
            proposal: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// What each is to the other, in the order of the users.
    fn ordered(&self, (one, is): Side<'_>, other_is: Kinship) -> [Kinship; 2] {
        match self.users[0] == one {
            true => [is, other_is],
            false => [other_is, is],
        }
    }

    /// The same after somebody has proposed something, who speaks for these sides.
    fn proposed(mut self, kinship: [Kinship; 2], by: &str, speaks: [bool; 2]) -> Self {
        self.proposal = Some(Proposal {
            kinship,
            proposed_by: by.to_owned(),
            agreed: speaks,
        });
        self.settled()
    }

    /// The same after somebody has agreed, who speaks for these sides.
    fn agreed(mut self, speaks: [bool; 2]) -> Self {
        if let Some(proposal) = &mut self.proposal {
            for (agreed, speaks) in proposal.agreed.iter_mut().zip(speaks) {
                *agreed |= speaks;
            }
        }
        self.settled()
    }

    /// What both sides have agreed to is so.
    fn settled(self) -> Self {
        match &self.proposal {
            Some(proposal) if proposal.agreed == [true; 2] => Self {
                kinship: Some(proposal.kinship),
                proposal: None,
                ..self
            },
            _ => self,
        }
    }
}

/// Has two members be something to each other from now on, as a part of a change.
pub(crate) fn related(
    change: Transaction,
    family_id: &FamilyId,
    one: Side<'_>,
    other: Side<'_>,
    now: Time,
) -> Transaction {
    let relationship = Relationship::new(family_id, one.0, other.0, now);
    let relationship = Relationship {
        kinship: Some(relationship.ordered(one, other.1)),
        ..relationship
    };
    let change = change.insert(&RELATIONSHIPS, &relationship);
    agreed_to(&relationship).told_by(change)
}

/// Ends all relationships of a member who goes, as a part of a change.
pub(crate) fn ended_of(change: Transaction, family_id: &FamilyId, user: &str) -> Transaction {
    change.delete_many(
        &RELATIONSHIPS,
        json!({"family_id": family_id, "users": user}),
    )
}

/// Proposes what somebody is to somebody else. What is so already is not proposed.
pub(crate) async fn propose(
    family_id: &FamilyId,
    caller: &Caller,
    (one, is): Side<'_>,
    (other, other_is): Side<'_>,
) -> Result<Relationship> {
    if one == other {
        return Err(Error::validation(
            "to",
            "somebody else; nobody is related to themselves",
        ));
    }
    for _ in tries() {
        let own = store::membership(family_id, caller).await?;
        let key = json!({"pair": pair(family_id, one, other)});
        let found = RELATIONSHIPS.find_one(key).await?;
        let is_new = found.is_none();
        let relationship =
            found.unwrap_or_else(|| Relationship::new(family_id, one, other, time::now()));
        let sides = sides(&relationship).await?;
        let speaks = speaks(&sides, &caller.user);
        let is_side = sides.iter().any(|side| *side.user_id == *caller.user);
        let for_minor = own.role == Role::Admin && sides.iter().any(|side| side.minor);
        if speaks == [false; 2] && !is_side && !for_minor {
            return Err(Error::forbidden(
                "members say what they are to others themselves, and guardians or administrators for minors",
            ));
        }
        let kinship = relationship.ordered((one, is), other_is);
        let same = |proposal: &Proposal| proposal.kinship == kinship;
        if relationship.kinship == Some(kinship) && relationship.proposal.is_none() {
            return Ok(relationship);
        }
        let then = match relationship.proposal.as_ref().is_some_and(same) {
            true => relationship.clone().agreed(speaks),
            false => relationship.clone().proposed(kinship, &caller.user, speaks),
        };
        if !is_new && then.proposal == relationship.proposal {
            return Ok(then);
        }
        let before = (!is_new).then_some(&relationship);
        if let Some(done) = written(before, then, &sides, caller).await? {
            return Ok(done);
        }
    }
    Err(busy())
}

/// Agrees to what was proposed.
pub(crate) async fn agree(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RelationshipId,
) -> Result<Relationship> {
    for _ in tries() {
        let relationship = get(family_id, caller, id).await?;
        let sides = sides(&relationship).await?;
        let speaks = speaks(&sides, &caller.user);
        if speaks == [false; 2] {
            return Err(not_theirs());
        }
        let then = relationship.clone().agreed(speaks);
        if then.proposal == relationship.proposal {
            return Ok(then);
        }
        if let Some(done) = written(Some(&relationship), then, &sides, caller).await? {
            return Ok(done);
        }
    }
    Err(busy())
}

/// Takes a proposal back, or says no to it; what was agreed before stays.
pub(crate) async fn withdraw(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RelationshipId,
) -> Result<()> {
    for _ in tries() {
        let relationship = get(family_id, caller, id).await?;
        let sides = sides(&relationship).await?;
        require_part(&relationship, &sides, caller)?;
        if relationship.proposal.is_none() {
            return Ok(());
        }
        let change = match relationship.kinship {
            None => Transaction::new().delete_one(&RELATIONSHIPS, as_read(&relationship)),
            Some(_) => Transaction::new().update_one(
                &RELATIONSHIPS,
                as_read(&relationship),
                json!({"$set": {"proposal": null, "updated_at": time::now()}, "$inc": {"version": 1}}),
            ),
        };
        let withdrawn = Happened::RelationshipWithdrawn {
            family_id,
            relationship_id: &relationship.id,
            user_ids: &relationship.users,
            withdrawn_by: &caller.user,
        };
        if committed(withdrawn.told_by(change).commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Ends a relationship; either side does, and guardians for a minor's.
pub(crate) async fn end(family_id: &FamilyId, caller: &Caller, id: &RelationshipId) -> Result<()> {
    for _ in tries() {
        let relationship = get(family_id, caller, id).await?;
        let sides = sides(&relationship).await?;
        if speaks(&sides, &caller.user) == [false; 2] {
            return Err(not_theirs());
        }
        let change = Transaction::new().delete_one(&RELATIONSHIPS, as_read(&relationship));
        let ended = Happened::RelationshipEnded {
            family_id,
            relationship_id: &relationship.id,
            user_ids: &relationship.users,
            ended_by: &caller.user,
        };
        let change = ended.told_by(change);
        let change = told(
            change,
            &relationship,
            &sides,
            caller,
            "Somebody is not related to you any more",
        );
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// A relationship in the caller's family.
pub(crate) async fn get(
    family_id: &FamilyId,
    caller: &Caller,
    id: &RelationshipId,
) -> Result<Relationship> {
    store::membership(family_id, caller).await?;
    let found = RELATIONSHIPS.get(id.as_str()).await?;
    let found = found.filter(|found| found.family_id == *family_id);
    found.ok_or_else(|| Error::not_found("relationship"))
}

/// Writes what came of it, if both belong to the family still and it is as it was read.
async fn written(
    before: Option<&Relationship>,
    then: Relationship,
    sides: &[Membership; 2],
    by: &Caller,
) -> Result<Option<Relationship>> {
    let then = Relationship {
        updated_at: time::now(),
        version: before.map_or(1, |before| before.version + 1),
        ..then
    };
    // As they were read: whoever becomes a minor meanwhile does not speak for themselves any more.
    let change = sides.iter().fold(Transaction::new(), |change, side| {
        let still = json!({"_id": side.id, "minor": side.minor, "guardians": side.guardians});
        change.check(&MEMBERSHIPS, still, 1)
    });
    // Administrators may propose for minors; whoever is none any more may not.
    let own = json!({"_id": membership_id(&then.family_id, &by.user)});
    let change = change.check(&MEMBERSHIPS, own, 1);
    let change = match before {
        None => change.insert(&RELATIONSHIPS, &then),
        Some(before) => change.update_one(
            &RELATIONSHIPS,
            as_read(before),
            json!({"$set": {
                "kinship": then.kinship, "proposal": then.proposal,
                "updated_at": then.updated_at, "version": then.version,
            }}),
        ),
    };
    let (happened, title) = match then.proposal {
        None => (agreed_to(&then), "You agree on what you are to each other"),
        Some(_) => (
            Happened::RelationshipProposed {
                family_id: &then.family_id,
                relationship_id: &then.id,
                user_ids: &then.users,
                proposed_by: &by.user,
            },
            "Somebody says what you are to each other; do you agree?",
        ),
    };
    let change = told(happened.told_by(change), &then, sides, by, title);
    Ok(committed(change.commit().await)?.then_some(then))
}

fn agreed_to(relationship: &Relationship) -> Happened<'_> {
    Happened::RelationshipAgreed {
        family_id: &relationship.family_id,
        relationship_id: &relationship.id,
        user_ids: &relationship.users,
    }
}

/// Tells both sides, but not whoever did it; for a minor the guardians as well.
fn told(
    change: Transaction,
    relationship: &Relationship,
    sides: &[Membership; 2],
    by: &Caller,
    title: &str,
) -> Transaction {
    let users = sides
        .iter()
        .flat_map(|side| std::iter::once(&side.user_id).chain(&side.guardians));
    let mut users: Vec<_> = users.filter(|user| ***user != *by.user).collect();
    users.sort();
    users.dedup();
    let unique = format!("{}/{}", relationship.id, relationship.version);
    users.into_iter().fold(change, |change, user| {
        let kind = "family.relationship.changed";
        notices::about(&relationship.family_id, user, kind, title, unique.clone()).told_by(change)
    })
}

/// Both members, in the order of the users.
async fn sides(relationship: &Relationship) -> Result<[Membership; 2]> {
    let [one, other] = &relationship.users;
    Ok([
        store::member(&relationship.family_id, one).await?,
        store::member(&relationship.family_id, other).await?,
    ])
}

/// For which sides somebody speaks.
fn speaks(sides: &[Membership; 2], user: &str) -> [bool; 2] {
    sides.each_ref().map(|side| match side.minor {
        true => side.guardians.iter().any(|guardian| guardian == user),
        false => side.user_id == user,
    })
}

fn require_part(
    relationship: &Relationship,
    sides: &[Membership; 2],
    caller: &Caller,
) -> Result<()> {
    let proposed = relationship.proposal.as_ref();
    let is_own = proposed.is_some_and(|proposal| *proposal.proposed_by == *caller.user);
    match is_own || speaks(sides, &caller.user) != [false; 2] {
        true => Ok(()),
        false => Err(not_theirs()),
    }
}

fn not_theirs() -> Error {
    Error::forbidden(
        "only the two of them may do this, and for a minor a guardian; ask one of them",
    )
}

fn as_read(relationship: &Relationship) -> Value {
    json!({"_id": relationship.id, "version": relationship.version})
}

fn pair(family_id: &FamilyId, one: &str, other: &str) -> String {
    let (first, second) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    format!("{family_id}/{first}/{second}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, family_with};
    use sbd_sdk::testing::{App, Reply};

    fn address(family: &str) -> String {
        format!("/api/v1/families/{family}/relationships")
    }

    fn say(app: &App, by: &str, family: &str, body: Value) -> Reply {
        app.signed_in(by).put(&address(family), body)
    }

    fn agree(app: &App, by: &str, family: &str, id: &str) -> Reply {
        let path = format!("{}/{id}/agreement", address(family));
        app.signed_in(by).post(&path, json!({}))
    }

    fn minor(app: &App, family: &str, user: &str, guardians: &[&str]) {
        let path = format!("/api/v1/families/{family}/members/{user}/guardians");
        let guardians = json!({"guardians": guardians});
        app.signed_in("usr_1")
            .put(&path, guardians)
            .assert_status(200);
    }

    #[test]
    fn both_agree_on_what_they_are() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3"]);
        let said = say(
            &app,
            "usr_2",
            &family,
            json!({"to": "usr_1", "relationship": "child"}),
        );
        let said = said.assert_status(200);
        assert_eq!(said["agreed"], json!(null));
        assert_eq!(said["proposed"]["agreed"], json!(["usr_2"]));
        let id = said.text("id");
        agree(&app, "usr_3", &family, id).assert_refused(403, "FORBIDDEN");
        agree(&app, "usr_9", &family, id).assert_refused(404, "NOT_FOUND");
        // Whoever proposed does not agree for the other one.
        let alone = agree(&app, "usr_2", &family, id).assert_status(200);
        assert_eq!(alone["agreed"], json!(null));
        let both = agree(&app, "usr_1", &family, id).assert_status(200);
        let expected = json!([
            {"user_id": "usr_1", "relationship": "parent"},
            {"user_id": "usr_2", "relationship": "child"}
        ]);
        assert_eq!(
            (&both["agreed"], &both["proposed"]),
            (&expected, &json!(null))
        );
        // The same from the other side is the same, and another is another proposal.
        let same = say(
            &app,
            "usr_1",
            &family,
            json!({"to": "usr_2", "relationship": "parent"}),
        );
        assert_eq!(same.assert_status(200).body(), both.body());
        let other = say(
            &app,
            "usr_1",
            &family,
            json!({"to": "usr_2", "relationship": "aunt", "reciprocal": "nephew"}),
        );
        let other = other.assert_status(200);
        assert_eq!(other["agreed"], expected);
        // Saying the same oneself is agreeing.
        let changed = say(
            &app,
            "usr_2",
            &family,
            json!({"to": "usr_1", "relationship": "nephew", "reciprocal": "aunt"}),
        );
        assert_eq!(changed["agreed"][0]["relationship"], "aunt");
        for member in ["usr_1", "usr_2", "usr_3"] {
            let page = app
                .signed_in(member)
                .get(&address(&family))
                .assert_status(200);
            assert_eq!(page["items"][0], *changed.body());
            assert_eq!(page["total"], 1);
        }
        let of = |user: &str| {
            app.signed_in("usr_3")
                .get(&format!("{}?user={user}", address(&family)))
        };
        assert_eq!(
            (&of("usr_2")["total"], &of("usr_3")["total"]),
            (&json!(1), &json!(0))
        );
        let own = format!("{}/{id}", address(&family));
        app.signed_in("usr_3")
            .delete(&own)
            .assert_refused(403, "FORBIDDEN");
        app.signed_in("usr_2").delete(&own).assert_status(204);
        app.signed_in("usr_1")
            .delete(&own)
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn what_is_proposed_can_be_taken_back() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3"]);
        let cousin = json!({"to": "usr_1", "relationship": "cousin"});
        let id = say(&app, "usr_2", &family, cousin.clone())
            .text("id")
            .to_owned();
        let proposal = format!("{}/{id}/proposal", address(&family));
        app.signed_in("usr_3")
            .delete(&proposal)
            .assert_refused(403, "FORBIDDEN");
        app.signed_in("usr_1").delete(&proposal).assert_status(204);
        app.signed_in("usr_1")
            .delete(&proposal)
            .assert_refused(404, "NOT_FOUND");
        let id = say(&app, "usr_2", &family, cousin).text("id").to_owned();
        agree(&app, "usr_1", &family, &id).assert_status(200);
        say(
            &app,
            "usr_2",
            &family,
            json!({"to": "usr_1", "relationship": "sibling"}),
        )
        .assert_status(200);
        let proposal = format!("{}/{id}/proposal", address(&family));
        app.signed_in("usr_1").delete(&proposal).assert_status(204);
        app.signed_in("usr_1").delete(&proposal).assert_status(204);
        let page = app.signed_in("usr_3").get(&address(&family));
        assert_eq!(page["items"][0]["agreed"][0]["relationship"], "cousin");
        assert_eq!(page["items"][0]["proposed"], json!(null));
    }

    #[test]
    fn guardians_speak_for_minors() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3", "usr_4"]);
        minor(&app, &family, "usr_3", &["usr_2"]);
        // A guardian who is the other side has agreed for both.
        let child = json!({"user": "usr_3", "to": "usr_2", "relationship": "child"});
        let done = say(&app, "usr_2", &family, child).assert_status(200);
        assert_eq!(done["agreed"][0]["relationship"], "parent");
        // A minor may propose, an administrator may, others may not; the guardian's word is needed.
        let sibling = json!({"user": "usr_3", "to": "usr_4", "relationship": "sibling"});
        say(
            &app,
            "usr_1",
            &family,
            json!({"user": "usr_2", "to": "usr_4", "relationship": "sibling"}),
        )
        .assert_refused(403, "FORBIDDEN");
        let said = say(&app, "usr_1", &family, sibling.clone()).assert_status(200);
        assert_eq!(said["proposed"]["agreed"], json!([]));
        let said = say(&app, "usr_3", &family, sibling).assert_status(200);
        assert_eq!(said["proposed"]["agreed"], json!([]));
        let id = said.text("id");
        agree(&app, "usr_3", &family, id).assert_refused(403, "FORBIDDEN");
        agree(&app, "usr_1", &family, id).assert_refused(403, "FORBIDDEN");
        agree(&app, "usr_4", &family, id).assert_status(200);
        let done = agree(&app, "usr_2", &family, id).assert_status(200);
        assert_eq!(done["agreed"][0]["relationship"], "sibling");
        // The minor does not end what the guardian has said.
        let own = format!("{}/{id}", address(&family));
        app.signed_in("usr_3")
            .delete(&own)
            .assert_refused(403, "FORBIDDEN");
        app.signed_in("usr_2").delete(&own).assert_status(204);
    }

    #[test]
    fn bad_input_and_foreign_ids_relate_nobody() {
        let app = app();
        let family = family_with(&app, &["usr_2"]);
        for (body, field) in [
            (json!({"relationship": "parent"}), "to"),
            (json!({"to": "usr_2"}), "relationship"),
            (
                json!({"to": "usr_2", "relationship": "friend"}),
                "relationship",
            ),
            (
                json!({"to": "usr_2", "relationship": "parent", "reciprocal": "niece"}),
                "reciprocal",
            ),
            (json!({"to": "usr_1", "relationship": "sibling"}), "to"),
        ] {
            let refused = say(&app, "usr_1", &family, body).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        let stranger = json!({"to": "usr_9", "relationship": "sibling"});
        say(&app, "usr_1", &family, stranger).assert_refused(404, "NOT_FOUND");
        let said = say(
            &app,
            "usr_1",
            &family,
            json!({"to": "usr_2", "relationship": "sibling"}),
        );
        let id = said.text("id").to_owned();
        let other = family_with(&app, &["usr_2"]);
        for family in [&*other, "fam_x"] {
            agree(&app, "usr_2", family, &id).assert_refused(404, "NOT_FOUND");
            let path = format!("{}/{id}", address(family));
            app.signed_in("usr_2")
                .delete(&path)
                .assert_refused(404, "NOT_FOUND");
            app.signed_in("usr_2")
                .delete(&format!("{path}/proposal"))
                .assert_refused(404, "NOT_FOUND");
        }
        agree(&app, "usr_2", &family, "rel_x").assert_refused(404, "NOT_FOUND");
    }
}
