//! The second step of a sign-in, and showing once more who one is.

use crate::api::tokens::{Welcome, welcome};
use crate::backup_codes;
use crate::confirmation::{self, Shown};
use crate::model::{Device, Proof};
use crate::registration::MAX_PASSWORD;
use crate::second_factor::{self, GOOD_FOR, Pending};
use crate::sessions::Revoked;
use crate::sign_in::Admitted;
use crate::totp::{self, SETUP};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Json, NoContent, NoStore, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters of a code at most, with all that people type between them.
const MAX_CODE: usize = 64;

/// The second step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorRequest {
    /// What the first step answered.
    #[schema(example = "st_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    second_factor_token: String,
    /// A code of the authenticator app, or a backup code.
    #[schema(min_length = 1, max_length = 64, example = "123456")]
    code: String,
    /// Whether this device is remembered, so that it takes no second step for 30 days.
    #[serde(default)]
    remember_device: bool,
}

/// Who one is, shown once more: by one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmationRequest {
    /// The account's password.
    #[serde(default)]
    #[schema(format = Password, max_length = 1024, example = "Correct-horse-7")]
    password: Option<String>,
    /// A code of the authenticator app, or a backup code.
    #[serde(default)]
    #[schema(max_length = 64)]
    code: Option<String>,
}

/// That a sign-in takes a second step.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactorRequired)]
pub(crate) struct PendingView {
    /// Send it with the second step, once.
    second_factor_token: String,
    /// What may be shown in it.
    methods: Vec<Proof>,
    /// Seconds that there are for it.
    #[schema(example = 300)]
    expires_in: u64,
}

/// What a first step answers: what the session is kept in, or that it takes a second one.
pub(crate) enum FirstStep {
    Done((Revoked, Welcome)),
    Pending((NoStore, Json<PendingView>)),
}

/// Takes the second step of a sign-in, by a code.
///
/// A code is good once. After 10 wrong ones there is a wait, at most 15 minutes.
#[operation(
    post "/api/v1/auth/login/second-factor", answers = "Signed in",
    refuses(
        invalid_credentials = "The code is wrong or was used",
        forbidden = "The account is used from other places only (`PLACE_REFUSED`)",
        token_invalid = "The first step is not known, is over, or has run out",
        rate_limited = "Too many wrong codes; see `Retry-After`"
    )
)]
pub(crate) async fn finish_login(
    headers: HeaderMap,
    Json(request): Json<SecondFactorRequest>,
) -> Result<(Revoked, Welcome)> {
    require_code(&request.code)?;
    let device = Device {
        remember: request.remember_device,
        ..Device::of(&headers)
    };
    let token = &request.second_factor_token;
    let signed_in = second_factor::finish(token, &request.code, &device).await?;
    welcome(signed_in, &headers)
}

/// Shows once more who the caller is, which counts for ten minutes in this session.
#[operation(
    post "/api/v1/auth/me/confirm", permission = "account:confirm", answers = "Shown",
    refuses(
        forbidden = "The caller is a program",
        rate_limited = "Too many wrong passwords or codes; see `Retry-After`"
    )
)]
pub(crate) async fn confirm(
    caller: Caller,
    Json(request): Json<ConfirmationRequest>,
) -> Result<NoContent> {
    request
        .password
        .as_deref()
        .map_or(Ok(()), require_password)?;
    request.code.as_deref().map_or(Ok(()), require_code)?;
    let shown = match (request.password, request.code) {
        (Some(password), None) => Shown::Password(password),
        (None, Some(code)) => Shown::Code(code),
        _ => {
            return Err(Error::validation(
                "",
                "a `password` or a `code`, one of them",
            ));
        }
    };
    confirmation::confirm(&caller, &shown).await?;
    Ok(NoContent)
}

/// What the caller has for a second step.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactor)]
pub(crate) struct SecondFactorView {
    /// What may be shown in it; nothing, where the caller's sign-in takes none.
    methods: Vec<Proof>,
    /// Since when an authenticator app is on.
    totp_since: Option<Time>,
    /// Backup codes that were not used.
    backup_codes_left: usize,
    /// Whether the caller has to have a second factor. Without one they see to their own account, and do nothing else.
    required: bool,
}

/// What an authenticator app is told, this once.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpSetup)]
pub(crate) struct SetupView {
    /// The secret in base32, for who types it.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    /// The same, and all that an app has to know, as an address.
    #[schema(
        example = "otpauth://totp/Second%20Brain:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Second%20Brain&algorithm=SHA1&digits=6&period=30"
    )]
    uri: String,
    /// The address as a QR code: an SVG.
    qr: String,
    /// Seconds that there are to turn it on.
    #[schema(example = 900)]
    expires_in: u64,
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeInput {
    /// What the authenticator app shows.
    #[schema(min_length = 1, max_length = 64, example = "123456")]
    code: String,
}

