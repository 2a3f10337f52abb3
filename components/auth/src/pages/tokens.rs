//! Permanent tokens: made, shown once, given another secret or other networks, and taken back; and how much each is used.

use super::sign_in::Nothing;
use super::text::{Words, date, moment};
use super::visitor::Visitor;
use crate::permanent::change::{self, Change};
use crate::permanent::{self, PermanentToken, TokenId, Wanted, rotation};
use crate::sessions::Revoked;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Posted, go_to};
use sbd_sdk::time;
use sbd_sdk::{Error, Path, Result};
use serde::Deserialize;

pub(super) const PATH: &str = "/account/tokens";

/// What a token is to be.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    scopes: String,
    #[serde(default)]
    expires_in_days: String,
    #[serde(default)]
    networks: String,
}

/// How long the secret before stays good.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlap {
    overlap_hours: String,
}

/// What of a token is to be otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    name: String,
    #[serde(default)]
    networks: String,
}

/// What of a token could not be done, and why.
enum Refused<'a> {
    Nothing,
    Rotation(&'a Overlap, &'a Error),
    Change(&'a Other, &'a Error),
}

/// What stands in the field for it at first.
const A_DAY: &str = "24";

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let done = visitor.done(query.as_deref());
    let content = html! { (done) (content(&visitor, &New::default(), None).await?) };
    visitor.page(Words::Tokens, PATH, &content)
}

pub(super) async fn make(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("tokens:write")?;
    let new: New = visitor.read(&posted)?;
    let made = match wanted(&new) {
        Ok(wanted) => permanent::make(caller, wanted).await,
        Err(error) => Err(error),
    };
    match made {
        Ok((token, secret)) => shown(&visitor, &token, &secret),
        Err(error) => {
            let content = content(&visitor, &new, Some(&error)).await?;
            visitor.refused(&error, Words::Tokens, PATH, &content)
        }
    }
}

/// A secret, this once.
fn shown(visitor: &Visitor, token: &PermanentToken, secret: &str) -> Result<Response> {
    let content = html! {
        div class="done" role="status" { p { (visitor.say(Words::TokenMade)) } }
        @if token.waiting { p { (visitor.say(Words::TokenWaits)) } }
        p { strong { (token.name) } }
        p class="secret" { (secret) }
        p { a href=(PATH) { (visitor.say(Words::Kept)) } }
    };
    visitor.page(Words::Tokens, PATH, &content)
}

