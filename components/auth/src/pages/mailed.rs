//! What begins or ends in a mail: a new password, an address that is shown to be somebody's, an invitation.
//!
//! A mail leads to [`LANDING`] with its code in the fragment, which no server sees: a script puts it into the field
//! of the form there. Without scripts the code is typed.

use super::captcha::Task;
use super::sign_in::out;
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, lockdown, register, resets};
use crate::lockdown::attempts::LetIn;
use crate::lockdown::change;
use crate::password::{self, Mail};
use crate::resets::ask;
use crate::sessions::Revoked;
use crate::{address, short_code};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const FORGOT: &str = "/account/forgot-password";
pub(super) const LANDING: &str = "/account/mailed";
pub(super) const RESET: &str = "/account/reset-password";

/// Whose password is forgotten.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    email: String,
}

/// A code, and what it is for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    what: What,
    code: String,
}

/// What the code of a mail is for, as its link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    ResetPassword,
    VerifyAddress,
    Register,
    ConfirmLockdown,
    AllowOnce,
    TrustPlace,
    DecideReset,
}

/// A new password, and the right to set it. A short code is for an address.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    #[serde(default)]
    email: String,
    code: String,
    new_password: String,
}

pub(super) async fn forgot(visitor: Visitor) -> Result<Response> {
    let task = Task::always().await?;
    let form = forgot_form(&visitor, "", None, &task);
    task.on(visitor.page(Words::ForgotPassword, FORGOT, &form)?)
}

pub(super) async fn ask_for_reset(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Forgotten = visitor.read(&posted)?;
    let email = given.email.trim();
    match ask(email, &visitor.person(&posted)).await {
        Ok(()) => {
            let asked = NewPassword {
                email: email.to_owned(),
                ..NewPassword::default()
            };
            let content = html! {
                div class="done" role="status" { p { (visitor.say(Words::ResetMailSent)) } }
                (reset_form(&visitor, &asked, None))
            };
            visitor.page(Words::ForgotPassword, FORGOT, &content)
        }
        Err(error) => {
            let task = Task::always().await?;
            let form = forgot_form(&visitor, email, Some(&error), &task);
            task.on(visitor.refused(&error, Words::ForgotPassword, FORGOT, &form)?)
        }
    }
}

fn forgot_form(visitor: &Visitor, email: &str, error: Option<&Error>, task: &Task) -> Markup {
    let email = Field {
        name: "email",
        label: visitor.say(Words::Email),
        kind: "email",
        autocomplete: "email",
        value: email,
        hint: visitor.say(Words::ForgotHint),
        ..Field::default()
    };
    html! {
        (visitor.form_of_person(FORGOT, Words::SendMail, &[email], &[], error, task))
        p { a href=(SIGN_IN) { (visitor.say(Words::BackToSignIn)) } }
    }
}

pub(super) async fn land(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let done = visitor.done(query.as_deref());
    let content = html! { (done) (code_form(&visitor, What::VerifyAddress, "", None)) };
    visitor.page(Words::Mailed, LANDING, &content)
}

pub(super) async fn read(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Code = visitor.read(&posted)?;
    let code = given.code.trim();
    match given.what {
        What::ResetPassword => {
            let given = NewPassword {
                code: code.to_owned(),
                ..NewPassword::default()
            };
            let form = reset_form(&visitor, &given, None);
            visitor.page(Words::NewPassword, LANDING, &form)
        }
        What::Register => register::with_code(&visitor, code).await,
        What::ConfirmLockdown => match change::confirm(code).await {
            Ok(bound) => {
                let own = visitor.session().map(|session| &session.id);
                let is_out = own.is_some_and(|own| bound.ended.contains(own));
                let page = lockdown::bound(&visitor, is_out)?;
                Ok((Revoked(bound.told), page).into_response())
            }
            Err(error) => not_taken(&visitor, given.what, code, &error),
        },
        What::AllowOnce | What::TrustPlace => {
            let how = match given.what {
                What::TrustPlace => LetIn::Always,
                _ => LetIn::Once,
            };
            match lockdown::about(&visitor, code, how).await {
                Err(error) => not_taken(&visitor, given.what, code, &error),
                page => page,
            }
        }
        What::DecideReset => resets::with_code(&visitor, code),
        What::VerifyAddress => match confirm(&visitor, code).await {
            Ok(()) if visitor.session().is_some() => go_to(&format!("{HOME}?done=verified")),
            Ok(()) => go_to(&format!("{SIGN_IN}?done=verified")),
            // A short code is for whoever is signed in, and they are not.
            Err(error) if error.code() == "UNAUTHENTICATED" => Err(error),
            Err(error) => not_taken(&visitor, given.what, code, &error),
        },
    }
}

