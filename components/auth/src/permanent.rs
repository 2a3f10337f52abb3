//! Permanent tokens: for programs that act for a user without signing in, each with a name, with what it may do,
//! and until somebody takes it back.
//!
//! The token is shown once; its digest alone is kept. It begins with `sbd_` and ends with a checksum, so that
//! whoever searches files for secrets knows one. To the host its id is what a session's is: what is taken back is
//! worthless with the next request.

use crate::events::Happened;
use crate::model::{ADMIN, User};
use crate::notices;
use crate::oauth::scope;
use crate::store::{PERMANENT_TOKENS, USERS};
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sbd_sdk::authentication::Identity;
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Scopes, Sort, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use utoipa::ToSchema;

id!(pub(crate) TokenId, "ptk", "token");

/// What a permanent token begins with.
pub(crate) const PREFIX: &str = "sbd_";
/// Bytes of the checksum at its end: against slips and chance, not against anybody.
const CHECKSUM: usize = 4;
/// Tokens that a user has at most: all of them end in one commit with all sessions, which has room for a hundred
/// steps.
const MOST: usize = 20;
/// Scopes of a token at most.
const MAX_SCOPES: usize = 50;
/// Characters of a name at most.
const MAX_NAME: usize = 100;
/// Days until a token runs out, at most; a token may also never do so.
const MAX_DAYS: u32 = 3650;
/// How long the host takes one for granted: its use is noted no more often.
const KNOWN_FOR: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A permanent token, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PermanentToken {
    #[serde(rename = "_id")]
    pub(crate) id: TokenId,
    digest: String,
    user_id: String,
    /// The user's how manieth it is, of those there may be at a time: no two have one seat.
    seat: String,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Option<Time>,
    /// Never, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Time>,
}

/// What a token is to be.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) days: Option<u32>,
}

/// What the list of tokens is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenSort {
    /// When they were made.
    #[default]
    CreatedAt,
}

/// Makes a token of the caller's, and answers what is never shown again.
pub(crate) async fn make(caller: &Caller, wanted: Wanted) -> Result<(PermanentToken, String)> {
    require_person(caller)?;
    let name = wanted.name.trim();
    let is_name = (1..=MAX_NAME).contains(&name.chars().count());
    if !is_name || name.chars().any(char::is_control) {
        return Err(Error::validation(
            "name",
            "1 to 100 characters, on one line",
        ));
    }
    let scopes = scopes(caller, wanted.scopes)?;
    if wanted
        .days
        .is_some_and(|days| !(1..=MAX_DAYS).contains(&days))
    {
        return Err(Error::validation(
            "expires_in_days",
            "1 to 3650, or nothing",
        ));
    }
    let (now, secret) = (time::now(), secret()?);
    let token = PermanentToken {
        id: TokenId::new(),
        digest: tokens::digest(&secret),
        user_id: caller.user.to_string(),
        seat: String::new(),
        name: name.to_owned(),
        scopes,
        created_at: now,
        last_used_at: None,
        expires_at: wanted.days.map(|days| now + DAY * days),
    };
    Ok((seated(token).await?, secret))
}

/// Stores a token at the first seat that is free.
async fn seated(mut token: PermanentToken) -> Result<PermanentToken> {
    let own = of(&token.user_id).await?;
    let seats = (0..MOST).map(|seat| format!("{}/{seat}", token.user_id));
    for seat in seats.filter(|seat| own.iter().all(|other| other.seat != *seat)) {
        token.seat = seat;
        let made = Happened::TokenMade {
            user_id: &token.user_id,
            token_id: &token.id,
        };
        let change = made.told_by(Transaction::new().insert(&PERMANENT_TOKENS, &token));
        let change = notices::token_made(change, &token.user_id, &token.name);
        match change.commit().await {
            Ok(_) => return Ok(token),
            // Another one was quicker.
            Err(DocumentsError::Duplicate(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::conflict(format!(
        "you have {MOST} permanent tokens, as many as there may be; take one back first"
    )))
}

/// A page of a user's tokens.
pub(crate) async fn list(user: &str, listing: &Listing<TokenSort>) -> Result<Page<PermanentToken>> {
    let own = PERMANENT_TOKENS.find(json!({"user_id": user}));
    own.page(listing).await
}

/// Takes a token of a user's back. Somebody else's is not there.
pub(crate) async fn take_back(user_id: &str, id: &TokenId) -> Result<()> {
    let own = json!({"_id": id, "user_id": user_id});
    let change = Transaction::new().delete_one(&PERMANENT_TOKENS, own);
    let ended = Happened::TokenEnded {
        user_id,
        token_id: id,
    };
    match ended.told_by(change).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("token")),
        Err(error) => Err(error.into()),
    }
}

/// Takes all tokens of a user's back; answers which.
pub(crate) async fn take_all_back(user_id: &str) -> Result<Vec<TokenId>> {
    let ids = of_user(user_id).await?;
    taken_back(Transaction::new(), user_id, &ids)
        .commit()
        .await?;
    Ok(ids)
}

/// The ids of all tokens of a user.
pub(crate) async fn of_user(user_id: &str) -> Result<Vec<TokenId>> {
    let own = of(user_id).await?.into_iter();
    Ok(own.map(|token| token.id).collect())
}

/// These tokens of a user are worth nothing any more.
pub(crate) fn taken_back(change: Transaction, user_id: &str, ids: &[TokenId]) -> Transaction {
    let change = change.delete_many(&PERMANENT_TOKENS, json!({"_id": {"$in": ids}}));
    ids.iter().fold(change, |change, token_id| {
        Happened::TokenEnded { user_id, token_id }.told_by(change)
    })
}

/// All tokens of a user.
pub(crate) async fn of(user_id: &str) -> Result<Vec<PermanentToken>> {
    let own = PERMANENT_TOKENS.find(json!({"user_id": user_id}));
    let all = u32::try_from(MOST).unwrap_or(u32::MAX);
    Ok(own.limit(all).fetch().await?.documents)
}

/// Who has a permanent token, and what they may do with it: what both it and its user may.
pub(crate) async fn bearer(token: &str) -> Result<Identity> {
    let unknown =
        || Error::token_invalid("this token is not known, or was taken back; make another one");
    if !is_whole(token) {
        return Err(unknown());
    }
    let now = time::now();
    let known = PERMANENT_TOKENS
        .find_one(json!({"digest": tokens::digest(token)}))
        .await?;
    let known = known.ok_or_else(unknown)?;
    if known.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::token_expired(
            "this token has run out; make another one",
        ));
    }
    let user = USERS.get(&known.user_id).await?;
    let user = user.filter(User::may_act).ok_or_else(unknown)?;
    if known
        .last_used_at
        .is_none_or(|last| now.since(last) >= KNOWN_FOR)
    {
        let used = json!({"$set": {"last_used_at": now}});
        PERMANENT_TOKENS
            .update_one(json!({"_id": known.id}), used)
            .await?;
    }
    Ok(identity(user, &known, now))
}

