//! The component's collections; the manifest declares their indexes.

use crate::emergency::{self, FamilyAccess};
use crate::invitations::Invitation;
use crate::model::{Creator, Family, FamilyId, Membership, Role, membership_id};
use crate::recovery::FamilyRecovery;
use crate::relationships::Relationship;
use crate::succession::{self, FamilyPlan, FamilySuccession};
use group::payments::Payment;
use group::requests::Request;
use sbd_sdk::documents::{Collection, Transaction};
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;

/// Families by id.
pub(crate) const FAMILIES: Collection<Family> = Collection::new("families");
/// Who belongs to which family.
pub(crate) const MEMBERSHIPS: Collection<Membership> = Collection::new("memberships");
/// How many families each user has created.
pub(crate) const CREATORS: Collection<Creator> = Collection::new("creators");

/// Payments out of families' accounts.
pub(crate) const PAYMENTS: Collection<Payment<FamilyId>> = group::store::payments();
/// What members ask for.
pub(crate) const REQUESTS: Collection<Request<FamilyId>> = group::store::requests();
/// Invitations into families.
pub(crate) const INVITATIONS: Collection<Invitation> = group::store::invitations();
/// What members are to each other.
pub(crate) const RELATIONSHIPS: Collection<Relationship> = Collection::new("relationships");

/// How succession is planned, by the family's id.
pub(crate) const PLANS: Collection<FamilyPlan> = Collection::new("succession_plans");
/// Successions, those that are over too.
pub(crate) const SUCCESSIONS: Collection<FamilySuccession> = Collection::new("successions");
/// Whom members trust in an emergency.
pub(crate) const ACCESSES: Collection<FamilyAccess> = Collection::new("emergency_accesses");
/// Accounts that are to be given back.
pub(crate) const RECOVERIES: Collection<FamilyRecovery> = Collection::new("recoveries");

/// The caller's membership of a family. To a stranger the family is not there at all.
pub(crate) async fn membership(family_id: &FamilyId, caller: &Caller) -> Result<Membership> {
    let membership = MEMBERSHIPS
        .get(&membership_id(family_id, &caller.user))
        .await?;
    let membership = membership.ok_or_else(|| Error::not_found("family"))?;
    // What a component does for an administrator is no sign of life.
    if membership.role == Role::Admin && caller.component.is_none() {
        succession::active(family_id).await?;
    }
    Ok(membership)
}

/// Whoever may read what a member may: a member, or somebody who stands in for one in an emergency, and then
/// the membership of that one. Whatever changes something asks for the caller's own.
pub(crate) async fn reader(family_id: &FamilyId, caller: &Caller) -> Result<Membership> {
    match membership(family_id, caller).await {
        Err(none) if none.code() == "NOT_FOUND" => {
            let grantor = emergency::standing_in(family_id, &caller.user).await?;
            grantor.ok_or(none)
        }
        own => own,
    }
}

/// A member of a family, whom the caller may see.
pub(crate) async fn member(family_id: &FamilyId, user: &str) -> Result<Membership> {
    let member = MEMBERSHIPS.get(&membership_id(family_id, user)).await?;
    member.ok_or_else(|| Error::not_found("member"))
}

/// A family that the caller belongs to, with the membership.
pub(crate) async fn family(family_id: &FamilyId, caller: &Caller) -> Result<(Family, Membership)> {
    let membership = membership(family_id, caller).await?;
    Ok((existing(family_id).await?, membership))
}

/// A family that the caller may read, with the membership as of which.
pub(crate) async fn seen(family_id: &FamilyId, caller: &Caller) -> Result<(Family, Membership)> {
    let membership = reader(family_id, caller).await?;
    Ok((existing(family_id).await?, membership))
}

async fn existing(family_id: &FamilyId) -> Result<Family> {
    let family = FAMILIES.get(family_id.as_str()).await?;
    let family = family.ok_or_else(|| Error::not_found("family"))?;
    match family.owner.is_empty() {
        true => brought_up(family).await,
        false => Ok(family),
    }
}

/// Puts down what versions before did not say of a family: whoever created it was all there was of it.
async fn brought_up(family: Family) -> Result<Family> {
    let owner = family.created_by.clone();
    let unsaid = json!({"_id": family.id, "owner": {"$exists": false}});
    let members = json!({"family_id": family.id, "minor": {"$exists": false}});
    Transaction::new()
        .update_many(
            &FAMILIES,
            unsaid,
            json!({"$set": {"owner": owner, "admin_count": 1}}),
        )
        .update_many(
            &MEMBERSHIPS,
            members,
            json!({"$set": {"minor": false, "guardians": []}}),
        )
        .commit()
        .await?;
    Ok(Family {
        owner,
        admin_count: 1,
        ..family
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, family};

    #[test]
    fn a_family_of_a_version_before_is_one_like_others() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let id = family(&ada, "A").text("id").to_owned();
        let before =
            json!({"$unset": {"owner": "", "admin_count": "", "offer": "", "closing": ""}});
        let update = Transaction::new()
            .update_one(&FAMILIES, json!({"_id": id}), before)
            .update_many(
                &MEMBERSHIPS,
                json!({"family_id": id}),
                json!({"$unset": {"minor": "", "guardians": ""}}),
            );
        app.run(update.commit()).unwrap();
        assert_eq!(ada.get("/api/v1/families").assert_status(200)["total"], 1);
        let address = format!("/api/v1/families/{id}");
        assert_eq!(ada.get(&address).assert_status(200)["owner"], "usr_1");
        ada.get(&format!("{address}/members")).assert_status(200);
        let stored = app.run(FAMILIES.get(&id)).unwrap().unwrap();
        assert_eq!((stored.owner.as_str(), stored.admin_count), ("usr_1", 1));
        ada.put(&address, json!({"name": "B"})).assert_status(200);
    }
}
