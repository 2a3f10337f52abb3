//! Every command with names that are missing, wrong, unknown or somebody else's: a sentence that says
//! what is wrong, and nothing changed. And every address of the admin API with the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use reqwest::{Client, Method};
use sbd_tests::{Launch, Server, Versioned, assert_standard};
use serde_json::Value;

/// Names that nothing has, and what they are.
const NAMES: [(&str, &str); 7] = [
    ("nobody", "unknown"),
    ("../default", "a way out"),
    ("", "empty"),
    ("default\u{0}", "a NUL"),
    ("DEFAULT", "capitals"),
    ("a b", "a blank"),
    ("näme", "no ASCII"),
];

/// Commands whose last word is a name, of a tenant, a component, an operator or a feature.
const NAMED: [&[&str]; 17] = [
    &["tenant", "show"],
    &["tenant", "suspend"],
    &["tenant", "resume"],
    &["tenant", "export"],
    &["tenant", "delete", "--yes"],
    &["tenant", "change", "--title", "x"],
    &["component", "versions"],
    &["component", "rollback"],
    &["component", "rollback", "--to", "1"],
    &["component", "withdraw"],
    &["feature", "list"],
    &["feature", "set", "default", "NAME", "off"],
    &["feature", "set", "NAME", "versioned", "off"],
    &["ledger", "verify", "--tenant", "NAME"],
    &["ledger", "verify", "--component", "NAME"],
    &["operator", "revoke"],
    &["admin", "create", "x@example.com", "--tenant", "NAME"],
];

/// What must be the same afterwards.
fn state(server: &Server) -> String {
    let parts = [
        &["tenant", "list"][..],
        &["component", "list"],
        &["component", "versions", "versioned"],
        &["feature", "list", "default"],
        &["feature", "list", "other"],
        &["operator", "list"],
    ];
    parts.map(|args| server.done(args)).concat()
}

async fn start() -> Server {
    let server = Launch::app(Versioned::manifest()).start().await;
    server.done(&["tenant", "create", "other"]);
    server.done(&["operator", "create", "backup"]);
    let (_folder, path) = Versioned::new(1).file();
    let path = path.display().to_string();
    server.done(&["component", "deploy", "versioned", &path]);
    server
}

/// One sentence for people: no debug output, nothing cut off.
fn assert_sentence(said: &str, args: &[&str]) {
    let said = said.trim();
    assert!(said.len() > 20, "{args:?}: {said:?}");
    for mark in ["panicked", "unwrap", "Err(", "Some(", "RUST_BACKTRACE"] {
        assert!(!said.contains(mark), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn names_that_nothing_has_are_refused_and_change_nothing() {
    let server = start().await;
    let before = state(&server);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("x.tar").display().to_string();
    for command in NAMED {
        for (name, what) in NAMES {
            // The operating system does not pass one on.
            if what == "a NUL" {
                continue;
            }
            let mut args: Vec<&str> = command.to_vec();
            match args.iter().position(|arg| *arg == "NAME") {
                Some(place) => args[place] = name,
                None => args.push(name),
            }
            if command.contains(&"export") {
                args.extend(["--to", &to]);
            }
            let said = server.refused(&args);
            assert_sentence(&said, &args);
        }
    }
    assert_eq!(state(&server), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn commands_without_what_they_need_say_what_that_is() {
    let server = start().await;
    let before = state(&server);
    for args in [
        &["tenant"][..],
        &["tenant", "create"],
        &["tenant", "show"],
        &["tenant", "delete"],
        &["tenant", "export"],
        &["component"],
        &["component", "deploy"],
        &["component", "deploy", "versioned"],
        &["component", "rollback"],
        &["component", "rollback", "versioned", "--to"],
        &["component", "rollback", "versioned", "--to", "first"],
        &["component", "deploy", "versioned", "x.wasm", "--gate", "0"],
        &[
            "component",
            "deploy",
            "versioned",
            "x.wasm",
            "--gate",
            "9",
            "--gate-percent",
            "100",
        ],
        &["component", "inspect"],
        &["component", "inspect", "no-such-file.wasm"],
        &["feature", "set"],
        &["feature", "set", "default"],
        &["feature", "set", "default", "versioned"],
        &["feature", "set", "default", "versioned", "perhaps"],
        &["operator", "create"],
        &["operator", "create", "backup"],
        &["operator", "create", "next", "--days", "0"],
        &["tenant", "create", "default"],
        &["tenant", "create", "other"],
        &["tenant", "create", "third", "--host", "not a host"],
        &["tenant", "delete", "default", "--yes"],
        &["tenant", "suspend", "default"],
        &["tennant", "list"],
        &["reload", "--admin", "nonsense"],
    ] {
        let said = server.refused(args);
        assert_sentence(&said, args);
    }
    assert_eq!(state(&server), before);
}

#[tokio::test]
async fn every_address_of_the_admin_api_refuses_them_too() {
    let server = start().await;
    let before = state(&server);
    let socket = server.data().join("sbd.sock");
    let client = Client::builder().no_proxy().unix_socket(socket);
    let client = client.build().unwrap();
    let root = "http://sbd/admin/api/v1";
    let described = client.get(format!("{root}/openapi.json")).send().await;
    let described: Value = described.unwrap().json().await.unwrap();
    let mut asked = 0;
    for (path, operations) in described["paths"].as_object().unwrap() {
        if !path.contains('{') {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            for (name, _) in NAMES {
                let name: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
                for body in ["", "{", "{}", "[]", "{\"unknown\":1}"] {
                    let path = braces_as(path, &name);
                    let request = client
                        .request(method.clone(), format!("http://sbd{path}"))
                        .header("content-type", "application/json")
                        .body(body);
                    let response = request.send().await.unwrap();
                    let status = response.status();
                    let id = response.headers()["x-request-id"]
                        .to_str()
                        .unwrap()
                        .to_owned();
                    let text = response.text().await.unwrap();
                    assert!(
                        status.is_client_error(),
                        "{method} {path} {body}: {status} {text}"
                    );
                    let answer: Value = serde_json::from_str(&text).unwrap();
                    let code = answer["error"]["code"].as_str().unwrap();
                    assert_standard(&text, Some(&id), code);
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 300, "{asked}");
    assert_eq!(state(&server), before);
}

/// A path with every name in braces replaced.
fn braces_as(path: &str, name: &str) -> String {
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        true => name,
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}