fn identity(user: User, token: &PermanentToken, now: Time) -> Identity {
    let end = token.expires_at.unwrap_or(now + DAY);
    let scopes = tokens::scopes(&user.roles).intersect(&token.scopes);
    let mut roles = user.roles;
    // A token that does not administer is no administrator to whoever asks for the role.
    roles.retain(|role| role != ADMIN || scope::administers(&scopes));
    Identity {
        user: user.id.into(),
        session: Some(token.id.as_str().into()),
        username: user.username,
        impersonated_by: None,
        scopes,
        roles,
        expires_at: end.min(now + DAY).to_string(),
    }
}

/// Tokens are made by people: no token makes another one, which would outlive it, and no component does.
fn require_person(caller: &Caller) -> Result<()> {
    let signed_in = caller
        .session
        .as_deref()
        .is_some_and(|id| id::is("ses", id));
    match signed_in && caller.component.is_none() {
        true => Ok(()),
        false => Err(Error::forbidden(
            "permanent tokens are made by whoever is signed in; sign in with your password",
        )),
    }
}

/// The scopes of a token, none beyond what the caller may.
fn scopes(caller: &Caller, wanted: Vec<String>) -> Result<Scopes> {
    if wanted.is_empty() || wanted.len() > MAX_SCOPES {
        return Err(Error::validation("scopes", "1 to 50 scopes"));
    }
    let scopes =
        Scopes::new(wanted).map_err(|wrong| Error::validation("scopes", wrong.to_string()))?;
    match scope::within(&scopes, &caller.scopes) {
        true => Ok(scopes),
        false => Err(Error::validation("scopes", "more than you may yourself")),
    }
}

fn secret() -> Result<String> {
    let random = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(tokens::random()?));
    let checksum = checksum(&random);
    Ok(random + &checksum)
}

/// Whether a text can be a token at all: nobody need look for it otherwise.
fn is_whole(token: &str) -> bool {
    let length = URL_SAFE_NO_PAD.encode([0; CHECKSUM]).len();
    let parts = token
        .len()
        .checked_sub(length)
        .and_then(|at| token.split_at_checked(at));
    parts.is_some_and(|(random, end)| random.starts_with(PREFIX) && end == checksum(random))
}

fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.get(..CHECKSUM).unwrap_or_default())
}

