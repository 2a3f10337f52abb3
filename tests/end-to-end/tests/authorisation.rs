//! Who may do what, behind the real host: every operation that a default server serves, as its description has it, asked
//! by everybody there is, from outside and through another component. What is added later is asked as well.
//!
//! The other ways in are held against the same gate: delegations in `offers`, tasks of a user in `tasks`; real time below.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use sbd_manifest::{App, HttpTrigger, LoadOptions, Routes, Target};
use sbd_tests::{Account, Events, Launch, PASSWORD, Server, assert_error, json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What anybody may ask for, and why.
const PUBLIC: [(&str, &str, &str); 25] = [
    ("GET", "/.well-known/jwks.json", "public keys"),
    ("GET", "/api/v1/auth/providers", "shown before a sign-in"),
    ("POST", "/api/v1/auth/register", "opens an account"),
    ("GET", "/api/v1/auth/captcha", "shown before a sign-in"),
    ("POST", "/api/v1/auth/register/passkey", "opens an account"),
    (
        "POST",
        "/api/v1/auth/register/passkey/options",
        "opens an account",
    ),
    (
        "POST",
        "/api/v1/auth/password-resets/approve",
        "takes a mailed code",
    ),
    (
        "POST",
        "/api/v1/auth/password-resets/deny",
        "takes a mailed code",
    ),
    ("POST", "/api/v1/auth/login", "signs in"),
    ("POST", "/api/v1/auth/login/second-factor", "signs in"),
    (
        "POST",
        "/api/v1/auth/login/second-factor/passkey",
        "signs in",
    ),
    (
        "POST",
        "/api/v1/auth/login/second-factor/passkey/options",
        "signs in",
    ),
    ("POST", "/api/v1/auth/login/passkey", "signs in"),
    ("POST", "/api/v1/auth/login/passkey/options", "signs in"),
    ("POST", "/api/v1/auth/login/provider", "signs in"),
    ("POST", "/api/v1/auth/providers/{id}/sign-in", "signs in"),
    ("POST", "/api/v1/auth/refresh", "takes a token of its own"),
    (
        "POST",
        "/api/v1/auth/kept-accounts",
        "takes name and password",
    ),
    (
        "POST",
        "/api/v1/auth/password-resets",
        "for who cannot sign in",
    ),
    (
        "POST",
        "/api/v1/auth/password-resets/complete",
        "takes a mailed code",
    ),
    (
        "POST",
        "/api/v1/auth/password-resets/complete-by-code",
        "takes a mailed code",
    ),
    (
        "POST",
        "/api/v1/auth/lockdown-confirmations",
        "takes a mailed code",
    ),
    ("POST", "/api/v1/auth/allowed-places", "takes a mailed code"),
    (
        "POST",
        "/api/v1/auth/email-verifications",
        "takes a mailed code",
    ),
    (
        "GET",
        "/api/v1/shop/items/{id}/images/{image_id}",
        "shown in pages, which send no token for an image",
    ),
];

/// What ends by success the session of whoever asks, or their tokens: the next one asks with others.
const ENDS: [(&str, &str); 3] = [
    ("POST", "/api/v1/auth/logout"),
    ("POST", "/api/v1/auth/logout-all"),
    ("DELETE", "/api/v1/auth/permanent-tokens"),
];

/// What a server of all our components is, beside one that asks them for whatever it is asked for.
const WITH_ANOTHER: &str = r#"
[application.tool.sbd]
auth = "auth"
rate_limit = { per_second = 100000, burst = 100000, at_once = 200 }

[[trigger.http]]
route = "/probe/..."
component = "probe"

[component.probe]
source = "{guest:probe}"
allowed_outbound_hosts = ["http://*.spin.internal"]
"#;

/// By which way operations are asked for.
#[derive(Clone, Debug)]
enum Way {
    FromOutside,
    /// Through another component, by these triggers, which say who answers.
    ThroughAnother(Vec<HttpTrigger>),
}

/// An operation, as the description has it.
struct Operation {
    method: Method,
    path: String,
    permission: Option<String>,
    /// Whether it says that one has to be signed in.
    is_closed: bool,
}

/// Whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    User,
    /// A user's token with this very permission, of an administrator where only they have it.
    Exactly,
    /// The same with every other permission that fits into a token.
    AllOthers,
    Administrator,
    /// An administrator's token for all that users may.
    AdministratorsUserToken,
    /// An administrator in a user's place.
    Impersonator,
    SwitchedOff,
    OtherTenants,
    /// By the token of a session that was ended.
    SignedOut,
}
use Who::{
    Administrator, AdministratorsUserToken, AllOthers, Exactly, Impersonator, Nobody, OtherTenants,
    SignedOut, SwitchedOff, User,
};

