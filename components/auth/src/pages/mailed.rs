//! What begins or ends in a mail: a new password, an address that is shown to be somebody's, an invitation.
//!
//! A mail leads to [`LANDING`] with its code in the fragment, which no server sees: a script puts it into the field
//! of the form there. Without scripts the code is typed.

use super::sign_in::out;
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, register};
use crate::mailed::{self, Purpose};
use crate::registration::{email_problem, refuse};
use crate::sessions::Revoked;
use crate::{address, throttle};
use axum::response::Response;
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Result, time};
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
}

/// A new password, and the right to set it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    code: String,
    new_password: String,
}

pub(super) async fn forgot(visitor: Visitor) -> Result<Response> {
    let form = forgot_form(&visitor, "", None);
    visitor.page(Words::ForgotPassword, FORGOT, &form)
}

pub(super) async fn ask_for_reset(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Forgotten = visitor.read(&posted)?;
    let email = given.email.trim();
    match ask(email).await {
        Ok(()) => {
            let content = html! {
                div class="done" role="status" { p { (visitor.say(Words::ResetMailSent)) } }
                p { a href=(LANDING) { (visitor.say(Words::HaveCode)) } }
            };
            visitor.page(Words::ForgotPassword, FORGOT, &content)
        }
        Err(error) => {
            let form = forgot_form(&visitor, email, Some(&error));
            visitor.refused(&error, Words::ForgotPassword, FORGOT, &form)
        }
    }
}

async fn ask(email: &str) -> Result<()> {
    refuse(&[("email", email_problem(email))])?;
    throttle::MAIL.of(email).count(time::now()).await?;
    mailed::to_address(Purpose::ResetPassword, email).await
}

fn forgot_form(visitor: &Visitor, email: &str, error: Option<&Error>) -> Markup {
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
        (visitor.form(FORGOT, Words::SendMail, &[email], &[], error))
        p { a href=(SIGN_IN) { (visitor.say(Words::BackToSignIn)) } }
    }
}

pub(super) async fn land(visitor: Visitor) -> Result<Response> {
    let form = code_form(&visitor, What::VerifyAddress, "", None);
    visitor.page(Words::Mailed, LANDING, &form)
}

pub(super) async fn read(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Code = visitor.read(&posted)?;
    let code = given.code.trim();
    match given.what {
        What::ResetPassword => {
            let form = reset_form(&visitor, code, None);
            visitor.page(Words::NewPassword, LANDING, &form)
        }
        What::Register => register::with_code(&visitor, code).await,
        What::VerifyAddress => match address::confirm(code).await {
            Ok(()) if visitor.session().is_some() => go_to(&format!("{HOME}?done=verified")),
            Ok(()) => go_to(&format!("{SIGN_IN}?done=verified")),
            Err(error) => {
                let form = code_form(&visitor, given.what, code, Some(&error));
                visitor.refused(&error, Words::Mailed, LANDING, &form)
            }
        },
    }
}

fn code_form(visitor: &Visitor, what: What, code: &str, error: Option<&Error>) -> Markup {
    let code = Field {
        name: "code",
        label: visitor.say(Words::Code),
        kind: "text",
        autocomplete: "one-time-code",
        value: code,
        hint: visitor.say(Words::CodeHint),
        ..Field::default()
    };
    let choices = [
        (What::VerifyAddress, "verify-address", Words::VerifyAddress),
        (What::ResetPassword, "reset-password", Words::NewPassword),
        (What::Register, "register", Words::Register),
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

pub(super) async fn reset(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: NewPassword = visitor.read(&posted)?;
    match crate::password::reset(&given.code, &given.new_password).await {
        Ok(ended) => out(&visitor, Revoked(ended), "reset"),
        Err(error) => {
            let form = reset_form(&visitor, &given.code, Some(&error));
            visitor.refused(&error, Words::NewPassword, LANDING, &form)
        }
    }
}

fn reset_form(visitor: &Visitor, code: &str, error: Option<&Error>) -> Markup {
    let password = Field {
        name: "new_password",
        label: visitor.say(Words::NewPassword),
        kind: "password",
        autocomplete: "new-password",
        hint: visitor.say(Words::PasswordHint),
        ..Field::default()
    };
    visitor.form(
        RESET,
        Words::SetPassword,
        &[password],
        &[("code", code)],
        error,
    )
}
