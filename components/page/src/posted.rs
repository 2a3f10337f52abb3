//! What a form of a page sends.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::header;
use sbd_sdk::{Error, Result};
use serde::de::DeserializeOwned;

/// The field of every form by which it is known to be one of ours.
pub const TOKEN: &str = "form_token";

/// The fields that the scripts of Turnstile and hCaptcha add to a form, which has an element of theirs. Of both of
/// hCaptcha's the value is the same.
const CAPTCHA: [&str; 3] = [
    "cf-turnstile-response",
    "h-captcha-response",
    "g-recaptcha-response",
];

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";
/// Bytes that a form sends at most.
const MOST: usize = 64 * 1024;

/// The fields of a form, and the token that says which page it was on. Whose token it is, whoever reads the fields
/// checks first.
#[derive(Clone, Debug)]
pub struct Posted {
    token: String,
    captcha: Option<String>,
    fields: String,
}

// === impl Posted ===

impl Posted {
    fn new(body: &[u8]) -> Self {
        let mut fields = form_urlencoded::Serializer::new(String::new());
        let (mut token, mut captcha) = (String::new(), None);
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                TOKEN => token = value.into_owned(),
                name if CAPTCHA.contains(&name) => captcha = Some(value.into_owned()),
                name => drop(fields.append_pair(name, &value)),
            }
        }
        Self {
            token,
            captcha,
            fields: fields.finish(),
        }
    }

    /// The token, empty where there is none.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What shows that a person sent it, where the page asked for that.
    pub fn captcha(&self) -> Option<&str> {
        self.captcha.as_deref()
    }

    /// The fields.
    ///
    /// # Errors
    /// `MALFORMED_REQUEST` where one is missing, unknown or twice there: no page of ours sends that.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_urlencoded::from_str(&self.fields)
            .map_err(|wrong| Error::malformed(format!("this form is not one of ours ({wrong})")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(Error::unsupported_media_type(MEDIA_TYPE));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| Error::malformed("the form broke off; send it again"))?;
        match body.len() <= MOST {
            true => Ok(Self::new(&body)),
            false => Err(Error::body_too_large("the form is too large; write less")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Names {
        first: String,
        #[serde(default)]
        last: String,
    }

    #[test]
    fn fields_are_read_and_the_token_is_apart() {
        let posted = Posted::new(b"first=Ada+%26&form_token=t&last=L%C3%B6");
        assert_eq!(posted.token(), "t");
        let names = Names {
            first: "Ada &".to_owned(),
            last: "L\u{f6}".to_owned(),
        };
        assert_eq!(posted.read::<Names>().unwrap(), names);
        for wrong in [&b""[..], b"last=x", b"first=a&first=b", b"first=a&more=b"] {
            let error = Posted::new(wrong).read::<Names>().unwrap_err();
            assert_eq!(error.code(), "MALFORMED_REQUEST");
        }
        assert_eq!(Posted::new(b"first=a").token(), "");
        let solved = b"first=Ada&h-captcha-response=x%20y&g-recaptcha-response=x%20y";
        let solved = Posted::new(solved);
        assert_eq!(solved.captcha(), Some("x y"));
        assert!(solved.read::<Names>().is_ok() && posted.captcha().is_none());
    }
}
