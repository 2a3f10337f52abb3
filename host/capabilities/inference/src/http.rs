//! Requests to servers that have models: pooled connections, bounded answers, and what their refusals mean.

use crate::Failure;
use crate::model::Error;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt as _};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// When whoever cannot be reached, or has no room, may be asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// Bytes of one line of a stream, at most.
const LINE: usize = 4 << 20;
/// Bytes of an answer that is no stream, at most.
const ANSWER: usize = 64 << 20;
/// Bytes of a refusal that are read, and characters of it that are told.
const REFUSAL: usize = 64 << 10;
const TOLD: usize = 300;

/// A server, and how to ask it.
#[derive(Clone)]
pub(crate) struct Server {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a slash at its end.
    address: String,
    authorization: Option<HeaderValue>,
}

// === impl Server ===

impl Server {
    /// The server of an address, which is asked with a key if it wants one.
    ///
    /// # Errors
    /// When the key cannot be sent, or TLS cannot be set up.
    pub(crate) fn new(address: &Url, key: Option<&str>) -> Result<Self, Error> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        http.enforce_http(false);
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| Error::Other(format!("TLS cannot be set up: {error}")))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            address: address.as_str().trim_end_matches('/').to_owned(),
            authorization: key.map(bearer).transpose()?,
        })
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it answers to a question without a body.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.send(Method::GET, path, Bytes::new()).await?;
        self.whole(response).await
    }

    /// What it answers, whole.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let response = self.post(path, body).await?;
        self.whole(response).await
    }

    /// What it answers, as it comes.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<Incoming>, Failure> {
        self.send_json(Method::POST, path, body).await
    }

    /// Any request with a body.
    pub(crate) async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<Incoming>, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Other(error.to_string()))?;
        self.send(method, path, body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let address = format!("{}{path}", self.address);
        let mut request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::ACCEPT, "application/json, text/event-stream");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &self.authorization {
            request = request.header(header::AUTHORIZATION, key);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Error::Other(error.to_string()))?;
        let answer = self.client.request(request).await;
        let response = answer.map_err(|error| {
            let unavailable = Error::Unavailable(format!("{} {}", self.address, causes(&error)));
            match error.is_connect() {
                true => Failure::again(unavailable, AGAIN),
                false => unavailable.into(),
            }
        })?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refusal(response).await),
        }
    }

    /// Reads an answer that is no stream.
    pub(crate) async fn whole<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, Failure> {
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| self.broke_off(&error.to_string()))?;
        Ok(self.read(&body.to_bytes())?)
    }

    /// Reads a piece of JSON that it said.
    pub(crate) fn read<T: DeserializeOwned>(&self, json: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(json).map_err(|error| {
            let address = &self.address;
            Error::Other(format!(
                "{address} answered what is not understood ({error}); check that it is the kind of server that it is configured as"
            ))
        })
    }

    /// That an answer ended before its end.
    pub(crate) fn broke_off(&self, why: &str) -> Error {
        Error::Unavailable(format!("the answer of {} broke off: {why}", self.address))
    }

    /// The lines of an answer, without what ends them. It ends where the answer ends, or breaks off.
    pub(crate) fn lines(
        &self,
        response: Response<Incoming>,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static + use<> {
        let server = self.clone();
        let begin = (Some(response.into_body()), BytesMut::new(), 0usize);
        stream::unfold(begin, move |(mut body, mut held, mut looked)| {
            let server = server.clone();
            async move {
                loop {
                    if let Some(end) = held[looked..].iter().position(|byte| *byte == b'\n') {
                        let mut line = held.split_to(looked + end + 1);
                        line.truncate(looked + end);
                        if line.last() == Some(&b'\r') {
                            line.truncate(line.len() - 1);
                        }
                        return Some((Ok(line.freeze()), (body, held, 0)));
                    }
                    looked = held.len();
                    if looked > LINE {
                        let error = server.broke_off("a line is longer than 4 MiB");
                        return Some((Err(error), (None, BytesMut::new(), 0)));
                    }
                    match body.as_mut()?.frame().await {
                        Some(Ok(frame)) => {
                            if let Ok(data) = frame.into_data() {
                                held.extend_from_slice(&data);
                            }
                        }
                        Some(Err(error)) => {
                            let error = server.broke_off(&causes(&error));
                            return Some((Err(error), (None, BytesMut::new(), 0)));
                        }
                        None if held.is_empty() => return None,
                        None => return Some((Ok(held.freeze()), (None, BytesMut::new(), 0))),
                    }
                }
            }
        })
        .boxed()
    }

    /// What a status that is no success means.
    async fn refusal(&self, response: Response<Incoming>) -> Failure {
        let (head, body) = response.into_parts();
        let retry = head.headers.get(header::RETRY_AFTER);
        let retry = retry.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let after = retry.map_or(AGAIN, Duration::from_secs);
        let read = Limited::new(body, REFUSAL).collect();
        let body = match tokio::time::timeout(CONNECT, read).await {
            Ok(Ok(body)) => body.to_bytes(),
            _ => Bytes::new(),
        };
        let (address, status) = (&self.address, head.status);
        let said = said(&body);
        let text = format!("{address} answered {status}{said}");
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Other(format!(
                "{address} answered {status}; give its key by `key_file` in [inference.backends.NAME]"
            ))
            .into(),
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = after.as_secs().max(1);
                let busy = Error::Busy(format!("{text}; ask again in {seconds} s"));
                Failure::again(busy, after)
            }
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Failure::again(Error::Unavailable(text), after),
            StatusCode::NOT_FOUND => Error::NoModel(format!(
                "{text}; `sbd model list` has the models that there are"
            ))
            .into(),
            _ if status.is_client_error() => Error::Invalid(text).into(),
            _ => Error::Unavailable(text).into(),
        }
    }
}

fn bearer(key: &str) -> Result<HeaderValue, Error> {
    let value = HeaderValue::try_from(format!("Bearer {key}"));
    let mut value = value.map_err(|_| {
        Error::Invalid("the key has signs that cannot be sent; check its file".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a refusal says in words, as such servers write it.
fn said(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &json["error"];
    let places = [&error["message"], error, &json["message"], &json["detail"]];
    let text = places.into_iter().find_map(serde_json::Value::as_str);
    match text {
        Some(text) => {
            let text: String = text.chars().take(TOLD).collect();
            format!(": {}", text.escape_debug())
        }
        None => String::new(),
    }
}

/// An error with what caused it, which alone says what is wrong.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
