//! Accounts, sessions and tokens.
//!
//! A user signs in with a password and gets two tokens: an access token, a signed JWT that lives 15
//! minutes and goes with every request, and a refresh token, an opaque secret that buys the next
//! pair once. Both belong to a session; when that ends, both are worthless. A browser may keep its session in a
//! cookie instead. Programs that act for a user have permanent tokens, or the user's consent: `oauth`.
//!
//! Whoever has nothing but a browser has pages for all of it: `pages`.
//!
//! What happens to an account is told in the commit of the change: `events`.

mod activity;
mod address;
mod administrators;
mod api;
mod backup_codes;
mod breached;
mod captcha;
mod confirmation;
mod contact;
mod cookies;
mod countries;
mod departure;
mod encryption;
mod events;
mod export;
mod impersonation;
mod invitations;
mod lockdown;
mod login;
mod mailed;
mod model;
mod network_policy;
mod networks;
mod notices;
mod oauth;
mod pages;
mod passkeys;
mod password;
mod permanent;
mod place;
mod policy;
mod providers;
mod refusals;
mod registration;
mod remembered;
mod rename;
mod resets;
mod second_factor;
mod sessions;
mod short_code;
mod sign_in;
mod store;
mod throttle;
mod tokens;
mod totp;
mod users;

use axum::middleware::from_fn;
use axum::routing::post;
use sbd_sdk::{Component, path};

