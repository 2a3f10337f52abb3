//! `/api/v1/workspaces/{id}/labels`.

use crate::labels::{self, Draft, Label, LabelFilter, LabelId, LabelSort, Labelled};
use crate::model::WorkspaceId;
use crate::shared::Kind;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{ById, Caller, Created, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a label is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceLabelInput)]
pub(crate) struct LabelInput {
    /// 1 to 100 characters, unlike the other labels' names.
    #[schema(min_length = 1, max_length = 100, example = "Apollo")]
    name: String,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: Option<String>,
    /// The label in which it is to lie, as a folder in another one.
    #[serde(default)]
    #[schema(inline)]
    parent: Option<LabelId>,
}

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceLabel)]
pub(crate) struct LabelView {
    #[schema(inline)]
    id: LabelId,
    name: String,
    description: Option<String>,
    /// The label in which it lies.
    #[schema(inline)]
    parent: Option<LabelId>,
    /// On how much it lies.
    items: u64,
    /// When it was made.
    created_at: Time,
}

/// Something that a label lies on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceLabelledItem)]
pub(crate) struct LabelledView {
    /// The id of a note, a document or a library.
    #[schema(example = "not_019a2f3c8b7e7c2d9f00112233445566")]
    item: String,
    kind: Kind,
    /// The user who put the label there.
    labelled_by: String,
    /// When.
    labelled_at: Time,
}

/// Lists the labels of a workspace the caller belongs to: its projects, its folders.
#[operation(
    get "/api/v1/workspaces/{id}/labels", permission = "workspaces:read",
    refuses(not_found = "No workspace the caller belongs to")
)]
pub(crate) async fn list_workspace_labels(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    listing: Listing<LabelSort, LabelFilter>,
) -> Result<Json<Page<LabelView>>> {
    let page = labels::list(&id, &caller, &listing).await?;
    Ok(Json(page.map(LabelView::from)))
}

/// Makes a label; with the permission `write`.
#[operation(
    post "/api/v1/workspaces/{id}/labels", permission = "workspaces:write", location = "The label's address",
    refuses(
        forbidden = "The caller may not write",
        not_found = "No workspace the caller belongs to",
        conflict = "Another label has this name, there are 500, or the workspace is archived"
    )
)]
pub(crate) async fn create_workspace_label(
    caller: Caller,
    Path(id): Path<WorkspaceId>,
    Json(input): Json<LabelInput>,
) -> Result<Created<LabelView>> {
    let label = labels::create(&id, &caller, input.check()?).await?;
    let location = format!("/api/v1/workspaces/{id}/labels/{}", label.id);
    Created::at(&location, &label.into())
}

/// Has a label be called otherwise, or lie in another one; with the permission `write`.
#[operation(
    put "/api/v1/workspaces/{id}/labels/{label}", permission = "workspaces:write",
    answers = "The label as it is now",
    refuses(
        forbidden = "The caller may not write",
        not_found = "No workspace the caller belongs to, or no label of it",
        conflict = "Another label has this name, or the workspace is archived"
    )
)]
pub(crate) async fn replace_workspace_label(
    caller: Caller,
    Path((id, label)): Path<(WorkspaceId, LabelId)>,
    Json(input): Json<LabelInput>,
) -> Result<Json<LabelView>> {
    let label = labels::replace(&id, &caller, &label, input.check()?).await?;
    Ok(Json(label.into()))
}

/// Deletes a label; what it lay on stays, and what lay in it lies where it lay. With the permission `write`.
#[operation(
    delete "/api/v1/workspaces/{id}/labels/{label}", permission = "workspaces:write",
    refuses(
        forbidden = "The caller may not write",
        not_found = "No workspace the caller belongs to, or no label of it",
        conflict = "The workspace is archived"
    )
)]
pub(crate) async fn delete_workspace_label(
    caller: Caller,
    Path((id, label)): Path<(WorkspaceId, LabelId)>,
) -> Result<NoContent> {
    labels::delete(&id, &caller, &label).await?;
    Ok(NoContent)
}

/// Lists what a label lies on.
#[operation(
    get "/api/v1/workspaces/{id}/labels/{label}/items", permission = "workspaces:read",
    refuses(not_found = "No workspace the caller belongs to, or no label of it")
)]
pub(crate) async fn list_labelled_items(
    caller: Caller,
    Path((id, label)): Path<(WorkspaceId, LabelId)>,
    listing: Listing<ById>,
) -> Result<Json<Page<LabelledView>>> {
    let page = labels::items(&id, &caller, &label, &listing).await?;
    Ok(Json(page.map(LabelledView::from)))
}

/// Puts a label on a note, a document or a library of the workspace; with the permission `write`.
#[operation(
    put "/api/v1/workspaces/{id}/labels/{label}/items/{item}", permission = "workspaces:write",
    answers = "On what it lies", parameters(item = "The id of a note, a document or a library"),
    refuses(
        forbidden = "The caller may not write",
        not_found = "No workspace the caller belongs to, no label of it, or nothing shared in it",
        conflict = "The label lies on 10 000 items, or the workspace is archived"
    )
)]
pub(crate) async fn label_item(
    caller: Caller,
    Path((id, label, item)): Path<(WorkspaceId, LabelId, String)>,
) -> Result<Json<LabelledView>> {
    let labelled = labels::put_on(&id, &caller, &label, &item).await?;
    Ok(Json(labelled.into()))
}

/// Takes a label off something; with the permission `write`.
#[operation(
    delete "/api/v1/workspaces/{id}/labels/{label}/items/{item}", permission = "workspaces:write",
    parameters(item = "The id of a note, a document or a library"),
    refuses(
        forbidden = "The caller may not write",
        not_found = "No workspace the caller belongs to, or no label of it",
        conflict = "The workspace is archived"
    )
)]
pub(crate) async fn unlabel_item(
    caller: Caller,
    Path((id, label, item)): Path<(WorkspaceId, LabelId, String)>,
) -> Result<NoContent> {
    labels::take_off(&id, &caller, &label, &item).await?;
    Ok(NoContent)
}

impl LabelInput {
    fn check(&self) -> Result<Draft> {
        let description = self.description.as_deref();
        Draft::check(&self.name, description, self.parent.clone())
    }
}

impl From<Label> for LabelView {
    fn from(label: Label) -> Self {
        Self {
            id: label.id,
            name: label.name,
            description: label.description,
            parent: label.parent,
            items: label.items,
            created_at: label.created_at,
        }
    }
}

impl From<Labelled> for LabelledView {
    fn from(labelled: Labelled) -> Self {
        Self {
            item: labelled.item,
            kind: labelled.kind,
            labelled_by: labelled.by,
            labelled_at: labelled.at,
        }
    }
}
