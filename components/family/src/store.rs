//! The component's collections; the manifest declares their indexes.

use crate::account::Wallet;
use crate::allowances::Allowance;
use crate::invitations::Invitation;
use crate::model::{Creator, Family, FamilyId, Membership, membership_id};
use crate::payments::Payment;
use crate::relationships::Relationship;
use crate::requests::Request;
use sbd_sdk::documents::Collection;
use sbd_sdk::{Caller, Error, Result};

/// Families by id.
pub(crate) const FAMILIES: Collection<Family> = Collection::new("families");
/// Who belongs to which family.
pub(crate) const MEMBERSHIPS: Collection<Membership> = Collection::new("memberships");
/// How many families each user has created.
pub(crate) const CREATORS: Collection<Creator> = Collection::new("creators");

/// What is decided about a family's account, by the family's id.
pub(crate) const WALLETS: Collection<Wallet> = Collection::new("wallets");
/// What each member may spend and has spent, by the membership's id.
pub(crate) const ALLOWANCES: Collection<Allowance> = Collection::new("allowances");
/// Payments out of families' accounts.
pub(crate) const PAYMENTS: Collection<Payment> = Collection::new("payments");
/// What members ask for.
pub(crate) const REQUESTS: Collection<Request> = Collection::new("requests");
/// Invitations into families.
pub(crate) const INVITATIONS: Collection<Invitation> = Collection::new("invitations");
/// What members are to each other.
pub(crate) const RELATIONSHIPS: Collection<Relationship> = Collection::new("relationships");

/// The caller's membership of a family. To a stranger the family is not there at all.
pub(crate) async fn membership(family_id: &FamilyId, caller: &Caller) -> Result<Membership> {
    let membership = MEMBERSHIPS
        .get(&membership_id(family_id, &caller.user))
        .await?;
    membership.ok_or_else(|| Error::not_found("family"))
}

/// A member of a family, whom the caller may see.
pub(crate) async fn member(family_id: &FamilyId, user: &str) -> Result<Membership> {
    let member = MEMBERSHIPS.get(&membership_id(family_id, user)).await?;
    member.ok_or_else(|| Error::not_found("member"))
}

/// A family that the caller belongs to, with the membership.
pub(crate) async fn family(family_id: &FamilyId, caller: &Caller) -> Result<(Family, Membership)> {
    let membership = membership(family_id, caller).await?;
    let family = FAMILIES.get(family_id.as_str()).await?;
    Ok((
        family.ok_or_else(|| Error::not_found("family"))?,
        membership,
    ))
}
