//! What goes wrong is a page as well, which says what to do next.

use super::text::{self, Words};
use super::visitor::Visitor;
use super::{HOME, SIGN_IN, second_factor};
use crate::confirmation;
use axum::extract::{FromRequestParts as _, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;
use maud::html;
use page::{Text as _, go_to};
use sbd_sdk::{Error, RequestId, Result};

/// Shows what a page of ours refuses as a page. Whoever is not signed in is led to the sign-in, and back.
pub(crate) async fn shown(request: Request, next: Next) -> Response {
    let below = request.uri().path().strip_prefix(HOME);
    if !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let mut asked = head.clone();
    let response = next.run(Request::from_parts(head, body)).await;
    let Some(error) = response.extensions().get::<Error>().cloned() else {
        return response;
    };
    let shown = instead(&mut asked, &error).await;
    shown.unwrap_or_else(IntoResponse::into_response)
}

/// What is shown instead of an error.
async fn instead(asked: &mut Parts, error: &Error) -> Result<Response> {
    if confirmation::is_wanted(error) {
        let page = page_of(asked.uri.path());
        return go_to(&second_factor::confirmation(&page));
    }
    if error.code() == "UNAUTHENTICATED" {
        let to = match asked.method {
            Method::GET => asked.uri.path_and_query().map(ToString::to_string),
            _ => None,
        };
        return go_to(&sign_in(to));
    }
    let Ok(RequestId(id)) = RequestId::from_request_parts(asked, &()).await;
    if let Some(cause) = error.cause() {
        eprintln!("{} {id}: {cause}", error.status());
    }
    page(&Visitor::from_request_parts(asked, &()).await?, error, &id)
}

/// The page of which a path is, where it is shown: its first two words.
fn page_of(path: &str) -> String {
    let words = path.split('/').skip(1).take(2).collect::<Vec<_>>();
    format!("/{}", words.join("/"))
}

fn page(visitor: &Visitor, error: &Error, request_id: &str) -> Result<Response> {
    let problems = text::problems(error, visitor.language);
    let content = html! {
        div class="problems" role="alert" {
            @if !problems.all.is_empty() { p { (problems.all) } }
            @for problem in &problems.fields { p { (problem.field) ": " (problem.message) } }
        }
        @if error.status().is_server_error() { p class="quiet" { code { (request_id) } } }
        p { a href=(HOME) { (Words::GoOn.of(visitor.language)) } }
    };
    visitor.refused(error, Words::NotDone, "", &content)
}

/// The sign-in that leads on to a page of ours.
fn sign_in(to: Option<String>) -> String {
    let to = to.filter(|to| is_ours(to) && to != HOME);
    match to {
        Some(to) => {
            let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
            format!("{SIGN_IN}?to={to}")
        }
        None => SIGN_IN.to_owned(),
    }
}

/// Whether an address leads to a page of this server, whatever a browser makes of it.
pub(super) fn is_ours(to: &str) -> bool {
    let plain = to
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    plain && to.starts_with('/') && !to.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for ours in ["/", "/account", "/account/consent?request=x%20y&z", "/a//b"] {
            assert!(is_ours(ours), "{ours}");
        }
        for elsewhere in [
            "",
            "account",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/account",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            " /account",
            "/ account",
            "/\u{e4}",
        ] {
            assert!(!is_ours(elsewhere), "{elsewhere}");
            assert_eq!(sign_in(Some(elsewhere.to_owned())), SIGN_IN);
        }
        assert_eq!(
            sign_in(Some("/account/x?a=b&c".to_owned())),
            "/account/sign-in?to=%2Faccount%2Fx%3Fa%3Db%26c"
        );
    }
}
