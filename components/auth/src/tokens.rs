//! Access and refresh tokens: making, renewing and checking them.

use crate::events::EndReason;
use crate::lockdown;
use crate::model::{ADMIN, Bought, Mode, RefreshToken, Session, SessionId, User};
use crate::oauth::access;
use crate::place::Place;
use crate::{
    cookies, impersonation, network_policy, notices, permanent, second_factor, sessions, store,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::authentication::{self, Identity, Question};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::keys::{self, Verdict};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Error, Result, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long an access token is good.
pub(crate) const ACCESS: Duration = Duration::from_secs(15 * 60);
/// What access tokens are signed for; no other token is taken for one.
const PURPOSE: &str = "access";
/// How long the host may take it for granted that a user may act, who has left something to do.
const DELEGATION: Duration = Duration::from_secs(60);
const REFRESH_PREFIX: &str = "rt_";
/// What a mailed secret begins with.
const MAIL_PREFIX: &str = "mt_";
/// How long a refresh token gives its successor again: to a device that asked twice at once, and to
/// one that the answer did not reach. Later it is taken for stolen.
pub(crate) const AGAIN: Duration = Duration::from_secs(30);

/// What a client gets.
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// In what a session is kept, by who signed in.
pub(crate) enum Kept {
    /// In these tokens.
    Tokens(Pair),
    /// In a cookie, which holds this secret.
    Cookie(String),
}

/// What an access token says. Roles and name are for other readers of the token: they are read
/// anew from the account when it is checked here.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    sub: &'a str,
    sid: &'a str,
    username: &'a str,
    roles: &'a [String],
}

#[derive(Debug, Deserialize)]
struct CheckedClaims {
    sub: String,
    sid: String,
    exp: i64,
}

