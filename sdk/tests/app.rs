//! A component as the host sees it, without a host: requests in, answers out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::executor::block_on;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::{Order, Page, Paging};
use sbd_sdk::{
    About, Answer, App, Caller, Error, Idempotency, Json, Path, Query, RequestId, Result, Tenant,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemQuery {
    page: Option<u32>,
    per_page: Option<u32>,
    #[serde(default)]
    order: Order,
}

#[utoipa::path(post, path = "/items", operation_id = "createItem", responses((status = 201, body = Item)), security(("bearer" = [])))]
async fn create(_: Idempotency, Json(item): Json<Item>) -> Result<Answer> {
    Ok(Answer::created("/items/1", &item)?.etag(1))
}

#[utoipa::path(get, path = "/items", operation_id = "listItems", responses((status = 200, body = Page<Item>)))]
async fn list(Query(query): Query<ItemQuery>) -> Result<Json<Page<Item>>> {
    let name = if query.order == Order::Desc { "z" } else { "a" };
    let paging = Paging::new(query.page, query.per_page)?;
    Ok(Json(paging.page(
        vec![Item {
            name: name.to_owned(),
            count: 1,
        }],
        41,
    )))
}

#[utoipa::path(get, path = "/items/{number}", responses((status = 200, body = Item)))]
async fn read(Path(number): Path<u32>, wanted: Preconditions) -> Result<Answer> {
    wanted.require(7)?;
    if wanted.has_current(7) {
        return Ok(Answer::not_modified(7));
    }
    Ok(Answer::ok(&Item {
        name: "a".to_owned(),
        count: number,
    })?
    .etag(7))
}

async fn whoami(caller: Caller, RequestId(id): RequestId, Tenant(tenant): Tenant) -> Json<Value> {
    Json(json!({"user": caller.user, "request": id, "tenant": tenant}))
}

async fn perhaps(caller: Option<Caller>) -> Json<Value> {
    Json(json!(caller.map(|caller| caller.user)))
}

async fn slow() -> Error {
    futures::future::poll_fn({
        let mut polls = 0;
        move |task| {
            polls += 1;
            task.waker().wake_by_ref();
            if polls > 3 {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        }
    })
    .await;
    Error::conflict("so")
}

fn app() -> App {
    let router = OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read))
        .route("/whoami", axum::routing::get(whoami))
        .route("/perhaps", axum::routing::get(perhaps))
        .route("/slow", axum::routing::get(slow));
    App::new(
        router,
        About {
            name: "items",
            version: "1.2.3",
            description: "Items.",
        },
    )
}

fn send(request: http::request::Builder, body: impl Into<Body>) -> (Response<()>, Value) {
    let response = block_on(app().respond(request.body(body.into()).unwrap()));
    let (parts, body) = response.into_parts();
    let bytes = block_on(body.collect()).unwrap().to_bytes();
    let json = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap()
    };
    (Response::from_parts(parts, ()), json)
}

fn get(path: &str) -> http::request::Builder {
    Request::builder()
        .uri(path)
        .header("sbd-request-id", "req_1")
}

fn post(path: &str) -> http::request::Builder {
    get(path)
        .method(Method::POST)
        .header("content-type", "application/json")
}

#[track_caller]
fn assert_error(answer: &(Response<()>, Value), status: u16, code: &str) {
    assert_eq!(answer.0.status().as_u16(), status, "{}", answer.1);
    assert_eq!(answer.1["error"]["code"], code);
    assert_eq!(answer.1["error"]["request_id"], "req_1");
    assert_eq!(answer.0.headers()["content-type"], "application/json");
    assert!(answer.1["error"]["message"].as_str().unwrap().len() > 10);
}

fn header_of(user: &str) -> String {
    let caller = json!({"tenant": "acme", "user": user, "session": null, "username": "ada", "roles": ["user"], "expires_at": 1});
    format!("{}.seal", URL_SAFE_NO_PAD.encode(caller.to_string()))
}

