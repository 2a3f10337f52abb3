//! The fields of a request as OAuth sends them: form-encoded, each once. Who the client is may stand in the header
//! `Authorization: Basic` instead (RFC 6749, 2.3.1): it is read as the fields it stands for.

use super::failure::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};

/// The longest value: longer than any token of ours.
const MAX_VALUE: usize = 4096;
/// Fields of a request at most.
const MAX_FIELDS: usize = 50;

/// The fields of a query, or of a form.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    fields: Vec<(String, String)>,
    /// Whether the client says by the header who it is.
    by_header: bool,
}

// === impl Parameters ===

impl Parameters {
    /// Reads them. One that is empty is as if it were not there (RFC 6749, 3.1).
    pub(crate) fn read(encoded: &[u8]) -> Self {
        let fields = form_urlencoded::parse(encoded).into_owned();
        Self {
            fields: fields.filter(|(_, value)| !value.is_empty()).collect(),
            by_header: false,
        }
    }

    /// Whether each is there once, and none is endless.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let names: Vec<_> = self.fields.iter().map(|(name, _)| name).collect();
        let twice = names.iter().enumerate().any(|(at, name)| {
            let before = names.iter().take(at);
            before.into_iter().any(|other| other == name)
        });
        if twice || names.len() > MAX_FIELDS {
            return Err(Failure::request(
                "each field may be there once; leave one out",
            ));
        }
        match self
            .fields
            .iter()
            .all(|(_, value)| value.len() <= MAX_VALUE)
        {
            true => Ok(()),
            false => Err(Failure::request("a field has 4096 bytes at most")),
        }
    }

    /// With who the client is by its header, if it has one.
    fn shown_by(mut self, headers: &HeaderMap) -> Result<Self, Failure> {
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return Ok(self);
        };
        self.by_header = true;
        let (id, secret) = basic(shown.as_bytes()).ok_or_else(|| self.unknown_client())?;
        if self.get("client_secret").is_some() {
            return Err(Failure::request(
                "the client shows who it is twice; leave out the header or `client_secret`",
            ));
        }
        if self.get("client_id").is_some_and(|other| other != id) {
            return Err(self.unknown_client());
        }
        self.fields.retain(|(name, _)| name != "client_id");
        let client = [("client_id", id), ("client_secret", secret)];
        let client = client.map(|(name, value)| (name.to_owned(), value));
        self.fields
            .extend(client.into_iter().filter(|(_, value)| !value.is_empty()));
        Ok(self)
    }

    /// Whoever asks is no client, or does not show that it is this one; told in the way in which it was shown.
    pub(crate) fn unknown_client(&self) -> Failure {
        match self.by_header {
            true => Failure::client().challenging(),
            false => Failure::client(),
        }
    }

    /// A field, if it is there; none if it is there twice.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other == name);
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
        let headers = request.headers().clone();
        let kind = headers.get(header::CONTENT_TYPE);
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
        parameters.shown_by(&headers)
    }
}

/// The id and the secret of a client in such a header; each is form-encoded in it.
fn basic(shown: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = shown.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || encoded.len() > MAX_VALUE {
        return None;
    }
    let pair = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    // As the name of a field: it is decoded likewise.
    let decoded = |text: &str| {
        let mut fields = form_urlencoded::parse(text.as_bytes());
        let first = fields.next().map(|(name, _)| name.into_owned());
        first.unwrap_or_default()
    };
    Some((decoded(id), decoded(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_shows_who_it_is_by_its_header_or_by_fields() {
        let shown = |header: &str, body: &str| {
            let value = header.parse().map_err(|_| Failure::client())?;
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            Parameters::read(body.as_bytes()).shown_by(&headers)
        };
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (header, body) in [
            (basic("ocl_1:ocs_2%2B"), ""),
            (basic("ocl_1:ocs_2%2B"), "client_id=ocl_1"),
            (basic("ocl%5F1:ocs_2%2b").replace("Basic", "bASIC"), "a=b"),
        ] {
            let fields = shown(&header, body).unwrap_or_default();
            let read = (fields.get("client_id"), fields.get("client_secret"));
            assert_eq!(read, (Some("ocl_1"), Some("ocs_2+")), "{header} {body}");
        }
        // A public client has no secret.
        let public = shown(&basic("ocl_1:"), "").unwrap_or_default();
        assert_eq!(
            (public.get("client_id"), public.get("client_secret")),
            (Some("ocl_1"), None)
        );
        for (header, body, code) in [
            (
                basic("ocl_1:ocs_2"),
                "client_secret=ocs_2",
                "invalid_request",
            ),
            (basic("ocl_1:ocs_2"), "client_id=ocl_2", "invalid_client"),
            (basic("ocl_1"), "", "invalid_client"),
            ("Basic !".to_owned(), "", "invalid_client"),
            ("Basic".to_owned(), "", "invalid_client"),
            ("Bearer x".to_owned(), "", "invalid_client"),
            (
                basic(&format!("a:{}", "x".repeat(MAX_VALUE))),
                "",
                "invalid_client",
            ),
        ] {
            let refused = shown(&header, body).err();
            assert_eq!(
                refused.map(|refused| refused.code),
                Some(code),
                "{header} {body}"
            );
        }
    }

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
