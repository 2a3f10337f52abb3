//! Notes that only their readers can read, in a browser: the page of the documentation, against the real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Launch, Server};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Does in the page what a person would, and says what came of it. The page is loaded twice: the second time, the
/// key is the one that the browser has kept.
const TEST: &str = r#"<!doctype html><iframe></iframe><script type="module">
const [frame, target] = [document.querySelector("iframe"), "/docs/encrypted-notes.html"];
const until = async (what) => {
  for (;;) {
    const is = what();
    if (is) return is;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const write = async (title, body) => {
  frame.src = "about:blank";
  await until(() => frame.contentDocument?.URL === "about:blank");
  frame.src = target + location.hash;
  await until(() => frame.contentDocument?.body?.dataset.ready);
  const page = frame.contentDocument;
  const [form] = page.forms;
  form.elements.title.value = title;
  form.elements.body.value = body;
  form.requestSubmit();
  return until(() => page.querySelector("output").value);
};
const tell = (what) => fetch("/done", { method: "POST", body: JSON.stringify(what) });
try {
  const said = [await write("Diary", "dear diary"), await write("Second", "of the same key")];
  const { keptKey, notes } = await import("/sdk/js/encrypted-notes.js");
  const [url, token] = decodeURIComponent(location.hash.slice(1)).split(",");
  const kept = await keptKey();
  const mine = notes({ url, token: async () => token, key: kept });
  const id = said[0].match(/not_[0-9a-f]{32}/)[0];
  const first = await mine.read(id);
  const changed = await mine.replace(id, first.version, { ...first.note, body: "dearest" });
  const late = await mine.replace(id, first.version, first.note).then(() => "taken", (error) => error.message);
  const key = await crypto.subtle.exportKey("raw", kept.key).then(() => "exported", () => "kept");
  tell({ said, id, first: first.note, changed, late, key });
} catch (error) {
  tell({ error: `${error}` });
}
</script>"#;

/// An account with a key of its own: opened on one device, and used on others, which have nothing but the passphrase.
const ACCOUNT_TEST: &str = r#"<!doctype html><iframe></iframe><script type="module">
const frame = document.querySelector("iframe");
const until = async (what) => {
  for (;;) {
    const is = what();
    if (is) return is;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const device = async () => {
  frame.src = "about:blank";
  await until(() => frame.contentDocument?.URL === "about:blank");
  frame.src = "/docs/encrypted-account.html" + location.hash;
  await until(() => frame.contentDocument?.body?.dataset.ready);
};
const send = (name, given, button) => {
  const page = frame.contentDocument;
  const form = page.forms[name];
  for (const [field, value] of Object.entries(given)) form.elements[field].value = value;
  page.querySelector("output").value = "";
  form.requestSubmit(button && form.querySelector(`[value=${button}]`));
  return until(() => page.querySelector("output").value);
};
const titles = () => Array.from(frame.contentDocument.querySelectorAll("li"), (line) => line.textContent);
const tell = (what) => fetch("/done", { method: "POST", body: JSON.stringify(what) });
try {
  const [first, second] = ["plum tractor opera ninety", "velvet canoe eleven lamps"];
  const ada = { username: "ada", password: "Correct-horse-7" };
  await device();
  const opened = await send("who", { ...ada, email: "ada@example.com", passphrase: first }, "open");
  const kept = await send("note", { title: "Diary", body: "dear diary" });
  await device();
  const wrong = await send("who", { ...ada, passphrase: second }, "enter");
  const right = await send("who", { ...ada, passphrase: first }, "enter");
  const read = titles();
  const changed = await send("change", { passphrase: second });
  await device();
  const former = await send("who", { ...ada, passphrase: first }, "enter");
  const latter = await send("who", { ...ada, passphrase: second }, "enter");
  tell({ opened, kept, wrong, right, read, changed, former, latter, again: titles() });
} catch (error) {
  tell({ error: `${error}` });
}
</script>"#;

fn skipped(peer: &str, why: &str) {
    // libtest keeps back what `println!` prints in a test that passes.
    let mut shown = std::io::stdout();
    writeln!(shown, "SKIPPED-PEER: {peer}: {why}").unwrap();
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    })
}

/// Serves the page, and answers what it says in the end.
async fn serve(listener: TcpListener) -> Value {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        if let Some(said) = answer(stream).await {
            return said;
        }
    }
}

async fn answer(stream: TcpStream) -> Option<Value> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? <= 2 {
            break;
        }
        let field = line.to_ascii_lowercase();
        if let Some(said) = field.strip_prefix("content-length:") {
            length = said.trim().parse().unwrap();
        }
    }
    let path = first.split(' ').nth(1)?;
    let (kind, body) = match path {
        "/test.html" => ("text/html", TEST.as_bytes().to_vec()),
        "/account-test.html" => ("text/html", ACCOUNT_TEST.as_bytes().to_vec()),
        "/docs/encrypted-notes.html" | "/docs/encrypted-account.html" => ("text/html", file(path)),
        "/sdk/js/encrypted-notes.js" | "/sdk/js/account-key.js" => ("text/javascript", file(path)),
        _ => ("text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut said = vec![0; length];
    stream.read_exact(&mut said).await.ok()?;
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .await
        .ok()?;
    (path == "/done").then(|| serde_json::from_slice(&said).unwrap())
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(repository().join(path.trim_start_matches('/'))).unwrap()
}

/// Whether a text is anywhere in the data directory.
fn is_stored(server: &Server, text: &str) -> bool {
    let mut folders = vec![server.data().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = std::fs::read(&path).unwrap_or_default();
            if content
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                return true;
            }
        }
    }
    false
}

