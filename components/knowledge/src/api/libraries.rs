//! `/api/v1/libraries`.

use crate::libraries::{self, Draft, LibraryFilter, LibrarySort};
use crate::model::{Library, LibraryId, Settings};
use crate::owners;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Json, Listing, NoContent, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a library is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLibrary {
    /// 1 to 200 characters; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 200, example = "Insurance")]
    name: String,
    /// At most 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Whose it is: a family that the caller administrates, or a workspace in which the caller writes; the caller's
    /// own if nothing is said.
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    settings: Option<Settings>,
}

/// What a library is to be from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LibraryInput {
    /// 1 to 200 characters; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 200, example = "Insurance")]
    name: String,
    /// At most 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: Option<String>,
    #[serde(default)]
    settings: Option<Settings>,
}

/// A library.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Library)]
pub(crate) struct LibraryView {
    #[schema(inline)]
    id: LibraryId,
    /// The user, family or workspace whose it is.
    owner: String,
    /// Its name.
    name: String,
    /// What it is about.
    description: Option<String>,
    settings: Settings,
    /// How many documents are in it.
    documents: u64,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
    /// Goes up by one with every change; also the `ETag`.
    version: u64,
}

/// Makes a library.
#[operation(
    post "/api/v1/libraries", permission = "knowledge:write", location = "The library's address",
    refuses(
        forbidden = "The caller is no administrator of the family or workspace",
        not_found = "No family or workspace that the caller belongs to",
        conflict = "There are as many libraries as one owner may have"
    )
)]
pub(crate) async fn create_library(
    caller: Caller,
    Json(input): Json<NewLibrary>,
) -> Result<Created<Tagged<LibraryView>>> {
    let draft = Draft::check(&input.name, input.description.as_deref(), input.settings)?;
    let library = libraries::create(&caller, input.owner.as_deref(), draft).await?;
    let location = format!("/api/v1/libraries/{}", library.id);
    Created::at(&location, &LibraryView::tagged(library, 0))
}

/// Lists the libraries that the caller may read: their own, and those of their families.
#[operation(get "/api/v1/libraries", permission = "knowledge:read")]
pub(crate) async fn list_libraries(
    caller: Caller,
    listing: Listing<LibrarySort, LibraryFilter>,
) -> Result<Json<Page<LibraryView>>> {
    let page = libraries::list(&caller, &listing).await?;
    let ids: Vec<_> = page.items.iter().map(|library| &library.id).collect();
    let counts = libraries::counts(&ids).await?;
    Ok(Json(page.map(|library| {
        let documents = counts.get(&library.id).copied().unwrap_or(0);
        LibraryView::tagged(library, documents).body
    })))
}

/// Reads a library.
#[operation(
    get "/api/v1/libraries/{id}", permission = "knowledge:read", answers = "The library",
    refuses(not_found = "No library that the caller may read")
)]
pub(crate) async fn get_library(
    caller: Caller,
    Path(id): Path<LibraryId>,
) -> Result<Json<LibraryView>> {
    let (library, _) = owners::readable(&caller, &id).await?;
    Ok(Json(counted(library).await?.body))
}

/// Replaces a library's name, description and settings; for its owner, or administrators.
#[operation(
    put "/api/v1/libraries/{id}", permission = "knowledge:write", answers = "The library as it is now",
    refuses(
        forbidden = "The caller is no administrator of the family or workspace",
        not_found = "No library that the caller may read",
        conflict = "It was changed at the same moment"
    )
)]
pub(crate) async fn replace_library(
    caller: Caller,
    Path(id): Path<LibraryId>,
    wanted: Preconditions,
    Json(input): Json<LibraryInput>,
) -> Result<Tagged<LibraryView>> {
    let draft = Draft::check(&input.name, input.description.as_deref(), input.settings)?;
    let library = libraries::replace(&caller, &id, &wanted, draft).await?;
    counted(library).await
}

/// Deletes a library with all that is in it.
///
/// At once nobody sees any of it; a task deletes the documents.
#[operation(
    delete "/api/v1/libraries/{id}", permission = "knowledge:write",
    refuses(
        forbidden = "The caller is no administrator of the family or workspace",
        not_found = "No library that the caller may read"
    )
)]
pub(crate) async fn delete_library(
    caller: Caller,
    Path(id): Path<LibraryId>,
    wanted: Preconditions,
) -> Result<NoContent> {
    libraries::delete(&caller, &id, &wanted).await?;
    Ok(NoContent)
}

async fn counted(library: Library) -> Result<Tagged<LibraryView>> {
    let counts = libraries::counts(&[&library.id]).await?;
    let documents = counts.get(&library.id).copied().unwrap_or(0);
    Ok(LibraryView::tagged(library, documents))
}

impl LibraryView {
    fn tagged(library: Library, documents: u64) -> Tagged<Self> {
        Tagged {
            version: library.version,
            body: Self {
                id: library.id,
                owner: library.owner,
                name: library.name,
                description: library.description,
                settings: library.settings,
                documents,
                created_by: library.created_by,
                created_at: library.created_at,
                updated_at: library.updated_at,
                version: library.version,
            },
        }
    }
}
