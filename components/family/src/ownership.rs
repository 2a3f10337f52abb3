//! Whose limit a family counts against: whoever created it, until somebody else takes it over.

use crate::creation;
use crate::model::{Family, FamilyId};
use crate::store::{CREATORS, FAMILIES};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result};
use serde_json::json;

/// Has a family count against the limit of somebody else from now on, as a part of a change.
pub(crate) async fn taken(change: Transaction, family: &Family, by: &str) -> Result<Transaction> {
    let change = creation::counted(change, by).await?;
    let change = given_back(change, &family.owner);
    Ok(change.update_one(
        &FAMILIES,
        owned(&family.id, &family.owner),
        json!({"$set": {"owner": by}}),
    ))
}

/// Has a family not count against somebody's limit any more.
pub(crate) fn given_back(change: Transaction, owner: &str) -> Transaction {
    change.update_many(
        &CREATORS,
        json!({"_id": owner}),
        json!({"$inc": {"families": -1}}),
    )
}

/// What to say to the owner who wants to go.
pub(crate) fn is_own() -> Error {
    Error::conflict(
        "the family counts against your limit; hand it over to another administrator first, or delete it",
    )
}

fn owned(family_id: &FamilyId, owner: &str) -> serde_json::Value {
    json!({"_id": family_id, "owner": owner})
}
