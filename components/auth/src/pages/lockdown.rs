//! From where one's account is used: networks and programs, passes for who is elsewhere, and places that a mail is to
//! let in.

use super::sessions::program;
use super::sign_in::Nothing;
use super::text::{Words, date, moment};
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, mailed};
use crate::lockdown::attempts::{self, LetIn};
use crate::lockdown::passes::{self, Pass, PassId};
use crate::lockdown::{self, Bounds, Program, change};
use crate::place::Place;
use crate::sessions::Revoked;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Form, Posted, go_to};
use sbd_sdk::{Error, Path, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/lockdown";
pub(super) const PASSES: &str = "/account/lockdown/passes";
pub(super) const ALLOW: &str = "/account/lockdown/allowed-places";

/// What all of this needs.
const PERMISSION: &str = "account:lockdown";

/// What an account is to be bound to: a network, or a program, on each line.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    networks: String,
    programs: String,
    #[serde(default)]
    even_if_locked_out: Option<String>,
}

/// How long a pass is to be good.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    hours: String,
}

/// A place that is to be let in, by the code of a mail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    code: String,
    how: How,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Once,
    Always,
}

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let done = visitor.done(query.as_deref());
    let content = html! { (done) (content(&visitor, None, None).await?) };
    visitor.page(Words::Places, PATH, &content)
}

pub(super) async fn set(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    let given: Given = visitor.read(&posted)?;
    let here = Place::of(&visitor.device());
    let locked_out = given.even_if_locked_out.is_some();
    let set = match bounds(&given) {
        Ok(bounds) => change::set(caller, &bounds, &here, locked_out).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(()) => {
            let waits = change::waiting(&caller.user).await?.is_some();
            let done = if waits { "mail" } else { "saved" };
            go_to(&format!("{PATH}?done={done}"))
        }
        // It is no form of this page that says who one is.
        Err(error) if crate::confirmation::is_wanted(&error) => Err(error),
        Err(error) => {
            let content = content(&visitor, Some(&given), Some(&error)).await?;
            visitor.refused(&error, Words::Places, PATH, &content)
        }
    }
}

