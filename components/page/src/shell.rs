//! The document around what is on a page, and the headers that tell a browser what it may load for it.

use crate::Language;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use sbd_sdk::{Error, Result};

/// What a page may load, run, ask and send: what is ours. Nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// `same-origin`, as with `no-referrer` browsers also keep from us where a form is from: that it is ours could not be
/// told over plain http. Nobody else is told either way.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
];

/// A way to another page.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// Where.
    pub to: &'a str,
    /// What it is called.
    pub text: &'a str,
}

/// A page, but for what is on it.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What it speaks.
    pub language: Language,
    /// What it is about: its heading, and in the title of the window.
    pub title: &'a str,
    /// What all pages around it are called.
    pub site: Link<'a>,
    /// Where [`crate::LOOK`] is served.
    pub look: &'a str,
    /// Where a script (a module) is served that it runs, if any.
    pub script: Option<&'a str>,
    /// Where a browser goes on by itself, outside of our pages.
    pub leads_to: Option<&'a str>,
    /// What whoever uses a keyboard goes past the ways with.
    pub skip: &'a str,
    /// What the ways to other pages are called together.
    pub menu: &'a str,
    /// The ways to other pages.
    pub links: &'a [Link<'a>],
    /// Where it is itself, among those.
    pub here: &'a str,
    /// What stands at the end of the line above the ways, as a button to sign out.
    pub beside: Option<&'a Markup>,
}

// === impl Page ===

impl Page<'_> {
    /// The answer with this on the page.
    pub fn show(&self, status: StatusCode, content: &Markup) -> Response {
        let mut response = Response::new(Body::from(self.document(content).into_string()));
        *response.status_mut() = status;
        for (name, value) in HEADERS {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }

    fn document(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if let Some(to) = self.leads_to {
                        meta http-equiv="refresh" content={ "0; url=" (to) };
                    }
                    title { (self.title) " \u{b7} " (self.site.text) }
                    // None, which a browser would look for.
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(self.look);
                    @if let Some(script) = self.script { script type="module" src=(script) {} }
                }
                body {
                    a class="skip" href="#main" { (self.skip) }
                    header {
                        a class="site" href=(self.site.to) { (self.site.text) }
                        @if let Some(beside) = self.beside { (beside) }
                        @if !self.links.is_empty() { (self.ways()) }
                    }
                    main id="main" tabindex="-1" {
                        h1 { (self.title) }
                        (content)
                    }
                }
            }
        }
    }

    fn ways(&self) -> Markup {
        html! {
            nav aria-label=(self.menu) {
                ul {
                    @for link in self.links {
                        li {
                            a href=(link.to) aria-current=[(link.to == self.here).then_some("page")] {
                                (link.text)
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Lets a page load, show and ask what is of these hosts as well: the task of a captcha, and nothing more.
///
/// # Errors
/// Where those are no sources of a policy.
pub fn allow(mut page: Response, sources: &str) -> Result<Response> {
    let own = POLICY
        .replace("style-src 'self'", &format!("style-src 'self' {sources}"))
        .replace("script-src 'self'", &format!("script-src 'self' {sources}"));
    let policy = format!("{own}; frame-src {sources}; connect-src {sources}");
    let policy = HeaderValue::try_from(policy).map_err(Error::internal)?;
    page.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(page)
}

/// Has the browser go on to another page, which it reads anew.
///
/// # Errors
/// Where that is no address.
pub fn go_to(path: &str) -> Result<Response> {
    let location = HeaderValue::try_from(path).map_err(Error::internal)?;
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page<'_> = Page {
        language: Language::German,
        title: "<Title>",
        site: Link {
            to: "/account",
            text: "Site",
        },
        look: "/account/look.css",
        script: None,
        leads_to: None,
        skip: "Skip",
        menu: "Menu",
        links: &[
            Link {
                to: "/a",
                text: "A",
            },
            Link {
                to: "/b",
                text: "B",
            },
        ],
        here: "/b",
        beside: None,
    };

    #[test]
    fn a_page_says_what_it_is_and_loads_nothing_but_its_own() {
        let document = PAGE.document(&html! { p { "x" } }).into_string();
        assert!(document.starts_with("<!DOCTYPE html><html lang=\"de\">"));
        assert!(document.contains("<h1>&lt;Title&gt;</h1><p>x</p>"));
        assert!(document.contains(r#"<a href="/b" aria-current="page">B</a>"#));
        assert!(document.contains(r##"<a class="skip" href="#main">"##));
        assert!(!document.contains("<script") && !document.contains("style="));
        let headers = PAGE.show(StatusCode::OK, &html! {}).into_parts().0.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str();
        let policy = policy.unwrap_or_default();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let page = allow(PAGE.show(StatusCode::OK, &html! {}), "https://a.example");
        let headers = page.unwrap_or_default().into_parts().0.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str();
        let policy = policy.unwrap_or_default();
        assert!(
            policy.contains("script-src 'self' https://a.example; img-src"),
            "{policy}"
        );
        assert!(policy.ends_with("frame-src https://a.example; connect-src https://a.example"));
    }
}
