//! What is asked and answered over HTTP.

pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod captcha;
pub(crate) mod departure;
pub(crate) mod encryption;
pub(crate) mod host;
pub(crate) mod impersonation;
pub(crate) mod invitations;
pub(crate) mod lockdown;
pub(crate) mod network_policy;
pub(crate) mod oauth;
pub(crate) mod passkeys;
pub(crate) mod passwords;
pub(crate) mod permanent;
pub(crate) mod providers;
pub(crate) mod remembered;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod tokens;
pub(crate) mod user_tokens;
pub(crate) mod users;