/// Codes for who does not have the app at hand.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupCodes {
    /// Each is good once. They are not shown again.
    #[schema(example = json!(["abcd-efgh-jkmn-pqrs"]))]
    pub(super) backup_codes: Vec<String>,
}

/// Reads what the caller's sign-in takes for a second step.
#[operation(
    get "/api/v1/auth/me/second-factor", permission = "account:second-factor", answers = "What it takes"
)]
pub(crate) async fn get_second_factor(caller: Caller) -> Result<Json<SecondFactorView>> {
    let factors = second_factor::of(&caller).await?;
    Ok(Json(SecondFactorView {
        methods: factors.methods,
        totp_since: factors.totp_since,
        backup_codes_left: factors.backup_codes_left,
        required: factors.required,
    }))
}

/// Makes a secret for the caller's authenticator app, which is not on before a code of it is sent.
#[operation(
    post "/api/v1/auth/me/totp", permission = "account:second-factor",
    answers = "The secret; it is in this answer and nowhere else",
    refuses(
        conflict = "One is on already",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn set_up_totp(caller: Caller) -> Result<(NoStore, Json<SetupView>)> {
    let new = totp::set_up(&caller).await?;
    let view = SetupView {
        secret: new.secret,
        uri: new.uri,
        qr: new.qr,
        expires_in: SETUP.as_secs(),
    };
    Ok((NoStore, Json(view)))
}

/// Turns on the authenticator app that was set up, by a code of it.
///
/// From now on the caller's sign-in takes a second step.
#[operation(
    post "/api/v1/auth/me/totp/confirm", permission = "account:second-factor",
    answers = "On; ten backup codes, which are in this answer and nowhere else",
    refuses(
        conflict = "Nothing is set up, or one is on already",
        forbidden = "The caller is a program, or has to show once more who they are",
        rate_limited = "Too many wrong codes; see `Retry-After`"
    )
)]
pub(crate) async fn turn_totp_on(
    caller: Caller,
    Json(input): Json<CodeInput>,
) -> Result<(NoStore, Json<BackupCodes>)> {
    require_code(&input.code)?;
    let backup_codes = totp::turn_on(&caller, &input.code).await?;
    Ok((NoStore, Json(BackupCodes { backup_codes })))
}

/// Turns the authenticator app off, by a code of it or a backup code. The backup codes go with it.
#[operation(
    post "/api/v1/auth/me/totp/turn-off", permission = "account:second-factor", answers = "Off",
    refuses(
        conflict = "None is on, or it changed at the same time",
        forbidden = "The caller is a program, or has to show once more who they are",
        rate_limited = "Too many wrong codes; see `Retry-After`"
    )
)]
pub(crate) async fn turn_totp_off(
    caller: Caller,
    Json(input): Json<CodeInput>,
) -> Result<NoContent> {
    require_code(&input.code)?;
    totp::turn_off(&caller, &input.code).await?;
    Ok(NoContent)
}

/// Makes ten new backup codes in place of those there are.
#[operation(
    post "/api/v1/auth/me/backup-codes", permission = "account:second-factor",
    answers = "The codes; they are in this answer and nowhere else",
    refuses(
        conflict = "The account has no second factor",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn make_backup_codes(caller: Caller) -> Result<(NoStore, Json<BackupCodes>)> {
    let backup_codes = backup_codes::renew(&caller).await?;
    Ok((NoStore, Json(BackupCodes { backup_codes })))
}

/// Bounds only.
pub(crate) fn require_password(password: &str) -> Result<()> {
    match (1..=MAX_PASSWORD).contains(&password.len()) {
        true => Ok(()),
        false => Err(Error::validation("password", "1 to 1024 bytes")),
    }
}

/// Bounds only.
pub(crate) fn require_code(code: &str) -> Result<()> {
    match (1..=MAX_CODE).contains(&code.len()) {
        true => Ok(()),
        false => Err(Error::validation("code", "1 to 64 characters")),
    }
}

// === impl FirstStep ===

impl FirstStep {
    /// The answer to a request with these headers.
    pub(crate) fn of(admitted: Admitted, headers: &HeaderMap) -> Result<Self> {
        Ok(match admitted {
            Admitted::In(signed_in) => Self::Done(welcome(signed_in, headers)?),
            Admitted::SecondFactor(Pending { token, methods }) => {
                let view = PendingView {
                    second_factor_token: token,
                    methods,
                    expires_in: GOOD_FOR.as_secs(),
                };
                Self::Pending((NoStore, Json(view)))
            }
        })
    }
}

impl IntoResponse for FirstStep {
    fn into_response(self) -> Response {
        match self {
            Self::Done(welcome) => welcome.into_response(),
            Self::Pending(pending) => (StatusCode::ACCEPTED, pending).into_response(),
        }
    }
}

impl Output for FirstStep {
    fn describe(description: &mut Description) {
        Welcome::describe(description);
        let second = "It takes a second step: `POST /api/v1/auth/login/second-factor`";
        description.also_answers_with::<PendingView>(StatusCode::ACCEPTED, second);
    }
}