impl Sort for TokenSort {
    const ITEMS: &'static str = "tokens";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::SessionId;
    use crate::tests::{PASSWORD, app, bearer, login, register, signed_in};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Client, Reply};
    use serde_json::Value;

    const TOKENS: &str = "/api/v1/auth/permanent-tokens";

    fn make(by: &Client<'_>, name: &str, scopes: &[&str]) -> Reply {
        by.post(TOKENS, json!({"name": name, "scopes": scopes}))
    }

    fn ada(app: &App) -> Client<'_> {
        register(app, "ada").assert_status(201);
        signed_in(app, &login(app, "ada", PASSWORD))
    }

    #[test]
    fn a_token_acts_for_its_user_as_far_as_it_may_until_it_is_taken_back() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "backup", &["notes:read", "families:*"]).assert_status(201);
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let (id, token) = (made.text("id"), made.text("token"));
        assert!(token.starts_with("sbd_") && token.len() == 53, "{token}");
        let who = bearer(&app, token).assert_status(200);
        assert_eq!((who.text("username"), who.text("session")), ("ada", id));
        assert_eq!(who["scopes"], json!(["notes:read", "families:*"]));
        let listed = ada.get(TOKENS).assert_status(200);
        assert_eq!(listed["items"][0]["name"], "backup");
        assert_ne!(listed["items"][0]["last_used_at"], Value::Null);
        assert!(!listed.body().to_string().contains(token));
        let gone = ada.delete(&format!("{TOKENS}/{id}")).assert_status(204);
        assert_eq!(gone.header(sbd_sdk::header::REVOKED.as_str()), Some(id));
        bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
        ada.delete(&format!("{TOKENS}/{id}"))
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn no_token_gives_more_than_its_user_has() {
        let app = app();
        let ada = ada(&app);
        for scopes in [
            &["admin:*"][..],
            &["*", "admin:wallet:read"],
            &[],
            &["nonsense"],
        ] {
            let refused = make(&ada, "x", scopes).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "scopes");
        }
        // An administrator names them in any order.
        let all = Scopes::everything().with_administration();
        let root = Principal::user("test", "usr_1").in_session(SessionId::new().as_str());
        let root = app.by(root.with_scopes(all));
        for scopes in [
            ["admin:wallet:read", "notes:read"],
            ["notes:read", "admin:wallet:read"],
        ] {
            make(&root, "x", &scopes).assert_status(201);
        }
        // Whoever was switched off, or is no administrator any more, acts by no token either.
        let token = make(&ada, "x", &["*"])
            .assert_status(201)
            .text("token")
            .to_owned();
        assert_eq!(bearer(&app, &token)["scopes"], json!(["*"]));
        app.run(USERS.update_one(json!({}), json!({"$set": {"active": false}})))
            .unwrap();
        bearer(&app, &token).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn a_token_that_does_not_administer_is_no_administrators() {
        let app = app();
        let ada = ada(&app);
        let token = |scopes: &[&str]| {
            let made = make(&ada, "x", scopes).assert_status(201);
            made.text("token").to_owned()
        };
        let (reads, all) = (token(&["notes:read"]), token(&["*"]));
        let admin = json!({"$set": {"roles": ["user", "admin"]}});
        app.run(USERS.update_one(json!({}), admin)).unwrap();
        for token in [reads, all] {
            assert_eq!(bearer(&app, &token)["roles"], json!(["user"]));
        }
    }

    #[test]
    fn a_token_makes_no_other_and_neither_does_a_component() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*"]).assert_status(201);
        let user = Principal::user("test", "usr_1").in_session(made.text("id"));
        make(&app.by(user), "y", &["*"]).assert_refused(403, "FORBIDDEN");
        let agent = Principal::user("test", "usr_1").delegated_to("agents", &Scopes::everything());
        make(&app.by(agent), "y", &["*"]).assert_refused(403, "FORBIDDEN");
    }

    #[test]
    fn a_token_runs_out_if_it_is_to() {
        let app = app();
        let ada = ada(&app);
        let wanted = json!({"name": "x", "scopes": ["*"], "expires_in_days": 30});
        let token = ada
            .post(TOKENS, wanted)
            .assert_status(201)
            .text("token")
            .to_owned();
        app.advance(DAY * 30 - Duration::from_secs(1));
        bearer(&app, &token).assert_status(200);
        app.advance(Duration::from_secs(1));
        bearer(&app, &token).assert_refused(401, "TOKEN_EXPIRED");
        for days in [0, 3651] {
            let wanted = json!({"name": "x", "scopes": ["*"], "expires_in_days": days});
            let refused = ada
                .post(TOKENS, wanted)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "expires_in_days");
        }
    }

    #[test]
    fn there_are_twenty_at_most_and_all_go_at_once() {
        let app = app();
        let ada = ada(&app);
        let tokens: Vec<_> = (0..MOST)
            .map(|_| {
                make(&ada, "x", &["*"])
                    .assert_status(201)
                    .text("token")
                    .to_owned()
            })
            .collect();
        make(&ada, "x", &["*"]).assert_refused(409, "CONFLICT");
        ada.delete(TOKENS).assert_status(204);
        for token in &tokens {
            bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
        }
        make(&ada, "x", &["*"]).assert_status(201);
    }

    #[test]
    fn what_is_no_token_is_not_looked_for() {
        let token = secret().unwrap();
        assert!(is_whole(&token));
        let mut slip = token.clone().into_bytes();
        slip[10] = if slip[10] == b'A' { b'B' } else { b'A' };
        for wrong in [
            String::from_utf8(slip).unwrap(),
            token[..token.len() - 1].to_owned(),
            format!("{token}A"),
            "sbd_".to_owned(),
            String::new(),
            "sbd_ä".to_owned(),
            "ääää".to_owned(),
        ] {
            assert!(!is_whole(&wrong), "{wrong}");
        }
    }
}
