//! Who sent a request and to which host: the one true account, or a refusal.

use crate::metrics::admin_listener;
use crate::server::{PATIENCE, Server, parts, raw, standard};
use reqwest::Method;
use sbd_gateway::GatewayConfig;
use sbd_registry::{NewTenant, Registry};
use serde_json::Value;

/// Hosts as clients send them, and the status of the answer.
const HOSTS: [(&str, &str, u16); 16] = [
    ("none", "", 400),
    ("two", "host: a.example\r\nhost: b.example\r\n", 400),
    (
        "the same twice",
        "host: a.example\r\nHOST: a.example\r\n",
        400,
    ),
    ("an empty one", "host:\r\n", 400),
    ("two in one", "host: a.example, b.example\r\n", 400),
    ("without blank", "host: a.example,b.example\r\n", 400),
    ("blanks and more", "host: a b/c?d#e@f\r\n", 400),
    ("a user", "host: user@a.example\r\n", 400),
    ("an address", "host: http://a.example\r\n", 400),
    ("no port", "host: a.example:port\r\n", 400),
    ("a large port", "host: a.example:65536\r\n", 400),
    ("a bare IPv6 address", "host: ::1\r\n", 400),
    ("bytes beyond ASCII", "host: \u{e4}.example\r\n", 400),
    ("a good one", "host: a.example:80\r\n", 200),
    ("IPv4", "host: 127.0.0.1\r\n", 200),
    ("IPv6", "host: [::1]:80\r\n", 200),
];

