//! Who one is here: name, address, password.

use super::sign_in::{Nothing, out};
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, mailed};
use crate::sessions::Revoked;
use crate::store::USERS;
use crate::{address, departure, password, rename};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const VERIFY: &str = "/account/verify";
pub(super) const ADDRESS: &str = "/account/address";
pub(super) const PASSWORD: &str = "/account/password";
pub(super) const NAME: &str = "/account/username";
pub(super) const LEAVE: &str = "/account/leave";
pub(super) const KEEP: &str = "/account/keep";

/// Where all there is of an account is read, as a file.
const EXPORT: &str = "/api/v1/auth/me/export";

/// Another address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAddress {
    email: String,
    password: String,
}

/// Another name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewName {
    username: String,
    password: String,
}

/// That it is the account's owner who leaves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaving {
    password: String,
}

/// Who keeps an account that is going to be deleted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    identifier: String,
    password: String,
}

/// Another password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current_password: String,
    new_password: String,
}

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let caller = visitor.may("account:read")?;
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let verified = user.email_verified_at.is_some();
    let roles = user.roles.join(", ");
    let content = html! {
        (visitor.done(query.as_deref()))
        dl {
            div { dt { (visitor.say(Words::Username)) } dd { (user.username) } }
            div {
                dt { (visitor.say(Words::Email)) }
                dd {
                    (user.email) " ("
                    (visitor.say(if verified { Words::Verified } else { Words::NotVerified })) ")"
                }
            }
            div { dt { (visitor.say(Words::Roles)) } dd { (roles) } }
        }
        @if !verified {
            (visitor.form(VERIFY, Words::VerifyMail, &[], &[], None))
        }
        p { a href=(NAME) { (visitor.say(Words::ChangeName)) } }
        p { a href=(ADDRESS) { (visitor.say(Words::ChangeAddress)) } }
        p { a href=(PASSWORD) { (visitor.say(Words::ChangePassword)) } }
        p { a href=(EXPORT) { (visitor.say(Words::Export)) } }
        p { a href=(LEAVE) { (visitor.say(Words::Leave)) } }
    };
    visitor.page(Words::Account, HOME, &content)
}

pub(super) async fn verify(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:email")?;
    visitor.read::<Nothing>(&posted)?;
    address::verify(caller).await?;
    go_to(&format!("{}?done=mail", mailed::LANDING))
}

pub(super) async fn address(visitor: Visitor) -> Result<Response> {
    visitor.may("account:email")?;
    let form = address_form(&visitor, "", None);
    visitor.page(Words::ChangeAddress, ADDRESS, &form)
}

pub(super) async fn change_address(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:email")?;
    let given: NewAddress = visitor.read(&posted)?;
    let email = given.email.trim();
    match address::change(caller, &given.password, email).await {
        Ok(()) => go_to(&format!("{}?done=address", mailed::LANDING)),
        Err(error) => {
            let form = address_form(&visitor, email, Some(&error));
            visitor.refused(&error, Words::ChangeAddress, ADDRESS, &form)
        }
    }
}

