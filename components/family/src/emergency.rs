//! Emergency access: whom members trust to see what they see, when they cannot look themselves. The rules are
//! `membership::emergency`.
//!
//! What access gives is [`standing_in`]: reading, as the grantor reads. It changes nothing, and is felt as long
//! as it is granted and the grantor is a member; it is looked up for each request.

use crate::commit::{busy, committed, member_who_is, tries};
use crate::continuity::{Word, administrators, require_adult, users};
use crate::events::{self, Happened};
use crate::model::{Family, FamilyId, Membership, Role, membership_id};
use crate::store::{self, ACCESSES, FAMILIES, MEMBERSHIPS};
use crate::succession::day;
use membership::emergency::{Access, Act, MOST_TRUSTED, Party, State};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Listing, Result, id, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

id!(pub(crate) EmergencyId, "ema", "emergency access");

/// What whoever has access may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EmergencyLevel)]
pub(crate) enum Level {
    /// Read what the grantor reads: the family, its members, its account, requests.
    #[default]
    View,
}

/// An emergency access, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FamilyAccess {
    #[serde(rename = "_id")]
    pub(crate) id: EmergencyId,
    pub(crate) family_id: FamilyId,
    pub(crate) grantor: String,
    pub(crate) grantor_name: String,
    pub(crate) trusted: String,
    /// Known as soon as they answer.
    pub(crate) trusted_name: Option<String>,
    pub(crate) level: Level,
    /// Why access was asked for.
    pub(crate) reason: Option<String>,
    #[serde(flatten)]
    pub(crate) access: Access,
    /// Of these there is one: the family, the grantor and whom they trust, as long as it is not over.
    pub(crate) living: String,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) due_at: Option<Time>,
    pub(crate) version: u64,
}

/// Whom a member trusts, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) trusted: String,
    pub(crate) level: Level,
    pub(crate) waiting_days: u32,
    pub(crate) access_days: u32,
}

/// The member in whose place somebody may look at a family just now, an administrator if there are several.
pub(crate) async fn standing_in(family_id: &FamilyId, user: &str) -> Result<Option<Membership>> {
    let granted = json!({
        "trusted": user, "family_id": family_id, "state": State::Granted, "until": {"$gt": time::now()},
    });
    let grantors: Vec<String> = ACCESSES.distinct("grantor", granted).await?;
    if grantors.is_empty() {
        return Ok(None);
    }
    let ids: Vec<_> = grantors
        .iter()
        .map(|grantor| membership_id(family_id, grantor))
        .collect();
    let members = MEMBERSHIPS
        .find(json!({"_id": {"$in": ids}}))
        .fetch()
        .await?;
    let is_admin = |one: &Membership| one.role == Role::Admin;
    Ok(members.documents.into_iter().max_by_key(is_admin))
}

