//! Programs of others that act for one, and taking that back.

use super::sign_in::Nothing;
use super::text::{Words, date};
use super::visitor::Visitor;
use crate::oauth::clients::ClientId;
use crate::oauth::consents;
use crate::sessions::Revoked;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::html;
use page::{Posted, go_to};
use sbd_sdk::{Listing, Path, Result};

pub(super) const PATH: &str = "/account/programs";

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let caller = visitor.may("consents:read")?;
    let own = consents::list(&caller.user, &Listing::read("per_page=100")?).await?;
    let content = html! {
        (visitor.done(query.as_deref()))
        p { (visitor.say(Words::ProgramsAbout)) }
        @if own.items.is_empty() { p class="quiet" { (visitor.say(Words::NoPrograms)) } }
        ul class="list" {
            @for (consent, name) in &own.items {
                li {
                    div {
                        p { strong { (name) } }
                        p { code { (consent.scopes.iter().collect::<Vec<_>>().join(" ")) } }
                        p class="quiet" {
                            (visitor.say(Words::Since)) " " (date(consent.created_at))
                        }
                    }
                    @let end = format!("{PATH}/{}/end", consent.client_id);
                    (visitor.button(&end, Words::TakeBack, name))
                }
            }
        }
    };
    visitor.page(Words::Programs, PATH, &content)
}

pub(super) async fn end(
    visitor: Visitor,
    Path(id): Path<ClientId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("consents:write")?;
    visitor.read::<Nothing>(&posted)?;
    let ended = consents::withdraw(caller, &id).await?;
    let page = go_to(&format!("{PATH}?done=removed"))?;
    Ok((Revoked(ended), page).into_response())
}