async fn confirm(visitor: &Visitor, code: &str) -> Result<()> {
    match short_code::typed(code) {
        Some(code) => address::confirm_by_code(visitor.may("account:email")?, &code).await,
        None => address::confirm(code).await,
    }
}

fn not_taken(visitor: &Visitor, what: What, code: &str, error: &Error) -> Result<Response> {
    let form = code_form(visitor, what, code, Some(error));
    visitor.refused(error, Words::Mailed, LANDING, &form)
}

fn code_form(visitor: &Visitor, what: What, code: &str, error: Option<&Error>) -> Markup {
    let code = Field {
        value: code,
        ..code_field(visitor)
    };
    let choices = [
        (What::VerifyAddress, "verify-address", Words::VerifyAddress),
        (What::ResetPassword, "reset-password", Words::NewPassword),
        (What::Register, "register", Words::Register),
        (
            What::ConfirmLockdown,
            "confirm-lockdown",
            Words::BindToPlaces,
        ),
        (What::AllowOnce, "allow-once", Words::LetInOnce),
        (What::TrustPlace, "trust-place", Words::LetInAlways),
        (What::DecideReset, "decide-reset", Words::DecideReset),
    ];
    let choice = html! {
        fieldset {
            legend { (visitor.say(Words::CodeFor)) }
            @for (choice, name, words) in choices {
                div class="choice" {
                    input type="radio" name="what" id=(name) value=(name) checked[choice == what];
                    label for=(name) { (visitor.say(words)) }
                }
            }
        }
    };
    let form = Form {
        action: LANDING,
        token: &visitor.token(),
        submit: visitor.say(Words::Continue),
        destroys: false,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[code],
        hidden: &[],
        below: Some(&choice),
    };
    html! { div data-mailed { (form) } }
}

fn code_field(visitor: &Visitor) -> Field<'static> {
    Field {
        name: "code",
        label: visitor.say(Words::Code),
        kind: "text",
        autocomplete: "one-time-code",
        hint: visitor.say(Words::CodeHint),
        ..Field::default()
    }
}

pub(super) async fn reset(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: NewPassword = visitor.read(&posted)?;
    let mail = match short_code::typed(&given.code) {
        Some(_) => Mail::Code {
            email: &given.email,
            code: &given.code,
        },
        None => Mail::Token(given.code.trim()),
    };
    match password::reset(&mail, &given.new_password, &visitor.device()).await {
        Ok(ended) => out(&visitor, Revoked(ended), "reset"),
        Err(error) => {
            let form = reset_form(&visitor, &given, Some(&error));
            visitor.refused(&error, Words::NewPassword, LANDING, &form)
        }
    }
}

/// Where the code came by a link, there is nothing left to say but the password.
fn reset_form(visitor: &Visitor, given: &NewPassword, error: Option<&Error>) -> Markup {
    let by_link = !given.code.is_empty() && short_code::typed(&given.code).is_none();
    let email = Field {
        name: "email",
        label: visitor.say(Words::Email),
        kind: "email",
        autocomplete: "email",
        value: &given.email,
        ..Field::default()
    };
    let code = Field {
        value: &given.code,
        ..code_field(visitor)
    };
    let password = Field {
        name: "new_password",
        label: visitor.say(Words::NewPassword),
        kind: "password",
        autocomplete: "new-password",
        hint: visitor.say(Words::PasswordHint),
        ..Field::default()
    };
    let (fields, hidden): (&[_], &[_]) = match by_link {
        true => (&[password], &[("code", given.code.as_str())]),
        false => (&[email, code, password], &[]),
    };
    visitor.form(RESET, Words::SetPassword, fields, hidden, error)
}
