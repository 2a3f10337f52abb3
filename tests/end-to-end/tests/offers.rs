//! What components offer is what the host keeps to: who may call what, from outside, through another
//! component, and later in somebody's name.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::{Method, StatusCode};
use sbd_contract::Scopes;
use sbd_features::{SqliteSwitches, Switches};
use sbd_manifest::{App, LoadOptions};
use sbd_registry::Registry;
use sbd_runtime::{Authenticated, Call, Class, Definition, DelegationError, Question, Runtime};
use sbd_tests::{Account, Application, Launch, PASSWORD, Server, assert_error, guest, json};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const GUARDED: &str = r#"
[application.tool.sbd]
auth = "auth"
rate_limit = { per_second = 100000, burst = 100000 }

{component:auth}

[[trigger.http]]
route = "/guarded/..."
component = "guarded"

[component.guarded]
source = "{guest:guarded}"
allowed_outbound_hosts = ["http://inner.spin.internal"]

[[trigger.http]]
route = { private = true }
component = "inner"

[component.inner]
source = "{guest:guarded}"
allowed_outbound_hosts = ["http://nobody.spin.internal"]
"#;

async fn start() -> Server {
    Launch::app(GUARDED).start().await
}

/// An administrator of the default tenant.
async fn root(server: &Server) -> Account {
    let password = format!("{PASSWORD}\n");
    let data = server.data().display().to_string();
    let args = ["admin", "create", "root@example.com", "--data-dir", &data];
    let made = sbd_tests::run(&args, &[], &password);
    assert!(made.success, "{}", made.stderr);
    Account::login(server, "root@example.com").await
}

