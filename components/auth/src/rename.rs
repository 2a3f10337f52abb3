//! Another name for an account, by who knows its password.

use crate::events::Happened;
use crate::registration;
use crate::store::{self, USERS};
use crate::{notices, password};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result, text, time};
use serde_json::json;

/// Calls the caller something else. The name before is anybody's then.
pub(crate) async fn rename(caller: &Caller, given: &str, name: &str) -> Result<()> {
    registration::refuse(&[("username", registration::name_problem(name))])?;
    let user = password::confirmed(caller, "password", given).await?;
    if user.username == name {
        return Err(Error::validation("username", "is the name there is"));
    }
    let set = json!({
        "username": name, "username_key": text::key(name), "updated_at": time::now(),
    });
    let change = Transaction::new().update_one(
        &USERS,
        json!({"_id": user.id, "username": user.username}),
        json!({"$set": set}),
    );
    let renamed = Happened::Renamed {
        user_id: &user.id,
        username: name,
    };
    let change = notices::renamed(renamed.told_by(change), &user.id, name);
    match change.commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::Duplicate(index)) => Err(store::taken(&index)),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "the account was changed at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{PASSWORD, app, login, register, signed_in};
    use serde_json::json;

    #[test]
    fn an_account_is_called_something_else_by_its_owner() {
        let app = app();
        register(&app, "ada").assert_status(201);
        register(&app, "bob").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        let rename = |name: &str, password: &str| {
            let change = json!({"username": name, "password": password});
            signed_in(&app, &tokens).put("/api/v1/auth/me/username", change)
        };
        for (name, password, status, code) in [
            ("eve", "Wrong-password-1", 422, "VALIDATION_ERROR"),
            ("ada", PASSWORD, 422, "VALIDATION_ERROR"),
            ("a", PASSWORD, 422, "VALIDATION_ERROR"),
            ("root", PASSWORD, 422, "VALIDATION_ERROR"),
            ("e\u{202e}ve", PASSWORD, 422, "VALIDATION_ERROR"),
            ("BOB", PASSWORD, 409, "CONFLICT"),
        ] {
            rename(name, password).assert_refused(status, code);
        }
        // Only written in another way.
        rename("Ada", PASSWORD).assert_status(204);
        rename("eve", PASSWORD).assert_status(204);
        login(&app, "ada", PASSWORD).assert_refused(401, "INVALID_CREDENTIALS");
        login(&app, "eve", PASSWORD).assert_status(200);
        register(&app, "ada").assert_refused(409, "CONFLICT"); // its address is taken
        let told = app.published();
        assert!(told.iter().any(|event| event.kind == "account.renamed"));
    }
}
