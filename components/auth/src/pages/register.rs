//! Opening an account, where whoever asks may.

use super::SIGN_IN;
use super::sign_in::enter;
use super::text::Words;
use super::visitor::Visitor;
use crate::model::Proof;
use crate::policy::{self, Registration};
use crate::{network_policy, registration, sign_in};
use axum::response::Response;
use maud::{Markup, html};
use page::{Field, Posted};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/register";

/// A new account.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    username: String,
    email: String,
    password: String,
    #[serde(default)]
    invitation: String,
}

pub(super) async fn show(visitor: Visitor) -> Result<Response> {
    with_code(&visitor, "").await
}

/// The page for who may have the code of an invitation.
pub(super) async fn with_code(visitor: &Visitor, code: &str) -> Result<Response> {
    let account = Account {
        invitation: code.to_owned(),
        ..Account::default()
    };
    let content = match policy::get().await? {
        Registration::Closed => html! { p { (visitor.say(Words::RegisterClosed)) } },
        policy => form(visitor, policy, &account, None),
    };
    visitor.page(Words::Register, PATH, &content)
}

pub(super) async fn send(visitor: Visitor, posted: Posted) -> Result<Response> {
    let account: Account = visitor.read(&posted)?;
    let code = Some(account.invitation.trim()).filter(|code| !code.is_empty());
    let (name, email) = (account.username.trim(), account.email.trim());
    let device = visitor.device();
    network_policy::require(&device).await?;
    match registration::register(name, email, &account.password, code, None).await {
        Ok(user) => {
            let admitted = sign_in::admit(&user, &[Proof::Password], &device).await?;
            enter(&visitor, admitted, "")
        }
        Err(error) => {
            let form = form(&visitor, policy::get().await?, &account, Some(&error));
            visitor.refused(&error, Words::Register, PATH, &form)
        }
    }
}

fn form(
    visitor: &Visitor,
    policy: Registration,
    account: &Account,
    error: Option<&Error>,
) -> Markup {
    let mut fields = vec![
        Field {
            name: "username",
            label: visitor.say(Words::Username),
            kind: "text",
            autocomplete: "username",
            value: &account.username,
            hint: visitor.say(Words::UsernameHint),
            ..Field::default()
        },
        Field {
            name: "email",
            label: visitor.say(Words::Email),
            kind: "email",
            autocomplete: "email",
            value: &account.email,
            ..Field::default()
        },
        Field {
            name: "password",
            label: visitor.say(Words::Password),
            kind: "password",
            autocomplete: "new-password",
            hint: visitor.say(Words::PasswordHint),
            ..Field::default()
        },
    ];
    if policy == Registration::Invited || !account.invitation.is_empty() {
        fields.push(Field {
            name: "invitation",
            label: visitor.say(Words::Invitation),
            kind: "text",
            autocomplete: "off",
            value: &account.invitation,
            hint: visitor.say(Words::InvitationHint),
            optional: policy == Registration::Open,
            ..Field::default()
        });
    }
    html! {
        (visitor.form(PATH, Words::Register, &fields, &[], error))
        p { a href=(SIGN_IN) { (visitor.say(Words::HaveAccount)) } }
    }
}