fn refused(answer: &str) -> String {
    let (_, head, body) = parts(answer);
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    standard(&serde_json::from_str(&body).unwrap(), id.expect(&head))
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let server = Server::start().await;
    for path in ["/echo/x", "/healthz", "/openapi.json", "/nowhere"] {
        for (what, host, expected) in HOSTS {
            let request = format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n");
            let answer = server.raw(request).await;
            let status = parts(&answer).0;
            if expected == 400 {
                assert_eq!(status, 400, "{what}: {answer}");
                assert_eq!(refused(&answer), "MALFORMED_REQUEST", "{what}");
            } else {
                assert_ne!(status, 400, "{what}: {answer}");
            }
        }
        // HTTP/1.0 did not know of it.
        let old = server.raw(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert_ne!(parts(&old).0, 400, "{old}");
    }
}

#[tokio::test]
async fn a_target_in_full_says_more_than_the_header() {
    let server = Server::start().await;
    let get = async |target: &str, head: &str| {
        let head = format!("GET {target} HTTP/1.1\r\n{head}connection: close\r\n\r\n");
        let (status, _, body) = parts(&server.raw(head).await);
        (status, body)
    };
    let (status, body) = get("http://a.example/echo/x?y=z", "host: b.example\r\n").await;
    assert_eq!(status, 200);
    let echo: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(echo["uri"], "http://a.example/echo/x?y=z");
    assert_eq!(echo["headers"]["host"], "a.example");
    assert_eq!(
        echo["headers"]["spin-full-url"],
        "http://a.example/echo/x?y=z"
    );
    // What a client says of TLS, which ends elsewhere, is not known to be true.
    let (_, body) = get("https://a.example/echo/x", "host: a.example\r\n").await;
    let echo: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(echo["uri"], "http://a.example/echo/x");
    for (target, head) in [
        ("http://a.example/echo/x", ""),
        ("http://a.example/echo/x", "host: a b\r\n"),
        ("http://a.example/echo/x", "host: a\r\nhost: a\r\n"),
        ("http://user:word@a.example/echo/x", "host: a.example\r\n"),
        ("ftp://a.example/echo/x", "host: a.example\r\n"),
        ("http:///echo/x", "host: a.example\r\n"),
    ] {
        assert_eq!(get(target, head).await.0, 400, "{target} {head:?}");
    }
}

/// An HTTP/2 client that sends what it is told to.
async fn http2(server: &Server, request: http::Request<()>) -> http::Response<()> {
    let stream = server.connect().await;
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.expect("an answer").unwrap().map(drop)
}

#[tokio::test]
async fn the_host_of_http2_is_not_contradicted() {
    let server = Server::start().await;
    let get = |uri: &str, hosts: &[&str]| {
        let mut request = http::Request::get(uri).version(http::Version::HTTP_2);
        for host in hosts {
            request = request.header("host", *host);
        }
        http2(&server, request.body(()).unwrap())
    };
    for (uri, hosts, status) in [
        ("http://a.example/healthz", &[][..], 200),
        ("http://a.example/healthz", &["a.example"], 200),
        ("http://a.example:80/healthz", &["A.example"], 200),
        ("http://a.example/healthz", &["b.example"], 400),
        ("http://a.example/healthz", &["a.example:8080"], 400),
        ("http://a.example/healthz", &["a.example", "a.example"], 400),
        ("http://a.example/healthz", &["a.example", "b.example"], 400),
        ("http://a.example/healthz", &["a b"], 400),
        ("http://a_b.example:1/healthz", &[], 200),
        ("http://a!b/healthz", &[], 400),
    ] {
        let answer = get(uri, hosts).await;
        assert_eq!(answer.status(), status, "{uri} {hosts:?}");
        assert!(answer.headers().contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn the_tenant_is_not_picked_from_one_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    for name in ["one", "two"] {
        let tenant = NewTenant {
            name: name.to_owned(),
            title: None,
            hosts: vec![format!("{name}.example")],
        };
        registry.tenants.create(tenant).await.unwrap();
    }
    let server = Server::with(GatewayConfig {
        tenants: Some(registry.tenants.clone()),
        trusted_proxies: "127.0.0.1".parse().unwrap(),
        ..GatewayConfig::default()
    })
    .await;
    let get = async |target: &str, head: &str| {
        let head = format!("GET {target} HTTP/1.1\r\n{head}connection: close\r\n\r\n");
        let (status, _, body) = parts(&server.raw(head).await);
        let body: Value = serde_json::from_str(&body).unwrap();
        (
            status,
            body["tenant"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let of = |tenant: &str| (200, tenant.to_owned());
    let none = (400, String::new());
    assert_eq!(get("/echo/x", "host: one.example\r\n").await, of("one"));
    assert_eq!(get("/echo/x", "host: TWO.example.:80\r\n").await, of("two"));
    let both = "host: one.example\r\nhost: two.example\r\n";
    assert_eq!(get("/echo/x", both).await, none);
    let named = "host: h\r\nx-sbd-tenant: one\r\n";
    assert_eq!(get("/echo/x", named).await, of("one"));
    let named = "host: h\r\nx-sbd-tenant: one\r\nx-sbd-tenant: two\r\n";
    assert_eq!(get("/echo/x", named).await, none);
    let full = "http://two.example/echo/x";
    assert_eq!(get(full, "host: one.example\r\n").await, of("two"));
    // The host that the client named to a proxy.
    let behind = "host: inside\r\nx-forwarded-host: two.example\r\n";
    assert_eq!(get("/echo/x", behind).await, of("two"));
}

#[tokio::test]
async fn cookies_come_as_one() {
    let server = Server::start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge();
    let client = client.timeout(PATIENCE).build().unwrap();
    let request = client.get(server.url("/echo/x"));
    let request = request.header("cookie", "a=1").header("cookie", "b=2; c=3");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(echo["headers"]["cookie"], "a=1; b=2; c=3");
    assert_eq!(echo["cookies"], 1);
}

async fn behind(trusted: &str) -> Server {
    Server::with(GatewayConfig {
        trusted_proxies: trusted.parse().unwrap(),
        ..GatewayConfig::default()
    })
    .await
}

async fn seen(server: &Server, headers: &[(&str, &str)]) -> Value {
    let mut request = server.request(Method::GET, "/echo/x?y=z");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().json().await.unwrap()
}

const SAID: [(&str, &str); 6] = [
    ("forwarded", "for=203.0.113.7;proto=https;host=app.example"),
    ("x-forwarded-for", "203.0.113.8"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.example"),
    ("x-forwarded-port", "443"),
    ("x-real-ip", "203.0.113.9"),
];

#[tokio::test]
async fn what_strangers_say_of_clients_reaches_nobody() {
    for trusted in ["", "10.0.0.0/8, fd00::/8"] {
        let server = behind(trusted).await;
        let echo = seen(&server, &SAID).await;
        let headers = echo["headers"].as_object().unwrap();
        for (name, _) in SAID {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert_eq!(headers["spin-full-url"], server.url("/echo/x?y=z"));
        let client = headers["spin-client-addr"].as_str().unwrap();
        assert!(client.starts_with("127.0.0.1:"), "{client}");
    }
}

#[tokio::test]
async fn what_trusted_proxies_say_is_the_truth() {
    let server = behind("127.0.0.0/8").await;
    let echo = seen(&server, &SAID).await;
    let headers = &echo["headers"];
    assert_eq!(headers["spin-full-url"], "https://app.example/echo/x?y=z");
    assert_eq!(echo["uri"], "https://app.example/echo/x?y=z");
    assert_eq!(headers["spin-client-addr"], "203.0.113.7:0");
    assert_eq!(headers["host"], "app.example");
    assert_eq!(headers["x-forwarded-for"], "203.0.113.7");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "app.example");
    for gone in ["forwarded", "x-forwarded-port", "x-real-ip"] {
        assert_eq!(headers[gone], Value::Null, "{gone}");
    }
    let echo = seen(&server, &SAID[1..]).await;
    assert_eq!(echo["headers"]["spin-client-addr"], "203.0.113.8:0");
    assert_eq!(echo["uri"], "https://app.example/echo/x?y=z");
    // A proxy that says nothing is the client.
    let echo = seen(&server, &[]).await;
    assert_eq!(echo["headers"]["spin-full-url"], server.url("/echo/x?y=z"));
    assert_eq!(echo["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(echo["headers"]["x-forwarded-proto"], "http");
}

#[tokio::test]
async fn whatever_a_proxy_says_is_no_fault_of_the_server() {
    let server = behind("127.0.0.1").await;
    for name in [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ] {
        for value in [
            "",
            ",",
            ";",
            "=",
            "\"",
            "for",
            "for=",
            "for=\"",
            "for=\"\\",
            "for=[::1",
            "_",
            "unknown",
            "999.1.1.1",
            "for=1.2.3.4:99999",
            "a b/c",
            "\u{e4}",
            ",,,,for=;;;=",
            "http:///",
        ] {
            let echo = seen(&server, &[(name, value)]).await;
            let client = echo["headers"]["spin-client-addr"].as_str().unwrap();
            assert!(
                client.starts_with("127.0.0.1:"),
                "{name}: {value:?}: {client}"
            );
        }
    }
    let long = "for=10.0.0.1,".repeat(4000);
    assert_eq!(
        seen(&server, &[("forwarded", &long)]).await["method"],
        "GET"
    );
}

#[tokio::test]
async fn the_admin_listener_asks_for_one_host_too() {
    let address = admin_listener(Server::start().await).await;
    for (what, host, expected) in HOSTS {
        let request = format!("GET /healthz HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        let answer = raw(address, request).await;
        assert_eq!(parts(&answer).0, expected, "{what}: {answer}");
        if expected == 400 {
            assert_eq!(refused(&answer), "MALFORMED_REQUEST", "{what}");
        }
    }
}