/// What becomes of a request at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// It is known to nobody who asks.
    Unknown,
    /// The permission is lacking, and named.
    Lacks,
    Passed,
}

/// Everybody there is but those whose token is for one permission.
struct Cast {
    ada: Account,
    root: Account,
    tokens: BTreeMap<Who, String>,
}

// === impl Operation ===

impl Operation {
    fn all(description: &Value) -> Vec<Self> {
        let mut all = Vec::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                if !operation.is_object() {
                    continue;
                }
                let ways = operation["security"].as_array();
                let open = |ways: &Vec<Value>| ways.iter().any(|way| *way == json!({}));
                all.push(Self {
                    method,
                    path: path.clone(),
                    permission: operation["x-sbd-permission"].as_str().map(str::to_owned),
                    is_closed: ways.is_some_and(|ways| !ways.is_empty() && !open(ways)),
                });
            }
        }
        all
    }

    fn is(&self, (method, path): (&str, &str)) -> bool {
        self.method.as_str() == method && self.path == path
    }

    fn is_in(&self, list: &[(&str, &str)]) -> bool {
        list.iter().any(|one| self.is(*one))
    }

    /// The request about nothing that is there, with a body that says nothing: whether one may is found out before.
    fn request(&self, server: &Server, way: &Way) -> RequestBuilder {
        let parts = self
            .path
            .split('/')
            .map(|part| match part.starts_with('{') {
                true => "none_00000000000000000000000000000000",
                false => part,
            });
        let path = parts.collect::<Vec<_>>().join("/");
        let path = match way {
            Way::FromOutside => path,
            Way::ThroughAnother(triggers) => {
                let to = answering(triggers, &path).unwrap();
                format!("/probe/relay?to={to}&path={path}")
            }
        };
        let request = server.client.request(self.method.clone(), server.at(&path));
        match self.method {
            Method::GET | Method::DELETE => request,
            _ => request.header("idempotency-key", "k").json(&json!({})),
        }
    }

    /// What the gate says to somebody.
    async fn ask(&self, server: &Server, way: &Way, token: Option<&str>) -> (Gate, u16, String) {
        let request = match token {
            Some(token) => self.request(server, way).bearer_auth(token),
            None => self.request(server, way),
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        // A good answer may go on for ever.
        let said = match status {
            401 | 403 | 500.. => answer.text().await.unwrap(),
            _ => String::new(),
        };
        let lacks = "his needs the permission `";
        let gate = match (status, &self.permission) {
            (401, _) => Gate::Unknown,
            (403, Some(needed)) if said.contains(&format!("{lacks}{needed}`")) => Gate::Lacks,
            _ => Gate::Passed,
        };
        (gate, status, said)
    }
}

// === impl Who ===

impl Who {
    /// What the gate is to say to them.
    fn expects(self, permission: Option<&str>) -> Gate {
        let is_administrative = permission.is_some_and(|needed| needed.starts_with("admin:"));
        match self {
            SwitchedOff | OtherTenants | SignedOut => Gate::Unknown,
            _ if permission.is_none() => Gate::Passed,
            Nobody => Gate::Unknown,
            Administrator | Exactly => Gate::Passed,
            AllOthers => Gate::Lacks,
            User | AdministratorsUserToken | Impersonator if is_administrative => Gate::Lacks,
            User | AdministratorsUserToken | Impersonator => Gate::Passed,
        }
    }
}

// === impl Cast ===

impl Cast {
    async fn assembled(server: &Server, number: usize) -> Self {
        let root = Account::login(server, "root@example.com").await;
        let ada = Account::register(server, &format!("ada{number}")).await;
        let bob = Account::register(server, &format!("bob{number}")).await;
        let off = json!({"active": false, "reason": "left us"});
        let address = format!("/api/v1/auth/users/{}/active", bob.id);
        let off = root.request(Method::PUT, &address).json(&off).send();
        json(off.await.unwrap(), 200).await;
        let left = Account::login(server, &format!("ada{number}")).await;
        let out = left.post("/api/v1/auth/logout", &json!({})).send().await;
        assert_eq!(out.unwrap().status(), 204);
        let address = format!("/api/v1/auth/users/{}/impersonation", ada.id);
        let begun = root.post(&address, &json!({"reason": "to see"})).send();
        let begun = json(begun.await.unwrap(), 200).await;
        let (_, everything) = token(&root, &["*"]).await;
        let tokens = [
            (User, ada.access.clone()),
            (Administrator, root.access.clone()),
            (AdministratorsUserToken, everything),
            (
                Impersonator,
                begun["access_token"].as_str().unwrap().to_owned(),
            ),
            (SwitchedOff, bob.access),
            (OtherTenants, elsewhere(server, number).await),
            (SignedOut, left.access),
        ];
        Self {
            ada,
            root,
            tokens: tokens.into(),
        }
    }

