//! The name of one request, in its answer, in each log line and in each error.

use http::HeaderValue;
use std::sync::Arc;
use uuid::Uuid;

const PREFIX: &str = "req_";

/// `req_` and a UUID v7. Always made here: an id from outside could name another's request.
pub(crate) struct RequestId {
    pub(crate) text: Arc<str>,
    pub(crate) header: HeaderValue,
}

impl RequestId {
    pub(crate) fn new() -> Self {
        let mut digits = Uuid::encode_buffer();
        let digits = Uuid::now_v7().simple().encode_lower(&mut digits);
        let mut text = String::with_capacity(PREFIX.len() + digits.len());
        text.push_str(PREFIX);
        text.push_str(digits);
        Self {
            header: HeaderValue::from_str(&text)
                .unwrap_or_else(|_| HeaderValue::from_static(PREFIX)),
            text: Arc::from(text),
        }
    }
}
