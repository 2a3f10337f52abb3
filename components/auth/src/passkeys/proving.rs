//! Showing who one is by a passkey.

use super::challenge::{self, Awaited, Purpose};
use super::{Options, Party, Passkey, of};
use crate::events::Happened;
use crate::model::{Device, Proof, User};
use crate::notices;
use crate::sign_in::{self, Admitted, SignedIn};
use crate::store::{PASSKEYS, USERS};
use crate::{confirmation, second_factor, throttle};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::{Value, json};
use webauthn_rs::prelude::{Credential, PublicKeyCredential, WebauthnError};

/// What a browser is given to sign in whoever has a passkey for this party: it names nobody.
pub(crate) async fn options_to_sign_in(party: &Party, device: &Device) -> Result<Options> {
    attempts(device).count(time::now()).await?;
    let options = options(party, Purpose::SignIn, None).await?;
    Ok(Options(options))
}

/// Signs in whoever has the passkey. All that goes wrong is answered alike.
pub(crate) async fn sign_in(
    party: &Party,
    answer: &PublicKeyCredential,
    device: &Device,
) -> Result<Admitted> {
    let attempts = attempts(device);
    attempts.count(time::now()).await?;
    let proven = proven(party, Purpose::SignIn, None, answer).await?;
    let (user, used) = proven.ok_or_else(refused)?;
    match used.commit().await {
        Ok(_) => attempts.forget().await?,
        Err(DocumentsError::PreconditionFailed(_)) => return Err(refused()),
        Err(error) => return Err(error.into()),
    }
    sign_in::admit(&user, &[Proof::Passkey], device).await
}

/// What a browser is given to take the second step of a sign-in by a passkey.
pub(crate) async fn options_for_second_step(
    party: &Party,
    token: &str,
    device: &Device,
) -> Result<Options> {
    let (_, user) = second_factor::found(token, device).await?;
    options_for(party, Purpose::SecondStep, &user.id).await
}

/// Takes the second step of a sign-in by a passkey.
pub(crate) async fn take_second_step(
    party: &Party,
    token: &str,
    answer: &PublicKeyCredential,
    device: &Device,
) -> Result<SignedIn> {
    let (step, user) = second_factor::found(token, device).await?;
    let attempts = throttle::SECOND_STEP.of(&user.id);
    attempts.count(time::now()).await?;
    let proven = proven(party, Purpose::SecondStep, Some(&user.id), answer).await?;
    let Some((_, used)) = proven else {
        second_factor::refused(&user, device).await?;
        return Err(refused());
    };
    let signed_in = step.taken(&user, Proof::Passkey, used, device).await?;
    attempts.forget().await?;
    Ok(signed_in)
}

/// What the caller's browser is given to show by a passkey that they are still there.
pub(crate) async fn options_to_confirm(party: &Party, caller: &Caller) -> Result<Options> {
    options_for(party, Purpose::Confirm, &caller.user).await
}

/// The caller shows by a passkey that they are still there.
pub(crate) async fn confirm(
    party: &Party,
    caller: &Caller,
    answer: &PublicKeyCredential,
) -> Result<()> {
    let attempts = throttle::SECOND_STEP.of(&caller.user);
    attempts.count(time::now()).await?;
    let proven = proven(party, Purpose::Confirm, Some(&caller.user), answer).await?;
    let (_, used) = proven.ok_or_else(|| {
        Error::validation(
            "credential",
            "is not accepted, or it took too long; begin again",
        )
    })?;
    confirmation::confirmed(caller, Proof::Passkey, used).await?;
    attempts.forget().await
}

/// Sign-ins from one address: they name nobody before they succeed.
pub(super) fn attempts(device: &Device) -> throttle::Attempts {
    throttle::PASSKEY.of(device.address.as_deref().unwrap_or_default())
}

