//! The one door: however somebody shows who they are, a session begins here.

use crate::lockdown::{self, passes};
use crate::model::{Device, Proof, Session, SessionId, User};
use crate::network_policy;
use crate::remembered::{self, Secret};
use crate::second_factor::{self, Pending};
use crate::sessions;
use crate::tokens::{self, Kept};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result, time};

/// How a sign-in goes on.
pub(crate) enum Admitted {
    /// A session has begun.
    In(SignedIn),
    /// It takes a second step.
    SecondFactor(Pending),
}

/// What a sign-in gives: in what the session is kept, and sessions that had to end for it.
pub(crate) struct SignedIn {
    pub(crate) kept: Kept,
    pub(crate) ended: Vec<SessionId>,
    /// What a device keeps that is remembered from now on.
    pub(crate) device: Option<Secret>,
}

/// Lets a user in who showed who they are, in as many ways as it takes: a session begins.
pub(crate) async fn admit(user: &User, proofs: &[Proof], device: &Device) -> Result<Admitted> {
    require_active(user)?;
    let device = &passes::shown(user, device).await?;
    let methods = second_factor::methods(user).await?;
    let mut proofs = proofs.to_vec();
    let suffice = |proofs: &[Proof]| proofs.iter().map(|proof| proof.counts()).sum::<u8>() >= 2;
    if !methods.is_empty() && !suffice(&proofs) && remembered::knows(user, device).await? {
        proofs.push(Proof::RememberedDevice);
    }
    if methods.is_empty() || suffice(&proofs) {
        let signed_in = begin(Transaction::new(), user, &proofs, device).await?;
        return Ok(Admitted::In(signed_in));
    }
    let pending = second_factor::begin(user, methods, &proofs, device).await?;
    Ok(Admitted::SecondFactor(pending))
}

/// A session begins with this change, by which what was shown is used. Where they are counts last: nobody but who has
/// all the rest is told of it.
pub(crate) async fn begin(
    change: Transaction,
    user: &User,
    proofs: &[Proof],
    device: &Device,
) -> Result<SignedIn> {
    network_policy::require(device).await?;
    lockdown::require(user, device).await?;
    let now = time::now();
    let ended = sessions::make_room(&user.id).await?;
    let session = Session::begin(&user.id, proofs, device, now);
    let kept = tokens::begin(change, user, session, now).await?;
    Ok(SignedIn {
        kept,
        ended,
        device: None,
    })
}

/// Only said to somebody who showed who they are.
pub(crate) fn require_active(user: &User) -> Result<()> {
    if !user.active {
        return Err(Error::forbidden(
            "this account is switched off; ask an administrator to switch it on",
        ));
    }
    match user.ends_at {
        None => Ok(()),
        Some(end) => Err(Error::forbidden(format!(
            "this account is deleted on {end}; to keep it, send name and password to /api/v1/auth/kept-accounts",
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_sdk::time::Time;

    #[test]
    fn a_switched_off_account_is_refused() {
        let mut user = User::new("ada", "a@b.de", String::new(), &[], Time::from_seconds(0));
        assert!(require_active(&user).is_ok());
        user.active = false;
        assert_eq!(require_active(&user).unwrap_err().code(), "FORBIDDEN");
    }
}
