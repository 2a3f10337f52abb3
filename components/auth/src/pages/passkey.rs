//! Passkeys in a page: the browser is asked for one by a script, which sends a form with what it gave.

use super::text::Words;
use super::visitor::Visitor;
use crate::passkeys::{Options, Party};
use axum::response::Response;
use maud::{Markup, html};
use page::TOKEN;
use sbd_sdk::{Error, Result};
use serde::de::DeserializeOwned;

/// What a script has a browser do.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// Make a passkey.
    Make,
    /// Answer by one.
    Get,
}

/// A form that leads to one, where this server is at an address for which browsers have passkeys. Without scripts it
/// is not shown.
pub(super) fn offer(
    visitor: &Visitor,
    action: &str,
    words: Words,
    hidden: &[(&str, &str)],
) -> Markup {
    html! {
        @if Party::of(&visitor.headers).is_ok() {
            div data-passkeys hidden { (visitor.form(action, words, &[], hidden, None)) }
        }
    }
}

/// The page on which a browser is asked for one.
pub(super) fn ask(
    visitor: &Visitor,
    ask: Ask,
    Options(options): &Options,
    title: Words,
    action: &str,
    hidden: &[(&str, &str)],
) -> Result<Response> {
    let ask = match ask {
        Ask::Make => "make",
        Ask::Get => "ask",
    };
    let content = html! {
        p { (visitor.say(Words::PasskeyAbout)) }
        div class="problems" role="alert" data-failed hidden {
            p { (visitor.say(Words::PasskeyFailed)) }
        }
        form method="post" action=(action) data-ask=(ask) data-options=(options) {
            input type="hidden" name=(TOKEN) value=(visitor.token());
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            input type="hidden" name="credential";
            button type="submit" { (visitor.say(Words::UsePasskey)) }
        }
    };
    visitor.page(title, "", &content)
}

/// What a browser gave.
pub(super) fn read<T: DeserializeOwned>(credential: &str) -> Result<T> {
    serde_json::from_str(credential).map_err(|_| {
        Error::malformed("this is not what a browser gives for a passkey; begin again")
    })
}
