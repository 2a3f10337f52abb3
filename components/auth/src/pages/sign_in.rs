//! Signing in, and out.

use super::problem::is_ours;
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, mailed, register};
use crate::api::second_factor::require_code;
use crate::api::tokens::{Welcome, welcome};
use crate::events::EndReason;
use crate::policy::{self, Registration};
use crate::sessions::{self, Revoked};
use crate::sign_in::Admitted;
use crate::{cookies, login, second_factor};
use axum::extract::RawQuery;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header;
use maud::{Markup, html};
use page::{Field, Posted, go_to};
use sbd_sdk::{Error, Query, Result};
use serde::Deserialize;

pub(super) const STEP: &str = "/account/sign-in/second-factor";

/// Where somebody wanted to go.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Way {
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    done: Option<String>,
}

/// Who signs in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    identifier: String,
    password: String,
    #[serde(default)]
    to: String,
}

/// The second step of a sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    second_factor_token: String,
    code: String,
    #[serde(default)]
    to: String,
}

pub(super) async fn show(
    visitor: Visitor,
    Query(way): Query<Way>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let to = way.to.unwrap_or_default();
    if visitor.session().is_some() {
        return go_to(target(&to));
    }
    let done = visitor.done(query.as_deref().filter(|_| way.done.is_some()));
    let content = html! { (done) (form(&visitor, "", &to, None).await?) };
    visitor.page(Words::SignIn, SIGN_IN, &content)
}

pub(super) async fn send(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: SignIn = visitor.read(&posted)?;
    let admitted = login::login(&given.identifier, &given.password, &visitor.device()).await;
    match admitted {
        Ok(admitted) => enter(&visitor, admitted, &given.to),
        Err(error) => {
            let form = form(&visitor, &given.identifier, &given.to, Some(&error)).await?;
            visitor.refused(&error, Words::SignIn, SIGN_IN, &form)
        }
    }
}

pub(super) async fn step(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Step = visitor.read(&posted)?;
    let token = &given.second_factor_token;
    let code = given.code.trim();
    let signed_in = match require_code(code) {
        Ok(()) => second_factor::finish(token, code, &visitor.device()).await,
        Err(error) => Err(error),
    };
    match signed_in {
        Ok(signed_in) => enter(&visitor, Admitted::In(signed_in), &given.to),
        // The step is over: it begins with the first.
        Err(error) if error.code() == "TOKEN_INVALID" => {
            let form = form(&visitor, "", &given.to, Some(&error)).await?;
            visitor.refused(&error, Words::SignIn, SIGN_IN, &form)
        }
        Err(error) => {
            let form = step_form(&visitor, token, &given.to, Some(&error));
            visitor.refused(&error, Words::SecondStep, SIGN_IN, &form)
        }
    }
}

/// Somebody showed who they are, and goes on to where they wanted to, or to the second step.
pub(super) fn enter(visitor: &Visitor, admitted: Admitted, to: &str) -> Result<Response> {
    let signed_in = match admitted {
        Admitted::In(signed_in) => signed_in,
        Admitted::SecondFactor(pending) => {
            let form = step_form(visitor, &pending.token, to, None);
            return visitor.page(Words::SecondStep, SIGN_IN, &form);
        }
    };
    let (revoked, welcome) = welcome(signed_in, &visitor.headers)?;
    let cookie = match welcome {
        Welcome::Cookie(cookie) => Some((header::SET_COOKIE, cookie)),
        Welcome::Tokens(_) => None,
    };
    Ok((revoked, AppendHeaders(cookie), go_to(target(to))?).into_response())
}

fn step_form(visitor: &Visitor, token: &str, to: &str, error: Option<&Error>) -> Markup {
    let code = Field {
        name: "code",
        label: visitor.say(Words::FactorCode),
        kind: "text",
        autocomplete: "one-time-code",
        hint: visitor.say(Words::FactorCodeHint),
        ..Field::default()
    };
    let hidden = [("second_factor_token", token), ("to", to)];
    html! {
        (visitor.form(STEP, Words::SignIn, &[code], &hidden, error))
        p { a href=(SIGN_IN) { (visitor.say(Words::BackToSignIn)) } }
    }
}

/// Where to go on: to a page of ours.
fn target(to: &str) -> &str {
    if is_ours(to) { to } else { HOME }
}

async fn form(
    visitor: &Visitor,
    identifier: &str,
    to: &str,
    error: Option<&Error>,
) -> Result<Markup> {
    let fields = [
        Field {
            name: "identifier",
            label: visitor.say(Words::Identifier),
            kind: "text",
            autocomplete: "username",
            value: identifier,
            ..Field::default()
        },
        Field {
            name: "password",
            label: visitor.say(Words::Password),
            kind: "password",
            autocomplete: "current-password",
            ..Field::default()
        },
    ];
    let hidden: &[_] = if is_ours(to) { &[("to", to)] } else { &[] };
    let opens = policy::get().await? != Registration::Closed;
    Ok(html! {
        (visitor.form(SIGN_IN, Words::SignIn, &fields, hidden, error))
        p { a href=(mailed::FORGOT) { (visitor.say(Words::ForgotPassword)) } }
        @if opens { p { a href=(register::PATH) { (visitor.say(Words::Register)) } } }
    })
}

pub(super) async fn sign_out(visitor: Visitor, posted: Posted) -> Result<Response> {
    // Whoever is signed out already is where they wanted to be.
    let Some(session) = visitor.session() else {
        return go_to(SIGN_IN);
    };
    visitor.read::<Nothing>(&posted)?;
    let ended = vec![session.id.clone()];
    sessions::end_all(&ended, &session.user_id, EndReason::SignedOut).await?;
    out(&visitor, Revoked(ended), "signed-out")
}

/// Whoever was signed in is so no more.
pub(super) fn out(visitor: &Visitor, ended: Revoked, done: &str) -> Result<Response> {
    let forgotten = cookies::forget(&visitor.headers)?;
    let forgotten = AppendHeaders([(header::SET_COOKIE, forgotten)]);
    let page = go_to(&format!("{SIGN_IN}?done={done}"))?;
    Ok((ended, forgotten, page).into_response())
}

/// A form that is no more than its button.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
