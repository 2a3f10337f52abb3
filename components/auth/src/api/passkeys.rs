//! Passkeys of the caller, and signing in by one.

use super::accounts::UserView;
use super::second_factor::FirstStep;
use super::tokens::{Welcome, pass, welcome};
use crate::model::{Device, Mode};
use crate::passkeys::{self, NewAccount, Options, Party, Passkey, PasskeyId, PasskeySort};
use crate::sessions::Revoked;
use http::HeaderMap;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Json, Listing, NoContent, NoStore, Path, Result, operation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

/// What a browser has a passkey made by: `PublicKeyCredential.parseCreationOptionsFromJSON` reads it.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Object)]
pub(crate) struct PasskeyCreationOptions(Value);

/// What a browser asks a passkey by: `PublicKeyCredential.parseRequestOptionsFromJSON` reads it.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Object)]
pub(crate) struct PasskeyRequestOptions(Value);

fn made() -> Object {
    let example = json!({
        "id": "tWqzvUxC", "rawId": "tWqzvUxC", "type": "public-key",
        "response": {
            "clientDataJSON": "eyJ0eXBlIjoi", "attestationObject": "o2NmbXRk", "transports": ["internal"],
        },
    });
    credential(
        "What `navigator.credentials.create` gave, by its `toJSON`.",
        example,
    )
}

fn given() -> Object {
    let example = json!({
        "id": "tWqzvUxC", "rawId": "tWqzvUxC", "type": "public-key",
        "response": {
            "clientDataJSON": "eyJ0eXBlIjoi", "authenticatorData": "SZYN5YgO",
            "signature": "MEUCIQDx", "userHandle": "kVQxZ2Fz",
        },
    });
    credential(
        "What `navigator.credentials.get` gave, by its `toJSON`.",
        example,
    )
}

fn credential(description: &str, example: Value) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .examples([example])
        .build()
}

/// A passkey that was made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 100, example = "my phone")]
    name: String,
    #[schema(schema_with = made)]
    credential: RegisterPublicKeyCredential,
}

/// Who wants an account without a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyAccountRequest {
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
    /// The code of an invitation, where it takes one.
    #[serde(default)]
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    invitation: Option<String>,
    /// What shows that there is a person, where that is asked for: see `GET /api/v1/auth/captcha`.
    #[serde(default)]
    captcha: Option<String>,
}

/// A new account without a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskeyAccount {
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
    /// The code of an invitation, where it takes one.
    #[serde(default)]
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    invitation: Option<String>,
    /// What its owner calls the passkey.
    #[schema(min_length = 1, max_length = 100, example = "my phone")]
    name: String,
    #[schema(schema_with = made)]
    credential: RegisterPublicKeyCredential,
}

/// An account that was just opened with a passkey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedByPasskey {
    account: UserView,
    /// For who loses the passkey: each takes the second step once, after a new password by mail. They are not shown again.
    #[schema(example = json!(["abcd-efgh-jkmn-pqrs"]))]
    backup_codes: Vec<String>,
}

/// Another name of a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyName {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 100, example = "my old phone")]
    name: String,
}

/// A passkey's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyAnswer {
    #[schema(schema_with = given)]
    credential: PublicKeyCredential,
}

/// Who signs in by a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyLoginRequest {
    #[schema(schema_with = given)]
    credential: PublicKeyCredential,
    /// A pass that was made beforehand, for who is where the account is not used from.
    #[serde(default)]
    #[schema(max_length = 100)]
    pass: Option<String>,
    /// In what the session is kept: `tokens` in the answer, or a `cookie`, for browsers.
    #[serde(default)]
    #[schema(inline)]
    mode: Mode,
}

/// Whose second step it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondStepRequest {
    /// What the first step answered.
    #[schema(example = "st_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    second_factor_token: String,
}

