//! Who one is here: name, address, password.

use super::captcha::Task;
use super::second_factor::codes_shown_once;
use super::sign_in::{Nothing, out};
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, mailed};
use crate::sessions::Revoked;
use crate::store::USERS;
use crate::{address, departure, passkeys, password, rename};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const VERIFY: &str = "/account/verify";
pub(super) const ADDRESS: &str = "/account/address";
pub(super) const PASSWORD: &str = "/account/password";
pub(super) const NO_PASSWORD: &str = "/account/password/remove";
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
    #[serde(default)]
    password: String,
}

/// Another name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewName {
    username: String,
    #[serde(default)]
    password: String,
}

/// That it is the account's owner who leaves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaving {
    #[serde(default)]
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
    #[serde(default)]
    current_password: String,
    new_password: String,
}

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let caller = visitor.may("account:read")?;
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let verified = user.email_verified_at.is_some();
    let roles = user.roles.join(", ");
    let password = match user.hash() {
        Some(_) => Words::ChangePassword,
        None => Words::SetFirstPassword,
    };
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
        p { a href=(PASSWORD) { (visitor.say(password)) } }
        @if caller.impersonated_by.is_none() {
            p { a href=(EXPORT) { (visitor.say(Words::Export)) } }
        }
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
    let form = address_form(&visitor, "", None).await?;
    visitor.page(Words::ChangeAddress, ADDRESS, &form)
}

pub(super) async fn change_address(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:email")?;
    let given: NewAddress = visitor.read(&posted)?;
    let email = given.email.trim();
    match address::change(caller, &given.password, email).await {
        Ok(()) => go_to(&format!("{}?done=address", mailed::LANDING)),
        Err(error) => {
            let form = address_form(&visitor, email, Some(&error)).await?;
            visitor.refused(&error, Words::ChangeAddress, ADDRESS, &form)
        }
    }
}

async fn address_form(visitor: &Visitor, email: &str, error: Option<&Error>) -> Result<Markup> {
    let email = Field {
        name: "email",
        label: visitor.say(Words::NewEmail),
        kind: "email",
        autocomplete: "email",
        value: email,
        hint: visitor.say(Words::NewEmailHint),
        ..Field::default()
    };
    let fields = with_password(visitor, vec![email]).await?;
    Ok(visitor.form(ADDRESS, Words::ChangeAddress, &fields, &[], error))
}

pub(super) async fn password(visitor: Visitor) -> Result<Response> {
    visitor.may("account:password")?;
    let form = password_form(&visitor, None).await?;
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
            let form = password_form(&visitor, Some(&error)).await?;
            visitor.refused(&error, Words::ChangePassword, PASSWORD, &form)
        }
    }
}

async fn password_form(visitor: &Visitor, error: Option<&Error>) -> Result<Markup> {
    let current = Field {
        name: "current_password",
        label: visitor.say(Words::CurrentPassword),
        kind: "password",
        autocomplete: "current-password",
        ..Field::default()
    };
    let new = Field {
        name: "new_password",
        label: visitor.say(Words::NewPassword),
        kind: "password",
        autocomplete: "new-password",
        hint: visitor.say(Words::PasswordHint),
        ..Field::default()
    };
    if !has_password(visitor).await? {
        return Ok(html! {
            p { (visitor.say(Words::NoPassword)) }
            (visitor.form(PASSWORD, Words::SetPassword, &[new], &[], error))
        });
    }
    let may_go = passkeys::any(&visitor.caller()?.user).await?;
    Ok(html! {
        (visitor.form(PASSWORD, Words::ChangePassword, &[current, new], &[], error))
        @if may_go {
            h2 { (visitor.say(Words::RemovePassword)) }
            p { (visitor.say(Words::RemovePasswordAbout)) }
            (visitor.form(NO_PASSWORD, Words::RemovePassword, &[], &[], None))
        }
    })
}

