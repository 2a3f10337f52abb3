//! Administrators act in a user's place, to see what the user sees and help. It is a session of the user's that is not
//! theirs: the host says by whom it is in every answer, in its log and in what is recorded; the user is told, sees it
//! among their sessions and may end it; and it ends by itself, within an hour.
//!
//! Whoever acts so sees to nothing of the account itself: here is the gate, before all that this component has.

use crate::events::Happened;
use crate::model::{ADMIN, Device, Mode, Session, SessionId, User};
use crate::store::{IMPERSONATION_POLICIES, SESSIONS, USERS};
use crate::{confirmation, cookies, notices, oauth, policy, sessions, tokens, users};
use axum::extract::{FromRequestParts as _, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::request::Parts;
use sbd_sdk::authentication::Identity;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::{Caller, Error, Result, path, time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

/// How long it lasts at most, and where nothing is said. Nothing renews it.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);
/// There is one policy.
const ID: &str = "impersonation";
/// What changes nothing of the account, of all that is not merely read: that it ends, and that other components find
/// out whom somebody means.
const HARMLESS: [&str; 3] = [
    "/api/v1/auth/logout",
    "/account/sign-out",
    "/api/v1/auth/users/lookup",
];

/// What not even is read: the key of what its owner encrypted, and all there is of the account to take away. Both are
/// given to its owner alone.
const OWN: [&str; 2] = ["/api/v1/auth/me/encryption", "/api/v1/auth/me/export"];

/// Whether administrators act in users' places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Impersonation {
    /// They may, for a reason that is kept.
    #[default]
    Allowed,
    /// Nobody does.
    Forbidden,
}

/// What is decided, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(rename = "_id")]
    id: String,
    impersonation: Impersonation,
}

/// A session in a user's place, with what it is kept in, which is never shown again.
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) kept: Kept,
    /// Sessions that had to end for it.
    pub(crate) ended: Vec<SessionId>,
}

/// In what it is kept.
pub(crate) enum Kept {
    /// In this access token.
    Token(String),
    /// In a cookie, which holds this secret.
    Cookie(String),
}