fn bounds(given: &Given) -> Result<Bounds> {
    let lines = |text: &str| {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // Whoever leaves a field empty is not bound by it.
    let networks = Some(lines(&given.networks)).filter(|lines| !lines.is_empty());
    let programs = Some(lines(&given.programs)).filter(|lines| !lines.is_empty());
    let programs = programs.map(|lines| lines.iter().map(|line| Program::on_line(line)).collect());
    Bounds::new(networks, programs)
}

async fn content(
    visitor: &Visitor,
    given: Option<&Given>,
    error: Option<&Error>,
) -> Result<Markup> {
    let caller = visitor.may(PERMISSION)?;
    let lockdown = lockdown::of(&caller.user).await?;
    let waiting = change::waiting(&caller.user).await?;
    let since = lockdown.as_ref().map(|lockdown| lockdown.since);
    let here = Place::of(&visitor.device());
    let now = lockdown.map(|lockdown| lines(&lockdown.bounds));
    let shown = given.map(|given| (given.networks.clone(), given.programs.clone()));
    let (networks, programs) = shown.or(now).unwrap_or_default();
    let fields = html! {
        (list(visitor, "networks", Words::PlaceNetworks, Words::PlaceNetworksHint, &networks))
        (list(visitor, "programs", Words::PlacePrograms, Words::PlaceProgramsHint, &programs))
        div class="choice" {
            input type="checkbox" id="even_if_locked_out" name="even_if_locked_out";
            label for="even_if_locked_out" { (visitor.say(Words::EvenIfLockedOut)) }
        }
    };
    let form = Form {
        action: PATH,
        token: &visitor.token(),
        submit: visitor.say(Words::BindToPlaces),
        destroys: false,
        problems: &visitor.problems(error),
        wrong: visitor.say(Words::Wrong),
        fields: &[],
        hidden: &[],
        below: Some(&fields),
    };
    Ok(html! {
        p { (visitor.say(Words::PlacesAbout)) }
        p {
            @match since {
                Some(since) => { (visitor.say(Words::PlacesOn)) " " (date(since)) "." },
                None => (visitor.say(Words::PlacesOff)),
            }
        }
        @if let Some(waiting) = waiting {
            p class="problem" {
                (visitor.say(Words::PlacesWait)) " " (moment(&waiting.expires_at.to_string()))
            }
        }
        h2 { (visitor.say(Words::Here)) }
        (place(visitor, &here))
        h2 { (visitor.say(Words::BindToPlaces)) }
        (form)
        @if since.is_some() { (own_passes(visitor, None).await?) }
    })
}

/// A field of several lines.
fn list(visitor: &Visitor, name: &str, label: Words, hint: Words, value: &str) -> Markup {
    let said = format!("{name}-hint");
    html! {
        div class="field" {
            label for=(name) { (visitor.say(label)) }
            p class="hint" id=(said) { (visitor.say(hint)) }
            textarea id=(name) name=(name) rows="4" aria-describedby=(said)
                autocapitalize="none" spellcheck="false" { (value) }
        }
    }
}

/// Networks and programs, one a line.
fn lines(bounds: &Bounds) -> (String, String) {
    let networks = bounds.networks.as_ref().map(|networks| networks.texts());
    let programs = bounds.programs.iter().flatten().map(ToString::to_string);
    let programs: Vec<_> = programs.collect();
    (networks.unwrap_or_default().join("\n"), programs.join("\n"))
}

fn place(visitor: &Visitor, place: &Place) -> Markup {
    let address = place.address.map(|address| address.to_string());
    let agent = place.user_agent.as_deref();
    html! {
        dl {
            div {
                dt { (visitor.say(Words::NetworkAddress)) }
                dd { (address.as_deref().unwrap_or("?")) }
            }
            div {
                dt { (visitor.say(Words::ProgramName)) }
                dd { (agent.unwrap_or(visitor.say(Words::UnknownProgram))) }
            }
        }
    }
}

async fn own_passes(visitor: &Visitor, error: Option<&Error>) -> Result<Markup> {
    let passes = passes::of(&visitor.may(PERMISSION)?.user).await?;
    let hours = Field {
        name: "hours",
        label: visitor.say(Words::Hours),
        kind: "text",
        autocomplete: "off",
        hint: visitor.say(Words::HoursHint),
        keys: "numeric",
        ..Field::default()
    };
    Ok(html! {
        h2 { (visitor.say(Words::Passes)) }
        p { (visitor.say(Words::PassesAbout)) }
        @if !passes.is_empty() {
            ul class="list" { @for pass in &passes { li { (item(visitor, pass)) } } }
        }
        (visitor.form(PASSES, Words::MakePass, &[hours], &[], error))
    })
}

fn item(visitor: &Visitor, pass: &Pass) -> Markup {
    let agent = pass.place.as_ref().map(|place| place.user_agent.as_deref());
    let what = match agent {
        Some(Some(agent)) => program(agent),
        Some(None) => visitor.say(Words::UnknownProgram).to_owned(),
        None => visitor.say(Words::Anywhere).to_owned(),
    };
    let address = pass.place.as_ref().and_then(|place| place.address);
    html! {
        div {
            p { strong { (what) } }
            p class="quiet" {
                @if let Some(address) = address { (address.to_string()) " \u{b7} " }
                (visitor.say(Words::Until)) " " (moment(&pass.expires_at.to_string()))
            }
        }
        (visitor.button(&format!("{PASSES}/{}/end", pass.id), Words::TakeBack, &what))
    }
}

pub(super) async fn make_pass(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    let new: New = visitor.read(&posted)?;
    let made = match new.hours.trim().parse() {
        Ok(hours) => passes::make(caller, hours).await,
        Err(_) => Err(Error::validation("hours", "1 to 72")),
    };
    match made {
        Ok((_, secret)) => {
            let content = html! {
                div class="done" role="status" { p { (visitor.say(Words::PassMade)) } }
                p class="secret" { (secret) }
                p { a href=(PATH) { (visitor.say(Words::Kept)) } }
            };
            visitor.page(Words::Passes, PATH, &content)
        }
        Err(error) if crate::confirmation::is_wanted(&error) => Err(error),
        Err(error) => {
            let content = own_passes(&visitor, Some(&error)).await?;
            visitor.refused(&error, Words::Places, PATH, &content)
        }
    }
}

pub(super) async fn end_pass(
    visitor: Visitor,
    Path(id): Path<PassId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may(PERMISSION)?;
    visitor.read::<Nothing>(&posted)?;
    let told = passes::take_back(&caller.user, &id).await?;
    Ok((Revoked(told), go_to(&format!("{PATH}?done=removed"))?).into_response())
}

/// What a change that was confirmed by mail leads to.
pub(super) fn bound(visitor: &Visitor, is_out: bool) -> Result<Response> {
    let page = match visitor.session().is_some() && !is_out {
        true => PATH,
        false => SIGN_IN,
    };
    go_to(&format!("{page}?done=bound"))
}

/// Shows the place that the code of a mail is about, before it is let in.
pub(super) async fn about(visitor: &Visitor, code: &str, how: LetIn) -> Result<Response> {
    let attempt = attempts::found(code).await?;
    let (how, words) = match how {
        LetIn::Once => ("once", Words::LetInOnce),
        LetIn::Always => ("always", Words::LetInAlways),
    };
    let hidden = [("code", code), ("how", how)];
    let content = html! {
        p { (visitor.say(Words::LetInAbout)) }
        (place(visitor, &attempt.place))
        p class="quiet" { (moment(&attempt.at.to_string())) }
        (visitor.form(ALLOW, words, &[], &hidden, None))
        p { a href=(HOME) { (visitor.say(Words::LetNobodyIn)) } }
    };
    visitor.page(Words::LetIn, mailed::LANDING, &content)
}

pub(super) async fn allow(visitor: Visitor, posted: Posted) -> Result<Response> {
    let given: Allowed = visitor.read(&posted)?;
    let how = match given.how {
        How::Once => LetIn::Once,
        How::Always => LetIn::Always,
    };
    attempts::let_in(&given.code, how).await?;
    let page = if visitor.session().is_some() {
        HOME
    } else {
        SIGN_IN
    };
    go_to(&format!("{page}?done=allowed"))
}
