use crate::server::{MANIFEST, Server, error, manifest_with, parts, standard};
use reqwest::{Method, Response};
use sbd_gateway::GatewayConfig;
use sbd_manifest::RateLimit;
use serde_json::Value;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// What is left after a request, as the answer says.
fn remaining(response: &Response) -> u32 {
    let left = response.headers()["ratelimit"].to_str().unwrap();
    let left = left.split(';').find_map(|part| part.strip_prefix("r="));
    left.unwrap().parse().unwrap()
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let server = Server::of(&manifest_with("rate_limit = { per_second = 1, burst = 2 }")).await;
    let first = server.get("/echo/x").await;
    assert_eq!(first.headers()["ratelimit-policy"], "\"address\";q=2;w=2");
    assert_eq!(first.headers()["ratelimit"], "\"address\";r=1;t=1");
    // Slow machines need a few more requests to be too fast.
    let mut allowed = 1;
    let refused = loop {
        let response = server.get("/echo/x").await;
        if response.status() != 200 {
            break response;
        }
        allowed += 1;
        assert!(allowed < 50);
    };
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(remaining(&refused), 0);
    assert_eq!(error(refused, 429).await, "RATE_LIMITED");
    assert_eq!(server.fake.reached.load(SeqCst), allowed);
    assert_eq!(
        server.get("/healthz").await.status(),
        200,
        "probes are not counted"
    );
}

#[tokio::test]
async fn there_is_a_limit_where_nobody_says_so() {
    let server = Server::start().await;
    let anybody = server.get("/echo/x").await;
    let policy = anybody.headers()["ratelimit-policy"].to_str().unwrap();
    assert!(policy.starts_with("\"address\";q="), "{policy}");
    let ada = server.get_as("/echo/x", "ada.1.user").await;
    let policy = ada.headers()["ratelimit-policy"].to_str().unwrap();
    assert!(policy.starts_with("\"user\";q="), "{policy}");
}

#[tokio::test]
async fn reading_the_api_document_counts_as_a_request() {
    let server = Server::of(&manifest_with("rate_limit = { per_second = 1, burst = 2 }")).await;
    let mut allowed = 0;
    let refused = loop {
        let response = server.get("/openapi.json").await;
        if response.status() != 200 {
            break response;
        }
        allowed += 1;
        assert!(allowed < 50);
    };
    assert_eq!(error(refused, 429).await, "RATE_LIMITED");
}

#[tokio::test]
async fn users_have_buckets_of_their_own() {
    let server = Server::of(&manifest_with(
        "rate_limit = { per_second = 1, burst = 1000 }",
    ))
    .await;
    for _ in 0..10 {
        assert_eq!(server.get("/echo/x").await.status(), 200);
    }
    assert_eq!(
        remaining(&server.get_as("/echo/x", "ada.1.user").await),
        999,
        "not the anonymous' bucket"
    );
    for _ in 0..10 {
        assert_eq!(server.get_as("/echo/x", "ada.1.user").await.status(), 200);
    }
    assert_eq!(
        remaining(&server.get_as("/echo/x", "bob.2.user").await),
        999,
        "nor another user's"
    );
    assert!(
        remaining(&server.get_as("/echo/x", "ada.3.user").await) < 999,
        "one user's sessions share"
    );
}

#[tokio::test]
async fn a_program_that_runs_wild_leaves_half_to_its_user() {
    let server = Server::of(&manifest_with(
        "rate_limit = { per_second = 1, burst = 100 }",
    ))
    .await;
    let asks = async |token: &str| {
        let mut allowed = 0;
        loop {
            let response = server.get_as("/echo/x", token).await;
            if response.status() != 200 {
                return (allowed, response);
            }
            allowed += 1;
            assert!(allowed < 90, "{token}");
        }
    };
    let (allowed, refused) = asks("ada.ptk_1.user").await;
    assert!(allowed >= 50, "{allowed}");
    let left = refused.headers()["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"program\";r=0;"), "{left}");
    assert_eq!(error(refused, 429).await, "RATE_LIMITED");
    // What was refused is not taken from the user's.
    let ada = server.get_as("/echo/x", "ada.1.user").await;
    assert_eq!(ada.status(), 200);
    assert!(remaining(&ada) >= 40);
    // Another one has its own, and both policies are told of, the one that ends first in numbers.
    let other = server.get_as("/echo/x", "ada.ptk_2.user").await;
    let policies = other.headers().get_all("ratelimit-policy");
    let policies: Vec<_> = policies.iter().collect();
    assert_eq!(policies, ["\"program\";q=50;w=100", "\"user\";q=100;w=100"]);
    let (allowed, _) = asks("ada.ptk_2.user").await;
    assert!(allowed >= 39, "{allowed}");
}

