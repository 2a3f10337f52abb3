//! What all pages have around them, and how a form of theirs says that it was not taken.

use super::captcha::Task;
use super::text::{self, Words};
use super::visitor::Visitor;
use super::{
    HOME, LOOK_PATH, SCRIPT_PATH, SIGN_IN, account, activity, lockdown, passkeys, programs,
    second_factor, sessions, tokens,
};
use crate::confirmation;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::{StatusCode, header};
use maud::{Markup, html};
use page::{Field, Form, Link, Page, Problems, Text as _};
use sbd_sdk::{Error, Result};

/// What is done and told of on the next page, by its name in the address.
const DONE: [(&str, Words); 14] = [
    ("left", Words::Left),
    ("stays", Words::Stays),
    ("password", Words::PasswordChanged),
    ("mail", Words::MailSent),
    ("address", Words::AddressMailSent),
    ("verified", Words::AddressVerified),
    ("reset", Words::PasswordReset),
    ("session", Words::SessionEnded),
    ("token", Words::TokenEnded),
    ("signed-out", Words::SignedOut),
    ("bound", Words::PlacesBound),
    ("allowed", Words::PlaceAllowed),
    ("removed", Words::Removed),
    ("saved", Words::Saved),
];

// === impl Visitor ===

impl Visitor {
    /// A text in their language.
    pub(super) fn say(&self, words: Words) -> &'static str {
        words.of(self.language)
    }

    /// A page of this title.
    pub(super) fn page(&self, title: Words, here: &str, content: &Markup) -> Result<Response> {
        self.framed(StatusCode::OK, title, here, None, content)
    }

    /// A page that leads on to where a program waits for its user. Not by a redirect: a form of ours leads to us.
    pub(super) fn leave(&self, title: Words, to: &str, content: &Markup) -> Result<Response> {
        self.framed(StatusCode::OK, title, "", Some(to), content)
    }

    /// A page whose form was not taken; who is to show once more who they are is led there (`problem`).
    pub(super) fn refused(
        &self,
        error: &Error,
        title: Words,
        here: &str,
        content: &Markup,
    ) -> Result<Response> {
        if confirmation::is_wanted(error) {
            return Err(error.clone());
        }
        let mut response = self.framed(error.status(), title, here, None, content)?;
        let headers = error.clone().into_parts("").into_parts().0.headers;
        if let Some(wait) = headers.get(header::RETRY_AFTER) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, wait.clone());
        }
        Ok(response)
    }

    fn framed(
        &self,
        status: StatusCode,
        title: Words,
        here: &str,
        leads_to: Option<&str>,
        content: &Markup,
    ) -> Result<Response> {
        let links = [
            (HOME, Words::Account),
            (sessions::PATH, Words::Sessions),
            (second_factor::PATH, Words::SecondFactor),
            (passkeys::PATH, Words::Passkeys),
            (lockdown::PATH, Words::Places),
            (tokens::PATH, Words::Tokens),
            (programs::PATH, Words::Programs),
            (activity::PATH, Words::Activity),
        ];
        let links = links.map(|(to, words)| Link {
            to,
            text: self.say(words),
        });
        let sign_out = html! {
            form method="post" action="/account/sign-out" {
                input type="hidden" name=(page::TOKEN) value=(self.token());
                button type="submit" { (self.say(Words::SignOut)) }
            }
        };
        let is_in = self.session().is_some();
        let content = html! { (self.banner()) (content) };
        let page = Page {
            language: self.language,
            title: self.say(title),
            site: Link {
                to: if is_in { HOME } else { SIGN_IN },
                text: self.say(Words::Site),
            },
            look: LOOK_PATH,
            script: Some(SCRIPT_PATH),
            leads_to,
            skip: self.say(Words::Skip),
            menu: self.say(Words::Menu),
            links: if is_in { &links } else { &[] },
            here: match here {
                account::ADDRESS | account::PASSWORD | account::NAME | account::LEAVE => HOME,
                here => here,
            },
            beside: is_in.then_some(&sign_out),
        };
        let response = page.show(status, &content);
        Ok(match self.kept()? {
            Some(cookie) => {
                (AppendHeaders([(header::SET_COOKIE, cookie)]), response).into_response()
            }
            None => response,
        })
    }

    /// What is said on every page to an administrator who is signed in in somebody's place.
    fn banner(&self) -> Markup {
        let signed_in = self.caller().ok();
        let stands_in = signed_in.filter(|caller| caller.impersonated_by.is_some());
        html! {
            @if let Some(caller) = stands_in {
                div class="problems" role="status" {
                    p { (self.say(Words::Impersonating)) " (" (caller.username) ")" }
                }
            }
        }
    }

    /// What was done before this page, if the address says so.
    pub(super) fn done(&self, query: Option<&str>) -> Markup {
        let done = query.and_then(|query| query.strip_prefix("done="));
        let done = DONE.iter().find(|(name, _)| Some(*name) == done);
        html! {
            @if let Some((_, words)) = done {
                div class="done" role="status" { p { (self.say(*words)) } }
            }
        }
    }

    /// What an error says to them.
    pub(super) fn problems(&self, error: Option<&Error>) -> Problems {
        error
            .map(|error| text::problems(error, self.language))
            .unwrap_or_default()
    }

    /// A form with its button, and what was wrong with it.
    pub(super) fn form(
        &self,
        action: &str,
        submit: Words,
        fields: &[Field<'_>],
        hidden: &[(&str, &str)],
        error: Option<&Error>,
    ) -> Markup {
        self.form_of_person(action, submit, fields, hidden, error, &Task::default())
    }

    /// The same, of whoever is to show that they are a person.
    pub(super) fn form_of_person(
        &self,
        action: &str,
        submit: Words,
        fields: &[Field<'_>],
        hidden: &[(&str, &str)],
        error: Option<&Error>,
        task: &Task,
    ) -> Markup {
        let place = task.place(self);
        let form = Form {
            action,
            token: &self.token(),
            submit: self.say(submit),
            destroys: false,
            problems: &self.problems(error),
            wrong: self.say(Words::Wrong),
            fields,
            hidden,
            below: place.as_ref(),
        };
        html! { (form) }
    }

    /// A button that does one thing to one of many, which is named for who does not see where it stands.
    pub(super) fn button(&self, action: &str, words: Words, which: &str) -> Markup {
        html! {
            form method="post" action=(action) {
                input type="hidden" name=(page::TOKEN) value=(self.token());
                button type="submit" class="destroys" aria-label={ (self.say(words)) ": " (which) } {
                    (self.say(words))
                }
            }
        }
    }
}
