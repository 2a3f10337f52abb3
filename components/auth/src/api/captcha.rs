//! What shows that somebody is a person, where that is asked for.

use crate::captcha::{self, Captcha, Kind, Wanted};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Error, Json, NoContent, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A service to set up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaptchaInput {
    /// Whose it is, or whose it does as.
    #[schema(inline)]
    kind: Kind,
    /// What the service calls this site.
    #[schema(
        min_length = 1,
        max_length = 2000,
        example = "0x4AAAAAAADnPIDROrmt1Wwj"
    )]
    site_key: String,
    /// The secret that this server has there; the one there is stays, without one.
    #[serde(default)]
    #[schema(format = Password, min_length = 1, max_length = 2000)]
    secret: Option<String>,
    /// Where answers are checked: the kind says it, unless it is one of one's own. The operator lets this component ask
    /// there (`auth_captcha_host`).
    #[serde(default)]
    #[schema(example = "https://challenges.cloudflare.com/turnstile/v0/siteverify")]
    verify_url: Option<String>,
    /// What pages load to show the task; the kind says it as well.
    #[serde(default)]
    #[schema(example = "https://challenges.cloudflare.com/turnstile/v0/api.js")]
    script_url: Option<String>,
    /// How often signing in may fail before it is asked for; 3 when not said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    after_failures: Option<u8>,
}

/// What shows that somebody is a person. Its answer goes with the request as `captcha`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Captcha)]
pub(crate) struct CaptchaView {
    #[schema(inline)]
    kind: Kind,
    /// What the service calls this site.
    site_key: String,
    /// Where answers are checked.
    verify_url: String,
    /// What pages load to show the task.
    script_url: String,
    /// How often signing in may fail before it is asked for; who opens an account or forgot a password is always asked.
    after_failures: u8,
    /// When it was last changed.
    updated_at: Time,
}

/// Reads what shows that somebody is a person, where that is asked for.
#[operation(
    get "/api/v1/auth/captcha", answers = "What it is",
    refuses(not_found = "Nobody is asked for it")
)]
pub(crate) async fn get_captcha() -> Result<Json<CaptchaView>> {
    let captcha = captcha::get().await?;
    let captcha = captcha.ok_or_else(|| Error::not_found("captcha"))?;
    Ok(Json(captcha.into()))
}

/// Says what shows that somebody is a person.
///
/// Whoever opens an account, wants a mail for a new password, or failed to sign in some times is asked for it from now
/// on. Where the service cannot be asked, nobody gets further.
#[operation(
    put "/api/v1/auth/captcha", permission = "admin:users:write", answers = "What it is now",
    refuses(
        conflict = "Somebody else changed it at the same time",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn set_captcha(
    caller: Caller,
    Json(input): Json<CaptchaInput>,
) -> Result<Json<CaptchaView>> {
    let wanted = Wanted {
        kind: input.kind,
        site_key: input.site_key,
        secret: input.secret,
        verify_url: input.verify_url,
        script_url: input.script_url,
        after_failures: input.after_failures,
    };
    Ok(Json(captcha::set(&caller, wanted).await?.into()))
}

/// Asks nobody any more whether they are a person.
#[operation(
    delete "/api/v1/auth/captcha", permission = "admin:users:write", answers = "Nobody is asked any more",
    refuses(
        not_found = "Nobody is asked for it",
        forbidden = "The caller is a program, or has to show once more who they are"
    )
)]
pub(crate) async fn remove_captcha(caller: Caller) -> Result<NoContent> {
    captcha::remove(&caller).await?;
    Ok(NoContent)
}

impl From<Captcha> for CaptchaView {
    fn from(captcha: Captcha) -> Self {
        Self {
            kind: captcha.kind,
            site_key: captcha.site_key,
            verify_url: captcha.verify_url,
            script_url: captcha.script_url,
            after_failures: captcha.after_failures,
            updated_at: captcha.updated_at,
        }
    }
}
