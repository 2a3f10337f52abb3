//! Passkeys in a page: the browser is asked for one by a script, which sends a form with what it gave.

use super::text::Words;
use super::visitor::Visitor;
use crate::passkeys::{Options, Party};
use axum::response::Response;
use maud::{Markup, html};
use page::{Form, Problems, TOKEN};
use sbd_sdk::{Error, Result};
use serde::de::DeserializeOwned;

/// What a passkey is asked by to sign in.
const OPTIONS: &str = "/api/v1/auth/login/passkey/options";

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
    below: Option<&Markup>,
) -> Markup {
    let form = Form {
        action,
        token: &visitor.token(),
        submit: visitor.say(words),
        destroys: false,
        problems: &Problems::default(),
        wrong: "",
        fields: &[],
        hidden,
        below,
    };
    html! {
        @if Party::of(&visitor.headers).is_ok() {
            div data-passkeys hidden { (form) }
        }
    }
}

/// A form that a script sends if a browser offers a passkey where a name is typed, and somebody takes it. What that is
/// asked by, the script fetches: most who look at a page have none.
pub(super) fn offer_while_typing(
    visitor: &Visitor,
    action: &str,
    hidden: &[(&str, &str)],
) -> Markup {
    html! {
        @if Party::of(&visitor.headers).is_ok() {
            form method="post" action=(action) data-offer=(OPTIONS) hidden {
                input type="hidden" name=(TOKEN) value=(visitor.token());
                @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="credential";
            }
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
