//! The task that shows that somebody is a person, where that is asked for: its service's script shows it in the form,
//! and puts the answer into it.

use super::text::Words;
use super::visitor::Visitor;
use crate::captcha::{self, Captcha, Kind};
use axum::response::Response;
use maud::{Markup, html};
use sbd_sdk::{Error, Result};

/// The task of a page, if there is one.
#[derive(Default)]
pub(super) struct Task(Option<Captcha>);

// === impl Task ===

impl Task {
    /// For whoever is always asked.
    pub(super) async fn always() -> Result<Self> {
        Ok(Self(captcha::get().await?))
    }

    /// For whoever was asked by this error.
    pub(super) async fn after(error: &Error) -> Result<Self> {
        match error.code() == captcha::REQUIRED {
            true => Self::always().await,
            false => Ok(Self::default()),
        }
    }

    /// Its place in the form.
    pub(super) fn place(&self, visitor: &Visitor) -> Option<Markup> {
        let captcha = self.0.as_ref()?;
        let language = visitor.language.tag();
        Some(html! {
            div class=(captcha.kind.class()) data-sitekey=(captcha.site_key) data-language=(language) {}
            noscript { p class="problem" { (visitor.say(Words::CaptchaScript)) } }
            script src=(Self::script(captcha, language)) async defer {}
        })
    }

    /// What hCaptcha speaks its script is told, and not its element.
    fn script(captcha: &Captcha, language: &str) -> String {
        let script = &captcha.script_url;
        match captcha.kind {
            Kind::Hcaptcha if !script.contains('?') => format!("{script}?hl={language}"),
            Kind::Turnstile | Kind::Hcaptcha => script.clone(),
        }
    }

    /// The page on which it is, which may load it.
    pub(super) fn on(&self, page: Response) -> Result<Response> {
        match &self.0 {
            Some(captcha) => page::allow(page, &captcha.sources()),
            None => Ok(page),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::captcha::tests::set_up;
    use crate::pages::tests::{Browser, leads, page};
    use crate::tests::{PASSWORD, app, register};
    use http::header::CONTENT_SECURITY_POLICY;

    #[test]
    fn the_task_is_where_it_is_asked_for_and_nothing_else_is_loaded() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let mut browser = Browser::new(&app);
        let place = r#"class="cf-turnstile" data-sitekey="site""#;
        assert!(!page(&browser.get("/account/register")).contains(place));
        set_up(&app);
        for path in [
            "/account/register",
            "/account/register/passkey",
            "/account/forgot-password",
        ] {
            let shown = browser.get(path);
            assert!(page(&shown).contains(place), "{path}");
            let policy = shown
                .header(CONTENT_SECURITY_POLICY.as_str())
                .unwrap_or_default();
            assert!(
                policy.contains("script-src 'self' https://captcha.example;"),
                "{policy}"
            );
        }
        let shown = browser.get("/account/sign-in");
        assert!(!page(&shown).contains(place));
        let new = |answer| {
            [
                ("username", "bob"),
                ("email", "bob@example.com"),
                ("password", PASSWORD),
                ("cf-turnstile-response", answer),
            ]
        };
        let refused = browser.send("/account/register", "/account/register", &new("bad"));
        let html = page(&refused);
        assert_eq!(refused.status(), 403);
        assert!(html.contains("Show that you are a person") && html.contains(place));
        let opened = browser.send("/account/register", "/account/register", &new("good"));
        leads(&opened, "/account");
    }

    #[test]
    fn who_fails_to_sign_in_is_asked_on_the_page() {
        let app = app();
        register(&app, "ada").assert_status(201);
        set_up(&app);
        let mut ada = Browser::new(&app);
        let given = |password, answer| {
            [
                ("identifier", "ada"),
                ("password", password),
                ("h-captcha-response", answer),
                ("g-recaptcha-response", answer),
            ]
        };
        let at = "/account/sign-in";
        let asked = (0..5).any(|_| {
            let refused = ada.send(at, at, &given("Wrong-horse-7", ""));
            page(&refused).contains("data-sitekey")
        });
        assert!(asked);
        leads(&ada.send(at, at, &given(PASSWORD, "good")), "/account");
    }
}