/// All that the component offers.
pub fn component() -> Component {
    let component = pages::with(Component::new())
        .operations(
            "auth",
            [
                api::accounts::register(),
                api::passkeys::get_passkey_account_options(),
                api::passkeys::register_by_passkey(),
                api::accounts::get_me(),
                api::accounts::export_account(),
                api::accounts::rename_account(),
                api::encryption::get_account_key(),
                api::encryption::wrap_account_key(),
                api::departure::leave(),
                api::departure::keep_account(),
                api::accounts::list_account_activity(),
                api::accounts::get_user_contact(),
                api::accounts::get_user_identity(),
                api::accounts::look_up_user(),
                api::tokens::login(),
                api::second_factor::finish_login(),
                api::second_factor::confirm(),
                api::tokens::refresh(),
                api::tokens::get_jwks(),
                api::sessions::logout(),
                api::sessions::logout_all(),
                api::sessions::list_sessions(),
                api::sessions::end_session(),
                api::passwords::change_password(),
                api::passwords::remove_password(),
                api::passwords::ask_for_password_reset(),
                api::passwords::approve_password_reset(),
                api::passwords::deny_password_reset(),
                api::passwords::reset_password(),
                api::passwords::reset_password_by_code(),
                api::addresses::verify_email(),
                api::addresses::change_email(),
                api::addresses::confirm_email(),
                api::addresses::confirm_email_by_code(),
                api::second_factor::get_second_factor(),
                api::second_factor::set_up_totp(),
                api::second_factor::turn_totp_on(),
                api::second_factor::turn_totp_off(),
                api::second_factor::make_backup_codes(),
                api::remembered::list_remembered_devices(),
                api::remembered::forget_remembered_device(),
                api::remembered::forget_remembered_devices(),
                api::lockdown::get_lockdown(),
                api::lockdown::set_lockdown(),
                api::lockdown::confirm_lockdown(),
                api::lockdown::allow_place(),
                api::lockdown::make_lockdown_pass(),
                api::lockdown::list_lockdown_passes(),
                api::lockdown::end_lockdown_pass(),
                api::passkeys::get_passkey_sign_in_options(),
                api::passkeys::sign_in_by_passkey(),
                api::passkeys::get_passkey_second_step_options(),
                api::passkeys::finish_login_by_passkey(),
                api::passkeys::get_passkey_confirmation_options(),
                api::passkeys::confirm_by_passkey(),
                api::passkeys::get_new_passkey_options(),
                api::passkeys::add_passkey(),
                api::passkeys::list_passkeys(),
                api::passkeys::rename_passkey(),
                api::passkeys::remove_passkey(),
                api::permanent::make_permanent_token(),
                api::permanent::list_permanent_tokens(),
                api::permanent::change_permanent_token(),
                api::permanent::rotate_permanent_token(),
                api::permanent::get_permanent_token_usage(),
                api::permanent::end_some_permanent_tokens(),
                api::permanent::end_permanent_token(),
                api::permanent::end_permanent_tokens(),
            ],
        )
        .operations(
            "users",
            [
                api::users::list_users(),
                api::users::get_user(),
                api::users::set_user_active(),
                api::users::set_user_admin(),
                api::users::set_user_deletion(),
                api::users::end_user_sessions(),
                api::users::reset_user_second_factor(),
                api::impersonation::impersonate_user(),
                api::impersonation::get_impersonation_policy(),
                api::impersonation::set_impersonation_policy(),
                api::user_tokens::list_user_tokens(),
                api::user_tokens::decide_on_user_token(),
                api::user_tokens::end_user_tokens(),
                api::user_tokens::get_token_policy(),
                api::user_tokens::set_token_policy(),
                api::lockdown::get_user_lockdown(),
                api::users::lift_user_lockdown(),
                api::invitations::get_account_policy(),
                api::invitations::set_account_policy(),
                api::network_policy::get_network_policy(),
                api::network_policy::set_network_policy(),
                api::invitations::invite_user(),
                api::invitations::list_account_invitations(),
                api::invitations::cancel_account_invitation(),
                api::captcha::get_captcha(),
                api::captcha::set_captcha(),
                api::captcha::remove_captcha(),
            ],
        )
        .operations(
            "providers",
            [
                api::providers::list_providers(),
                api::providers::get_provider(),
                api::providers::set_provider(),
                api::providers::remove_provider(),
                api::providers::begin_provider_sign_in(),
                api::providers::login_by_provider(),
                api::providers::begin_provider_link(),
                api::providers::link_provider(),
                api::providers::list_provider_links(),
                api::providers::unlink_provider(),
            ],
        )
        .operations(
            "oauth",
            [
                api::oauth::get_authorization_request(),
                api::oauth::consent_to_request(),
                api::oauth::deny_request(),
                api::oauth::get_device_request(),
                api::oauth::approve_device(),
                api::oauth::deny_device(),
                api::oauth::list_consents(),
                api::oauth::withdraw_consent(),
                api::oauth::register_client(),
                api::oauth::list_clients(),
                api::oauth::renew_client_secret(),
                api::oauth::remove_client(),
                api::oauth::get_client_policy(),
                api::oauth::set_client_policy(),
            ],
        )
        .tasks([
            api::host::mail_secret(),
            api::host::mail_reset(),
            api::host::mail_invitation(),
            api::host::mail_lockdown_change(),
            api::host::mail_lockdown_attempt(),
            api::host::record_refusal(),
        ])
        .schedules([api::host::end_accounts(), api::host::end_unused_tokens()])
        .route(path::AUTHENTICATE, post(api::host::authenticate))
        .route(path::ADMINISTRATORS, post(api::host::administrators));
    // The gate is inside of what shows refusals as pages, so that people can read it.
    oauth::endpoints::on(component).under(|routes| {
        let gated = routes.layer(from_fn(impersonation::gate));
        gated.layer(from_fn(pages::problems))
    })
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use sbd_sdk::testing::{App, Client, Reply, assert_constraints, assert_described};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::{Value, json};

    pub(crate) const PASSWORD: &str = "Correct-horse-7";

    /// The component with its own manifest.
    pub(crate) fn app() -> App {
        App::new(super::component()).manifest(include_str!("../spin.toml"))
    }

    /// Opens an account.
    pub(crate) fn register(app: &App, name: &str) -> Reply {
        let email = format!("{name}@example.com");
        let account = json!({"username": name, "email": email, "password": PASSWORD});
        app.anonymous().post("/api/v1/auth/register", account)
    }

    /// Signs in by a name or an address.
    pub(crate) fn login(app: &App, name: &str, password: &str) -> Reply {
        let request = json!({"identifier": name, "password": password});
        app.anonymous().post("/api/v1/auth/login", request)
    }

    /// A new pair for a refresh token.
    pub(crate) fn renew(app: &App, tokens: &Reply) -> Reply {
        let request = json!({"refresh_token": tokens["refresh_token"]});
        app.anonymous().post("/api/v1/auth/refresh", request)
    }

    /// What the host is told of the bearer of a token.
    pub(crate) fn bearer(app: &App, access_token: &str) -> Reply {
        ask(app, json!({"token": access_token}))
    }

    /// The same, of a request from there with this program.
    pub(crate) fn bearer_from(app: &App, token: &str, address: &str, user_agent: &str) -> Reply {
        ask(
            app,
            json!({"token": token, "address": address, "user_agent": user_agent}),
        )
    }

    fn ask(app: &App, presented: Value) -> Reply {
        app.anonymous()
            .post(sbd_sdk::path::AUTHENTICATE, json!({"token": presented}))
    }

    /// Whom the host takes the bearer of these tokens for.
    pub(crate) fn signed_in<'a>(app: &'a App, tokens: &Reply) -> Client<'a> {
        signed_in_by(app, tokens.text("access_token"))
    }

    /// Whom the host takes the bearer of this for.
    pub(crate) fn signed_in_by<'a>(app: &'a App, token: &str) -> Client<'a> {
        app.by(principal(&bearer(app, token)))
    }

    /// The same, of requests from there with this program.
    pub(crate) fn signed_in_from<'a>(
        app: &'a App,
        token: &str,
        address: &str,
        user_agent: &str,
    ) -> Client<'a> {
        let client = app.by(principal(&bearer_from(app, token, address, user_agent)));
        let client = client.with_header("spin-client-addr", address);
        client.with_header("user-agent", user_agent)
    }

    fn principal(identity: &Reply) -> Principal {
        let identity = identity.clone().assert_status(200);
        let principal = Principal::user("test", identity.text("user"))
            .in_session(identity.text("session"))
            .named(identity.text("username"));
        match identity["impersonated_by"].as_str() {
            Some(by) => principal.impersonated_by(by),
            None => principal,
        }
    }

    /// An administrator, who has no account here.
    pub(crate) fn root(app: &App) -> Client<'_> {
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", "usr_root")
            .with_roles(["user", "admin"])
            .with_scopes(scopes))
    }

    /// The token of the last mail of a template to an address.
    pub(crate) fn mailed(app: &App, template: &str, to: &str) -> String {
        let mails = app.mails();
        let mut sent = mails.iter().rev();
        let last = sent.find(|mail| mail.template == template && mail.to == to);
        let text = &last.unwrap().text;
        let word = text.split_whitespace().find(|word| word.starts_with("mt_"));
        word.unwrap().to_owned()
    }

    /// The short code of the last mail of a template to an address.
    pub(crate) fn mailed_code(app: &App, template: &str, to: &str) -> String {
        let mails = app.mails();
        let mut sent = mails.iter().rev();
        let last = sent.find(|mail| mail.template == template && mail.to == to);
        let mut words = last.unwrap().text.split_whitespace();
        let word = words.find(|word| crate::short_code::typed(word).is_some());
        word.unwrap().to_owned()
    }

    #[test]
    fn an_account_is_opened_and_read() {
        let app = app();
        let made = register(&app, "ada").assert_status(201);
        assert_eq!(made.header("location"), Some("/api/v1/auth/me"));
        assert_eq!(made["roles"], json!(["user"]));
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let me = signed_in(&app, &tokens)
            .get("/api/v1/auth/me")
            .assert_status(200);
        assert_eq!(me.body(), made.body());
        assert!(!me.body().to_string().contains("hash"));
        app.anonymous()
            .get("/api/v1/auth/me")
            .assert_refused(401, "UNAUTHENTICATED");
        // An account that is gone is nobody's.
        app.run(crate::store::USERS.delete_many(json!({}))).unwrap();
        let gone = app.signed_in(made.text("id")).get("/api/v1/auth/me");
        gone.assert_refused(401, "UNAUTHENTICATED");
    }

    #[test]
    fn the_public_keys_may_be_kept_for_a_while() {
        let keys = app()
            .anonymous()
            .get("/.well-known/jwks.json")
            .assert_status(200);
        assert!(keys["keys"].is_array());
        assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(keys.header("access-control-allow-origin"), Some("*"));
    }

    #[test]
    fn every_operation_is_described() {
        assert_described(super::component());
    }

    #[test]
    fn every_constraint_is_kept() {
        let app = app();
        let client = app.signed_in("usr_1");
        assert_constraints(&client.with_header("spin-full-url", "http://localhost/x"));
    }
}
