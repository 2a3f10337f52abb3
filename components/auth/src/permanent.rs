//! Permanent tokens: for programs that act for a user without signing in, each with a name, with what it may do,
//! and until somebody takes it back.
//!
//! The token is shown once; its digest alone is kept. It begins with `sbd_` and ends with a checksum, so that
//! whoever searches files for secrets knows one. To the host its id is what a session's is: what is taken back is
//! worthless with the next request.
//!
//! A token may be bound to networks. A tenant's administrators may have each one wait until they approve it, or have
//! none at all (`policy`); what they see and end of all users' is in `oversight`.

pub(crate) mod approval;
pub(crate) mod change;
pub(crate) mod oversight;
pub(crate) mod policy;
pub(crate) mod rotation;
pub(crate) mod upkeep;
pub(crate) mod usage;

use crate::events::Happened;
use crate::model::{ADMIN, User};
use crate::networks::Networks;
use crate::notices;
use crate::oauth::scope;
use crate::store::{PERMANENT_TOKENS, USERS};
use crate::tokens;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use policy::Making;
use rotation::Former;
use sbd_sdk::authentication::{Identity, Presented};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Listing, Result, Scopes, Sort, id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::time::Duration;
use usage::Usage;
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
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A permanent token, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PermanentToken {
    #[serde(rename = "_id")]
    pub(crate) id: TokenId,
    digest: String,
    pub(crate) user_id: String,
    /// The user's how manieth it is, of those there may be at a time: no two have one seat.
    seat: String,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) created_at: Time,
    pub(crate) last_used_at: Option<Time>,
    /// Never, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Time>,
    /// Where it is good; anywhere, where there are none.
    #[serde(default, skip_serializing_if = "Networks::is_empty")]
    pub(crate) networks: Networks,
    /// Whether it does nothing until an administrator approves it.
    #[serde(default)]
    pub(crate) waiting: bool,
    /// The secret before, as long as it is good still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former: Option<Former>,
    #[serde(default)]
    pub(crate) usage: Usage,
    /// When its user was told that it ends for want of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warned_at: Option<Time>,
    /// When its user was last told that somebody had it elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strayed_at: Option<Time>,
}

/// What a token is to be.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) days: Option<u32>,
    pub(crate) networks: Vec<String>,
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
    let making = making(caller).await?;
    let name = named(&wanted.name)?;
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
        networks: Networks::read("networks", &wanted.networks)?,
        waiting: making == Making::Approved,
        former: None,
        usage: Usage::default(),
        warned_at: None,
        strayed_at: None,
    };
    Ok((seated(token).await?, secret))
}

/// Stores a token at the first seat that is free.
async fn seated(mut token: PermanentToken) -> Result<PermanentToken> {
    let own = of(&token.user_id).await?;
    let administrators = match token.waiting {
        true => approval::to_tell(&token.user_id).await?,
        false => Vec::new(),
    };
    let seats = (0..MOST).map(|seat| format!("{}/{seat}", token.user_id));
    for seat in seats.filter(|seat| own.iter().all(|other| other.seat != *seat)) {
        token.seat = seat;
        let made = Happened::TokenMade {
            user_id: &token.user_id,
            token_id: &token.id,
        };
        let change = made.told_by(Transaction::new().insert(&PERMANENT_TOKENS, &token));
        let change = notices::token_made(change, &token.user_id, &token.name, token.waiting);
        let change = notices::token_waits(change, &administrators);
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
        reason: None,
    };
    match ended.told_by(change).commit().await {
        Ok(_) => Ok(()),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::not_found("token")),
        Err(error) => Err(error.into()),
    }
}

/// Takes these tokens of a user back, all of them or none.
pub(crate) async fn take_these_back(user_id: &str, mut ids: Vec<TokenId>) -> Result<Vec<TokenId>> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() || ids.len() > MOST {
        return Err(Error::validation("ids", "1 to 20 ids"));
    }
    let own = json!({"_id": {"$in": ids}, "user_id": user_id});
    let change = Transaction::new().check(&PERMANENT_TOKENS, own, ids.len() as u64);
    match taken_back(change, user_id, &ids).commit().await {
        Ok(_) => Ok(ids),
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
        let ended = Happened::TokenEnded {
            user_id,
            token_id,
            reason: None,
        };
        ended.told_by(change)
    })
}

/// All tokens of a user.
pub(crate) async fn of(user_id: &str) -> Result<Vec<PermanentToken>> {
    let own = PERMANENT_TOKENS.find(json!({"user_id": user_id}));
    let all = u32::try_from(MOST).unwrap_or(u32::MAX);
    Ok(own.limit(all).fetch().await?.documents)
}

