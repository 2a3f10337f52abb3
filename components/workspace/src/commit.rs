//! Changes whose conditions stand in their commit: whoever loses against another change reads again.

use crate::model::{Membership, WorkspaceId};
use crate::permissions::Permission;
use crate::store::WORKSPACES;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, time};
use serde_json::{Map, Value, json};

pub(crate) use membership::commit::{committed, tries};

/// What to say when others were quicker each time.
pub(crate) fn busy() -> Error {
    membership::commit::busy("workspace")
}

/// Has a change count in its workspace, as long as this holds of it, and it is not being deleted.
pub(crate) fn counted(
    change: Transaction,
    workspace_id: &WorkspaceId,
    conditions: Value,
    counts: Value,
) -> Transaction {
    let still = merged(json!({"_id": workspace_id, "closing": null}), conditions);
    let counts = merged(json!({"version": 1}), counts);
    let update = json!({"$inc": counts, "$set": {"updated_at": time::now()}});
    change.update_one(&WORKSPACES, still, update)
}

/// That a workspace is not archived, as a condition.
pub(crate) fn active() -> Value {
    json!({"archived_at": null})
}

/// A member who may still do this.
pub(crate) fn still_may(member: &Membership, permission: Permission) -> Value {
    json!({"_id": member.id, "permissions": permission})
}

/// A member who is what they were when they were read, and may do the same.
pub(crate) fn still_is(member: &Membership) -> Value {
    json!({"_id": member.id, "role": member.role, "permissions": member.permissions})
}

fn merged(into: Value, more: Value) -> Value {
    let fields = [into, more].into_iter().filter_map(|value| match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Value::Object(fields.flatten().collect::<Map<_, _>>())
}
