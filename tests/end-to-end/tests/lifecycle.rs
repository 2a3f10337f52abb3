//! Starting, stopping, settings, and the edges that a manifest can shape.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use reqwest::{Client, Method, Version};
use sbd_tests::{Account, Launch, Server, assert_error, json, run};
use serde_json::Value;
use std::collections::HashSet;

const PROBE: &str = r#"
[[trigger.http]]
route = "/probe/..."
component = "probe"
[component.probe]
source = "{guest:probe}"
allowed_outbound_hosts = ["http://probe.spin.internal"]
"#;

#[tokio::test]
async fn stopping_lets_running_requests_finish() {
    let mut server = Launch::app(PROBE).start().await;
    let slow = server.begin("/probe/log?line=slow&wait_ms=1500");
    server.wait_for_log("before slow").await;
    server.terminate();
    let slow = slow.await.unwrap().unwrap();
    assert_eq!(slow.status(), 200);
    assert_eq!(slow.text().await.unwrap(), "logged");
    assert!(server.wait().await, "{}", server.log());
    assert!(server.begin("/healthz").await.unwrap().is_err());
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut server = Launch::app(PROBE)
        .env("SBD_SHUTDOWN_GRACE", "300ms")
        .start()
        .await;
    let stuck = server.begin("/probe/log?line=stuck&wait_ms=25000");
    server.wait_for_log("before stuck").await;
    assert!(server.stop().await, "{}", server.log());
    assert!(stuck.await.unwrap().is_err());
}

#[tokio::test]
async fn stopping_ends_streams_at_once() {
    let mut server = Launch::app(PROBE)
        // Longer than a test waits for the end.
        .env("SBD_SHUTDOWN_GRACE", "10m")
        .start()
        .await;
    // More of one address than it may have other requests under way.
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = server.get("/probe/events").await;
        assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: hello\n\n");
        streams.push(stream);
    }
    assert_eq!(server.get("/probe/sleep?ms=1").await.status(), 200);
    let slow = server.begin("/probe/log?line=slow&wait_ms=1500");
    server.wait_for_log("before slow").await;
    server.terminate();
    for stream in streams {
        assert_eq!(stream.text().await.unwrap(), ": the server stops\n\n");
    }
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    assert!(server.wait().await, "{}", server.log());
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test]
async fn a_data_directory_has_one_server() {
    let server = Launch::app(PROBE).start().await;
    let data = server.data().display().to_string();
    let addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let second = run(
        &[["up", "--data-dir", &data].as_slice(), &addresses].concat(),
        &[],
        "",
    );
    assert!(!second.success);
    assert!(
        second
            .stderr
            .contains("another sbd uses the data directory"),
        "{second:?}"
    );
    assert!(second.stderr.contains("--data-dir"), "{second:?}");
    assert_eq!(server.get("/healthz").await.status(), 200);

    let data = tempfile::tempdir().unwrap();
    let taken = [
        "up",
        "--data-dir",
        &data.path().display().to_string(),
        "--listen",
        server.address(),
    ];
    let taken = run(&taken, &[], "");
    assert!(
        !taken.success && taken.stderr.contains("choose another address"),
        "{taken:?}"
    );
}

#[test]
fn settings_say_where_they_come_from() {
    let data = tempfile::tempdir().unwrap();
    let data_dir = data.path().display().to_string();
    std::fs::write(data.path().join("sbd.toml"), "log = \"warn\"\n").unwrap();
    let args = [
        "config",
        "explain",
        "--data-dir",
        &data_dir,
        "--listen",
        "127.0.0.1:1",
    ];
    let explained = run(
        &args,
        &[
            ("SBD_ADMIN_LISTEN", "127.0.0.1:2"),
            ("SBD_ADMIN_PASSWORD", "hunter22"),
        ],
        "",
    );
    assert!(explained.success, "{explained:?}");
    let text = &explained.stdout;
    let lines: Vec<&str> = text.lines().collect();
    for (name, value, origin) in [
        ("listen", "127.0.0.1:1", "from flag"),
        (
            "admin_listen",
            "127.0.0.1:2",
            "from environment SBD_ADMIN_LISTEN",
        ),
        ("log", "warn", "from file"),
        ("token_algorithm", "EdDSA", "from default"),
        ("max_upgraded", "4096", "from default"),
        (
            "admin_password",
            "(set, not shown)",
            "from environment SBD_ADMIN_PASSWORD",
        ),
    ] {
        let at = lines
            .iter()
            .position(|line| line.split_whitespace().next() == Some(name))
            .expect(name);
        assert!(
            lines[at].contains(value) && lines[at + 1].contains(origin),
            "{name}: {text}"
        );
    }
    assert!(!text.contains("hunter22"), "{text}");
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    let data = tempfile::tempdir().unwrap();
    let data_dir = data.path().display().to_string();
    let explain = ["config", "explain", "--data-dir", &data_dir];
    let variable = run(&explain, &[("SBD_LISEN", "x")], "");
    assert!(
        !variable.success
            && variable
                .stderr
                .contains("SBD_LISEN; did you mean SBD_LISTEN?"),
        "{variable:?}"
    );
    let flag = run(&[explain.as_slice(), &["--lisen", "x"]].concat(), &[], "");
    assert!(
        !flag.success && flag.stderr.contains("--listen"),
        "{flag:?}"
    );
    let command = run(&["serve"], &[], "");
    assert!(
        !command.success && command.stderr.contains("serve"),
        "{command:?}"
    );
    std::fs::write(
        data.path().join("sbd.toml"),
        "log = \"info\"\nlisten_on = \"x\"\n",
    )
    .unwrap();
    let key = run(&explain, &[], "");
    assert!(
        !key.success
            && key
                .stderr
                .contains("sbd.toml:2: unknown key `listen_on`; did you mean listen?"),
        "{key:?}"
    );
    std::fs::write(data.path().join("sbd.toml"), "log_format = \"loud\"\n").unwrap();
    let value = run(&["check", "--data-dir", &data_dir], &[], "");
    assert!(
        !value.success && value.stderr.contains("setting `log_format` = `loud`"),
        "{value:?}"
    );
}

