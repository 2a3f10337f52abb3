//! Chromium, as a test drives it: over its own protocol for tools.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long anything may take in a browser.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    _profile: TempDir,
    socket: WebSocketStream<TcpStream>,
    page: Option<String>,
    last: u64,
    complaints: Vec<String>,
}

// === impl Browser ===

impl Browser {
    /// Starts one; says what is missing where there is none.
    pub async fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let is_there = |name: &&str| {
            let version = Command::new(name).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let Some(name) = names.into_iter().find(is_there) else {
            // libtest keeps back what `println!` prints in a test that passes.
            let mut shown = std::io::stdout();
            writeln!(shown, "SKIPPED-PEER: chromium: no `chromium` on the PATH").unwrap();
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new(name)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = profile.path().join("DevToolsActivePort");
        let begun = Instant::now();
        let (port, path) = loop {
            let said = std::fs::read_to_string(&address).unwrap_or_default();
            if let Some((port, path)) = said.trim().split_once('\n') {
                break (port.to_owned(), path.to_owned());
            }
            assert!(begun.elapsed() < PATIENCE, "the browser does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await;
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tokio_tungstenite::client_async(url, stream.unwrap())
            .await
            .unwrap();
        let mut browser = Self {
            process,
            _profile: profile,
            socket,
            page: None,
            last: 0,
            complaints: Vec::new(),
        };
        let target = json!({"url": "about:blank"});
        let target = browser.command("Target.createTarget", target).await;
        let page = json!({"targetId": target["targetId"], "flatten": true});
        let page = browser.command("Target.attachToTarget", page).await;
        browser.page = page["sessionId"].as_str().map(str::to_owned);
        browser.command("Log.enable", json!({})).await;
        browser.command("Runtime.enable", json!({})).await;
        // Without it no script runs before those of a page.
        browser.command("Page.enable", json!({})).await;
        Some(browser)
    }

    /// A command to the page, as the protocol has it; answers its result.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn command(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": params});
        if let Some(page) = &self.page {
            command["sessionId"] = json!(page);
        }
        let command = Message::text(command.to_string());
        self.socket.send(command).await.unwrap();
        loop {
            let said = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let said = said.unwrap_or_else(|_| panic!("no answer to {method}"));
            let said = said.unwrap().unwrap();
            let Ok(said) = serde_json::from_slice::<Value>(&said.into_data()) else {
                continue;
            };
            if said["id"] == self.last {
                return match &said["error"] {
                    Value::Null => Ok(said["result"].clone()),
                    error => Err(error.clone()),
                };
            }
            self.hear(&said);
        }
    }

    /// Keeps what the browser complains of: an error of a script, or what a page may not do. That an answer has a
    /// status of its own is not one.
    fn hear(&mut self, said: &Value) {
        let entry = &said["params"]["entry"];
        let complains = match said["method"].as_str() {
            Some("Log.entryAdded") => entry["level"] == "error" && entry["source"] != "network",
            Some("Runtime.exceptionThrown") => true,
            _ => false,
        };
        if complains {
            self.complaints.push(said["params"].to_string());
        }
    }

    /// What the browser has complained of since it was asked last.
    pub async fn complaints(&mut self) -> Vec<String> {
        // What it says before it answers is heard.
        self.command("Runtime.evaluate", json!({"expression": "0"}))
            .await;
        std::mem::take(&mut self.complaints)
    }

    /// Waits until an expression of JavaScript is true, on whatever page that is.
    ///
    /// # Panics
    /// When it does not become so.
    pub async fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        let evaluate = json!({"expression": expression, "returnByValue": true});
        loop {
            // A page that is left answers with an error.
            let is = self.ask("Runtime.evaluate", evaluate.clone()).await;
            if is.is_ok_and(|is| is["result"]["value"] == true) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not so: {expression}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Presses a key: `Tab`, `Enter`, ` `.
    ///
    /// # Panics
    /// When the browser has no such key.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            other => panic!("{other} is no key here"),
        };
        let mut event = json!({
            "type": "keyDown", "key": key, "code": if key == " " { "Space" } else { key },
            "windowsVirtualKeyCode": code, "text": text,
        });
        self.command("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = json!("keyUp");
        self.command("Input.dispatchKeyEvent", event).await;
    }

    /// Types a text where the focus is.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn type_in(&mut self, text: &str) {
        self.command("Input.insertText", json!({"text": text}))
            .await;
    }

    /// Goes to an address, and waits until the page is there.
    ///
    /// # Panics
    /// When it does not load.
    pub async fn go(&mut self, url: &str) {
        let gone = self.command("Page.navigate", json!({"url": url})).await;
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        let begun = Instant::now();
        let there = "location.href !== 'about:blank' && document.readyState === 'complete'";
        while self.evaluate(there).await != true {
            assert!(begun.elapsed() < PATIENCE, "{url} does not load");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What an expression of JavaScript is in the page, once its promise is kept.
    ///
    /// # Panics
    /// When it throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let evaluate = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let done = self.command("Runtime.evaluate", evaluate).await;
        assert!(done["exceptionDetails"].is_null(), "{expression}: {done}");
        done["result"]["value"].clone()
    }

    /// The page as a picture (PNG).
    ///
    /// # Panics
    /// When there is none.
    pub async fn picture(&mut self) -> Vec<u8> {
        let picture = self.command("Page.captureScreenshot", json!({})).await;
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// A device that keeps passkeys and has its user verified; answers its id.
    ///
    /// # Panics
    /// When the browser has no such devices.
    pub async fn with_passkeys(&mut self) -> Value {
        self.command("WebAuthn.enable", json!({})).await;
        let options = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
        });
        let options = json!({"options": options});
        let device = self
            .command("WebAuthn.addVirtualAuthenticator", options)
            .await;
        device["authenticatorId"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
