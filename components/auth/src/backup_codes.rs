//! Backup codes: for who does not have their other second factor at hand. Each is good once; of each only the digest
//! is kept.

use crate::confirmation;
use crate::events::Happened;
use crate::notices;
use crate::second_factor::SecondFactors;
use crate::store::{SECOND_FACTORS, USERS};
use crate::tokens;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result};
use serde_json::json;

/// How many a user is given.
pub(crate) const MANY: usize = 10;
/// Letters and digits that nobody takes for one another, 32 of them.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
/// Characters of a code, of five bits each.
const LENGTH: usize = 16;
/// Characters between two strokes.
const GROUP: usize = 4;

/// New codes of a user's, and what is kept of them.
pub(crate) fn new(user_id: &str) -> Result<(Vec<String>, Vec<String>)> {
    let codes = (0..MANY).map(|_| code()).collect::<Result<Vec<_>>>()?;
    let digests = codes.iter().map(|code| digest(user_id, code)).collect();
    Ok((codes, digests))
}

/// Makes new codes of the caller's, which are shown this once. Those before are worth nothing.
pub(crate) async fn renew(caller: &Caller) -> Result<Vec<String>> {
    confirmation::fresh(caller).await?;
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let user_id = &user.id;
    let has_some = SECOND_FACTORS.get(user_id).await?.is_some();
    // Who has a password and nothing else would have a second factor by that.
    if !has_some && user.hash().is_some() {
        return Err(Error::conflict(
            "your account has no second factor; set up an authenticator app first",
        ));
    }
    let (change, codes) = made(Transaction::new(), user_id).await?;
    match notices::backup_codes_made(change, user_id).commit().await {
        Ok(_) => Ok(codes),
        Err(DocumentsError::PreconditionFailed(_) | DocumentsError::Duplicate(_)) => Err(
            Error::conflict("the account was changed at the same time; try again"),
        ),
        Err(error) => Err(error.into()),
    }
}

/// With this change a user has new codes, which are answered; those before are worth nothing.
pub(crate) async fn made(change: Transaction, user_id: &str) -> Result<(Transaction, Vec<String>)> {
    let (codes, digests) = new(user_id)?;
    let change = match SECOND_FACTORS.get(user_id).await? {
        Some(_) => {
            let set = json!({"$set": {"backup_codes": digests}});
            change.update_one(&SECOND_FACTORS, json!({"_id": user_id}), set)
        }
        None => {
            let factors = SecondFactors {
                user_id: user_id.to_owned(),
                totp: None,
                backup_codes: digests,
            };
            change.insert(&SECOND_FACTORS, &factors)
        }
    };
    let change = Happened::BackupCodesMade { user_id }.told_by(change);
    Ok((change, codes))
}

fn code() -> Result<String> {
    let random = tokens::random()?;
    let letter = |byte: &u8| {
        ALPHABET
            .get(usize::from(byte % 32))
            .copied()
            .map(char::from)
    };
    let letters: Vec<char> = random.iter().take(LENGTH).filter_map(letter).collect();
    let groups = letters.chunks(GROUP).map(|group| group.iter().collect());
    Ok(groups.collect::<Vec<String>>().join("-"))
}

/// The change by which a code of a user's is used, once; none, where it is wrong.
pub(crate) fn used(factors: &SecondFactors, code: &str) -> Option<Transaction> {
    let (user_id, code) = (&factors.user_id, digest(&factors.user_id, code));
    let left = factors.backup_codes.len().checked_sub(1)?;
    if !factors.backup_codes.contains(&code) {
        return None;
    }
    let change = Transaction::new().update_one(
        &SECOND_FACTORS,
        json!({"_id": user_id, "backup_codes": code}),
        json!({"$pull": {"backup_codes": code}}),
    );
    let change = Happened::BackupCodeUsed { user_id }.told_by(change);
    Some(notices::backup_code_used(change, user_id, left))
}

/// What is kept of a user's code, however it is typed. Enough for 80 random bits, which nobody guesses through.
pub(crate) fn digest(user_id: &str, code: &str) -> String {
    let code = code.chars().filter(char::is_ascii_alphanumeric);
    let code: String = code.map(|c| c.to_ascii_lowercase()).collect();
    tokens::digest(&format!("backup-code:{user_id}:{code}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn codes_are_random_and_kept_as_digests() {
        let (codes, digests) = new("usr_1").unwrap();
        let mut unlike = codes.clone();
        unlike.sort();
        unlike.dedup();
        assert_eq!((codes.len(), unlike.len()), (MANY, MANY));
        for (code, kept) in codes.iter().zip(&digests) {
            assert_eq!(code.len(), LENGTH + LENGTH / GROUP - 1, "{code}");
            assert_eq!(digest("usr_1", &code.to_uppercase()), *kept);
            assert!(!kept.contains(&code[..GROUP]));
        }
    }

    #[test]
    fn a_code_is_one_user_s_however_it_is_typed() {
        let code = digest("usr_1", "abcd-efgh-jkmn-pqrs");
        for typed in [
            "ABCD EFGH JKMN PQRS",
            "abcdefghjkmnpqrs",
            " abcd-efgh jkmn-pqrs\n",
        ] {
            assert_eq!(digest("usr_1", typed), code, "{typed}");
        }
        assert_ne!(digest("usr_2", "abcd-efgh-jkmn-pqrs"), code);
        assert_ne!(digest("usr_1", "abcd-efgh-jkmn-pqrt"), code);
    }
}
