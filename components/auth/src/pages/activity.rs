//! What was done with one's account.

use super::text::{Words, moment};
use super::visitor::Visitor;
use crate::activity::{self, Wanted};
use axum::response::Response;
use maud::html;
use page::Text as _;
use sbd_sdk::{Query, Result};

pub(super) const PATH: &str = "/account/activity";

pub(super) async fn show(visitor: Visitor, Query(wanted): Query<Wanted>) -> Result<Response> {
    let page = activity::page(visitor.may("account:read")?, wanted).await?;
    let next = page.next.map(|next| format!("{PATH}?cursor={next}"));
    let content = html! {
        p { (visitor.say(Words::ActivityAbout)) }
        ul class="list" {
            @for entry in &page.entries {
                li {
                    div {
                        p {
                            @match Words::of_action(&entry.action) {
                                Some(words) => strong { (words.of(visitor.language)) },
                                None => code { (entry.action) },
                            }
                        }
                        p class="quiet" { (moment(&entry.at)) }
                    }
                }
            }
        }
        @if let Some(next) = next { p { a href=(next) { (visitor.say(Words::Earlier)) } } }
    };
    visitor.page(Words::Activity, PATH, &content)
}
