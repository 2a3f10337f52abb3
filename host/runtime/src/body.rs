//! HTTP bodies as they pass between socket, gateway and guests.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty, Full};

/// Why a body ended early.
pub type BodyError = wasmtime_wasi_http::Error;

/// A streamed body.
pub type Body = wasmtime_wasi_http::WasiBody;

/// A body of no bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body held in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that arrives on a connection.
pub fn from_incoming(incoming: hyper::body::Incoming) -> Body {
    if incoming.is_end_stream() {
        return empty();
    }
    incoming.map_err(BodyError::Hyper).boxed_unsync()
}