    /// Each of them with a token, and those whose token is about this permission.
    async fn about(
        &self,
        permission: Option<&str>,
        all: &[&str],
    ) -> (Vec<(Who, Option<String>)>, Vec<String>) {
        let known = self.tokens.iter();
        let mut known: Vec<_> = known
            .map(|(who, token)| (*who, Some(token.clone())))
            .collect();
        known.push((Nobody, None));
        let Some(permission) = permission else {
            known.sort();
            return (known, Vec::new());
        };
        let is_admin = permission.starts_with("admin:");
        let owner = if is_admin { &self.root } else { &self.ada };
        let fits =
            |other: &&&str| **other != permission && (is_admin || !other.starts_with("admin:"));
        // A token has fifty scopes at most.
        let others: Vec<&str> = all.iter().filter(fits).copied().take(50).collect();
        let (exactly, its) = token(owner, &[permission]).await;
        let (beside, other) = token(owner, &others).await;
        known.extend([(Exactly, Some(its)), (AllOthers, Some(other))]);
        known.sort();
        let address = |id: String| format!("/api/v1/auth/permanent-tokens/{id}");
        (known, vec![address(exactly), address(beside)])
    }

    /// Takes tokens back; there are twenty at most.
    async fn take_back(&self, permission: Option<&str>, tokens: Vec<String>) {
        let is_admin = permission.is_some_and(|needed| needed.starts_with("admin:"));
        let owner = if is_admin { &self.root } else { &self.ada };
        for address in tokens {
            let gone = owner.request(Method::DELETE, &address).send().await;
            assert!(gone.unwrap().status().as_u16() < 500);
        }
    }
}

