//! Categories of the catalogue.

use crate::catalogue::lost;
use crate::commit::committed;
use crate::item::CategoryId;
use crate::store::{CATEGORIES, ITEMS};
use membership::text;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};

/// Characters at most.
pub(crate) const LONGEST_NAME: usize = 100;
const LONGEST_DESCRIPTION: usize = 500;
/// Categories at most: all of them are listed at once.
const MOST: u64 = 200;

/// A category, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Category {
    #[serde(rename = "_id")]
    pub(crate) id: CategoryId,
    pub(crate) name: String,
    /// No two have the same.
    pub(crate) name_key: String,
    pub(crate) description: Option<String>,
    /// They stand in this order.
    pub(crate) position: u32,
    pub(crate) version: u64,
}

/// What an administrator says of a category.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) position: u32,
}

/// How many items one category has.
#[derive(Deserialize)]
struct Count {
    #[serde(rename = "_id")]
    category: CategoryId,
    items: u64,
}

/// All categories in order, each with how many items of it are offered.
pub(crate) async fn all() -> Result<Vec<(Category, u64)>> {
    let found = CATEGORIES
        .find(json!({}))
        .sort(json!({"position": 1, "name_key": 1}));
    let found = found.limit(1000).fetch().await?.documents;
    let pipeline = json!([
        {"$match": {"listed": true, "category": {"$ne": null}}},
        {"$group": {"_id": "$category", "items": {"$sum": 1}}},
    ]);
    let counts: Vec<Count> = ITEMS.aggregate(pipeline).await?;
    let mut counts: HashMap<_, _> = counts
        .into_iter()
        .map(|of| (of.category, of.items))
        .collect();
    let counted = found.into_iter().map(|category| {
        let items = counts.remove(&category.id).unwrap_or(0);
        (category, items)
    });
    Ok(counted.collect())
}

/// A category.
pub(crate) async fn get(id: &CategoryId) -> Result<Category> {
    let category = CATEGORIES.get(id.as_str()).await?;
    category.ok_or_else(|| Error::not_found("category"))
}

/// Makes a category.
pub(crate) async fn create(draft: Draft) -> Result<Category> {
    let draft = draft.check()?;
    if CATEGORIES.count(json!({})).await? >= MOST {
        let message =
            format!("there are {MOST} categories, the most there may be; delete one first");
        return Err(Error::conflict(message));
    }
    let category = Category {
        id: CategoryId::new(),
        name_key: sbd_sdk::text::key(&draft.name),
        name: draft.name,
        description: draft.description,
        position: draft.position,
        version: 1,
    };
    let change = Transaction::new().insert(&CATEGORIES, &category);
    let change = recorded(change, &category, "shop.category.created");
    change.commit().await.map_err(taken)?;
    Ok(category)
}

/// Changes what is said of a category.
pub(crate) async fn replace(
    id: &CategoryId,
    draft: Draft,
    wanted: &Preconditions,
) -> Result<Category> {
    let draft = draft.check()?;
    let before = get(id).await?;
    wanted.require(before.version)?;
    let category = Category {
        name_key: sbd_sdk::text::key(&draft.name),
        name: draft.name,
        description: draft.description,
        position: draft.position,
        version: before.version + 1,
        ..before.clone()
    };
    let as_read = json!({"_id": id, "version": before.version});
    let replacement = serde_json::to_value(&category).map_err(Error::internal)?;
    let change = Transaction::new().update_one(&CATEGORIES, as_read, replacement);
    let change = recorded(change, &category, "shop.category.changed");
    match change.commit().await {
        Ok(_) => Ok(category),
        Err(DocumentsError::PreconditionFailed(_)) => Err(lost(wanted)),
        Err(error) => Err(taken(error)),
    }
}

/// Deletes a category without items.
pub(crate) async fn delete(id: &CategoryId, wanted: &Preconditions) -> Result<()> {
    let category = get(id).await?;
    wanted.require(category.version)?;
    let items = ITEMS.count(json!({"category": id})).await?;
    if items > 0 {
        let message = format!("{items} items are in it; give them another category first");
        return Err(Error::conflict(message));
    }
    let change = Transaction::new()
        .delete_one(&CATEGORIES, json!({"_id": id, "version": category.version}))
        .check(&ITEMS, json!({"category": id}), 0);
    let change = recorded(change, &category, "shop.category.deleted");
    match committed(change.commit().await)? {
        true => Ok(()),
        false => Err(lost(wanted)),
    }
}

/// Refuses a category that is not there.
pub(crate) async fn require(id: &CategoryId) -> Result<()> {
    match CATEGORIES.get(id.as_str()).await? {
        Some(_) => Ok(()),
        None => Err(Error::validation(
            "category_id",
            "a category of the catalogue",
        )),
    }
}

/// Has a change happen only as long as these are there.
pub(crate) fn while_there(change: Transaction, ids: &BTreeSet<&CategoryId>) -> Transaction {
    let all = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    match ids.is_empty() {
        true => change,
        false => change.check(&CATEGORIES, json!({"_id": {"$in": ids}}), all),
    }
}

fn recorded(change: Transaction, category: &Category, action: &str) -> Transaction {
    let data = json!({"category_id": category.id, "name": category.name});
    change.audit(category.id.as_str(), action, &data)
}

fn taken(error: DocumentsError) -> Error {
    match error {
        DocumentsError::Duplicate(_) => {
            Error::conflict("there is a category of this name; choose another one")
        }
        error => error.into(),
    }
}

// === impl Draft ===

impl Draft {
    fn check(self) -> Result<Self> {
        let description = self.description.as_deref();
        Ok(Self {
            name: text::some_line("name", &self.name, LONGEST_NAME)?,
            description: text::line("description", description, LONGEST_DESCRIPTION)?,
            position: self.position,
        })
    }
}
