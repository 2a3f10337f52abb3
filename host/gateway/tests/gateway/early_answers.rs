//! Answers that are given before the request's body was read, to clients that send it all the same.

use crate::metrics::admin_listener;
use crate::server::{MANIFEST, PATIENCE, Server, manifest_with};
use h2::client::SendRequest;
use hyper::body::Bytes;
use sbd_gateway::GatewayConfig;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

const UPLOAD: usize = 3_000_000;

async fn connected(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Sends a body as its window allows, whatever comes back meanwhile, and looks for the answer only then.
async fn upload(client: &SendRequest<Bytes>, request: http::request::Builder, bytes: usize) -> u16 {
    let mut client = client.clone().ready().await.unwrap();
    let request = request.method("POST").body(()).unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let sending = async {
        let mut left = bytes;
        while left > 0 {
            body.reserve_capacity(left.min(64 * 1024));
            let window = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
            let part = window.expect("the stream is open").unwrap();
            left -= part;
            let part = Bytes::from(vec![b'a'; part]);
            body.send_data(part, left == 0).unwrap();
        }
        answer.await.unwrap().status().as_u16()
    };
    let status = tokio::time::timeout(PATIENCE, sending).await;
    status.expect("the window is opened again")
}

#[tokio::test]
async fn they_reach_http2_clients_that_are_still_sending() {
    let limits = "[component.echo.tool.sbd.limits]\nrequest_body = \"1KiB\"\n";
    let server = Server::of(&format!("{MANIFEST}\n{limits}")).await;
    let client = connected(server.address).await;
    let to = |path: &str| http::Request::builder().uri(server.url(path));
    for (path, status) in [
        ("/nowhere", 404),
        ("/healthz", 405),
        ("/openapi.json", 405),
        ("/robots.txt", 405),
        ("/echo/x", 413),
        ("/echo/trap", 500),
    ] {
        assert_eq!(upload(&client, to(path), UPLOAD).await, status, "{path}");
    }
    let forged = to("/echo/x").header("authorization", "Bearer forged");
    assert_eq!(upload(&client, forged, UPLOAD).await, 401);
    let announced = to("/echo/x").header("content-length", UPLOAD);
    assert_eq!(upload(&client, announced, UPLOAD).await, 413);
    let contradicted = to("/echo/x").header("host", "other.example");
    assert_eq!(upload(&client, contradicted, UPLOAD).await, 400);
    // The connection goes on.
    assert_eq!(upload(&client, to("/echo/x"), 10).await, 200);
}

#[tokio::test]
async fn who_sends_too_much_too_often_is_told_over_http2() {
    let server = Server::of(&manifest_with("rate_limit = { per_second = 1, burst = 1 }")).await;
    let client = connected(server.address).await;
    let to = |path: &str| http::Request::builder().uri(server.url(path));
    let mut statuses = Vec::new();
    while !statuses.contains(&429) {
        assert!(statuses.len() < 50);
        statuses.push(upload(&client, to("/echo/x"), UPLOAD).await);
    }
}

#[tokio::test]
async fn an_operator_who_uploads_with_a_wrong_token_is_told() {
    let address = admin_listener(Server::start().await).await;
    let client = connected(address).await;
    let to = |path: &str| http::Request::builder().uri(format!("http://{address}{path}"));
    let bad = to("/admin/api/v1/components").header("authorization", "Bearer sbd_op_bad");
    assert_eq!(upload(&client, bad, UPLOAD).await, 401);
    assert_eq!(upload(&client, to("/admin/x"), UPLOAD).await, 401);
    assert_eq!(upload(&client, to("/nowhere"), UPLOAD).await, 404);
    assert_eq!(upload(&client, to("/metrics"), UPLOAD).await, 405);
}

#[tokio::test]
async fn a_body_that_stops_coming_does_not_hold_up_a_stop() {
    let mut server = Server::with(GatewayConfig {
        shutdown_grace: 3 * PATIENCE,
        ..GatewayConfig::default()
    })
    .await;
    let mut client = connected(server.address).await.ready().await.unwrap();
    let request = http::Request::post(server.url("/nowhere"))
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"a"), false).unwrap();
    assert_eq!(answer.await.unwrap().status(), 404);
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop();
    server.stopped().await;
}
