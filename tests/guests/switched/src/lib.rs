//! A guest with a part that is switched by itself.

use sbd_sdk::{Caller, Json, Query, Result, features};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wait {
    ms: u64,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Ask {
    feature: String,
}

/// Always there.
#[utoipa::path(get, path = "/api/v1/switched/whole", params(Wait), responses((status = 200, description = "What there is")))]
async fn whole(Query(wait): Query<Wait>) -> &'static str {
    wasip3::clocks::monotonic_clock::wait_for(wait.ms * 1_000_000).await;
    "whole"
}

/// There while the feature `part` is on.
#[utoipa::path(get, path = "/api/v1/switched/part/{id}", params(("id" = String, Path)), responses((status = 200, description = "What there is")))]
async fn part() -> &'static str {
    "part"
}

/// Whether a feature is on for who asks.
#[utoipa::path(get, path = "/api/v1/switched/ask", params(Ask), responses((status = 200, description = "What there is")))]
async fn ask(caller: Option<Caller>, Query(ask): Query<Ask>) -> Result<Json<bool>> {
    features::is_on(&ask.feature, caller.as_ref())
        .await
        .map(Json)
}

/// Refused by the guest itself while the feature `hidden` is off.
#[utoipa::path(get, path = "/api/v1/switched/hidden", responses((status = 200, description = "What there is")))]
async fn hidden(caller: Option<Caller>) -> Result<&'static str> {
    features::require("hidden", caller.as_ref()).await?;
    Ok("hidden")
}

/// What the component declares.
#[utoipa::path(get, path = "/api/v1/switched/list", responses((status = 200, description = "What there is")))]
async fn list() -> Result<Json<Value>> {
    let features = features::list().await?.into_iter();
    let features = features.map(|feature| {
        json!({
            "name": feature.name,
            "description": feature.description,
            "state": format!("{:?}", feature.state),
        })
    });
    Ok(Json(features.collect()))
}

/// Every address of the component.
pub fn router() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(whole))
        .routes(routes!(part))
        .routes(routes!(ask))
        .routes(routes!(hidden))
        .routes(routes!(list))
}

sbd_sdk::component!(router);
