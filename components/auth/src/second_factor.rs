//! The second step of a sign-in. Who has a second factor, and showed who they are in one way only, gets a token for
//! five minutes, which together with a code lets them in, once.

use crate::model::{Device, Proof, User};
use crate::sign_in::{self, SignedIn};
use crate::store::{PASSKEYS, SECOND_FACTORS, SECOND_STEPS, TOTP_SETUPS, USERS};
use crate::totp::{self, Totp};
use crate::{backup_codes, passkeys, policy, remembered, throttle, tokens};
use sbd_sdk::authentication::Identity;
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Error, Result, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// How long there is for the second step.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
/// How long the host may take it for granted that somebody has none.
const LACKING: Duration = Duration::from_secs(5);
/// What its token begins with.
const PREFIX: &str = "st_";

/// What a user has for a second step, as stored; who has nothing has no document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecondFactors {
    #[serde(rename = "_id")]
    pub(crate) user_id: String,
    #[serde(default)]
    pub(crate) totp: Option<Totp>,
    /// Digests of those that were not used.
    pub(crate) backup_codes: Vec<String>,
}

/// A sign-in that takes a second step, as it is answered.
pub(crate) struct Pending {
    pub(crate) token: String,
    /// What may be shown.
    pub(crate) methods: Vec<Proof>,
}

/// A sign-in that takes a second step, as stored: never its token, only the digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecondStep {
    #[serde(rename = "_id")]
    digest: String,
    pub(crate) user_id: String,
    #[serde(flatten)]
    device: Device,
    /// What was shown already.
    proofs: Vec<Proof>,
    expires_at: Time,
}

/// What a user may show for a second step; nothing, where it takes none.
pub(crate) async fn methods(user: &User) -> Result<Vec<Proof>> {
    let factors = SECOND_FACTORS.get(&user.id).await?;
    let mut methods = factors.map(|factors| factors.methods()).unwrap_or_default();
    // By itself a passkey makes no second step necessary, as it may be where it cannot be used: but for whoever has no
    // password, and whoever has to have a second factor.
    if passkeys::any(&user.id).await?
        && (!methods.is_empty() || user.hash().is_none() || is_required(user).await?)
    {
        methods.push(Proof::Passkey);
    }
    Ok(methods)
}

async fn is_required(user: &User) -> Result<bool> {
    Ok(policy::second_factor().await?.includes(&user.roles))
}

/// What a user's sign-in takes for a second step.
pub(crate) struct Taken {
    pub(crate) methods: Vec<Proof>,
    pub(crate) totp_since: Option<Time>,
    pub(crate) backup_codes_left: usize,
    /// Whether the user has to have a second factor.
    pub(crate) required: bool,
    pub(crate) has_password: bool,
}