/// A server whose pages may be asked from this origin.
async fn server(origin: &str) -> Server {
    let app = format!(
        "[application.tool.sbd]\nauth = \"auth\"\ncors = {{ origins = [\"{origin}\"] }}\n\
         {{component:auth}}\n{{component:family}}\n{{component:wallet}}\n{{component:notes}}\n"
    );
    Launch::app(&app).start().await
}

/// What a page says in the end, in a browser that has nothing yet.
async fn said(chromium: &str, listener: TcpListener, page: &str) -> Value {
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(page)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = tokio::time::timeout(Duration::from_secs(120), serve(listener)).await;
    browser.kill().unwrap();
    browser.wait().unwrap();
    let said = said.expect("the page says nothing");
    assert_eq!(said["error"], Value::Null, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_encrypts_and_keeps_the_key() {
    let Some(chromium) = chromium() else {
        return skipped("chromium", "no `chromium` on the PATH");
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = server(&origin).await;
    let ada = Account::register(&server, "ada").await;
    let page = format!("{origin}/test.html#{},{}", server.url, ada.access);
    let said = said(chromium, listener, &page).await;
    assert!(
        said["said"][0]
            .as_str()
            .unwrap()
            .ends_with("version 1: Diary"),
        "{said}"
    );
    assert!(
        said["said"][1]
            .as_str()
            .unwrap()
            .ends_with("version 1: Second"),
        "{said}"
    );
    assert_eq!(
        said["first"],
        json!({"title": "Diary", "body": "dear diary", "tags": []})
    );
    assert_eq!(
        (
            &said["changed"]["version"],
            &said["changed"]["note"]["body"]
        ),
        (&json!(2), &json!("dearest"))
    );
    assert!(
        said["late"].as_str().unwrap().contains("has changed since"),
        "{said}"
    );
    assert_eq!(said["key"], "kept", "the key could leave");

    let note = ada
        .read(&format!("/api/v1/notes/{}", said["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&note["title"], &note["body"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(note["encrypted"]["algorithm"], "AES-GCM");
    for word in ["dear diary", "of the same key", "dearest"] {
        assert!(!is_stored(&server, word), "`{word}` is on the server");
    }
    assert!(
        is_stored(&server, note["encrypted"]["nonce"].as_str().unwrap()),
        "this finds nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_key_that_its_devices_unwrap() {
    let Some(chromium) = chromium() else {
        return skipped("chromium", "no `chromium` on the PATH");
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = server(&origin).await;
    let page = format!("{origin}/account-test.html#{}", server.url);
    let said = said(chromium, listener, &page).await;
    for (what, begins) in [
        ("opened", "Write this down"),
        ("kept", "kept as not_"),
        ("wrong", "this is not the passphrase"),
        ("right", "signed in"),
        ("changed", "changed"),
        ("former", "this is not the passphrase"),
        ("latter", "signed in"),
    ] {
        assert!(
            said[what].as_str().unwrap().starts_with(begins),
            "{what}: {said}"
        );
    }
    assert_eq!(
        (&said["read"], &said["again"]),
        (&json!(["Diary"]), &json!(["Diary"]))
    );
    let recovery_key = said["opened"].as_str().unwrap().rsplit(' ').next().unwrap();
    for word in ["dear diary", "plum tractor", "velvet canoe", recovery_key] {
        assert!(!is_stored(&server, word), "`{word}` is on the server");
    }
    assert!(is_stored(&server, "PBKDF2-SHA-256$"), "this finds nothing");
}

#[test]
fn the_modules_are_tested_without_a_browser() {
    let version = Command::new("node").arg("--version").output();
    let version = version.map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version);
    let major = version.trim_start_matches('v').split('.').next();
    let major: Option<u32> = major.and_then(|major| major.parse().ok());
    if major.is_none_or(|major| major < 20) {
        return skipped("node", "no `node` of version 20 or later");
    }
    let tests = ["encrypted-notes", "account-key"];
    let tests = tests.map(|of| repository().join(format!("sdk/js/test/{of}.test.js")));
    let tested = Command::new("node")
        .arg("--test")
        .args(tests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{said}");
}