/// What a presented refresh token turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Presented<'a> {
    Unknown,
    Expired,
    /// It has bought its successor long before: either it was stolen or its owner's device lost count.
    Reused(&'a RefreshToken),
    /// It has bought its successor just now.
    Again(&'a RefreshToken, &'a Bought),
    Usable(&'a RefreshToken),
}

/// Stores a new session with what it is kept in, the secret of a cookie or its first pair of tokens, together with a
/// change by which what was shown for it is used.
pub(crate) async fn begin(
    change: Transaction,
    user: &User,
    mut session: Session,
    now: Time,
) -> Result<Kept> {
    let (kept, begun) = match session.device.mode {
        Mode::Cookie => {
            let secret = cookies::secret()?;
            session.cookie = Some(digest(&secret));
            (Kept::Cookie(secret), change)
        }
        Mode::Tokens => {
            let refresh = refresh_token(random()?);
            let stored = to_store(&refresh, &session, now);
            let access = sign(user, &session).await?;
            let begun = change.insert(&store::REFRESH_TOKENS, &stored);
            (Kept::Tokens(Pair { access, refresh }), begun)
        }
    };
    let begun = begun.insert(&store::SESSIONS, &session).audit(
        &user.id,
        "session.began",
        &json!({
            "session_id": session.id, "device": session.device, "proofs": session.proofs,
        }),
    );
    let begun = match notices::elsewhere(&session).await? {
        Some(new) => notices::begins_elsewhere(begun, &session, new),
        None => begun,
    };
    match begun.commit().await {
        Ok(_) => Ok(kept),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::token_invalid(
            "this was used at the same time; sign in again",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Trades a refresh token for a new pair, and for half a minute for one with the same refresh token
/// again. A later use ends the session, since one of the two has stolen it. From where an access token does not
/// count none is had, and the refresh token stays what it is.
pub(crate) async fn refresh(token: &str, place: &Place) -> Result<Pair> {
    let now = time::now();
    network_policy::require_of_token(place).await?;
    let stored = store::REFRESH_TOKENS.get(&digest(token)).await?;
    let bought = match judge(stored.as_ref(), now) {
        Presented::Unknown => {
            return Err(Error::token_invalid(
                "this refresh token is not known; sign in again",
            ));
        }
        Presented::Expired => {
            return Err(Error::token_expired(
                "this refresh token has run out; sign in again",
            ));
        }
        Presented::Reused(stored) => return end_stolen(&stored.session_id).await,
        Presented::Again(stored, bought) => {
            return again(token, stored, bought, place, now).await;
        }
        Presented::Usable(stored) => trade(token, stored, place, now).await?,
    };
    match bought {
        Some(pair) => Ok(pair),
        // Another request was faster by a moment.
        None => Box::pin(refresh(token, place)).await,
    }
}

/// Buys a token's successor; none if that was done meanwhile.
async fn trade(
    token: &str,
    stored: &RefreshToken,
    place: &Place,
    now: Time,
) -> Result<Option<Pair>> {
    let (session, user) = owner(stored, place, now).await?;
    let session = session.used(now);
    let bought = Bought {
        salt: URL_SAFE_NO_PAD.encode(random()?),
        at: now,
    };
    let refresh = successor(token, &bought);
    let access = sign(&user, &session).await?;
    let traded = Transaction::new()
        .update_one(
            &store::REFRESH_TOKENS,
            json!({"_id": stored.digest, "consumed": false}),
            json!({"$set": {"consumed": true, "bought": bought}}),
        )
        .update_one(
            &store::SESSIONS,
            json!({"_id": session.id}),
            json!({"$set": {"last_used_at": session.last_used_at, "expires_at": session.expires_at}}),
        )
        .insert(&store::REFRESH_TOKENS, &to_store(&refresh, &session, now))
        .commit()
        .await;
    match traded {
        Ok(_) => Ok(Some(Pair { access, refresh })),
        Err(DocumentsError::PreconditionFailed(0)) => Ok(None),
        Err(DocumentsError::PreconditionFailed(_)) => Err(session_over()),
        Err(error) => Err(error.into()),
    }
}

/// What a token has bought just now, once more. Nothing changes, so nothing is written.
async fn again(
    token: &str,
    stored: &RefreshToken,
    bought: &Bought,
    place: &Place,
    now: Time,
) -> Result<Pair> {
    let (session, user) = owner(stored, place, now).await?;
    Ok(Pair {
        access: sign(&user, &session).await?,
        refresh: successor(token, bought),
    })
}

/// The session of a token, and its user, who may act where it was presented.
async fn owner(stored: &RefreshToken, place: &Place, now: Time) -> Result<(Session, User)> {
    let session = store::SESSIONS.get(stored.session_id.as_str()).await?;
    let session = session.filter(|session| session.is_alive(now));
    let session = session.ok_or_else(session_over)?;
    let user = store::USERS.get(&session.user_id).await?;
    let user = user.filter(User::may_act).ok_or_else(session_over)?;
    if session.impersonated_by.is_none() {
        lockdown::require_of_token(&user.id, place, session.device.pass.as_ref()).await?;
    }
    Ok((session, user))
}

/// Who that is, and what they may do now.
pub(crate) async fn authenticate(question: Question) -> Result<Identity> {
    match question {
        Question::Token(presented) => {
            let place = Place::presented(&presented);
            network_policy::require_of_token(&place).await?;
            let identity = impersonation::enforced(bearer(&presented).await?).await?;
            let identity = second_factor::enforced(identity).await?;
            lockdown::enforced(identity, &place).await
        }
        Question::Delegation { user } => second_factor::enforced(delegation(&user).await?).await,
    }
}

/// Checks a permanent token, one of a client, the secret of a cookie, or an access token: signature and times, that its
/// session lasts, and that its user may act.
async fn bearer(presented: &authentication::Presented) -> Result<Identity> {
    let token = presented.token.as_str();
    if token.starts_with(permanent::PREFIX) {
        return permanent::bearer(presented).await;
    }
    if token.starts_with(cookies::PREFIX) {
        return cookies::bearer(token).await;
    }
    if token.starts_with(access::PREFIX) {
        return access::bearer(token).await;
    }
    let claims = match keys::verify::<CheckedClaims>(PURPOSE, token).await? {
        Verdict::Valid(claims) => claims,
        Verdict::Expired => {
            return Err(Error::token_expired(
                "the access token has run out; refresh it",
            ));
        }
        Verdict::Forged => {
            return Err(Error::token_invalid(
                "this is no access token of ours; sign in",
            ));
        }
    };
    let now = time::now();
    let session = store::SESSIONS.get(&claims.sid).await?;
    let session = session.filter(|session| session.is_alive(now) && session.user_id == claims.sub);
    let session = session.ok_or_else(session_over)?;
    let user = store::USERS
        .get(&session.user_id)
        .await?
        .filter(User::may_act);
    let user = user.ok_or_else(session_over)?;
    Ok(identity(
        user,
        Some(session),
        Time::from_seconds(claims.exp),
    ))
}

/// Checks that a user who has left something to do may still act.
async fn delegation(user: &str) -> Result<Identity> {
    let user = store::USERS.get(user).await?.filter(User::may_act);
    let gone =
        || Error::token_invalid("the account is gone or switched off; nothing can be done for it");
    Ok(identity(
        user.ok_or_else(gone)?,
        None,
        time::now() + DELEGATION,
    ))
}

pub(crate) fn identity(user: User, session: Option<Session>, expires_at: Time) -> Identity {
    let (session, impersonated_by) = session
        .map(|session| (session.id, session.impersonated_by))
        .unzip();
    Identity {
        user: user.id.into(),
        session: session.map(|id| id.as_str().into()),
        impersonated_by: impersonated_by.flatten().map(Into::into),
        username: user.username,
        scopes: scopes(&user.roles),
        roles: user.roles,
        expires_at: expires_at.to_string(),
    }
}

/// What roles give: everybody may do all that users may, administrators administer as well.
pub(crate) fn scopes(roles: &[String]) -> Scopes {
    let all = Scopes::everything();
    match roles.iter().any(|role| role == ADMIN) {
        true => all.with_administration(),
        false => all,
    }
}

async fn sign(user: &User, session: &Session) -> Result<String> {
    sign_for(user, session, ACCESS).await
}

/// An access token of a session that is good for so long.
pub(crate) async fn sign_for(user: &User, session: &Session, good_for: Duration) -> Result<String> {
    let claims = Claims {
        sub: &user.id,
        sid: session.id.as_str(),
        username: &user.username,
        roles: &user.roles,
    };
    keys::sign(PURPOSE, &claims, good_for).await
}

async fn end_stolen<T>(session: &SessionId) -> Result<T> {
    eprintln!("refresh token used twice; ending session {session}");
    // One that has ended already has been told of.
    if let Some(known) = store::SESSIONS.get(session.as_str()).await? {
        let sessions = std::slice::from_ref(session);
        sessions::end_all(sessions, &known.user_id, EndReason::Stolen).await?;
    }
    let message =
        "this refresh token was used before, so the session was ended for safety; sign in again";
    Err(sessions::revoking(Error::token_invalid(message), session))
}

pub(crate) fn session_over() -> Error {
    Error::token_invalid("the session has ended; sign in again")
}

fn judge(stored: Option<&RefreshToken>, now: Time) -> Presented<'_> {
    let Some(token) = stored else {
        return Presented::Unknown;
    };
    match &token.bought {
        Some(bought) if now.since(bought.at) <= AGAIN => Presented::Again(token, bought),
        _ if token.consumed => Presented::Reused(token),
        _ if token.expires_at <= now => Presented::Expired,
        _ => Presented::Usable(token),
    }
}

pub(crate) fn random() -> Result<[u8; 32]> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(Error::internal)?;
    Ok(random)
}

/// A secret to be mailed.
pub(crate) fn mail_token() -> Result<String> {
    secret(MAIL_PREFIX)
}

/// A secret that nobody guesses, with what it begins with.
pub(crate) fn secret(prefix: &str) -> Result<String> {
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random()?)))
}

