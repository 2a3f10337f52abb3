//! Who may be called what, and opening an account.

use crate::encryption::{self, WrappedKey};
use crate::invitations::{self, Invitation};
use crate::model::{USER, User};
use crate::password::guessable;
use crate::policy::{self, Registration};
use crate::store;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Detail, Error, Result, passwords, text, time};
use std::ops::RangeInclusive;

/// Characters in a username.
const USERNAME: RangeInclusive<usize> = 3..=50;
/// Bytes in an address at most (RFC 5321, 4.5.3.1.3).
pub(crate) const MAX_EMAIL: usize = 254;
/// Characters in a new password at least.
const MIN_PASSWORD: usize = 8;
/// Bytes in a password at most: the host hashes no more.
pub(crate) const MAX_PASSWORD: usize = 1024;

/// Beginnings of names that the platform gives out itself.
const RESERVED_PREFIXES: [&str; 6] = ["family_", "team_", "admin_", "system_", "bot_", "service_"];
/// Names that would be taken for the operator's, for the server's own, or for nobody's; those of mailboxes that
/// somebody answers for are of RFC 2142.
const RESERVED_NAMES: [&str; 86] = [
    "abuse",
    "account",
    "accounts",
    "admin",
    "administration",
    "administrator",
    "administrators",
    "admins",
    "agents",
    "all",
    "anonymous",
    "api",
    "ask",
    "assistant",
    "auth",
    "billing",
    "bot",
    "contact",
    "default",
    "devnull",
    "documents",
    "everybody",
    "everyone",
    "families",
    "family",
    "ftp",
    "guest",
    "health",
    "help",
    "helpdesk",
    "host",
    "hostmaster",
    "info",
    "knowledge",
    "legal",
    "libraries",
    "localhost",
    "login",
    "mail",
    "mailerdaemon",
    "marketing",
    "mcp",
    "me",
    "moderator",
    "moderators",
    "news",
    "nobody",
    "noc",
    "noreply",
    "notes",
    "notifications",
    "null",
    "oauth",
    "official",
    "openai",
    "operator",
    "owner",
    "postmaster",
    "privacy",
    "register",
    "root",
    "sales",
    "sbd",
    "search",
    "secondbrain",
    "security",
    "service",
    "shop",
    "staff",
    "status",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "team",
    "threads",
    "undefined",
    "usage",
    "user",
    "users",
    "voice",
    "wallet",
    "webmaster",
    "wellknown",
    "workspaces",
    "www",
];

/// Opens an account, where whoever asks may. That a name or an address is taken is said openly: who chooses one must
/// know.
pub(crate) async fn register(
    username: &str,
    email: &str,
    password: &str,
    token: Option<&str>,
    key: Option<&WrappedKey>,
) -> Result<User> {
    let password = check(
        name_problem(username),
        email_problem(email),
        new_password(password, username),
    )?;
    if let Some(key) = key {
        key.check("encryption")?;
    }
    if let Some(problem) = guessable(&password, &[username, email]).await? {
        return Err(Error::validation("password", problem));
    }
    let invitation = admitted(email, token).await?;
    let (hash, now) = (passwords::hash(&password).await?, time::now());
    let user = User {
        // Whoever has the code reads what is sent there.
        email_verified_at: invitation.as_ref().map(|_| now),
        ..User::new(username, email, hash, &[USER], now)
    };
    let change = Transaction::new();
    let change = match key {
        Some(key) => encryption::begun(change, &user.id, key),
        None => change,
    };
    store::open_user(change, &user, invitation.as_ref()).await?;
    Ok(user)
}

/// The invitation by which somebody may open an account, if they need one.
pub(crate) async fn admitted(email: &str, token: Option<&str>) -> Result<Option<Invitation>> {
    match (policy::get().await?, token) {
        (Registration::Closed, _) => Err(Error::forbidden(
            "nobody opens an account here; ask an administrator",
        )),
        (Registration::Invited, None) => Err(Error::forbidden(
            "accounts are opened by whoever is invited; ask an administrator for an invitation",
        )),
        (Registration::Open, None) => Ok(None),
        (_, Some(token)) => invitations::found(token, email).await.map(Some),
    }
}

