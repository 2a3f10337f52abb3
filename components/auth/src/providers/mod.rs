//! Signing in by somebody else's word: an issuer of OpenID Connect, or one that speaks OAuth as GitHub does.
//!
//! Administrators say which (`configuration`). The browser is led there and back (`attempts`), with a state that this
//! browser alone can bring back; what the issuer says of the user is checked (`id_token`, `identity`). Who they are here
//! says a link (`links`), which begins by signing in here and there: never by an address that the issuer names.
//!
//! The host lets this component reach an issuer only where the operator has granted it.

pub(crate) mod attempts;
pub(crate) mod configuration;
pub(crate) mod discovery;
pub(crate) mod id_token;
pub(crate) mod identity;
pub(crate) mod links;
pub(crate) mod outside;
pub(crate) mod sign_in;

#[cfg(test)]
mod tests;
