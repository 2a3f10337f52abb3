use crate::server::{PATIENCE, Server, error};
use http::{Request, Response};
use sbd_gateway::AdminPages;
use sbd_registry::Actor;
use sbd_runtime::{Body, body};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(Clone)]
struct Pages(sbd_telemetry::Metrics);

/// Serves the pages of operators until the test ends.
pub(crate) async fn admin_listener(server: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Pages(sbd_telemetry::Metrics::install().unwrap());
    tokio::spawn(async move {
        let serving = server
            .gateway
            .serve_admin(listener, std::future::pending(), pages);
        serving.await;
    });
    address
}

impl AdminPages for Pages {
    fn metrics(&self) -> String {
        self.0.render()
    }

    async fn operator(&self, token: &str) -> Result<String, String> {
        match token {
            "sbd_op_good" => Ok("backup".to_owned()),
            _ => Err("the token is refused".to_owned()),
        }
    }

    async fn api(&self, actor: Actor, request: Request<Body>) -> Response<Body> {
        let text = format!("{actor} asks {}", request.uri().path());
        Response::new(body::full(text))
    }
}

#[tokio::test]
async fn the_admin_listener_shows_what_the_public_one_hides() {
    let metrics = sbd_telemetry::Metrics::install().unwrap();
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let gateway = server.gateway.clone();
    let serving = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        gateway
            .serve_admin(listener, shutdown, Pages(metrics))
            .await;
    });

    // A method and path that no other test uses: the collection is the process'.
    let patch = server.client.patch(server.url("/users/metrics/posts/1"));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    let made_up = reqwest::Method::from_bytes(b"BREW").unwrap();
    assert_eq!(
        server
            .request(made_up, "/users/metrics/posts/2")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );

    let read = || async {
        let response = server
            .client
            .get(format!("{admin}/metrics"))
            .send()
            .await
            .unwrap();
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/plain; version=0.0.4")
        );
        response.text().await.unwrap()
    };
    let labels = r#"method="PATCH",route="/users/:user/posts/:post",status="200",component="echo",tenant="default""#;
    let expected = format!("http_requests_total{{{labels}}} 1");
    // A request is counted once its last byte is sent, which may be after the client has it.
    let counted = async {
        while !read().await.contains(&expected) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("the request is counted");
    let text = read().await;
    assert!(text.contains(
        "http_request_duration_seconds_bucket{method=\"PATCH\",route=\"/users/:user/posts/:post\""
    ));
    assert!(text.contains("http_requests_in_progress"));
    assert!(
        text.contains("method=\"other\"") && !text.contains("BREW"),
        "made-up methods are one"
    );
    assert!(!text.contains("/users/metrics"), "no path is a label");

    assert_eq!(
        server
            .client
            .get(format!("{admin}/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        server
            .client
            .get(format!("{admin}/readyz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let unknown = server
        .client
        .get(format!("{admin}/echo/x"))
        .send()
        .await
        .unwrap();
    assert_eq!(error(unknown, 404).await, "NOT_FOUND");
    let posted = server
        .client
        .post(format!("{admin}/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(error(posted, 405).await, "METHOD_NOT_ALLOWED");
    assert_eq!(error(server.get("/metrics").await, 404).await, "NOT_FOUND");

    stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, serving)
        .await
        .unwrap()
        .unwrap();
}
