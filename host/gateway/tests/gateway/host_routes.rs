//! Routes that the host answers.

use crate::fake::Fake;
use crate::server::{MANIFEST, PATIENCE, Server, app, error, manifest_with};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use reqwest::{Method, StatusCode};
use sbd_gateway::{Gateway, GatewayConfig, GatewayError, HostRequest, HostRoute, Refusal};
use sbd_manifest::RateLimit;
use sbd_runtime::{Body, body};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, mpsc};

/// Says what it got.
fn things(pattern: &str) -> HostRoute {
    HostRoute::new(pattern, |mut request: HostRequest| async move {
        let body = request.bytes().await?;
        let head = &request.request;
        let described = json!({
            "method": head.method().as_str(),
            "path": head.uri().path(),
            "authorization": head.headers().contains_key("authorization"),
            "tenant": &*request.tenant,
            "request_id": &*request.request_id,
            "caller": request.caller.as_ref().map(|caller| &caller.username),
            "client": request.client,
            "thing": request.param("thing"),
            "none": request.param("none"),
            "rest": request.rest,
            "body": body.len(),
        });
        Ok(http::Response::new(body::full(described.to_string())))
    })
}

fn with(host_routes: Vec<HostRoute>) -> GatewayConfig {
    GatewayConfig {
        host_routes,
        ..GatewayConfig::default()
    }
}

#[tokio::test]
async fn the_host_answers_any_method_and_knows_who_asks() {
    let server = Server::with(with(vec![things("/api/v1/things/:thing/...")])).await;
    let put = server
        .request(Method::PUT, "/api/v1/things/a%20b/c/d?e=f")
        .bearer_auth("ada.1.user")
        .body("four")
        .send();
    let put = put.await.unwrap();
    let id = put.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(put.headers().contains_key("ratelimit"));
    assert_eq!(
        put.json::<Value>().await.unwrap(),
        json!({
            "method": "PUT",
            "path": "/api/v1/things/a%20b/c/d",
            "authorization": false,
            "tenant": "default",
            "request_id": id,
            "caller": "ada",
            "client": "127.0.0.1",
            "thing": "a%20b",
            "none": null,
            "rest": "/c/d",
            "body": 4,
        })
    );

    let brew = Method::from_bytes(b"BREW").unwrap();
    let brewed = server.request(brew, "/api/v1/things/tea").send().await;
    let brewed: Value = brewed.unwrap().json().await.unwrap();
    assert_eq!(
        (&brewed["method"], &brewed["caller"], &brewed["rest"]),
        (&json!("BREW"), &Value::Null, &json!(""))
    );
    let versioned = server
        .request(Method::GET, "/api/things/7")
        .header("accept", "application/vnd.sbd.v1+json");
    let versioned: Value = versioned.send().await.unwrap().json().await.unwrap();
    assert_eq!(versioned["thing"], "7");
    let forged = server.get_as("/api/v1/things/7", "forged").await;
    assert_eq!(error(forged, 401).await, "TOKEN_INVALID");
    assert_eq!(server.fake.reached.load(SeqCst), 0);
}

#[tokio::test]
async fn what_the_host_refuses_is_told_in_the_standard_form() {
    let route = HostRoute::new("/api/v1/things/:thing", |request: HostRequest| async move {
        match request.param("thing") {
            Some("panic") => panic!("on purpose"),
            Some("busy") => Err(Refusal::busy(Duration::from_secs(3))),
            _ => Err(Refusal::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                "It is there already.",
            )),
        }
    });
    let server = Server::with(with(vec![route])).await;
    let refused = server.get("/api/v1/things/1").await;
    assert_eq!(error(refused, 409).await, "CONFLICT");
    let busy = server.get("/api/v1/things/busy").await;
    assert_eq!(busy.headers()["retry-after"], "3");
    assert_eq!(error(busy, 503).await, "OVERLOADED");
    let panicked = server.get("/api/v1/things/panic").await;
    assert_eq!(error(panicked, 500).await, "INTERNAL");
    assert_eq!(server.get("/echo/x").await.status(), 200);
}