/// The password in the form that is hashed, or all that is wrong with what an account is to have.
pub(crate) fn check(
    username: Option<&'static str>,
    email: Option<&'static str>,
    password: Result<String, &'static str>,
) -> Result<String> {
    let problem = password.as_ref().err().copied();
    refuse(&[
        ("username", username),
        ("email", email),
        ("password", problem),
    ])?;
    password.map_err(|problem| Error::validation("password", problem))
}

/// An error with each field that has a problem, if one has.
pub(crate) fn refuse(fields: &[(&str, Option<&'static str>)]) -> Result<()> {
    let wrong = fields.iter().filter_map(|&(field, problem)| {
        Some(Detail {
            field: field.to_owned(),
            message: problem?.to_owned(),
        })
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::validation_all(wrong))
    }
}

/// What is wrong with a name that somebody wants.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    let reserved = || is_reserved(name).then_some("this name is reserved; choose another one");
    username_problem(name).or_else(reserved)
}

/// What is wrong with the form of a username.
pub(crate) fn username_problem(name: &str) -> Option<&'static str> {
    let right = USERNAME.contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    (!right).then_some("3 to 50 characters out of a-z, A-Z, 0-9, `_` and `-`")
}

/// Whether a username is kept back. `-` counts as `_`, which looks alike; and whole names without either, however
/// they are divided.
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    RESERVED_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || RESERVED_NAMES.contains(&name.replace('_', "").as_str())
}

/// What is wrong with the form of an e-mail address: a dot-atom (RFC 5322, 3.2.3), `@`, and a
/// domain name of two labels or more (RFC 1035, 2.3.1).
pub(crate) fn email_problem(email: &str) -> Option<&'static str> {
    let right = email.len() <= MAX_EMAIL
        && email.split_once('@').is_some_and(|(local, domain)| {
            let atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_character);
            let labels: Vec<_> = domain.split('.').collect();
            let last_is_name = labels
                .last()
                .is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
            local.len() <= 64
                && local.split('.').all(atom)
                && labels.len() >= 2
                && labels.iter().all(|label| is_domain_label(label))
                && last_is_name
        });
    (!right).then_some(
        "an e-mail address like `name@example.org`, at most 254 characters; write a domain with other letters as `xn--...`",
    )
}

