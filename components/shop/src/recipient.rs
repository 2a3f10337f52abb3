//! Whom something is bought for, if that is somebody else: a user who is there, by id or name.

use crate::neighbours::ask;
use http::Method;
use sbd_sdk::{Error, Result, id};
use serde::Deserialize;
use serde_json::json;

const USERS: &str = "/api/v1/auth/users";

/// Who somebody is, as the auth component says.
#[derive(Debug, Deserialize)]
struct Identity {
    id: String,
}

/// The id of the user of this id or name. Of a name nobody learns more than whoever would register it: that it is taken.
pub(crate) async fn find(named: &str) -> Result<String> {
    let found = match named {
        id if id::is("usr", id) => identity(id).await,
        name if is_name(name) => {
            let (path, body) = (format!("{USERS}/lookup"), json!({"identifier": name}));
            ask::<Identity>("auth", Method::POST, &path, None, Some(body)).await
        }
        _ => Err(Error::not_found("user")),
    };
    let found = found.map_err(|error| match error.code() {
        "NOT_FOUND" => {
            let message =
                "the id or the name of a user who is there; leave it out to buy for yourself";
            Error::validation("for", message)
        }
        _ => error,
    });
    Ok(found?.id)
}

/// Refuses for whom nothing is bought: whoever is there no more.
pub(crate) async fn require(user: &str) -> Result<()> {
    match identity(user).await {
        Err(error) if error.code() == "NOT_FOUND" => Err(Error::conflict(format!(
            "`{user}` is not there any more; take what is for them out of the cart"
        ))),
        found => found.map(drop),
    }
}

async fn identity(user: &str) -> Result<Identity> {
    let path = format!("{USERS}/{user}/identity");
    ask("auth", Method::GET, &path, None, None).await
}

/// Whether it can be a name. An address is none: nobody learns whose it is.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (3..=50).contains(&text.len()) && text.bytes().all(is_part)
}