#[tokio::test]
async fn the_host_reads_no_more_than_its_route_allows() {
    let route = things("/api/v1/things/:thing").largest_body(1024);
    let server = Server::with(with(vec![route])).await;
    let send = |body: reqwest::Body| {
        let request = server.request(Method::POST, "/api/v1/things/1");
        request.body(body).send()
    };
    let fits = send(vec![0; 1024].into()).await.unwrap();
    assert_eq!(fits.json::<Value>().await.unwrap()["body"], 1024);
    let announced = send(vec![0; 1025].into()).await.unwrap();
    assert_eq!(error(announced, 413).await, "BODY_TOO_LARGE");
    let chunks = (0..3).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 400]));
    let streamed = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let streamed = send(streamed).await.unwrap();
    assert_eq!(error(streamed, 413).await, "BODY_TOO_LARGE");
}

#[tokio::test]
async fn requests_to_the_host_are_charged_like_any_other() {
    let manifest = manifest_with("rate_limit = { per_second = 1, burst = 2 }");
    let server = Server::serving(with(vec![things("/api/v1/things/...")]), &manifest).await;
    let bob = server.get_as("/api/v1/things", "bob.1.user").await;
    assert_eq!(bob.headers()["ratelimit"], "\"user\";r=1;t=1");
    let mut allowed = 0;
    let refused = loop {
        let response = server.get("/api/v1/things").await;
        if response.status() != 200 {
            break response;
        }
        allowed += 1;
        assert!(allowed < 50);
    };
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(error(refused, 429).await, "RATE_LIMITED");
}

#[tokio::test]
async fn requests_to_the_host_take_a_place() {
    let (reached, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, released) = (Arc::clone(&reached), Arc::clone(&go_on));
    let route = HostRoute::new("/api/v1/slow", move |_| {
        let (counter, released) = (Arc::clone(&counter), Arc::clone(&released));
        async move {
            counter.fetch_add(1, SeqCst);
            released.notified().await;
            Ok(http::Response::new(body::empty()))
        }
    });
    let server = Server::with(GatewayConfig {
        rate_limit: Some(RateLimit {
            per_second: 1000,
            burst: 1000,
            at_once: 2,
        }),
        ..with(vec![route])
    })
    .await;
    let slow = || tokio::spawn(server.request(Method::GET, "/api/v1/slow").send());
    let waiting = [slow(), slow(), slow()];
    while reached.load(SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Somebody else is not in their way.
    assert_eq!(server.get_as("/echo/x", "bob.2.user").await.status(), 200);
    assert_eq!(reached.load(SeqCst), 2);
    while waiting.iter().any(|waiting| !waiting.is_finished()) {
        go_on.notify_waiters();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(reached.load(SeqCst), 3);
}

#[tokio::test]
async fn pages_elsewhere_may_call_the_host() {
    let cors = "cors = { origins = [\"https://app.example.com\"] }";
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let route = HostRoute::new("/api/v1/things", move |_| {
        counter.fetch_add(1, SeqCst);
        async { Err(Refusal::not_found()) }
    });
    let panics = HostRoute::new("/api/v1/panics", |_| async { panic!("on purpose") });
    let server = Server::serving(with(vec![route, panics]), &manifest_with(cors)).await;
    for path in ["/api/v1/things", "/openapi.json", "/health"] {
        let preflight = server
            .request(Method::OPTIONS, path)
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "x-sbd-tenant");
        let allowed = preflight.send().await.unwrap();
        assert_eq!(allowed.status(), 204, "{path}");
        let headers = allowed.headers();
        assert_eq!(
            headers["access-control-allow-origin"],
            "https://app.example.com"
        );
        let may_send = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(may_send.contains("x-sbd-tenant"), "{may_send}");
    }
    assert_eq!(reached.load(SeqCst), 0);
    let too_long = format!("/{}", "a".repeat(8 * 1024));
    for (path, status) in [
        ("/api/v1/things", 404),
        ("/openapi.json", 200),
        ("/health", 401),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/", 200),
        ("/docs", 200),
        ("/robots.txt", 200),
        ("/api/v1/panics", 500),
        (too_long.as_str(), 414),
        ("/-/authenticate", 404),
    ] {
        let request = server.request(Method::GET, path);
        let request = request.header("origin", "https://app.example.com");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path:.20}");
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "https://app.example.com",
            "{path:.20}"
        );
    }
    assert_eq!(reached.load(SeqCst), 1);
    // Nor is there anything that is refused above the rules.
    let large = "a".repeat(65_600);
    for (name, value, status) in [
        ("x-large", large.as_str(), 431),
        ("authorization", "Bearer forged", 401),
        ("host", "a b", 400),
        ("x-sbd-tenant", "nobody", 404),
    ] {
        let request = server.request(Method::GET, "/api/v1/things");
        let request = request.header("origin", "https://app.example.com");
        let response = request.header(name, value).send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            "https://app.example.com",
            "{name}"
        );
        let readable = response.headers()["access-control-expose-headers"].to_str();
        let readable = readable.unwrap();
        for header in [
            "etag",
            "location",
            "retry-after",
            "idempotency-replayed",
            "x-request-id",
        ] {
            assert!(readable.contains(header), "{readable}");
        }
    }
    let reached_before = reached.load(SeqCst);
    let again = server.request(Method::OPTIONS, "/api/v1/things");
    assert_eq!(again.send().await.unwrap().status(), 404);
    assert_eq!(
        reached.load(SeqCst),
        reached_before + 1,
        "no preflight, but a method"
    );
}