fn address_form(visitor: &Visitor, email: &str, error: Option<&Error>) -> Markup {
    let fields = [
        Field {
            name: "email",
            label: visitor.say(Words::NewEmail),
            kind: "email",
            autocomplete: "email",
            value: email,
            hint: visitor.say(Words::NewEmailHint),
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
    visitor.form(ADDRESS, Words::ChangeAddress, &fields, &[], error)
}

pub(super) async fn password(visitor: Visitor) -> Result<Response> {
    visitor.may("account:password")?;
    let form = password_form(&visitor, None);
    visitor.page(Words::ChangePassword, PASSWORD, &form)
}

pub(super) async fn change_password(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:password")?;
    let given: NewPassword = visitor.read(&posted)?;
    match password::change(caller, &given.current_password, &given.new_password).await {
        Ok(ended) => {
            let page = go_to(&format!("{HOME}?done=password"))?;
            Ok((Revoked(ended), page).into_response())
        }
        Err(error) => {
            let form = password_form(&visitor, Some(&error));
            visitor.refused(&error, Words::ChangePassword, PASSWORD, &form)
        }
    }
}

fn password_form(visitor: &Visitor, error: Option<&Error>) -> Markup {
    let fields = [
        Field {
            name: "current_password",
            label: visitor.say(Words::CurrentPassword),
            kind: "password",
            autocomplete: "current-password",
            ..Field::default()
        },
        Field {
            name: "new_password",
            label: visitor.say(Words::NewPassword),
            kind: "password",
            autocomplete: "new-password",
            hint: visitor.say(Words::PasswordHint),
            ..Field::default()
        },
    ];
    visitor.form(PASSWORD, Words::ChangePassword, &fields, &[], error)
}

pub(super) async fn name(visitor: Visitor) -> Result<Response> {
    visitor.may("account:write")?;
    let form = name_form(&visitor, "", None);
    visitor.page(Words::ChangeName, NAME, &form)
}

pub(super) async fn change_name(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:write")?;
    let given: NewName = visitor.read(&posted)?;
    let name = given.username.trim();
    match rename::rename(caller, &given.password, name).await {
        Ok(()) => go_to(&format!("{HOME}?done=saved")),
        Err(error) => {
            let form = name_form(&visitor, name, Some(&error));
            visitor.refused(&error, Words::ChangeName, NAME, &form)
        }
    }
}

fn name_form(visitor: &Visitor, name: &str, error: Option<&Error>) -> Markup {
    let fields = [
        Field {
            name: "username",
            label: visitor.say(Words::Username),
            kind: "text",
            autocomplete: "username",
            value: name,
            hint: visitor.say(Words::UsernameHint),
            ..Field::default()
        },
        own_password(visitor),
    ];
    visitor.form(NAME, Words::ChangeName, &fields, &[], error)
}

fn own_password(visitor: &Visitor) -> Field<'static> {
    Field {
        name: "password",
        label: visitor.say(Words::Password),
        kind: "password",
        autocomplete: "current-password",
        ..Field::default()
    }
}

pub(super) async fn leave(visitor: Visitor) -> Result<Response> {
    visitor.may("account:delete")?;
    let form = leave_form(&visitor, None);
    visitor.page(Words::Leave, LEAVE, &form)
}

pub(super) async fn go(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:delete")?;
    let given: Leaving = visitor.read(&posted)?;
    match departure::leave(caller, &given.password).await {
        Ok(left) => out(&visitor, Revoked(left.ended), "left"),
        Err(error) => {
            let form = leave_form(&visitor, Some(&error));
            visitor.refused(&error, Words::Leave, LEAVE, &form)
        }
    }
}

fn leave_form(visitor: &Visitor, error: Option<&Error>) -> Markup {
    let form = Form {
        action: LEAVE,
        token: &visitor.token(),
        submit: visitor.say(Words::Leave),
        destroys: true,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[own_password(visitor)],
        hidden: &[],
        below: None,
    };
    html! { p { (visitor.say(Words::LeaveAbout)) } (form) }
}

pub(super) async fn keep(visitor: Visitor) -> Result<Response> {
    let form = keep_form(&visitor, "", None);
    visitor.page(Words::Keep, KEEP, &form)
}

pub(super) async fn stay(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Kept = visitor.read(&posted)?;
    match departure::stay(&given.identifier, &given.password, &visitor.device()).await {
        Ok(()) => go_to(&format!("{SIGN_IN}?done=stays")),
        Err(error) => {
            let form = keep_form(&visitor, &given.identifier, Some(&error));
            visitor.refused(&error, Words::Keep, KEEP, &form)
        }
    }
}

fn keep_form(visitor: &Visitor, identifier: &str, error: Option<&Error>) -> Markup {
    let identifier = Field {
        name: "identifier",
        label: visitor.say(Words::Identifier),
        kind: "text",
        autocomplete: "username",
        value: identifier,
        ..Field::default()
    };
    let fields = [identifier, own_password(visitor)];
    visitor.form(KEEP, Words::Keep, &fields, &[], error)
}
