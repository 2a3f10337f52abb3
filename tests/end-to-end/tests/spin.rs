//! Spin's own interfaces, as components for Spin use them: what Spin's conformance tests ask of a host,
//! asked by guests of ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Application, Launch, Server, run};
use std::io::Read as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn launch(port: u16) -> Launch {
    let app = include_str!("apps/spin.toml").replace("{port}", &port.to_string());
    Launch::app(&app)
}

async fn server() -> Server {
    launch(9).start().await
}

async fn told(server: &Server, path: &str) -> (u16, String) {
    let response = server.get(path).await;
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn text(server: &Server, path: &str) -> String {
    let (status, text) = told(server, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    text
}

/// Answers every connection with the same.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            let _ = socket.read(&mut asked).await;
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere";
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn variables() {
    let server = server().await;
    assert_eq!(
        text(&server, "/older/variable?name=greeting").await,
        "good morning"
    );
    assert_eq!(text(&server, "/spin/variable").await, "good morning");
    for (name, refusal) in [("nothing", "Undefined"), ("Not-A-Name", "InvalidName")] {
        let (status, error) = told(&server, &format!("/older/variable?name={name}")).await;
        assert_eq!(status, 500);
        assert!(error.contains(refusal), "{error}");
    }
}

#[tokio::test]
async fn key_value() {
    let server = server().await;
    for _ in 0..2 {
        assert_eq!(
            text(&server, "/older/key-value").await,
            r#"None Some(Ok("two")) true ["k"] false"#
        );
        assert_eq!(
            text(&server, "/spin/key-value").await,
            r#"Some(Ok("one")) ["k"] true false"#
        );
    }
    // The same store as that of `wasi:keyvalue`.
    assert_eq!(text(&server, "/spin/count").await, "1");
    let keys = text(&server, "/older/key-value").await;
    assert!(keys.contains(r#"["k", "visits"]"#), "{keys}");
}

#[tokio::test]
async fn stores_and_databases_that_are_not_granted_are_refused_when_they_are_opened() {
    let server = server().await;
    for path in [
        "/older/key-value?store=secrets",
        "/older/sqlite?database=secrets",
    ] {
        let (status, error) = told(&server, path).await;
        assert_eq!((status, &*error), (500, "Error::AccessDenied"), "{path}");
    }
    for path in ["/spin/forbidden-key-value", "/spin/forbidden-sqlite"] {
        assert_eq!(text(&server, path).await, "Error::AccessDenied", "{path}");
    }
    for line in [
        "add it to `key_value_stores` under `[component.older]`",
        "add it to `sqlite_databases` under `[component.older]`",
        "add it to `sqlite_databases` under `[component.spin]`",
    ] {
        server.wait_for_log(line).await;
    }
    // Not even one need be granted, as long as none is opened.
    let none = Launch::app(
        "[[trigger.http]]\nroute = \"/older/...\"\ncomponent = \"older\"\n\
         [component.older]\nsource = \"{guest:spin-older}\"\n\
         allowed_outbound_hosts = [\"http://nobody.spin.internal\"]\n",
    );
    let none = none.start().await;
    for path in ["/older/key-value", "/older/sqlite"] {
        assert_eq!(told(&none, path).await.1, "Error::AccessDenied", "{path}");
    }
    let (_, error) = told(&none, "/older/variable?name=greeting").await;
    assert!(error.contains("Undefined"), "{error}");
}

#[tokio::test]
async fn sqlite() {
    let server = server().await;
    for visits in 1..=2 {
        let row = format!("[\"who\", \"visits\"] [Value::Text(\"ada\"), Value::Integer({visits})]");
        assert_eq!(text(&server, "/older/sqlite").await, row);
    }
    // Another component's database is another one, under the same label.
    assert_eq!(
        text(&server, "/spin/sqlite").await,
        r#"1 1 ["who"] [Some("ada")]"#
    );
    // It outlives the server, and is not that of another tenant.
    let server = server.restart().await;
    assert!(text(&server, "/older/sqlite").await.contains("Integer(3)"));
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let first = acme.get(server.at("/older/sqlite")).send().await.unwrap();
    assert!(first.text().await.unwrap().contains("Integer(1)"));

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("acme.tar").display().to_string();
    server.done(&["tenant", "export", "acme", "--to", &to]);
    let mut archive = tar::Archive::new(std::fs::File::open(&to).unwrap());
    let mut databases = archive.entries().unwrap().filter_map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        path.starts_with("sqlite/").then_some((path, bytes))
    });
    let (path, bytes) = databases.next().unwrap();
    assert_eq!(path, "sqlite/older/default.db");
    assert!(bytes.starts_with(b"SQLite format 3\0"));
    assert!(databases.next().is_none());

    let kept = server.data().join("tenants/acme.sqlite/older/default.db");
    assert!(kept.exists());
    server.done(&["tenant", "delete", "acme", "--yes"]);
    assert!(!server.data().join("tenants/acme.sqlite").exists());
    assert!(text(&server, "/older/sqlite").await.contains("Integer(4)"));

    server.done(&["tenant", "import", &to, "--as", "back"]);
    let back = server.as_tenant("back");
    let next = back.get(server.at("/older/sqlite")).send().await.unwrap();
    assert!(next.text().await.unwrap().contains("Integer(2)"));
}

#[tokio::test]
async fn requests_to_the_outside() {
    let (granted, other) = (echo().await, echo().await);
    let server = launch(granted).start().await;
    let get = |port: u16| format!("/older/get?url=http://127.0.0.1:{port}/");
    assert_eq!(text(&server, &get(granted)).await, "200 here");
    let (status, error) = told(&server, &get(other)).await;
    assert_eq!(status, 500);
    assert!(error.contains("HttpRequestDenied"), "{error}");
}

#[tokio::test]
async fn sockets_are_refused() {
    let port = echo().await;
    let server = launch(port).start().await;
    for port in [port, 1] {
        let (status, error) = told(&server, &format!("/older/tcp?port={port}")).await;
        assert_eq!((status, &*error), (500, "access-denied (error 1)"));
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused_at_the_call() {
    let server = server().await;
    let refusals = text(&server, "/spin/unserved").await;
    let [redis, mqtt, mysql, llm] = refusals.lines().collect::<Vec<_>>()[..] else {
        panic!("{refusals}");
    };
    assert!(redis.contains("InvalidAddress"), "{redis}");
    for (told, import) in [
        (mqtt, "spin:mqtt/mqtt@3.0.0"),
        (mysql, "spin:mysql/mysql@3.0.0"),
    ] {
        assert!(told.contains("ConnectionFailed"), "{told}");
        assert!(told.contains(import), "{told}");
    }
    assert!(llm.contains("ModelNotSupported"), "{llm}");
    for import in ["spin:redis/redis@3.0.0", "fermyon:spin/llm@2.0.0"] {
        server.wait_for_log(&format!("call of {import}")).await;
    }
    assert_eq!(text(&server, "/spin/hello").await, "hello from spin-sdk");
}

#[test]
fn what_is_refused_at_the_call_is_said_before() {
    let app = include_str!("apps/spin.toml").replace("{port}", "9");
    let app = Application::new(&app);
    let (manifest, data) = (
        app.manifest().display().to_string(),
        tempfile::tempdir().unwrap(),
    );
    let data = data.path().display().to_string();
    let checked = run(&["check", "--app", &manifest, "--data-dir", &data], &[], "");
    assert!(checked.success, "{checked:?}");
    let line = "is refused when it calls spin:redis/redis@3.0.0: keep the values in";
    assert!(checked.stdout.contains(line), "{checked:?}");
    assert!(!checked.stdout.contains("sqlite@3"), "{checked:?}");
    let guest = sbd_tests::guest("spin-hello").display().to_string();
    let inspected = run(&["component", "inspect", &guest], &[], "");
    for line in [
        "refused when it calls fermyon:spin/llm@2.0.0: ask a model server by HTTP",
        "sqlite_databases         it keeps SQLite databases of its own",
        "runs on Spin 4.1 too",
    ] {
        assert!(inspected.stdout.contains(line), "{line}: {inspected:?}");
    }
    assert!(
        !inspected.stdout.contains("does not run here"),
        "{inspected:?}"
    );
}

#[tokio::test]
async fn a_component_calls_the_application_itself() {
    let server = Launch::app(include_str!("apps/self.toml")).start().await;
    for to in ["http://self.alt", "http://SELF.ALT.", ""] {
        let sent = format!("/spin/send?{to}/older/variable?name=greeting");
        assert_eq!(text(&server, &sent).await, "good morning", "{to:?}");
        let sent = format!("/spin/send?{to}/still");
        assert_eq!(text(&server, &sent).await, "short and stout", "{to:?}");
        let sent = text(&server, &format!("/spin/send?{to}/nowhere")).await;
        assert!(sent.contains("NOT_FOUND"), "{to:?}: {sent}");
        // What the host alone asks is nobody's page.
        let sent = text(&server, &format!("/spin/send?{to}/-/openapi.json")).await;
        assert!(sent.starts_with("refused"), "{to:?}: {sent}");
        let sent = text(&server, &format!("/other/send?{to}/still")).await;
        assert!(sent.starts_with("refused"), "{to:?}: {sent}");
    }
    let line =
        r#"[component.other]: allowed_outbound_hosts = [\"https://example.com\", \"http://self\"]"#;
    server.wait_for_log(line).await;
    let sent = text(&server, "/spin/send?http://self/still").await;
    assert!(sent.starts_with("refused"), "{sent}");
    server
        .wait_for_log("send the request to http://self.alt/")
        .await;
    for to in ["http://self.alt", "https://self.alt", ""] {
        let sent = text(&server, &format!("/older/get?url={to}/still")).await;
        assert_eq!(sent, "418 short and stout", "{to:?}");
    }
    // By its name a component is another grant.
    let sent = text(
        &server,
        "/spin/send?http://older.spin.internal/older/variable",
    )
    .await;
    assert!(sent.starts_with("refused"), "{sent}");
}

#[tokio::test]
async fn a_component_reads_the_files_of_the_manifest_and_no_others() {
    let launch = Launch::app(
        "[[trigger.http]]\nroute = \"/spin/...\"\ncomponent = \"spin\"\n\
         [component.spin]\nsource = \"{guest:spin-hello}\"\n\
         allowed_outbound_hosts = [\"http://nobody.spin.internal\"]\n\
         files = [\"texts/*.txt\", { source = \"pictures\", destination = \"/img\" }]\n\
         exclude_files = [\"texts/draft.txt\"]\n",
    );
    let folder = launch.application().folder().to_owned();
    for file in [
        "texts/a.txt",
        "texts/draft.txt",
        "texts/b.md",
        "pictures/c.png",
        "secret.txt",
    ] {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    let server = launch.start().await;
    assert_eq!(
        text(&server, "/spin/files").await,
        "/img/c.png /texts/a.txt"
    );
    assert_eq!(
        text(&server, "/spin/file?/texts/a.txt").await,
        "texts/a.txt"
    );
    for path in [
        "/secret.txt",
        "/texts/draft.txt",
        "/../secret.txt",
        "/img/../../spin.toml",
    ] {
        let read = text(&server, &format!("/spin/file?{path}")).await;
        assert!(
            read.contains("Os {") || read.contains("NotFound"),
            "{path}: {read}"
        );
    }
    let written = text(&server, "/spin/write").await;
    assert!(written.starts_with("Some("), "{written}");

    // What is there is what was there, until the application is loaded anew.
    std::fs::write(folder.join("texts/a.txt"), "changed").unwrap();
    assert_eq!(
        text(&server, "/spin/file?/texts/a.txt").await,
        "texts/a.txt"
    );
    server.done(&["reload"]);
    assert_eq!(text(&server, "/spin/file?/texts/a.txt").await, "changed");
}

#[tokio::test]
async fn requests_come_with_what_spin_tells() {
    let server = server().await;
    let told = text(&server, "/older/shape/Grace/at/the/end?x=1").await;
    let client = told
        .lines()
        .find(|line| line.starts_with("spin-client-addr: 127.0.0.1:"));
    let address = server.address();
    let expected = [
        &format!("GET Some(\"{address}\")"),
        "spin-base-path: /",
        client.expect(&told),
        "spin-component-route: /older/shape/:some_name/at",
        &format!("spin-full-url: http://{address}/older/shape/Grace/at/the/end?x=1"),
        "spin-matched-route: /older/shape/:some_name/at/...",
        "spin-path-info: /the/end",
        "spin-path-match-some-name: Grace",
        "spin-raw-component-route: /older/shape/:some_name/at/...",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}
