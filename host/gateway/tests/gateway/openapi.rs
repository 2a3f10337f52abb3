use crate::fake::Fake;
use crate::server::{MANIFEST, Server, app};
use hyper::body::Bytes;
use sbd_gateway::{Gateway, GatewayConfig, GatewayError, HostRoute, Refusal};
use sbd_runtime::openapi::problems;
use serde_json::{Value, json};

/// A small valid document whose one path answers with `Page` of `Item`.
fn document(path: &str, item: &Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "part", "version": "1" },
        "security": [{ "bearer": [] }],
        "paths": { path: { "get": {
            "operationId": "list",
            "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
            "responses": { "200": {
                "description": "the page",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Page" } } }
            } }
        } } },
        "components": {
            "schemas": {
                "Page": { "type": "array", "items": { "$ref": "#/components/schemas/Item" } },
                "Item": item,
                "Error": { "type": "object" }
            },
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } }
        },
        "tags": [{ "name": "shared" }]
    })
}

/// A route of the host with this document.
fn described(pattern: &str, document: &Value) -> HostRoute {
    let route = HostRoute::new(pattern, |_| async { Err(Refusal::not_found()) });
    route.described_by(&Bytes::from(document.to_string()))
}

fn with(host_routes: Vec<HostRoute>) -> GatewayConfig {
    GatewayConfig {
        host_routes,
        ..GatewayConfig::default()
    }
}

fn paths(document: &Value) -> Vec<&str> {
    let paths = document["paths"].as_object().unwrap();
    paths.keys().map(String::as_str).collect()
}

