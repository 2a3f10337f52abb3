//! Who one is here: name, address, password.

use super::HOME;
use super::sign_in::Nothing;
use super::text::Words;
use super::visitor::Visitor;
use crate::sessions::Revoked;
use crate::store::USERS;
use crate::{address, password};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Posted, go_to};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const VERIFY: &str = "/account/verify";
pub(super) const ADDRESS: &str = "/account/address";
pub(super) const PASSWORD: &str = "/account/password";

/// Another address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAddress {
    email: String,
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
        p { a href=(ADDRESS) { (visitor.say(Words::ChangeAddress)) } }
        p { a href=(PASSWORD) { (visitor.say(Words::ChangePassword)) } }
    };
    visitor.page(Words::Account, HOME, &content)
}

pub(super) async fn verify(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("account:email")?;
    visitor.read::<Nothing>(&posted)?;
    address::verify(caller).await?;
    go_to(&format!("{HOME}?done=mail"))
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
        Ok(()) => go_to(&format!("{HOME}?done=address")),
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
