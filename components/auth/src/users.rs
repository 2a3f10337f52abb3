//! What a tenant's administrators do with accounts: see who has one, switch it off and on, say who else is an
//! administrator, and end its sessions. Every change has a reason, and is recorded. Passwords and tokens are nobody
//! else's: an administrator neither sees nor sets them.
//!
//! Nobody changes their own account so: of two administrators one stays. Where none is left, the operator makes one
//! (`sbd admin create`).

use crate::events::{EndReason, Happened};
use crate::model::{ADMIN, USER, User};
use crate::oauth::grants;
use crate::store::USERS;
use crate::{notices, permanent, second_factor, sessions};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, text, time};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Characters of a reason at most.
const MAX_REASON: usize = 500;
/// Characters of a name or an address that is looked for, at most.
const MAX_BEGINNING: usize = 254;

/// What the list of users is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UserSort {
    /// When they registered.
    #[default]
    CreatedAt,
    /// What they are called.
    Username,
}

/// Which users to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserFilter {
    /// Only those whose name begins so.
    #[param(max_length = 254, example = "ad")]
    username: Option<String>,
    /// Only those whose address begins so.
    #[param(max_length = 254, example = "ada@")]
    email: Option<String>,
    /// Only administrators, or only others.
    admin: Option<bool>,
    /// Only those who may sign in, or who may not.
    active: Option<bool>,
}

/// What was decided, and what ended with it.
pub(crate) struct Decided {
    pub(crate) user: User,
    /// The ids of sessions and permanent tokens.
    pub(crate) ended: Vec<String>,
}

/// A page of the tenant's users.
pub(crate) async fn list(listing: &Listing<UserSort, UserFilter>) -> Result<Page<User>> {
    let UserFilter {
        username,
        email,
        admin,
        active,
    } = &listing.filter;
    let mut filter = json!({});
    for (field, key, beginning) in [
        ("username", "username_key", username),
        ("email", "email_key", email),
    ] {
        if let Some(beginning) = beginning {
            filter[key] = begins(field, beginning)?;
        }
    }
    if let Some(admin) = admin {
        filter["roles"] = if *admin {
            json!(ADMIN)
        } else {
            json!({"$ne": ADMIN})
        };
    }
    if let Some(active) = active {
        filter["active"] = json!(active);
    }
    USERS.find(filter).page(listing).await
}

fn begins(field: &str, beginning: &str) -> Result<Value> {
    if beginning.chars().count() > MAX_BEGINNING {
        return Err(Error::validation(field, "at most 254 characters"));
    }
    let key = text::key(beginning);
    Ok(json!({"$gte": key, "$lt": format!("{key}\u{10ffff}")}))
}

/// A user of the tenant.
pub(crate) async fn get(id: &str) -> Result<User> {
    let user = USERS.get(id).await?;
    user.ok_or_else(|| Error::not_found("user"))
}

/// Says whether a user may sign in. Whoever may not is signed in nowhere, and no token acts for them.
pub(crate) async fn switch(by: &Caller, id: &str, active: bool, reason: &str) -> Result<Decided> {
    let user = changeable(by, id, reason).await?;
    let happened = match active {
        true => Happened::SwitchedOn {
            user_id: id,
            reason,
        },
        false => Happened::SwitchedOff {
            user_id: id,
            reason,
        },
    };
    let change = Transaction::new();
    let (change, ended) = match active {
        true => (change, Vec::new()),
        false => all_over(change, id, EndReason::Administration).await?,
    };
    set(change, user, json!({"active": active}), &happened, ended).await
}

/// Says whether a user is an administrator. What they may do elsewhere is looked up anew: their sessions end.
pub(crate) async fn appoint(by: &Caller, id: &str, admin: bool, reason: &str) -> Result<Decided> {
    let user = changeable(by, id, reason).await?;
    let roles: &[&str] = if admin { &[USER, ADMIN] } else { &[USER] };
    let happened = match admin {
        true => Happened::Appointed {
            user_id: id,
            reason,
        },
        false => Happened::Dismissed {
            user_id: id,
            reason,
        },
    };
    let (change, ended) = sessions_over(Transaction::new(), id, EndReason::Administration).await?;
    set(change, user, json!({"roles": roles}), &happened, ended).await
}

/// Takes a user's second factor away, for who has lost it: they are signed out everywhere, and sign in with what they
/// have.
pub(crate) async fn reset_second_factor(by: &Caller, id: &str, reason: &str) -> Result<Decided> {
    let user = changeable(by, id, reason).await?;
    if second_factor::methods(&user).await?.is_empty() {
        return Err(Error::conflict("this user has no second factor"));
    }
    let (change, ended) = sessions_over(Transaction::new(), id, EndReason::Administration).await?;
    let change = second_factor::reset(change, id);
    let change = notices::second_factor_reset(change, id, reason);
    let happened = Happened::SecondFactorReset {
        user_id: id,
        reason,
    };
    set(change, user, json!({}), &happened, ended).await
}

