//! Signing in, and out.

use super::captcha::Task;
use super::passkey::{self, Ask};
use super::problem::is_ours;
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, account, mailed, provider, register};
use crate::api::second_factor::require_code;
use crate::api::tokens::{Welcome, pass, welcome};
use crate::events::EndReason;
use crate::lockdown::ELSEWHERE;
use crate::model::{Device, Proof};
use crate::passkeys::{self, Party};
use crate::policy::{self, Registration};
use crate::second_factor::Pending;
use crate::sessions::{self, Revoked};
use crate::sign_in::{Admitted, SignedIn};
use crate::{cookies, login, second_factor};
use axum::extract::RawQuery;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Query, Result};
use serde::Deserialize;
use std::fmt::Display;

pub(super) const PASSKEY: &str = "/account/sign-in/passkey";
pub(super) const BY_PASSKEY: &str = "/account/sign-in/passkey/finish";
pub(super) const STEP: &str = "/account/sign-in/second-factor";
pub(super) const STEP_PASSKEY: &str = "/account/sign-in/second-factor/passkey";
pub(super) const STEP_BY_PASSKEY: &str = "/account/sign-in/second-factor/passkey/finish";

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
    pass: String,
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
    remember: Option<String>,
    /// What might have been shown, for the page that says that the code was wrong.
    #[serde(default)]
    passkeys: Option<String>,
    #[serde(default)]
    to: String,
}

/// Whose second step a passkey is to take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepBegin {
    second_factor_token: String,
    #[serde(default)]
    remember: Option<String>,
    #[serde(default)]
    to: String,
}

/// What a browser gave for a passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    credential: String,
    #[serde(default)]
    second_factor_token: String,
    #[serde(default)]
    remember: Option<String>,
    #[serde(default)]
    pass: String,
    #[serde(default)]
    to: String,
}

/// Who is to sign in by a passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByPasskey {
    #[serde(default)]
    pass: String,
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
    let form = form(&visitor, "", &to, None, &Task::default()).await?;
    visitor.page(Words::SignIn, SIGN_IN, &html! { (done) (form) })
}

pub(super) async fn send(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: SignIn = visitor.read(&posted)?;
    let admitted = match shown(&given.pass) {
        Ok(shown_pass) => {
            let device = Device {
                shown_pass,
                ..visitor.person(&posted)
            };
            login::login(&given.identifier, &given.password, &device).await
        }
        Err(error) => Err(error),
    };
    match admitted {
        Ok(admitted) => enter(&visitor, admitted, &given.to),
        Err(error) => {
            let task = Task::after(&error).await?;
            let form = form(&visitor, &given.identifier, &given.to, Some(&error), &task).await?;
            task.on(visitor.refused(&error, Words::SignIn, SIGN_IN, &form)?)
        }
    }
}

/// What a form shows to be let in by a pass, if it shows one.
pub(super) fn shown(given: &str) -> Result<Option<String>> {
    pass(Some(given.trim().to_owned()).filter(|given| !given.is_empty()))
}

pub(super) async fn step(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Step = visitor.read(&posted)?;
    let token = &given.second_factor_token;
    let code = given.code.trim();
    let signed_in = match require_code(code) {
        Ok(()) => {
            let device = Device {
                remember: given.remember.is_some(),
                ..visitor.device()
            };
            second_factor::finish(token, code, &device).await
        }
        Err(error) => Err(error),
    };
    match signed_in {
        Ok(signed_in) => enter(&visitor, Admitted::In(signed_in), &given.to),
        // The step is over, or it takes a pass: it begins with the first.
        Err(error) if ["TOKEN_INVALID", ELSEWHERE].contains(&error.code()) => {
            begin_anew(&visitor, &error, &given.to).await
        }
        Err(error) => {
            let by_passkey = given.passkeys.is_some();
            let form = step_form(&visitor, token, by_passkey, &given.to, Some(&error));
            visitor.refused(&error, Words::SecondStep, SIGN_IN, &form)
        }
    }
}

