//! One's passkeys: added, renamed, and removed.

use super::passkey::{self, Ask};
use super::sign_in::Nothing;
use super::text::{Words, date};
use super::visitor::Visitor;
use crate::confirmation;
use crate::passkeys::{self, Party, PasskeyId};
use axum::extract::RawQuery;
use axum::response::Response;
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Listing, Path, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/passkeys";
pub(super) const NEW: &str = "/account/passkeys/new";
pub(super) const NAME: &str = "/account/passkeys/{id}/name";

/// What one is to be called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// A new one, as a browser made it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    name: String,
    credential: String,
}

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let done = visitor.done(query.as_deref());
    let content = html! { (done) (content(&visitor, "", None).await?) };
    visitor.page(Words::Passkeys, PATH, &content)
}

/// A browser is asked to make one.
pub(super) async fn begin(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("passkeys:write")?;
    let new: Named = visitor.read(&posted)?;
    confirmation::fresh(caller).await?;
    let options = match Party::of(&visitor.headers) {
        Ok(party) => passkeys::options_to_add(caller, &party).await,
        Err(error) => Err(error),
    };
    match options {
        Ok(options) => {
            let hidden = [("name", new.name.as_str())];
            passkey::ask(
                &visitor,
                Ask::Make,
                &options,
                Words::AddPasskey,
                PATH,
                &hidden,
            )
        }
        Err(error) => refused(&visitor, &new.name, &error).await,
    }
}

pub(super) async fn add(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("passkeys:write")?;
    let made: Made = visitor.read(&posted)?;
    let party = Party::of(&visitor.headers)?;
    let credential = passkey::read(&made.credential)?;
    match passkeys::add(caller, &party, &made.name, &credential).await {
        Ok(_) => go_to(&format!("{PATH}?done=saved")),
        Err(error) if confirmation::is_wanted(&error) => Err(error),
        Err(error) => refused(&visitor, &made.name, &error).await,
    }
}

async fn refused(visitor: &Visitor, name: &str, error: &Error) -> Result<Response> {
    let content = content(visitor, name, Some(error)).await?;
    visitor.refused(error, Words::Passkeys, PATH, &content)
}

async fn content(visitor: &Visitor, name: &str, error: Option<&Error>) -> Result<Markup> {
    let caller = visitor.may("passkeys:read")?;
    let own = passkeys::list(&caller.user, &Listing::read("per_page=100")?).await?;
    let name = name_field(visitor, name);
    let form = Form {
        action: NEW,
        token: &visitor.token(),
        submit: visitor.say(Words::AddPasskey),
        destroys: false,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[name],
        hidden: &[],
        below: None,
    };
    let has_them = Party::of(&visitor.headers).is_ok();
    Ok(html! {
        p { (visitor.say(Words::PasskeysAbout)) }
        @if own.items.is_empty() { p class="quiet" { (visitor.say(Words::NoPasskeys)) } }
        ul class="list" {
            @for passkey in &own.items {
                li {
                    div {
                        p { strong { (passkey.name) } }
                        p class="quiet" {
                            (passkey.host) " \u{b7} "
                            (visitor.say(Words::Since)) " " (date(passkey.created_at))
                            @if let Some(used) = passkey.last_used_at {
                                " \u{b7} " (visitor.say(Words::LastUsed)) " " (date(used))
                            }
                        }
                        @if passkey.suspected_at.is_some() {
                            p class="problem" { (visitor.say(Words::PasskeySuspected)) }
                        }
                    }
                    p {
                        a href={ (PATH) "/" (passkey.id) "/name" }
                            aria-label={ (visitor.say(Words::Rename)) ": " (passkey.name) } {
                            (visitor.say(Words::Rename))
                        }
                    }
                    (visitor.button(&format!("{PATH}/{}/remove", passkey.id), Words::Remove, &passkey.name))
                }
            }
        }
        h2 { (visitor.say(Words::AddPasskey)) }
        @if has_them {
            div data-passkeys hidden { (form) }
            p data-no-passkeys { (visitor.say(Words::NoPasskeysHere)) }
        } @else {
            p { (visitor.say(Words::NoPasskeysAt)) }
        }
    })
}

fn name_field<'a>(visitor: &Visitor, name: &'a str) -> Field<'a> {
    Field {
        name: "name",
        label: visitor.say(Words::PasskeyName),
        kind: "text",
        autocomplete: "off",
        value: name,
        hint: visitor.say(Words::PasskeyNameHint),
        ..Field::default()
    }
}

pub(super) async fn name(visitor: Visitor, Path(id): Path<PasskeyId>) -> Result<Response> {
    let caller = visitor.may("passkeys:write")?;
    let passkey = passkeys::get(&caller.user, &id).await?;
    let form = rename_form(&visitor, &id, &passkey.name, None);
    visitor.page(Words::RenamePasskey, PATH, &form)
}

pub(super) async fn rename(
    visitor: Visitor,
    Path(id): Path<PasskeyId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("passkeys:write")?;
    let given: Named = visitor.read(&posted)?;
    match passkeys::rename(&caller.user, &id, &given.name).await {
        Ok(_) => go_to(&format!("{PATH}?done=saved")),
        Err(error) => {
            let form = rename_form(&visitor, &id, &given.name, Some(&error));
            visitor.refused(&error, Words::RenamePasskey, PATH, &form)
        }
    }
}

fn rename_form(visitor: &Visitor, id: &PasskeyId, name: &str, error: Option<&Error>) -> Markup {
    let action = format!("{PATH}/{id}/name");
    let fields = [name_field(visitor, name)];
    visitor.form(&action, Words::Rename, &fields, &[], error)
}

pub(super) async fn remove(
    visitor: Visitor,
    Path(id): Path<PasskeyId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("passkeys:write")?;
    visitor.read::<Nothing>(&posted)?;
    passkeys::remove(caller, &id).await?;
    go_to(&format!("{PATH}?done=removed"))
}
