//! The key of an account that its owner's clients encrypt with, chosen when the account is opened. Here it is only as it
//! was wrapped there: by a passphrase, and by a recovery key for who forgets that. This server knows neither of them, and
//! reads nothing in either. What is encrypted by it lies with other components, such as notes.
//!
//! The key stays for as long as the account does. Another passphrase wraps the same key anew.

use crate::events::Happened;
use crate::oauth::require_person;
use crate::store::ACCOUNT_KEYS;
use crate::{confirmation, notices};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Detail, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The form of what is wrapped that there is.
const VERSION: u8 = 1;
/// Most characters of a key's id, as of the notes that are encrypted with it.
const LONGEST_KEY_ID: usize = 64;
/// Most characters of a wrapped key: room for a key, a nonce, a salt, and how they were made.
const LONGEST: usize = 1024;

/// A key as an owner's client wrapped it. This server keeps it as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedKey {
    /// The form: 1.
    #[schema(minimum = 1, maximum = 1, example = 1)]
    version: u8,
    /// Which key it is, for clients. It stays with the account.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_-]+$",
        example = "k1"
    )]
    key_id: String,
    /// The key, wrapped by a passphrase that the server never has: not the account's password.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[A-Za-z0-9_$-]+$",
        example = "PBKDF2-SHA-256$600000$AAAA$AAAA$AAAA"
    )]
    by_passphrase: String,
    /// The same key, wrapped by another one that its owner keeps somewhere safe.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[A-Za-z0-9_$-]+$",
        example = "HKDF-SHA-256$AAAA$AAAA"
    )]
    by_recovery_key: String,
}

/// The key of an account, as stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccountKey {
    #[serde(rename = "_id")]
    user_id: String,
    pub(crate) wrapped: WrappedKey,
    /// How often it was wrapped.
    pub(crate) revision: u64,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

