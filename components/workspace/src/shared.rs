//! What is shared in a workspace, and lies with other components: notes, documents and libraries.

use crate::model::WorkspaceId;
use axum::body::Body;
use axum::extract::Request;
use http::StatusCode;
use sbd_sdk::{Error, Result, call, id, read_json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WorkspaceItemKind)]
pub(crate) enum Kind {
    /// Markdown.
    Note,
    /// A file that was uploaded.
    Document,
    /// Where documents are.
    Library,
}

/// What the other components say of it, as far as it matters here.
#[derive(Deserialize)]
struct Found {
    workspace_id: Option<String>,
    library_id: Option<String>,
    owner: Option<String>,
}

/// What something is; 404 unless the caller sees it, and it lies in this workspace.
pub(crate) async fn require(workspace_id: &WorkspaceId, item: &str) -> Result<Kind> {
    let none = || Error::not_found("item");
    let kinds = [
        ("not", Kind::Note),
        ("doc", Kind::Document),
        ("lib", Kind::Library),
    ];
    let kind = kinds.into_iter().find(|(prefix, _)| id::is(prefix, item));
    let (_, kind) = kind.ok_or_else(none)?;
    let place = match kind {
        Kind::Note => ask("notes", "notes", item).await?.workspace_id,
        Kind::Library => ask("knowledge", "libraries", item).await?.owner,
        Kind::Document => {
            let document = ask("knowledge", "documents", item).await?;
            let library = document.library_id.ok_or_else(none)?;
            ask("knowledge", "libraries", &library).await?.owner
        }
    };
    match place.as_deref() == Some(workspace_id.as_str()) {
        true => Ok(kind),
        false => Err(none()),
    }
}

/// Asks a component for something, as the caller.
async fn ask(component: &str, path: &str, id: &str) -> Result<Found> {
    let request = Request::get(format!("/api/v1/{path}/{id}")).body(Body::empty());
    let answer = call(component, request.map_err(Error::internal)?).await?;
    match answer.status() {
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Err(Error::not_found("item")),
        _ => read_json(answer).await,
    }
}