pub(super) async fn remove_password(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:password")?;
    visitor.read::<Nothing>(&posted)?;
    codes_shown_once(&visitor, &password::remove(caller).await?, HOME)
}

pub(super) async fn name(visitor: Visitor) -> Result<Response> {
    visitor.may("account:write")?;
    let form = name_form(&visitor, "", None).await?;
    visitor.page(Words::ChangeName, NAME, &form)
}

pub(super) async fn change_name(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:write")?;
    let given: NewName = visitor.read(&posted)?;
    let name = given.username.trim();
    match rename::rename(caller, &given.password, name).await {
        Ok(()) => go_to(&format!("{HOME}?done=saved")),
        Err(error) => {
            let form = name_form(&visitor, name, Some(&error)).await?;
            visitor.refused(&error, Words::ChangeName, NAME, &form)
        }
    }
}

async fn name_form(visitor: &Visitor, name: &str, error: Option<&Error>) -> Result<Markup> {
    let name = Field {
        name: "username",
        label: visitor.say(Words::Username),
        kind: "text",
        autocomplete: "username",
        value: name,
        hint: visitor.say(Words::UsernameHint),
        ..Field::default()
    };
    let fields = with_password(visitor, vec![name]).await?;
    Ok(visitor.form(NAME, Words::ChangeName, &fields, &[], error))
}

/// These fields and the password, of whoever has one. Others show once more who they are, on a page of its own.
async fn with_password<'a>(
    visitor: &Visitor,
    mut fields: Vec<Field<'a>>,
) -> Result<Vec<Field<'a>>> {
    if has_password(visitor).await? {
        fields.push(own_password(visitor));
    }
    Ok(fields)
}

async fn has_password(visitor: &Visitor) -> Result<bool> {
    let user = USERS.get(&visitor.caller()?.user).await?;
    Ok(user.is_some_and(|user| user.hash().is_some()))
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
    let form = leave_form(&visitor, None).await?;
    visitor.page(Words::Leave, LEAVE, &form)
}

pub(super) async fn go(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:delete")?;
    let given: Leaving = visitor.read(&posted)?;
    match departure::leave(caller, &given.password).await {
        Ok(left) => out(&visitor, Revoked(left.ended), "left"),
        Err(error) => {
            let form = leave_form(&visitor, Some(&error)).await?;
            visitor.refused(&error, Words::Leave, LEAVE, &form)
        }
    }
}

async fn leave_form(visitor: &Visitor, error: Option<&Error>) -> Result<Markup> {
    let form = Form {
        action: LEAVE,
        token: &visitor.token(),
        submit: visitor.say(Words::Leave),
        destroys: true,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &with_password(visitor, Vec::new()).await?,
        hidden: &[],
        below: None,
    };
    Ok(html! { p { (visitor.say(Words::LeaveAbout)) } (form) })
}

pub(super) async fn keep(visitor: Visitor) -> Result<Response> {
    let form = keep_form(&visitor, "", None, &Task::default());
    visitor.page(Words::Keep, KEEP, &form)
}

pub(super) async fn stay(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Kept = visitor.read(&posted)?;
    let device = visitor.person(&posted);
    match departure::stay(&given.identifier, &given.password, &device).await {
        Ok(()) => go_to(&format!("{SIGN_IN}?done=stays")),
        Err(error) => {
            let task = Task::after(&error).await?;
            let form = keep_form(&visitor, &given.identifier, Some(&error), &task);
            task.on(visitor.refused(&error, Words::Keep, KEEP, &form)?)
        }
    }
}

fn keep_form(visitor: &Visitor, identifier: &str, error: Option<&Error>, task: &Task) -> Markup {
    let identifier = Field {
        name: "identifier",
        label: visitor.say(Words::Identifier),
        kind: "text",
        autocomplete: "username",
        value: identifier,
        ..Field::default()
    };
    let fields = [identifier, own_password(visitor)];
    visitor.form_of_person(KEEP, Words::Keep, &fields, &[], error, task)
}
