//! Backup codes: for who does not have their other second factor at hand. Each is good once; of each only the digest
//! is kept.

use crate::events::Happened;
use crate::notices;
use crate::second_factor::SecondFactors;
use crate::store::SECOND_FACTORS;
use crate::tokens;
use sbd_sdk::documents::Transaction;
use serde_json::json;

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
    use super::*;

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