/// The second step, by a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeySecondStep {
    /// What the first step answered.
    #[schema(example = "st_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    second_factor_token: String,
    #[schema(schema_with = given)]
    credential: PublicKeyCredential,
    /// Whether this device is remembered, so that it takes no second step for 30 days.
    #[serde(default)]
    remember_device: bool,
}

/// A passkey.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passkey)]
pub(crate) struct PasskeyView {
    #[schema(inline)]
    id: PasskeyId,
    /// What its owner calls it.
    name: String,
    /// The host that it is for.
    #[schema(example = "brain.example")]
    host: String,
    /// How devices that have it are reached, as they say: `internal`, `hybrid`, `usb`, `nfc` or `ble`.
    transports: Vec<String>,
    /// Whether it is kept elsewhere as well, and outlives its device.
    backed_up: bool,
    /// When it was added.
    created_at: Time,
    /// When it was last used.
    last_used_at: Option<Time>,
    /// When it was last used as only a copy of it would be, which was refused.
    suspected_at: Option<Time>,
}

/// Begins to open an account with a passkey, and without a password.
///
/// The options are good for five minutes and one account.
#[operation(
    post "/api/v1/auth/register/passkey/options", answers = "What to have a passkey made by",
    refuses(
        forbidden = "It takes an invitation, or an answer that shows that there is a person, or nobody opens an account here",
        token_invalid = "The code is not known, is for another address, was used, or has run out",
        conflict = "Browsers have no passkeys for the address that this was sent to",
        rate_limited = "Too many attempts from one address; see `Retry-After`"
    )
)]
pub(crate) async fn get_passkey_account_options(
    headers: HeaderMap,
    Json(new): Json<PasskeyAccountRequest>,
) -> Result<(NoStore, Json<PasskeyCreationOptions>)> {
    let party = Party::of(&headers)?;
    let device = Device::of(&headers).showing(new.captcha);
    let invitation = new.invitation.as_deref();
    let options =
        passkeys::options_to_open(&party, &new.username, &new.email, invitation, &device).await?;
    Ok((NoStore, Json(options.into())))
}

/// Opens an account with the passkey that the browser had made. Sign in by it afterwards.
#[operation(
    post "/api/v1/auth/register/passkey", answers = "Opened",
    location = "Where the account is read, once signed in",
    refuses(
        conflict = "Name, address or passkey is taken, or browsers have no passkeys for the address that this was sent to",
        forbidden = "It takes an invitation, or nobody opens an account here",
        token_invalid = "The code is not known, is for another address, was used, or has run out"
    )
)]
pub(crate) async fn register_by_passkey(
    headers: HeaderMap,
    Json(new): Json<NewPasskeyAccount>,
) -> Result<(NoStore, Created<OpenedByPasskey>)> {
    let party = Party::of(&headers)?;
    let account = NewAccount {
        username: &new.username,
        email: &new.email,
        invitation: new.invitation.as_deref(),
        passkey: &new.name,
    };
    let device = Device::of(&headers);
    let (user, backup_codes) = passkeys::open(&party, &account, &new.credential, &device).await?;
    let account = UserView::from(user);
    let opened = OpenedByPasskey {
        account,
        backup_codes,
    };
    Ok((NoStore, Created::at("/api/v1/auth/me", &opened)?))
}

/// Begins a sign-in by passkey, without a name.
///
/// The options are good for five minutes and one sign-in. They list no passkeys: browsers offer those that they have,
/// also where a name is typed (`mediation: "conditional"`).
#[operation(
    post "/api/v1/auth/login/passkey/options", answers = "What to ask for a passkey by",
    refuses(
        conflict = "Browsers have no passkeys for the address that this was sent to",
        rate_limited = "Too many attempts from one address; see `Retry-After`"
    )
)]
pub(crate) async fn get_passkey_sign_in_options(
    headers: HeaderMap,
) -> Result<(NoStore, Json<PasskeyRequestOptions>)> {
    let party = Party::of(&headers)?;
    let options = passkeys::options_to_sign_in(&party, &Device::of(&headers)).await?;
    Ok((NoStore, Json(options.into())))
}

