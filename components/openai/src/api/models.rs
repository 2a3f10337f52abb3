//! `/v1/models`

use crate::failure::Failure;
use sbd_sdk::Path;
use sbd_sdk::inference::{self, Kind, Model};
use sbd_sdk::{Json, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// The models that there are.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModels)]
pub(crate) struct Models {
    /// `list`.
    object: &'static str,
    /// The models.
    data: Vec<ModelView>,
}

/// A model.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
pub(crate) struct ModelView {
    /// Its name.
    id: String,
    /// `model`.
    object: &'static str,
    /// When it was made, which is not known here.
    created: u64,
    /// Which backend has it.
    owned_by: String,
    /// `chat` or `embedding`.
    kind: Kind,
    /// How many tokens it has room for, if known.
    context_length: Option<u32>,
}

impl From<Model> for ModelView {
    fn from(model: Model) -> Self {
        Self {
            id: model.name,
            object: "model",
            created: 0,
            owned_by: model.backend,
            kind: model.kind,
            context_length: model.context,
        }
    }
}

/// Lists the models that there are.
#[operation(get "/v1/models", permission = "inference:use", answers = "The models")]
pub(crate) async fn list_models() -> Result<Json<Models>, Failure> {
    let models = inference::models().await?;
    Ok(Json(Models {
        object: "list",
        data: models.into_iter().map(ModelView::from).collect(),
    }))
}

/// Reads a model.
#[operation(
    get "/v1/models/{id}", permission = "inference:use", answers = "The model",
    parameters(id = "The model's name"), refuses(not_found = "No such model")
)]
pub(crate) async fn get_model(Path(id): Path<String>) -> Result<Json<ModelView>, Failure> {
    let models = inference::models().await?;
    let found = models.into_iter().find(|model| model.name == id);
    let found = found.ok_or_else(|| {
        let id: String = id.chars().take(100).collect();
        inference::Error::NoModel(format!("there is no model `{}`", id.escape_debug()))
    })?;
    Ok(Json(found.into()))
}
