//! Permanent tokens: made, shown once, and taken back.

use super::sign_in::Nothing;
use super::text::{Words, date};
use super::visitor::Visitor;
use crate::permanent::{self, PermanentToken, TokenId, Wanted};
use crate::sessions::Revoked;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Field, Posted, go_to};
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
}

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
        Ok((token, secret)) => {
            let content = html! {
                div class="done" role="status" { p { (visitor.say(Words::TokenMade)) } }
                p { strong { (token.name) } }
                p class="secret" { (secret) }
                p { a href=(PATH) { (visitor.say(Words::Kept)) } }
            };
            visitor.page(Words::Tokens, PATH, &content)
        }
        Err(error) => {
            let content = content(&visitor, &new, Some(&error)).await?;
            visitor.refused(&error, Words::Tokens, PATH, &content)
        }
    }
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
        scopes: new.scopes.split_whitespace().map(str::to_owned).collect(),
        days,
    })
}

async fn content(visitor: &Visitor, new: &New, error: Option<&Error>) -> Result<Markup> {
    let caller = visitor.may("tokens:read")?;
    let own = permanent::of(&caller.user).await?;
    let fields = [
        Field {
            name: "name",
            label: visitor.say(Words::TokenName),
            kind: "text",
            autocomplete: "off",
            value: &new.name,
            hint: visitor.say(Words::TokenNameHint),
            ..Field::default()
        },
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
    let end = format!("{PATH}/{}/end", token.id);
    html! {
        div {
            p { strong { (token.name) } }
            p { code { (scopes) } }
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