/// What a browser is given to ask for a passkey of a user's.
async fn options_for(party: &Party, purpose: Purpose, user_id: &str) -> Result<Options> {
    let own = of(user_id).await?;
    let here = own.iter().filter(|passkey| passkey.host == party.host);
    let allowed: Vec<Value> = here
        .map(|passkey| {
            let (id, transports) = (&passkey.credential_id, &passkey.transports);
            json!({"type": "public-key", "id": id, "transports": transports})
        })
        .collect();
    if allowed.is_empty() {
        return Err(Error::conflict(format!(
            "you have no passkey for {}; show who you are in another way",
            party.host
        )));
    }
    let mut options = options(party, purpose, Some(user_id)).await?;
    options["allowCredentials"] = allowed.into();
    Ok(Options(options))
}

async fn options(party: &Party, purpose: Purpose, user_id: Option<&str>) -> Result<Value> {
    let (options, state) = party
        .webauthn
        .start_discoverable_authentication()
        .map_err(Error::internal)?;
    let awaited = Awaited::Proof(Box::new(state));
    challenge::keep(&options.public_key.challenge, purpose, user_id, awaited).await?;
    let mut options = options.public_key;
    options.extensions = None;
    serde_json::to_value(options).map_err(Error::internal)
}

/// Who a passkey's answer is of, and the change by which it is used, unless it was meanwhile as well, or is gone; none,
/// where anything is wrong with it.
async fn proven(
    party: &Party,
    purpose: Purpose,
    user_id: Option<&str>,
    answer: &PublicKeyCredential,
) -> Result<Option<(User, Transaction)>> {
    let client_data = &answer.response.client_data_json;
    let awaited = challenge::used(client_data, purpose, user_id).await?;
    let credential_id = URL_SAFE_NO_PAD.encode(answer.get_credential_id());
    let known = PASSKEYS.find_one(json!({"credential_id": credential_id}));
    let (Some(Awaited::Proof(state)), Some(passkey)) = (awaited, known.await?) else {
        return Ok(None);
    };
    // A device says whose passkey it is, unless it was asked for this very one.
    let handle = answer.get_user_unique_id();
    let is_theirs = match user_id {
        Some(user_id) => passkey.user_id == user_id,
        None => handle.is_some(),
    };
    if !is_theirs || handle.is_some_and(|handle| handle != passkey.handle.as_bytes()) {
        return Ok(None);
    }
    let result = party
        .webauthn
        .finish_discoverable_authentication_v2(answer, *state, &passkey.key);
    let result = match result {
        Ok(result) => result,
        Err(WebauthnError::CredentialPossibleCompromise) => {
            suspected(&passkey).await?;
            return Ok(None);
        }
        Err(_) => return Ok(None),
    };
    let Some(user) = USERS.get(&passkey.user_id).await? else {
        return Ok(None);
    };
    let mut key = passkey.key.clone();
    key.update_credential(&result);
    let used = used(&passkey, &key.into());
    Ok(Some((user, used)))
}

fn used(passkey: &Passkey, key: &Credential) -> Transaction {
    let before = Credential::from(passkey.key.clone()).counter;
    let unchanged = json!({"_id": passkey.id, "key.cred.counter": before});
    let set = json!({"key.cred": key, "backed_up": key.backup_state, "last_used_at": time::now()});
    let change = Transaction::new().update_one(&PASSKEYS, unchanged, json!({"$set": set}));
    let used = Happened::PasskeyUsed {
        user_id: &passkey.user_id,
        passkey_id: &passkey.id,
    };
    used.told_by(change)
}

/// A passkey has counted fewer uses than before, as only a copy of it would. Its owner is told once.
async fn suspected(passkey: &Passkey) -> Result<()> {
    let set = json!({"$set": {"suspected_at": time::now()}});
    let change = Transaction::new().update_one(&PASSKEYS, json!({"_id": passkey.id}), set);
    let suspected = Happened::PasskeySuspected {
        user_id: &passkey.user_id,
        passkey_id: &passkey.id,
    };
    let change = suspected.told_by(change);
    let change = match passkey.suspected_at {
        None => notices::passkey_suspected(change, &passkey.user_id, &passkey.name),
        Some(_) => change,
    };
    match change.commit().await {
        Ok(_) | Err(DocumentsError::PreconditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is said whatever is wrong: whoever tries learns nothing.
fn refused() -> Error {
    Error::invalid_credentials(
        "this passkey is not accepted here, or it took too long; try again, or sign in another way",
    )
}