#[tokio::test]
async fn the_more_exact_route_wins_whoever_answers() {
    let hosts = vec![things("/api/v1/echo/:thing"), things("/other/...")];
    let manifest = MANIFEST.replace("/other/...", "/other/mine");
    let server = Server::serving(with(hosts), &manifest).await;
    let component = async |path: &str| {
        let answer: Value = server.get(path).await.json().await.unwrap();
        answer["component"].clone()
    };
    assert_eq!(component("/api/v1/echo/7").await, Value::Null);
    assert_eq!(component("/api/v1/echo/7/8").await, "echo");
    assert_eq!(component("/other/mine").await, "other");
    assert_eq!(component("/other/yours").await, Value::Null);
}

#[tokio::test]
async fn an_application_may_not_take_what_the_host_answers() {
    let refused = |hosts, manifest: &str| {
        let gateway = Gateway::new(with(hosts), Fake::default(), &app(manifest));
        gateway.map(drop).unwrap_err()
    };
    let error = refused(vec![things("/users/:id/posts/:number")], MANIFEST);
    let told = error.to_string();
    assert!(
        told.contains("`/users/:user/posts/:post`")
            && told.contains("`echo`")
            && told.contains("`/users/:id/posts/:number`"),
        "{told}"
    );
    let error = refused(vec![things("/robots.txt")], MANIFEST);
    assert!(error.to_string().contains("a static response"), "{error}");
    // What the host itself does wrong.
    for wrong in [
        vec![things("/api/v1/things"), things("/api/v1/things/")],
        vec![things("/openapi.json")],
        vec![things("api")],
        vec![things("/api/*")],
    ] {
        let error = refused(wrong, MANIFEST);
        assert!(matches!(error, GatewayError::HostRoute { .. }), "{error}");
    }

    // A later application is refused in the same way, and the one before goes on.
    let server = Server::with(with(vec![things("/api/v1/things/...")])).await;
    let next = MANIFEST.replace("/other/...", "/api/v1/things/...");
    let refused = server.gateway.prepare(server.fake.clone(), &app(&next));
    assert!(matches!(
        refused.map(drop),
        Err(GatewayError::HostsRoute { route, .. }) if route == "/api/v1/things/..."
    ));
    assert_eq!(server.get("/api/v1/things/1").await.status(), 200);
}

