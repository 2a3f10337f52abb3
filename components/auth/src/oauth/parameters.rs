//! The fields of a request as OAuth sends them: form-encoded, each once.

use super::failure::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::{StatusCode, header};

/// The longest value: longer than any token of ours.
const MAX_VALUE: usize = 4096;
/// Fields of a request at most.
const MAX_FIELDS: usize = 50;

/// The fields of a query, or of a form.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

// === impl Parameters ===

impl Parameters {
    /// Reads them. One that is empty is as if it were not there (RFC 6749, 3.1).
    pub(crate) fn read(encoded: &[u8]) -> Self {
        let fields = form_urlencoded::parse(encoded).into_owned();
        Self(fields.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// Whether each is there once, and none is endless.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let names: Vec<_> = self.0.iter().map(|(name, _)| name).collect();
        let twice = names.iter().enumerate().any(|(at, name)| {
            let before = names.iter().take(at);
            before.into_iter().any(|other| other == name)
        });
        if twice || names.len() > MAX_FIELDS {
            return Err(Failure::request(
                "each field may be there once; leave one out",
            ));
        }
        match self.0.iter().all(|(_, value)| value.len() <= MAX_VALUE) {
            true => Ok(()),
            false => Err(Failure::request("a field has 4096 bytes at most")),
        }
    }

    /// A field, if it is there; none if it is there twice.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(other, _)| other == name);
        let value = values.next();
        value
            .filter(|_| values.next().is_none())
            .map(|(_, value)| value.as_str())
    }

    /// A field that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name)
            .ok_or_else(|| Failure::request(format!("`{name}` is missing; send it")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Failure::request(
                "send the fields with `Content-Type: application/x-www-form-urlencoded`",
            ));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::request("the body is too large; send less"),
            _ => Failure::request("the body broke off before its end; send it again whole"),
        })?;
        let parameters = Self::read(&body);
        parameters.check()?;
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_there_once() {
        let fields = Parameters::read(b"a=1&b=%20x+y&c=&d=1&d=2");
        assert_eq!(
            (fields.get("a"), fields.get("b")),
            (Some("1"), Some(" x y"))
        );
        for none in ["c", "d", "e"] {
            assert_eq!(fields.get(none), None, "{none}");
        }
        assert!(fields.check().is_err());
        assert!(Parameters::read(b"a=1&c=&c=2").check().is_ok());
        let long = format!("a={}", "x".repeat(MAX_VALUE + 1));
        assert!(Parameters::read(long.as_bytes()).check().is_err());
    }
}
