//! A device that has one passkey, for tests: as WebAuthn describes them, and in every part as a test wants it else. Devices
//! of libraries do as they should, which leaves most of what is refused untested.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::rc::Rc;

/// What a device says of itself and its user: these are there.
pub(crate) const USER_PRESENT: u8 = 1;
pub(crate) const USER_VERIFIED: u8 = 1 << 2;
pub(crate) const BACKUP_ELIGIBLE: u8 = 1 << 3;
pub(crate) const BACKED_UP: u8 = 1 << 4;
const HAS_KEY: u8 = 1 << 6;

/// Where its browser is.
pub(crate) const ORIGIN: &str = "http://localhost:4747";

/// A device and the browser before it.
#[derive(Clone)]
pub(crate) struct SoftDevice {
    key: Rc<EcdsaKeyPair>,
    credential_id: Vec<u8>,
    pub(crate) handle: Option<String>,
    pub(crate) counter: u32,
    pub(crate) flags: u8,
    pub(crate) origin: String,
    /// For whom it answers, if not for who asks.
    pub(crate) host: Option<String>,
    /// To what it answers, if not to what it is asked.
    pub(crate) challenge: Option<String>,
    /// What it takes the request for, if not for what it is.
    pub(crate) kind: Option<&'static str>,
}

// === impl SoftDevice ===

impl SoftDevice {
    /// One that has verified its user and counts uses.
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let mut credential_id = vec![0; 32];
        getrandom::fill(&mut credential_id).expect("random bytes");
        Self {
            key: EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random)
                .expect("a key")
                .into(),
            credential_id,
            handle: None,
            counter: 1,
            flags: USER_PRESENT | USER_VERIFIED,
            origin: ORIGIN.to_owned(),
            host: None,
            challenge: None,
            kind: None,
        }
    }

    /// The same passkey's id with another key.
    pub(crate) fn forged(&self) -> Self {
        Self {
            credential_id: self.credential_id.clone(),
            handle: self.handle.clone(),
            counter: self.counter + 1,
            ..Self::new()
        }
    }

    /// What `navigator.credentials.create` gives for these options.
    pub(crate) fn made(&mut self, options: &Value) -> Value {
        self.handle = options["user"]["id"].as_str().map(str::to_owned);
        let public = self.key.public_key().as_ref();
        let (x, y) = public[1..].split_at(32);
        // CBOR: COSE's form of a point on P-256, for ES256.
        let key = [
            &[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32],
            x,
            &[0x22, 0x58, 32],
            y,
        ]
        .concat();
        let id = &self.credential_id;
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let mut data = self.said(options["rp"]["id"].as_str().unwrap(), self.flags | HAS_KEY);
        data.extend([&[0; 16], &length[..], id, &key].concat());
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let object = [
            b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59",
            &length[..],
            &data,
        ]
        .concat();
        let client_data = self.client_data("webauthn.create", options);
        self.counter += 1;
        self.credential(json!({
            "clientDataJSON": encoded(&client_data),
            "attestationObject": encoded(&object),
            "transports": ["internal", "of tomorrow"],
        }))
    }

    /// What `navigator.credentials.get` gives for these options.
    pub(crate) fn answer(&mut self, options: &Value) -> Value {
        let data = self.said(options["rpId"].as_str().unwrap(), self.flags);
        let client_data = self.client_data("webauthn.get", options);
        let signed = [&data[..], &Sha256::digest(&client_data)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        self.counter += 1;
        self.credential(json!({
            "clientDataJSON": encoded(&client_data),
            "authenticatorData": encoded(&data),
            "signature": encoded(signature.as_ref()),
            "userHandle": self.handle,
        }))
    }

    /// Authenticator data: for whom, in what state, and how often.
    fn said(&self, host: &str, flags: u8) -> Vec<u8> {
        let host = Sha256::digest(self.host.as_deref().unwrap_or(host));
        [&host[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": self.kind.unwrap_or(kind),
            "challenge": self.challenge.as_deref().or(options["challenge"].as_str()),
            "origin": self.origin,
            "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }

    fn credential(&self, response: Value) -> Value {
        let id = encoded(&self.credential_id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
