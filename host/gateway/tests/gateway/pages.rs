use crate::server::{MANIFEST, Server, error};
use reqwest::Method;
use serde_json::Value;

#[tokio::test]
async fn the_first_page_says_what_runs_here() {
    let server = Server::start().await;
    let page = server.get("/").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let html = page.text().await.unwrap();
    for part in [
        "gateway-test",
        "1.2.3",
        "Tests &lt;the&gt; gateway",
        "href=\"/docs\"",
        "/echo/...",
        "href=\"/healthz\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "no outside asset"
    );

    let request = server
        .request(Method::GET, "/")
        .header("accept", "application/json");
    let json: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(json["name"], "gateway-test");
    assert!(
        json["routes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|route| route["component"] == "echo")
    );
}

#[tokio::test]
async fn the_api_is_browsed_offline() {
    let server = Server::start().await;
    for path in ["/docs", "/docs/"] {
        let page = server.get(path).await;
        let policy = page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.contains("script-src 'self';") && policy.contains("connect-src 'self'"),
            "{policy}"
        );
        assert!(
            page.text()
                .await
                .unwrap()
                .contains("/docs/swagger-ui-bundle.js")
        );
    }
    let script = server.get("/docs/swagger-ui-bundle.js").await;
    assert!(
        script.headers()["content-type"]
            .to_str()
            .unwrap()
            .contains("javascript")
    );
    assert!(script.bytes().await.unwrap().len() > 100_000);
    assert_eq!(
        error(server.get("/docs/../Cargo.toml").await, 404).await,
        "NOT_FOUND"
    );
    assert_eq!(
        error(server.get("/docs/none.js").await, 404).await,
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn health_is_open_in_short_and_for_administrators_in_detail() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.text().await.unwrap(), "ok\n");
    assert_eq!(server.get("/readyz").await.text().await.unwrap(), "ready\n");
    server.gateway.set_ready(false);
    assert_eq!(error(server.get("/readyz").await, 503).await, "OVERLOADED");
    assert_eq!(
        server.get("/healthz").await.status(),
        200,
        "alive all the same"
    );
    server.gateway.set_ready(true);

    assert_eq!(
        error(server.get("/health").await, 401).await,
        "UNAUTHENTICATED"
    );
    assert_eq!(
        error(server.get_as("/health", "forged").await, 401).await,
        "TOKEN_INVALID"
    );
    assert_eq!(
        error(server.get_as("/health", "ada.1.user").await, 403).await,
        "FORBIDDEN"
    );
    let detail: Value = server
        .get_as("/health", "root.2.admin")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(detail["status"], "ok");
    assert_eq!(detail["components"]["echo"], "fine");
    assert_eq!(detail["version"], "1.2.3");
}

#[tokio::test]
async fn own_pages_are_read_only() {
    let server = Server::start().await;
    for path in [
        "/",
        "/docs",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/health",
    ] {
        let refused = server.request(Method::DELETE, path).send().await.unwrap();
        assert_eq!(refused.headers()["allow"], "GET, HEAD", "{path}");
        assert_eq!(error(refused, 405).await, "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn an_application_keeps_the_paths_that_it_names() {
    let manifest = MANIFEST.replace("/other/...", "/...");
    let everything = Server::of(&manifest).await;
    let home: Value = everything.get("/").await.json().await.unwrap();
    assert_eq!(home["component"], "other");
    assert!(
        everything
            .get("/docs")
            .await
            .text()
            .await
            .unwrap()
            .contains("swagger")
    );

    let manifest = MANIFEST.replace("/other/...", "/docs/...");
    let docs = Server::of(&manifest).await;
    assert_eq!(
        docs.get("/docs/x").await.json::<Value>().await.unwrap()["component"],
        "other"
    );
    assert!(
        docs.get("/")
            .await
            .text()
            .await
            .unwrap()
            .contains("gateway-test")
    );
}