fn is_atom_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A new password in the form that is hashed, or what is wrong with it.
pub(crate) fn new_password(password: &str, username: &str) -> Result<String, &'static str> {
    if password.len() > MAX_PASSWORD {
        return Err("at most 1024 bytes");
    }
    let password = text::password(password)?;
    if password.chars().count() < MIN_PASSWORD || password.len() > MAX_PASSWORD {
        return Err("at least 8 characters, and at most 1024 bytes");
    }
    let has = |kind: fn(char) -> bool| password.chars().any(kind);
    let strong = has(char::is_uppercase)
        && has(char::is_lowercase)
        && has(char::is_numeric)
        && has(|c| !c.is_alphanumeric());
    if !strong {
        return Err(
            "at least one upper-case letter, one lower-case letter, one digit and one other character",
        );
    }
    let within = !username.is_empty() && text::key(&password).contains(&text::key(username));
    match within {
        true => Err("must not contain the username"),
        false => Ok(password),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, register};
    use serde_json::json;

    #[test]
    fn names_and_addresses_are_unique_without_regard_to_case() {
        let app = app();
        register(&app, "Ada").assert_status(201);
        for (username, email, field) in [
            ("aDA", "other@example.com", "username"),
            ("other", "ADA@Example.COM", "email"),
        ] {
            let account = json!({"username": username, "email": email, "password": PASSWORD});
            let taken = app.anonymous().post("/api/v1/auth/register", account);
            let taken = taken.assert_refused(409, "CONFLICT");
            assert_eq!(taken["error"]["details"][0]["field"], field);
        }
        register(&app, "admin").assert_refused(422, "VALIDATION_ERROR");
        register(&app, "bob").assert_status(201);
    }

    #[test]
    fn nobody_chooses_their_roles() {
        let account = json!({
            "username": "eve", "email": "eve@example.com", "password": PASSWORD, "roles": ["admin"],
        });
        let refused = app().anonymous().post("/api/v1/auth/register", account);
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(refused["error"]["details"][0]["field"], "roles");
    }

    #[test]
    fn usernames() {
        let problem = |name: &str| username_problem(name).is_some() || is_reserved(name);
        for good in [
            "ada",
            "Ada_L-1",
            "x23",
            &"a".repeat(50),
            "administrate",
            "botany",
        ] {
            assert!(!problem(good), "{good}");
        }
        for bad in [
            "",
            "ab",
            &"a".repeat(51),
            "a b",
            "ada\n",
            "ädä",
            "\u{ff41}da",
            "a@b.de",
            "a.b",
            "admin",
            "ROOT",
            "me",
            "M_e",
            "_root_",
            "no-reply",
            "second_brain",
            "mailer-daemon",
            "Postmaster",
            "family_x",
            "Team_x",
            "admin-x",
            "SYSTEM_x",
            "bot_1",
            "service_1",
        ] {
            assert!(problem(bad), "{bad}");
        }
    }

    #[test]
    fn nobody_is_called_like_what_the_server_serves() {
        let manifest = include_str!("../../../spin.toml");
        let routes = manifest.lines().filter_map(|line| {
            let route = line.strip_prefix("route = \"")?.strip_suffix('"')?;
            Some(route.trim_end_matches("/..."))
        });
        let routes: Vec<_> = routes.collect();
        assert!(routes.len() > 10, "{routes:?}");
        for route in routes {
            let route = route.strip_prefix("/api/v1").unwrap_or(route);
            let name = route.split('/').nth(1).unwrap().replace('.', "");
            // Too short for a name, some of them.
            assert!(name.len() < 3 || is_reserved(&name), "{name}");
        }
    }

    #[test]
    fn addresses() {
        let longest = format!(
            "{}@{}.de",
            "a".repeat(64),
            ["b".repeat(60), "c".repeat(60), "d".repeat(60)].join(".")
        );
        for good in [
            "a@b.de",
            "ada.lovelace+x@mail.example.org",
            "A_1@x-y.co",
            "o'neil@example.com",
            &longest,
        ] {
            assert_eq!(email_problem(good), None, "{good}");
        }
        let too_long = format!(
            "a@{}.de",
            [
                "b".repeat(63),
                "c".repeat(63),
                "d".repeat(63),
                "e".repeat(63)
            ]
            .join(".")
        );
        for bad in [
            "",
            "a",
            "a@",
            "@b.de",
            "a@b",
            "a@@b.de",
            "a@b@c.de",
            ".a@b.de",
            "a.@b.de",
            "a..b@c.de",
            "a b@c.de",
            "a@-b.de",
            "a@b-.de",
            "a@b..de",
            "a@b.de.",
            "a@1.2",
            "a@b.de\n",
            "ä@b.de",
            "a@[1.2.3.4]",
            &too_long,
            &format!("{}@b.de", "a".repeat(65)),
        ] {
            assert!(email_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn passwords() {
        for good in [
            "Correct-Horse-1",
            "aB3 efgh",
            "Ünïcode1_",
            &format!("aA1!{}", "x".repeat(1020)),
        ] {
            assert_eq!(new_password(good, "ada").as_deref(), Ok(good));
        }
        for bad in [
            "aB3!",
            "alllower1!",
            "ALLUPPER1!",
            "NoDigits!!",
            "NoSymbol11",
            "",
            "xAdA-1234",
            "x\u{ff21}da-1234",
            "\u{dc}\u{fc}1_\u{fc}",
            "Correct-Horse\u{7}1",
            &format!("aA1!{}", "x".repeat(1021)),
        ] {
            assert!(new_password(bad, "ada").is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let account = json!({"username": "x", "email": "y", "password": "z"});
        let refused = app().anonymous().post("/api/v1/auth/register", account);
        let refused = refused.assert_refused(422, "VALIDATION_ERROR");
        let details = refused["error"]["details"].as_array().unwrap().iter();
        let fields: Vec<_> = details.map(|detail| detail["field"].clone()).collect();
        assert_eq!(fields, ["username", "email", "password"]);
    }
}
