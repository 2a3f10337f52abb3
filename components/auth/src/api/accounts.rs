//! Opening an account, and reading one's own.

use crate::activity::{self, Wanted};
use crate::api::lockdown::BoundsView;
use crate::api::oauth::ConsentView;
use crate::api::passkeys::PasskeyView;
use crate::api::permanent::PermanentTokenView;
use crate::api::providers::ProviderLink;
use crate::api::sessions::SessionView;
use crate::encryption::WrappedKey;
use crate::model::{Device, User};
use crate::{captcha, contact, export, network_policy, registration, rename, store};
use http::{HeaderMap, HeaderName, header};
use sbd_sdk::audit::Entry;
use sbd_sdk::time::Time;
use sbd_sdk::{
    By, Caller, Created, Error, Json, NoContent, NoStore, Path, Query, Result, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That an answer is to be kept as a file.
type AsFile = (NoStore, [(HeaderName, &'static str); 1]);

const AS_FILE: AsFile = (
    NoStore,
    [(
        header::CONTENT_DISPOSITION,
        "attachment; filename=\"account.json\"",
    )],
);

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterRequest {
    /// 3 to 50 characters out of a-z, A-Z, 0-9, `_` and `-`; unique without regard to case.
    #[schema(
        min_length = 3,
        max_length = 50,
        pattern = "^[a-zA-Z0-9_-]+$",
        example = "ada"
    )]
    username: String,
    /// Unique without regard to case.
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    /// At least 8 characters and at most 1024 bytes, with an upper-case letter, a lower-case letter,
    /// a digit and another character; without control characters and the username, and not easy to guess.
    #[schema(
        format = Password,
        min_length = 8,
        max_length = 1024,
        example = "Correct-horse-7"
    )]
    password: String,
    /// The code of an invitation, where it takes one.
    #[serde(default)]
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    invitation: Option<String>,
    /// The key that the owner's clients encrypt with, wrapped so that the server cannot read it. It is chosen here or
    /// not at all.
    #[serde(default)]
    encryption: Option<WrappedKey>,
    /// What shows that there is a person, where that is asked for: see `GET /api/v1/auth/captcha`.
    #[serde(default)]
    captcha: Option<String>,
}

/// An account, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// The user's id.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    id: String,
    /// The name.
    username: String,
    /// The e-mail address.
    email: String,
    /// Whether its owner has shown that they read what is sent there.
    email_verified: bool,
    /// Whether there is a password: whoever has none signs in by passkeys.
    has_password: bool,
    /// What the user may do.
    roles: Vec<String>,
    /// When the account was opened.
    created_at: Time,
}

/// Opens an account. Sign in afterwards.
#[operation(
    post "/api/v1/auth/register", answers = "Opened",
    location = "Where the account is read, once signed in",
    refuses(
        conflict = "Name or address is taken; whoever chooses one must know",
        forbidden = "It takes an invitation, or an answer that shows that there is a person, or nobody opens an account here, or from this network",
        token_invalid = "The code is not known, is for another address, was used, or has run out"
    )
)]
pub(crate) async fn register(
    headers: HeaderMap,
    Json(new): Json<RegisterRequest>,
) -> Result<Created<UserView>> {
    let device = Device::of(&headers).showing(new.captcha);
    network_policy::require(&device).await?;
    captcha::required(&device).await?;
    let invitation = new.invitation.as_deref();
    let key = new.encryption.as_ref();
    let user =
        registration::register(&new.username, &new.email, &new.password, invitation, key).await?;
    Created::at("/api/v1/auth/me", &UserView::from(user))
}

/// Reads the caller's own account.
#[operation(get "/api/v1/auth/me", permission = "account:read", answers = "The account")]
pub(crate) async fn get_me(caller: Caller) -> Result<Json<UserView>> {
    let user = store::USERS.get(&caller.user).await?;
    user.map(|user| Json(user.into()))
        .ok_or_else(Error::unauthenticated)
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameChange {
    /// 3 to 50 characters out of a-z, A-Z, 0-9, `_` and `-`; unique without regard to case.
    #[schema(
        min_length = 3,
        max_length = 50,
        pattern = "^[a-zA-Z0-9_-]+$",
        example = "ada"
    )]
    username: String,
    /// The account's. Whoever has none shows once more who they are before (`POST /api/v1/auth/me/confirm/passkey`).
    #[serde(default)]
    #[schema(format = Password, max_length = 1024, example = "Correct-horse-7")]
    password: String,
}

/// Calls the caller something else. The name before is anybody's then.
#[operation(
    put "/api/v1/auth/me/username", permission = "account:write", answers = "Changed",
    refuses(
        conflict = "The name is taken; whoever chooses one must know",
        rate_limited = "Too many wrong passwords; see `Retry-After`"
    )
)]
pub(crate) async fn rename_account(
    caller: Caller,
    Json(change): Json<NameChange>,
) -> Result<NoContent> {
    rename::rename(&caller, &change.password, &change.username).await?;
    Ok(NoContent)
}

