//! A component as the host sees it, without a host: requests in, answers out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use axum::body::Body;
use futures::executor::block_on;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::events::Event;
use sbd_sdk::paging::Page;
use sbd_sdk::schedules::Tick;
use sbd_sdk::tasks::Work;
use sbd_sdk::testing::assert_described;
use sbd_sdk::{
    About, App, By, Caller, Component, Created, Error, Idempotency, Json, Listing, Path, Principal,
    RequestId, Result, Sort, Tagged, Tenant, channels, on_event, operation, schedule, task,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    count: u32,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ItemSort {
    #[default]
    Name,
}

impl Sort for ItemSort {
    const ITEMS: &'static str = "items";

    fn field(self) -> &'static str {
        "name"
    }
}

/// Makes an item.
#[operation(post "/items", permission = "items:write", refuses(conflict, storage_full = "No room"))]
async fn create_item(
    _: Option<Caller>,
    _: Idempotency,
    Json(item): Json<Item>,
) -> Result<Created<Tagged<Item>>> {
    Created::at(
        "/items/1",
        &Tagged {
            version: 1,
            body: item,
        },
    )
}

/// Lists items.
#[operation(get "/items")]
async fn list_items(listing: Listing<ItemSort>) -> Json<Page<Item>> {
    let descending = listing.sort() == json!({"name": -1});
    let name = if descending { "z" } else { "a" };
    let item = Item {
        name: name.to_owned(),
        count: 1,
    };
    Json(listing.paging().page(vec![item], 41))
}

/// Reads an item.
///
/// Whoever asks.
#[operation(get "/items/{number}", id = "readItem", answers = "The item", parameters(number = "Which"))]
async fn get_item(Path(number): Path<u32>) -> Tagged<Item> {
    Tagged {
        version: 7,
        body: Item {
            name: "a".to_owned(),
            count: number,
        },
    }
}

/// Changes an item.
#[operation(put "/items/{number}", permission = "items:write", effect = destructive, idempotent)]
async fn replace_item(_: Caller, Path(_): Path<u32>, wanted: Preconditions) -> Result<Tagged<u32>> {
    wanted.require(7)?;
    Ok(Tagged {
        version: 8,
        body: 1,
    })
}

#[on_event("item.*")]
async fn item_happened(event: Event<Value>) -> Result<()> {
    match event.data["fail"].as_bool() {
        Some(true) => Err(Error::conflict("it was to fail")),
        _ => Ok(()),
    }
}

#[on_event("item.moved")]
async fn item_moved(By(principal): By, event: Event<Item>) -> Result<()> {
    assert_eq!(principal.component.as_deref(), Some("movers"));
    assert_eq!(
        (event.data.count, event.subject.as_deref()),
        (3, Some("ü/1"))
    );
    Ok(())
}

#[task("index", queue = "ai")]
async fn index(work: Work<Item>) -> Result<Json<u32>> {
    assert_eq!((work.id.as_str(), work.results.len()), ("tsk_1", 2));
    match work.data.count {
        0 => Err(Error::internal("nothing to index")),
        _ => Ok(Json(work.attempt)),
    }
}

#[schedule(
    "nightly",
    cron = "0 3 * * *",
    time_zone = "Europe/Berlin",
    missed = "once",
    jitter = "5m"
)]
async fn nightly(tick: Tick) -> Result<Json<String>> {
    let (id, attempt, due) = (tick.id, tick.attempt, tick.due);
    Ok(Json(format!("{id} {attempt} {due}")))
}

#[schedule("hourly", cron = "0 * * * *")]
async fn hourly() -> Result<()> {
    Ok(())
}

sbd_sdk::id!(ItemId, "itm", "item");

#[channels("item:")]
async fn may_watch(
    caller: Caller,
    sbd_sdk::channels::Channel(id): sbd_sdk::channels::Channel<ItemId>,
) -> Result<()> {
    assert!(id.as_str().starts_with("itm_"));
    caller.require_role("watcher")
}

#[channels("room:", takes_messages)]
async fn may_speak(_: Caller) -> Result<()> {
    Ok(())
}

async fn whoami(caller: Caller, RequestId(id): RequestId, Tenant(tenant): Tenant) -> Json<Value> {
    Json(json!({"user": caller.user, "request": id, "tenant": tenant}))
}