/// A member invites somebody they trust.
pub(crate) async fn invite(
    family_id: &FamilyId,
    caller: &Caller,
    invitation: &Invitation,
) -> Result<FamilyAccess> {
    for _ in tries() {
        let (family, own) = store::family(family_id, caller).await?;
        require_adult(&own)?;
        // A name would wait for somebody who cannot be there.
        if invitation.trusted == own.user_id || !invitation.trusted.starts_with("usr_") {
            return Err(Error::validation(
                "trusted",
                "the id of another user, `usr_...`",
            ));
        }
        let now = time::now();
        let living = format!("{family_id}/{}/{}", own.user_id, invitation.trusted);
        if let Some(living) = ACCESSES.find_one(json!({"living": living})).await? {
            if !living.access.state(now).is_over() {
                return Err(Error::conflict(
                    "you trust them already; withdraw that first, if it is to be otherwise",
                ));
            }
            // Over, and nobody has noticed.
            go_on(&living.id).await?;
            continue;
        }
        let trusted = json!({"family_id": family_id, "grantor": own.user_id, "state": {"$in": [
            State::Invited, State::Accepted, State::Waiting, State::Granted,
        ]}});
        let count = ACCESSES.count(trusted.clone()).await?;
        if count >= MOST_TRUSTED {
            return Err(Error::conflict(format!(
                "you trust {MOST_TRUSTED} people, the most there may be; withdraw one first"
            )));
        }
        let access = Access::invite(invitation.waiting_days, invitation.access_days, now);
        let made = FamilyAccess {
            id: EmergencyId::new(),
            family_id: family_id.clone(),
            grantor: own.user_id.clone(),
            grantor_name: own.username.clone(),
            trusted: invitation.trusted.clone(),
            trusted_name: None,
            level: invitation.level,
            reason: None,
            due_at: access.next_at(),
            access,
            living,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let change = Transaction::new()
            .insert(&ACCESSES, &made)
            .check(&ACCESSES, trusted, count + 1)
            .check(&MEMBERSHIPS, grown_up(family_id, &own.user_id), 1);
        let change = made.happened(Some(&caller.user)).told_by(change);
        let title = format!(
            "{} trusts you with what they see of {}, in an emergency: say whether you would help",
            own.username, family.name,
        );
        let change = made.word(title).told_to([made.trusted.as_str()], change);
        if committed(change.commit().await)? {
            return Ok(made);
        }
    }
    Err(busy())
}

/// Something that the grantor or the trusted person does; with a reason, if access is asked for.
pub(crate) async fn act(
    family_id: &FamilyId,
    caller: &Caller,
    id: &EmergencyId,
    act: Act,
    reason: Option<&str>,
) -> Result<FamilyAccess> {
    for _ in tries() {
        let before = seen(family_id, caller, id).await?;
        let party = match &*caller.user {
            user if user == before.grantor => Party::Grantor,
            user if user == before.trusted => Party::Trusted,
            _ => {
                return Err(Error::forbidden(
                    "that is for the grantor or whom they trust to do; ask one of them",
                ));
            }
        };
        let access = before.access.after(act, party, time::now())?;
        let mut after = before.moved_to(access);
        if party == Party::Trusted {
            after.trusted_name = Some(caller.username.clone());
        }
        if let Some(reason) = reason {
            after.reason = Some(reason.to_owned());
        }
        let is_member = json!({"_id": membership_id(family_id, &before.grantor)});
        let change = Transaction::new().check(&MEMBERSHIPS, is_member, 1);
        let change = told(&after, Some(&caller.user), after.written_by(change)).await?;
        if committed(change.commit().await)? {
            return Ok(after);
        }
        require_grantor(&after).await?;
    }
    Err(busy())
}

/// Reminds, grants or ends an access, if it is time for that; with a grantor who is no member it is over.
pub(crate) async fn go_on(id: &EmergencyId) -> Result<()> {
    for _ in tries() {
        let Some(before) = ACCESSES.get(id.as_str()).await? else {
            return Ok(());
        };
        let now = time::now();
        let grantor = json!({"_id": membership_id(&before.family_id, &before.grantor)});
        let is_member = MEMBERSHIPS.count(grantor.clone()).await?;
        let act = match (is_member, before.access.state(now)) {
            (0, State::Granted) => Act::End,
            (0, State::Invited | State::Accepted | State::Waiting) => Act::Withdraw,
            _ => Act::Pass,
        };
        let access = before.access.after(act, Party::Clock, now)?;
        if access == before.access {
            return Ok(());
        }
        let after = before.moved_to(access);
        let change = Transaction::new().check(&MEMBERSHIPS, grantor, is_member);
        let change = told(&after, None, after.written_by(change)).await?;
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Tells of it: an event of each new state, and words to those who should know.
async fn told(after: &FamilyAccess, by: Option<&str>, change: Transaction) -> Result<Transaction> {
    let Some(family) = FAMILIES.get(after.family_id.as_str()).await? else {
        return Ok(change);
    };
    let (grantor, trusted) = (after.grantor.as_str(), after.trusted.as_str());
    let is_reminder = after.access.state == State::Waiting
        && after
            .access
            .waiting
            .is_some_and(|waiting| waiting.reminded_at > waiting.since);
    let change = match is_reminder {
        true => change,
        false => after.happened(by).told_by(change),
    };
    let to_all = matches!(
        after.access.state,
        State::Waiting | State::Vetoed | State::Granted | State::Ended
    );
    let administrators = match to_all {
        true => administrators(&after.family_id).await?,
        false => Vec::new(),
    };
    let told = users(&administrators).chain([grantor, trusted]);
    let told = told.filter(|user| Some(*user) != by);
    Ok(after.word(after.title(&family)).told_to(told, change))
}

/// An emergency access that the caller may see: theirs, one in which they are trusted, or, to administrators,
/// any of the family.
pub(crate) async fn seen(
    family_id: &FamilyId,
    caller: &Caller,
    id: &EmergencyId,
) -> Result<FamilyAccess> {
    let found = ACCESSES.get(id.as_str()).await?;
    let found = found.filter(|found| found.family_id == *family_id);
    if let Some(found) = &found
        && *found.trusted == *caller.user
    {
        return Ok(found.clone());
    }
    // To a stranger the family is not there at all.
    let own = store::membership(family_id, caller).await?;
    found
        .filter(|found| own.role == Role::Admin || found.grantor == own.user_id)
        .ok_or_else(|| Error::not_found("emergency access"))
}

/// Those of a family that the caller may see.
pub(crate) async fn list(
    family_id: &FamilyId,
    caller: &Caller,
    listing: &Listing,
) -> Result<Page<FamilyAccess>> {
    let own = store::membership(family_id, caller).await?;
    let theirs = json!([{"grantor": own.user_id}, {"trusted": own.user_id}]);
    let filter = match own.role {
        Role::Admin => json!({"family_id": family_id}),
        Role::Member => json!({"family_id": family_id, "$or": theirs}),
    };
    ACCESSES.find(filter).page(listing).await
}

/// Those in which the caller is trusted, in whatever family.
pub(crate) async fn entrusted(caller: &Caller, listing: &Listing) -> Result<Page<FamilyAccess>> {
    ACCESSES
        .find(json!({"trusted": caller.user}))
        .page(listing)
        .await
}

async fn require_grantor(access: &FamilyAccess) -> Result<()> {
    let id = membership_id(&access.family_id, &access.grantor);
    match MEMBERSHIPS.get(&id).await? {
        Some(_) => Ok(()),
        None => Err(Error::conflict(
            "the grantor is no member of the family any more; there is nothing to see",
        )),
    }
}

fn grown_up(family_id: &FamilyId, user: &str) -> Value {
    member_who_is(family_id, user, json!({"minor": false}))
}

// === impl FamilyAccess ===

impl FamilyAccess {
    /// The same after something happened.
    fn moved_to(&self, access: Access) -> Self {
        let living = match access.state.is_over() {
            true => self.id.to_string(),
            false => self.living.clone(),
        };
        Self {
            due_at: access.next_at(),
            access,
            living,
            updated_at: time::now(),
            ..self.clone()
        }
    }

    /// Has a change write it, if it is stored as it was read.
    fn written_by(&self, change: Transaction) -> Transaction {
        let next = Self {
            version: self.version + 1,
            ..self.clone()
        };
        let as_read = json!({"_id": self.id, "version": self.version});
        change.update_one(&ACCESSES, as_read, json!(next))
    }

    fn happened<'a>(&'a self, by: Option<&'a str>) -> Happened<'a> {
        Happened::EmergencyAccess {
            family_id: &self.family_id,
            access_id: &self.id,
            grantor: &self.grantor,
            trusted: &self.trusted,
            by,
            state: self.access.state,
        }
    }

    fn word(&self, title: String) -> Word<'_> {
        let kind = events::accessed(self.access.state);
        Word {
            family_id: &self.family_id,
            kind,
            title,
            body: self.reason.as_deref(),
            unique: format!("{}/{kind}/{}", self.id, self.version),
        }
    }

    fn title(&self, family: &Family) -> String {
        let trusted = self.trusted_name.as_deref().unwrap_or("whom they trust");
        let (grantor, family) = (&self.grantor_name, &family.name);
        let until = |time: Option<Time>| time.map(day).unwrap_or_default();
        match self.access.state {
            State::Invited => format!("{grantor} trusts {trusted} with {family}"),
            State::Accepted => format!("{trusted} would help {grantor} with {family}"),
            State::Declined => format!("{trusted} would not help {grantor} with {family}"),
            State::Withdrawn => {
                format!("{trusted} is not trusted with {grantor}'s {family} any more")
            }
            State::Expired => format!("{grantor}'s invitation to help with {family} has expired"),
            State::Waiting => format!(
                "{trusted} asks to see {family} in {grantor}'s place: {grantor} can object until {}",
                until(self.access.waiting.map(|waiting| waiting.until)),
            ),
            State::Vetoed => format!("{grantor} has objected: {trusted} does not see {family}"),
            State::Granted => format!(
                "{trusted} sees {family} in {grantor}'s place until {}",
                until(self.access.until),
            ),
            State::Ended => {
                format!("{trusted} does not see {family} in {grantor}'s place any more")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::continuity::tests::{noticed, pass, told};
    use crate::tests::{app, family_with, join};
    use membership::waiting::DAY;
    use sbd_sdk::testing::{App, Reply};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// What somebody does in a family, about a succession or an access, at the same moment.
    type Other<'a> = &'a dyn Fn(&str, &str) -> Reply;

    fn at(family: &str, rest: &str) -> String {
        format!("/api/v1/families/{family}{rest}")
    }

    fn invite(app: &App, by: &str, family: &str, trusted: &str) -> Reply {
        let body = json!({"trusted": trusted, "waiting_days": 4, "access_days": 3});
        app.signed_in(by)
            .post(&at(family, "/emergency-access"), body)
    }

    fn act(app: &App, by: &str, address: &str, what: &str) -> Reply {
        let body = match what {
            "initiate" => json!({"reason": "She is in hospital"}),
            _ => json!({}),
        };
        app.signed_in(by).post(&format!("{address}/{what}"), body)
    }

    /// `usr_2` of a family trusts `usr_7`, who is a stranger and has accepted.
    fn trusted(app: &App) -> (String, String) {
        let family = family_with(app, &["usr_2", "usr_3"]);
        let made = invite(app, "usr_2", &family, "usr_7").assert_status(201);
        let address = made.header("location").unwrap().to_owned();
        act(app, "usr_7", &address, "accept").assert_status(200);
        (family, address)
    }

    fn state(app: &App, address: &str) -> String {
        app.signed_in("usr_7")
            .get(address)
            .assert_status(200)
            .text("state")
            .to_owned()
    }

    fn sees(app: &App, who: &str, family: &str) -> Vec<u16> {
        let paths = [
            "",
            "/members",
            "/members/usr_1",
            "/token-requests",
            "/wallet/settings",
            "/wallet/emergency-unfreeze",
        ];
        paths
            .iter()
            .map(|path| app.signed_in(who).get(&at(family, path)).status())
            .collect()
    }

    #[test]
    fn an_emergency_from_the_invitation_to_the_end() {
        let app = app();
        let (family, address) = trusted(&app);
        assert_eq!(sees(&app, "usr_7", &family), [404; 6]);
        let entrusted = app
            .signed_in("usr_7")
            .get("/api/v1/families/emergency-access")
            .assert_status(200);
        assert_eq!(
            (&entrusted["total"], &entrusted["items"][0]["state"]),
            (&json!(1), &json!("accepted"))
        );
        act(&app, "usr_7", &address, "end").assert_refused(409, "CONFLICT");
        act(&app, "usr_2", &address, "initiate").assert_refused(403, "FORBIDDEN");
        act(&app, "usr_7", &address, "initiate").assert_status(200);
        // To whoever can object and to all administrators: at the start, halfway, a day before the end.
        assert_eq!(
            noticed(&app, "family.emergency.waiting"),
            ["usr_1", "usr_2"]
        );
        pass(&app, DAY * 2);
        pass(&app, DAY);
        let all = [
            "usr_1", "usr_2", "usr_1", "usr_2", "usr_7", "usr_1", "usr_2", "usr_7",
        ];
        assert_eq!(noticed(&app, "family.emergency.waiting"), all);
        pass(&app, DAY - HOUR);
        assert_eq!(
            (state(&app, &address), sees(&app, "usr_7", &family)),
            ("waiting".into(), vec![404; 6])
        );
        pass(&app, HOUR);
        assert_eq!(
            (state(&app, &address), sees(&app, "usr_7", &family)),
            ("granted".into(), vec![200; 6])
        );
        act(&app, "usr_2", &address, "veto").assert_refused(409, "CONFLICT");
        // They see, as the grantor does, and change nothing, as a stranger.
        let stranger = app.signed_in("usr_7");
        let view = stranger.get(&at(&family, "")).assert_status(200);
        assert_eq!(
            (&view["role"], &view["member_count"]),
            (&json!("member"), &json!(3))
        );
        stranger
            .put(&at(&family, ""), json!({"name": "Mine"}))
            .assert_refused(404, "NOT_FOUND");
        stranger
            .delete(&at(&family, ""))
            .assert_refused(404, "NOT_FOUND");
        stranger
            .delete(&at(&family, "/members/usr_3"))
            .assert_refused(404, "NOT_FOUND");
        let request = json!({"amount": 5, "reason": "x"});
        stranger
            .with_header("idempotency-key", "k-1")
            .post(&at(&family, "/token-requests"), request)
            .assert_refused(404, "NOT_FOUND");
        stranger
            .post(
                "/-/channels/authorize",
                json!({"channel": format!("family:{family}")}),
            )
            .assert_refused(404, "NOT_FOUND");
        assert_eq!(sees(&app, "usr_8", &family), [404; 6]);
        // Its time is over for whoever looks, be it noticed or not.
        app.advance(DAY * 3);
        assert_eq!(
            (state(&app, &address), sees(&app, "usr_7", &family)),
            ("ended".into(), vec![404; 6])
        );
        pass(&app, Duration::ZERO);
        assert_eq!(
            told(&app, "family.emergency."),
            ["invited", "accepted", "waiting", "granted", "ended"]
        );
        assert_eq!(
            noticed(&app, "family.emergency.granted"),
            ["usr_1", "usr_2", "usr_7"]
        );
        assert_eq!(
            noticed(&app, "family.emergency.ended"),
            ["usr_1", "usr_2", "usr_7"]
        );
        act(&app, "usr_7", &address, "initiate").assert_refused(409, "CONFLICT");
        // It can be arranged again.
        invite(&app, "usr_2", &family, "usr_7").assert_status(201);
    }

    #[test]
    fn the_grantor_objects_until_it_is_granted() {
        let app = app();
        let (_, address) = trusted(&app);
        act(&app, "usr_7", &address, "initiate").assert_status(200);
        for who in ["usr_7", "usr_1"] {
            act(&app, who, &address, "veto").assert_refused(403, "FORBIDDEN");
        }
        act(&app, "usr_3", &address, "veto").assert_refused(404, "NOT_FOUND");
        // The clock may be late: as long as access is not granted, they can.
        app.advance(DAY * 5);
        act(&app, "usr_2", &address, "veto").assert_status(200);
        act(&app, "usr_2", &address, "veto").assert_refused(409, "CONFLICT");
        pass(&app, DAY);
        assert_eq!(state(&app, &address), "vetoed");
        assert_eq!(noticed(&app, "family.emergency.vetoed"), ["usr_1", "usr_7"]);
        assert_eq!(
            told(&app, "family.emergency."),
            ["invited", "accepted", "waiting", "vetoed"]
        );
    }

    #[test]
    fn either_ends_it_and_a_grantor_who_leaves_shows_nothing() {
        let app = app();
        for who in ["usr_2", "usr_7"] {
            let (family, address) = trusted(&app);
            act(&app, "usr_7", &address, "initiate").assert_status(200);
            pass(&app, DAY * 4);
            assert_eq!(sees(&app, "usr_7", &family), [200; 6]);
            act(&app, who, &address, "end").assert_status(200);
            assert_eq!(
                (state(&app, &address), sees(&app, "usr_7", &family)),
                ("ended".into(), vec![404; 6])
            );
        }
        let (family, address) = trusted(&app);
        act(&app, "usr_7", &address, "initiate").assert_status(200);
        pass(&app, DAY * 4);
        app.signed_in("usr_2")
            .delete(&at(&family, "/members/usr_2"))
            .assert_status(204);
        assert_eq!(sees(&app, "usr_7", &family), [404; 6]);
        pass(&app, DAY * 3);
        assert_eq!(state(&app, &address), "ended");
        // Before anything was asked for, nothing can be.
        let (family, address) = trusted(&app);
        app.signed_in("usr_2")
            .delete(&at(&family, "/members/usr_2"))
            .assert_status(204);
        act(&app, "usr_7", &address, "initiate").assert_refused(409, "CONFLICT");
        act(&app, "usr_2", &address, "withdraw").assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn invitations_are_answered_taken_back_or_expire() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3"]);
        let invited = |trusted: &str| {
            let made = invite(&app, "usr_2", &family, trusted).assert_status(201);
            made.header("location").unwrap().to_owned()
        };
        let declined = invited("usr_7");
        invite(&app, "usr_2", &family, "usr_7").assert_refused(409, "CONFLICT");
        act(&app, "usr_2", &declined, "accept").assert_refused(403, "FORBIDDEN");
        act(&app, "usr_7", &declined, "initiate").assert_refused(409, "CONFLICT");
        act(&app, "usr_7", &declined, "decline").assert_status(200);
        act(&app, "usr_7", &declined, "accept").assert_refused(409, "CONFLICT");
        let withdrawn = invited("usr_7");
        act(&app, "usr_7", &withdrawn, "withdraw").assert_refused(409, "CONFLICT");
        act(&app, "usr_2", &withdrawn, "withdraw").assert_status(200);
        let expired = invited("usr_7");
        app.advance(DAY * 7);
        assert_eq!(state(&app, &expired), "expired");
        act(&app, "usr_7", &expired, "accept").assert_refused(409, "CONFLICT");
        // Nobody has noticed, and it is no obstacle.
        let again = invited("usr_7");
        act(&app, "usr_7", &again, "accept").assert_status(200);
        act(&app, "usr_7", &again, "withdraw").assert_status(200);
        pass(&app, DAY * 30);
        assert_eq!(
            told(&app, "family.emergency."),
            [
                "invited",
                "declined",
                "invited",
                "withdrawn",
                "invited",
                "expired",
                "invited",
                "accepted",
                "withdrawn"
            ]
        );
        // So many at a time.
        for number in 10..15 {
            invited(&format!("usr_{number}"));
        }
        invite(&app, "usr_2", &family, "usr_15").assert_refused(409, "CONFLICT");
        invite(&app, "usr_3", &family, "usr_15").assert_status(201);
    }

    #[test]
    fn what_is_not_right_is_refused_and_others_see_nothing() {
        let app = app();
        let (family, address) = trusted(&app);
        let path = at(&family, "/emergency-access");
        let right = json!({"trusted": "usr_8", "waiting_days": 1, "access_days": 30});
        for (field, wrong) in [
            ("trusted", json!("")),
            ("trusted", json!("a\u{0}")),
            ("trusted", json!("usr_2")),
            ("waiting_days", json!(0)),
            ("waiting_days", json!(31)),
            ("access_days", json!(0)),
            ("access_days", json!(31)),
            ("access_days", json!(1.5)),
            ("level", json!("act")),
            ("forever", json!(true)),
        ] {
            let mut body = right.clone();
            body[field] = wrong;
            let refused = app
                .signed_in("usr_2")
                .post(&path, body)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        for reason in [" ", "a\u{7}", "a\nb"] {
            let initiate = format!("{address}/initiate");
            app.signed_in("usr_7")
                .post(&initiate, json!({"reason": reason}))
                .assert_refused(422, "VALIDATION_ERROR");
        }
        // Administrators see it, other members and strangers do not, nor by another family's address.
        app.signed_in("usr_1").get(&address).assert_status(200);
        for (who, whole) in [("usr_1", 1), ("usr_2", 1), ("usr_3", 0)] {
            assert_eq!(
                app.signed_in(who).get(&path).assert_status(200)["total"],
                whole
            );
        }
        app.signed_in("usr_3")
            .get(&address)
            .assert_refused(404, "NOT_FOUND");
        let stranger = app.signed_in("usr_8");
        let never = at(&FamilyId::new().to_string(), "/emergency-access");
        assert_eq!(
            stranger
                .get(&address)
                .assert_refused(404, "NOT_FOUND")
                .body(),
            stranger
                .get(&format!("{never}/{}", EmergencyId::new()))
                .body()
        );
        stranger.post(&path, right).assert_refused(404, "NOT_FOUND");
        let other = family_with(&app, &["usr_2"]);
        let there = address.replace(&family, &other);
        for who in ["usr_7", "usr_1", "usr_2"] {
            app.signed_in(who)
                .get(&there)
                .assert_refused(404, "NOT_FOUND");
            act(&app, who, &there, "end").assert_refused(404, "NOT_FOUND");
        }
    }

    #[test]
    fn of_a_grant_and_what_comes_between_one_is_done() {
        let app = app();
        let others: [Other<'_>; 3] = [
            &|_, address| act(&app, "usr_2", address, "veto"),
            &|_, address| act(&app, "usr_7", address, "withdraw"),
            &|family, _| app.signed_in("usr_2").delete(&at(family, "/members/usr_2")),
        ];
        for other in others {
            let (family, address) = trusted(&app);
            let asked = act(&app, "usr_7", &address, "initiate").assert_status(200);
            app.advance(DAY * 4);
            let grant = || {
                app.run(async {
                    let before = ACCESSES.get(asked.text("id")).await?.unwrap();
                    let access = before.access.after(Act::Pass, Party::Clock, time::now())?;
                    let after = before.moved_to(access);
                    assert_eq!(after.access.state, State::Granted);
                    let grantor = json!({"_id": membership_id(&before.family_id, &before.grantor)});
                    let change = Transaction::new().check(&MEMBERSHIPS, grantor, 1);
                    super::told(&after, None, after.written_by(change)).await
                })
                .unwrap()
            };
            let (first, second) = (grant(), grant());
            assert!(other(&family, &address).status() < 300);
            assert!(!committed(app.run(first.commit())).unwrap());
            assert_eq!(sees(&app, "usr_7", &family), [404; 6]);
            if app.signed_in("usr_2").get(&at(&family, "")).status() == 404 {
                join(&app, &family, "usr_2");
                assert!(committed(app.run(second.commit())).unwrap());
                assert!(!committed(app.run(grant_again(&app, asked.text("id")).commit())).unwrap());
            }
        }
    }

    /// What was granted already, once more.
    fn grant_again(app: &App, id: &str) -> Transaction {
        let granted = app.run(ACCESSES.get(id)).unwrap().unwrap();
        let before = FamilyAccess {
            version: granted.version - 1,
            ..granted
        };
        before.written_by(Transaction::new())
    }
}
