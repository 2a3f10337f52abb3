//! Another secret for a token. The one before stays good for as long as it takes to tell every program, and ends by
//! itself; what a token is, may do and counts stays the same.

use super::{PermanentToken, TokenId, own, require_person, secret};
use crate::events::Happened;
use crate::store::PERMANENT_TOKENS;
use crate::{notices, tokens};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Hours for which the secret before stays good, at most: a week.
const MAX_OVERLAP: u32 = 7 * 24;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The secret before, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Former {
    pub(super) digest: String,
    pub(crate) until: Time,
}

/// Gives a token of the caller's another secret, and answers what is never shown again. Of two at the same time one
/// does: the other would take the new secret for the one before.
pub(crate) async fn rotate(
    caller: &Caller,
    id: &TokenId,
    overlap_hours: u32,
) -> Result<(PermanentToken, String)> {
    require_person(caller)?;
    if overlap_hours > MAX_OVERLAP {
        return Err(Error::validation("overlap_hours", "0 to 168"));
    }
    with_another(own(&caller.user, id).await?, overlap_hours).await
}

async fn with_another(
    token: PermanentToken,
    overlap_hours: u32,
) -> Result<(PermanentToken, String)> {
    let secret = secret()?;
    let digest = tokens::digest(&secret);
    let former = (overlap_hours > 0).then(|| Former {
        digest: token.digest.clone(),
        until: time::now() + HOUR * overlap_hours,
    });
    let update = match &former {
        Some(former) => json!({"$set": {"digest": digest, "former": former}}),
        None => json!({"$set": {"digest": digest}, "$unset": {"former": ""}}),
    };
    let unchanged = json!({"_id": token.id, "digest": token.digest});
    let change = Transaction::new().update_one(&PERMANENT_TOKENS, unchanged, update);
    let user_id = &token.user_id;
    let rotated = Happened::TokenRotated {
        user_id,
        token_id: &token.id,
    };
    let change = notices::token_rotated(rotated.told_by(change), user_id, &token.name);
    match change.commit().await {
        Ok(_) => {
            let token = PermanentToken {
                digest,
                former,
                ..token
            };
            Ok((token, secret))
        }
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "this token got another secret at the same time, or was taken back; look at your tokens",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::permanent::tests::{TOKENS, ada, make};
    use crate::tests::{app, bearer, bearer_from};
    use serde_json::Value;

    #[test]
    fn the_secret_before_is_good_for_a_while_and_the_token_stays_the_same() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "backup", &["notes:read"]).assert_status(201);
        let (id, first) = (made.text("id"), made.text("token"));
        let rotate = |hours: Value| {
            ada.post(
                &format!("{TOKENS}/{id}/rotate"),
                json!({"overlap_hours": hours}),
            )
        };
        for wrong in [json!(169), json!(-1), json!("a day"), json!(null)] {
            rotate(wrong).assert_refused(422, "VALIDATION_ERROR");
        }
        let second = rotate(json!(24)).assert_status(200);
        assert_eq!(second.header("cache-control"), Some("no-store"));
        assert_eq!(second["former_until"], json!(app.now() + HOUR * 24));
        let second = second.text("token");
        for token in [first, second] {
            let who = bearer(&app, token).assert_status(200);
            assert_eq!((who.text("session"), &who["scopes"]), (id, &made["scopes"]));
        }
        // The host forgets the one before when it ends, and not later.
        let ends = bearer(&app, first)["expires_at"].clone();
        assert_eq!(ends, json!(app.now() + HOUR * 24));
        app.advance(HOUR * 24);
        bearer(&app, first).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, second).assert_status(200);
        // One before is good, not two; and none, where that is wanted.
        let third = rotate(json!(168)).assert_status(200);
        let fourth = rotate(json!(0)).assert_status(200);
        assert_eq!(fourth["former_until"], json!(null));
        assert_eq!(fourth.header("sbd-revoked"), Some(id));
        for gone in [second, third.text("token")] {
            bearer_from(&app, gone, "192.0.2.1", "curl").assert_refused(401, "TOKEN_INVALID");
        }
        bearer(&app, fourth.text("token")).assert_status(200);
        ada.delete(&format!("{TOKENS}/{id}")).assert_status(204);
        rotate(json!(0)).assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn of_two_at_the_same_time_one_gets_another_secret() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let token = app.run(PERMANENT_TOKENS.get(made.text("id"))).unwrap();
        let token = token.unwrap();
        let (_, won) = app.run(with_another(token.clone(), 1)).unwrap();
        let lost = app.run(with_another(token, 1)).unwrap_err();
        assert_eq!(lost.code(), "CONFLICT");
        for good in [&won, made.text("token")] {
            bearer(&app, good).assert_status(200);
        }
    }

    #[test]
    fn no_token_gets_itself_another_secret() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let who = bearer(&app, made.text("token"));
        let itself = sbd_sdk::Principal::user("test", who.text("user")).in_session(made.text("id"));
        let wanted = json!({"overlap_hours": 1});
        let path = format!("{TOKENS}/{}/rotate", made.text("id"));
        app.by(itself)
            .post(&path, wanted.clone())
            .assert_refused(403, "FORBIDDEN");
        crate::tests::register(&app, "bob").assert_status(201);
        let bob = crate::tests::login(&app, "bob", crate::tests::PASSWORD);
        crate::tests::signed_in(&app, &bob)
            .post(&path, wanted)
            .assert_refused(404, "NOT_FOUND");
    }
}