#[tokio::test]
async fn a_class_of_routes_has_a_rate_of_its_own() {
    let class = "[component.echo.tool.sbd.rate_limits.upload]\n\
        routes = [\"/echo/up/...\"]\nper_minute = 1\nburst = 3\n";
    let server = Server::of(&format!("{MANIFEST}\n{class}")).await;
    for left in [2, 1, 0] {
        let answer = server.get("/echo/up/x").await;
        assert_eq!((answer.status().as_u16(), remaining(&answer)), (200, left));
        let said = answer.headers()["ratelimit"].to_str().unwrap();
        assert!(said.starts_with("\"upload\";"), "{said}");
        assert_eq!(
            answer.headers().get_all("ratelimit-policy").iter().count(),
            2
        );
    }
    let refused = server.get("/echo/up").await;
    let wait: u32 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(error(refused, 429).await, "RATE_LIMITED");
    // All else goes on, and so do others.
    let other = server.get("/echo/x").await;
    assert_eq!(other.status(), 200);
    assert_eq!(
        other.headers().get_all("ratelimit-policy").iter().count(),
        1
    );
    let ada = server.get_as("/echo/up/x", "ada.1.user").await;
    assert_eq!(remaining(&ada), 2);
}

#[tokio::test]
async fn who_has_too_many_under_way_waits_for_their_own() {
    let server = Server::with(GatewayConfig {
        rate_limit: Some(RateLimit {
            per_second: 1000,
            burst: 1000,
            at_once: 2,
        }),
        ..GatewayConfig::default()
    })
    .await;
    let reached = || server.fake.reached.load(SeqCst);
    let wait = || tokio::spawn(server.request(Method::GET, "/echo/wait").send());
    let waiting = [wait(), wait(), wait()];
    while reached() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Somebody else is not in their way.
    assert_eq!(server.get_as("/echo/x", "bob.2.user").await.status(), 200);
    assert_eq!(reached(), 3);
    while waiting.iter().any(|waiting| !waiting.is_finished()) {
        server.fake.release.notify_waiters();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(reached(), 4);
}

#[tokio::test]
async fn forwarded_addresses_count_only_behind_a_trusted_proxy() {
    let from = |server: &Server, address: String| {
        server
            .request(Method::GET, "/echo/x")
            .header("x-forwarded-for", address)
            .send()
    };
    let rate_limit = Some(RateLimit {
        per_second: 1,
        burst: 1,
        at_once: 1,
    });
    let open = Server::with(GatewayConfig {
        rate_limit,
        ..GatewayConfig::default()
    })
    .await;
    let mut refused = 0;
    for n in 0..20 {
        let status = from(&open, format!("10.0.0.{n}")).await.unwrap().status();
        refused += usize::from(status == 429);
    }
    assert!(refused > 0, "the header is not believed");

    let trusted_proxies = "127.0.0.1".parse().unwrap();
    let behind = Server::with(GatewayConfig {
        rate_limit,
        trusted_proxies,
        ..GatewayConfig::default()
    })
    .await;
    for n in 0..20 {
        assert_eq!(
            from(&behind, format!("10.0.0.{n}")).await.unwrap().status(),
            200
        );
    }
}

/// The usual application, with limits for `echo`.
fn limited(limits: &str) -> String {
    format!("{MANIFEST}\n[component.echo.tool.sbd.limits]\n{limits}\n")
}

#[tokio::test]
async fn an_announced_large_body_is_refused_unread() {
    let server = Server::of(&limited("request_body = \"1KiB\"")).await;
    let fits = server
        .request(Method::POST, "/echo/x")
        .body(vec![0; 1024])
        .send()
        .await
        .unwrap();
    assert_eq!(fits.json::<Value>().await.unwrap()["body"], 1024);
    let head =
        "POST /echo/x HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 1025\r\n\r\n";
    let (status, head, body) = parts(&server.raw(head).await);
    assert_eq!(status, 413, "{head}");
    assert_eq!(
        standard(&serde_json::from_str(&body).unwrap(), &id(&head)),
        "BODY_TOO_LARGE"
    );
    assert_eq!(server.fake.reached.load(SeqCst), 1);
}

#[tokio::test]
async fn a_streamed_body_is_cut_at_the_limit() {
    let server = Server::of(&limited("request_body = \"1KiB\"")).await;
    let chunks = (0..3).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 400]));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let refused = server
        .request(Method::POST, "/echo/x")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(error(refused, 413).await, "BODY_TOO_LARGE");
    assert_eq!(server.get("/echo/x").await.status(), 200);
}

#[tokio::test]
async fn a_long_address_is_refused() {
    let server = Server::start().await;
    let refused = server.get(&format!("/echo/{}", "a".repeat(8 * 1024))).await;
    assert_eq!(error(refused, 414).await, "URI_TOO_LONG");
}

/// The request id in a raw head.
fn id(head: &str) -> String {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    line.unwrap().to_owned()
}
