//! The key of the caller's account, as it was wrapped.

use crate::encryption::{self, AccountKey, WrappedKey};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, NoStore, Result, Tagged, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// The key of an account, which this server cannot read.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountKey)]
pub(crate) struct AccountKeyView {
    wrapped: WrappedKey,
    /// Goes up by one whenever it is wrapped anew; also the `ETag`.
    revision: u64,
    /// When the account was opened.
    created_at: Time,
    /// When it was last wrapped.
    updated_at: Time,
}

/// Reads the key of the caller's account as it was wrapped, for whoever is signed in and for no program.
#[operation(
    get "/api/v1/auth/me/encryption", permission = "account:encryption", answers = "The key",
    refuses(
        not_found = "The account was opened without one",
        forbidden = "Whoever asks is not signed in with a session"
    )
)]
pub(crate) async fn get_account_key(caller: Caller) -> Result<(NoStore, Tagged<AccountKeyView>)> {
    let key = encryption::of(&caller).await?;
    Ok((NoStore, view(key)))
}

/// Has the key of the caller's account wrapped anew, for another passphrase or recovery key.
///
/// The key stays what it is, and so does all that it encrypted. With `If-Match` nobody overwrites what they have not read.
#[operation(
    put "/api/v1/auth/me/encryption", permission = "account:encryption",
    answers = "The key as it is wrapped now",
    refuses(
        conflict = "The account was opened without one, or it was wrapped anew at the same time",
        forbidden = "Whoever asks is not signed in with a session, or has to show once more who they are"
    )
)]
pub(crate) async fn wrap_account_key(
    caller: Caller,
    wanted: Preconditions,
    Json(wrapped): Json<WrappedKey>,
) -> Result<(NoStore, Tagged<AccountKeyView>)> {
    let key = encryption::wrap(&caller, wrapped, &wanted).await?;
    Ok((NoStore, view(key)))
}

fn view(key: AccountKey) -> Tagged<AccountKeyView> {
    Tagged {
        version: key.revision,
        body: AccountKeyView {
            wrapped: key.wrapped,
            revision: key.revision,
            created_at: key.created_at,
            updated_at: key.updated_at,
        },
    }
}
