//! Showing once more who one is, before what matters most.

use super::HOME;
use super::passkey::{self, Ask};
use super::problem::is_ours;
use super::text::Words;
use super::visitor::Visitor;
use crate::api::second_factor::{require_code, require_password};
use crate::confirmation::{self, Shown};
use crate::model::Proof;
use crate::passkeys::{self, Party};
use crate::second_factor;
use axum::response::Response;
use maud::{Markup, html};
use page::{Field, Posted, go_to};
use sbd_sdk::{Error, Query, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/confirm";
pub(super) const PASSKEY: &str = "/account/confirm/passkey";
pub(super) const BY_PASSKEY: &str = "/account/confirm/passkey/finish";

/// Where to go on.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Way {
    #[serde(default)]
    to: String,
}

/// What is shown: one of both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    to: String,
}

/// What a browser gave for a passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    credential: String,
    #[serde(default)]
    to: String,
}

pub(super) async fn show(visitor: Visitor, Query(way): Query<Way>) -> Result<Response> {
    let forms = forms(&visitor, &way.to, None).await?;
    visitor.page(Words::Confirm, PATH, &forms)
}

pub(super) async fn send(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:confirm")?;
    let given: Given = visitor.read(&posted)?;
    let shown = match (given.password, given.code) {
        (Some(password), None) => require_password(&password).map(|()| Shown::Password(password)),
        (None, Some(code)) => require_code(&code).map(|()| Shown::Code(code)),
        _ => return Err(Error::malformed("this form is not one of ours")),
    };
    let confirmed = match shown {
        Ok(shown) => confirmation::confirm(caller, &shown).await,
        Err(error) => Err(error),
    };
    on(&visitor, confirmed, &given.to).await
}

/// A browser is asked for a passkey.
pub(super) async fn begin(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:confirm")?;
    let way: Way = visitor.read(&posted)?;
    let options = passkeys::options_to_confirm(&Party::of(&visitor.headers)?, caller).await?;
    let hidden = [("to", way.to.as_str())];
    passkey::ask(
        &visitor,
        Ask::Get,
        &options,
        Words::Confirm,
        BY_PASSKEY,
        &hidden,
    )
}

pub(super) async fn by_passkey(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:confirm")?;
    let answer: Answer = visitor.read(&posted)?;
    let party = Party::of(&visitor.headers)?;
    let credential = passkey::read(&answer.credential)?;
    let confirmed = passkeys::confirm(&party, caller, &credential).await;
    on(&visitor, confirmed, &answer.to).await
}

/// Goes on, or says what was wrong.
async fn on(visitor: &Visitor, confirmed: Result<()>, to: &str) -> Result<Response> {
    match confirmed {
        Ok(()) => go_to(if is_ours(to) { to } else { HOME }),
        Err(error) => {
            let forms = forms(visitor, to, Some(&error)).await?;
            visitor.refused(&error, Words::Confirm, PATH, &forms)
        }
    }
}

async fn forms(visitor: &Visitor, to: &str, error: Option<&Error>) -> Result<Markup> {
    let caller = visitor.may("account:confirm")?;
    let taken = second_factor::of(caller).await?;
    let about_code = error.is_some_and(|error| {
        let details = error.details().first();
        details.is_some_and(|detail| detail.field == "code")
    });
    let password = Field {
        name: "password",
        label: visitor.say(Words::Password),
        kind: "password",
        autocomplete: "current-password",
        ..Field::default()
    };
    let code = Field {
        name: "code",
        label: visitor.say(Words::FactorCode),
        kind: "text",
        autocomplete: "one-time-code",
        hint: visitor.say(Words::FactorCodeHint),
        ..Field::default()
    };
    let hidden = [("to", to)];
    let hidden: &[_] = if is_ours(to) { &hidden } else { &[] };
    let of_password = error.filter(|_| !about_code);
    let of_code = error.filter(|_| about_code);
    let has_codes = taken.methods.iter().any(|method| *method != Proof::Passkey);
    let has_passkeys = passkeys::any(&caller.user).await?;
    Ok(html! {
        p { (visitor.say(Words::ConfirmAbout)) }
        @if taken.has_password {
            (visitor.form(PATH, Words::ConfirmByPassword, &[password], hidden, of_password))
        }
        @if has_codes {
            @if taken.has_password { h2 { (visitor.say(Words::OrByCode)) } }
            (visitor.form(PATH, Words::ConfirmByCode, &[code], hidden, of_code))
        }
        @if has_passkeys { (passkey::offer(visitor, PASSKEY, Words::ByPasskey, hidden, None)) }
    })
}