/// An account that is opened with this change has a key.
pub(crate) fn begun(change: Transaction, user_id: &str, wrapped: &WrappedKey) -> Transaction {
    let now = time::now();
    let key = AccountKey {
        user_id: user_id.to_owned(),
        wrapped: wrapped.clone(),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    change.insert(&ACCOUNT_KEYS, &key)
}

/// The caller's, for themselves alone: whoever has it wrapped may try passphrases for as long as they like.
pub(crate) async fn of(caller: &Caller) -> Result<AccountKey> {
    require_person(caller)?;
    let key = ACCOUNT_KEYS.get(&caller.user).await?;
    key.ok_or_else(|| Error::not_found("key of this account, which is chosen when one is opened"))
}

/// The caller has wrapped the same key anew.
pub(crate) async fn wrap(
    caller: &Caller,
    wrapped: WrappedKey,
    wanted: &Preconditions,
) -> Result<AccountKey> {
    wrapped.check("")?;
    confirmation::fresh(caller).await?;
    let Some(key) = ACCOUNT_KEYS.get(&caller.user).await? else {
        return Err(Error::conflict(
            "this account was opened without a key of its own, and gets none later; open another one with `encryption`",
        ));
    };
    wanted.require(key.revision)?;
    if wrapped.key_id != key.wrapped.key_id {
        return Err(Error::validation(
            "key_id",
            "is another key's; the key of an account stays, since all that it encrypted would be lost",
        ));
    }
    let unchanged = json!({"_id": key.user_id, "revision": key.revision});
    let key = AccountKey {
        wrapped,
        revision: key.revision + 1,
        updated_at: time::now(),
        ..key
    };
    let set = json!({
        "wrapped": key.wrapped, "revision": key.revision, "updated_at": key.updated_at,
    });
    let change = Transaction::new().update_one(&ACCOUNT_KEYS, unchanged, json!({"$set": set}));
    let changed = Happened::KeyWrapped {
        user_id: &key.user_id,
        key_id: &key.wrapped.key_id,
    };
    let change = notices::key_wrapped(changed.told_by(change), &key.user_id);
    match change.commit().await {
        Ok(_) => Ok(key),
        Err(DocumentsError::PreconditionFailed(_)) if wanted.has_if_match() => {
            Err(Error::precondition_failed())
        }
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "the key was wrapped anew at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

// === impl WrappedKey ===

impl WrappedKey {
    /// Refuses what no client of ours has wrapped; `within` is the field that it stands in.
    pub(crate) fn check(&self, within: &str) -> Result<()> {
        let key_id = fits(&self.key_id, LONGEST_KEY_ID, b"-_");
        let wrapped = |text| fits(text, LONGEST, b"-_$");
        let key = format!("1 to {LONGEST} of A-Z, a-z, 0-9, `-`, `_` and `$`");
        let id = format!("1 to {LONGEST_KEY_ID} of A-Z, a-z, 0-9, `-` and `_`");
        let form = format!("{VERSION}, the form that there is");
        let problems = [
            ("version", self.version == VERSION, form),
            ("key_id", key_id, id),
            ("by_passphrase", wrapped(&self.by_passphrase), key.clone()),
            ("by_recovery_key", wrapped(&self.by_recovery_key), key),
        ];
        let wrong = problems.into_iter().filter(|(_, right, _)| !right);
        let wrong = wrong.map(|(field, _, message)| Detail {
            field: match within {
                "" => field.to_owned(),
                within => format!("{within}.{field}"),
            },
            message,
        });
        let wrong: Vec<_> = wrong.collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::validation_all(wrong)),
        }
    }
}

/// Whether a text is not empty, no longer than this, and of letters, digits and these.
fn fits(text: &str, most: usize, more: &[u8]) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::confirmation::FRESH;
    use crate::store::{ACCOUNT_KEYS, USERS};
    use crate::tests::{PASSWORD, app, login, register, root, signed_in, signed_in_by};
    use sbd_sdk::testing::{App, Client, Reply};
    use serde_json::{Value, json};

    const KEY: &str = "/api/v1/auth/me/encryption";

    fn wrapped() -> Value {
        json!({
            "version": 1, "key_id": "k1", "by_passphrase": "PBKDF2-SHA-256$600000$c2FsdA$bm9uY2U$a2V5",
            "by_recovery_key": "HKDF-SHA-256$bm9uY2U$a2V5",
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut wrapped = wrapped();
        wrapped[field] = value;
        wrapped
    }

    fn open(app: &App, name: &str, encryption: &Value) -> Reply {
        let account = json!({
            "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
            "encryption": encryption,
        });
        app.anonymous().post("/api/v1/auth/register", account)
    }

    fn enter<'a>(app: &'a App, name: &str) -> Client<'a> {
        signed_in(app, &login(app, name, PASSWORD))
    }

    #[test]
    fn a_key_is_chosen_with_the_account_and_given_to_its_owner_alone() {
        let app = app();
        let made = open(&app, "ada", &wrapped()).assert_status(201);
        assert!(!made.body().to_string().contains("PBKDF2"));
        register(&app, "bob").assert_status(201);
        let ada = enter(&app, "ada");
        let key = ada.get(KEY).assert_status(200);
        assert_eq!(
            (key.header("etag"), key.header("cache-control")),
            (Some("\"1\""), Some("no-store"))
        );
        assert_eq!((&key["wrapped"], &key["revision"]), (&wrapped(), &json!(1)));
        enter(&app, "bob").get(KEY).assert_refused(404, "NOT_FOUND");
        app.anonymous()
            .get(KEY)
            .assert_refused(401, "UNAUTHENTICATED");
        // No program of hers, nor an administrator, and it goes along with nothing else.
        let wanted = json!({"name": "backup", "scopes": ["*"]});
        let token = ada.post("/api/v1/auth/permanent-tokens", wanted);
        let program = signed_in_by(&app, token.text("token"));
        program.get(KEY).assert_refused(403, "FORBIDDEN");
        program.put(KEY, wrapped()).assert_refused(403, "FORBIDDEN");
        let user = format!("/api/v1/auth/users/{}", made.text("id"));
        for told in [
            root(&app).get(&user),
            ada.get("/api/v1/auth/me"),
            ada.get("/api/v1/auth/me/export"),
        ] {
            let told = told.assert_status(200).body().to_string();
            assert!(!told.contains("PBKDF2"), "{told}");
        }
    }

    #[test]
    fn none_is_chosen_later() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let ada = enter(&app, "ada");
        ada.put(KEY, wrapped()).assert_refused(409, "CONFLICT");
        ada.get(KEY).assert_refused(404, "NOT_FOUND");
        let login = json!({"identifier": "ada", "password": PASSWORD, "encryption": wrapped()});
        app.anonymous()
            .post("/api/v1/auth/login", login)
            .assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn another_passphrase_wraps_the_same_key_anew() {
        let app = app();
        open(&app, "ada", &wrapped()).assert_status(201);
        let ada = enter(&app, "ada");
        let anew = |text: &str| with("by_passphrase", json!(text));
        let matching = ada.with_header("if-match", "\"1\"");
        let changed = matching.put(KEY, anew("second")).assert_status(200);
        assert_eq!(changed["revision"], 2);
        // Whoever has not read it since overwrites nothing.
        matching
            .put(KEY, anew("third"))
            .assert_refused(412, "PRECONDITION_FAILED");
        let ada = enter(&app, "ada");
        assert_eq!(ada.get(KEY)["wrapped"]["by_passphrase"], "second");
        // The key itself stays.
        let other = ada.put(KEY, with("key_id", json!("k2")));
        let other = other.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(other["error"]["details"][0]["field"], "key_id");
        // It is told and recorded, without what was wrapped.
        let told = app.published();
        let told: Vec<_> = told
            .iter()
            .filter(|event| event.kind == "account.key_wrapped")
            .collect();
        assert_eq!(told.len(), 1);
        assert!(told.iter().all(|event| event.data["key_id"] == "k1"));
        let activity = ada.get("/api/v1/auth/me/activity").body().to_string();
        assert!(activity.contains("account.key_wrapped") && !activity.contains("second"));
        assert!(
            !serde_json::to_string(
                &app.published()
                    .iter()
                    .map(|event| &event.data)
                    .collect::<Vec<_>>()
            )
            .unwrap()
            .contains("second")
        );
    }

    #[test]
    fn it_takes_who_showed_who_they_are_within_ten_minutes() {
        let app = app();
        open(&app, "ada", &wrapped()).assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        app.advance(FRESH);
        let ada = signed_in(&app, &tokens);
        ada.put(KEY, wrapped())
            .assert_refused(403, "CONFIRMATION_REQUIRED");
        ada.get(KEY).assert_status(200);
        ada.post("/api/v1/auth/me/confirm", json!({"password": PASSWORD}))
            .assert_status(204);
        ada.put(KEY, wrapped()).assert_status(200);
    }

    #[test]
    fn bad_input_opens_nothing_and_changes_nothing() {
        let app = app();
        open(&app, "ada", &wrapped()).assert_status(201);
        let ada = enter(&app, "ada");
        for (field, value) in [
            ("version", json!(0)),
            ("version", json!(2)),
            ("version", json!("1")),
            ("key_id", json!("")),
            ("key_id", json!("k".repeat(65))),
            ("key_id", json!("../k")),
            ("by_passphrase", json!("")),
            ("by_passphrase", json!("a".repeat(1025))),
            ("by_passphrase", json!("a b")),
            ("by_passphrase", json!("\u{e4}")),
            ("by_passphrase", json!(null)),
            ("by_recovery_key", json!("")),
            ("by_recovery_key", json!("a".repeat(1025))),
            ("by_recovery_key", json!("<key>")),
            ("key", json!("in clear")),
        ] {
            let input = with(field, value);
            let refused = open(&app, "bob", &input);
            refused.assert_refused(422, "VALIDATION_ERROR");
            ada.put(KEY, input).assert_refused(422, "VALIDATION_ERROR");
        }
        let longest = with("by_recovery_key", json!("a".repeat(1024)));
        ada.put(KEY, longest).assert_status(200);
        open(&app, "bob", &json!([])).assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(app.run(USERS.count(json!({}))).unwrap(), 1);
        assert_eq!(app.run(ACCOUNT_KEYS.count(json!({}))).unwrap(), 1);
        // An account that is not opened leaves no key behind, and none is no key.
        open(&app, "ada", &wrapped()).assert_refused(409, "CONFLICT");
        assert_eq!(app.run(ACCOUNT_KEYS.count(json!({}))).unwrap(), 1);
        open(&app, "eve", &json!(null)).assert_status(201);
        enter(&app, "eve").get(KEY).assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn the_key_goes_with_the_account() {
        let app = app();
        open(&app, "ada", &wrapped()).assert_status(201);
        let left =
            enter(&app, "ada").put("/api/v1/auth/me/deletion", json!({"password": PASSWORD}));
        left.assert_status(200);
        assert_eq!(app.run(ACCOUNT_KEYS.count(json!({}))).unwrap(), 1);
        app.advance(std::time::Duration::from_secs(14 * 24 * 60 * 60));
        let host = app.by(sbd_sdk::Principal::service("test", "auth"));
        host.tick("end-accounts").assert_status(200);
        assert_eq!(app.run(ACCOUNT_KEYS.count(json!({}))).unwrap(), 0);
    }
}