async fn merged(server: &Server) -> Value {
    let response = server.get("/openapi.json").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

#[tokio::test]
async fn what_components_offer_becomes_one_valid_document() {
    let server = Server::offering([
        ("echo", document("/echo/{id}", &json!({ "type": "string" }))),
        (
            "other",
            document("/other/{id}", &json!({ "type": "integer" })),
        ),
    ])
    .await;
    let merged = merged(&server).await;
    assert_eq!(problems(&merged), Vec::<String>::new(), "{merged:#}");
    assert_eq!(merged["openapi"], "3.1.0");
    assert_eq!(
        merged["info"],
        json!({ "title": "gateway-test", "version": "1.2.3", "description": "Tests <the> gateway" })
    );

    // Same name, other content: renamed; and `Page`, alike in both, means another `Item`.
    let schemas = merged["components"]["schemas"].as_object().unwrap();
    assert_eq!(
        schemas.keys().collect::<Vec<_>>(),
        ["Page", "Item", "Error", "other_Page", "other_Item"]
    );
    assert_eq!(
        schemas["other_Page"]["items"]["$ref"],
        "#/components/schemas/other_Item"
    );
    let other = &merged["paths"]["/other/{id}"]["get"];
    assert_eq!(
        other["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/other_Page"
    );
    assert_eq!(other["operationId"], "other_list");
    assert_eq!(
        other["security"],
        json!([{ "bearer": [] }]),
        "said once for the part, now for each operation"
    );
    assert_eq!(other["tags"], json!(["other"]));
    assert_eq!(merged["tags"], json!([{ "name": "shared" }]));
}

#[tokio::test]
async fn differing_security_schemes_keep_apart() {
    let same = json!({ "type": "string" });
    let mut other = document("/other/{id}", &same);
    other["components"]["securitySchemes"]["bearer"] = json!({ "type": "http", "scheme": "basic" });
    let echo = document("/echo/{id}", &same);
    let server = Server::offering([("echo", echo), ("other", other)]).await;
    let merged = merged(&server).await;
    assert_eq!(problems(&merged), Vec::<String>::new());
    assert_eq!(
        merged["paths"]["/echo/{id}"]["get"]["security"],
        json!([{ "bearer": [] }])
    );
    assert_eq!(
        merged["paths"]["/other/{id}"]["get"]["security"],
        json!([{ "other_bearer": [] }])
    );
    assert_eq!(
        merged["components"]["schemas"].as_object().unwrap().len(),
        3,
        "the like are shared"
    );
}

#[tokio::test]
async fn only_what_a_route_leads_to_is_public() {
    let mut hidden = document("/echo/{id}", &json!({}));
    let operation = hidden["paths"]["/echo/{id}"].clone();
    hidden["paths"]["/internal/{id}"] = operation.clone();
    hidden["paths"]["/-/events/{id}"] = operation.clone();
    hidden["paths"]["/other/{id}"] = operation;
    for (n, path) in ["/internal/{id}", "/-/events/{id}", "/other/{id}"]
        .iter()
        .enumerate()
    {
        hidden["paths"][path]["get"]["operationId"] = json!(format!("op{n}"));
    }
    let server = Server::offering([("echo", hidden)]).await;
    let merged = merged(&server).await;
    assert_eq!(
        merged["paths"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["/echo/{id}"]
    );
}

#[tokio::test]
async fn an_application_that_describes_nothing_has_an_empty_api() {
    let server = Server::start().await;
    let merged = merged(&server).await;
    assert_eq!(merged["paths"], json!({}));
    assert_eq!(problems(&merged), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_host_answers_is_in_it_whatever_is_off() {
    let mut things = document("/api/v1/things/{id}", &json!({ "type": "boolean" }));
    let mut elsewhere = things["paths"]["/api/v1/things/{id}"].clone();
    elsewhere["get"]["operationId"] = json!("elsewhere");
    things["paths"]["/elsewhere/{id}"] = elsewhere;
    let routes = ["/api/v1/things", "/api/v1/things/:thing"];
    let routes = routes.map(|pattern| described(pattern, &things));
    let fake = Fake::default();
    fake.offers(
        "echo",
        &document("/echo/{id}", &json!({ "type": "string" })),
    );
    let server = Server::before(fake, with(routes.into()), MANIFEST).await;

    let all = merged(&server).await;
    assert_eq!(problems(&all), Vec::<String>::new(), "{all:#}");
    assert_eq!(paths(&all), ["/echo/{id}", "/api/v1/things/{id}"]);
    let thing = &all["paths"]["/api/v1/things/{id}"]["get"];
    assert_eq!(thing["operationId"], "host_list");
    assert_eq!(
        thing["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/host_Page"
    );
    let schemas = all["components"]["schemas"].as_object().unwrap();
    assert_eq!(
        schemas.keys().collect::<Vec<_>>(),
        ["Page", "Item", "Error", "host_Page", "host_Item"]
    );

    let off = ["echo", "host"].map(From::from);
    server.fake.off.lock().unwrap().extend(off);
    let rest = merged(&server).await;
    assert_eq!(problems(&rest), Vec::<String>::new(), "{rest:#}");
    assert_eq!(paths(&rest), ["/api/v1/things/{id}"]);
}

#[tokio::test]
async fn what_the_host_leaves_to_the_application_is_not_in_it() {
    let theirs = document("/other/{id}", &json!({}));
    let route = described("/other/...", &theirs).yielding();
    let server = Server::with(with(vec![route])).await;
    let merged = merged(&server).await;
    assert_eq!(paths(&merged), Vec::<&str>::new());
    assert_eq!(merged["components"], json!({}));
}

#[tokio::test]
async fn a_route_of_the_host_with_a_wrong_document_is_refused() {
    let mut wrong = document("/api/v1/things/{id}", &json!({}));
    wrong["paths"]["/api/v1/things/{id}"]["get"]["parameters"] = json!([]);
    for (document, why) in [
        (wrong, "`id` is not declared"),
        (json!("things"), "OpenAPI"),
    ] {
        let routes = vec![described("/api/v1/things/:thing", &document)];
        let gateway = Gateway::new(with(routes), Fake::default(), &app(MANIFEST));
        let error = gateway.map(drop).unwrap_err();
        assert!(
            matches!(&error, GatewayError::HostRoute { reason, .. } if reason.contains(why)),
            "{error}"
        );
    }
}
