//! Creating a family.

use crate::events::Happened;
use crate::model::{Creator, Draft, Family, Membership, found};
use crate::store::{CREATORS, FAMILIES, MEMBERSHIPS};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Answer, Caller, Error, Idempotency, Result, config, metrics, time};
use serde_json::json;

/// How many families a user may have created at a time, unless the component's variable
/// `families_per_user` says otherwise. The reference allows 1 by default, which people find too
/// few; the bound is against those who would fill the disk.
pub(crate) const FAMILIES_PER_USER: u64 = 20;

/// Creates a family with the caller as its administrator, once per idempotency key.
pub(crate) async fn create<A: From<Answer> + Into<Answer> + Clone>(
    caller: &Caller,
    draft: Draft,
    key: &Idempotency,
    answer: impl Fn(&Family, &Membership) -> Result<A>,
) -> Result<A> {
    if let Some(given) = key.replay(&draft).await? {
        return Ok(given);
    }
    let (family, membership) = found(draft.clone(), caller, time::now());
    let answer = answer(&family, &membership)?;
    // Twice: somebody's first two families may be created at once, and then one of them finds the
    // count that the other has just begun.
    for _ in 0..2 {
        let effect = counted(Transaction::new(), &caller.user)
            .await?
            .insert(&FAMILIES, &family)
            .insert(&MEMBERSHIPS, &membership);
        let effect = Happened::created(&family).told_by(effect);
        let effect = Happened::member_added(&membership).told_by(effect);
        match key.commit(&draft, effect, answer.clone()).await {
            Err(DocumentsError::Duplicate(_) | DocumentsError::PreconditionFailed(0)) => {}
            done => {
                let made = done?;
                if made.is_ok() {
                    metrics::count("family_creations_total", &[]).await;
                }
                return made;
            }
        }
    }
    Err(Error::conflict(
        "several families are being created at once; try again",
    ))
}

/// Counts one more family of somebody's as a part of a change, as long as there is room for it.
pub(crate) async fn counted(change: Transaction, user: &str) -> Result<Transaction> {
    let limit = config::get_as("families_per_user")?.unwrap_or(FAMILIES_PER_USER);
    let count = CREATORS.get(user).await?;
    require_room(count.as_ref(), limit)?;
    Ok(match count {
        None => change.insert(
            &CREATORS,
            &Creator {
                user_id: user.to_owned(),
                families: 1,
            },
        ),
        Some(_) => {
            let with_room = json!({"_id": user, "families": {"$lt": limit}});
            change.update_one(&CREATORS, with_room, json!({"$inc": {"families": 1}}))
        }
    })
}

fn require_room(count: Option<&Creator>, limit: u64) -> Result<()> {
    if count.map_or(0, |count| count.families) < limit {
        return Ok(());
    }
    let message =
        format!("you have created {limit} families, the most one user may have; delete one first");
    Err(Error::conflict(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{app, family};
    use sbd_sdk::idempotency;

    const FAMILIES: &str = "/api/v1/families";

    #[test]
    fn whoever_creates_a_family_is_its_administrator() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let input = json!({"name": " Lovelace ", "description": "of London"});
        let made = ada.post(FAMILIES, input).assert_status(201);
        assert_eq!(
            (&made["name"], &made["role"]),
            (&json!("Lovelace"), &json!("admin"))
        );
        assert_eq!(
            (&made["member_count"], &made["version"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(made["created_at"], app.now().to_string());
        assert_eq!(made.header("etag"), Some("\"1\""));
        let address = made.header("location").unwrap_or_default();
        assert_eq!(address, format!("{FAMILIES}/{}", made.text("id")));
        assert_eq!(ada.get(address).assert_status(200).body(), made.body());
        app.anonymous()
            .post(FAMILIES, json!({"name": "x"}))
            .assert_refused(401, "UNAUTHENTICATED");
    }

    #[test]
    fn one_user_has_so_many_families() {
        let app = app().variable("families_per_user", "2");
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let first = family(&ada, "A");
        family(&ada, "B");
        ada.post(FAMILIES, json!({"name": "C"}))
            .assert_refused(409, "CONFLICT");
        family(&bob, "C");
        let address = format!("{FAMILIES}/{}", first.text("id"));
        ada.delete(&address).assert_status(204);
        family(&ada, "C");
    }

    #[test]
    fn a_repeated_request_makes_one_family() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let keyed = ada.with_header("idempotency-key", "k-1");
        let first = family(&keyed, "Once");
        let again = family(&keyed, "Once");
        assert_eq!(again.body(), first.body());
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(first.header("idempotency-replayed"), None);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        keyed
            .post(FAMILIES, json!({"name": "Twice"}))
            .assert_refused(422, "IDEMPOTENCY_KEY_REUSED");
        // The key is the user's own.
        family(&bob.with_header("idempotency-key", "k-1"), "Twice");
        assert_eq!(ada.get(FAMILIES)["total"], 1);
        // It is forgotten, whether what was kept of it is there still or not.
        app.advance(idempotency::KEPT);
        family(&keyed, "Twice");
        app.advance(idempotency::KEPT);
        app.sweep();
        family(&keyed, "Thrice");
        assert_eq!(ada.get(FAMILIES)["total"], 3);
    }

    #[test]
    fn wrong_texts_make_no_family_and_use_no_key() {
        let app = app();
        let ada = app.signed_in("usr_1").with_header("idempotency-key", "k-1");
        for (wrong, field) in [
            (json!({}), "name"),
            (json!({"name": " "}), "name"),
            (
                json!({"name": "x", "description": "y".repeat(501)}),
                "description",
            ),
            (json!({"name": "x", "owner": "usr_2"}), "owner"),
        ] {
            let refused = ada
                .post(FAMILIES, wrong)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        family(&ada, "Right");
    }

    fn with(families: u64) -> Creator {
        Creator {
            user_id: "usr_1".to_owned(),
            families,
        }
    }

    #[test]
    fn there_is_room_up_to_the_limit() {
        assert!(require_room(None, 1).is_ok());
        assert!(require_room(Some(&with(FAMILIES_PER_USER - 1)), FAMILIES_PER_USER).is_ok());
        for families in [FAMILIES_PER_USER, FAMILIES_PER_USER + 1] {
            let refused = require_room(Some(&with(families)), FAMILIES_PER_USER);
            assert!(refused.is_err_and(|error| error.code() == "CONFLICT"));
        }
        assert!(require_room(None, 0).is_err());
    }
}