fn refresh_token(secret: [u8; 32]) -> String {
    format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))
}

/// The token after this one. It is neither kept nor told by what is kept: for that it takes the token,
/// of which only the digest is stored.
fn successor(token: &str, bought: &Bought) -> String {
    refresh_token(successor_secret(token, bought))
}

/// The random part of it.
pub(crate) fn successor_secret(token: &str, bought: &Bought) -> [u8; 32] {
    let secret = Sha256::new()
        .chain_update("successor:")
        .chain_update(&bought.salt)
        .chain_update(token);
    secret.finalize().into()
}

/// What is stored of a new refresh token. It lasts as long as the session does when it is not used.
fn to_store(token: &str, session: &Session, now: Time) -> RefreshToken {
    RefreshToken {
        digest: digest(token),
        session_id: session.id.clone(),
        user_id: session.user_id.clone(),
        consumed: false,
        bought: None,
        created_at: now,
        expires_at: session.expires_at,
    }
}

/// SHA-256 in base64url. Enough for secrets of 256 random bits, which nobody can guess through.
pub(crate) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::Device;
    use crate::tests::{PASSWORD, app, bearer, login, register, renew, signed_in};
    use sbd_sdk::testing::{App, Reply};

    fn delegation(app: &App, user: &str) -> Reply {
        let question = json!({"delegation": {"user": user}});
        app.anonymous().post(sbd_sdk::path::AUTHENTICATE, question)
    }

    fn session(now: Time) -> Session {
        Session::begin("usr_1", &[], &Device::default(), now)
    }

    #[test]
    fn an_access_token_is_good_for_a_quarter_of_an_hour() {
        let app = app();
        let ada = register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let access = tokens.text("access_token");
        let identity = bearer(&app, access).assert_status(200);
        assert_eq!(
            (&identity["user"], &identity["username"]),
            (&ada["id"], &json!("ada"))
        );
        assert_eq!(
            (&identity["roles"], &identity["scopes"]),
            (&json!(["user"]), &json!(["*"]))
        );
        let end = Time::from_seconds((app.now() + ACCESS).seconds());
        assert_eq!(identity["expires_at"], end.to_string());
        for forged in ["", "nonsense", &access[1..], tokens.text("refresh_token")] {
            bearer(&app, forged).assert_refused(401, "TOKEN_INVALID");
        }
        app.advance(ACCESS);
        bearer(&app, access).assert_refused(401, "TOKEN_EXPIRED");
    }

    #[test]
    fn a_token_is_worth_nothing_without_its_session_and_its_user() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        signed_in(&app, &tokens)
            .post("/api/v1/auth/logout", json!({}))
            .assert_status(204);
        bearer(&app, tokens.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let off = json!({"$set": {"active": false}});
        app.run(store::USERS.update_many(json!({}), off)).unwrap();
        bearer(&app, tokens.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn who_left_something_to_do_is_looked_up_when_it_is_done() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let ada = delegation(&app, &id).assert_status(200);
        assert_eq!(
            (&ada["session"], &ada["scopes"]),
            (&json!(null), &json!(["*"]))
        );
        assert_eq!(
            ada["expires_at"],
            (app.now() + Duration::from_secs(60)).to_string()
        );
        let set = |change| app.run(store::USERS.update_many(json!({}), json!({"$set": change})));
        set(json!({"roles": ["user", "admin"]})).unwrap();
        assert_eq!(delegation(&app, &id)["scopes"], json!(["*", "admin:*"]));
        set(json!({"active": false})).unwrap();
        delegation(&app, &id).assert_refused(401, "TOKEN_INVALID");
        delegation(&app, "usr_none").assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn a_refresh_token_gives_its_successor_for_a_while_and_later_ends_the_session() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let first = login(&app, "ada", PASSWORD).assert_status(200);
        let other = login(&app, "ada", PASSWORD).assert_status(200);
        let second = renew(&app, &first).assert_status(200);
        assert_eq!(second.header("cache-control"), Some("no-store"));
        assert_ne!(second["refresh_token"], first["refresh_token"]);
        app.advance(Duration::from_secs(29));
        let again = renew(&app, &first).assert_status(200);
        assert_eq!(again["refresh_token"], second["refresh_token"]);
        for tokens in [&second, &again] {
            bearer(&app, tokens.text("access_token")).assert_status(200);
        }
        app.advance(Duration::from_secs(2));
        let session = bearer(&app, second.text("access_token")).assert_status(200);
        let reused = renew(&app, &first).assert_refused(401, "TOKEN_INVALID");
        assert_eq!(reused.header("sbd-revoked"), session["session"].as_str());
        // What was stolen and what was not are both worthless now; other sessions go on.
        renew(&app, &second).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, second.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        renew(&app, &other).assert_status(200);
    }

    #[test]
    fn what_was_bought_is_worth_nothing_once_the_session_has_ended() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let first = login(&app, "ada", PASSWORD).assert_status(200);
        let second = renew(&app, &first).assert_status(200);
        let off = |active| json!({"$set": {"active": active}});
        app.run(store::USERS.update_many(json!({}), off(false)))
            .unwrap();
        renew(&app, &first).assert_refused(401, "TOKEN_INVALID");
        app.run(store::USERS.update_many(json!({}), off(true)))
            .unwrap();
        signed_in(&app, &second)
            .post("/api/v1/auth/logout", json!({}))
            .assert_status(204);
        renew(&app, &first).assert_refused(401, "TOKEN_INVALID");
    }

    /// Any tokens of a session in any order, at any pace, against what they must do.
    #[test]
    fn a_session_lives_as_long_as_no_token_is_used_long_after_it_was_traded() {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let mut any = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % 1_000_003).unwrap() % below
        };
        for _ in 0..100 {
            let app = app();
            register(&app, "ada").assert_status(201);
            let mut tokens = vec![login(&app, "ada", PASSWORD).assert_status(200)];
            let mut traded: Vec<Time> = Vec::new();
            let mut alive = true;
            for _ in 0..8 {
                app.advance(Duration::from_secs([0, 1, 13, 29][any(4)]));
                let at = any(tokens.len());
                let answer = renew(&app, &tokens[at]);
                alive &= traded
                    .get(at)
                    .is_none_or(|&then| app.now().since(then) <= AGAIN);
                if !alive {
                    answer.assert_refused(401, "TOKEN_INVALID");
                    continue;
                }
                let answer = answer.assert_status(200);
                match tokens.get(at + 1) {
                    Some(next) => assert_eq!(answer["refresh_token"], next["refresh_token"]),
                    None => {
                        traded.push(app.now());
                        tokens.push(answer);
                    }
                }
            }
        }
    }

    #[test]
    fn use_keeps_a_session_alive_for_a_month_at_most() {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let app = app();
        register(&app, "ada").assert_status(201);
        let unused = login(&app, "ada", PASSWORD).assert_status(200);
        let mut tokens = login(&app, "ada", PASSWORD).assert_status(200);
        for _ in 0..4 {
            app.advance(6 * DAY);
            tokens = renew(&app, &tokens).assert_status(200);
        }
        renew(&app, &unused).assert_refused(401, "TOKEN_EXPIRED");
        app.advance(6 * DAY);
        renew(&app, &tokens).assert_refused(401, "TOKEN_EXPIRED");
        app.sweep();
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn refresh_tokens_are_random_and_stored_as_digests() {
        let now = Time::from_seconds(1000);
        let session = session(now);
        let token = refresh_token(random().unwrap());
        assert!(token.starts_with("rt_") && token.len() == 46);
        assert_ne!(token, refresh_token(random().unwrap()));
        let mut stored = to_store(&token, &session, now);
        let bought = |salt: &str| Bought {
            salt: salt.to_owned(),
            at: now,
        };
        let next = successor(&token, &bought("a"));
        assert!(next.starts_with("rt_") && next.len() == 46);
        assert_eq!(next, successor(&token, &bought("a")));
        assert_ne!(next, successor(&token, &bought("b")));
        assert_ne!(next, successor(&next, &bought("a")));
        stored.bought = Some(bought("a"));
        let text = serde_json::to_string(&stored).unwrap();
        for secret in [&token, &next] {
            assert!(!text.contains(&secret[3..]));
        }
        assert_eq!(stored.digest, digest(&token));
        assert_eq!(
            (stored.session_id, stored.expires_at),
            (session.id, session.expires_at)
        );
    }

    #[test]
    fn a_token_is_usable_once_and_in_time() {
        let now = Time::from_seconds(1000);
        let session = session(now);
        let mut stored = to_store("rt_1", &session, now);
        let end = stored.expires_at;
        assert_eq!(judge(None, now), Presented::Unknown);
        assert!(matches!(judge(Some(&stored), now), Presented::Usable(_)));
        assert_eq!(judge(Some(&stored), end), Presented::Expired);
        stored.consumed = true;
        for time in [now, end] {
            assert!(matches!(judge(Some(&stored), time), Presented::Reused(_)));
        }
        stored.bought = Some(Bought {
            salt: String::new(),
            at: now,
        });
        for (time, again) in [(now, true), (now + AGAIN, true), (end, false)] {
            let found = matches!(judge(Some(&stored), time), Presented::Again(..));
            assert_eq!(found, again);
        }
    }
}