#[tokio::test]
async fn a_route_that_yields_leaves_the_application_its_own() {
    let hosts = || vec![things("/api/v1/things/...").yielding()];
    let component = async |server: &Server, path: &str| {
        let answer: Value = server.get(path).await.json().await.unwrap();
        answer["component"].clone()
    };
    let alone = Server::with(with(hosts())).await;
    assert_eq!(component(&alone, "/api/v1/things/1").await, Value::Null);
    for (theirs, path) in [
        ("/api/v1/things/...", "/api/v1/things/1"),
        ("/openapi.json", "/openapi.json"),
        ("/health", "/health"),
    ] {
        let manifest = MANIFEST.replace("/other/...", theirs);
        let server = Server::serving(with(hosts()), &manifest).await;
        assert_eq!(component(&server, path).await, "other", "{theirs}");
    }
    // A route for everything is less exact than any.
    let manifest = MANIFEST.replace("/other/...", "/...");
    let server = Server::serving(with(hosts()), &manifest).await;
    assert_eq!(component(&server, "/api/v1/things/1").await, Value::Null);
    assert_eq!(component(&server, "/api/v1/else").await, "other");
    let document: Value = server.get("/openapi.json").await.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

/// Sends on what it is given, until it is told to stop.
fn events(given: mpsc::Receiver<&'static str>) -> HostRoute {
    let given = Arc::new(Mutex::new(given));
    HostRoute::new("/api/v1/events", move |request: HostRequest| {
        let given = Arc::clone(&given);
        async move {
            use futures::StreamExt as _;
            let events = futures::stream::unfold(given, async |given| {
                let event = given.lock().await.recv().await?;
                let frame = Frame::data(Bytes::from_static(event.as_bytes()));
                Some((Ok::<_, body::BodyError>(frame), given))
            });
            let events = events.take_until(request.stopping.cancelled_owned());
            let body: Body = StreamBody::new(Box::pin(events)).boxed_unsync();
            Ok(http::Response::new(body))
        }
    })
}

#[tokio::test]
async fn a_silent_answer_outlives_the_time_outs_and_ends_with_the_server() {
    for http2 in [false, true] {
        let (send, given) = mpsc::channel(1);
        let mut server = Server::with(GatewayConfig {
            idle_timeout: Duration::from_millis(100),
            take_timeout: Duration::from_millis(100),
            // Longer than anybody's patience: it is not cut.
            shutdown_grace: 3 * PATIENCE,
            ..with(vec![events(given)])
        })
        .await;
        let client = match http2 {
            true => reqwest::Client::builder().http2_prior_knowledge(),
            false => reqwest::Client::builder(),
        };
        let client = client.build().unwrap();
        let asked = client.get(server.url("/api/v1/events")).send();
        let mut answer = asked.await.unwrap();
        send.send("one").await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "one");
        tokio::time::sleep(Duration::from_millis(600)).await;
        send.send("two").await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "two");
        server.stop();
        // Its end, not a cut.
        assert_eq!(answer.text().await.unwrap(), "");
        server.stopped().await;
    }
}

#[tokio::test]
async fn requests_to_the_host_are_measured_by_their_pattern() {
    let metrics = sbd_telemetry::Metrics::install().unwrap();
    let server = Server::with(with(vec![things("/api/v1/measured/:thing")])).await;
    assert_eq!(server.get("/api/v1/measured/7").await.status(), 200);
    let expected = r#"http_requests_total{method="GET",route="/api/v1/measured/:thing",status="200",component="none",tenant="default"} 1"#;
    let counted = async {
        while !metrics.render().contains(expected) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("the request is counted");
}
