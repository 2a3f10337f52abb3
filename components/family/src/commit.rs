//! Changes whose conditions stand in their commit: whoever loses against another change reads again.

use crate::model::{FamilyId, membership_id};
use crate::store::FAMILIES;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, time};
use serde_json::{Map, Value, json};

pub(crate) use membership::commit::{committed, tries};

/// What to say when others were quicker each time.
pub(crate) fn busy() -> Error {
    membership::commit::busy("family")
}

/// Has a change count in its family, as long as this holds of it, and it is not being deleted.
pub(crate) fn counted(
    change: Transaction,
    family_id: &FamilyId,
    conditions: Value,
    counts: Value,
) -> Transaction {
    let still = merged(json!({"_id": family_id, "closing": null}), conditions);
    let counts = merged(json!({"version": 1}), counts);
    let update = json!({"$inc": counts, "$set": {"updated_at": time::now()}});
    change.update_one(&FAMILIES, still, update)
}

/// Those who are administrators still.
pub(crate) fn still_admin(family_id: &FamilyId, user: &str) -> Value {
    json!({"_id": membership_id(family_id, user), "role": "admin"})
}

/// A member who is this still.
pub(crate) fn member_who_is(family_id: &FamilyId, user: &str, conditions: Value) -> Value {
    merged(json!({"_id": membership_id(family_id, user)}), conditions)
}

fn merged(into: Value, more: Value) -> Value {
    let fields = [into, more].into_iter().filter_map(|value| match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Value::Object(fields.flatten().collect::<Map<_, _>>())
}
