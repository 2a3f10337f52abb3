//! An account that is opened with a passkey, and has no password. Whoever loses the passkey has a new password mailed,
//! and takes the second step by a backup code.

use super::adding::{addition, checked, seat, to_make};
use super::challenge::{self, Purpose};
use super::proving::attempts;
use super::{Options, Party, checked_name};
use crate::events::Happened;
use crate::model::{Device, USER, User};
use crate::registration::{admitted, email_problem, name_problem, refuse};
use crate::store::{self, PASSKEYS};
use crate::{backup_codes, captcha, network_policy};
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Error, Result, time};
use webauthn_rs::prelude::{RegisterPublicKeyCredential, Uuid};

/// An account to open.
pub(crate) struct NewAccount<'a> {
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
    /// The code of an invitation, where it takes one.
    pub(crate) invitation: Option<&'a str>,
    /// What the passkey is called.
    pub(crate) passkey: &'a str,
}

/// What the browser of whoever wants an account is given to have its passkey made. Whether they are a person is asked
/// here: nobody opens one without this.
pub(crate) async fn options_to_open(
    party: &Party,
    username: &str,
    email: &str,
    invitation: Option<&str>,
    device: &Device,
) -> Result<Options> {
    check(username, email)?;
    network_policy::require(device).await?;
    attempts(device).count(time::now()).await?;
    captcha::required(device).await?;
    admitted(email, invitation).await?;
    let handle = Uuid::new_v4();
    let (options, state) = party
        .webauthn
        .start_passkey_registration(handle, username, username, None)
        .map_err(Error::internal)?;
    let challenge = &options.public_key.challenge;
    challenge::keep(challenge, Purpose::Open, None, addition(handle, state)).await?;
    to_make(options)
}

/// Opens an account with the passkey that the browser had made; answers backup codes as well, which are shown this once.
pub(crate) async fn open(
    party: &Party,
    new: &NewAccount<'_>,
    made: &RegisterPublicKeyCredential,
    device: &Device,
) -> Result<(User, Vec<String>)> {
    check(new.username, new.email)?;
    let name = checked_name(new.passkey)?;
    network_policy::require(device).await?;
    let invitation = admitted(new.email, new.invitation).await?;
    let now = time::now();
    let user = User {
        // Whoever has the code reads what is sent there.
        email_verified_at: invitation.as_ref().map(|_| now),
        ..User::new(new.username, new.email, String::new(), &[USER], now)
    };
    let client_data = &made.response.client_data_json;
    let awaited = challenge::used(client_data, Purpose::Open, None).await?;
    let mut passkey = checked(party, &user.id, name, made, awaited)?;
    passkey.seat = seat(&user.id, 0);
    let added = Happened::PasskeyAdded {
        user_id: &user.id,
        passkey_id: &passkey.id,
    };
    let change = added.told_by(Transaction::new().insert(&PASSKEYS, &passkey));
    let (change, codes) = backup_codes::made(change, &user.id).await?;
    store::open_user(change, &user, invitation.as_ref()).await?;
    Ok((user, codes))
}

fn check(username: &str, email: &str) -> Result<()> {
    refuse(&[
        ("username", name_problem(username)),
        ("email", email_problem(email)),
    ])
}
