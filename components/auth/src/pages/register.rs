//! Opening an account, where whoever asks may: with a password, or with a passkey and none.

use super::captcha::Task;
use super::passkey::{self, Ask};
use super::second_factor::codes_shown_once;
use super::sign_in::{cookies_of, enter};
use super::text::Words;
use super::visitor::Visitor;
use super::{HOME, SIGN_IN};
use crate::model::{Device, Proof, User};
use crate::passkeys::{self, NewAccount, Party};
use crate::policy::{self, Registration};
use crate::sign_in::Admitted;
use crate::{captcha, network_policy, registration, sign_in};
use axum::response::{IntoResponse as _, Response};
use http::header;
use maud::{Markup, html};
use page::{Field, Posted, go_to};
use sbd_sdk::{Error, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/register";
pub(super) const PASSKEY: &str = "/account/register/passkey";
pub(super) const BY_PASSKEY: &str = "/account/register/passkey/finish";

/// A new account. One that is opened with a passkey has no password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    username: String,
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    invitation: String,
}

/// What a browser gave for the passkey of a new account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    username: String,
    email: String,
    invitation: String,
    credential: String,
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
    let task = Task::always().await?;
    let content = match policy::get().await? {
        Registration::Closed => html! { p { (visitor.say(Words::RegisterClosed)) } },
        policy => form(visitor, policy, &account, None, &task),
    };
    task.on(visitor.page(Words::Register, PATH, &content)?)
}

pub(super) async fn send(visitor: Visitor, posted: Posted) -> Result<Response> {
    let account: Account = visitor.read(&posted)?;
    let device = visitor.person(&posted);
    match opened(&account, &device).await {
        Ok(user) => {
            let admitted = sign_in::admit(&user, &[Proof::Password], &device).await?;
            enter(&visitor, admitted, "")
        }
        Err(error) => {
            let task = Task::always().await?;
            let form = form(
                &visitor,
                policy::get().await?,
                &account,
                Some(&error),
                &task,
            );
            task.on(visitor.refused(&error, Words::Register, PATH, &form)?)
        }
    }
}

async fn opened(account: &Account, device: &Device) -> Result<User> {
    network_policy::require(device).await?;
    captcha::required(device).await?;
    let Wanted { name, email, code } = account.wanted();
    registration::register(name, email, &account.password, code, None).await
}

/// The page for who wants no password.
pub(super) async fn show_passkey(visitor: Visitor) -> Result<Response> {
    let task = Task::always().await?;
    let content = match policy::get().await? {
        Registration::Closed => html! { p { (visitor.say(Words::RegisterClosed)) } },
        policy => passkey_form(&visitor, policy, &Account::default(), None, &task),
    };
    task.on(visitor.page(Words::Register, PASSKEY, &content)?)
}

/// A browser is asked to make the passkey of a new account.
pub(super) async fn begin_passkey(visitor: Visitor, posted: Posted) -> Result<Response> {
    let account: Account = visitor.read(&posted)?;
    let device = visitor.person(&posted);
    let Wanted { name, email, code } = account.wanted();
    let options = match Party::of(&visitor.headers) {
        Ok(party) => passkeys::options_to_open(&party, name, email, code, &device).await,
        Err(error) => Err(error),
    };
    match options {
        Ok(options) => {
            let hidden = [
                ("username", name),
                ("email", email),
                ("invitation", code.unwrap_or_default()),
            ];
            let title = Words::Register;
            passkey::ask(&visitor, Ask::Make, &options, title, BY_PASSKEY, &hidden)
        }
        Err(error) => passkey_refused(&visitor, &account, &error).await,
    }
}

pub(super) async fn by_passkey(visitor: Visitor, posted: Posted) -> Result<Response> {
    let made: Made = visitor.read(&posted)?;
    let credential = passkey::read(&made.credential)?;
    let account = Account {
        username: made.username,
        email: made.email,
        invitation: made.invitation,
        ..Account::default()
    };
    let Wanted { name, email, code } = account.wanted();
    let new = NewAccount {
        username: name,
        email,
        invitation: code,
        passkey: visitor.say(Words::FirstPasskey),
    };
    let party = Party::of(&visitor.headers)?;
    let device = visitor.device();
    let (user, codes) = match passkeys::open(&party, &new, &credential, &device).await {
        Ok(opened) => opened,
        Err(error) => return passkey_refused(&visitor, &account, &error).await,
    };
    let admitted = sign_in::admit(&user, &[Proof::Passkey], &device).await?;
    match admitted {
        Admitted::In(signed_in) => {
            let cookies = cookies_of(signed_in, &visitor)?;
            let mut page = codes_shown_once(&visitor, &codes, HOME)?;
            // Forms are the session's from now on.
            page.headers_mut().remove(header::SET_COOKIE);
            Ok((cookies, page).into_response())
        }
        // The passkey was both.
        Admitted::SecondFactor(_) => go_to(SIGN_IN),
    }
}

async fn passkey_refused(visitor: &Visitor, account: &Account, error: &Error) -> Result<Response> {
    let task = Task::always().await?;
    let form = passkey_form(visitor, policy::get().await?, account, Some(error), &task);
    task.on(visitor.refused(error, Words::Register, PASSKEY, &form)?)
}