pub(super) async fn begin_anew(visitor: &Visitor, error: &Error, to: &str) -> Result<Response> {
    let form = form(visitor, "", to, Some(error), &Task::default()).await?;
    visitor.refused(error, Words::SignIn, SIGN_IN, &form)
}

/// A browser is asked for a passkey, whoever's it is.
pub(super) async fn ask(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: ByPasskey = visitor.read(&posted)?;
    let (party, device) = (Party::of(&visitor.headers)?, visitor.device());
    let options = passkeys::options_to_sign_in(&party, &device).await?;
    let mut hidden = vec![("to", given.to.as_str())];
    if !given.pass.is_empty() {
        hidden.push(("pass", &given.pass));
    }
    passkey::ask(
        &visitor,
        Ask::Get,
        &options,
        Words::SignIn,
        BY_PASSKEY,
        &hidden,
    )
}

pub(super) async fn by_passkey(visitor: Visitor, posted: Posted) -> Result<Response> {
    let answer: Answer = visitor.read(&posted)?;
    let credential = passkey::read(&answer.credential)?;
    let party = Party::of(&visitor.headers)?;
    let device = Device {
        shown_pass: shown(&answer.pass)?,
        ..visitor.device()
    };
    match passkeys::sign_in(&party, &credential, &device).await {
        Ok(admitted) => enter(&visitor, admitted, &answer.to),
        Err(error) => begin_anew(&visitor, &error, &answer.to).await,
    }
}

/// A browser is asked for a passkey of whoever is at the second step.
pub(super) async fn ask_for_step(visitor: Visitor, posted: Posted) -> Result<Response> {
    let begin: StepBegin = visitor.read(&posted)?;
    let party = Party::of(&visitor.headers)?;
    let token = begin.second_factor_token.as_str();
    let options = passkeys::options_for_second_step(&party, token, &visitor.device()).await?;
    let mut hidden = vec![("second_factor_token", token), ("to", begin.to.as_str())];
    if begin.remember.is_some() {
        hidden.push(("remember", "on"));
    }
    passkey::ask(
        &visitor,
        Ask::Get,
        &options,
        Words::SecondStep,
        STEP_BY_PASSKEY,
        &hidden,
    )
}

pub(super) async fn step_by_passkey(visitor: Visitor, posted: Posted) -> Result<Response> {
    let answer: Answer = visitor.read(&posted)?;
    let credential = passkey::read(&answer.credential)?;
    let party = Party::of(&visitor.headers)?;
    let device = Device {
        remember: answer.remember.is_some(),
        ..visitor.device()
    };
    let token = &answer.second_factor_token;
    match passkeys::take_second_step(&party, token, &credential, &device).await {
        Ok(signed_in) => enter(&visitor, Admitted::In(signed_in), &answer.to),
        Err(error) => begin_anew(&visitor, &error, &answer.to).await,
    }
}

/// Somebody showed who they are, and goes on to where they wanted to, or to the second step.
pub(super) fn enter(visitor: &Visitor, admitted: Admitted, to: &str) -> Result<Response> {
    let signed_in = match admitted {
        Admitted::In(signed_in) => signed_in,
        Admitted::SecondFactor(Pending { token, methods }) => {
            let by_passkey = methods.contains(&Proof::Passkey);
            let form = step_form(visitor, &token, by_passkey, to, None);
            return visitor.page(Words::SecondStep, SIGN_IN, &form);
        }
    };
    Ok((cookies_of(signed_in, visitor)?, go_to(target(to))?).into_response())
}

type Cookies = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

/// What the browser of whoever signed in keeps, with the page that it is shown.
pub(super) fn cookies_of(signed_in: SignedIn, visitor: &Visitor) -> Result<(Revoked, Cookies)> {
    let (revoked, welcome) = welcome(signed_in, &visitor.headers)?;
    let cookies = match welcome {
        Welcome::Cookie(cookies) => cookies,
        Welcome::Tokens(_) => Vec::new(),
    };
    let cookies = cookies
        .into_iter()
        .map(|cookie| (header::SET_COOKIE, cookie));
    Ok((revoked, AppendHeaders(cookies.collect())))
}

