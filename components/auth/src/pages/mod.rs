//! The account's pages, under `/account`: plain HTML for people who have nothing but a browser.
//!
//! They ask the same functions as the API does. Who is signed in is known by the cookie of a session (`cookies`);
//! every form has a token that says whose page it was on (`visitor`). What goes wrong is a page as well (`problem`).

mod account;
mod activity;
mod consent;
mod frame;
mod mailed;
mod problem;
mod programs;
mod register;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod visitor;

use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};
use page::{Asset, LOOK};
use sbd_sdk::Component;

/// Where they begin.
pub(crate) const HOME: &str = "/account";
const SIGN_IN: &str = "/account/sign-in";
const LOOK_PATH: &str = "/account/look.css";
const SCRIPT_PATH: &str = "/account/account.js";

/// What takes a browser: the code of a mail, which stands where no server sees it.
const SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("account.js"),
};

/// The component with the pages beside its API.
pub(crate) fn with(component: Component) -> Component {
    let component = component
        .route(LOOK_PATH, get(async || LOOK))
        .route(SCRIPT_PATH, get(async || SCRIPT));
    let pages = pages().into_iter();
    pages.fold(component, |component, (path, handler)| {
        component.route(path, handler.route_layer(from_fn(problem::shown)))
    })
}

fn pages() -> Vec<(&'static str, MethodRouter)> {
    vec![
        (HOME, get(account::show)),
        (SIGN_IN, get(sign_in::show).post(sign_in::send)),
        (sign_in::STEP, post(sign_in::step)),
        ("/account/sign-out", post(sign_in::sign_out)),
        (register::PATH, get(register::show).post(register::send)),
        (
            mailed::FORGOT,
            get(mailed::forgot).post(mailed::ask_for_reset),
        ),
        (mailed::LANDING, get(mailed::land).post(mailed::read)),
        (mailed::RESET, post(mailed::reset)),
        (account::VERIFY, post(account::verify)),
        (
            account::ADDRESS,
            get(account::address).post(account::change_address),
        ),
        (
            account::PASSWORD,
            get(account::password).post(account::change_password),
        ),
        (sessions::PATH, get(sessions::show)),
        ("/account/sessions/{id}/end", post(sessions::end)),
        ("/account/sessions/end-all", post(sessions::end_all)),
        (tokens::PATH, get(tokens::show).post(tokens::make)),
        ("/account/tokens/{id}/end", post(tokens::end)),
        (programs::PATH, get(programs::show)),
        ("/account/programs/{id}/end", post(programs::end)),
        (activity::PATH, get(activity::show)),
        (consent::PATH, get(consent::show).post(consent::decide)),
        (consent::DEVICE, get(consent::device).post(consent::connect)),
    ]
}