/// Signs in by a passkey.
///
/// It is two proofs in one: no other is asked for. The answer is the same whatever is wrong with it.
#[operation(
    post "/api/v1/auth/login/passkey",
    refuses(
        invalid_credentials = "The passkey is not accepted",
        forbidden = "The account is switched off, or used from other places only (`PLACE_REFUSED`)",
        conflict = "Browsers have no passkeys for the address that this was sent to",
        rate_limited = "Too many attempts from one address; see `Retry-After`"
    )
)]
pub(crate) async fn sign_in_by_passkey(
    headers: HeaderMap,
    Json(request): Json<PasskeyLoginRequest>,
) -> Result<FirstStep> {
    let party = Party::of(&headers)?;
    let device = Device {
        shown_pass: pass(request.pass)?,
        ..Device::of(&headers).keeping(request.mode)
    };
    let admitted = passkeys::sign_in(&party, &request.credential, &device).await?;
    FirstStep::of(admitted, &headers)
}

/// Begins the second step of a sign-in by a passkey.
///
/// The options are good for five minutes and one step; of those that are asked for, the last.
#[operation(
    post "/api/v1/auth/login/second-factor/passkey/options", answers = "What to ask for a passkey by",
    refuses(
        token_invalid = "The first step is not known, is over, or has run out",
        conflict = "The user has no passkey for the address that this was sent to"
    )
)]
pub(crate) async fn get_passkey_second_step_options(
    headers: HeaderMap,
    Json(request): Json<SecondStepRequest>,
) -> Result<(NoStore, Json<PasskeyRequestOptions>)> {
    let (party, device) = (Party::of(&headers)?, Device::of(&headers));
    let token = &request.second_factor_token;
    let options = passkeys::options_for_second_step(&party, token, &device).await?;
    Ok((NoStore, Json(options.into())))
}

/// Takes the second step of a sign-in, by a passkey.
#[operation(
    post "/api/v1/auth/login/second-factor/passkey", answers = "Signed in",
    refuses(
        invalid_credentials = "The passkey is not accepted",
        token_invalid = "The first step is not known, is over, or has run out",
        conflict = "Browsers have no passkeys for the address that this was sent to",
        rate_limited = "Too many attempts; see `Retry-After`"
    )
)]
pub(crate) async fn finish_login_by_passkey(
    headers: HeaderMap,
    Json(request): Json<PasskeySecondStep>,
) -> Result<(Revoked, Welcome)> {
    let party = Party::of(&headers)?;
    let device = Device {
        remember: request.remember_device,
        ..Device::of(&headers)
    };
    let token = &request.second_factor_token;
    let signed_in = passkeys::take_second_step(&party, token, &request.credential, &device).await?;
    welcome(signed_in, &headers)
}

/// Begins to show by a passkey once more who the caller is.
///
/// The options are good for five minutes and once; of those that are asked for, the last.
#[operation(
    post "/api/v1/auth/me/confirm/passkey/options", permission = "account:confirm",
    answers = "What to ask for a passkey by",
    refuses(conflict = "The caller has no passkey for the address that this was sent to")
)]
pub(crate) async fn get_passkey_confirmation_options(
    caller: Caller,
    headers: HeaderMap,
) -> Result<(NoStore, Json<PasskeyRequestOptions>)> {
    let options = passkeys::options_to_confirm(&Party::of(&headers)?, &caller).await?;
    Ok((NoStore, Json(options.into())))
}

/// Shows by a passkey once more who the caller is, which counts for ten minutes in this session.
#[operation(
    post "/api/v1/auth/me/confirm/passkey", permission = "account:confirm", answers = "Shown",
    refuses(
        forbidden = "The caller is a program",
        conflict = "Browsers have no passkeys for the address that this was sent to",
        rate_limited = "Too many attempts; see `Retry-After`"
    )
)]
pub(crate) async fn confirm_by_passkey(
    caller: Caller,
    headers: HeaderMap,
    Json(answer): Json<PasskeyAnswer>,
) -> Result<NoContent> {
    let party = Party::of(&headers)?;
    passkeys::confirm(&party, &caller, &answer.credential).await?;
    Ok(NoContent)
}