/// Ends all sessions of a user, and takes all permanent tokens back.
pub(crate) async fn sign_out(id: &str) -> Result<Vec<String>> {
    get(id).await?;
    let (change, ended) = all_over(Transaction::new(), id, EndReason::Administration).await?;
    change.commit().await?;
    Ok(ended)
}

/// The ids of all that a user acts by: sessions, permanent tokens, and what they let programs do. Whoever takes something
/// from all of it tells the host ([`Revoked`](sessions::Revoked)), which asks about each of them anew.
pub(crate) async fn acts_by(id: &str) -> Result<Vec<String>> {
    let sessions = sessions::of_user(id).await?;
    let tokens = permanent::of_user(id).await?;
    let grants = grants::of(json!({"user_id": id})).await?;
    let all = sessions.iter().map(ToString::to_string);
    let all = all.chain(tokens.iter().map(ToString::to_string));
    Ok(all.chain(grants.iter().map(ToString::to_string)).collect())
}

/// A user whom somebody else may change, for a reason.
pub(crate) async fn changeable(by: &Caller, id: &str, reason: &str) -> Result<User> {
    reasonable(reason)?;
    if id == &*by.user {
        return Err(Error::conflict(
            "this is your own account; have another administrator change it",
        ));
    }
    get(id).await
}

/// Whether a text is a reason that can be kept.
pub(crate) fn reasonable(reason: &str) -> Result<()> {
    let is_reason = (1..=MAX_REASON).contains(&reason.trim().chars().count());
    match is_reason && !reason.chars().any(|c| c.is_control() && c != '\n') {
        true => Ok(()),
        false => Err(Error::validation("reason", "1 to 500 characters")),
    }
}

async fn set(
    change: Transaction,
    user: User,
    mut set: Value,
    happened: &Happened<'_>,
    ended: Vec<String>,
) -> Result<Decided> {
    set["updated_at"] = json!(time::now());
    let unchanged = json!({"_id": user.id, "active": user.active, "roles": user.roles});
    let change = change.update_one(&USERS, unchanged, json!({"$set": set}));
    match happened.told_by(change).commit().await {
        Ok(_) => Ok(Decided {
            user: get(&user.id).await?,
            ended,
        }),
        Err(DocumentsError::PreconditionFailed(_)) => Err(Error::conflict(
            "the account was changed at the same time; read it, and try again",
        )),
        Err(error) => Err(error.into()),
    }
}

async fn sessions_over(
    change: Transaction,
    id: &str,
    reason: EndReason,
) -> Result<(Transaction, Vec<String>)> {
    let sessions = sessions::of_user(id).await?;
    let change = sessions::over(change, id, &sessions, reason);
    let ended = sessions.iter().map(ToString::to_string).collect();
    Ok((change, ended))
}

/// All sessions of a user are over, and all permanent tokens taken back; and which those were.
pub(crate) async fn all_over(
    change: Transaction,
    id: &str,
    reason: EndReason,
) -> Result<(Transaction, Vec<String>)> {
    let (change, mut ended) = sessions_over(change, id, reason).await?;
    let tokens = permanent::of_user(id).await?;
    ended.extend(tokens.iter().map(ToString::to_string));
    let (change, grants) = grants::all_over(change, id).await?;
    ended.extend(grants.iter().map(ToString::to_string));
    Ok((permanent::taken_back(change, id, &tokens), ended))
}

impl Sort for UserSort {
    const ITEMS: &'static str = "users";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Username => "username_key",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{PASSWORD, app, bearer, login, register, renew, root, signed_in};
    use crate::totp::tests::with_app;
    use sbd_sdk::{Principal, Scopes};
    use serde_json::{Value, json};

    const ALL: &str = "/api/v1/auth/users";

