//! Libraries: what they are called, whose they are, and what is decided about them.

use crate::deletion;
use crate::model::{self, Library, LibraryId, Settings};
use crate::owners;
use crate::store::{DOCUMENTS, LIBRARIES};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::Page;
use sbd_sdk::{Caller, Error, Listing, Result, Sort, time};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Libraries of one owner at most.
const MOST: u64 = 200;
/// What the library of notes is called.
const NOTES_NAME: &str = "Notes";
/// What the library is called that documents come into which name none.
const DEFAULT_NAME: &str = "Documents";

/// What libraries are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LibrarySort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// Their names.
    Name,
}

/// Which libraries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LibraryFilter {
    /// Only those of this user, family or workspace.
    #[param(max_length = 100, example = "fam_019a2f3c8b7e7c2d9f00112233445566")]
    owner: Option<String>,
}

/// What a library is to be.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) settings: Settings,
}

/// Makes a library of the caller's, or of a family's or a workspace's.
pub(crate) async fn create(caller: &Caller, owner: Option<&str>, draft: Draft) -> Result<Library> {
    let owner = owner.unwrap_or(&caller.user);
    owners::require_founder(caller, owner).await?;
    let of_owner = json!({"owner": owner, "deleted_at": null});
    if LIBRARIES.count(of_owner).await? >= MOST {
        let message =
            format!("there are {MOST} libraries, the most one owner has; delete one first");
        return Err(Error::conflict(message));
    }
    let library = made(owner, &caller.user, draft);
    LIBRARIES.insert(&library).await?;
    Ok(library)
}

/// The library that documents of the caller's come into that name none: made with the first of them.
pub(crate) async fn default_of(caller: &Caller) -> Result<Library> {
    let own = json!({"default_of": caller.user});
    for _ in 0..2 {
        if let Some(library) = LIBRARIES.find_one(own.clone()).await? {
            return Ok(library);
        }
        let draft = Draft {
            name: DEFAULT_NAME.to_owned(),
            description: None,
            settings: Settings::default(),
        };
        let library = Library {
            default_of: Some(caller.user.to_string()),
            ..made(&caller.user, &caller.user, draft)
        };
        match LIBRARIES.insert(&library).await {
            Ok(_) => return Ok(library),
            // Another request was quicker.
            Err(DocumentsError::Duplicate(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::overloaded(
        "your library is being made at this moment; try again in a moment",
        1,
    ))
}

/// The library of the notes of a user, a family or a workspace: made with the first of them.
pub(crate) async fn notes_of(owner: &str) -> Result<Library> {
    let own = json!({"notes_of": owner, "deleted_at": null});
    if let Some(library) = LIBRARIES.find_one(own).await? {
        return Ok(library);
    }
    let draft = Draft {
        name: NOTES_NAME.to_owned(),
        description: None,
        settings: Settings::default(),
    };
    let library = Library {
        notes_of: Some(owner.to_owned()),
        ..made(owner, owner, draft)
    };
    // Where another event was quicker, this one comes again.
    LIBRARIES.insert(&library).await?;
    Ok(library)
}

/// A page of the libraries that the caller may read.
pub(crate) async fn list(
    caller: &Caller,
    listing: &Listing<LibrarySort, LibraryFilter>,
) -> Result<Page<Library>> {
    let mut owners = owners::of(caller).await?;
    if let Some(owner) = &listing.filter.owner {
        owners.retain(|one| one == owner);
    }
    let filter = json!({"owner": {"$in": owners}, "deleted_at": null});
    LIBRARIES.find(filter).page(listing).await
}

/// Replaces what a library is called, and what is decided about it.
pub(crate) async fn replace(
    caller: &Caller,
    id: &LibraryId,
    wanted: &Preconditions,
    draft: Draft,
) -> Result<Library> {
    let library = owners::governed(caller, id).await?;
    wanted.require(library.version)?;
    let still = json!({"_id": id, "version": library.version, "deleted_at": null});
    let change = json!({
        "$set": {
            "name": draft.name, "description": draft.description, "settings": draft.settings,
            "updated_at": time::now(),
        },
        "$inc": {"version": 1},
    });
    let changed = LIBRARIES.find_one_and_update(still, change).await?;
    changed.ok_or_else(|| match wanted.has_if_match() {
        true => Error::precondition_failed(),
        false => DocumentsError::PreconditionFailed(0).into(),
    })
}

/// Deletes a library: at once nobody sees it or what is in it any more, and a task deletes that.
pub(crate) async fn delete(caller: &Caller, id: &LibraryId, wanted: &Preconditions) -> Result<()> {
    let library = owners::governed(caller, id).await?;
    if library.notes_of.is_some() {
        return Err(Error::conflict(
            "notes are found as long as they are there; delete them where they are written",
        ));
    }
    wanted.require(library.version)?;
    deletion::begin(&library.id).await
}

/// A family or a workspace is gone, and its libraries with it.
pub(crate) async fn delete_of(owner: &str) -> Result<()> {
    let of_owner = json!({"owner": owner, "deleted_at": null});
    loop {
        let found = LIBRARIES.find(of_owner.clone()).fetch().await?;
        if found.documents.is_empty() {
            return Ok(());
        }
        for library in found.documents {
            deletion::begin(&library.id).await?;
        }
    }
}

/// How many documents are in each of these libraries.
pub(crate) async fn counts(ids: &[&LibraryId]) -> Result<HashMap<LibraryId, u64>> {
    #[derive(Deserialize)]
    struct Counted {
        #[serde(rename = "_id")]
        id: LibraryId,
        documents: u64,
    }
    let rows: Vec<Counted> = DOCUMENTS
        .aggregate(json!([
            {"$match": {"library_id": {"$in": ids}, "state": {"$ne": "deleting"}}},
            {"$group": {"_id": "$library_id", "documents": {"$sum": 1}}},
        ]))
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, row.documents))
        .collect())
}