#[tokio::test]
async fn permissions_are_kept_however_an_address_is_spelt() {
    let server = start().await;
    let (ada, root) = (Account::register(&server, "ada").await, root(&server).await);
    assert_eq!(server.get("/guarded/open").await.status(), 200);
    for path in [
        "/guarded/notes",
        "/guarded/%6eotes",
        "/guarded//notes",
        "/guarded/notes/",
    ] {
        assert_error(server.get(path).await, 401, "UNAUTHENTICATED").await;
    }
    let head = server.client.head(server.at("/guarded/notes")).send().await;
    assert_eq!(head.unwrap().status(), 401);
    assert_eq!(
        ada.get("/guarded/notes").send().await.unwrap().status(),
        200
    );

    let clear = |who: &Account| who.request(Method::DELETE, "/guarded/notes").send();
    let refused = assert_error(clear(&ada).await.unwrap(), 403, "FORBIDDEN").await;
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(said.contains("admin:guarded:clear"), "{said}");
    assert_eq!(clear(&root).await.unwrap().status(), 200);
    for path in [
        "/guarded/secrets/a",
        "/guarded/secrets/%61",
        "/guarded/x/../secrets/a",
    ] {
        let answer = ada.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    // What is not there is the component's to say.
    let nothing = ada.get("/guarded/nothing").send().await.unwrap();
    assert_error(nothing, 404, "NOT_FOUND").await;
}

#[tokio::test]
async fn a_component_that_calls_another_has_no_more_rights_than_who_asked_it() {
    let server = start().await;
    let (ada, root) = (Account::register(&server, "ada").await, root(&server).await);
    let clear = "/guarded/through?method=DELETE&path=/guarded/notes";
    assert_error(server.get(clear).await, 401, "UNAUTHENTICATED").await;
    let refused = ada.get(clear).send().await.unwrap();
    assert_error(refused, 403, "FORBIDDEN").await;
    assert_eq!(root.get(clear).send().await.unwrap().status(), 200);
    let read = "/guarded/through?method=GET&path=/guarded/notes";
    assert_eq!(ada.get(read).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_offered_says_what_it_needs_and_does() {
    let server = start().await;
    let api = json(server.get("/openapi.json").await, 200).await;
    let clear = &api["paths"]["/guarded/notes"]["delete"];
    assert_eq!(clear["x-sbd-permission"], "admin:guarded:clear");
    assert_eq!(
        api["paths"]["/guarded/open"]["get"].get("x-sbd-permission"),
        None
    );
}

fn misspelt() -> (TempDir, PathBuf) {
    let mut bytes = std::fs::read(guest("guarded")).unwrap();
    let (old, new) = (b"offer=good", b"offer=oops");
    let place = bytes.windows(old.len()).position(|part| part == old);
    let place = place.unwrap();
    bytes[place..place + new.len()].copy_from_slice(new);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guarded.wasm");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_wrong_offer_is_refused_and_what_was_served_stays() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let (_folder, wrong) = misspelt();
    let wrong = wrong.display().to_string();
    let said = server.refused(&["component", "deploy", "guarded", &wrong]);
    assert!(
        said.contains("DELETE /guarded/notes has `x-sbd-permision`"),
        "{said}"
    );
    let clear = ada.request(Method::DELETE, "/guarded/notes").send().await;
    assert_error(clear.unwrap(), 403, "FORBIDDEN").await;

    // Nor does a server start with it: nobody's permissions are left out in silence.
    let manifest = GUARDED.replace("{guest:guarded}", &wrong);
    let app = Application::new(&manifest);
    let checked = sbd_tests::run(
        &["check", "--app", &app.manifest().display().to_string()],
        &[],
        "",
    );
    assert!(!checked.success);
    assert!(
        checked.stderr.contains("x-sbd-permision"),
        "{}",
        checked.stderr
    );
}

/// The auth component alone, in a runtime of this process.
async fn auth() -> (Runtime, TempDir, Application) {
    let application = Application::new("[application.tool.sbd]\nauth = \"auth\"\n{component:auth}");
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path()).await.unwrap();
    let switches = SqliteSwitches::open(registry.database().clone()).await;
    let models = sbd_inference::Models::open(registry.database().clone(), Vec::new()).await;
    let settings = sbd_runtime::Settings {
        data_dir: folder.path().to_owned(),
        storage: Default::default(),
        vectors: Default::default(),
        passwords: Default::default(),
        mail: Default::default(),
        models: Arc::new(models.unwrap()),
        keys: Default::default(),
        switches: Switches::open(switches.unwrap()).await.unwrap(),
        publishing: Arc::new(()),
        enqueuing: Arc::new(()),
        tenant_idle: Duration::from_secs(3600),
        resolver: None,
    };
    let app = App::load(&application.manifest(), &LoadOptions::default());
    let definition = Definition {
        app: Arc::new(app.unwrap().app),
        read_source: Box::new(|source| std::fs::read(source)),
        variables: HashMap::new(),
    };
    let runtime = Runtime::start(definition, settings).await.unwrap();
    (runtime, folder, application)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_outlives_its_request_and_holds_what_its_user_may_by_then() {
    let (runtime, _folder, _application) = auth().await;
    let application = runtime.application();
    let (tenant, request): (Arc<str>, Arc<str>) = ("default".into(), "req_1".into());
    let call = || Call {
        tenant: Arc::clone(&tenant),
        component: "auth".into(),
        request_id: Arc::clone(&request),
        class: Class::Authentication,
        principal: None,
    };
    let ask = async |path: &str, about: serde_json::Value| {
        let question = Question::post(path, &about).unwrap();
        let reply = application.ask(call(), question).await.unwrap();
        (
            reply.status,
            serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap_or_default(),
        )
    };
    let account = json!({"username": "ada", "email": "ada@example.com", "password": PASSWORD});
    let (status, ada) = ask("/api/v1/auth/register", account).await;
    assert_eq!(status, 201, "{ada}");
    let ada = sbd_contract::Principal::user("default", ada["id"].as_str().unwrap());

    let wanted = Scopes::new(["notes:read", "admin:notes:clear"]).unwrap();
    let kept = application.delegate(&ada, "agents", &wanted).unwrap();
    let agent: Authenticated = application.resume(&tenant, &request, &kept).await.unwrap();
    assert_eq!(
        (agent.user.clone(), agent.component.as_deref()),
        (ada.user.clone(), Some("agents"))
    );
    assert!(agent.scopes.allow("notes:read") && !agent.scopes.allow("notes:write"));
    assert!(
        !agent.scopes.allow("admin:notes:clear"),
        "nobody gives what they have not"
    );

    // Who acts by a delegation gives no more than that away.
    let wider = application
        .delegate(&agent, "others", &Scopes::everything())
        .unwrap();
    let other = application.resume(&tenant, &request, &wider).await.unwrap();
    assert!(other.scopes.allow("notes:read") && !other.scopes.allow("notes:write"));

    // An account that is gone may nothing any more, and neither may another tenant's.
    let ghost = sbd_contract::Principal::user("default", "usr_00000000000000000000000000000000");
    let kept_of_ghost = application.delegate(&ghost, "agents", &wanted).unwrap();
    let refused = application.resume(&tenant, &request, &kept_of_ghost).await;
    assert!(
        matches!(refused, Err(DelegationError::Revoked)),
        "{refused:?}"
    );
    let elsewhere = application.resume(&"other".into(), &request, &kept).await;
    assert!(
        matches!(elsewhere, Err(DelegationError::Seal(_))),
        "{elsewhere:?}"
    );
    let service = sbd_contract::Principal::service("default", "agents");
    let nobody = application.delegate(&service, "agents", &wanted);
    assert!(matches!(nobody, Err(DelegationError::NoUser)), "{nobody:?}");
}
