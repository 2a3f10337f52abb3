//! Who hears in real time what happens in a family.

use crate::model::FamilyId;
use crate::store;
use sbd_sdk::channels::Channel;
use sbd_sdk::{Caller, Result, channels};

/// Its members.
#[channels("family:")]
pub(crate) async fn may_listen(
    caller: Caller,
    Channel(family_id): Channel<FamilyId>,
) -> Result<()> {
    caller.require("families:read")?;
    store::membership(&family_id, &caller).await.map(drop)
}

#[cfg(test)]
mod tests {
    use crate::tests::{app, family};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;

    #[test]
    fn members_may_listen_until_the_family_is_deleted() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let family = family(&ada, "A").text("id").to_owned();
        let channel = format!("family:{family}");
        let question = json!({"channel": channel});
        let path = "/-/channels/authorize";
        ada.post(path, question.clone()).assert_status(204);
        bob.post(path, question.clone())
            .assert_refused(404, "NOT_FOUND");
        app.anonymous()
            .post(path, question.clone())
            .assert_refused(401, "UNAUTHENTICATED");
        // A token of hers that was given something else.
        let scopes = Scopes::new(["realtime:read", "notes:read"]).unwrap_or_default();
        app.by(Principal::user("test", "usr_1").with_scopes(scopes))
            .post(path, question.clone())
            .assert_refused(403, "FORBIDDEN");
        ada.delete(&format!("/api/v1/families/{family}"))
            .assert_status(204);
        assert_eq!(app.changed(), [channel]);
        ada.post(path, question).assert_refused(404, "NOT_FOUND");
    }
}
