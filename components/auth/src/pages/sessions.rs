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
    let caller = visitor.may("sessions:read")?;
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
    let agent = session.device.user_agent.as_deref();
    let program = match agent {
        Some(agent) => program(agent),
        None => visitor.say(Words::UnknownProgram).to_owned(),
    };
    let end = format!("{PATH}/{}/end", session.id);
    html! {
        div {
            p {
                strong { (program) }
                @if current { " (" (visitor.say(Words::ThisSession)) ")" }
            }
            @if session.impersonated_by.is_some() { p { (visitor.say(Words::ByAdministrator)) } }
            p class="quiet" {
                @if let Some(address) = &session.device.address {
                    (address)
                    @if let Some(country) = session.device.country() { " (" (country.code()) ")" }
                    " \u{b7} "
                }
                (visitor.say(Words::Since)) " " (date(session.created_at)) " \u{b7} "
                (visitor.say(Words::LastUsed)) " " (date(session.last_used_at))
            }
        }
        @if !current { (visitor.button(&end, Words::End, &program)) }
    }
}

/// What people call a program: a browser by its name and its system, others as they call themselves.
pub(super) fn program(agent: &str) -> String {
    // Each also names those that it would be taken for, which come later here.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(word, _)| agent.contains(word));
        found.map(|(_, name)| *name)
    };
    match (named(&browsers), named(&systems)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => agent.to_owned(),
    }
}

pub(super) async fn end(
    visitor: Visitor,
    Path(id): Path<SessionId>,
    posted: Posted,
) -> Result<Response> {
    let caller = visitor.may("sessions:write")?;
    visitor.read::<Nothing>(&posted)?;
    sessions::end(&id, &caller.user).await?;
    let page = go_to(&format!("{PATH}?done=session"))?;
    Ok((Revoked(vec![id]), page).into_response())
}

pub(super) async fn end_all(visitor: Visitor, posted: Posted) -> Result<Response> {
    let caller = visitor.may("sessions:write")?;
    visitor.read::<Nothing>(&posted)?;
    let ended = sessions::of_user(&caller.user).await?;
    sessions::end_all(&ended, &caller.user, EndReason::SignedOut).await?;
    out(&visitor, Revoked(ended), "signed-out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_what_people_call_them() {
        const LIKE: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, called) in [
            (
                format!("Mozilla/5.0 (X11; Linux x86_64) {LIKE} Chrome/148.0.0.0 Safari/537.36"),
                "Chrome, Linux",
            ),
            (
                format!(
                    "Mozilla/5.0 (Windows NT 10.0) {LIKE} Chrome/148.0 Safari/537.36 Edg/148.0"
                ),
                "Edge, Windows",
            ),
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {LIKE} Version/18.5 Safari/604.1"
                ),
                "Safari, iPhone",
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0".to_owned(),
                "Firefox, Android",
            ),
            ("curl/8.5".to_owned(), "curl/8.5"),
        ] {
            assert_eq!(program(&agent), called);
        }
    }
}