/// A token of a user. Somebody else's is not there.
pub(crate) async fn own(user_id: &str, id: &TokenId) -> Result<PermanentToken> {
    let own = json!({"_id": id, "user_id": user_id});
    let token = PERMANENT_TOKENS.find_one(own).await?;
    token.ok_or_else(|| Error::not_found("token"))
}

/// Who has a permanent token, and what they may do with it: what both it and its user may.
pub(crate) async fn bearer(presented: &Presented) -> Result<Identity> {
    let unknown =
        || Error::token_invalid("this token is not known, or was taken back; make another one");
    if !is_whole(&presented.token) {
        return Err(unknown());
    }
    let now = time::now();
    let found = found(&tokens::digest(&presented.token), now).await?;
    let (known, ends) = found.ok_or_else(unknown)?;
    if known.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::token_expired(
            "this token has run out; make another one",
        ));
    }
    let user = USERS.get(&known.user_id).await?;
    let user = user.filter(User::may_act).ok_or_else(unknown)?;
    if known.waiting {
        return Err(Error::token_invalid(
            "this token waits for an administrator's approval; ask one",
        ));
    }
    if policy::get().await?.permanent_tokens == Making::None {
        return Err(Error::token_invalid(
            "permanent tokens are out of use here; ask an administrator",
        ));
    }
    if !known.is_good_at(presented.address) {
        strayed(&known, presented, now).await?;
        return Err(Error::token_invalid(
            "this token is good from other networks only; use it there, or make another one",
        ));
    }
    usage::note(&known, presented, now).await?;
    Ok(identity(user, &known, ends, now))
}

/// The token with this digest, and when it ends, if it does; also by the secret before, as long as that is good.
async fn found(digest: &str, now: Time) -> Result<Option<(PermanentToken, Option<Time>)>> {
    let token = PERMANENT_TOKENS.find_one(json!({"digest": digest})).await?;
    if let Some(token) = token {
        let ends = token.expires_at;
        return Ok(Some((token, ends)));
    }
    let former = json!({"former.digest": digest, "former.until": {"$gt": now}});
    let token = PERMANENT_TOKENS.find_one(former).await?;
    Ok(token.map(|token| {
        let until = token.former.as_ref().map(|former| former.until);
        let ends = until.into_iter().chain(token.expires_at).min();
        (token, ends)
    }))
}

