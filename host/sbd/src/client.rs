//! The command line as a client of the admin API: of a server elsewhere, of the one that runs on the
//! data directory, or, when none runs, of the directory itself.

use crate::cli::Flags;
use crate::control;
use crate::data_dir::DataDir;
use crate::host::Host;
use crate::settings::{Environment, Settings};
use anyhow::{Context as _, bail};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use sbd_admin::{Actor, Api};
use sbd_backup::{Key, NewFile};
use serde_json::Value;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use tokio_util::io::ReaderStream;

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
        let sending = self.respond(method, path, content_type, body.into());
        let response = sending.await?;
        read(response).await
    }

    /// Sends a file, and returns the answer's JSON.
    ///
    /// # Errors
    /// The refusal, in words.
    pub(crate) async fn upload(&self, path: &str, file: File) -> anyhow::Result<Value> {
        let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
        let sending = self.respond(Method::POST, path, "application/x-tar", body);
        read(sending.await?).await
    }

    /// Asks, and shows each line of JSON of the answer when it comes.
    ///
    /// # Errors
    /// The refusal, in words.
    pub(crate) async fn follow(
        &self,
        method: Method,
        path: &str,
        mut show: impl FnMut(Value),
    ) -> anyhow::Result<()> {
        let response = self.respond(method, path, "application/json", Body::empty());
        let response = response.await?;
        if !response.status().is_success() {
            return read(response).await.map(drop);
        }
        let mut body = response.into_body();
        let mut begun = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.context("the answer broke off")?.into_data() else {
                continue;
            };
            begun.extend_from_slice(&data);
            while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = begun.drain(..=end).collect();
                show(serde_json::from_slice(&line)?);
            }
        }
        Ok(())
    }

    /// Writes the answer's body to a file, which must not be there yet and is its owner's alone; sealed, if
    /// there is a key. Answers its size.
    ///
    /// # Errors
    /// The refusal, in words; when the file is there, or cannot be written. Then none is left.
    pub(crate) async fn download(
        &self,
        path: &str,
        file: &Path,
        key: Option<&Key>,
    ) -> anyhow::Result<u64> {
        let mut written = NewFile::begin(file, key)?;
        let response = self.respond(Method::GET, path, "application/json", Body::empty());
        let response = response.await?;
        if !response.status().is_success() {
            read(response).await?;
            bail!("the server answered without an archive");
        }
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.context("the answer broke off")?.into_data() {
                let cannot = || format!("cannot write {}", file.display());
                written.write_all(&data).with_context(cannot)?;
            }
        }
        Ok(written.finish()?)
    }

    async fn respond(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{ROOT}{path}"))
            .header(header::HOST, "sbd")
            .header(header::CONTENT_TYPE, content_type);
        let Some(server) = &self.elsewhere else {
            let request = request.body(body)?;
            let data_dir = self.settings.data_dir();
            return match control::send(&data_dir, request).await? {
                Ok(answer) => Ok(answer.map(Body::new)),
                Err(unsent) => self.directly(unsent).await,
            };
        };
        self.remotely(server, request, body).await
    }

    async fn remotely(
        &self,
        server: &Uri,
        request: http::request::Builder,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        let token = self.settings.text("admin_token");
        if token.is_empty() {
            bail!(
                "--admin needs a token in SBD_ADMIN_TOKEN or SBD_ADMIN_TOKEN_FILE: an operator's, which `sbd operator create NAME` shows on the server, or an administrator's access token"
            );
        }
        let mut request = request
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(body)?;
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
        let response = response.with_context(|| {
            format!("cannot reach {server}; name the admin listener of a server that runs, as in --admin https://host:4748")
        })?;
        Ok(response.map(Body::new))
    }

    /// No server runs: this process is one, for one request.
    async fn directly(&self, request: Request<Body>) -> anyhow::Result<Response<Body>> {
        let data_dir = DataDir::take(&self.settings.data_dir(), false)?;
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
        Ok(Api::new(host.admin).respond(Actor::Owner, request).await)
    }
}

async fn read(response: Response<Body>) -> anyhow::Result<Value> {
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let message = answer.pointer("/error/message").and_then(Value::as_str);
    match message {
        Some(message) => bail!("{message}"),
        None => bail!("the server answered {status}; is it an sbd of the same version?"),
    }
}
