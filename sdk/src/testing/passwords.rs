//! `passwords` of a test: salted and compared as it must be, and cheap.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::passwords::Error;
pub use crate::bindings::generated::sbd::platform::passwords::Verdict;
use sha2::{Digest, Sha256};

const LONGEST: usize = 1024;

pub(crate) async fn hash(password: String) -> Result<String, Error> {
    let _ = granted("passwords");
    check(&password)?;
    let salt = uuid::Uuid::now_v7().simple().to_string();
    Ok(format!("$test${salt}${}", digest(&salt, &password)))
}

pub(crate) async fn verify(password: String, hash: Option<String>) -> Result<Verdict, Error> {
    let _ = granted("passwords");
    check(&password)?;
    let parts = hash
        .as_deref()
        .and_then(|hash| hash.strip_prefix("$test$")?.split_once('$'));
    Ok(Verdict {
        valid: parts.is_some_and(|(salt, stored)| digest(salt, &password) == stored),
        rehashed: None,
    })
}

pub(crate) async fn strength(password: String, known: Vec<String>) -> Result<u8, Error> {
    let _ = granted("passwords");
    check(&password)?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Ok(zxcvbn::zxcvbn(&password, &known).score().into())
}

fn check(password: &str) -> Result<(), Error> {
    match (1..=LONGEST).contains(&password.len()) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "a password has 1 to {LONGEST} bytes"
        ))),
    }
}

fn digest(salt: &str, password: &str) -> String {
    format!(
        "{:x}",
        Sha256::new()
            .chain_update(salt)
            .chain_update(password)
            .finalize()
    )
}