    #[test]
    fn administrators_see_who_has_an_account() {
        let app = app();
        for name in ["ada", "adam", "bob"] {
            register(&app, name).assert_status(201);
        }
        let names = |query: &str| {
            let page = root(&app).get(&format!("{ALL}?{query}")).assert_status(200);
            assert!(!page.body().to_string().contains("hash"));
            let items = page["items"].as_array().unwrap().iter();
            items
                .map(|user| user["username"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("sort=username&order=asc"), ["ada", "adam", "bob"]);
        assert_eq!(
            names("username=AD&sort=username&order=asc"),
            ["ada", "adam"]
        );
        assert_eq!(names("email=bob@"), ["bob"]);
        assert!(names("admin=true").is_empty() && names("active=false").is_empty());
        for query in [
            "x=1",
            "admin=perhaps",
            &format!("username={}", "a".repeat(255)),
        ] {
            let refused = root(&app).get(&format!("{ALL}?{query}"));
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
        root(&app)
            .get(&format!("{ALL}/usr_9"))
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn who_lost_the_second_factor_has_it_reset_by_an_administrator() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let tokens = login(&app, "ada", PASSWORD);
        let address = format!("{ALL}/{id}/second-factor/reset");
        let reset = |reason: &str| root(&app).post(&address, json!({"reason": reason}));
        reset("Lost").assert_refused(409, "CONFLICT");
        with_app(&app, &signed_in(&app, &tokens));
        login(&app, "ada", PASSWORD).assert_status(202);
        for wrong in [
            json!({}),
            json!({"reason": " "}),
            json!({"reason": "x".repeat(501)}),
            json!({"reason": "Lost", "more": 1}),
        ] {
            let refused = root(&app).post(&address, wrong);
            refused.assert_refused(422, "VALIDATION_ERROR");
        }
        let done = reset("Lost the phone").assert_status(200);
        assert!(done.header("sbd-revoked").is_some());
        bearer(&app, tokens.text("access_token")).assert_refused(401, "TOKEN_INVALID");
        login(&app, "ada", PASSWORD).assert_status(200);
        reset("Again").assert_refused(409, "CONFLICT");
        let nobody = format!("{ALL}/usr_9/second-factor/reset");
        root(&app)
            .post(&nobody, json!({"reason": "x"}))
            .assert_refused(404, "NOT_FOUND");
        let told = app.published();
        let told = |kind: &str| told.iter().find(|event| event.kind == kind).unwrap();
        let data = &told("account.second_factor_reset").data;
        assert_eq!(*data, json!({"user_id": id, "reason": "Lost the phone"}));
    }

    #[test]
    fn who_is_switched_off_is_signed_in_nowhere_and_no_token_acts_for_them() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let tokens = login(&app, "ada", PASSWORD);
        let wanted = json!({"name": "x", "scopes": ["*"]});
        let made = signed_in(&app, &tokens).post("/api/v1/auth/permanent-tokens", wanted);
        let active = |active: bool, reason: &str| {
            let decided = json!({"active": active, "reason": reason});
            root(&app).put(&format!("{ALL}/{id}/active"), decided)
        };
        active(false, " ").assert_refused(422, "VALIDATION_ERROR");
        let off = active(false, "left us").assert_status(200);
        assert_eq!(off["active"], false);
        let revoked = off.header(sbd_sdk::header::REVOKED.as_str()).unwrap();
        assert!(revoked.contains("ses_") && revoked.contains(made.text("id")));
        login(&app, "ada", PASSWORD).assert_refused(403, "FORBIDDEN");
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
        bearer(&app, made.text("token")).assert_refused(401, "TOKEN_INVALID");
        active(true, "came back").assert_status(200);
        login(&app, "ada", PASSWORD).assert_status(200);
        let recorded = app.recorded();
        let last = recorded
            .iter()
            .rev()
            .find(|entry| entry.action == "account.switched_off");
        assert_eq!(last.unwrap().data["reason"], "left us");
    }

    #[test]
    fn administrators_say_who_else_is_one_but_nothing_of_themselves() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let tokens = login(&app, "ada", PASSWORD);
        let path = format!("{ALL}/{id}/admin");
        let admin = |admin: bool| json!({"admin": admin, "reason": "for the holidays"});
        let appointed = root(&app).put(&path, admin(true)).assert_status(200);
        assert_eq!(appointed["roles"], json!(["user", "admin"]));
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
        let tokens = login(&app, "ada", PASSWORD);
        let who = bearer(&app, tokens.text("access_token"));
        assert_eq!(who["scopes"], json!(["*", "admin:*"]));
        let scopes = Scopes::everything().with_administration();
        let ada = app.by(Principal::user("test", &*id).with_scopes(scopes));
        ada.put(&path, admin(false)).assert_refused(409, "CONFLICT");
        root(&app).put(&path, admin(false)).assert_status(200);
        let nobody = root(&app).put(&format!("{ALL}/usr_9/admin"), admin(true));
        nobody.assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn somebody_who_lost_a_device_is_signed_out_by_an_administrator() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let tokens = login(&app, "ada", PASSWORD);
        let path = format!("{ALL}/{id}/sessions");
        root(&app).delete(&path).assert_status(204);
        renew(&app, &tokens).assert_refused(401, "TOKEN_INVALID");
        let told = app
            .published()
            .into_iter()
            .filter(|event| event.kind == "session.ended");
        let reasons: Vec<Value> = told.map(|event| event.data["reason"].clone()).collect();
        assert_eq!(reasons, [json!("administration")]);
    }

    #[test]
    fn all_that_ends_at_once_fits_into_one_commit() {
        let app = app();
        let id = register(&app, "ada")
            .assert_status(201)
            .text("id")
            .to_owned();
        let mut tokens = login(&app, "ada", PASSWORD);
        for _ in 1..crate::sessions::MAX_SESSIONS {
            tokens = login(&app, "ada", PASSWORD);
        }
        let ada = signed_in(&app, &tokens);
        let wanted = json!({"name": "x", "scopes": ["*"]});
        while ada
            .post("/api/v1/auth/permanent-tokens", wanted.clone())
            .status()
            == 201
        {}
        let steps = || app.published().len() + app.recorded().len();
        let before = steps();
        let off = json!({"active": false, "reason": "left us"});
        root(&app)
            .put(&format!("{ALL}/{id}/active"), off)
            .assert_status(200);
        // Four more change what is stored; the host takes a hundred.
        let all = steps() - before + 4;
        assert!((90..=100).contains(&all), "{all}");
    }
}
