//! Making administrators; only the host may ask for it, on behalf of the operator.

use crate::model::{ADMIN, SessionId, USER, User};
use crate::password::guessable;
use crate::registration::{check, email_problem, new_password, username_problem};
use crate::{sessions, store};
use sbd_sdk::{Error, Result, id, passwords, text, time};

/// An administrator, and how they came to be one.
pub(crate) struct Appointed {
    pub(crate) user: User,
    /// Whether the account is new, rather than an account there was.
    pub(crate) created: bool,
    /// Sessions whose roles have changed.
    pub(crate) sessions: Vec<SessionId>,
}

/// Gives the account with this address the role `admin`, and opens one if there is none. The
/// password of an account that is there stays as it is. Reserved names are no matter here.
pub(crate) async fn appoint(
    email: &str,
    username: Option<&str>,
    password: &str,
) -> Result<Appointed> {
    let chosen = username.map_or_else(|| name_from(email), str::to_owned);
    let password = check(
        username_problem(&chosen),
        email_problem(email),
        new_password(password, &chosen),
    )?;
    if let Some(problem) = guessable(&password, &[&chosen, email]).await? {
        return Err(Error::validation("password", problem));
    }
    if let Some(user) = store::add_role(&text::key(email), ADMIN).await? {
        let sessions = sessions::of_user(&user.id).await?;
        return Ok(Appointed {
            user,
            created: false,
            sessions,
        });
    }
    let hash = passwords::hash(&password).await?;
    let taken = username.is_none()
        && store::user_by_identifier(&text::key(&chosen))
            .await?
            .is_some();
    let name = if taken { unlike_any(&chosen) } else { chosen };
    let user = User::new(&name, email, hash, &[USER, ADMIN], time::now());
    store::insert_user(&user, None).await?;
    Ok(Appointed {
        user,
        created: true,
        sessions: Vec::new(),
    })
}

/// A username out of an address: what is before the `@`, as far as a username may hold it.
pub(crate) fn name_from(email: &str) -> String {
    let local = email.split('@').next().unwrap_or_default();
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    let mut name: String = local.chars().map(allowed).take(40).collect();
    while name.len() < 3 {
        name.push('-');
    }
    name
}

/// The same name with the random end of an identifier.
pub(crate) fn unlike_any(name: &str) -> String {
    let unique = id::new("u");
    let end = unique
        .get(unique.len().saturating_sub(8)..)
        .unwrap_or_default();
    format!("{name}-{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{PASSWORD, app, bearer, login, register};
    use serde_json::json;

    #[test]
    fn an_account_is_opened_for_an_administrator_or_the_one_there_is_made_one() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let session = bearer(&app, tokens.text("access_token"));
        let appoint = |email: &str| {
            let request = json!({"email": email, "password": "Another-horse-8"});
            app.anonymous().post(sbd_sdk::path::ADMINISTRATORS, request)
        };
        let ada = appoint("ADA@example.com").assert_status(200);
        assert_eq!(
            (&ada["username"], &ada["roles"]),
            (&json!("ada"), &json!(["user", "admin"]))
        );
        // Her roles have changed, and her password has not.
        assert_eq!(ada.header("sbd-revoked"), session["session"].as_str());
        login(&app, "ada", PASSWORD).assert_status(200);
        let now = bearer(&app, tokens.text("access_token")).assert_status(200);
        assert_eq!(now["scopes"], json!(["*", "admin:*"]));

        let root = appoint("root@example.com").assert_status(201);
        assert_eq!(root["username"], "root");
        login(&app, "root", "Another-horse-8").assert_status(200);
        // A name that is taken gets an end.
        let other = appoint("ada@example.org").assert_status(201);
        assert!(other.text("username").starts_with("ada-"));
        let weak = json!({"email": "x@example.com", "password": "weak"});
        let weak = app.anonymous().post(sbd_sdk::path::ADMINISTRATORS, weak);
        weak.assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn every_address_has_a_username() {
        assert_eq!(name_from("ada.lovelace+x@example.org"), "ada-lovelace-x");
        assert_eq!(name_from("a@example.org"), "a--");
        for email in ["a@b.de", "o'neil@b.de", &format!("{}@b.de", "x".repeat(64))] {
            let name = name_from(email);
            assert_eq!(username_problem(&name), None, "{name}");
            assert_eq!(username_problem(&unlike_any(&name)), None);
            assert_ne!(unlike_any(&name), unlike_any(&name));
        }
    }
}