/// An administrator acts in a user's place from now on, for so long.
pub(crate) async fn begin(
    by: &Caller,
    id: &str,
    reason: &str,
    lasts: Duration,
    device: &Device,
) -> Result<Begun> {
    if get().await? == Impersonation::Forbidden {
        return Err(Error::forbidden(
            "nobody acts in a user's place here; `PUT /api/v1/auth/impersonation/policy` says so",
        ));
    }
    let user = users::changeable(by, id, reason).await?;
    require_ordinary(&user)?;
    confirmation::fresh(by).await?;
    let now = time::now();
    let session = Session {
        confirmed_at: None,
        impersonated_by: Some(by.user.to_string()),
        expires_at: now + lasts,
        ..Session::begin(&user.id, &[], device, now)
    };
    let ended = sessions::make_room(&user.id).await?;
    let (session, kept) = match device.mode {
        Mode::Tokens => {
            let token = tokens::sign_for(&user, &session, lasts).await?;
            (session, Kept::Token(token))
        }
        Mode::Cookie => {
            let secret = cookies::secret()?;
            let cookie = Some(tokens::digest(&secret));
            (Session { cookie, ..session }, Kept::Cookie(secret))
        }
    };
    // Whoever was switched off or appointed meanwhile is nobody's to act for.
    let unchanged = json!({"_id": user.id, "active": user.active, "roles": user.roles});
    let change = Transaction::new()
        .check(&USERS, unchanged, 1)
        .insert(&SESSIONS, &session);
    let happened = Happened::Impersonated {
        user_id: &user.id,
        by: &by.user,
        session_id: &session.id,
        ends_at: session.expires_at,
        reason,
    };
    let change = notices::impersonated(happened.told_by(change), &session, &by.username, reason);
    match change.commit().await {
        Ok(_) => Ok(Begun {
            session,
            kept,
            ended,
        }),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "the account was changed at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

/// No administrator is anybody's to act for: that would be a way around who may what.
fn require_ordinary(user: &User) -> Result<()> {
    if user.roles.iter().any(|role| role == ADMIN) {
        return Err(Error::conflict(
            "this is an administrator, in whose place nobody acts; ask them to do it",
        ));
    }
    match user.may_act() {
        true => Ok(()),
        false => Err(Error::conflict(
            "this account is switched off, or is being deleted; nobody acts for it",
        )),
    }
}

/// Whoever acts in a user's place does so as long as both are what they were: an administrator, and somebody who is
/// none; and as long as the tenant lets them.
pub(crate) async fn enforced(identity: Identity) -> Result<Identity> {
    let Some(by) = &identity.impersonated_by else {
        return Ok(identity);
    };
    let is_admin = |roles: &[String]| roles.iter().any(|role| role == ADMIN);
    let administrator = USERS.get(by).await?.filter(User::may_act);
    let may = administrator.is_some_and(|user| is_admin(&user.roles));
    if !may || is_admin(&identity.roles) || get().await? == Impersonation::Forbidden {
        return Err(tokens::session_over());
    }
    Ok(identity)
}

/// Refuses whatever somebody in a user's place may not do. All of this component is behind it, so that what is added
/// is refused until somebody says that it is harmless.
pub(crate) async fn gate(request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    match allowed(&mut head).await {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(error) => error.into_response(),
    }
}

async fn allowed(head: &mut Parts) -> Result<()> {
    let Ok(caller) = Option::<Caller>::from_request_parts(head, &()).await;
    let acts = caller.is_some_and(|caller| caller.impersonated_by.is_some());
    let asked = head.uri.path();
    // What the host asks is asked of this component, by whomever it was begun.
    let is_harmless =
        head.method.is_safe() || HARMLESS.contains(&asked) || asked.starts_with(path::RESERVED);
    match acts && (!is_harmless || OWN.contains(&asked)) {
        false => Ok(()),
        true => Err(Error::new(
            StatusCode::FORBIDDEN,
            "IMPERSONATING",
            "you are signed in in the place of somebody else, whose account is theirs to see to; sign out of it first",
        )),
    }
}

/// What is decided, or what holds as long as nobody has.
pub(crate) async fn get() -> Result<Impersonation> {
    let policy = IMPERSONATION_POLICIES.get(ID).await?;
    Ok(policy
        .map(|policy| policy.impersonation)
        .unwrap_or_default())
}

/// Decides it, which is recorded.
pub(crate) async fn set(by: &Caller, impersonation: Impersonation) -> Result<()> {
    oauth::require_person(by)?;
    let policy = Policy {
        id: ID.to_owned(),
        impersonation,
    };
    let data = json!({"impersonation": impersonation, "by": by.user});
    let as_told = (ID, "policy.changed", &data);
    policy::decided(
        Transaction::new(),
        &IMPERSONATION_POLICIES,
        &policy,
        as_told,
    )
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::confirmation::FRESH;
    use crate::oauth::tests::{root, tenant};
    use crate::tests::{PASSWORD, bearer, login, register, signed_in, signed_in_by};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::Value;

    const POLICY: &str = "/api/v1/auth/impersonation/policy";

    fn user(app: &App, name: &str) -> User {
        let found = app.run(USERS.find_one(json!({"username": name}))).unwrap();
        found.unwrap()
    }

    fn address(app: &App, name: &str) -> String {
        format!("/api/v1/auth/users/{}/impersonation", user(app, name).id)
    }

    /// The administrator acts in Ada's place.
    fn begun(app: &App) -> Reply {
        let why = json!({"reason": "Asked for help"});
        root(app).post(&address(app, "ada"), why).assert_status(200)
    }

    #[test]
    fn an_administrator_acts_in_a_users_place_who_is_told_and_may_end_it() {
        let app = tenant();
        let own = login(&app, "ada", PASSWORD);
        let begun = begun(&app);
        let rita = user(&app, "rita").id;
        let token = begun.text("access_token");
        assert_eq!(begun.header("cache-control"), Some("no-store"));
        let who = bearer(&app, token).assert_status(200);
        assert_eq!(
            (who.text("username"), who.text("impersonated_by")),
            ("ada", &*rita)
        );
        assert_eq!(
            (&who["scopes"], &who["roles"]),
            (&json!(["*"]), &json!(["user"]))
        );
        // It is told, with who and why, and recorded.
        let told = app.published();
        let notice = told
            .iter()
            .find(|event| event.data["kind"] == "account.impersonated")
            .unwrap();
        assert_eq!(
            (&notice.data["user"], &notice.data["mail"]),
            (&who["user"], &json!(true))
        );
        let body = notice.data["body"].as_str().unwrap();
        assert!(body.contains("Asked for help"), "{body}");
        let recorded = app.recorded().into_iter().rev();
        let mut recorded = recorded.filter(|entry| entry.action == "account.impersonated");
        let data = recorded.next().unwrap().data;
        assert_eq!(
            (&data["by"], &data["reason"]),
            (&json!(rita), &json!("Asked for help"))
        );
        assert!(
            !told
                .iter()
                .any(|event| event.data.to_string().contains(token))
        );
        // Its owner sees it, and ends it.
        let ada = signed_in(&app, &own);
        let sessions = ada.get("/api/v1/auth/sessions").assert_status(200);
        let all = sessions["items"].as_array().unwrap();
        let theirs = all
            .iter()
            .find(|one| one["impersonated_by"] == *rita)
            .unwrap();
        assert_eq!(theirs["id"], begun["session_id"]);
        let ended = ada.delete(&format!(
            "/api/v1/auth/sessions/{}",
            begun.text("session_id")
        ));
        ended.assert_status(204);
        bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, own.text("access_token")).assert_status(200);
    }

    #[test]
    fn it_ends_by_itself_and_nothing_renews_it() {
        let app = tenant();
        let why = json!({"reason": "Asked for help", "minutes": 15, "mode": "cookie"});
        let begun = root(&app)
            .post(&address(&app, "ada"), why)
            .assert_status(200);
        assert_eq!(begun["access_token"], Value::Null);
        let cookie = begun.header("set-cookie").unwrap().to_owned();
        let secret = cookie.split(['=', ';']).nth(1).unwrap();
        for minutes in [0, 7, 7] {
            app.advance(Duration::from_secs(60 * minutes));
            let who = bearer(&app, secret).assert_status(200);
            assert_eq!(who["expires_at"], begun["expires_at"]);
        }
        app.advance(Duration::from_secs(60));
        bearer(&app, secret).assert_refused(401, "TOKEN_INVALID");
        let token = self::begun(&app);
        app.advance(LONGEST - Duration::from_secs(1));
        bearer(&app, token.text("access_token")).assert_status(200);
        app.advance(Duration::from_secs(1));
        let over = bearer(&app, token.text("access_token"));
        over.assert_refused(401, "TOKEN_EXPIRED");
        assert_eq!(token["refresh_token"], Value::Null);
    }

    #[test]
    fn what_is_the_users_alone_is_not_done_in_their_place() {
        let app = tenant();
        let begun = begun(&app);
        let stands_in = signed_in_by(&app, begun.text("access_token"));
        for read in [
            "/api/v1/auth/me",
            "/api/v1/auth/sessions",
            "/api/v1/auth/me/passkeys",
        ] {
            stands_in.get(read).assert_status(200);
        }
        let offer = app.anonymous().get(path::OFFER).assert_status(200);
        let paths = offer["paths"].as_object().unwrap();
        for own in OWN {
            stands_in.get(own).assert_refused(403, "IMPERSONATING");
        }
        let mut refused = 0;
        for (path, methods) in paths {
            for method in methods.as_object().unwrap().keys() {
                if method == "get" || HARMLESS.contains(&path.as_str()) {
                    continue;
                }
                let verb = method.to_uppercase().parse().unwrap();
                let answer = stands_in.send(verb, path, Some(json!({})));
                answer.assert_refused(403, "IMPERSONATING");
                refused += 1;
            }
        }
        assert!(refused > 40, "{refused}");
        stands_in
            .post("/api/v1/auth/logout", json!({}))
            .assert_status(204);
        bearer(&app, begun.text("access_token")).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn nobody_acts_for_administrators_or_without_having_shown_who_they_are() {
        let app = tenant();
        register(&app, "bob").assert_status(201);
        let why = json!({"reason": "x"});
        let rita = root(&app);
        for wrong in [
            json!({}),
            json!({"reason": " "}),
            json!({"reason": "x".repeat(501)}),
            json!({"reason": "x", "minutes": 0}),
            json!({"reason": "x", "minutes": 61}),
            json!({"reason": "x", "minutes": -1}),
            json!({"reason": "x", "mode": "paper"}),
            json!({"reason": "x", "more": 1}),
        ] {
            let refused = rita.post(&address(&app, "ada"), wrong);
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
        let nobody = rita.post("/api/v1/auth/users/usr_9/impersonation", why.clone());
        nobody.assert_refused(404, "NOT_FOUND");
        let own = rita.post(&address(&app, "rita"), why.clone());
        own.assert_refused(409, "CONFLICT");
        for (name, change) in [
            ("ada", json!({"roles": ["user", "admin"]})),
            ("bob", json!({"active": false})),
        ] {
            app.run(USERS.update_one(json!({"username": name}), json!({"$set": change})))
                .unwrap();
            let refused = rita.post(&address(&app, name), why.clone());
            refused.assert_refused(409, "CONFLICT");
        }
        register(&app, "eve").assert_status(201);
        app.advance(FRESH);
        let late = rita.post(&address(&app, "eve"), why);
        late.assert_refused(403, "CONFIRMATION_REQUIRED");
    }

    #[test]
    fn it_is_over_when_either_is_no_more_what_they_were() {
        for (name, change) in [
            ("rita", json!({"roles": ["user"]})),
            ("rita", json!({"active": false})),
            ("ada", json!({"active": false})),
            ("ada", json!({"roles": ["user", "admin"]})),
        ] {
            let app = tenant();
            let begun = begun(&app);
            bearer(&app, begun.text("access_token")).assert_status(200);
            app.run(USERS.update_one(json!({"username": name}), json!({"$set": change})))
                .unwrap();
            let over = bearer(&app, begun.text("access_token"));
            over.assert_refused(401, "TOKEN_INVALID");
        }
    }

    #[test]
    fn a_tenant_forbids_it_and_what_was_begun_is_over() {
        let app = tenant();
        let begun = begun(&app);
        let rita = root(&app);
        assert_eq!(
            rita.get(POLICY).assert_status(200)["impersonation"],
            "allowed"
        );
        let forbidden = json!({"impersonation": "forbidden"});
        rita.put(POLICY, forbidden).assert_status(200);
        bearer(&app, begun.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        let refused = rita.post(&address(&app, "ada"), json!({"reason": "x"}));
        refused.assert_refused(403, "FORBIDDEN");
        for wrong in [json!({}), json!({"impersonation": "perhaps"})] {
            rita.put(POLICY, wrong)
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn the_users_own_devices_are_what_is_known_of_them() {
        let app = tenant();
        begun(&app);
        let told = || {
            let told = app.published().into_iter();
            told.filter(|event| event.data["kind"] == "account.signed_in")
                .count()
        };
        login(&app, "ada", PASSWORD).assert_status(200);
        assert_eq!(told(), 0, "nobody else was signed in before");
    }
}