/// Has a change undone if its library is deleted meanwhile.
pub(crate) fn as_long_as_it_is_there(change: Transaction, id: &LibraryId) -> Transaction {
    change.check(&LIBRARIES, json!({"_id": id, "deleted_at": null}), 1)
}

fn made(owner: &str, by: &str, draft: Draft) -> Library {
    let now = time::now();
    Library {
        id: LibraryId::new(),
        owner: owner.to_owned(),
        name: draft.name,
        description: draft.description,
        settings: draft.settings,
        default_of: None,
        notes_of: None,
        deleted_at: None,
        created_by: by.to_owned(),
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

// === impl Draft ===

impl Draft {
    /// What was asked for, if it can be.
    pub(crate) fn check(
        name: &str,
        description: Option<&str>,
        settings: Option<Settings>,
    ) -> Result<Self> {
        Ok(Self {
            name: model::name("name", name)?,
            description: model::description(description)?,
            settings: settings.unwrap_or_default().check()?,
        })
    }
}

impl Sort for LibrarySort {
    const ITEMS: &'static str = "libraries";

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Name => "name",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{DOCUMENTS, GARDEN, LIBRARIES, app, passages, send, upload};
    use serde_json::json;

    #[test]
    fn a_library_is_made_changed_and_deleted_with_all_that_is_in_it() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let new = json!({"name": " Insurance ", "settings": {"chunk_tokens": 100}});
        let made = ada.post(LIBRARIES, new).assert_status(201);
        let path = made.header("location").unwrap().to_owned();
        assert_eq!(
            (&made["name"], &made["settings"]["chunk_tokens"]),
            (&json!("Insurance"), &json!(100))
        );
        let id = made.text("id");
        send(&ada, &format!("name=a.md&library_id={id}"), GARDEN).assert_status(202);
        app.run_tasks();
        assert_eq!(ada.get(&path)["documents"], 1);
        assert_eq!(ada.get(LIBRARIES)["items"][0]["documents"], 1);
        let renamed = ada
            .with_header("if-match", "\"1\"")
            .put(&path, json!({"name": "Other"}));
        assert_eq!(renamed.assert_status(200)["version"], 2);
        ada.with_header("if-match", "\"1\"")
            .put(&path, json!({"name": "Third"}))
            .assert_refused(412, "PRECONDITION_FAILED");
        ada.with_header("if-match", "\"1\"")
            .delete(&path)
            .assert_refused(412, "PRECONDITION_FAILED");
        ada.delete(&path).assert_status(204);
        // At once, and for good.
        ada.get(&path).assert_refused(404, "NOT_FOUND");
        assert_eq!(ada.get(DOCUMENTS)["total"], 0);
        ada.delete(&path).assert_refused(404, "NOT_FOUND");
        app.run_tasks();
        assert_eq!((app.blobs().len(), passages(&app)), (0, 0));
    }

    #[test]
    fn documents_that_name_no_library_come_into_ones_own() {
        let app = app();
        let ada = app.signed_in("usr_1");
        upload(&app, &ada, "a.md", GARDEN);
        upload(&app, &ada, "b.md", "Other words.");
        let libraries = ada.get(LIBRARIES).assert_status(200);
        assert_eq!(
            (&libraries["total"], &libraries["items"][0]["documents"]),
            (&json!(1), &json!(2))
        );
        // It is deleted like any other, and made anew.
        let id = libraries["items"][0]["id"].as_str().unwrap();
        ada.delete(&format!("{LIBRARIES}/{id}")).assert_status(204);
        upload(&app, &ada, "c.md", GARDEN);
        assert_eq!(ada.get(DOCUMENTS)["total"], 1);
        assert_ne!(ada.get(LIBRARIES)["items"][0]["id"], id);
    }

    #[test]
    fn what_is_no_library_is_refused() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": " "}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (
                json!({"name": "a", "settings": {"chunk_tokens": 0}}),
                "settings.chunk_tokens",
            ),
            (
                json!({"name": "a", "settings": {"language": "EN"}}),
                "settings.language",
            ),
            (
                json!({"name": "a", "settings": {"writers": "all"}}),
                "settings.writers",
            ),
            (
                json!({"name": "a", "settings": {"model": "x"}}),
                "settings.model",
            ),
            (json!({"name": "a", "state": "x"}), "state"),
        ] {
            let refused = ada
                .post(LIBRARIES, body)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
    }
}
