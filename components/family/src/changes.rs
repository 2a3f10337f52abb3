//! Changing what a family is called.

use crate::commit::still_admin;
use crate::events::Happened;
use crate::model::{Draft, Family, FamilyId, Membership, require_admin};
use crate::store::{self, FAMILIES, MEMBERSHIPS};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, text};
use serde_json::json;

/// Replaces a family's texts, if it is still in the version that was read here.
pub(crate) async fn replace(
    family_id: &FamilyId,
    caller: &Caller,
    draft: Draft,
    wanted: &Preconditions,
) -> Result<(Family, Membership)> {
    let (family, membership) = store::family(family_id, caller).await?;
    require_admin(&membership)?;
    wanted.require(family.version)?;
    let changed = changed(family.clone(), draft, time::now());
    let change = json!({
        "$set": {"name": changed.name, "description": changed.description, "updated_at": changed.updated_at},
        "$inc": {"version": 1},
    });
    let named = json!({"$set": {"family_name_key": text::key(&changed.name)}});
    let renamed = Happened::Renamed {
        family_id: &family.id,
        changed_by: &caller.user,
    };
    let change = Transaction::new()
        .update_one(
            &FAMILIES,
            json!({"_id": family.id, "version": family.version}),
            change,
        )
        .check(&MEMBERSHIPS, still_admin(&family.id, &caller.user), 1)
        .update_many(&MEMBERSHIPS, json!({"family_id": family.id}), named);
    let change = match changed.name == family.name {
        true => change,
        false => renamed.told_by(change),
    };
    change
        .commit()
        .await
        .map_err(|error| overtaken(error, wanted))?;
    Ok((changed, membership))
}

/// The family as the change leaves it.
fn changed(family: Family, draft: Draft, now: Time) -> Family {
    Family {
        name: draft.name,
        description: draft.description,
        updated_at: now,
        version: family.version + 1,
        ..family
    }
}

/// What to say when another change came between reading and writing.
fn overtaken(error: DocumentsError, wanted: &Preconditions) -> Error {
    match error {
        DocumentsError::PreconditionFailed(_) if wanted.has_if_match() => {
            Error::precondition_failed()
        }
        DocumentsError::PreconditionFailed(_) => Error::conflict(
            "somebody else changed the family at the same moment; read it again and repeat the change",
        ),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::{found, tests::caller};
    use crate::tests::{app, family, join};

    #[test]
    fn a_change_is_of_the_version_that_was_read() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/families/{}", family(&ada, "A").text("id"));
        let first = ada.with_header("if-match", "\"1\"");
        let changed = first.put(&address, json!({"name": "B"})).assert_status(200);
        assert_eq!(
            (&changed["name"], &changed["version"]),
            (&json!("B"), &json!(2))
        );
        assert_eq!(changed.header("etag"), Some("\"2\""));
        first
            .put(&address, json!({"name": "C"}))
            .assert_refused(412, "PRECONDITION_FAILED");
        first
            .delete(&address)
            .assert_refused(412, "PRECONDITION_FAILED");
        // Without a version it is of whatever there is.
        ada.put(&address, json!({"name": "C"})).assert_status(200);
        let known = ada.with_header("if-none-match", "\"3\"").get(&address);
        assert_eq!(
            (known.status(), known.body()),
            (304, &serde_json::Value::Null)
        );
        let current = ada.with_header("if-match", "\"3\"");
        current.delete(&address).assert_status(204);
        ada.get(&address).assert_refused(404, "NOT_FOUND");
        ada.delete(&address).assert_refused(404, "NOT_FOUND");
        assert_eq!(ada.get("/api/v1/families")["total"], 0);
    }

    #[test]
    fn a_new_name_is_found_in_the_list() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/families/{}", family(&ada, "Alpha").text("id"));
        ada.put(&address, json!({"name": "Omega"}))
            .assert_status(200);
        assert_eq!(ada.get("/api/v1/families?name=om")["total"], 1);
        assert_eq!(ada.get("/api/v1/families?name=al")["total"], 0);
    }

    #[test]
    fn members_look_and_strangers_see_nothing() {
        let app = app();
        let (ada, bob, eve) = (
            app.signed_in("usr_1"),
            app.signed_in("usr_2"),
            app.signed_in("usr_3"),
        );
        let address = format!("/api/v1/families/{}", family(&ada, "A").text("id"));
        join(&app, address.rsplit('/').next().unwrap(), "usr_2");
        assert_eq!(bob.get(&address).assert_status(200)["role"], "member");
        bob.put(&address, json!({"name": "B"}))
            .assert_refused(403, "FORBIDDEN");
        bob.delete(&address).assert_refused(403, "FORBIDDEN");
        for address in [&*address, "/api/v1/families/fam_none"] {
            eve.get(address).assert_refused(404, "NOT_FOUND");
            eve.put(address, json!({"name": "B"}))
                .assert_refused(404, "NOT_FOUND");
            eve.delete(address).assert_refused(404, "NOT_FOUND");
            eve.get(&format!("{address}/members"))
                .assert_refused(404, "NOT_FOUND");
        }
        // It cannot be told from one that there never was.
        let never = format!("/api/v1/families/{}", FamilyId::new());
        let unknown = eve.get(&never);
        assert_eq!(eve.get(&address).body(), unknown.body());
        assert_eq!(eve.get("/api/v1/families/nonsense").body(), unknown.body());
        ada.delete(&address).assert_status(204);
        assert_eq!(bob.get("/api/v1/families")["total"], 0);
    }

    #[test]
    fn a_change_replaces_texts_and_counts_up() {
        let (family, _) = found(
            Draft::check("A", Some("a")).unwrap(),
            &caller("usr_1"),
            Time::from_seconds(1),
        );
        let after = changed(
            family.clone(),
            Draft::check("B", None).unwrap(),
            Time::from_seconds(9),
        );
        assert_eq!(
            (after.name.as_str(), after.description, after.version),
            ("B", None, 2)
        );
        assert_eq!(
            (after.created_at, after.updated_at),
            (family.created_at, Time::from_seconds(9))
        );
    }

    #[test]
    fn a_lost_race_is_a_conflict() {
        let error = overtaken(
            DocumentsError::PreconditionFailed(0),
            &Preconditions::default(),
        );
        assert_eq!(error.code(), "CONFLICT");
        assert_eq!(
            overtaken(DocumentsError::Full, &Preconditions::default()).code(),
            "STORAGE_FULL"
        );
    }
}
