//! A running gateway for one test.

use crate::fake::Fake;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use sbd_gateway::{Gateway, GatewayConfig};
use sbd_manifest::{App, LoadOptions};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes; a test that runs into it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const MANIFEST: &str = r#"
spin_manifest_version = 2

[application]
name = "gateway-test"
version = "1.2.3"
description = "Tests <the> gateway"

[application.tool.sbd]
auth = "auth"

[[trigger.http]]
route = "/api/v1/auth/..."
component = "auth"

[[trigger.http]]
route = "/.well-known/oauth-protected-resource/..."
component = "auth"

[[trigger.http]]
route = "/api/v1/echo/..."
component = "echo"

[[trigger.http]]
route = "/echo/..."
component = "echo"

[[trigger.http]]
route = "/users/:user/posts/:post"
component = "echo"

[[trigger.http]]
route = "/other/..."
component = "other"

[[trigger.http]]
route = "/robots.txt"
static_response = { status_code = 200, headers = { content-type = "text/plain" }, body = "User-agent: *" }

[component.auth]
source = "auth.wasm"

[component.echo]
source = "echo.wasm"

[component.other]
source = "other.wasm"
"#;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Fake,
    pub(crate) gateway: Gateway<Fake>,
    pub(crate) client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

/// The application of a manifest.
pub(crate) fn app(manifest: &str) -> App {
    App::parse(
        manifest,
        "spin.toml",
        Path::new("/app"),
        &LoadOptions::default(),
    )
    .unwrap()
    .app
}

/// The usual manifest with more settings of the application, in TOML.
pub(crate) fn manifest_with(settings: &str) -> String {
    MANIFEST.replace(
        "[application.tool.sbd]",
        &format!("[application.tool.sbd]\n{settings}"),
    )
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(GatewayConfig::default()).await
    }

    pub(crate) async fn with(config: GatewayConfig) -> Self {
        Self::serving(config, MANIFEST).await
    }

    pub(crate) async fn of(manifest: &str) -> Self {
        Self::serving(GatewayConfig::default(), manifest).await
    }

    /// With components that offer these documents.
    pub(crate) async fn offering<const N: usize>(offers: [(&str, Value); N]) -> Self {
        let fake = Fake::default();
        for (component, document) in &offers {
            fake.offers(component, document);
        }
        Self::before(fake, GatewayConfig::default(), MANIFEST).await
    }

    pub(crate) async fn serving(config: GatewayConfig, manifest: &str) -> Self {
        Self::before(Fake::default(), config, manifest).await
    }

    pub(crate) async fn before(fake: Fake, config: GatewayConfig, manifest: &str) -> Self {
        let gateway = Gateway::new(config, fake.clone(), &app(manifest)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let gateway = gateway.clone();
            async move {
                gateway
                    .serve(listener, async {
                        let _ = stopped.await;
                    })
                    .await;
            }
        });
        Self {
            address,
            fake,
            gateway,
            client: reqwest::Client::builder()
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            stop: Some(stop),
            serving,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// Begins shutdown.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until `serve` has returned.
    pub(crate) async fn stopped(self) {
        tokio::time::timeout(PATIENCE, self.serving)
            .await
            .unwrap()
            .unwrap();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are and returns all that comes back until the server closes.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        raw(self.address, bytes).await
    }
}

/// As [`Server::raw`], with any listener.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has refused already may close before all is written.
    let _ = stream.write_all(bytes.as_ref()).await;
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match tokio::time::timeout(PATIENCE, stream.read(&mut chunk))
            .await
            .expect("the server closes")
        {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&chunk[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The answer is an error in the standard form: returns its code.
pub(crate) async fn error(response: Response, status: u16) -> String {
    assert_eq!(
        response.status(),
        StatusCode::from_u16(status).unwrap(),
        "{}",
        response.url()
    );
    assert_eq!(response.headers()["content-type"], "application/json");
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let body: Value = response.json().await.unwrap();
    standard(&body, &id)
}

/// Checks a standard error body and returns its code.
pub(crate) fn standard(body: &Value, request_id: &str) -> String {
    let error = &body["error"];
    assert_eq!(error["request_id"], request_id);
    let message = error["message"].as_str().unwrap();
    assert!(
        !message.is_empty() && !message.contains("secret"),
        "{message}"
    );
    assert_eq!(body.as_object().unwrap().len(), 1);
    error["code"].as_str().unwrap().to_owned()
}

/// A raw answer taken apart: status, head, body.
pub(crate) fn parts(answer: &str) -> (u16, String, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (
        status.unwrap_or(0),
        head.to_ascii_lowercase(),
        body.to_owned(),
    )
}
