//! `/models`

use super::answers::{Body, By, Failure};
use crate::Admin;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use futures::StreamExt as _;
use http::{StatusCode, header};
use sbd_inference::model::{Kind, Model};
use sbd_inference::{Available, Listed};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::convert::Infallible;
use std::path::PathBuf;
use utoipa::{IntoParams, ToSchema};

/// As whom models are seen.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// The tenant; the default one without.
    tenant: Option<String>,
}

/// The models of a host.
#[derive(Serialize, ToSchema)]
pub(crate) struct Models {
    /// Those that there are.
    models: Vec<ModelState>,
    /// Backends that do not say which they have.
    failing: Vec<FailingBackend>,
    /// Those that can be fetched by their names.
    available: Vec<AvailableModel>,
}

/// A model that can be fetched.
#[derive(Serialize, ToSchema)]
pub(crate) struct AvailableModel {
    /// Its name.
    name: String,
    /// What it can do.
    kind: Kind,
    /// About how many bytes are fetched.
    bytes: u64,
    /// Under which licence it may be used.
    licence: String,
    /// What it is good for.
    about: String,
}

/// A model that is to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewModel {
    /// A file of the server's machine: a GGUF file, or the folder of an embedding model.
    #[schema(value_type = String)]
    file: PathBuf,
    /// What it is to be called; the file's name without.
    name: Option<String>,
}

/// A model that was added.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedModel {
    /// What it is called.
    name: String,
}

/// A model.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModelState {
    #[serde(flatten)]
    model: Model,
    /// Whether it is in memory, if that is known.
    is_loaded: Option<bool>,
    /// How many bytes it takes there, if that is known.
    memory: Option<u64>,
}

/// A backend that does not say which models it has.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailingBackend {
    /// Its name.
    backend: String,
    /// Why.
    reason: String,
}

/// What is to be taken without a name.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefaultModel {
    /// A model.
    model: String,
    /// Only in this tenant.
    tenant: Option<String>,
}

/// What a model answered to something short.
#[derive(Serialize, ToSchema)]
pub(crate) struct TestedModel {
    /// The text, of one that answers.
    answer: Option<String>,
    /// How many numbers its vectors have, of one that makes them.
    dimensions: Option<usize>,
    /// Milliseconds to the first piece.
    first_ms: u64,
    /// Milliseconds to the last one.
    total_ms: u64,
    /// Tokens of the question.
    prompt: u64,
    /// Tokens of the answer.
    completion: u64,
}

impl From<Listed> for ModelState {
    fn from(listed: Listed) -> Self {
        Self {
            model: listed.model,
            is_loaded: listed.found.is_loaded,
            memory: listed.found.memory,
        }
    }
}

impl From<Available> for AvailableModel {
    fn from(available: Available) -> Self {
        let Available {
            name,
            kind,
            bytes,
            licence,
            about,
        } = available;
        Self {
            name,
            kind,
            bytes,
            licence,
            about,
        }
    }
}

/// Lists the language models that there are.
#[utoipa::path(get, path = "/models", params(Seen), responses((status = 200, body = Models)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Query(seen): Query<Seen>,
) -> Result<Json<Models>, Failure> {
    let tenant = seen.tenant.as_deref();
    let tenant = tenant.unwrap_or(sbd_registry::DEFAULT_TENANT);
    let (models, failing) = admin.models(tenant).await?;
    let failing = failing.into_iter().map(|(backend, reason)| FailingBackend {
        backend: backend.to_string(),
        reason,
    });
    Ok(Json(Models {
        models: models.into_iter().map(ModelState::from).collect(),
        failing: failing.collect(),
        available: admin
            .available_models()
            .into_iter()
            .map(Into::into)
            .collect(),
    }))
}

/// Adds a model from a file of the server's machine.
#[utoipa::path(post, path = "/models", request_body = NewModel, responses((status = 201, body = AddedModel)))]
pub(crate) async fn add(
    State(admin): State<Admin>,
    By(actor): By,
    Body(wanted): Body<NewModel>,
) -> Result<(StatusCode, Json<AddedModel>), Failure> {
    let adding = admin.add_model(&actor, &wanted.file, wanted.name.as_deref());
    let name = adding.await?;
    Ok((StatusCode::CREATED, Json(AddedModel { name })))
}

/// Fetches a model: one line of JSON a step, with `step`, `done` and `total`, or at last with `error`.
/// Whoever closes the connection breaks it off; the next time goes on from there.
#[utoipa::path(post, path = "/models/{name}/pull", responses((status = 200, content_type = "application/x-ndjson", body = String)))]
pub(crate) async fn pull(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let steps = admin.pull_model(&actor, &name).await?;
    let lines = steps.map(|step| {
        let line = match step {
            Ok(step) => json!({"step": step.step, "done": step.done, "total": step.total}),
            Err(error) => json!({"error": error.to_string()}),
        };
        Ok::<_, Infallible>(format!("{line}\n"))
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, axum::body::Body::from_stream(lines)))
}

/// Removes a model and its files.
#[utoipa::path(delete, path = "/models/{name}", responses((status = 204)))]
pub(crate) async fn remove(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    admin.remove_model(&actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a model be what calls without a name take.
#[utoipa::path(put, path = "/models/default", request_body = DefaultModel, responses((status = 200, body = Model)))]
pub(crate) async fn set_default(
    State(admin): State<Admin>,
    By(actor): By,
    Body(wanted): Body<DefaultModel>,
) -> Result<Json<Model>, Failure> {
    let tenant = wanted.tenant.as_deref();
    let set = admin.set_default_model(&actor, tenant, &wanted.model);
    Ok(Json(set.await?))
}

/// Asks a model something short.
#[utoipa::path(post, path = "/models/{name}/test", responses((status = 200, body = TestedModel)))]
pub(crate) async fn test(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Json<TestedModel>, Failure> {
    let tested = admin.test_model(&name).await?;
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(TestedModel {
        answer: tested.answer,
        dimensions: tested.dimensions,
        first_ms: ms(tested.first),
        total_ms: ms(tested.total),
        prompt: tested.usage.prompt,
        completion: tested.usage.completion,
    }))
}
