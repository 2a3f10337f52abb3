//! What answers must look like.

use reqwest::Response;
use serde_json::Value;

/// Asserts the standard error body with this status and code, and returns it.
pub async fn assert_error(response: Response, status: u16, code: &str) -> Value {
    let got = response.status().as_u16();
    let id = response.headers().get("x-request-id");
    let id = id.map(|id| id.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    assert_standard(&text, id.as_deref(), code)
}

/// Asserts that a text is the standard error body with this code and the request id of the
/// `x-request-id` header, and returns it.
pub fn assert_standard(text: &str, request_id: Option<&str>, code: &str) -> Value {
    let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    let error = &body["error"];
    assert_eq!(error["code"], code, "{text}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{text}"
    );
    assert!(
        error["request_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("req_")),
        "{text}"
    );
    assert_eq!(
        error["request_id"].as_str(),
        request_id,
        "body and header name different requests"
    );
    body
}

/// Asserts the status of an answer and returns its JSON.
pub async fn json(response: Response, status: u16) -> Value {
    let got = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}
