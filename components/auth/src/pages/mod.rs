//! The account's pages, under `/account`: plain HTML for people who have nothing but a browser.
//!
//! They ask the same functions as the API does. Who is signed in is known by the cookie of a session (`cookies`);
//! every form has a token that says whose page it was on (`visitor`). What goes wrong is a page as well (`problem`).

mod account;
mod activity;
mod captcha;
mod confirm;
mod consent;
mod frame;
mod lockdown;
mod mailed;
mod passkey;
mod passkeys;
mod problem;
mod programs;
mod provider;
mod register;
mod resets;
mod second_factor;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod visitor;

use axum::routing::{MethodRouter, get, post};
use page::{Asset, LOOK};
pub(crate) use problem::shown as problems;
use sbd_sdk::Component;

/// Where they begin.
pub(crate) const HOME: &str = "/account";
const SIGN_IN: &str = "/account/sign-in";
const LOOK_PATH: &str = "/account/look.css";
const SCRIPT_PATH: &str = "/account/account.js";

/// How a browser is asked for passkeys, as any page may.
const PASSKEYS: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("../passkeys.js"),
};

/// What takes a script: passkeys, and the code of a mail, which stands where no server sees it.
const SCRIPT: Asset = Asset {
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("account.js"),
};

/// The component with the pages beside its API.
pub(crate) fn with(component: Component) -> Component {
    let component = component
        .route(LOOK_PATH, get(async || LOOK))
        .route("/account/passkeys.js", get(async || PASSKEYS))
        .route(SCRIPT_PATH, get(async || SCRIPT));
    let pages = pages().into_iter();
    pages.fold(component, |component, (path, handler)| {
        component.route(path, handler)
    })
}

fn pages() -> Vec<(&'static str, MethodRouter)> {
    vec![
        (HOME, get(account::show)),
        (SIGN_IN, get(sign_in::show).post(sign_in::send)),
        (sign_in::STEP, post(sign_in::step)),
        (sign_in::PASSKEY, post(sign_in::ask)),
        (sign_in::BY_PASSKEY, post(sign_in::by_passkey)),
        (sign_in::STEP_PASSKEY, post(sign_in::ask_for_step)),
        (sign_in::STEP_BY_PASSKEY, post(sign_in::step_by_passkey)),
        ("/account/sign-out", post(sign_in::sign_out)),
        (register::PATH, get(register::show).post(register::send)),
        (
            register::PASSKEY,
            get(register::show_passkey).post(register::begin_passkey),
        ),
        (register::BY_PASSKEY, post(register::by_passkey)),
        (
            mailed::FORGOT,
            get(mailed::forgot).post(mailed::ask_for_reset),
        ),
        (mailed::LANDING, get(mailed::land).post(mailed::read)),
        (mailed::RESET, post(mailed::reset)),
        (resets::PATH, post(resets::decide)),
        (account::VERIFY, post(account::verify)),
        (
            account::ADDRESS,
            get(account::address).post(account::change_address),
        ),
        (account::NAME, get(account::name).post(account::change_name)),
        (account::LEAVE, get(account::leave).post(account::go)),
        (account::KEEP, get(account::keep).post(account::stay)),
        (
            account::PASSWORD,
            get(account::password).post(account::change_password),
        ),
        (account::NO_PASSWORD, post(account::remove_password)),
        (confirm::PATH, get(confirm::show).post(confirm::send)),
        (confirm::PASSKEY, post(confirm::begin)),
        (confirm::BY_PASSKEY, post(confirm::by_passkey)),
        (second_factor::PATH, get(second_factor::show)),
        (second_factor::SET_UP, post(second_factor::set_up)),
        (second_factor::TURN_ON, post(second_factor::turn_on)),
        (second_factor::TURN_OFF, post(second_factor::turn_off)),
        (second_factor::CODES, post(second_factor::renew_codes)),
        (
            "/account/second-factor/devices/{id}/forget",
            post(second_factor::forget),
        ),
        (passkeys::PATH, get(passkeys::show).post(passkeys::add)),
        (passkeys::NEW, post(passkeys::begin)),
        (passkeys::NAME, get(passkeys::name).post(passkeys::rename)),
        ("/account/passkeys/{id}/remove", post(passkeys::remove)),
        (lockdown::PATH, get(lockdown::show).post(lockdown::set)),
        (lockdown::PASSES, post(lockdown::make_pass)),
        (
            "/account/lockdown/passes/{id}/end",
            post(lockdown::end_pass),
        ),
        (lockdown::ALLOW, post(lockdown::allow)),
        (sessions::PATH, get(sessions::show)),
        ("/account/sessions/{id}/end", post(sessions::end)),
        ("/account/sessions/end-all", post(sessions::end_all)),
        (tokens::PATH, get(tokens::show).post(tokens::make)),
        (
            "/account/tokens/{id}",
            get(tokens::one).post(tokens::rotate),
        ),
        ("/account/tokens/{id}/changes", post(tokens::change)),
        ("/account/tokens/{id}/end", post(tokens::end)),
        (provider::PATH, get(provider::arrive)),
        ("/account/provider/{id}", post(provider::lead)),
        (programs::PATH, get(programs::show)),
        ("/account/programs/{id}/end", post(programs::end)),
        (activity::PATH, get(activity::show)),
        (consent::PATH, get(consent::show).post(consent::decide)),
        (consent::DEVICE, get(consent::device).post(consent::connect)),
    ]
}