fn step_form(
    visitor: &Visitor,
    token: &str,
    by_passkey: bool,
    to: &str,
    error: Option<&Error>,
) -> Markup {
    let code = Field {
        name: "code",
        label: visitor.say(Words::FactorCode),
        kind: "text",
        autocomplete: "one-time-code",
        hint: visitor.say(Words::FactorCodeHint),
        ..Field::default()
    };
    let mut hidden = vec![("second_factor_token", token), ("to", to)];
    let for_passkey = hidden.clone();
    if by_passkey {
        hidden.push(("passkeys", "yes"));
    }
    let remember = remember(visitor, "remember");
    let form = Form {
        action: STEP,
        token: &visitor.token(),
        submit: visitor.say(Words::SignIn),
        destroys: false,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[code],
        hidden: &hidden,
        below: Some(&remember),
    };
    html! {
        (form)
        @if by_passkey {
            @let remember = self::remember(visitor, "remember-by-passkey");
            (passkey::offer(visitor, STEP_PASSKEY, Words::ByPasskey, &for_passkey, Some(&remember)))
        }
        p { a href=(SIGN_IN) { (visitor.say(Words::BackToSignIn)) } }
    }
}

/// Whether the second step is left out on this device from now on.
fn remember(visitor: &Visitor, id: &str) -> Markup {
    html! {
        div class="choice" {
            input type="checkbox" id=(id) name="remember";
            label for=(id) { (visitor.say(Words::Remember)) }
        }
    }
}

/// The field for a pass with another way to sign in than the first on the page.
pub(super) fn pass_for(visitor: &Visitor, way: &str) -> Markup {
    let id = format!("pass-{way}");
    html! {
        div class="field" {
            label for=(id) { (visitor.say(Words::Pass)) }
            input id=(id) name="pass" type="text" autocomplete="off" autocapitalize="none" spellcheck="false";
        }
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
    task: &Task,
) -> Result<Markup> {
    let mut fields = vec![
        Field {
            name: "identifier",
            label: visitor.say(Words::Identifier),
            kind: "text",
            autocomplete: "username webauthn",
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
    let takes_pass = error.is_some_and(|error| error.code() == ELSEWHERE);
    if takes_pass {
        fields.push(Field {
            name: "pass",
            label: visitor.say(Words::Pass),
            kind: "text",
            autocomplete: "off",
            hint: visitor.say(Words::PassHint),
            optional: true,
            ..Field::default()
        });
    }
    let for_passkey = takes_pass.then(|| pass_for(visitor, "passkey"));
    let hidden: &[_] = if is_ours(to) { &[("to", to)] } else { &[] };
    let opens = policy::get().await? != Registration::Closed;
    let by_providers = provider::offers(visitor, takes_pass).await?;
    Ok(html! {
        (visitor.form_of_person(SIGN_IN, Words::SignIn, &fields, hidden, error, task))
        (passkey::offer(visitor, PASSKEY, Words::ByPasskey, hidden, for_passkey.as_ref()))
        // Not again at once, where it was refused.
        @if error.is_none() { (passkey::offer_while_typing(visitor, BY_PASSKEY, hidden)) }
        (by_providers)
        p { a href=(mailed::FORGOT) { (visitor.say(Words::ForgotPassword)) } }
        @if opens { p { a href=(register::PATH) { (visitor.say(Words::Register)) } } }
        p { a href=(account::KEEP) { (visitor.say(Words::Keep)) } }
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
pub(super) fn out<T: Display>(
    visitor: &Visitor,
    ended: Revoked<T>,
    done: &str,
) -> Result<Response> {
    let forgotten = cookies::forget(&visitor.headers)?;
    let forgotten = AppendHeaders([(header::SET_COOKIE, forgotten)]);
    let page = go_to(&format!("{SIGN_IN}?done={done}"))?;
    Ok((ended, forgotten, page).into_response())
}

/// A form that is no more than its button.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
