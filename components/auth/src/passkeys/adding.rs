//! Another passkey of a user's.

use super::challenge::{self, Awaited, Purpose};
use super::{MOST, Options, Party, Passkey, PasskeyId, checked_name, of};
use crate::events::Happened;
use crate::store::{self, PASSKEYS, USERS};
use crate::{confirmation, notices};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    CreationChallengeResponse, Credential, Passkey as Key, PasskeyRegistration,
    RegisterPublicKeyCredential, Uuid, WebauthnError,
};

/// Bytes by which a device may know a passkey, as WebAuthn has it.
const MAX_CREDENTIAL_ID: usize = 1023;

/// What the caller's browser is given to have a passkey made: one that signs in by itself, of a device that verifies
/// its user and has none for this account yet.
pub(crate) async fn options_to_add(caller: &Caller, party: &Party) -> Result<Options> {
    confirmation::fresh(caller).await?;
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let own = of(&user.id).await?;
    require_room(&own)?;
    let here = own.iter().filter(|passkey| passkey.host == party.host);
    let exclude = here.map(|passkey| passkey.key.cred_id().clone()).collect();
    // By what devices are to know the user: by what those know them that do already.
    let known = own.first().map(|passkey| passkey.handle);
    let handle = known.unwrap_or_else(Uuid::new_v4);
    let (options, state) = party
        .webauthn
        .start_passkey_registration(handle, &user.username, &user.username, Some(exclude))
        .map_err(Error::internal)?;
    let challenge = &options.public_key.challenge;
    let awaited = addition(handle, state);
    challenge::keep(challenge, Purpose::Add, Some(&user.id), awaited).await?;
    to_make(options)
}

pub(super) fn addition(handle: Uuid, state: PasskeyRegistration) -> Awaited {
    let state = Box::new(state);
    Awaited::Addition { handle, state }
}

/// What a browser is given to have a passkey made that signs in by itself.
pub(super) fn to_make(options: CreationChallengeResponse) -> Result<Options> {
    let mut options = serde_json::to_value(options.public_key).map_err(Error::internal)?;
    options["authenticatorSelection"]["residentKey"] = json!("required");
    options["authenticatorSelection"]["requireResidentKey"] = json!(true);
    Ok(Options(options))
}

/// Adds the passkey that the caller's browser had made.
pub(crate) async fn add(
    caller: &Caller,
    party: &Party,
    name: &str,
    made: &RegisterPublicKeyCredential,
) -> Result<Passkey> {
    let name = checked_name(name)?;
    confirmation::fresh(caller).await?;
    let user_id: &str = &caller.user;
    let client_data = &made.response.client_data_json;
    let awaited = challenge::used(client_data, Purpose::Add, Some(user_id)).await?;
    let passkey = checked(party, user_id, name, made, awaited)?;
    let own = of(user_id).await?;
    seated(passkey, &own).await
}

/// The passkey that a user's browser had made, if it is what was awaited; it has no seat yet.
pub(super) fn checked(
    party: &Party,
    user_id: &str,
    name: &str,
    made: &RegisterPublicKeyCredential,
    awaited: Option<Awaited>,
) -> Result<Passkey> {
    let Some(Awaited::Addition { handle, state }) = awaited else {
        return Err(wrong(
            "its challenge is not known, was used, or has run out; begin again",
        ));
    };
    let key = party.webauthn.finish_passkey_registration(made, &state);
    let key = key.map_err(|error| wrong(problem(&error)))?;
    if key.cred_id().len() > MAX_CREDENTIAL_ID {
        return Err(wrong(
            "the id of the passkey is too long; use another device",
        ));
    }
    let credential = Credential::from(key.clone());
    Ok(Passkey {
        id: PasskeyId::new(),
        user_id: user_id.to_owned(),
        seat: String::new(),
        credential_id: encoded(&key),
        host: party.host.clone(),
        handle,
        name: name.to_owned(),
        transports: transports(made),
        backed_up: credential.backup_state,
        key,
        created_at: time::now(),
        last_used_at: None,
        suspected_at: None,
    })
}

/// Stores a passkey at the first seat that is free.
async fn seated(mut passkey: Passkey, own: &[Passkey]) -> Result<Passkey> {
    let user_id = passkey.user_id.clone();
    let seats = (0..MOST).map(|number| seat(&user_id, number));
    for seat in seats.filter(|seat| own.iter().all(|other| other.seat != *seat)) {
        passkey.seat = seat;
        let added = Happened::PasskeyAdded {
            user_id: &user_id,
            passkey_id: &passkey.id,
        };
        let change = added.told_by(Transaction::new().insert(&PASSKEYS, &passkey));
        let change = notices::passkey_added(change, &user_id, &passkey.name);
        match change.commit().await {
            Ok(_) => return Ok(passkey),
            Err(DocumentsError::Duplicate(index)) if index.contains("credential") => {
                return Err(store::taken(&index));
            }
            // Another one was quicker.
            Err(DocumentsError::Duplicate(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(full())
}

/// What no two passkeys of a user have.
pub(super) fn seat(user_id: &str, number: usize) -> String {
    format!("{user_id}/{number}")
}

fn require_room(own: &[Passkey]) -> Result<()> {
    match own.len() < MOST {
        true => Ok(()),
        false => Err(full()),
    }
}

fn full() -> Error {
    Error::conflict(format!(
        "you have {MOST} passkeys, as many as there may be; remove one first"
    ))
}

/// By what devices and browsers know a key, as they write it.
pub(super) fn encoded(key: &Key) -> String {
    URL_SAFE_NO_PAD.encode(key.cred_id())
}

/// The words that browsers have for them; one that is not known yet has none.
fn transports(made: &RegisterPublicKeyCredential) -> Vec<String> {
    let said = made.response.transports.iter().flatten();
    let words = said.filter_map(|transport| serde_json::to_value(transport).ok());
    let words = words.filter_map(|word: Value| word.as_str().map(str::to_owned));
    words.filter(|word| word != "unknown").collect()
}

fn wrong(problem: &'static str) -> Error {
    Error::validation("credential", problem)
}

fn problem(error: &WebauthnError) -> &'static str {
    match error {
        WebauthnError::UserNotVerified => {
            "the device did not verify you; set a PIN, a fingerprint or the like for it"
        }
        WebauthnError::InvalidRPOrigin | WebauthnError::InvalidRPIDHash => {
            "it is for another address than this one; begin again here"
        }
        _ => "is not what was asked for; begin again",
    }
}