fn wanted(new: &New) -> Result<Wanted> {
    let days = match new.expires_in_days.trim() {
        "" => None,
        days => Some(
            days.parse()
                .map_err(|_| Error::validation("expires_in_days", "1 to 3650, or nothing"))?,
        ),
    };
    Ok(Wanted {
        name: new.name.clone(),
        scopes: words(&new.scopes),
        days,
        networks: words(&new.networks),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

async fn content(visitor: &Visitor, new: &New, error: Option<&Error>) -> Result<Markup> {
    let caller = visitor.may("tokens:read")?;
    let own = permanent::of(&caller.user).await?;
    let fields = [
        name_field(visitor, &new.name),
        Field {
            name: "scopes",
            label: visitor.say(Words::Scopes),
            kind: "text",
            autocomplete: "off",
            value: &new.scopes,
            hint: visitor.say(Words::ScopesHint),
            ..Field::default()
        },
        Field {
            name: "expires_in_days",
            label: visitor.say(Words::Days),
            kind: "text",
            autocomplete: "off",
            value: &new.expires_in_days,
            hint: visitor.say(Words::DaysHint),
            keys: "numeric",
            optional: true,
        },
        networks_field(visitor, &new.networks),
    ];
    Ok(html! {
        p { (visitor.say(Words::TokensAbout)) }
        @if own.is_empty() {
            p class="quiet" { (visitor.say(Words::NoTokens)) }
        } @else {
            ul class="list" { @for token in &own { li { (item(visitor, token)) } } }
        }
        h2 { (visitor.say(Words::MakeToken)) }
        (visitor.form(PATH, Words::MakeToken, &fields, &[], error))
    })
}

fn item(visitor: &Visitor, token: &PermanentToken) -> Markup {
    let scopes = token.scopes.iter().collect::<Vec<_>>().join(" ");
    let (one, end) = (
        format!("{PATH}/{}", token.id),
        format!("{PATH}/{}/end", token.id),
    );
    let networks = token.networks.texts().join(" ");
    html! {
        div {
            p {
                strong { a href=(one) { (token.name) } }
                @if token.waiting { " (" (visitor.say(Words::Waiting)) ")" }
            }
            p { code { (scopes) } }
            @if !networks.is_empty() {
                p class="quiet" { (visitor.say(Words::TokenNetworks)) ": " (networks) }
            }
            p class="quiet" {
                (visitor.say(Words::Since)) " " (date(token.created_at))
                @if let Some(used) = token.last_used_at {
                    " \u{b7} " (visitor.say(Words::LastUsed)) " " (date(used))
                }
                @if let Some(end) = token.expires_at {
                    " \u{b7} " (visitor.say(Words::Until)) " " (date(end))
                }
            }
        }
        (visitor.button(&end, Words::TakeBack, &token.name))
    }
}

/// One token: how much it is used, and what can be otherwise.
pub(super) async fn one(
    visitor: Visitor,
    Path(id): Path<TokenId>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let caller = visitor.may("tokens:read")?;
    let token = permanent::own(&caller.user, &id).await?;
    let done = visitor.done(query.as_deref());
    let content = html! { (done) (details(&visitor, &token, &Refused::Nothing)) };
    visitor.page(Words::Token, PATH, &content)
}

pub(super) async fn change(
    visitor: Visitor,
    Path(id): Path<TokenId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("tokens:write")?;
    let given: Other = visitor.read(&posted)?;
    let wanted = Change {
        name: Some(given.name.clone()),
        networks: Some(words(&given.networks)),
    };
    match change::change(caller, &id, &wanted).await {
        Ok((_, told)) => {
            let page = go_to(&format!("{PATH}/{id}?done=saved"))?;
            Ok((Revoked(Vec::from_iter(told)), page).into_response())
        }
        Err(error) => {
            let token = permanent::own(&caller.user, &id).await?;
            let content = details(&visitor, &token, &Refused::Change(&given, &error));
            visitor.refused(&error, Words::Token, PATH, &content)
        }
    }
}

pub(super) async fn rotate(
    visitor: Visitor,
    Path(id): Path<TokenId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("tokens:write")?;
    let given: Overlap = visitor.read(&posted)?;
    let rotated = match given.overlap_hours.trim().parse() {
        Ok(hours) => rotation::rotate(caller, &id, hours).await,
        Err(_) => Err(Error::validation("overlap_hours", "0 to 168")),
    };
    match rotated {
        Ok((token, secret)) => {
            let page = shown(&visitor, &token, &secret)?;
            Ok((Revoked(vec![id]), page).into_response())
        }
        Err(error) => {
            let token = permanent::own(&caller.user, &id).await?;
            let content = details(&visitor, &token, &Refused::Rotation(&given, &error));
            visitor.refused(&error, Words::Token, PATH, &content)
        }
    }
}

fn details(visitor: &Visitor, token: &PermanentToken, refused: &Refused<'_>) -> Markup {
    let now = time::now();
    let days = token.usage.by_day(now).into_iter().rev();
    let used: Vec<_> = days.filter(|(_, minutes)| *minutes > 0).collect();
    let former = token.former.as_ref().map(|former| former.until);
    html! {
        ul class="list" { li { (item(visitor, token)) } }
        h2 { (visitor.say(Words::TokenUse)) }
        p { (visitor.say(Words::TokenUseAbout)) }
        @if token.last_used_at.is_some() {
            p class="quiet" {
                @if let Some(address) = &token.usage.address { (address) " \u{b7} " }
                @if let Some(agent) = &token.usage.user_agent { (agent) }
            }
        }
        @if used.is_empty() {
            p class="quiet" { (visitor.say(Words::TokenNotUsed)) }
        } @else {
            dl { @for (day, minutes) in &used { div { dt { (day) } dd { (minutes) } } } }
        }
        h2 { (visitor.say(Words::Rotate)) }
        p { (visitor.say(Words::RotateAbout)) }
        @if let Some(until) = former.filter(|until| *until > now) {
            p class="quiet" { (visitor.say(Words::FormerUntil)) " " (moment(&until.to_string())) }
        }
        (rotation_form(visitor, token, refused))
        h2 { (visitor.say(Words::ChangeToken)) }
        p { (visitor.say(Words::ChangeTokenAbout)) }
        (change_form(visitor, token, refused))
    }
}

fn rotation_form(visitor: &Visitor, token: &PermanentToken, refused: &Refused<'_>) -> Markup {
    let (hours, error) = match refused {
        Refused::Rotation(given, error) => (&*given.overlap_hours, Some(*error)),
        _ => (A_DAY, None),
    };
    let overlap = Field {
        name: "overlap_hours",
        label: visitor.say(Words::Overlap),
        kind: "text",
        autocomplete: "off",
        value: hours,
        hint: visitor.say(Words::OverlapHint),
        keys: "numeric",
        ..Field::default()
    };
    let at = format!("{PATH}/{}", token.id);
    visitor.form(&at, Words::Rotate, &[overlap], &[], error)
}

fn change_form(visitor: &Visitor, token: &PermanentToken, refused: &Refused<'_>) -> Markup {
    let now = token.networks.texts().join(" ");
    let (name, networks, error) = match refused {
        Refused::Change(given, error) => (&given.name, &given.networks, Some(*error)),
        _ => (&token.name, &now, None),
    };
    let fields = [name_field(visitor, name), networks_field(visitor, networks)];
    let at = format!("{PATH}/{}/changes", token.id);
    visitor.form(&at, Words::ChangeToken, &fields, &[], error)
}

fn name_field<'a>(visitor: &'a Visitor, value: &'a str) -> Field<'a> {
    Field {
        name: "name",
        label: visitor.say(Words::TokenName),
        kind: "text",
        autocomplete: "off",
        value,
        hint: visitor.say(Words::TokenNameHint),
        ..Field::default()
    }
}

fn networks_field<'a>(visitor: &'a Visitor, value: &'a str) -> Field<'a> {
    Field {
        name: "networks",
        label: visitor.say(Words::TokenNetworks),
        kind: "text",
        autocomplete: "off",
        value,
        hint: visitor.say(Words::TokenNetworksHint),
        optional: true,
        ..Field::default()
    }
}

pub(super) async fn end(
    visitor: Visitor,
    Path(id): Path<TokenId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("tokens:write")?;
    visitor.read::<Nothing>(&posted)?;
    permanent::take_back(&caller.user, &id).await?;
    let page = go_to(&format!("{PATH}?done=token"))?;
    Ok((Revoked(vec![id]), page).into_response())
}
