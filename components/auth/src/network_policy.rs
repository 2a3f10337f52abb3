//! From which networks accounts of a tenant are used, and opened: administrators say from which alone, and from which
//! not. What is named in both is not let in.

use crate::model::Device;
use crate::networks::Networks;
use crate::place::Place;
use crate::policy;
use crate::store::NETWORK_POLICIES;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::net::IpAddr;

/// Who decides for the host, as it is recorded.
const OPERATOR: &str = "operator";
/// There is one.
const ID: &str = "networks";

/// What is decided about networks, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkPolicy {
    #[serde(rename = "_id")]
    id: String,
    /// From where alone; from anywhere, where there is none.
    pub(crate) allowed: Networks,
    /// From where not.
    pub(crate) denied: Networks,
}

/// What is decided, or what holds as long as nobody has.
pub(crate) async fn get() -> Result<NetworkPolicy> {
    let policy = NETWORK_POLICIES.get(ID).await?;
    Ok(policy.unwrap_or_default())
}

/// Decides it, which is recorded. Nobody shuts themselves out without saying so.
pub(crate) async fn set(
    by: &Caller,
    policy: &NetworkPolicy,
    here: &Device,
    even_if_locked_out: bool,
) -> Result<()> {
    if !even_if_locked_out && !policy.admits(Place::of(here).address) {
        return Err(Error::validation(
            "allowed",
            "with this you are not let in from where you are now; change it, or say `even_if_locked_out`",
        ));
    }
    decided(policy, &by.user).await
}

/// Lets accounts be used from anywhere again: administrators shut everybody out, themselves as well, and the operator
/// lets them in.
pub(crate) async fn lift() -> Result<()> {
    decided(&NetworkPolicy::default(), OPERATOR).await
}

async fn decided(policy: &NetworkPolicy, by: &str) -> Result<()> {
    let data = json!({"allowed": policy.allowed, "denied": policy.denied, "by": by});
    let as_told = (ID, "policy.networks_changed", &data);
    policy::decided(Transaction::new(), &NETWORK_POLICIES, policy, as_told).await
}

/// Refuses whoever comes from where nobody is let in.
pub(crate) async fn require(device: &Device) -> Result<()> {
    match get().await?.admits(Place::of(device).address) {
        true => Ok(()),
        false => Err(Error::forbidden(
            "nobody is let in from this network here; use another one, or ask an administrator",
        )),
    }
}

/// The same of a token.
pub(crate) async fn require_of_token(place: &Place) -> Result<()> {
    match get().await?.admits(place.address) {
        true => Ok(()),
        false => Err(Error::token_invalid(
            "no token counts from this network here; use another one, or ask an administrator",
        )),
    }
}

// === impl NetworkPolicy ===

impl NetworkPolicy {
    /// A policy of these lists.
    pub(crate) fn new(allowed: Networks, denied: Networks) -> Self {
        Self {
            id: ID.to_owned(),
            allowed,
            denied,
        }
    }