fn form(
    visitor: &Visitor,
    policy: Registration,
    account: &Account,
    error: Option<&Error>,
    task: &Task,
) -> Markup {
    let mut fields = names(visitor, account);
    fields.push(Field {
        name: "password",
        label: visitor.say(Words::Password),
        kind: "password",
        autocomplete: "new-password",
        hint: visitor.say(Words::PasswordHint),
        ..Field::default()
    });
    fields.extend(invitation(visitor, policy, account));
    html! {
        (visitor.form_of_person(PATH, Words::Register, &fields, &[], error, task))
        @if Party::of(&visitor.headers).is_ok() {
            p data-passkeys hidden { a href=(PASSKEY) { (visitor.say(Words::RegisterByPasskey)) } }
        }
        p { a href=(SIGN_IN) { (visitor.say(Words::HaveAccount)) } }
    }
}

fn passkey_form(
    visitor: &Visitor,
    policy: Registration,
    account: &Account,
    error: Option<&Error>,
    task: &Task,
) -> Markup {
    let mut fields = names(visitor, account);
    fields.extend(invitation(visitor, policy, account));
    html! {
        p { (visitor.say(Words::RegisterByPasskeyAbout)) }
        (visitor.form_of_person(PASSKEY, Words::Register, &fields, &[], error, task))
        p { a href=(PATH) { (visitor.say(Words::RegisterByPassword)) } }
    }
}

fn names<'a>(visitor: &Visitor, account: &'a Account) -> Vec<Field<'a>> {
    vec![
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
    ]
}

fn invitation<'a>(
    visitor: &Visitor,
    policy: Registration,
    account: &'a Account,
) -> Option<Field<'a>> {
    let is_there = policy == Registration::Invited || !account.invitation.is_empty();
    is_there.then(|| Field {
        name: "invitation",
        label: visitor.say(Words::Invitation),
        kind: "text",
        autocomplete: "off",
        value: &account.invitation,
        hint: visitor.say(Words::InvitationHint),
        optional: policy == Registration::Open,
        ..Field::default()
    })
}

/// What somebody typed, without the blanks around it.
struct Wanted<'a> {
    name: &'a str,
    email: &'a str,
    code: Option<&'a str>,
}

// === impl Account ===

impl Account {
    fn wanted(&self) -> Wanted<'_> {
        let code = Some(self.invitation.trim());
        Wanted {
            name: self.username.trim(),
            email: self.email.trim(),
            code: code.filter(|code| !code.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::pages::tests::{Browser, FORM, leads, page};
    use crate::passkeys::device::{ORIGIN, SoftDevice};
    use crate::tests::{app, signed_in_by};
    use serde_json::{Value, json};

    /// Sends a form from where browsers have passkeys.
    fn send(
        browser: &mut Browser<'_>,
        action: &str,
        fields: &[(&str, &str)],
    ) -> sbd_sdk::testing::Reply {
        let token = browser.token("/account/sign-in");
        let mut body = form_urlencoded::Serializer::new(format!("form_token={token}"));
        body.extend_pairs(fields);
        let there = browser
            .client()
            .with_header("spin-full-url", &format!("{ORIGIN}/x"));
        let sent = there.upload("POST", action, FORM, body.finish());
        browser.keep(sent)
    }

    #[test]
    fn an_account_is_opened_with_a_passkey_in_a_browser() {
        let app = app();
        let mut ada = Browser::new(&app);
        assert!(!page(&ada.get("/account/register")).contains(super::PASSKEY));
        let new = [("username", "ada"), ("email", "ada@example.com")];
        let wrong = send(
            &mut ada,
            super::PASSKEY,
            &[("username", "a"), ("email", "x")],
        );
        assert_eq!(wrong.status(), 422);
        page(&wrong);
        let asked = send(&mut ada, super::PASSKEY, &new);
        let html = page(&asked);
        let (_, options) = html.split_once(r#"data-options=""#).unwrap();
        let options = options.split('"').next().unwrap().replace("&quot;", "\"");
        let options: Value = serde_json::from_str(&options).unwrap();
        let made = SoftDevice::new().made(&options).to_string();
        let new = [
            ("username", "ada"),
            ("email", "ada@example.com"),
            ("invitation", ""),
            ("credential", &*made),
        ];
        let opened = send(&mut ada, super::BY_PASSKEY, &new);
        assert!(page(&opened).contains(r#"class="codes""#));
        let me = signed_in_by(&app, ada.session.as_deref().unwrap());
        assert_eq!(me.get("/api/v1/auth/me")["has_password"], json!(false));
        // What takes the password elsewhere takes none here, as they have just shown who they are.
        let renamed = ada.send(
            "/account/username",
            "/account/username",
            &[("username", "lady")],
        );
        leads(&renamed, "/account?done=saved");
        app.advance(crate::confirmation::FRESH);
        let leave = ada.send("/account/leave", "/account/leave", &[]);
        leads(&leave, "/account/confirm?to=%2Faccount%2Fleave");
        let confirm = ada.get("/account/confirm");
        assert!(!page(&confirm).contains(r#"type="password""#));
    }
}