/// Tells a token's user that somebody has it where it is not good: once a day.
async fn strayed(token: &PermanentToken, presented: &Presented, now: Time) -> Result<()> {
    let known = token.strayed_at;
    if known.is_some_and(|last| now.since(last) < DAY) {
        return Ok(());
    }
    let address = presented.address.map(|address| address.to_string());
    let address = address.as_deref().unwrap_or("(not known)");
    let happened = Happened::TokenStrayed {
        user_id: &token.user_id,
        token_id: &token.id,
        address,
    };
    let change = Transaction::new().update_one(
        &PERMANENT_TOKENS,
        json!({"_id": token.id, "strayed_at": known}),
        json!({"$set": {"strayed_at": now}}),
    );
    let change = happened.told_by(change);
    let change = notices::token_strayed(change, &token.user_id, &token.name, address);
    match change.commit().await {
        // Told by another one.
        Ok(_) | Err(DocumentsError::PreconditionFailed(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn identity(user: User, token: &PermanentToken, ends: Option<Time>, now: Time) -> Identity {
    let end = ends.unwrap_or(now + DAY);
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

impl PermanentToken {
    /// Whether it is good for a request from there. One that is bound to networks is not where that is not known.
    fn is_good_at(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty() || address.is_some_and(|address| self.networks.contains(address))
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

/// How the caller makes tokens, and changes them, if they do.
async fn making(caller: &Caller) -> Result<Making> {
    require_person(caller)?;
    match policy::get().await?.permanent_tokens {
        Making::None => Err(Error::forbidden(
            "there are no permanent tokens here; ask an administrator",
        )),
        making => Ok(making),
    }
}

/// What a token is called.
fn named(name: &str) -> Result<&str> {
    let name = name.trim();
    let is_name = (1..=MAX_NAME).contains(&name.chars().count());
    match is_name && !name.chars().any(char::is_control) {
        true => Ok(name),
        false => Err(Error::validation(
            "name",
            "1 to 100 characters, on one line",
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
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::SessionId;
    use crate::tests::{PASSWORD, app, bearer, bearer_from, login, register, signed_in};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Client, Reply};
    use serde_json::Value;

    pub(crate) const TOKENS: &str = "/api/v1/auth/permanent-tokens";
    pub(crate) const USER_TOKENS: &str = "/api/v1/auth/user-tokens";
    pub(crate) const POLICY: &str = "/api/v1/auth/user-tokens/policy";

    pub(crate) fn make(by: &Client<'_>, name: &str, scopes: &[&str]) -> Reply {
        by.post(TOKENS, json!({"name": name, "scopes": scopes}))
    }

    pub(crate) fn ada(app: &App) -> Client<'_> {
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
    fn some_are_taken_back_all_or_none() {
        let app = app();
        let ada = ada(&app);
        let [one, two, three] = [(); 3].map(|()| make(&ada, "x", &["*"]).assert_status(201));
        let revoke = |ids: &[&str]| {
            let ids: Vec<_> = ids.iter().map(|id| json!(id)).collect();
            ada.post(&format!("{TOKENS}/revocations"), json!({"ids": ids}))
        };
        let other = TokenId::new();
        revoke(&[one.text("id"), other.as_str()]).assert_refused(404, "NOT_FOUND");
        bearer(&app, one.text("token")).assert_status(200);
        revoke(&[]).assert_refused(422, "VALIDATION_ERROR");
        revoke(&["usr_1"]).assert_refused(422, "VALIDATION_ERROR");
        let both = revoke(&[one.text("id"), two.text("id"), one.text("id")]).assert_status(204);
        let told = both.header(sbd_sdk::header::REVOKED.as_str()).unwrap();
        assert!(told.contains(one.text("id")) && told.contains(two.text("id")));
        for gone in [&one, &two] {
            bearer(&app, gone.text("token")).assert_refused(401, "TOKEN_INVALID");
        }
        bearer(&app, three.text("token")).assert_status(200);
        register(&app, "bob").assert_status(201);
        let bob = signed_in(&app, &login(&app, "bob", PASSWORD));
        let theirs = json!({"ids": [three.text("id")]});
        bob.post(&format!("{TOKENS}/revocations"), theirs)
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn a_token_is_good_in_its_networks_alone() {
        let app = app();
        let ada = ada(&app);
        let bound = |networks: Value| {
            let wanted = json!({"name": "x", "scopes": ["*"], "networks": networks});
            ada.post(TOKENS, wanted)
        };
        for wrong in [
            json!(["everywhere"]),
            json!(["10.0.0.1/8"]),
            json!(vec!["10.0.0.0/8"; 51]),
        ] {
            let refused = bound(wrong).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "networks");
        }
        let made = bound(json!(["2001:DB8::/32", "192.0.2.0/24"])).assert_status(201);
        assert_eq!(made["networks"], json!(["192.0.2.0/24", "2001:db8::/32"]));
        let token = made.text("token");
        for good in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"] {
            bearer_from(&app, token, good, "curl").assert_status(200);
        }
        let elsewhere = || bearer_from(&app, token, "198.51.100.1", "curl");
        elsewhere().assert_refused(401, "TOKEN_INVALID");
        // Where it is not known from where it comes, it is not good either.
        bearer(&app, token).assert_refused(401, "TOKEN_INVALID");
        // Its user is told, once a day; whoever has no token of the kind learns nothing.
        let told = || {
            let told = app.published().into_iter();
            told.filter(|event| event.kind == "token.strayed")
                .collect::<Vec<_>>()
        };
        assert_eq!(told().len(), 1);
        assert_eq!(told()[0].data["address"], "198.51.100.1");
        app.advance(DAY);
        elsewhere().assert_refused(401, "TOKEN_INVALID");
        assert_eq!(told().len(), 2);
        let used = app
            .run(PERMANENT_TOKENS.get(made.text("id")))
            .unwrap()
            .unwrap();
        assert_eq!(used.usage.minutes, 1, "what was refused is no use");
    }

    #[test]
    fn a_token_may_only_read() {
        let app = app();
        let ada = ada(&app);
        let made = make(&ada, "x", &["*:read"]).assert_status(201);
        let who = bearer(&app, made.text("token")).assert_status(200);
        assert_eq!(who["scopes"], json!(["*:read"]));
        // Who may read alone gives nothing else away.
        let reader = Principal::user("test", "usr_1").in_session(SessionId::new().as_str());
        let reader = app.by(reader.with_scopes(Scopes::new(["*:read", "tokens:write"]).unwrap()));
        make(&reader, "x", &["notes:read"]).assert_status(201);
        for more in ["*", "notes:*", "notes:write", "admin:users:read"] {
            make(&reader, "x", &[more]).assert_refused(422, "VALIDATION_ERROR");
        }
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
