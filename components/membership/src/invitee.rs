//! Whoever is to be invited: named by a username or an e-mail address, and found later by `auth`, so that
//! whoever invites learns nothing of whether there is such an account.

use axum::body::Body;
use axum::extract::Request;
use http::{StatusCode, header};
use sbd_sdk::{Error, Result, call, read_json, text};
use serde::Deserialize;
use serde_json::json;

/// A user, as the auth component knows them.
#[derive(Debug, Deserialize)]
struct Found {
    id: String,
}

/// Answers 422 to what is neither a username nor an e-mail address.
///
/// # Errors
/// `VALIDATION_ERROR` of the field `to`.
pub fn check(to: &str) -> Result<()> {
    let is_right = match to.contains('@') {
        true => is_address(to),
        false => {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            (3..=50).contains(&to.len()) && to.bytes().all(is_part)
        }
    };
    match is_right {
        true => Ok(()),
        false => Err(Error::validation(
            "to",
            "a username, or an e-mail address like `name@example.org`",
        )),
    }
}

/// Whether a text can be an address. Whether it is one, a mail shows.
fn is_address(text: &str) -> bool {
    let is_right = |c: char| c.is_ascii_graphic() && !"()<>[]:;,\\\"".contains(c);
    text.len() <= 254
        && text.chars().all(is_right)
        && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty()
                && domain.contains('.')
                && !domain.starts_with(['.', '-'])
                && !domain.ends_with(['.', '-'])
                && !domain.contains('@')
        })
}

/// The id of whom the auth component knows by this name or address.
///
/// # Errors
/// When it does not answer.
pub async fn find(to: &str) -> Result<Option<String>> {
    let body = json!({"identifier": text::key(to)});
    let request = Request::post("/api/v1/auth/users/lookup")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .map_err(Error::internal)?;
    let answer = call("auth", request).await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        _ => Ok(Some(read_json::<Found>(answer).await?.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_from_anything_else() {
        for right in ["bob", "Ada_L-1", "a@b.de", "x+y@mail.example.org"] {
            assert!(check(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "ab",
            "a b c",
            "bob!",
            "a@b",
            "@b.de",
            "a@.de",
            "a@b.de.",
            "a@b@c.de",
            "ä@b.de",
            "a\u{202E}bc",
            "a@b.de\nBcc: x",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(check(&"a".repeat(51)).is_err());
    }
}