/// All there is of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountExport {
    account: UserView,
    sessions: Vec<SessionView>,
    permanent_tokens: Vec<PermanentTokenView>,
    passkeys: Vec<PasskeyView>,
    /// What programs of others may do for the caller.
    consents: Vec<ConsentView>,
    /// By whom the caller signs in.
    providers: Vec<ProviderLink>,
    /// From where the account is used, if not from anywhere.
    lockdown: Option<BoundsView>,
    /// What was done with the account, the newest first: the last 5000 entries at least.
    activity: Vec<Entry>,
}

/// Exports all that is known here of the caller, without secrets, as a file.
#[operation(
    get "/api/v1/auth/me/export", permission = "account:read", answers = "The account and all about it"
)]
pub(crate) async fn export_account(caller: Caller) -> Result<(AsFile, Json<AccountExport>)> {
    let export = export::of(&caller).await?;
    let sessions = export.sessions.into_iter();
    Ok((
        AS_FILE,
        Json(AccountExport {
            account: export.user.into(),
            sessions: sessions
                .map(|session| SessionView::new(session, &caller))
                .collect(),
            permanent_tokens: export.tokens.into_iter().map(Into::into).collect(),
            passkeys: export.passkeys.into_iter().map(Into::into).collect(),
            consents: export.consents.into_iter().map(Into::into).collect(),
            providers: export.links.into_iter().map(Into::into).collect(),
            lockdown: export.lockdown.map(|lockdown| lockdown.bounds.into()),
            activity: export.activity,
        }),
    ))
}

/// A page of what was done with an account, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountActivity {
    items: Vec<Entry>,
    /// Where the next page begins; none on the last one.
    next: Option<String>,
}

/// Lists what was done with the caller's account, by whom and when, the newest first.
#[operation(
    get "/api/v1/auth/me/activity", permission = "account:read", answers = "A page of it"
)]
pub(crate) async fn list_account_activity(
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<AccountActivity>> {
    let page = activity::page(&caller, wanted).await?;
    Ok(Json(AccountActivity {
        items: page.entries,
        next: page.next,
    }))
}

/// Where a user is reached.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserContact {
    /// The name.
    username: String,
    /// The e-mail address.
    email: String,
}

/// Reads where a user is reached.
///
/// For the components of this server alone, which send what users are to be told; whoever is switched off
/// is not reached.
#[operation(
    get "/api/v1/auth/users/{id}/contact", permission = "account:contact", answers = "Name and address",
    parameters(id = "The user's id"),
    refuses(
        forbidden = "Whoever asks is no component that acts for itself",
        not_found = "No user who may sign in"
    )
)]
pub(crate) async fn get_user_contact(
    By(principal): By,
    Path(id): Path<String>,
) -> Result<(NoStore, Json<UserContact>)> {
    let user = contact::of(&id, &principal).await?;
    let contact = UserContact {
        username: user.username,
        email: user.email,
    };
    Ok((NoStore, Json(contact)))
}

/// Reads who a user is.
///
/// For the components of this server alone; nobody finds whoever is switched off.
#[operation(
    get "/api/v1/auth/users/{id}/identity", permission = "account:contact", answers = "Who it is",
    parameters(id = "The user's id"),
    refuses(
        forbidden = "Whoever asks is no component that acts for itself, nor the shop",
        not_found = "No user who may sign in"
    )
)]
pub(crate) async fn get_user_identity(
    By(principal): By,
    Path(id): Path<String>,
) -> Result<(NoStore, Json<UserIdentity>)> {
    let user = contact::identity(&id, &principal).await?;
    Ok((NoStore, Json(user.into())))
}

/// By what a user is looked up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserLookup {
    /// A username or an e-mail address.
    #[schema(min_length = 1, max_length = 254, example = "ada")]
    identifier: String,
}

/// Who somebody is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserIdentity {
    /// The user's id.
    id: String,
    /// The name.
    username: String,
}

/// Finds a user by name or address.
///
/// For the components of this server alone, which do not say whether there is such a user; nobody finds whoever
/// is switched off.
#[operation(
    post "/api/v1/auth/users/lookup", permission = "account:contact", effect = read,
    answers = "Who it is",
    refuses(
        forbidden = "Whoever asks is no component that acts for itself, nor the shop that asks for a name",
        not_found = "No user who may sign in"
    )
)]
pub(crate) async fn look_up_user(
    By(principal): By,
    Json(input): Json<UserLookup>,
) -> Result<(NoStore, Json<UserIdentity>)> {
    let right = 1..=254;
    if !right.contains(&input.identifier.chars().count()) {
        return Err(Error::validation("identifier", "1 to 254 characters"));
    }
    let user = contact::by_identifier(&input.identifier, &principal).await?;
    Ok((NoStore, Json(user.into())))
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            has_password: user.hash().is_some(),
            id: user.id,
            username: user.username,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            roles: user.roles,
            created_at: user.created_at,
        }
    }
}

impl From<User> for UserIdentity {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
        }
    }
}
