//! What one's sign-in takes besides the first proof: an authenticator app, backup codes, devices that are remembered.

use super::confirm;
use super::sessions::program;
use super::sign_in::Nothing;
use super::text::{Words, date};
use super::visitor::Visitor;
use crate::api::second_factor::require_code;
use crate::remembered::{self, DeviceId, Remembered};
use crate::{backup_codes, confirmation, second_factor, totp};
use axum::extract::RawQuery;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use page::{Field, Posted, go_to};
use sbd_sdk::{Error, Listing, Path, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/second-factor";
pub(super) const SET_UP: &str = "/account/second-factor/set-up";
pub(super) const TURN_ON: &str = "/account/second-factor/turn-on";
pub(super) const TURN_OFF: &str = "/account/second-factor/turn-off";
pub(super) const CODES: &str = "/account/second-factor/backup-codes";

/// What all of this needs.
const PERMISSION: &str = "account:second-factor";

/// A code of the app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let done = visitor.done(query.as_deref());
    let content = html! { (done) (content(&visitor, None).await?) };
    visitor.page(Words::SecondFactor, PATH, &content)
}

async fn content(visitor: &Visitor, error: Option<&Error>) -> Result<Markup> {
    let caller = visitor.may(PERMISSION)?;
    let taken = second_factor::of(caller).await?;
    let devices = remembered::list(&caller.user, &Listing::read("per_page=100")?).await?;
    let code = code_field(visitor);
    let left = taken.backup_codes_left.to_string();
    Ok(html! {
        p { (visitor.say(Words::SecondFactorAbout)) }
        @if taken.required && taken.methods.is_empty() {
            p class="problem" { (visitor.say(Words::SecondFactorRequired)) }
        }
        h2 { (visitor.say(Words::App)) }
        @match taken.totp_since {
            Some(since) => {
                p { (visitor.say(Words::AppOn)) " " (date(since)) "." }
                (visitor.form(TURN_OFF, Words::TurnOff, &[code], &[], error))
                h2 { (visitor.say(Words::BackupCodes)) }
                p { (visitor.say(Words::BackupCodesLeft)) " " strong { (left) } "." }
                (visitor.form(CODES, Words::NewBackupCodes, &[], &[], None))
            },
            None => {
                p { (visitor.say(Words::AppOff)) }
                (visitor.form(SET_UP, Words::SetUpApp, &[], &[], error))
            },
        }
        @if !devices.items.is_empty() {
            h2 { (visitor.say(Words::RememberedDevices)) }
            p { (visitor.say(Words::RememberedAbout)) }
            ul class="list" {
                @for device in &devices.items { li { (remembered_device(visitor, device)) } }
            }
        }
    })
}

fn remembered_device(visitor: &Visitor, remembered: &Remembered) -> Markup {
    let agent = remembered.device.user_agent.as_deref();
    let program = match agent {
        Some(agent) => program(agent),
        None => visitor.say(Words::UnknownProgram).to_owned(),
    };
    let forget = format!("{PATH}/devices/{}/forget", remembered.id);
    html! {
        div {
            p { strong { (program) } }
            p class="quiet" {
                (visitor.say(Words::Since)) " " (date(remembered.created_at)) " \u{b7} "
                (visitor.say(Words::Until)) " " (date(remembered.expires_at))
            }
        }
        (visitor.button(&forget, Words::Forget, &program))
    }
}

fn code_field(visitor: &Visitor) -> Field<'static> {
    Field {
        name: "code",
        label: visitor.say(Words::FactorCode),
        kind: "text",
        autocomplete: "one-time-code",
        hint: visitor.say(Words::AppCodeHint),
        keys: "numeric",
        ..Field::default()
    }
}

pub(super) async fn set_up(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    visitor.read::<Nothing>(&posted)?;
    let new = totp::set_up(caller).await?;
    let content = html! {
        p { (visitor.say(Words::SetUpAbout)) }
        // What a library of ours draws of what we give it.
        div class="picture" role="img" aria-label=(visitor.say(Words::QrCode)) {
            (PreEscaped(&new.qr))
        }
        p { (visitor.say(Words::OrType)) }
        p class="secret" { (new.secret) }
        p { a href=(new.uri) { (visitor.say(Words::OpenApp)) } }
        (turn_on_form(&visitor, None))
    };
    visitor.page(Words::SetUpApp, PATH, &content)
}

fn turn_on_form(visitor: &Visitor, error: Option<&Error>) -> Markup {
    let code = code_field(visitor);
    visitor.form(TURN_ON, Words::TurnOn, &[code], &[], error)
}

pub(super) async fn turn_on(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    let given: Code = visitor.read(&posted)?;
    let turned = match require_code(&given.code) {
        Ok(()) => totp::turn_on(caller, &given.code).await,
        Err(error) => Err(error),
    };
    match turned {
        Ok(codes) => shown_once(&visitor, &codes),
        Err(error) if confirmation::is_wanted(&error) => Err(error),
        Err(error) => {
            let content = html! {
                (turn_on_form(&visitor, Some(&error)))
                p { a href=(PATH) { (visitor.say(Words::BeginAnew)) } }
            };
            visitor.refused(&error, Words::SetUpApp, PATH, &content)
        }
    }
}

pub(super) async fn turn_off(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    let given: Code = visitor.read(&posted)?;
    let turned = match require_code(&given.code) {
        Ok(()) => totp::turn_off(caller, &given.code).await,
        Err(error) => Err(error),
    };
    match turned {
        Ok(()) => go_to(&format!("{PATH}?done=removed")),
        Err(error) if confirmation::is_wanted(&error) => Err(error),
        Err(error) => {
            let content = content(&visitor, Some(&error)).await?;
            visitor.refused(&error, Words::SecondFactor, PATH, &content)
        }
    }
}

pub(super) async fn renew_codes(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    visitor.read::<Nothing>(&posted)?;
    shown_once(&visitor, &backup_codes::renew(caller).await?)
}

fn shown_once(visitor: &Visitor, codes: &[String]) -> Result<Response> {
    codes_shown_once(visitor, codes, PATH)
}

/// The page with new backup codes, and where it goes on.
pub(super) fn codes_shown_once(visitor: &Visitor, codes: &[String], to: &str) -> Result<Response> {
    let content = html! {
        div class="done" role="status" { p { (visitor.say(Words::BackupCodesMade)) } }
        ul class="codes" { @for code in codes { li { code { (code) } } } }
        p { a href=(to) { (visitor.say(Words::Kept)) } }
    };
    visitor.page(Words::BackupCodes, PATH, &content)
}

pub(super) async fn forget(
    visitor: Visitor,
    Path(id): Path<DeviceId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    visitor.read::<Nothing>(&posted)?;
    remembered::forget(&caller.user, &id).await?;
    go_to(&format!("{PATH}?done=removed"))
}

/// Where somebody shows once more who they are, to come back to a page.
pub(super) fn confirmation(path: &str) -> String {
    let to: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("{}?to={to}", confirm::PATH)
}