/// Begins to add a passkey.
///
/// The options are good for five minutes and one passkey; of those that are asked for, the last.
#[operation(
    post "/api/v1/auth/me/passkeys/options", permission = "passkeys:write",
    answers = "What to have a passkey made by",
    refuses(
        conflict = "There are as many as there may be, or browsers have no passkeys for the address that this was sent to",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn get_new_passkey_options(
    caller: Caller,
    headers: HeaderMap,
) -> Result<(NoStore, Json<PasskeyCreationOptions>)> {
    let options = passkeys::options_to_add(&caller, &Party::of(&headers)?).await?;
    Ok((NoStore, Json(options.into())))
}

/// Adds a passkey that the caller's browser had made.
#[operation(
    post "/api/v1/auth/me/passkeys", permission = "passkeys:write",
    answers = "Added; its owner is told", location = "The passkey",
    refuses(
        conflict = "There are as many as there may be, it belongs to an account already, or browsers have no passkeys for the address that this was sent to",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn add_passkey(
    caller: Caller,
    headers: HeaderMap,
    Json(new): Json<NewPasskey>,
) -> Result<Created<PasskeyView>> {
    let party = Party::of(&headers)?;
    let added = passkeys::add(&caller, &party, &new.name, &new.credential).await?;
    let address = format!("/api/v1/auth/me/passkeys/{}", added.id);
    Created::at(&address, &PasskeyView::from(added))
}

/// Lists the caller's passkeys.
#[operation(get "/api/v1/auth/me/passkeys", permission = "passkeys:read")]
pub(crate) async fn list_passkeys(
    caller: Caller,
    listing: Listing<PasskeySort>,
) -> Result<Json<Page<PasskeyView>>> {
    let page = passkeys::list(&caller.user, &listing).await?;
    Ok(Json(page.map(PasskeyView::from)))
}

/// Gives a passkey another name.
#[operation(
    patch "/api/v1/auth/me/passkeys/{id}", permission = "passkeys:write",
    answers = "The passkey", refuses(not_found = "No passkey of the caller")
)]
pub(crate) async fn rename_passkey(
    caller: Caller,
    Path(id): Path<PasskeyId>,
    Json(change): Json<PasskeyName>,
) -> Result<Json<PasskeyView>> {
    let renamed = passkeys::rename(&caller.user, &id, &change.name).await?;
    Ok(Json(renamed.into()))
}

/// Removes a passkey. Nobody signs in by it any more.
#[operation(
    delete "/api/v1/auth/me/passkeys/{id}", permission = "passkeys:write",
    answers = "Removed; its owner is told",
    refuses(
        forbidden = "The caller is a program, or has to show once more who they are",
        conflict = "It is the last one of who has no password, or has to have a second factor",
        not_found = "No passkey of the caller"
    )
)]
pub(crate) async fn remove_passkey(caller: Caller, Path(id): Path<PasskeyId>) -> Result<NoContent> {
    passkeys::remove(&caller, &id).await?;
    Ok(NoContent)
}

impl From<Options> for PasskeyCreationOptions {
    fn from(Options(options): Options) -> Self {
        Self(options)
    }
}

impl From<Options> for PasskeyRequestOptions {
    fn from(Options(options): Options) -> Self {
        Self(options)
    }
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        Self {
            id: passkey.id,
            name: passkey.name,
            host: passkey.host,
            transports: passkey.transports,
            backed_up: passkey.backed_up,
            created_at: passkey.created_at,
            last_used_at: passkey.last_used_at,
            suspected_at: passkey.suspected_at,
        }
    }
}
