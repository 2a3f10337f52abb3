//! A guest with a part that is switched by itself.

use sbd_sdk::{Caller, Component, Json, Path, Query, Result, features, operation};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

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
#[operation(get "/api/v1/switched/whole", answers = "What there is")]
async fn whole(Query(wait): Query<Wait>) -> &'static str {
    wasip3::clocks::monotonic_clock::wait_for(wait.ms * 1_000_000).await;
    "whole"
}

/// There while the feature `part` is on.
#[operation(get "/api/v1/switched/part/{id}", answers = "What there is")]
async fn part(Path(_): Path<String>) -> &'static str {
    "part"
}

/// Whether a feature is on for who asks.
#[operation(get "/api/v1/switched/ask", answers = "What there is")]
async fn ask(caller: Option<Caller>, Query(ask): Query<Ask>) -> Result<Json<bool>> {
    features::is_on(&ask.feature, caller.as_ref())
        .await
        .map(Json)
}

/// Refused by the guest itself while the feature `hidden` is off.
#[operation(get "/api/v1/switched/hidden", answers = "What there is")]
async fn hidden(caller: Option<Caller>) -> Result<&'static str> {
    features::require("hidden", caller.as_ref()).await?;
    Ok("hidden")
}

/// What the component declares.
#[operation(get "/api/v1/switched/list", answers = "What there is")]
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

/// All that the component offers.
pub fn component() -> Component {
    Component::new().operations("switched", [whole(), part(), ask(), hidden(), list()])
}

sbd_sdk::component!(component);
