//! Changes whose conditions stand in their commit: whoever loses against another change reads again.

use crate::model::{FamilyId, membership_id};
use crate::store::FAMILIES;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Error, Result, time};
use serde_json::{Map, Value, json};

/// How often a change is tried: each time another one was quicker.
const TRIES: u32 = 8;

/// As often as a change is tried before [`busy`].
pub(crate) fn tries() -> std::ops::Range<u32> {
    0..TRIES
}

/// Whether it is done; not when a condition did not hold any more.
pub(crate) fn committed<T>(done: std::result::Result<T, DocumentsError>) -> Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(DocumentsError::PreconditionFailed(_) | DocumentsError::Duplicate(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What to say when others were quicker each time.
pub(crate) fn busy() -> Error {
    Error::overloaded(
        "many change the family at the same moment; try again in a moment",
        1,
    )
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
