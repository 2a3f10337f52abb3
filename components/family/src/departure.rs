//! A user who is gone is a member of no family. Whatever was theirs alone to do there somebody else does: another
//! administrator, or the adult who has been there for longest.
//!
//! A family that nobody is left in, or minors alone, stays as it is, for the tenant's administrators to see.

use crate::commit::{busy, committed, tries};
use crate::events::Happened;
use crate::members::{gone, promote, wards_alone};
use crate::model::{Family, FamilyId, Membership, Role, membership_id};
use crate::ownership;
use crate::store::{FAMILIES, MEMBERSHIPS};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Result, realtime};
use serde_json::json;

/// Families that somebody may be a member of at most, with room to spare.
const MOST: u32 = 1000;

/// Leaves nothing of a user who is gone.
pub(crate) async fn of(user: &str) -> Result<()> {
    let own = MEMBERSHIPS.find(json!({"user_id": user})).limit(MOST);
    for member in own.fetch().await?.documents {
        from(&member.family_id, user).await?;
    }
    Ok(())
}

async fn from(family_id: &FamilyId, user: &str) -> Result<()> {
    for _ in tries() {
        let family = FAMILIES.get(family_id.as_str()).await?;
        let member = MEMBERSHIPS.get(&membership_id(family_id, user)).await?;
        let (Some(family), Some(member)) = (family, member) else {
            return Ok(());
        };
        if family.closing.is_some() {
            return Ok(());
        }
        let Some(change) = left(&family, &member).await? else {
            eprintln!("nobody in {family_id} can take the place of a member whose account is gone");
            return Ok(());
        };
        if committed(change.commit().await)? {
            // They are gone, whoever hears of it.
            if let Err(error) = realtime::changed(&format!("family:{family_id}")).await {
                eprintln!("whoever listens to {family_id} could not be sent away: {error:?}");
            }
            return Ok(());
        }
    }
    Err(busy())
}

/// All that a member leaves behind, in other hands; none, where there are none.
async fn left(family: &Family, member: &Membership) -> Result<Option<Transaction>> {
    let (id, user) = (&family.id, &*member.user_id);
    let mut change = Transaction::new();
    if let Some(heir) = heir(id, user).await? {
        if heir.role != Role::Admin && family.admin_count == 1 && member.role == Role::Admin {
            change = promote(change, id, &heir.user_id, user);
        }
        if family.owner == user {
            change = ownership::taken(change, family, &heir.user_id).await?;
        }
        let guardians = json!({"$set": {"guardians": [heir.user_id]}});
        change = change.update_many(&MEMBERSHIPS, wards_alone(id, user), guardians);
    } else if member.role == Role::Admin || family.owner == user {
        return Ok(None);
    }
    let gone = gone(change, family, member);
    let left = Happened::MemberLeft {
        family_id: id,
        user_id: user,
    };
    Ok(Some(left.told_by(gone)))
}

/// Who does what a member did alone.
async fn heir(family_id: &FamilyId, user: &str) -> Result<Option<Membership>> {
    let adults = json!({"family_id": family_id, "user_id": {"$ne": user}, "minor": false});
    let adults = MEMBERSHIPS
        .find(adults)
        .sort(json!({"role": 1, "joined_at": 1}));
    // `admin` stands before `member`.
    Ok(adults.limit(1).fetch().await?.documents.pop())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, family_with};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::App;

    fn depart(app: &App, user: &str) {
        let host = app.by(Principal::service("test", "family"));
        for _ in 0..2 {
            host.event("account.deleted", json!({"user_id": user}))
                .assert_status(204);
        }
    }

    /// Who is in a family, and as what.
    fn members(app: &App, family: &str) -> Vec<(String, String)> {
        let all = MEMBERSHIPS
            .find(json!({"family_id": family}))
            .sort(json!({"user_id": 1}));
        let all: Vec<Membership> = app.run(all.fetch()).unwrap().documents;
        let role = |member: &Membership| match member.role {
            Role::Admin => "admin",
            Role::Member => "member",
        };
        all.iter()
            .map(|member| (member.user_id.to_string(), role(member).to_owned()))
            .collect()
    }

    fn pair(user: &str, role: &str) -> (String, String) {
        (user.to_owned(), role.to_owned())
    }

    #[test]
    fn others_do_what_somebody_who_is_gone_did_alone() {
        let app = app();
        let id = family_with(&app, &["usr_2", "usr_3"]);
        // A member, then the owner and only administrator.
        depart(&app, "usr_3");
        assert_eq!(
            members(&app, &id),
            [pair("usr_1", "admin"), pair("usr_2", "member")]
        );
        depart(&app, "usr_1");
        assert_eq!(members(&app, &id), [pair("usr_2", "admin")]);
        let family = app
            .signed_in("usr_2")
            .get(&format!("/api/v1/families/{id}"))
            .assert_status(200);
        assert_eq!(
            (&family["owner"], &family["member_count"]),
            (&json!("usr_2"), &json!(1))
        );
        // The last one leaves a family that nobody is in but by name.
        depart(&app, "usr_2");
        assert_eq!(members(&app, &id), [pair("usr_2", "admin")]);
    }

    #[test]
    fn a_minor_has_another_guardian() {
        let app = app();
        let id = family_with(&app, &["usr_2", "usr_3"]);
        let minor = json!({"guardians": ["usr_2"]});
        let ada = app.signed_in("usr_1");
        ada.put(
            &format!("/api/v1/families/{id}/members/usr_3/guardians"),
            minor,
        )
        .assert_status(200);
        depart(&app, "usr_2");
        let child = ada
            .get(&format!("/api/v1/families/{id}/members/usr_3"))
            .assert_status(200);
        assert_eq!(child["guardians"], json!(["usr_1"]));
        // Minors alone cannot do it.
        depart(&app, "usr_1");
        assert_eq!(
            members(&app, &id),
            [pair("usr_1", "admin"), pair("usr_3", "member")]
        );
    }
}
