//! Calling another component of the same application.

use crate::{Error, context, extract, header};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request};
use http::{HeaderValue, StatusCode, Uri};
use serde::de::DeserializeOwned;
use wasip3::http::types::ErrorCode;
#[cfg(target_family = "wasm")]
use wasip3::http_compat::{http_from_wasi_response, http_into_wasi_request};

/// Sends a request to another component and returns its answer, whatever its status.
///
/// Only path and query of the request's address count; the caller and the id of the request being
/// answered go with it. In the manifest, `allowed_outbound_hosts` of this component names
/// `http://{component}.spin.internal`.
///
/// # Errors
/// When the component cannot be reached or does not answer in time.
pub async fn call(component: &str, mut request: Request) -> crate::Result<http::Response<Body>> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let address = format!("http://{component}.spin.internal{path}");
    *request.uri_mut() = Uri::try_from(address).map_err(Error::internal)?;
    if let Some(context) = context::current() {
        let headers = request.headers_mut();
        if let Some(caller) = &context.sealed_caller {
            headers.insert(header::CALLER, caller.clone());
        }
        if let Ok(id) = HeaderValue::from_str(&context.request_id) {
            headers.insert(header::REQUEST_ID, id);
        }
    }
    let unreachable = |code: ErrorCode| match code {
        ErrorCode::ConnectionLimitReached
        | ErrorCode::ConnectionTimeout
        | ErrorCode::HttpResponseTimeout => Error::overloaded(
            "a part of the service does not answer just now; try again in a moment",
            1,
        )
        .caused_by(format_args!(
            "component `{component}` does not answer: {code}"
        )),
        code => Error::internal(format_args!(
            "component `{component}` cannot be called: {code}"
        )),
    };
    send(request).await.map_err(unreachable)
}

/// Sends a request to a host outside and returns its answer, whatever its status. Redirects are not
/// followed. In the manifest, `allowed_outbound_hosts` of this component names the host.
///
/// # Errors
/// Why there is no answer: `HttpRequestDenied` when the host is not granted (the host's log has the
/// line to add), or what went wrong on the way.
pub async fn send(request: Request) -> Result<http::Response<Body>, ErrorCode> {
    #[cfg(not(target_family = "wasm"))]
    return crate::testing::outbound::send(request).await;
    #[cfg(target_family = "wasm")]
    {
        let request = http_into_wasi_request(request)?;
        let response = wasip3::http::client::send(request).await?;
        Ok(http_from_wasi_response(response)?.map(Body::new))
    }
}

/// Reads the JSON body of a successful answer of another component.
///
/// # Errors
/// When the status is not 2xx, or the body is no `T`.
pub async fn read_json<T: DeserializeOwned>(response: http::Response<Body>) -> crate::Result<T> {
    let status = response.status();
    let body = Bytes::from_request(Request::new(response.into_body()), &())
        .await
        .map_err(Error::internal)?;
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Err(Error::overloaded(
            "a part of the service is busy; try again in a moment",
            1,
        )),
        status if status.is_success() => extract::from_json(&body).map_err(Error::internal),
        status => Err(Error::internal(format_args!(
            "a called component answered {status}"
        ))),
    }
}