#[test]
fn a_good_request_is_served() {
    let (response, body) = send(post("/items"), r#"{"name":"x","count":2}"#);
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(
        (&response.headers()["location"], &response.headers()["etag"]),
        (&"/items/1".parse().unwrap(), &"\"1\"".parse().unwrap())
    );
    assert_eq!(body, json!({"name": "x", "count": 2}));
}

#[test]
fn bad_bodies_get_the_standard_error() {
    assert_error(&send(post("/items"), "{"), 400, "MALFORMED_REQUEST");
    assert_error(&send(post("/items"), ""), 400, "MALFORMED_REQUEST");
    assert_error(
        &send(post("/items"), vec![b'"', 0xff, b'"']),
        400,
        "MALFORMED_REQUEST",
    );
    assert_error(
        &send(post("/items"), "[".repeat(100_000)),
        400,
        "MALFORMED_REQUEST",
    );
    assert_error(
        &send(post("/items"), format!("\"{}\"", "x".repeat(3 << 20))),
        413,
        "BODY_TOO_LARGE",
    );
    assert_error(
        &send(get("/items").method("POST"), "{}"),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    );
    assert_error(
        &send(
            get("/items")
                .method("POST")
                .header("content-type", "text/plain"),
            "{}",
        ),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    );
    let wrong = send(post("/items"), r#"{"name":"x","count":-2}"#);
    assert_error(&wrong, 422, "VALIDATION_ERROR");
    assert_eq!(wrong.1["error"]["details"][0]["field"], "count");
    let unknown = send(post("/items"), r#"{"name":"x","count":2,"role":"admin"}"#);
    assert_eq!(unknown.1["error"]["details"][0]["field"], "role");
}

#[test]
fn json_with_parameters_or_a_suffix_is_json() {
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.sbd.v1+json",
    ] {
        let request = get("/items")
            .method("POST")
            .header("content-type", content_type);
        assert_eq!(
            send(request, r#"{"name":"x","count":2}"#).0.status(),
            StatusCode::CREATED,
            "{content_type}"
        );
    }
}

#[test]
fn unknown_addresses_and_methods_get_the_standard_error() {
    assert_error(&send(get("/nothing"), ""), 404, "NOT_FOUND");
    assert_error(&send(get("/items/x"), ""), 404, "NOT_FOUND");
    assert_error(&send(get("/items/%ff"), ""), 400, "MALFORMED_REQUEST");
    let wrong = send(get("/items").method("PATCH"), "");
    assert_error(&wrong, 405, "METHOD_NOT_ALLOWED");
    let mut allowed: Vec<_> = wrong.0.headers()["allow"]
        .to_str()
        .unwrap()
        .split(',')
        .collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
}

#[test]
fn queries_are_checked() {
    let (_, page) = send(get("/items?page=3&per_page=20&order=desc"), "");
    assert_eq!(
        (
            &page["page"],
            &page["pages"],
            &page["total"],
            &page["items"][0]["name"]
        ),
        (&json!(3), &json!(3), &json!(41), &json!("z"))
    );
    for (query, field) in [
        ("page=x", "page"),
        ("page=0", "page"),
        ("per_page=101", "per_page"),
        ("order=up", "order"),
        ("pag=1", "pag"),
    ] {
        let wrong = send(get(&format!("/items?{query}")), "");
        assert_error(&wrong, 422, "VALIDATION_ERROR");
        assert_eq!(wrong.1["error"]["details"][0]["field"], field, "{query}");
    }
}

#[test]
fn the_caller_is_read_from_the_host() {
    assert_error(&send(get("/whoami"), ""), 401, "UNAUTHENTICATED");
    assert_eq!(
        send(get("/whoami"), "").0.headers()["www-authenticate"],
        "Bearer"
    );
    assert_error(
        &send(get("/whoami").header("sbd-caller", "nonsense"), ""),
        401,
        "UNAUTHENTICATED",
    );
    let request = get("/whoami")
        .header("sbd-caller", header_of("usr_1"))
        .header("sbd-tenant", "acme");
    assert_eq!(
        send(request, "").1,
        json!({"user": "usr_1", "request": "req_1", "tenant": "acme"})
    );
    assert_eq!(send(get("/perhaps"), "").1, Value::Null);
    assert_eq!(
        send(get("/perhaps").header("sbd-caller", header_of("usr_2")), "").1,
        json!("usr_2")
    );
}

#[test]
fn requests_at_once_keep_their_own_context() {
    let app = app();
    let request = |id: &str| {
        Request::builder()
            .uri("/slow")
            .header("sbd-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    let (one, two) = block_on(futures::future::join(
        app.respond(request("req_a")),
        app.respond(request("req_b")),
    ));
    for (response, id) in [(one, "req_a"), (two, "req_b")] {
        let bytes = block_on(response.into_body().collect()).unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(body["error"]["request_id"], id);
    }
}

#[test]
fn versions_decide() {
    assert_eq!(
        send(get("/items/1").header("if-none-match", "\"7\""), "")
            .0
            .status(),
        StatusCode::NOT_MODIFIED
    );
    assert_error(
        &send(get("/items/1").header("if-match", "\"6\""), ""),
        412,
        "PRECONDITION_FAILED",
    );
    assert_eq!(
        send(get("/items/1").header("if-match", "\"7\""), "")
            .0
            .headers()["etag"],
        "\"7\""
    );
}

#[test]
fn answers_without_a_body_have_no_length() {
    let (response, body) = send(get("/items/1").method("HEAD"), "");
    assert_eq!((response.status(), body), (StatusCode::OK, Value::Null));
    assert!(!response.headers().contains_key("content-length"));
    let (response, _) = send(get("/items/1").header("if-none-match", "*"), "");
    assert!(!response.headers().contains_key("content-length"));
    assert!(
        send(get("/items/1"), "")
            .0
            .headers()
            .contains_key("content-length")
    );
}

#[test]
fn idempotency_keys_have_a_form() {
    let with = |key: &str| {
        send(
            post("/items").header("idempotency-key", key),
            r#"{"name":"x","count":2}"#,
        )
    };
    assert_eq!(with(&"k".repeat(255)).0.status(), StatusCode::CREATED);
    for bad in ["", "a b", &"k".repeat(256)] {
        assert_error(&with(bad), 422, "VALIDATION_ERROR");
    }
    let twice = post("/items")
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    assert_error(
        &send(twice, r#"{"name":"x","count":2}"#),
        422,
        "VALIDATION_ERROR",
    );
}

#[test]
fn health_and_description_are_there() {
    assert_eq!(send(get("/-/health"), "").1, json!({"status": "ok"}));
    let (_, api) = send(get("/-/openapi.json"), "");
    assert_eq!(api["openapi"], "3.1.0");
    assert_eq!(api["info"]["title"], "items");
    assert_eq!(api["info"]["version"], "1.2.3");
    let created = &api["paths"]["/items"]["post"];
    assert_eq!(
        created["responses"]["default"]["$ref"],
        "#/components/responses/Error"
    );
    assert_eq!(created["security"][0]["bearer"], json!([]));
    let components = &api["components"];
    assert_eq!(components["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(
        components["responses"]["Error"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/ErrorBody"
    );
    assert_no_dangling_references(&api, &api);
}

/// Every `$ref` must lead somewhere.
fn assert_no_dangling_references(node: &Value, api: &Value) {
    match node {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(api.pointer(pointer).is_some(), "dangling: {target}");
            }
            fields
                .values()
                .for_each(|field| assert_no_dangling_references(field, api));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| assert_no_dangling_references(item, api)),
        _ => {}
    }
}