/// What the caller's sign-in takes.
pub(crate) async fn of(caller: &Caller) -> Result<Taken> {
    let user = USERS.get(&caller.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    let factors = SECOND_FACTORS.get(&user.id).await?;
    let totp = factors.as_ref().and_then(|factors| factors.totp.as_ref());
    Ok(Taken {
        required: is_required(&user).await?,
        has_password: user.hash().is_some(),
        methods: methods(&user).await?,
        totp_since: totp.map(|totp| totp.since),
        backup_codes_left: factors
            .as_ref()
            .map_or(0, |factors| factors.backup_codes.len()),
    })
}

/// Whether somebody who has to have a second factor has none but these.
pub(crate) async fn is_last(caller: &Caller, these: &[Proof]) -> Result<bool> {
    let taken = of(caller).await?;
    let mut others = taken
        .methods
        .iter()
        .filter(|method| !these.contains(method));
    Ok(taken.required && others.next().is_none())
}

/// A sign-in goes on with a second step.
pub(crate) async fn begin(
    user: &User,
    methods: Vec<Proof>,
    proofs: &[Proof],
    device: &Device,
) -> Result<Pending> {
    let token = tokens::secret(PREFIX)?;
    let step = SecondStep {
        digest: tokens::digest(&token),
        user_id: user.id.clone(),
        device: device.clone(),
        proofs: proofs.to_vec(),
        expires_at: time::now() + GOOD_FOR,
    };
    SECOND_STEPS.insert(&step).await?;
    Ok(Pending { token, methods })
}

/// Takes the second step by a code.
pub(crate) async fn finish(token: &str, code: &str, device: &Device) -> Result<SignedIn> {
    let (step, user) = found(token, device).await?;
    let attempts = throttle::SECOND_STEP.of(&user.id);
    attempts.count(time::now()).await?;
    let Some((proof, used)) = shown(&user, code).await? else {
        refused(&user, device).await?;
        return Err(Error::invalid_credentials(
            "this code is wrong or was used; wait for the next one, or use a backup code",
        ));
    };
    let signed_in = step.taken(&user, proof, used, device).await?;
    attempts.forget().await?;
    Ok(signed_in)
}

/// The step that a token is for, and its user. It is worth nothing to another program.
pub(crate) async fn found(token: &str, device: &Device) -> Result<(SecondStep, User)> {
    let step = SECOND_STEPS.get(&tokens::digest(token)).await?;
    let is_good = |step: &SecondStep| {
        // Not the address: a device may have several at a time.
        time::now() < step.expires_at && step.device.user_agent == device.user_agent
    };
    let unknown = || {
        Error::token_invalid("this sign-in is not known, is over, or has run out; sign in again")
    };
    let step = step.filter(is_good).ok_or_else(unknown)?;
    let user = USERS.get(&step.user_id).await?;
    let user = user.filter(User::may_act).ok_or_else(unknown)?;
    Ok((step, user))
}

/// What a code of a user's is, and the change by which it is used; none, where it is wrong.
pub(crate) async fn shown(user: &User, code: &str) -> Result<Option<(Proof, Transaction)>> {
    let Some(factors) = SECOND_FACTORS.get(&user.id).await? else {
        return Ok(None);
    };
    if let Some(totp) = &factors.totp
        && totp::code(code).is_some()
    {
        let used = totp::used(&user.id, totp, code).await?;
        return Ok(used.map(|used| (Proof::Totp, used)));
    }
    let used = backup_codes::used(&factors, code);
    Ok(used.map(|used| (Proof::BackupCode, used)))
}

/// Records that somebody knew the first proof and not the second.
pub(crate) async fn refused(user: &User, device: &Device) -> Result<()> {
    let data = json!({"device": device});
    let change = Transaction::new().audit(&user.id, "second_factor.refused", &data);
    change.commit().await?;
    Ok(())
}

/// Whoever is at their second step begins anew, and no device is remembered.
pub(crate) fn begin_anew(change: Transaction, user_id: &str) -> Transaction {
    let change = change.delete_many(&SECOND_STEPS, json!({"user_id": user_id}));
    remembered::forget_all(change, user_id)
}

/// With this change the user has no second factor, and no passkey.
pub(crate) fn reset(change: Transaction, user_id: &str) -> Transaction {
    let change = change
        .delete_many(&SECOND_FACTORS, json!({"_id": user_id}))
        .delete_many(&TOTP_SETUPS, json!({"_id": user_id}))
        // Whoever has lost everything has lost these, or somebody else has them.
        .delete_many(&PASSKEYS, json!({"user_id": user_id}));
    begin_anew(change, user_id)
}

/// Whoever has to have a second factor and has none may see to their own account, and do nothing else: for a moment, so
/// that one is felt at once.
pub(crate) async fn enforced(identity: Identity) -> Result<Identity> {
    if !policy::second_factor().await?.includes(&identity.roles) {
        return Ok(identity);
    }
    let user = USERS.get(&identity.user).await?;
    let user = user.ok_or_else(Error::unauthenticated)?;
    if !methods(&user).await?.is_empty() {
        return Ok(identity);
    }
    let own = Scopes::new(["account:*", "passkeys:*", "sessions:*"]).map_err(Error::internal)?;
    Ok(Identity {
        scopes: identity.scopes.intersect(&own),
        expires_at: (time::now() + LACKING).to_string(),
        ..identity
    })
}

// === impl SecondFactors ===

impl SecondFactors {
    fn methods(&self) -> Vec<Proof> {
        let totp = self.totp.as_ref().map(|_| Proof::Totp);
        let codes = (!self.backup_codes.is_empty()).then_some(Proof::BackupCode);
        totp.into_iter().chain(codes).collect()
    }
}

// === impl SecondStep ===

impl SecondStep {
    /// It is taken, by this proof, which is used with this change: a session begins, once.
    pub(crate) async fn taken(
        &self,
        user: &User,
        proof: Proof,
        used: Transaction,
        device: &Device,
    ) -> Result<SignedIn> {
        let change = used.delete_one(&SECOND_STEPS, json!({"_id": self.digest}));
        // How the session is kept, and by which pass it may be anywhere, the first step has said.
        let device = &Device {
            pass: self.device.pass.clone(),
            ..device.clone().keeping(self.device.mode)
        };
        let proofs: Vec<_> = self.proofs.iter().copied().chain([proof]).collect();
        if !device.remember {
            return sign_in::begin(change, user, &proofs, device).await;
        }
        let (change, secret) = remembered::remember(change, &user.id, device).await?;
        let signed_in = sign_in::begin(change, user, &proofs, device).await?;
        Ok(SignedIn {
            device: Some(secret),
            ..signed_in
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{PASSWORD, app, bearer, login, register, signed_in};
    use crate::totp::tests::with_app;
    use sbd_sdk::testing::{App, Reply};

    const CODE: &str = "abcd-efgh-jkmn-pqrs";

    /// An account whose sign-in takes a second step.
    fn ada(app: &App) -> String {
        let id = register(app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let factors = SecondFactors {
            totp: None,
            backup_codes: vec![backup_codes::digest(&id, CODE)],
            user_id: id.clone(),
        };
        app.run(SECOND_FACTORS.insert(&factors)).unwrap();
        id
    }

    fn step(app: &App, token: &str, code: &str) -> Reply {
        let request = json!({"second_factor_token": token, "code": code});
        app.anonymous()
            .post("/api/v1/auth/login/second-factor", request)
    }

    #[test]
    fn it_takes_both_steps_and_each_of_them_once() {
        let app = app();
        ada(&app);
        let first = login(&app, "ada", PASSWORD).assert_status(202);
        assert_eq!(first["methods"], json!(["backup_code"]));
        assert_eq!(first["expires_in"], 300);
        assert_eq!(first.header("cache-control"), Some("no-store"));
        assert!(first.body().get("access_token").is_none());
        let token = first.text("second_factor_token");
        step(&app, token, "abcd-efgh-jkmn-pqrt").assert_refused(401, "INVALID_CREDENTIALS");
        let tokens = step(&app, token, " ABCD efghjkmnpqrs").assert_status(200);
        bearer(&app, tokens.text("access_token")).assert_status(200);
        let sessions = signed_in(&app, &tokens).get("/api/v1/auth/sessions");
        let proofs = &sessions["items"][0]["proofs"];
        assert_eq!(*proofs, json!(["password", "backup_code"]));
        step(&app, token, CODE).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn how_a_session_is_kept_the_first_step_says() {
        let app = app();
        ada(&app);
        let request = json!({"identifier": "ada", "password": PASSWORD, "mode": "cookie"});
        let first = app.anonymous().post("/api/v1/auth/login", request);
        let first = first.assert_status(202);
        assert_eq!(first.header("set-cookie"), None);
        let done = step(&app, first.text("second_factor_token"), CODE).assert_status(204);
        let cookie = done.header("set-cookie").unwrap();
        assert!(cookie.starts_with("sbd-session=sc_"), "{cookie}");
    }

    #[test]
    fn a_step_is_for_a_while_for_one_program_and_for_whoever_may_sign_in() {
        let app = app();
        let id = ada(&app);
        let token = |reply: Reply| reply.text("second_factor_token").to_owned();
        let late = token(login(&app, "ada", PASSWORD).assert_status(202));
        app.advance(GOOD_FOR);
        step(&app, &late, CODE).assert_refused(401, "TOKEN_INVALID");
        let other = token(login(&app, "ada", PASSWORD).assert_status(202));
        let request = json!({"second_factor_token": other, "code": CODE});
        let elsewhere = app.anonymous().with_header("user-agent", "another");
        let elsewhere = elsewhere.post("/api/v1/auth/login/second-factor", request);
        elsewhere.assert_refused(401, "TOKEN_INVALID");
        let off = json!({"$set": {"active": false}});
        app.run(USERS.update_one(json!({"_id": id}), off)).unwrap();
        step(&app, &other, CODE).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn nobody_tries_codes_for_ever() {
        let app = app();
        let id = ada(&app);
        let first = login(&app, "ada", PASSWORD).assert_status(202);
        for _ in 0..throttle::SECOND_STEP.most {
            step(&app, first.text("second_factor_token"), "000000")
                .assert_refused(401, "INVALID_CREDENTIALS");
        }
        // Another first step is no way around it.
        let again = login(&app, "ada", PASSWORD).assert_status(202);
        let token = again.text("second_factor_token");
        step(&app, token, CODE).assert_refused(429, "RATE_LIMITED");
        let refused = app.run(sbd_sdk::audit::find(sbd_sdk::audit::Query {
            subject: Some(id),
            limit: 1,
            ..Default::default()
        }));
        let refused = refused.unwrap().entries;
        assert_eq!(refused[0].action, "second_factor.refused");
    }

    #[test]
    fn whoever_has_to_have_one_and_has_none_sees_to_that_alone() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD).assert_status(200);
        let may = || bearer(&app, tokens.text("access_token")).assert_status(200)["scopes"].clone();
        let root = app.signed_in("usr_root");
        let decide = |second: &str| {
            let policy = json!({"registration": "open", "second_factor": second});
            let decided = root.put("/api/v1/auth/policy", policy).assert_status(200);
            assert_eq!(decided["second_factor"], second);
        };
        assert_eq!(may(), json!(["*"]));
        decide("required_for_admins");
        assert_eq!(may(), json!(["*"]));
        decide("required");
        // Who says nothing of it leaves it as it is.
        root.put("/api/v1/auth/policy", json!({"registration": "open"}))
            .assert_status(200);
        let own = json!(["account:*", "passkeys:*", "sessions:*"]);
        assert_eq!(may(), own);
        let ada = signed_in(&app, &tokens);
        assert_eq!(ada.get("/api/v1/auth/me/second-factor")["required"], true);
        let (_, codes) = with_app(&app, &ada);
        assert_eq!(may(), json!(["*"]));
        let off = json!({"code": codes[0]});
        let off = || ada.post("/api/v1/auth/me/totp/turn-off", off.clone());
        off().assert_refused(409, "CONFLICT");
        decide("optional");
        off().assert_status(204);
        for wrong in [json!("x"), json!(1)] {
            let policy = json!({"registration": "open", "second_factor": wrong});
            root.put("/api/v1/auth/policy", policy)
                .assert_refused(422, "VALIDATION_ERROR");
        }
    }

    #[test]
    fn an_administrator_who_has_to_have_one_administers_with_it_alone() {
        let app = app();
        let root = json!({"email": "root@example.com", "password": PASSWORD});
        app.anonymous()
            .post(sbd_sdk::path::ADMINISTRATORS, root)
            .assert_status(201);
        let tokens = login(&app, "root", PASSWORD).assert_status(200);
        let policy = json!({"registration": "open", "second_factor": "required_for_admins"});
        app.signed_in("usr_other")
            .put("/api/v1/auth/policy", policy)
            .assert_status(200);
        let may = || bearer(&app, tokens.text("access_token")).assert_status(200)["scopes"].clone();
        assert!(!may().to_string().contains("admin"));
        with_app(&app, &signed_in(&app, &tokens));
        assert_eq!(may(), json!(["*", "admin:*"]));
    }

    #[test]
    fn a_new_password_begins_anew() {
        let app = app();
        let id = ada(&app);
        let first = login(&app, "ada", PASSWORD).assert_status(202);
        app.run(begin_anew(Transaction::new(), &id).commit())
            .unwrap();
        let token = first.text("second_factor_token");
        step(&app, token, CODE).assert_refused(401, "TOKEN_INVALID");
    }

    #[test]
    fn bad_input_is_refused() {
        let app = app();
        for (token, code, status, refusal) in [
            ("", CODE, 401, "TOKEN_INVALID"),
            ("st_nonsense", CODE, 401, "TOKEN_INVALID"),
            ("st_nonsense", "", 422, "VALIDATION_ERROR"),
            ("st_nonsense", &"1".repeat(65), 422, "VALIDATION_ERROR"),
        ] {
            step(&app, token, code).assert_refused(status, refusal);
        }
        for request in [
            json!({}),
            json!({"second_factor_token": "st_x"}),
            json!({"second_factor_token": "st_x", "code": 123_456}),
            json!({"second_factor_token": "st_x", "code": "123456", "more": 1}),
        ] {
            let refused = app
                .anonymous()
                .post("/api/v1/auth/login/second-factor", request);
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
    }
}
