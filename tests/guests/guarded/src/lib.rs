//! Operations behind permissions: it checks nothing itself, so what is refused was refused by the
//! host. A mark in its file, which tests change, makes its offer a wrong one.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sbd_sdk::{Component, Json, Query, Result, call, operation};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// Found and changed in the file by tests; read where no compiler can know it.
static MARK: &str = "sbd-mark:offer=good;";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Through {
    method: String,
    path: String,
}

/// For everybody.
#[operation(get "/guarded/open", answers = "What there is")]
async fn open() -> &'static str {
    "open"
}

/// For users.
#[operation(get "/guarded/notes", permission = "guarded:read", answers = "What there is")]
async fn read() -> &'static str {
    "notes"
}

/// For administrators.
#[operation(delete "/guarded/notes", permission = "admin:guarded:clear", answers = "What there is")]
async fn clear() -> &'static str {
    "cleared"
}

/// For administrators, one of them.
#[operation(get "/guarded/secrets/{name}", permission = "admin:guarded:read", answers = "What there is")]
async fn secret(sbd_sdk::Path(name): sbd_sdk::Path<String>) -> String {
    name
}

/// Asks another component in the caller's name, and answers what it did.
#[operation(get "/guarded/through", answers = "What there is")]
async fn through(Query(through): Query<Through>) -> Result<Response> {
    let request = Request::builder()
        .method(through.method.as_str())
        .uri(&through.path)
        .body(Body::empty())
        .map_err(sbd_sdk::Error::internal)?;
    Ok(call("inner", request).await?.into_response())
}

/// A misspelt permission: left out, anybody could clear the notes.
async fn misspelt() -> Json<Value> {
    Json(json!({
        "openapi": "3.1.0",
        "info": {"title": "guarded", "version": "1"},
        "paths": {"/guarded/notes": {"delete": {
            "responses": {"200": {"description": "cleared"}},
            "x-sbd-permision": "admin:guarded:clear",
        }}},
    }))
}

/// All that the component offers.
pub fn component() -> Component {
    let component =
        Component::new().operations("guarded", [open(), read(), clear(), secret(), through()]);
    match std::hint::black_box(MARK).contains("offer=good") {
        true => component,
        false => component.route("/-/openapi.json", get(misspelt)),
    }
}

sbd_sdk::component!(component);
