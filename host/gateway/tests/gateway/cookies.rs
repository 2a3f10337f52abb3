//! The cookie of a session: a credential that a browser sends along whoever asks it to.

use crate::metrics::admin_listener;
use crate::server::{Server, error, parts, raw};
use reqwest::{Method, Response};
use sbd_gateway::GatewayConfig;
use serde_json::Value;
use std::sync::atomic::Ordering::SeqCst;

const COOKIE: (&str, &str) = ("cookie", "sbd-session=ada.1.user");
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn send(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = server.request(method, path);
    let headers = headers.iter();
    let request = headers.fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.unwrap()
}

async fn echo(server: &Server, method: Method, headers: &[(&str, &str)]) -> Value {
    let answer = send(server, method, "/echo/x", headers).await;
    assert_eq!(answer.status(), 200, "{headers:?}");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn it_says_who_asks_and_is_kept_from_the_guest() {
    let server = Server::start().await;
    let more = ("cookie", "theme=dark; sbd-session=ada.1.user; a=b");
    let seen = echo(&server, Method::GET, &[more]).await;
    assert_eq!(seen["caller"], "ada");
    assert_eq!(seen["headers"]["cookie"], "theme=dark; a=b");
    let seen = echo(&server, Method::GET, &[COOKIE]).await;
    assert_eq!(
        (&seen["caller"], &seen["headers"]["cookie"]),
        (&"ada".into(), &Value::Null)
    );
    assert_eq!(server.fake.asked.load(SeqCst), 1, "the answer is kept");
    // The other scheme's is nobody's, and no guest sees it.
    let seen = echo(
        &server,
        Method::GET,
        &[("cookie", "__Host-sbd-session=ada.1.user")],
    )
    .await;
    assert_eq!(
        (&seen["caller"], &seen["headers"]["cookie"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn what_changes_something_comes_from_our_own_origin() {
    let server = Server::start().await;
    let ours = server.url("");
    let tls = ours.replace("http:", "https:");
    let own_origin = ("origin", &*ours);
    let table: [(&[(&str, &str)], bool); 8] = [
        (&[OWN], true),
        (&[own_origin], true),
        (&[], false),
        (&[("sec-fetch-site", "same-site"), own_origin], false),
        (&[("sec-fetch-site", "cross-site"), own_origin], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", &tls)], false),
    ];
    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
    for (said, own) in table {
        for (at, method) in methods.into_iter().enumerate() {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let headers = [said, &[COOKIE]].concat();
            let reached = server.fake.reached.load(SeqCst);
            let answer = send(&server, method.clone(), "/echo/x", &headers).await;
            let passes = own || at < 3;
            let expected = if passes { 200 } else { 403 };
            assert_eq!(answer.status(), expected, "{method} {said:?}");
            if !passes {
                assert_eq!(error(answer, 403).await, "CROSS_SITE_REQUEST");
                assert_eq!(server.fake.reached.load(SeqCst), reached);
            }
            // Who sends a token in a header chose to: where the page is from does not matter.
            let bearer = [said, &[("authorization", "Bearer ada.1.user")]].concat();
            let answer = send(&server, method.clone(), "/echo/x", &bearer).await;
            assert_eq!(answer.status(), 200, "{method} {said:?}");
        }
    }
}

#[tokio::test]
async fn behind_a_proxy_the_scheme_is_the_one_it_tells() {
    let server = Server::with(GatewayConfig {
        trusted_proxies: "127.0.0.1".parse().unwrap(),
        ..GatewayConfig::default()
    })
    .await;
    let told = ("forwarded", "for=203.0.113.7;proto=https;host=app.example");
    let secure = ("cookie", "__Host-sbd-session=ada.1.user");
    let seen = echo(&server, Method::GET, &[told, secure]).await;
    assert_eq!(seen["caller"], "ada");
    let seen = echo(&server, Method::GET, &[told, COOKIE]).await;
    assert_eq!(seen["caller"], Value::Null, "it was not set over TLS");
    let post = async |origin| {
        let headers = [told, secure, ("origin", origin)];
        send(&server, Method::POST, "/echo/x", &headers)
            .await
            .status()
    };
    assert_eq!(post("https://app.example").await, 200);
    assert_eq!(post("https://app.example:443").await, 200);
    assert_eq!(post("http://app.example").await, 403);
    assert_eq!(post(&server.url("")).await, 403);
}

#[tokio::test]
async fn one_that_is_worth_nothing_is_nobodys() {
    let server = Server::start().await;
    for worthless in ["forged", "expired", "ada.1.user.0", "a b", ""] {
        let cookie = format!("sbd-session={worthless}");
        for method in [Method::GET, Method::POST] {
            let seen = echo(&server, method, &[("cookie", &cookie)]).await;
            assert_eq!(seen["caller"], Value::Null, "{worthless}");
            assert_eq!(seen["headers"]["cookie"], Value::Null);
        }
    }
    let busy = ("cookie", "sbd-session=overloaded");
    let answer = send(&server, Method::GET, "/echo/x", &[busy]).await;
    assert_eq!(error(answer, 503).await, "OVERLOADED");
}

#[tokio::test]
async fn its_end_is_felt_on_the_next_request() {
    let server = Server::start().await;
    let seen = echo(&server, Method::POST, &[COOKIE, OWN]).await;
    assert_eq!(seen["caller"], "ada");
    let out = send(&server, Method::POST, "/api/v1/auth/logout", &[COOKIE, OWN]);
    assert_eq!(out.await.status(), 200);
    let seen = echo(&server, Method::POST, &[COOKIE, OWN]).await;
    assert_eq!(seen["caller"], Value::Null);
}

#[tokio::test]
async fn two_ways_at_once_are_refused() {
    let server = Server::start().await;
    let twice = ("cookie", "sbd-session=ada.1.user; sbd-session=bob.2.user");
    for headers in [
        &[COOKIE, ("authorization", "Bearer ada.1.user")][..],
        &[COOKIE, ("sec-websocket-protocol", "bearer.ada.1.user")],
        &[twice],
    ] {
        let answer = send(&server, Method::GET, "/echo/x", headers).await;
        assert_eq!(error(answer, 401).await, "TOKEN_INVALID", "{headers:?}");
    }
    assert_eq!(server.fake.reached.load(SeqCst), 0);
}

#[tokio::test]
async fn a_socket_is_opened_by_our_own_pages() {
    let server = Server::start().await;
    let open = async |more: &str| {
        let head = "GET /echo/x HTTP/1.1\r\nhost: a.example\r\nconnection: close, upgrade\r\nupgrade: websocket\r\n";
        let request = format!("{head}cookie: sbd-session=ada.1.user\r\n{more}\r\n");
        parts(&server.raw(request).await).0
    };
    assert_eq!(open("").await, 403);
    assert_eq!(open("origin: http://evil.example\r\n").await, 403);
    assert_eq!(open("origin: http://a.example\r\n").await, 200);
    assert_eq!(open("sec-fetch-site: same-origin\r\n").await, 200);
}

#[tokio::test]
async fn it_says_nothing_to_operators() {
    let address = admin_listener(Server::start().await).await;
    let ask = |header: &str| {
        let head = "GET /admin/api/v1/tenants HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";
        raw(address, format!("{head}{header}\r\n\r\n"))
    };
    let by_cookie = ask("cookie: sbd-session=ada.1.admin").await;
    assert_eq!(parts(&by_cookie).0, 401, "{by_cookie}");
    let by_token = ask("authorization: Bearer ada.1.admin").await;
    assert_eq!(parts(&by_token).0, 200, "{by_token}");
}