async fn echo(Json(value): Json<Value>) -> Json<Value> {
    Json(value)
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

fn component() -> Component {
    Component::new()
        .operations(
            "items",
            [create_item(), list_items(), get_item(), replace_item()],
        )
        .events([item_happened(), item_moved()])
        .tasks([index()])
        .schedules([nightly(), hourly()])
        .channels([may_watch(), may_speak()])
        .route("/whoami", axum::routing::get(whoami))
        .route("/echo", axum::routing::post(echo))
        .route("/perhaps", axum::routing::get(perhaps))
        .route("/slow", axum::routing::get(slow))
}

fn app() -> App {
    component().build(About {
        name: "items",
        version: "1.2.3",
        description: "Items.",
    })
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
    let length = answer.1.to_string().len().to_string();
    assert_eq!(answer.0.headers()["content-length"], *length);
    assert!(answer.1["error"]["message"].as_str().unwrap().len() > 10);
}

fn header_of(user: &str) -> String {
    sealed(&Principal::user("acme", user).with_roles(["watcher"]))
}

fn sealed(principal: &Principal) -> String {
    format!("{}.seal", principal.claims().unwrap())
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
fn whole_numbers_are_kept_or_refused() {
    let kept = r#"{"a":[-9223372036854775808,18446744073709551615,1.5,"99999999999999999999"]}"#;
    assert_eq!(send(post("/echo"), kept).1.to_string(), kept);
    for (address, body, field) in [
        (
            "/items",
            r#"{"name":"x","count":18446744073709551616}"#,
            "count",
        ),
        ("/items", r#"{"name":"x","count":1e3}"#, "count"),
        ("/echo", r#"{"a":[0,{"b":18446744073709551616}]}"#, "a[1].b"),
        ("/echo", r#"{"n":-123456789012345678901234567890}"#, "n"),
    ] {
        let refused = send(post(address), body);
        assert_error(&refused, 422, "VALIDATION_ERROR");
        assert_eq!(refused.1["error"]["details"][0]["field"], field);
    }
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
    let (same, body) = send(get("/items/1").header("if-none-match", "\"7\""), "");
    assert_eq!(
        (same.status(), body),
        (StatusCode::NOT_MODIFIED, Value::Null)
    );
    assert_eq!(same.headers()["etag"], "\"7\"");
    let other = send(get("/items/1").header("if-none-match", "\"6\""), "");
    assert_eq!(other.0.status(), StatusCode::OK);
    let put = |tag: &str| {
        get("/items/1")
            .method(Method::PUT)
            .header("sbd-caller", header_of("usr_1"))
            .header("if-match", tag)
    };
    assert_error(&send(put("\"6\""), ""), 412, "PRECONDITION_FAILED");
    // What a change answers is never left out.
    let changed = send(put("\"7\"").header("if-none-match", "*"), "").0;
    assert_eq!(
        (changed.status(), &changed.headers()["etag"]),
        (StatusCode::OK, &"\"8\"".parse().unwrap())
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
    let components = &api["components"];
    assert_eq!(components["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(components["securitySchemes"]["cookie"]["in"], "cookie");
    assert_eq!(
        components["responses"]["Error"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/ErrorBody"
    );
    assert_described(component());
}

#[test]
fn arguments_and_answers_describe_themselves() {
    let (_, api) = send(get("/-/openapi.json"), "");
    let created = &api["paths"]["/items"]["post"];
    assert_eq!(created["operationId"], "createItem");
    assert_eq!(created["summary"], "Makes an item.");
    assert_eq!(
        created["security"],
        json!([{}, {"bearer": []}, {"cookie": []}])
    );
    assert_eq!(created["parameters"][0]["name"], "Idempotency-Key");
    let schema = &created["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["$ref"], "#/components/schemas/Item");
    let answers = &created["responses"];
    for (status, description) in [
        ("201", "Created"),
        ("409", "It does not go with what is there already"),
        (
            "422",
            "A field is wrong, or the key was used for another request",
        ),
        ("507", "No room"),
    ] {
        assert_eq!(answers[status]["description"], description);
    }
    assert_eq!(
        answers["201"]["headers"]["Location"]["description"],
        "Its address"
    );
    assert_eq!(
        answers["201"]["headers"]["ETag"]["description"],
        "Its version"
    );
    assert_eq!(answers["401"], Value::Null);

    let listed = &api["paths"]["/items"]["get"];
    let names = listed["parameters"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|parameter| &parameter["name"]).collect();
    assert_eq!(names, ["page", "per_page", "sort", "order"]);
    assert_eq!(listed["responses"]["200"]["description"], "A page of items");

    let read = &api["paths"]["/items/{number}"]["get"];
    assert_eq!(read["operationId"], "readItem");
    assert_eq!(read["description"], "Whoever asks.");
    assert_eq!(read["parameters"][0]["description"], "Which");
    assert_eq!(read["parameters"][1]["name"], "If-None-Match");
    assert_eq!(read["responses"]["200"]["description"], "The item");
    assert_eq!(read["responses"]["304"]["content"], Value::Null);

    let replaced = &api["paths"]["/items/{number}"]["put"];
    assert_eq!(
        replaced["security"],
        json!([{"bearer": []}, {"cookie": []}])
    );
    assert_eq!(replaced["responses"]["401"]["description"], "Not signed in");
    assert_eq!(
        replaced["responses"]["412"]["description"],
        "It has another version than `If-Match`"
    );
    assert_eq!(replaced["x-sbd-permission"], "items:write");
    assert_eq!(replaced["x-sbd-effect"], "destructive");
    assert_eq!(replaced["x-sbd-idempotent"], true);
}

#[test]
fn what_the_host_asks_for_is_offered_and_answered() {
    let (_, api) = send(get("/-/openapi.json"), "");
    assert_eq!(api["x-sbd-events"], json!(["item.*", "item.moved"]));
    assert_eq!(
        api["x-sbd-tasks"],
        json!([{"name": "index", "queue": "ai"}])
    );
    let nightly = json!({
        "name": "nightly", "cron": "0 3 * * *", "time_zone": "Europe/Berlin",
        "missed": "once", "jitter_ms": 300_000,
    });
    let hourly = json!({
        "name": "hourly", "cron": "0 * * * *", "time_zone": "UTC", "missed": "skip", "jitter_ms": 0,
    });
    assert_eq!(api["x-sbd-schedules"], json!([nightly, hourly]));
    assert_eq!(
        api["x-sbd-channels"],
        json!(["item:", {"beginning": "room:", "takes_messages": true}])
    );

    let event = |kind: &str| {
        post("/-/events")
            .header("ce-id", "evt_1")
            .header("ce-type", kind)
            .header("ce-source", "/components/items")
            .header("ce-subject", "%C3%BC/1")
            .header("ce-time", "2026-01-31T08:15:30.250Z")
    };
    let moved = r#"{"name": "x", "count": 3}"#;
    assert_eq!(send(event("item.made"), "{}").0.status(), 204);
    assert_eq!(send(event("family.made"), "{}").0.status(), 204);
    assert_error(
        &send(event("item.made"), r#"{"fail": true}"#),
        409,
        "CONFLICT",
    );
    // Both handlers take it, and the second one wants to know who asks.
    assert_error(&send(event("item.moved"), moved), 401, "UNAUTHENTICATED");
    let movers = sealed(&Principal::service("acme", "movers"));
    let by_movers = event("item.moved").header("sbd-caller", movers);
    assert_eq!(send(by_movers, moved).0.status(), 204);
    assert_error(&send(post("/-/events"), "{}"), 400, "MALFORMED_REQUEST");

    let work = |data: &str| {
        format!(r#"{{"id": "tsk_1", "attempt": 3, "data": {data}, "results": [null, {{}}]}}"#)
    };
    let (answer, attempt) = send(post("/-/tasks/index"), work(moved));
    assert_eq!((answer.status().as_u16(), attempt), (200, json!(3)));
    assert_error(&send(post("/-/tasks/index"), "{}"), 422, "VALIDATION_ERROR");
    let nothing = work(r#"{"name": "x", "count": 0}"#);
    assert_error(&send(post("/-/tasks/index"), nothing), 500, "INTERNAL");
    assert_error(&send(post("/-/tasks/other"), moved), 404, "NOT_FOUND");
    let tick = r#"{"id": "tsk_1", "attempt": 2, "due": "2026-11-30T02:00:00Z"}"#;
    let (head, said) = send(post("/-/schedules/nightly"), tick);
    assert_eq!(head.status(), 200);
    assert_eq!(said, "tsk_1 2 2026-11-30T02:00:00.000Z");
    assert_error(
        &send(post("/-/schedules/nightly"), "{}"),
        422,
        "VALIDATION_ERROR",
    );
    assert_eq!(send(post("/-/schedules/hourly"), tick).0.status(), 200);

    let ask = |channel: &str| {
        let request = post("/-/channels/authorize").header("sbd-caller", header_of("usr_1"));
        send(request, json!({"channel": channel}).to_string())
    };
    assert_eq!(ask(&format!("item:{}", ItemId::new())).0.status(), 204);
    assert_error(&ask("item:1"), 404, "NOT_FOUND");
    assert_error(&ask("family:1"), 403, "FORBIDDEN");
}

#[test]
fn a_service_is_no_caller() {
    let movers = sealed(&Principal::service("acme", "movers"));
    let whoami = get("/whoami").header("sbd-caller", movers);
    assert_error(&send(whoami, ""), 401, "UNAUTHENTICATED");
}