#[tokio::test]
async fn algorithms_can_change_under_what_exists() {
    let launch = |tokens, passwords| {
        let launch = Launch::default().env("SBD_TOKEN_ALGORITHM", tokens);
        launch.env("SBD_PASSWORD_ALGORITHM", passwords)
    };
    let server = launch("HS256", "bcrypt").start().await;
    let before = Account::register(&server, "ada").await;
    let keys = json(server.get("/.well-known/jwks.json").await, 200).await;
    assert_eq!(
        keys["keys"],
        serde_json::json!([]),
        "a shared secret is public"
    );

    let (_, data_dir) = server.kill();
    let server = launch("EdDSA", "argon2id").start_in(data_dir).await;
    let keys = json(server.get("/.well-known/jwks.json").await, 200).await;
    assert_eq!(keys["keys"][0]["alg"], "EdDSA");
    let me = server
        .client
        .get(server.at("/api/v1/auth/me"))
        .bearer_auth(&before.access);
    assert_eq!(json(me.send().await.unwrap(), 200).await["username"], "ada");
    for _ in 0..2 {
        // The first of them replaces the hash, the second uses the new one.
        Account::login(&server, "ada").await;
    }
}

#[tokio::test]
async fn http_2_by_prior_knowledge() {
    let server = Launch::app(PROBE).start().await;
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let answers = (0..20).map(|n| {
        client
            .get(server.at(&format!("/probe/log?line={n}&wait_ms=20")))
            .send()
    });
    for answer in futures::future::join_all(answers).await {
        let answer = answer.unwrap();
        assert_eq!(
            (answer.version(), answer.status().as_u16()),
            (Version::HTTP_2, 200)
        );
    }
    assert_error(
        client.get(server.at("/nothing")).send().await.unwrap(),
        404,
        "NOT_FOUND",
    )
    .await;
}

#[tokio::test]
async fn the_manifest_sets_cross_origin_rules_and_the_rate_limit() {
    let app = "[application.tool.sbd]\ncors = { origins = [\"https://app.example.com\"], credentials = true }\nrate_limit = { per_second = 1, burst = 5 }\n";
    let server = Launch::app(&format!("{app}{PROBE}")).start().await;
    let preflight = |origin: &str| {
        let request = server
            .client
            .request(Method::OPTIONS, server.at("/probe/whoami"));
        request
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "GET")
            .send()
    };
    let allowed = preflight("https://app.example.com").await.unwrap();
    assert_eq!(
        allowed.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert_eq!(
        allowed.headers()["access-control-allow-credentials"],
        "true"
    );
    let other = preflight("https://evil.example.com").await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));

    let mut refused = None;
    for _ in 0..20 {
        let request = server
            .client
            .get(server.at("/probe/whoami"))
            .header("origin", "https://app.example.com");
        let answer = request.send().await.unwrap();
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "https://app.example.com"
        );
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 200);
    }
    let refused = refused.expect("20 requests at once pass a limit of 5");
    assert!(
        refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    assert_error(refused, 429, "RATE_LIMITED").await;
    assert_eq!(
        server.get("/healthz").await.status(),
        200,
        "probes are not limited"
    );
}

#[tokio::test]
async fn the_api_document_is_sound_and_its_viewer_needs_no_network() {
    let server = Server::start().await;
    let api = json(server.get("/openapi.json").await, 200).await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut references = Vec::new();
    collect(&api, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(api.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = HashSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        assert!(!path.starts_with("/-/"), "{path} is nobody's business");
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_else(|| panic!("{method} {path} has no id"));
            assert!(ids.insert(id.to_owned()), "two operations are called {id}");
            assert!(
                operation["responses"]
                    .as_object()
                    .is_some_and(|all| !all.is_empty()),
                "{method} {path}"
            );
            for name in path.split(['{', '}']).skip(1).step_by(2) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(
                    parameters.iter().any(|known| known["name"] == name),
                    "{method} {path}: {name}"
                );
            }
        }
    }
    assert!(ids.len() >= 14, "{ids:?}");

    let page = server.get("/docs").await.text().await.unwrap();
    let links: Vec<&str> = page
        .split(['"', '\''])
        .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
        .collect();
    assert!(links.len() >= 3, "{page}");
    for link in links {
        assert!(link.starts_with("/docs/"), "{link} is an outside asset");
        assert_eq!(server.get(link).await.status(), 200, "{link}");
    }
    assert!(!page.contains("://"), "{page}");
}

/// Every `$ref` in a document.
fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                into.push(reference.clone());
            }
            fields.values().for_each(|value| collect(value, into));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}
