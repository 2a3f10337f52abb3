use crate::server::{MANIFEST, Server};
use sbd_gateway::openapi::problems;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::SeqCst;

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

async fn merged(server: &Server) -> Value {
    let response = server.get("/openapi.json").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

#[tokio::test]
async fn what_components_offer_becomes_one_valid_document() {
    let server = Server::start().await;
    server
        .fake
        .offer("echo", document("/echo/{id}", &json!({ "type": "string" })));
    server.fake.offer(
        "other",
        document("/other/{id}", &json!({ "type": "integer" })),
    );
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
    let server = Server::start().await;
    let same = json!({ "type": "string" });
    server.fake.offer("echo", document("/echo/{id}", &same));
    let mut other = document("/other/{id}", &same);
    other["components"]["securitySchemes"]["bearer"] = json!({ "type": "http", "scheme": "basic" });
    server.fake.offer("other", other);
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
    let server = Server::start().await;
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
    server.fake.offer("echo", hidden);
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
async fn a_document_that_is_not_valid_spoils_nothing() {
    let server = Server::start().await;
    server.fake.offer(
        "echo",
        document(
            "/echo/{id}",
            &json!({ "$ref": "#/components/schemas/Nowhere" }),
        ),
    );
    server
        .fake
        .offer("other", document("/other/{id}", &json!({})));
    let merged = merged(&server).await;
    assert_eq!(problems(&merged), Vec::<String>::new());
    assert_eq!(
        merged["paths"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["/other/{id}"]
    );
}

#[tokio::test]
async fn components_are_asked_once_and_again_on_demand() {
    let server = Server::start().await;
    let first = merged(&server).await;
    assert_eq!(first["paths"], json!({}));
    assert_eq!(
        problems(&first),
        Vec::<String>::new(),
        "an empty API is valid"
    );
    merged(&server).await;
    assert_eq!(server.fake.offers.load(SeqCst), 3, "auth, echo, other");
    server
        .fake
        .offer("echo", document("/echo/{id}", &json!({})));
    server.gateway.refresh_openapi().await;
    assert_eq!(server.fake.offers.load(SeqCst), 6);
    assert_eq!(merged(&server).await["paths"].as_object().unwrap().len(), 1);
    assert_eq!(server.fake.offers.load(SeqCst), 6);
}

#[tokio::test]
async fn a_component_that_is_down_is_not_asked_by_every_reader() {
    let server = Server::start().await;
    server.fake.offer("echo", Value::Null);
    let offered = document("/other/{id}", &json!({}));
    server.fake.offer("other", offered);
    for _ in 0..3 {
        let merged = merged(&server).await;
        assert_eq!(merged["paths"].as_object().unwrap().len(), 1);
    }
    assert_eq!(server.fake.offers.load(SeqCst), 3, "auth, echo, other");
    let offered = document("/echo/{id}", &json!({}));
    server.fake.offer("echo", offered);
    server.gateway.refresh_openapi().await;
    assert_eq!(merged(&server).await["paths"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn many_first_readers_ask_once() {
    let server = Server::start().await;
    let readers = (0..20).map(|_| merged(&server));
    futures::future::join_all(readers).await;
    assert_eq!(server.fake.offers.load(SeqCst), 3, "auth, echo, other");
}

#[tokio::test]
async fn a_document_that_is_too_large_is_left_out() {
    let server = Server::start().await;
    let item = json!({ "description": "x".repeat(1024 * 1024) });
    server.fake.offer("echo", document("/echo/{id}", &item));
    let offered = document("/other/{id}", &json!({}));
    server.fake.offer("other", offered);
    let merged = merged(&server).await;
    assert_eq!(merged["paths"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_component_that_describes_nothing_is_not_asked() {
    let manifest = format!("{MANIFEST}\n[component.other.tool.sbd]\nopenapi = false\n");
    let server = Server::of(&manifest).await;
    for name in ["echo", "other"] {
        let offered = document(&format!("/{name}/{{id}}"), &json!({}));
        server.fake.offer(name, offered);
    }
    let merged = merged(&server).await;
    assert_eq!(merged["paths"].as_object().unwrap().len(), 1);
    assert_eq!(server.fake.offers.load(SeqCst), 2, "auth and echo");
}

type Spoil = fn(&mut Value);

#[test]
fn the_rules_find_what_breaks_them() {
    let good = document("/echo/{id}", &json!({}));
    assert_eq!(problems(&good), Vec::<String>::new());
    let broken: [(&str, Spoil); 12] = [
        ("3.1", |d| d["openapi"] = json!("3.0.3")),
        ("info.title", |d| d["info"] = json!({ "version": "1" })),
        ("leads nowhere", |d| {
            d["components"]["schemas"]["Page"]["items"]["$ref"] = json!("#/nowhere")
        }),
        ("leads nowhere", |d| {
            d["components"]["schemas"]["Page"]["items"]["$ref"] = json!("other.json")
        }),
        ("not declared", |d| {
            d["paths"]["/echo/{id}"]["get"]["parameters"] = json!([])
        }),
        ("not required", |d| {
            d["paths"]["/echo/{id}"]["get"]["parameters"][0]["required"] = json!(false)
        }),
        ("no schema", |d| {
            d["paths"]["/echo/{id}"]["get"]["parameters"][0] =
                json!({ "name": "id", "in": "path", "required": true });
        }),
        ("used twice", |d| {
            let item = d["paths"]["/echo/{id}"].clone();
            d["paths"]["/more/{id}"] = item;
        }),
        ("there twice", |d| {
            let mut item = d["paths"]["/echo/{id}"].clone();
            item["get"]["operationId"] = json!("again");
            item["get"]["parameters"][0]["name"] = json!("name");
            d["paths"]["/echo/{name}"] = item;
        }),
        ("not defined", |d| d["security"] = json!([{ "cookie": [] }])),
        ("no description", |d| {
            d["paths"]["/echo/{id}"]["get"]["responses"]["200"] = json!({})
        }),
        ("not a response status", |d| {
            d["paths"]["/echo/{id}"]["get"]["responses"] = json!({ "600": { "description": "" } })
        }),
    ];
    for (expected, spoil) in broken {
        let mut document = good.clone();
        spoil(&mut document);
        let found = problems(&document);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{expected}: {found:?}"
        );
    }
}

#[test]
fn what_would_be_copied_often_is_small() {
    let mut good = document("/echo/{id}", &json!({}));
    good["security"] = json!(vec![json!({ "bearer": [] }); 16]);
    for n in 1..1000 {
        good["paths"][format!("/echo/{n}")] = json!({ "get": {} });
    }
    assert_eq!(problems(&good), Vec::<String>::new());
    let broken: [(&str, Spoil); 3] = [
        ("more than 16 entries", |d| {
            d["security"] = json!(vec![json!({}); 17])
        }),
        ("longer than 1024 bytes", |d| {
            d["security"] = json!([{ "bearer": ["x".repeat(1024)] }])
        }),
        ("more than 1000 operations", |d| {
            d["paths"]["/echo/1"]["put"] = json!({})
        }),
    ];
    for (expected, spoil) in broken {
        let mut document = good.clone();
        spoil(&mut document);
        let found = problems(&document);
        assert!(
            matches!(&found[..], [only] if only.contains(expected)),
            "{expected}: {found:?}"
        );
    }
}

#[test]
fn many_problems_are_not_all_told() {
    let mut bad = document("/echo/{id}", &json!({}));
    for n in 0..1000 {
        bad["paths"]["/echo/{id}"]["get"]["responses"][format!("x{n}")] = json!({});
    }
    assert_eq!(problems(&bad).len(), 16);
}
