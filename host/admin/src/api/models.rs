//! `/models`

use super::answers::{Body, By, Failure};
use crate::Admin;
use axum::Json;
use axum::extract::{Path, Query, State};
use sbd_inference::Listed;
use sbd_inference::model::Model;
use serde::{Deserialize, Serialize};
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
    }))
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
