//! Where one is signed in, and ending that.

use super::sign_in::{Nothing, out};
use super::text::{Words, date};
use super::visitor::Visitor;
use crate::events::EndReason;
use crate::model::{Session, SessionId};
use crate::sessions::{self, Revoked};
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use page::{Form, Posted, Problems, go_to};
use sbd_sdk::{Path, Result};

pub(super) const PATH: &str = "/account/sessions";

pub(super) async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response> {
    let caller = visitor.caller()?;
    let own = sessions::all_of(&caller.user).await?;
    let all = Form {
        action: "/account/sessions/end-all",
        token: &visitor.token(),
        submit: visitor.say(Words::EndAll),
        destroys: true,
        problems: &Problems::default(),
        wrong: "",
        fields: &[],
        hidden: &[],
        below: None,
    };
    let content = html! {
        (visitor.done(query.as_deref()))
        p { (visitor.say(Words::SessionsAbout)) }
        ul class="list" {
            @for session in &own { li { (item(&visitor, session)) } }
        }
        (all)
    };
    visitor.page(Words::Sessions, PATH, &content)
}

fn item(visitor: &Visitor, session: &Session) -> Markup {
    let current = visitor.session().is_some_and(|own| own.id == session.id);
    let program = session.device.user_agent.as_deref();
    let program = program.unwrap_or(visitor.say(Words::UnknownProgram));
    let end = format!("{PATH}/{}/end", session.id);
    html! {
        div {
            p {
                strong { (program) }
                @if current { " (" (visitor.say(Words::ThisSession)) ")" }
            }
            p class="quiet" {
                @if let Some(address) = &session.device.address { (address) " \u{b7} " }
                (visitor.say(Words::Since)) " " (date(session.created_at)) " \u{b7} "
                (visitor.say(Words::LastUsed)) " " (date(session.last_used_at))
            }
        }
        @if !current { (visitor.button(&end, Words::End, program)) }
    }
}

pub(super) async fn end(
    visitor: Visitor,
    Path(id): Path<SessionId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.caller()?;
    visitor.read::<Nothing>(&posted)?;
    sessions::end(&id, &caller.user).await?;
    let page = go_to(&format!("{PATH}?done=session"))?;
    Ok((Revoked(vec![id]), page).into_response())
}

pub(super) async fn end_all(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.caller()?;
    visitor.read::<Nothing>(&posted)?;
    let ended = sessions::of_user(&caller.user).await?;
    sessions::end_all(&ended, &caller.user, EndReason::SignedOut).await?;
    out(&visitor, Revoked(ended), "signed-out")
}