    /// Whether somebody with this address is let in. An address that is not known is on no list.
    fn admits(&self, address: Option<IpAddr>) -> bool {
        let is_on = |networks: &Networks| address.is_some_and(|address| networks.contains(address));
        (self.allowed.is_empty() || is_on(&self.allowed)) && !is_on(&self.denied)
    }
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self::new(Networks::default(), Networks::default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{PASSWORD, app, bearer, bearer_from, login, register, root};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::{Value, json};

    const POLICY: &str = "/api/v1/auth/policy/networks";
    const HERE: &str = "192.0.2.7";
    const THERE: &str = "198.51.100.1";

    fn set(app: &App, from: &str, policy: Value) -> Reply {
        let root = root(app).with_header("spin-client-addr", from);
        root.put(POLICY, policy)
    }

    fn from(app: &App, address: &str, path: &str, body: Value) -> Reply {
        let client = app.anonymous().with_header("spin-client-addr", address);
        client.post(path, body)
    }

    fn enter(app: &App, address: &str) -> u16 {
        let who = json!({"identifier": "ada", "password": PASSWORD});
        from(app, address, "/api/v1/auth/login", who).status()
    }

    #[test]
    fn an_account_is_used_from_where_it_may_be_and_not_from_where_it_may_not() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let tokens = login(&app, "ada", PASSWORD);
        let token = tokens.text("access_token").to_owned();
        let decided = |allowed: &[&str], denied: &[&str]| {
            let policy = json!({"allowed": allowed, "denied": denied});
            let decided = set(&app, HERE, policy.clone()).assert_status(200);
            assert_eq!(*decided.body(), policy);
            assert_eq!(*root(&app).get(POLICY).body(), policy);
        };
        let works = |address: &str| {
            let status = enter(&app, address);
            let counts = bearer_from(&app, &token, address, "any").status();
            assert_eq!(
                (status == 200, status == 403),
                (counts == 200, counts == 401)
            );
            status == 200
        };
        decided(&[], &[]);
        assert!(works(HERE) && works(THERE));
        decided(&["192.0.2.0/24"], &[]);
        assert!(works(HERE) && works("::ffff:192.0.2.9") && !works(THERE));
        let renew = |address: &str| {
            let refresh = json!({"refresh_token": tokens["refresh_token"]});
            from(&app, address, "/api/v1/auth/refresh", refresh)
        };
        renew(THERE).assert_refused(401, "TOKEN_INVALID");
        renew(HERE).assert_status(200);
        // An address that is not known is on no list.
        assert_eq!(login(&app, "ada", PASSWORD).status(), 403);
        bearer(&app, &token).assert_refused(401, "TOKEN_INVALID");
        decided(&["192.0.2.0/24"], &["192.0.2.66"]);
        assert!(works(HERE) && !works("192.0.2.66"));
        decided(&[], &["198.51.100.0/24", "2001:db8::/32"]);
        assert!(works(HERE) && !works(THERE) && !works("2001:db8:1::1"));
        assert_eq!(login(&app, "ada", PASSWORD).status(), 200);
        // Nobody guesses from there, or opens an account.
        let wrong = json!({"identifier": "ada", "password": "Wrong-horse-7"});
        from(&app, THERE, "/api/v1/auth/login", wrong).assert_refused(403, "FORBIDDEN");
        let new = json!({"username": "bob", "email": "bob@example.com", "password": PASSWORD});
        from(&app, THERE, "/api/v1/auth/register", new.clone()).assert_refused(403, "FORBIDDEN");
        from(&app, HERE, "/api/v1/auth/register", new).assert_status(201);
        let entries = app.recorded().into_iter();
        let entries = entries.filter(|entry| entry.action == "policy.networks_changed");
        assert_eq!(entries.count(), 4);
    }

    #[test]
    fn administrators_do_not_shut_themselves_out_unawares() {
        let app = app();
        for policy in [
            json!({"allowed": [THERE]}),
            json!({"denied": ["192.0.2.0/24"]}),
            json!({"allowed": [HERE], "denied": [HERE]}),
        ] {
            let refused = set(&app, HERE, policy.clone()).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "allowed");
            let mut said = policy;
            said["even_if_locked_out"] = json!(true);
            set(&app, HERE, said).assert_status(200);
        }
    }

    #[test]
    fn who_operates_the_host_lets_administrators_in_again() {
        let app = app();
        register(&app, "ada").assert_status(201);
        let out = json!({"allowed": [THERE], "even_if_locked_out": true});
        set(&app, HERE, out).assert_status(200);
        let appoint = |from_anywhere: Value| {
            let mut request = json!({"email": "ada@example.com", "password": PASSWORD});
            if !from_anywhere.is_null() {
                request["from_anywhere"] = from_anywhere;
            }
            let by_host = app.anonymous();
            by_host.post(sbd_sdk::path::ADMINISTRATORS, request)
        };
        appoint(json!("yes")).assert_refused(422, "VALIDATION_ERROR");
        for (from_anywhere, status) in [(Value::Null, 403), (json!(false), 403), (json!(true), 200)]
        {
            appoint(from_anywhere).assert_status(200);
            assert_eq!(enter(&app, HERE), status);
        }
        let mut recorded = app.recorded().into_iter();
        let last = recorded.rfind(|entry| entry.action == "policy.networks_changed");
        assert_eq!(last.unwrap().data["by"], "operator");
    }

    #[test]
    fn bad_input_is_refused() {
        let app = app();
        for (policy, field) in [
            (json!({"allowed": ["nonsense"]}), "allowed"),
            (json!({"denied": ["10.0.0.1/8"]}), "denied"),
            (json!({"denied": vec![THERE; 51]}), "denied"),
            (json!({"denied": THERE}), "denied"),
            (json!({"allow": []}), "allow"),
        ] {
            let refused = set(&app, HERE, policy).assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        app.anonymous()
            .put(POLICY, json!({}))
            .assert_refused(401, "UNAUTHENTICATED");
    }
}
