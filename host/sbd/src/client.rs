//! The command line as a client of the admin API: of a server elsewhere, of the one that runs on the
//! data directory, or, when none runs, of the directory itself.

use crate::application::make_data_dir;
use crate::cli::Flags;
use crate::control::{self, Lock};
use crate::host::Host;
use crate::settings::{Environment, Settings};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use sbd_admin::{Actor, Api};
use serde_json::Value;

/// Where the admin API begins.
const ROOT: &str = "/admin/api/v1";

/// A way to the admin API.
pub(crate) struct Client<'a> {
    settings: &'a Settings,
    environment: &'a Environment,
    /// `--admin`, if given.
    elsewhere: Option<Uri>,
}

// === impl Client ===

impl<'a> Client<'a> {
    /// The way that flags and settings name.
    ///
    /// # Errors
    /// When `--admin` is no address.
    pub(crate) fn new(
        flags: &Flags,
        settings: &'a Settings,
        environment: &'a Environment,
    ) -> anyhow::Result<Self> {
        let elsewhere = flags.admin.as_deref().map(|text| {
            text.trim_end_matches('/')
                .parse::<Uri>()
                .ok()
                .filter(|uri| {
                    uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https"))
                })
                .with_context(|| format!("`{text}` is no address; write --admin https://host:4748"))
        });
        Ok(Self {
            settings,
            environment,
            elsewhere: elsewhere.transpose()?,
        })
    }

    /// Asks, and returns the answer's JSON (`null` when there is none).
    ///
    /// # Errors
    /// The refusal, in words.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.send(method, path, "application/json", body).await
    }

    /// As [`Client::ask`], with a body of another type.
    ///
    /// # Errors
    /// The refusal, in words.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{ROOT}{path}"))
            .header(header::HOST, "sbd")
            .header(header::CONTENT_TYPE, content_type);
        let (status, bytes) = match &self.elsewhere {
            Some(server) => self.remotely(server, request, body).await?,
            None => {
                let request = request.body(Full::new(body))?;
                match control::send(&self.settings.data_dir(), request.clone()).await? {
                    Some(answer) => {
                        let status = answer.status();
                        (status, answer.into_body().collect().await?.to_bytes())
                    }
                    None => self.directly(request).await?,
                }
            }
        };
        read(status, &bytes)
    }

    async fn remotely(
        &self,
        server: &Uri,
        request: http::request::Builder,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let token = self.settings.text("admin_token");
        if token.is_empty() {
            bail!(
                "--admin needs a token in SBD_ADMIN_TOKEN or SBD_ADMIN_TOKEN_FILE: an operator's, which `sbd operator create NAME` shows on the server, or an administrator's access token"
            );
        }
        let mut request = request
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::new(body))?;
        let path = request.uri().to_string();
        *request.uri_mut() = format!("{server}{path}")
            .replacen("//admin/", "/admin/", 1)
            .parse()?;
        request.headers_mut().remove(header::HOST);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = HttpClient::builder(TokioExecutor::new()).build(connector);
        let response = client.request(request).await;
        let response = response.with_context(|| format!("cannot reach {server}"))?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }

    /// No server runs: this process is one, for one request.
    async fn directly(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let data_dir = self.settings.data_dir();
        make_data_dir(&data_dir)?;
        let _lock = Lock::take(&data_dir)?;
        let open = |safe| Host::open(self.settings, self.environment, &data_dir, safe);
        let host = match open(false).await {
            Ok(host) => host,
            // Whoever wants to mend what was deployed must be able to.
            Err(error) => {
                let host = open(true).await.map_err(|_| error)?;
                eprintln!("sbd: what was deployed does not start and is left out");
                host
            }
        };
        let request = request.map(axum::body::Body::new);
        let response = Api::new(host.admin).respond(Actor::Owner, request).await;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
        Ok((status, body))
    }
}

fn read(status: StatusCode, bytes: &[u8]) -> anyhow::Result<Value> {
    let answer: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let message = answer.pointer("/error/message").and_then(Value::as_str);
    match message {
        Some(message) => bail!("{message}"),
        None => bail!("the server answered {status}; is it an sbd of the same version?"),
    }
}
