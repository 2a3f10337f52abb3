//! The authorization server (OAuth 2.1): programs of others, and clients of MCP, act for a user who consented.
//!
//! A client is registered (`clients`), asks for scopes in the user's browser (`authorization`) or on a device without
//! one (`device`), and the user consents (`consents`). What it then has is a grant (`grants`), which is to it what a
//! session is to a user: it has access tokens that are good for a quarter of an hour (`access`) and a refresh token
//! that buys the next (`refresh`). When the grant ends, all of them are worthless with the next request.
//!
//! Scopes are the platform's permissions. A client never may more than its user, and administers only where it asked
//! for that, was registered by an administrator, and its user is one.
//!
//! There are no client credentials, by which a program would act for nobody: it has a permanent token of whom it acts
//! for instead.

pub(crate) mod access;
pub(crate) mod authorization;
pub(crate) mod clients;
pub(crate) mod codes;
pub(crate) mod consents;
pub(crate) mod device;
pub(crate) mod endpoints;
pub(crate) mod failure;
pub(crate) mod grants;
pub(crate) mod introspection;
pub(crate) mod issuer;
pub(crate) mod metadata;
pub(crate) mod parameters;
pub(crate) mod policy;
pub(crate) mod redirect;
pub(crate) mod refresh;
pub(crate) mod registration;
pub(crate) mod scope;

#[cfg(test)]
mod bad_input;
#[cfg(test)]
pub(crate) mod tests;

use sbd_sdk::{Caller, Error, Result, id};

/// What clients may do is decided by people: no token decides it, which would outlive it, and no component does.
pub(crate) fn require_person(caller: &Caller) -> Result<()> {
    let session = caller.session.as_deref();
    match session.is_some_and(|id| id::is("ses", id)) && caller.component.is_none() {
        true => Ok(()),
        false => Err(Error::forbidden(
            "what other programs may do is decided by whoever is signed in; sign in yourself",
        )),
    }
}
