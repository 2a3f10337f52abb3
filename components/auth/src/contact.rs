//! Who a user is, and where they are reached: for other components, which send what users are to be told, and see
//! that whom something is for is there.

use crate::model::User;
use crate::store;
use sbd_sdk::{Error, Principal, Result, text};

/// Asks in the course of a user's request whom something is bought for, by name or id and never by address. The user
/// learns that there is somebody of this name, which whoever registers is told as well.
const SHOP: &str = "shop";

/// The user of this name or address, if whoever asks is a component that acts for itself: to users nobody's
/// account is shown, nor whether there is one.
pub(crate) async fn by_identifier(identifier: &str, by: &Principal) -> Result<User> {
    if identifier.contains('@') || by.via.as_deref() != Some(SHOP) {
        require_component(by)?;
    }
    let user = store::user_by_identifier(&text::key(identifier)).await?;
    let user = user.filter(User::may_act);
    user.ok_or_else(|| Error::not_found("user"))
}

/// Who this is, if whoever asks is a component that acts for itself, or the shop.
pub(crate) async fn identity(user_id: &str, by: &Principal) -> Result<User> {
    if by.via.as_deref() != Some(SHOP) {
        require_component(by)?;
    }
    active(user_id).await
}

/// The user, if whoever asks is a component that acts for itself. To users nobody's address is shown but
/// their own, whatever they may do otherwise.
pub(crate) async fn of(user_id: &str, by: &Principal) -> Result<User> {
    require_component(by)?;
    active(user_id).await
}

async fn active(user_id: &str) -> Result<User> {
    let user = store::USERS.get(user_id).await?;
    // Whoever is switched off is told nothing, whoever leaves still that they do.
    let user = user.filter(|user| user.active);
    user.ok_or_else(|| Error::not_found("user"))
}

fn require_component(by: &Principal) -> Result<()> {
    match by.user {
        None => Ok(()),
        Some(_) => Err(Error::forbidden(
            "only components of this server may ask who others are and where they are reached; your own account is at /api/v1/auth/me",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::store::USERS;
    use crate::tests::{app, register};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::json;

    #[test]
    fn components_learn_where_a_user_is_reached_and_users_do_not() {
        let app = app();
        let ada = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let address = format!("/api/v1/auth/users/{ada}/contact");
        let service = Principal::service("test", "notifications");
        let contact = app.by(service.clone()).get(&address).assert_status(200);
        let expected = json!({"username": "ada", "email": "ada@example.com"});
        assert_eq!(*contact.body(), expected);
        let root = Principal::user("test", &*ada)
            .with_roles(["user", "admin"])
            .with_scopes(Scopes::everything().with_administration());
        let agent = root.clone().delegated_to("agents", &Scopes::everything());
        for somebody in [root, agent] {
            let refused = app.by(somebody).get(&address);
            refused.assert_refused(403, "FORBIDDEN");
        }
        app.anonymous()
            .get(&address)
            .assert_refused(401, "UNAUTHENTICATED");
        let nobody = "/api/v1/auth/users/usr_9/contact";
        app.by(service.clone())
            .get(nobody)
            .assert_refused(404, "NOT_FOUND");
        let off = json!({"$set": {"active": false}});
        app.run(USERS.update_one(json!({"_id": ada}), off)).unwrap();
        app.by(service)
            .get(&address)
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn components_find_a_user_by_name_or_address_and_users_do_not() {
        let app = app();
        let ada = register(&app, "ada").assert_status(201);
        let address = "/api/v1/auth/users/lookup";
        let service = app.by(Principal::service("test", "family"));
        for identifier in ["ada", "ADA", "ada@example.com", " Ada@Example.COM "] {
            let found = service.post(address, json!({"identifier": identifier}));
            let expected = json!({"id": ada["id"], "username": "ada"});
            assert_eq!(*found.assert_status(200).body(), expected, "{identifier}");
        }
        for nobody in ["bob", "bob@example.com", "x"] {
            let none = service.post(address, json!({"identifier": nobody}));
            none.assert_refused(404, "NOT_FOUND");
        }
        for identifier in ["ada", "bob"] {
            let asked = app.signed_in("usr_1");
            let refused = asked.post(address, json!({"identifier": identifier}));
            refused.assert_refused(403, "FORBIDDEN");
        }
        let anybody = app.anonymous().post(address, json!({"identifier": "ada"}));
        anybody.assert_refused(401, "UNAUTHENTICATED");
        let off = json!({"$set": {"active": false}});
        app.run(USERS.update_one(json!({"_id": ada["id"]}), off))
            .unwrap();
        service
            .post(address, json!({"identifier": "ada"}))
            .assert_refused(404, "NOT_FOUND");
    }

    /// The shop says whom something is for, and shows nobody's address.
    #[test]
    fn the_shop_finds_users_by_name_or_id_for_those_who_give() {
        let app = app();
        let ada = register(&app, "ada").assert_status(201);
        let expected = json!({"id": ada["id"], "username": "ada"});
        let identity = format!("/api/v1/auth/users/{}/identity", ada.text("id"));
        let lookup = |by: &Principal, identifier: &str| {
            let by = app.by(by.clone());
            by.post(
                "/api/v1/auth/users/lookup",
                json!({"identifier": identifier}),
            )
        };
        let bob = Principal::user("test", "usr_1");
        let (shop, agents) = (
            bob.clone().called_via("shop"),
            bob.clone().called_via("agents"),
        );
        assert_eq!(
            *app.by(shop.clone())
                .get(&identity)
                .assert_status(200)
                .body(),
            expected
        );
        assert_eq!(*lookup(&shop, "ADA").assert_status(200).body(), expected);
        lookup(&shop, "ada@example.com").assert_refused(403, "FORBIDDEN");
        for by in [bob, agents] {
            app.by(by.clone())
                .get(&identity)
                .assert_refused(403, "FORBIDDEN");
            lookup(&by, "ada").assert_refused(403, "FORBIDDEN");
        }
        let contact = format!("/api/v1/auth/users/{}/contact", ada.text("id"));
        app.by(shop.clone())
            .get(&contact)
            .assert_refused(403, "FORBIDDEN");
        // Whoever is switched off is not told from whoever never was.
        let off = json!({"$set": {"active": false}});
        app.run(USERS.update_one(json!({"_id": ada["id"]}), off))
            .unwrap();
        let without_id = |reply: sbd_sdk::testing::Reply| {
            let mut error = reply.assert_refused(404, "NOT_FOUND").body().clone();
            error["error"]["request_id"] = json!(null);
            error
        };
        let by = app.by(shop.clone());
        assert_eq!(
            without_id(by.get(&identity)),
            without_id(by.get("/api/v1/auth/users/usr_9/identity"))
        );
        assert_eq!(
            without_id(lookup(&shop, "ada")),
            without_id(lookup(&shop, "eve"))
        );
    }
}
