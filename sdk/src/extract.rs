//! Extractors that answer bad input in the standard error body.

use crate::Error;
use crate::openapi::PathValues;
use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sbd_contract::Oversized;
use serde::Serialize;
use serde::de::{self, DeserializeOwned, Deserializer, Unexpected, Visitor};
use serde_path_to_error::Segment;
use wasip3::http::types::ErrorCode;

/// The JSON body of a request or an answer.
///
/// As an extractor it refuses: another content type (415), a body over the limit (413; 2 MiB unless
/// the router sets axum's `DefaultBodyLimit`), bad UTF-8, bad syntax and over 127 levels of nesting
/// (400), and what is JSON but not a `T` (422 with the field's path), as is a whole number that no `T`
/// could keep. Put
/// `#[serde(deny_unknown_fields)]` on request types, so that a misspelt field is refused as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

/// The query fields of the address. What is not a `T` is refused with 422 and the field's name;
/// put `#[serde(deny_unknown_fields)]` on `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

/// The variable parts of the path. What cannot be a `T` is 404: there is no such address, or no such
/// thing as the `T` identifies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Error::unsupported_media_type("application/json"));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(unreadable_body)?;
        let value = from_json(&body)?;
        let number = std::str::from_utf8(&body).ok().and_then(Oversized::find);
        match number {
            None => Ok(Self(value)),
            Some(number) => Err(Error::validation(number.field(), number.to_string())),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => Error::internal(error).into_response(),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        from_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Reads the query of an address as a `T`.
pub(crate) fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, Error> {
    let fields = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(fields)
        .map_err(|error| wrong_field(error.path(), &error.inner().to_string()))
}

impl<T: PathValues + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|rejection| match rejection {
                PathRejection::FailedToDeserializePathParams(bad)
                    if bad.status() == StatusCode::BAD_REQUEST =>
                {
                    match bad.kind() {
                        ErrorKind::InvalidUtf8InPathParam { .. } => Error::malformed(
                            "the path is not valid UTF-8; percent-encode UTF-8 bytes",
                        ),
                        _ => Error::not_found(T::NOUN),
                    }
                }
                other => Error::internal(other),
            })
    }
}

/// Reads a JSON text as a `T`, with the errors that `Json` answers.
///
/// # Errors
/// `MALFORMED_REQUEST` when it is not JSON, `VALIDATION_ERROR` when it is not a `T`.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Error::malformed("the body is not valid UTF-8; send JSON in UTF-8"))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = match text.trim_start().starts_with('[') {
        true => serde_path_to_error::deserialize(Array(&mut json)),
        false => serde_path_to_error::deserialize(&mut json),
    };
    // The first thing found wrong may be a type while the text breaks off further on: syntax and
    // nesting are judged for the whole text before types are.
    if let (Err(_), _) | (_, Err(_)) = (&value, json.end()) {
        serde_json::from_str::<serde_json::Value>(text).map_err(|error| match text.trim() {
            "" => Error::malformed("the body is empty; send a JSON object"),
            _ => Error::malformed(format!("the body is not valid JSON ({error}); correct it")),
        })?;
    }
    value.map_err(|error| wrong_field(error.path(), &error.inner().to_string()))
}

/// Reads an array, but not as a struct: serde would fill the fields by position, which nobody means.
struct Array<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Array<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        Err(de::Error::invalid_type(Unexpected::Seq, &visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unreadable_body(rejection: BytesRejection) -> Error {
    match &rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Error::body_too_large("the body is too large; send less at once")
        }
        other => broken_off(other),
    }
}

/// Why a body ended before its end.
pub(crate) fn broken_off(error: &(dyn std::error::Error + 'static)) -> Error {
    if exceeds_limit(error) {
        return Error::body_too_large("the body is too large; send less at once");
    }
    Error::malformed("the body broke off before its end; send it again whole")
}

/// The host ends a body that passes its limit with an error code that says so, and whoever limits it in the
/// component by an error of its own.
fn exceeds_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let code = cause.downcast_ref::<ErrorCode>();
        matches!(code, Some(ErrorCode::HttpRequestBodySize(_)))
            || cause.is::<http_body_util::LengthLimitError>()
    })
}

/// A value that has the right syntax and is not what is asked for.
fn wrong_field(path: &serde_path_to_error::Path, message: &str) -> Error {
    let mut field = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => field.push_str(&format!("[{index}]")),
            Segment::Map { key } => push_name(&mut field, key),
            Segment::Enum { variant } => push_name(&mut field, variant),
            Segment::Unknown => {}
        }
    }
    // Missing and unknown fields are reported at their parent; the message names them.
    let named = ["missing field `", "unknown field `", "duplicate field `"];
    let name = named
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    if let Some(name) = name.filter(|name| !field.ends_with(name)) {
        push_name(&mut field, name);
    }
    let message = message.split(" at line ").next().unwrap_or(message);
    Error::validation(field, message)
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by serde only")]
    struct Member {
        name: String,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by serde only")]
    struct Family {
        name: String,
        #[serde(default)]
        members: Vec<Member>,
    }

    fn refusal(body: &[u8]) -> (&'static str, String) {
        let error = from_json::<Family>(body).unwrap_err();
        let field = error.details().first().map(|detail| detail.field.clone());
        (error.code(), field.unwrap_or_default())
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = format!("{{\"name\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let bodies: [&[u8]; 8] = [
            b"",
            b"  ",
            b"{",
            b"{\"name\":\"a\"} x",
            b"{\"name\":1,",
            b"{\"name\":\"\xff\"}",
            b"{\"name\":\"\\ud800\"}",
            deep.as_bytes(),
        ];
        for body in bodies {
            assert_eq!(
                refusal(body).0,
                "MALFORMED_REQUEST",
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn what_is_json_of_another_shape_names_the_field() {
        let cases: [(&str, &str); 9] = [
            ("{}", "name"),
            ("[]", ""),
            (r#"["a"]"#, ""),
            ("1", ""),
            (r#"{"name":1}"#, "name"),
            (r#"{"name":"a","nick":1}"#, "nick"),
            (r#"{"name":"a","name":"b"}"#, "name"),
            (
                r#"{"name":"a","members":[{"name":"x"},{"name":null}]}"#,
                "members[1].name",
            ),
            (
                r#"{"name":"a","members":[{"name":"x","tags":["y",2]}]}"#,
                "members[0].tags[1]",
            ),
        ];
        for (body, field) in cases {
            assert_eq!(
                refusal(body.as_bytes()),
                ("VALIDATION_ERROR", field.to_owned()),
                "{body}"
            );
        }
    }

    #[test]
    fn a_good_body_is_read() {
        let family = from_json::<Family>(br#" {"name":"a","members":[{"name":"b"}]} "#).unwrap();
        assert_eq!((family.name.as_str(), family.members.len()), ("a", 1));
        let members = from_json::<Option<Vec<Member>>>(br#"[{"name":"b"}]"#).unwrap();
        assert_eq!(members.map(|members| members.len()), Some(1));
    }
}
