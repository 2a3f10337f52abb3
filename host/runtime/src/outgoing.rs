//! A guest's outgoing HTTP: to another component in process, or to a granted host.

use crate::body::{Body, BodyError};
use crate::caller::CALLER;
use crate::origin::{Current, Origin};
use crate::{Chained, Inner};
use http::uri::Scheme;
use http::{HeaderName, Request, Response};
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use sbd_manifest::AllowedHosts;
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime_wasi_http::{RequestOptions, WasiHttpHooks};

/// Most components that may call each other in one chain.
const DEEPEST_CHAIN: u8 = 16;

/// Waiting longer than this for an outside answer is the guest's to ask for.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);

/// The domain under which components reach each other, as in Spin.
const INTERNAL: &str = ".spin.internal";

pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

/// The hooks of one instance.
pub(crate) struct Outgoing {
    pub(crate) runtime: Weak<Inner>,
    pub(crate) tenant: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) allowed: Arc<AllowedHosts>,
    pub(crate) current: Current,
}

type Sent = (
    Response<Body>,
    Box<dyn Future<Output = Result<(), BodyError>> + Send>,
);

/// A pooled client for every guest of the process.
pub(crate) fn client() -> HttpClient {
    let provider = rustls::crypto::ring::default_provider();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .map(|builder| {
            builder
                .https_or_http()
                .enable_http1()
                .enable_http2()
                .build()
        });
    match connector {
        Ok(connector) => Client::builder(TokioExecutor::new()).build(connector),
        Err(never) => unreachable!("ring supports TLS 1.2 and 1.3: {never}"),
    }
}

// === impl Outgoing ===

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<Body>,
        options: Option<RequestOptions>,
        transferred: Box<dyn Future<Output = Result<(), BodyError>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, BodyError>> + Send> {
        drop(transferred);
        let origin = self.current.get();
        let host = request
            .uri()
            .host()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let response: Box<dyn Future<Output = _> + Send> =
            match host.trim_end_matches('.').strip_suffix(INTERNAL) {
                Some(component) => {
                    let component: Arc<str> = Arc::from(component);
                    Box::new(self.call_component(component, origin, request))
                }
                None => Box::new(self.call_host(request, options)),
            };
        Box::new(async move {
            let response = Box::into_pin(response).await?;
            let done: Box<dyn Future<Output = _> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, done))
        })
    }
}

impl Outgoing {
    /// Local service chaining: no socket, the caller carried along.
    fn call_component(
        &self,
        component: Arc<str>,
        origin: Option<Arc<Origin>>,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, BodyError>> + Send + 'static {
        let runtime = self.runtime.upgrade();
        let tenant = Arc::clone(&self.tenant);
        let granted = self.allowed.allows_component(&component);
        if !granted {
            self.refused(&self.allowed.line_to_add(
                "http",
                &format!("{component}{INTERNAL}"),
                None,
            ));
        }
        async move {
            if !granted {
                return Err(BodyError::HttpRequestDenied);
            }
            let runtime = runtime.ok_or(BodyError::DestinationUnavailable)?;
            if request.uri().path().starts_with("/-/") {
                return Err(BodyError::HttpRequestDenied);
            }
            // What the guest passed on must be ours; without it the running request's caller goes along.
            let caller = match request.headers().get(CALLER) {
                Some(header) => {
                    runtime.seal.open(header, &tenant).map_err(|error| {
                        tracing::warn!(%error, "caller refused");
                        BodyError::HttpRequestDenied
                    })?;
                    Some(header.clone())
                }
                None => origin.as_ref().and_then(|origin| origin.caller.clone()),
            };
            drop_platform_headers(request.headers_mut());
            let depth = origin
                .as_ref()
                .map_or(1, |origin| origin.depth.saturating_add(1));
            if depth > DEEPEST_CHAIN {
                return Err(BodyError::LoopDetected);
            }
            let request_id =
                origin.map_or_else(|| Arc::from("-"), |origin| Arc::clone(&origin.request_id));
            let chained = Chained {
                tenant,
                component,
                origin: Origin::new(request_id, caller, depth),
            };
            runtime
                .invoke(chained, request)
                .await
                .map_err(BodyError::from)
        }
    }

    /// A host outside, if granted.
    fn call_host(
        &self,
        request: Request<Body>,
        options: Option<RequestOptions>,
    ) -> impl Future<Output = Result<Response<Body>, BodyError>> + Send + 'static {
        let uri = request.uri();
        let scheme = uri.scheme_str().unwrap_or("https");
        let host = uri.host().unwrap_or_default();
        let port = uri
            .port_u16()
            .unwrap_or(if scheme == "http" { 80 } else { 443 });
        let granted = self.allowed.allows(scheme, host, port);
        if !granted {
            self.refused(&self.allowed.line_to_add(scheme, host, uri.port_u16()));
        }
        let client = self.runtime.upgrade().map(|runtime| runtime.client.clone());
        async move {
            if !granted {
                return Err(BodyError::HttpRequestDenied);
            }
            let client = client.ok_or(BodyError::DestinationUnavailable)?;
            let patience = options
                .and_then(|options| options.first_byte_timeout)
                .unwrap_or(FIRST_BYTE_TIMEOUT);
            let response = tokio::time::timeout(patience, client.request(request))
                .await
                .map_err(|_| BodyError::ConnectionReadTimeout)?
                .map_err(|error| {
                    if error.is_connect() {
                        BodyError::ConnectionRefused
                    } else {
                        BodyError::HttpProtocolError
                    }
                })?;
            Ok(response.map(|body| body.map_err(BodyError::Hyper).boxed_unsync()))
        }
    }

    fn refused(&self, line: &str) {
        tracing::warn!(
            tenant = &*self.tenant,
            component = &*self.component,
            "outgoing request refused; to allow it, add to [component.{}]: {line}",
            self.component
        );
    }
}

/// Removes every header that only the host may set.
pub(crate) fn drop_platform_headers(headers: &mut http::HeaderMap) {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("sbd-"))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
}

/// The scheme of a request that came in on a socket or from another component.
pub(crate) const INTERNAL_SCHEME: Scheme = Scheme::HTTP;
