//! The second step of a sign-in, and showing once more who one is.

use crate::api::tokens::{Welcome, welcome};
use crate::confirmation::{self, Shown};
use crate::model::{Device, Proof};
use crate::registration::MAX_PASSWORD;
use crate::second_factor::{self, GOOD_FOR, Pending};
use crate::sessions::Revoked;
use crate::sign_in::Admitted;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use sbd_sdk::openapi::{Description, Output};
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
        token_invalid = "The first step is not known, is over, or has run out",
        rate_limited = "Too many wrong codes; see `Retry-After`"
    )
)]
pub(crate) async fn finish_login(
    headers: HeaderMap,
    Json(request): Json<SecondFactorRequest>,
) -> Result<(Revoked, Welcome)> {
    require_code(&request.code)?;
    let device = Device::of(&headers);
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

/// Bounds only.
fn require_password(password: &str) -> Result<()> {
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
