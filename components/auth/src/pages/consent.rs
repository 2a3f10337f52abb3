//! What a program of somebody else's asks for, and whether its user wants that: in this browser, or for a device that
//! has none.

use super::text::Words;
use super::visitor::Visitor;
use crate::oauth::authorization::{self, RequestId};
use crate::oauth::clients::Client;
use crate::oauth::device;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use page::{Field, Form, Posted};
use sbd_sdk::{Error, Query, Result, Scopes};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const PATH: &str = "/account/consent";
pub(super) const DEVICE: &str = "/account/device";

/// What the names of the fields begin with that say what is granted; a scope is the rest.
const SCOPE: &str = "scope/";

/// Which request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    request: RequestId,
}

/// What the user of a device typed in, or its link brought.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    #[serde(default)]
    user_code: String,
}

/// What a user decides: by one of two buttons, and a field for each scope.
struct Decision {
    allows: bool,
    scopes: Vec<String>,
    /// What it is about.
    about: String,
}

pub(super) async fn show(visitor: Visitor, Query(asked): Query<Asked>) -> Result<Response> {
    let form = form(&visitor, &asked.request, None).await?;
    visitor.page(Words::Consent, PATH, &form)
}

pub(super) async fn decide(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("consents:write")?;
    let decision = Decision::read(&visitor, &posted, "request")?;
    let id: RequestId = decision.about.parse()?;
    let decided = match decision.allows {
        true => authorization::consent(caller, &id, decision.scopes).await,
        false => authorization::deny(caller, &id).await,
    };
    match decided {
        Ok(to) => {
            let content = html! { p { a href=(to) { (visitor.say(Words::BackToProgram)) } } };
            visitor.leave(Words::Decided, &to, &content)
        }
        Err(error) => {
            let form = form(&visitor, &id, Some(&error)).await?;
            visitor.refused(&error, Words::Consent, PATH, &form)
        }
    }
}

async fn form(visitor: &Visitor, id: &RequestId, error: Option<&Error>) -> Result<Markup> {
    let asked = authorization::request(visitor.may("consents:read")?, id).await?;
    let hidden = [("request", id.as_str())];
    let back = asked.request.redirect_uri.as_str();
    let form = decision(visitor, PATH, &asked.grantable, &hidden, error);
    Ok(html! {
        (about(visitor, &asked.client))
        p class="quiet" { (visitor.say(Words::LeadsBack)) " " code { (back) } }
        (form)
    })
}

/// Who asks. What a program calls itself nobody has checked.
fn about(visitor: &Visitor, client: &Client) -> Markup {
    html! {
        p { strong { (client.name) } " " (visitor.say(Words::ConsentAbout)) }
        @if client.registered_by.is_none() {
            p class="quiet" { (visitor.say(Words::NotChecked)) }
        }
    }
}

fn decision(
    visitor: &Visitor,
    action: &str,
    grantable: &Scopes,
    hidden: &[(&str, &str)],
    error: Option<&Error>,
) -> Markup {
    let below = html! {
        fieldset {
            legend { (visitor.say(Words::Scopes)) }
            @for scope in grantable.iter() {
                div class="choice" {
                    input type="checkbox" id={ (SCOPE) (scope) } name={ (SCOPE) (scope) } checked;
                    label for={ (SCOPE) (scope) } { code { (scope) } }
                }
            }
        }
        p {
            button type="submit" name="decision" value="allow" { (visitor.say(Words::Allow)) }
            " "
            button type="submit" name="decision" value="deny" class="quiet" {
                (visitor.say(Words::Deny))
            }
        }
    };
    let form = Form {
        action,
        token: &visitor.token(),
        submit: "",
        destroys: false,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[],
        hidden,
        below: Some(&below),
    };
    html! { (form) }
}

pub(super) async fn device(visitor: Visitor, Query(typed): Query<Typed>) -> Result<Response> {
    visitor.may("consents:write")?;
    let form = code_form(&visitor, &typed.user_code, None);
    visitor.page(Words::Device, DEVICE, &form)
}

/// The code that was typed in; then what was decided about it.
pub(super) async fn connect(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("consents:write")?;
    let code = match visitor.read::<Typed>(&posted) {
        Ok(typed) => typed.user_code,
        Err(error) if error.status() == StatusCode::FORBIDDEN => return Err(error),
        Err(_) => {
            let decision = Decision::read(&visitor, &posted, "device_code")?;
            let code = &decision.about;
            let decided = match decision.allows {
                true => device::approve(caller, code, decision.scopes).await,
                false => device::deny(caller, code).await,
            };
            return match decided {
                Ok(()) => {
                    let words = match decision.allows {
                        true => Words::DeviceConnected,
                        false => Words::DeviceDenied,
                    };
                    let content = html! { p { (visitor.say(words)) } };
                    visitor.page(Words::Device, DEVICE, &content)
                }
                Err(error) => refused(&visitor, code, &error),
            };
        }
    };
    match device::request(caller, &code).await {
        Ok(asked) => {
            let hidden = [("device_code", code.as_str())];
            let content = html! {
                (about(&visitor, &asked.client))
                p { (visitor.say(Words::DeviceYours)) " " code { (code) } }
                (decision(&visitor, DEVICE, &asked.grantable, &hidden, None))
            };
            visitor.page(Words::Device, DEVICE, &content)
        }
        Err(error) => refused(&visitor, &code, &error),
    }
}

fn refused(visitor: &Visitor, code: &str, error: &Error) -> Result<Response> {
    let form = code_form(visitor, code, Some(error));
    visitor.refused(error, Words::Device, DEVICE, &form)
}

fn code_form(visitor: &Visitor, code: &str, error: Option<&Error>) -> Markup {
    let code = Field {
        name: "user_code",
        label: visitor.say(Words::Code),
        kind: "text",
        autocomplete: "off",
        value: code,
        hint: visitor.say(Words::DeviceCodeHint),
        ..Field::default()
    };
    visitor.form(DEVICE, Words::Continue, &[code], &[], error)
}

// === impl Decision ===

impl Decision {
    fn read(visitor: &Visitor, posted: &Posted, about: &str) -> Result<Self> {
        let mut fields: BTreeMap<String, String> = visitor.read(posted)?;
        let unknown = || Error::malformed("this form is not one of ours");
        let decision = fields.remove("decision").ok_or_else(unknown)?;
        let about = fields.remove(about).ok_or_else(unknown)?;
        let scopes = fields.into_keys();
        let scopes = scopes.map(|name| name.strip_prefix(SCOPE).map(str::to_owned));
        Ok(Self {
            allows: match decision.as_str() {
                "allow" => true,
                "deny" => false,
                _ => return Err(unknown()),
            },
            scopes: scopes.collect::<Option<_>>().ok_or_else(unknown)?,
            about,
        })
    }
}
