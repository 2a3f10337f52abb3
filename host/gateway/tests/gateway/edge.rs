use crate::fake::Fake;
use crate::server::{MANIFEST, Server, app, error, manifest_with};
use reqwest::Method;
use sbd_gateway::{Gateway, GatewayConfig, GatewayError};
use sbd_registry::Registry;
use serde_json::Value;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn every_answer_has_an_id_of_ours() {
    let server = Server::start().await;
    let request = server
        .request(Method::GET, "/echo/x")
        .header("x-request-id", "mine");
    let response = request.send().await.unwrap();
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(id.starts_with("req_") && id.len() == 36, "{id}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let echo: Value = response.json().await.unwrap();
    assert_eq!(echo["request_id"], id.as_str());
    assert_eq!(echo["headers"]["x-request-id"], Value::Null);
    let other = server.get("/echo/x").await;
    assert_ne!(other.headers()["x-request-id"], id.as_str());
}

#[tokio::test]
async fn internal_headers_pass_in_neither_direction() {
    let server = Server::start().await;
    let mut request = server
        .request(Method::GET, "/echo/x")
        .header("x-mine", "stays");
    for name in [
        "sbd-caller",
        "SBD-Tenant",
        "Sbd-Request-Id",
        "spin-client-addr",
        "Spin-Made-Up",
        "sbd-",
    ] {
        request = request.header(name, "forged");
    }
    let response = request.send().await.unwrap();
    for name in response.headers().keys() {
        assert!(!name.as_str().starts_with("sbd-"), "{name}");
    }
    assert_eq!(response.headers()["x-guest"], "stays");
    let echo: Value = response.json().await.unwrap();
    let headers = echo["headers"].as_object().unwrap();
    assert_eq!(headers["x-mine"], "stays");
    assert!(
        !headers.values().any(|value| value == "forged"),
        "{headers:?}"
    );
}

#[tokio::test]
async fn guests_are_told_what_spin_tells_them() {
    let server = Server::start().await;
    let echo: Value = server.get("/echo/a/b?x=1").await.json().await.unwrap();
    let headers = &echo["headers"];
    assert_eq!(headers["spin-full-url"], server.url("/echo/a/b?x=1"));
    assert_eq!(headers["spin-path-info"], "/a/b");
    assert_eq!(headers["spin-matched-route"], "/echo/...");
    assert_eq!(headers["spin-raw-component-route"], "/echo/...");
    assert_eq!(headers["spin-component-route"], "/echo");
    assert_eq!(headers["spin-base-path"], "/");
    assert!(
        headers["spin-client-addr"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );

    let echo: Value = server.get("/users/ada/posts/7").await.json().await.unwrap();
    let headers = &echo["headers"];
    assert_eq!(headers["spin-path-match-user"], "ada");
    assert_eq!(headers["spin-path-match-post"], "7");
    assert_eq!(headers["spin-path-info"], "");
    assert_eq!(headers["spin-component-route"], "/users/:user/posts/:post");
}

#[tokio::test]
async fn parameters_become_headers_as_spin_writes_them() {
    let route = "[[trigger.http]]\nroute = \"/people/:First_Name\"\ncomponent = \"echo\"\n";
    let server = Server::of(&format!("{MANIFEST}\n{route}")).await;
    let echo: Value = server.get("/people/Grace").await.json().await.unwrap();
    assert_eq!(echo["headers"]["spin-path-match-first-name"], "Grace");
}

#[tokio::test]
async fn a_component_can_do_without_what_spin_tells() {
    let manifest = format!("{MANIFEST}\n[component.echo.tool.sbd]\nspin_headers = false\n");
    let server = Server::of(&manifest).await;
    let request = server.request(Method::GET, "/echo/a");
    let request = request.header("spin-path-info", "forged");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    let headers = echo["headers"].as_object().unwrap();
    assert!(
        !headers.keys().any(|name| name.starts_with("spin-")),
        "{headers:?}"
    );
}

#[tokio::test]
async fn nothing_outside_reaches_the_reserved_paths() {
    // A component that has every path would get these, were they not refused.
    let manifest = MANIFEST.replace("/other/...", "/...");
    let server = Server::of(&manifest).await;
    assert_eq!(server.get("/anything").await.status(), 200);
    let reached = server.fake.reached.load(SeqCst);
    for path in [
        "/-/authenticate",
        "/-",
        "/-/",
        "//-/x",
        "/./-/x",
        "/%2D/x",
        "/%2d/x",
        "/%252D/x",
        "/-%2Fx",
        "/%2F-/x",
        "/echo/../-/x",
        "/echo/%2e%2e/-/x",
        "/\\-\\x",
        "/-/../echo/x",
    ] {
        let answer = server
            .raw(format!(
                "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
            "{path}: {answer}"
        );
        let absolute = format!(
            "POST http://h{path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let answer = server.raw(absolute).await;
        assert!(
            answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
            "{path}: {answer}"
        );
    }
    assert_eq!(server.fake.reached.load(SeqCst), reached);
    assert_eq!(server.fake.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn routes_lead_to_components_and_static_answers() {
    let server = Server::start().await;
    let other: Value = server.get("/other/x").await.json().await.unwrap();
    assert_eq!(other["component"], "other");
    assert_eq!(error(server.get("/nowhere").await, 404).await, "NOT_FOUND");

    let robots = server.get("/robots.txt").await;
    assert_eq!(robots.headers()["content-type"], "text/plain");
    assert_eq!(robots.text().await.unwrap(), "User-agent: *");
    let refused = server
        .request(Method::POST, "/robots.txt")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    assert_eq!(error(refused, 405).await, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn the_version_may_stand_in_the_accept_header() {
    let server = Server::start().await;
    let request = server.request(Method::GET, "/api/echo/x?a=b");
    let request = request.header("accept", "application/vnd.sbd.v1+json");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(echo["path"], "/api/v1/echo/x");
    assert!(
        echo["uri"]
            .as_str()
            .unwrap()
            .ends_with("/api/v1/echo/x?a=b")
    );
    assert_eq!(
        error(server.get("/api/echo/x").await, 404).await,
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn what_components_fail_with_becomes_the_standard_answer() {
    let server = Server::start().await;
    for (path, status, code) in [
        ("/echo/trap", 500, "INTERNAL"),
        ("/echo/cannot-start", 500, "INTERNAL"),
        ("/echo/guest-error", 500, "INTERNAL"),
        ("/echo/panic", 500, "INTERNAL"),
        ("/echo/timeout", 504, "TIMEOUT"),
        ("/echo/full", 507, "STORAGE_FULL"),
    ] {
        assert_eq!(error(server.get(path).await, status).await, code, "{path}");
    }
    let busy = server.get("/echo/overloaded").await;
    assert_eq!(busy.headers()["retry-after"], "2", "1.5 s, rounded up");
    assert_eq!(error(busy, 503).await, "OVERLOADED");
    let own = server.get("/echo/own-500").await;
    assert_eq!(own.status(), 500);
    assert_eq!(
        own.text().await.unwrap(),
        "my own words",
        "a guest's answer is its own"
    );
    assert_eq!(
        server.get("/echo/x").await.status(),
        200,
        "and the server goes on"
    );
}

async fn cross_origin() -> Server {
    let cors = "cors = { origins = [\"https://app.example.com\"], credentials = true }";
    Server::of(&manifest_with(cors)).await
}

#[tokio::test]
async fn a_preflight_is_answered_before_any_guest() {
    let server = cross_origin().await;
    let preflight = |origin: &str| {
        server
            .request(Method::OPTIONS, "/echo/x")
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            )
    };
    let allowed = preflight("https://app.example.com").send().await.unwrap();
    assert_eq!(allowed.status(), 204);
    let headers = allowed.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert!(
        headers["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("PUT")
    );
    assert!(
        headers["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .contains("authorization")
    );
    assert!(headers.contains_key("x-request-id"));
    let refused = preflight("https://evil.example.com").send().await.unwrap();
    assert!(
        !refused
            .headers()
            .contains_key("access-control-allow-origin")
    );
    assert_eq!(server.fake.reached.load(SeqCst), 0);
    // Programs of others, which are clients of the auth component, it answers itself, wherever their pages are.
    for (origin, allowed) in [
        ("https://app.example.com", "https://app.example.com"),
        ("https://evil.example.com", "*"),
    ] {
        let request = server
            .request(Method::OPTIONS, "/api/v1/auth/for-everybody")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success());
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], allowed);
        let with_credentials = headers.contains_key("access-control-allow-credentials");
        assert_eq!(with_credentials, allowed != "*");
    }

    // Without the browser's questions, OPTIONS is a method like any other.
    let plain = server
        .request(Method::OPTIONS, "/echo/x")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 200);
    assert_eq!(server.fake.reached.load(SeqCst), 1);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_answers_and_refusals() {
    let server = cross_origin().await;
    let from =
        |path: &str, origin: &str| server.request(Method::GET, path).header("origin", origin);
    for path in ["/echo/x", "/echo/trap", "/nowhere"] {
        let response = from(path, "https://app.example.com").send().await.unwrap();
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "https://app.example.com",
            "{path}"
        );
        let exposed = response.headers()["access-control-expose-headers"]
            .to_str()
            .unwrap();
        assert!(exposed.contains("x-request-id"));
        let response = from(path, "https://evil.example.com").send().await.unwrap();
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
    let without = server.get("/echo/x").await;
    let vary: Vec<&str> = without
        .headers()
        .get_all("vary")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert!(
        vary.iter().any(|value| value.contains("origin")),
        "caches must not mix them up: {vary:?}"
    );
    assert!(
        vary.contains(&"accept"),
        "what the guest said stays: {vary:?}"
    );
}

#[tokio::test]
async fn pages_may_read_that_there_is_no_such_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let config = GatewayConfig {
        tenants: Some(registry.tenants.clone()),
        ..GatewayConfig::default()
    };
    let cors = "cors = { origins = [\"https://app.example.com\"] }";
    let server = Server::serving(config, &manifest_with(cors)).await;
    let request = server
        .request(Method::GET, "/echo/x")
        .header("origin", "https://app.example.com")
        .header("x-sbd-tenant", "nobody");
    let refused = request.send().await.unwrap();
    assert_eq!(
        refused.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert_eq!(error(refused, 404).await, "UNKNOWN_TENANT");
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let mut app = app(MANIFEST);
    app.settings.cors = Some(sbd_manifest::Cors {
        origins: vec!["*".to_owned()],
        credentials: true,
    });
    let refused = Gateway::new(GatewayConfig::default(), Fake::default(), &app);
    assert!(matches!(
        refused.map(drop),
        Err(GatewayError::CredentialsForAll)
    ));
    app = crate::server::app(&MANIFEST.replace("content-type =", "\"content type\" ="));
    let refused = Gateway::new(GatewayConfig::default(), Fake::default(), &app);
    assert!(
        matches!(refused.map(drop), Err(GatewayError::StaticResponse { route, .. }) if route == "/robots.txt")
    );
}