/// A permanent token of somebody's for some of what they may: its id, and the token.
async fn token(of: &Account, scopes: &[&str]) -> (String, String) {
    let wanted = json!({"name": "one of many", "scopes": scopes});
    let made = of.post("/api/v1/auth/permanent-tokens", &wanted).send();
    let made = json(made.await.unwrap(), 201).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// The token of somebody in another tenant.
async fn elsewhere(server: &Server, number: usize) -> String {
    let acme = server.as_tenant("acme");
    let name = format!("eve{number}");
    let new =
        json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
    let register = acme.post(server.at("/api/v1/auth/register")).json(&new);
    json(register.send().await.unwrap(), 201).await;
    let who = json!({"identifier": name, "password": PASSWORD});
    let login = acme.post(server.at("/api/v1/auth/login")).json(&who);
    let tokens = json(login.send().await.unwrap(), 200).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// Asks for an operation as everybody; a line of the table, and what was not as it should be.
async fn asked(
    server: &Server,
    operation: &Operation,
    way: &Way,
    everybody: &[(Who, Option<String>)],
) -> (String, Vec<String>) {
    let answers = everybody.iter().map(|(who, token)| async move {
        let answer = operation.ask(server, way, token.as_deref()).await;
        (*who, answer)
    });
    let needed = operation.permission.as_deref();
    let mut line = format!(
        "| {} {} | {} |",
        operation.method,
        operation.path,
        needed.unwrap_or("none")
    );
    let mut wrong = Vec::new();
    for (who, (gate, status, said)) in join_all(answers).await {
        write!(line, " {status} |").unwrap();
        if gate != who.expects(needed) || status == 500 {
            wrong.push(format!(
                "{who:?} {} {}: {gate:?} {status}, and not {:?}: {said}",
                operation.method,
                operation.path,
                who.expects(needed)
            ));
        }
    }
    (line, wrong)
}

/// What came of asking for all there is.
#[derive(Default)]
struct Walk {
    /// Who asked for what needs a permission.
    names: Vec<String>,
    /// Of the table.
    lines: Vec<String>,
    /// What was not as it should be.
    wrong: Vec<String>,
}

impl Walk {
    /// Asks for all these operations as everybody, but for those that end somebody's session.
    async fn through(server: &Server, operations: &[Operation], way: &Way) -> Self {
        let permissions = permissions(operations);
        let needs = permissions.iter().copied().map(Some).chain([None]);
        let cast = Cast::assembled(server, 0).await;
        let mut walk = Self::default();
        for needed in needs {
            let (everybody, made) = cast.about(needed, &permissions).await;
            if needed.is_some() {
                let names = everybody.iter().map(|(who, _)| format!("{who:?}"));
                walk.names = names.collect();
            }
            for operation in operations {
                if operation.permission.as_deref() == needed && !operation.is_in(&ENDS) {
                    let (line, found) = asked(server, operation, way, &everybody).await;
                    walk.lines.push(line);
                    walk.wrong.extend(found);
                }
            }
            cast.take_back(needed, made).await;
        }
        walk
    }
}

/// All that any of these needs, once each.
fn permissions(operations: &[Operation]) -> Vec<&str> {
    let needed = operations.iter();
    let needed = needed.filter_map(|operation| operation.permission.as_deref());
    let mut needed: Vec<_> = needed.collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// The component that answers there; none, where the host does.
fn answering(triggers: &[HttpTrigger], path: &str) -> Option<String> {
    let routes = Routes::new(triggers);
    let trigger = routes.find(path)?.trigger;
    match &triggers[trigger].target {
        Target::Component(component) => Some(component.to_string()),
        Target::Static { .. } => None,
    }
}

/// The manifests of all our components, by their names.
fn all_components() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components");
    let folders = std::fs::read_dir(folder).unwrap();
    let folders = folders.map(|folder| folder.unwrap());
    let components = folders.filter(|folder| folder.path().join("spin.toml").exists());
    let names = components.map(|folder| folder.file_name().into_string().unwrap());
    names
        .map(|name| format!("{{component:{name}}}\n"))
        .collect()
}

#[tokio::test]
async fn every_operation_is_for_the_same_through_another_component() {
    let launch = Launch::app(&format!("{WITH_ANOTHER}\n{}", all_components()));
    let app = App::load(&launch.application().manifest(), &LoadOptions::default());
    let triggers = app.unwrap().app.triggers;
    let server = launch.start().await;
    server.done(&["tenant", "create", "acme"]);
    Account::administrator(&server).await;
    let description = json(server.get("/openapi.json").await, 200).await;
    let mut operations = Operation::all(&description);
    operations.retain(|operation| answering(&triggers, &operation.path).is_some());
    assert!(operations.len() > 300, "{}", operations.len());
    let way = Way::ThroughAnother(triggers);
    let walk = Walk::through(&server, &operations, &way).await;
    println!("{} operations", walk.lines.len());
    assert!(walk.wrong.is_empty(), "{}", walk.wrong.join("\n"));
}

#[tokio::test]
async fn every_operation_is_for_whom_its_description_says() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    Account::administrator(&server).await;
    let description = json(server.get("/openapi.json").await, 200).await;
    let operations = Operation::all(&description);
    assert!(operations.len() > 300, "{}", operations.len());

    // What needs nothing is known, and nothing says that it needs somebody without saying what for.
    let open: Vec<_> = PUBLIC
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .collect();
    for operation in &operations {
        let (method, path) = (&operation.method, &operation.path);
        assert_eq!(
            operation.permission.is_none(),
            operation.is_in(&open),
            "{method} {path} needs a permission, or a reason in the list of this test"
        );
        assert_eq!(
            operation.permission.is_some(),
            operation.is_closed,
            "{method} {path} says two things of who may ask"
        );
    }
    for public in &open {
        let is_there = operations.iter().any(|operation| operation.is(*public));
        assert!(is_there, "{public:?} is gone; take it off the list");
    }

    let Walk {
        names,
        mut lines,
        mut wrong,
    } = Walk::through(&server, &operations, &Way::FromOutside).await;
    let permissions = permissions(&operations);
    for (number, ends) in ENDS.iter().enumerate() {
        let operation = operations.iter().find(|operation| operation.is(*ends));
        let operation = operation.unwrap();
        // One after the other, each of another cast: of one, the first takes the others' sessions along.
        let needed = operation.permission.as_deref();
        let cast = Cast::assembled(&server, number + 1).await;
        let (everybody, _) = cast.about(needed, &permissions).await;
        let (passing, refused): (Vec<_>, Vec<_>) = everybody
            .into_iter()
            .partition(|(who, _)| who.expects(needed) == Gate::Passed);
        let (line, found) = asked(&server, operation, &Way::FromOutside, &refused).await;
        lines.push(line);
        wrong.extend(found);
        let users: Vec<_> = passing
            .into_iter()
            .filter(|(who, _)| *who == User)
            .collect();
        let (_, found) = asked(&server, operation, &Way::FromOutside, &users).await;
        wrong.extend(found);
    }

    // The table, for whoever wants to see it.
    let head = format!("| operation | permission | {} |", names.join(" | "));
    let rule = head.split('|').skip(2).map(|_| "|---").collect::<String>();
    let table = format!("{head}\n{rule}|\n{}\n", lines.join("\n"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authorisation.md");
    std::fs::write(&file, table).unwrap();
    println!("{} operations: {}", lines.len(), file.display());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_done_in_a_users_place_is_known_to_be() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let address = format!("/api/v1/auth/users/{}/impersonation", ada.id);
    let begun = root.post(&address, &json!({"reason": "to see"})).send();
    let begun = json(begun.await.unwrap(), 200).await;
    let mut in_her_place = ada.clone();
    in_her_place.access = begun["access_token"].as_str().unwrap().to_owned();
    let new = json!({"name": "Lovelace"});
    let made = in_her_place
        .post("/api/v1/families", &new)
        .send()
        .await
        .unwrap();
    assert_eq!(made.headers()["sbd-impersonated-by"], *root.id);
    let family = json(made, 201).await;
    // She reads who it was, and so does the operator.
    let audit = format!("/api/v1/families/{}/audit", family["id"].as_str().unwrap());
    let entry = &ada.read(&audit).await["items"][0];
    assert_eq!(entry["actor"], *ada.id);
    assert_eq!(entry["data"]["impersonated_by"], *root.id, "{entry}");
    server.wait_for_log("impersonated_by").await;
    let own = ada.get("/api/v1/auth/me").send().await.unwrap();
    assert!(!own.headers().contains_key("sbd-impersonated-by"));
    // What is hers alone is refused, and she ends it: the next request is nobody's.
    let refused = in_her_place
        .post("/api/v1/auth/permanent-tokens", &json!({}))
        .send();
    assert_error(refused.await.unwrap(), 403, "IMPERSONATING").await;
    let session = begun["session_id"].as_str().unwrap();
    let session = format!("/api/v1/auth/sessions/{session}");
    let ended = ada.request(Method::DELETE, &session).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    let over = in_her_place.get("/api/v1/families").send().await.unwrap();
    assert_error(over, 401, "TOKEN_INVALID").await;
}

#[tokio::test]
async fn a_token_listens_as_far_as_it_may_read() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let family = ada.create_family("Lovelace").await;
    let channel = format!("?channels=family:{}", family["id"].as_str().unwrap());
    for (scopes, joined) in [
        (&["realtime:read"][..], "stream.refused"),
        (&["realtime:read", "families:read"], "stream.joined"),
    ] {
        let (_, token) = token(&ada, scopes).await;
        let mut events = Events::connect(&server, &token, &channel, None).await;
        let told = loop {
            let told = events.next().await.unwrap();
            if told["data"]["channel"]
                .as_str()
                .is_some_and(|of| channel.ends_with(of))
            {
                break told;
            }
        };
        assert_eq!(told["type"], joined, "{scopes:?} {told}");
    }
}

/// What an operation for everybody needs more for, by what is asked of it.
#[tokio::test]
async fn what_is_others_takes_more() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    for (path, needed) in [
        ("/api/v1/shop/items?state=unlisted", "admin:shop:catalogue"),
        ("/api/v1/shop/orders?buyer=usr_1", "admin:shop:orders"),
    ] {
        let (_, without) = token(&root, &["shop:read"]).await;
        let (_, with) = token(&root, &["shop:read", needed]).await;
        for (token, status) in [(&ada.access, 403), (&without, 403), (&with, 200)] {
            let request = server.client.get(server.at(path)).bearer_auth(token);
            assert_eq!(request.send().await.unwrap().status(), status, "{path}");
        }
    }
    // What is a component's is no person's, whatever they may.
    let kind = json!({"title": "A lesson"});
    let path = "/api/v1/shop/kinds/lesson";
    let refused = root.request(Method::PUT, path).json(&kind).send().await;
    assert_eq!(refused.unwrap().status(), 403);
}
