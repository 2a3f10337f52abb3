//! The collections that a component with groups has for their accounts and invitations; its manifest declares their indexes.

use crate::Group;
use crate::account::Wallet;
use crate::allowances::Allowance;
use crate::deletion::Closing;
use crate::events::id_of;
use crate::invitations::Invitation;
use crate::inviting::Inviting;
use crate::payments::Payment;
use crate::requests::Request;
use sbd_sdk::documents::Collection;
use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is decided about an account, by the group's id.
pub const fn wallets<G>() -> Collection<Wallet<G>> {
    Collection::new("wallets")
}

/// What each member may spend and has spent, by the membership's id.
pub const ALLOWANCES: Collection<Allowance> = Collection::new("allowances");

/// Payments out of accounts.
pub const fn payments<G>() -> Collection<Payment<G>> {
    Collection::new("payments")
}

/// What members ask for.
pub const fn requests<G>() -> Collection<Request<G>> {
    Collection::new("requests")
}

/// Invitations into groups.
pub const fn invitations<G: Inviting>() -> Collection<Invitation<G>> {
    Collection::new("invitations")
}

/// The groups themselves: as much of them as is read here.
pub(crate) const fn groups<G: Group>() -> Collection<Known<G>> {
    Collection::new(G::PATH)
}

/// Who belongs to which group: as much of it as is read here.
pub(crate) const MEMBERSHIPS: Collection<Named> = Collection::new("memberships");

/// A member's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Named {
    pub(crate) user_id: String,
    pub(crate) username: String,
}

/// As much of a group as is read here.
#[derive(Debug, Serialize, Deserialize)]
pub struct Known<G> {
    #[serde(rename = "_id")]
    pub(crate) id: G,
    pub(crate) name: String,
    /// Whose it is.
    #[serde(default)]
    pub(crate) owner: String,
    pub(crate) member_count: u64,
    /// That it is being deleted, if it is.
    #[serde(default)]
    pub(crate) closing: Option<Closing>,
}

/// The group that something belongs to, in the field that its noun names: `family_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Of<G>(pub(crate) G);

// === impl Of ===

impl<G: Group> Serialize for Of<G> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut field = serializer.serialize_map(Some(1))?;
        field.serialize_entry(&id_of::<G>(), &self.0)?;
        field.end()
    }
}

impl<'de, G: Group> Deserialize<'de> for Of<G> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let group = fields.remove(&id_of::<G>());
        let group = group.ok_or_else(|| D::Error::custom("it belongs to no group"))?;
        serde_json::from_value(group)
            .map(Self)
            .map_err(D::Error::custom)
    }
}
