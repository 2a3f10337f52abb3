//! Tenants come and go, and share nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use reqwest::{Client, Response};
use sbd_tests::{Account, Launch, PASSWORD, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Signs a user up and in, by a client that names their tenant; the token.
async fn signed_in(server: &Server, client: &Client, name: &str) -> String {
    let new =
        json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
    let register = client.post(server.at("/api/v1/auth/register")).json(&new);
    json(register.send().await.unwrap(), 201).await;
    let who = json!({"identifier": name, "password": PASSWORD});
    let login = client.post(server.at("/api/v1/auth/login")).json(&who);
    let tokens = json(login.send().await.unwrap(), 200).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

async fn families(server: &Server, client: &Client, token: &str) -> Response {
    let read = client.get(server.at("/api/v1/families")).bearer_auth(token);
    read.send().await.unwrap()
}

/// Names of the files under the data directory that mention a tenant.
fn files_of(folder: &Path, tenant: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_of(&path, tenant));
        } else if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(tenant)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn new_keys_leave_what_was_made_with_the_old_ones() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let old = signed_in(&server, &acme, "ada").await;
    let keys = async || {
        let keys = acme.get(server.at("/.well-known/jwks.json")).send().await;
        let keys = json(keys.unwrap(), 200).await;
        keys["keys"].as_array().unwrap().len()
    };
    assert_eq!(keys().await, 1);
    server.done(&["tenant", "rotate-keys", "acme"]);
    assert_eq!(keys().await, 2);
    let new = signed_in(&server, &acme, "bob").await;
    for token in [&old, &new] {
        let header = |token: &str| token.split('.').next().unwrap().to_owned();
        assert_ne!(header(&old), header(&new), "they name their keys");
        assert_eq!(families(&server, &acme, token).await.status(), 200);
    }
    assert!(
        server
            .refused(&["tenant", "rotate-keys", "nobody"])
            .contains("nobody")
    );
    assert!(server.done(&["audit"]).contains("tenant.rotate_keys"));
}

#[tokio::test]
async fn tenants_share_nothing() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    server.done(&["tenant", "create", "beta", "--title", "Beta & Co"]);
    let (acme, beta) = (server.as_tenant("acme"), server.as_tenant("beta"));
    // The same user name in both is two users.
    let ada = signed_in(&server, &acme, "ada").await;
    let other = signed_in(&server, &beta, "ada").await;
    let create = acme.post(server.at("/api/v1/families")).bearer_auth(&ada);
    let created = create
        .json(&json!({"name": "Lovelace"}))
        .send()
        .await
        .unwrap();
    let id = json(created, 201).await["id"].as_str().unwrap().to_owned();
    assert_eq!(
        json(families(&server, &acme, &ada).await, 200).await["total"],
        1
    );
    assert_eq!(
        json(families(&server, &beta, &other).await, 200).await["total"],
        0
    );
    let path = server.at(&format!("/api/v1/families/{id}"));
    let theirs = beta.get(path).bearer_auth(&other).send().await.unwrap();
    assert_error(theirs, 404, "NOT_FOUND").await;
    // A token is good in its own tenant only.
    assert_error(families(&server, &beta, &ada).await, 401, "TOKEN_INVALID").await;
    assert_error(
        families(&server, &server.client, &ada).await,
        401,
        "TOKEN_INVALID",
    )
    .await;
    // Logs and metrics tell them apart.
    let metrics = server.metrics().await;
    assert!(metrics.contains("tenant=\"acme\"") && metrics.contains("tenant=\"beta\""));
}

#[tokio::test]
async fn every_capability_keeps_tenants_apart() {
    let thief = std::fs::read_to_string("../hostile/tenant-thief/spin.toml").unwrap();
    let leak = std::fs::read_to_string("../hostile/reuse-leak/spin.toml").unwrap();
    let server = Launch::app(&format!("{thief}{leak}")).start().await;
    server.done(&["tenant", "create", "acme"]);
    server.done(&["tenant", "create", "beta"]);
    let (acme, beta) = (server.as_tenant("acme"), server.as_tenant("beta"));
    let read = async |client: &Client, path: &str| {
        json(client.get(server.at(path)).send().await.unwrap(), 200).await
    };
    let written = read(&acme, "/tenant-thief/write?value=acmes").await;
    let nothing = json!({"documents": null, "keyvalue": null, "cache": null});
    assert_eq!(read(&beta, "/tenant-thief/read").await, nothing);
    assert_eq!(read(&server.client, "/tenant-thief/read").await, nothing);
    let token = written["token"].as_str().unwrap();
    let verdict = read(&beta, &format!("/tenant-thief/verify?token={token}")).await;
    assert_eq!(verdict["verdict"], "Forged", "a token of another tenant");
    read(&beta, "/tenant-thief/write?value=betas").await;
    assert_eq!(
        read(&acme, "/tenant-thief/read").await["documents"]["value"],
        "acmes"
    );

    // A guest that remembers what it was told never tells another tenant.
    for round in 0..40 {
        for (client, name) in [(&acme, "acme"), (&beta, "beta")] {
            let said = read(client, &format!("/reuse-leak/run?secret={round}")).await;
            let own = format!("{name}: ");
            let seen = said["before"].as_array().unwrap();
            assert!(
                seen.iter()
                    .all(|seen| seen.as_str().unwrap().starts_with(&own)),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn a_caller_of_one_tenant_is_nobody_in_another() {
    let forger = std::fs::read_to_string("../hostile/forged-caller/spin.toml").unwrap();
    let app = include_str!("apps/guests.toml").replace("[component.probe2]", "[component.victim]");
    let app = app.replace("component = \"probe2\"", "component = \"victim\"");
    let server = Launch::app(&format!("{app}{forger}")).start().await;
    server.done(&["tenant", "create", "acme"]);
    server.done(&["tenant", "create", "beta"]);
    let (acme, beta) = (server.as_tenant("acme"), server.as_tenant("beta"));
    let ada = signed_in(&server, &acme, "ada").await;
    let shown = acme
        .get(server.at("/forged-caller/shown"))
        .bearer_auth(&ada);
    let stolen = shown.send().await.unwrap().text().await.unwrap();
    let replay = format!("/forged-caller/replayed?header={stolen}");
    let honest = acme.get(server.at(&replay)).send().await.unwrap();
    assert_eq!(
        json(honest, 200).await["status"],
        200,
        "within its tenant it is good"
    );
    let theft = beta.get(server.at(&replay)).send().await.unwrap();
    assert_eq!(
        json(theft, 200).await,
        json!({"refused": "ErrorCode::HttpRequestDenied"})
    );
    server.wait_for_log("belongs to another tenant").await;
}

#[tokio::test]
async fn a_tenant_is_chosen_by_host_then_header_then_default() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme", "--host", "Acme.Example.com"]);
    server.done(&["tenant", "create", "beta"]);
    let token = signed_in(&server, &server.as_tenant("acme"), "ada").await;
    let ask = |host: &str, tenant: Option<&str>| {
        let mut request = server.client.get(server.at("/api/v1/families"));
        request = request.header("host", host).bearer_auth(&token);
        if let Some(tenant) = tenant {
            request = request.header("x-sbd-tenant", tenant);
        }
        request.send()
    };
    for (host, tenant, status) in [
        ("acme.example.com", None, 200),
        ("ACME.example.com:4747", None, 200),
        ("acme.example.com.", None, 200),
        // The host name has the first word.
        ("acme.example.com", Some("beta"), 200),
        ("elsewhere.example.com", Some("acme"), 200),
        ("elsewhere.example.com", Some("beta"), 401),
        ("elsewhere.example.com", None, 401),
    ] {
        let answer = ask(host, tenant).await.unwrap();
        assert_eq!(answer.status(), status, "{host} {tenant:?}");
    }
    for name in ["nobody", "Acme", "../acme", "acme,beta", "", "acme "] {
        let answer = ask("elsewhere.example.com", Some(name)).await.unwrap();
        // A value is trimmed on its way, so the last one is a name.
        if name.trim() == "acme" {
            assert_eq!(answer.status(), 200);
        } else {
            assert_error(answer, 404, "UNKNOWN_TENANT").await;
        }
    }
    server.done(&["tenant", "change", "acme", "--no-hosts"]);
    assert_eq!(ask("acme.example.com", None).await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_suspended_tenant_is_not_served_and_loses_nothing() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let token = signed_in(&server, &acme, "ada").await;
    server.done(&["tenant", "suspend", "acme"]);
    let refused = families(&server, &acme, &token).await;
    assert_error(refused, 403, "TENANT_SUSPENDED").await;
    assert!(
        server
            .done(&["tenant", "show", "acme"])
            .contains("suspended")
    );
    assert_eq!(server.get("/").await.status(), 200, "others are served");
    // It lasts.
    let server = server.restart().await;
    let refused = families(&server, &acme, &token).await;
    assert_error(refused, 403, "TENANT_SUSPENDED").await;
    server.done(&["tenant", "resume", "acme"]);
    assert_eq!(families(&server, &acme, &token).await.status(), 200);
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    assert!(
        files_of(server.data(), "acme").is_empty(),
        "nothing before its first request"
    );
    let acme = server.as_tenant("acme");
    let token = signed_in(&server, &acme, "ada").await;
    assert!(
        files_of(server.data(), "acme").len() >= 2,
        "{:?}",
        files_of(server.data(), "acme")
    );
    assert!(
        server
            .refused(&["tenant", "delete", "acme"])
            .contains("--yes")
    );
    let said = server.done(&["tenant", "delete", "acme", "--yes"]);
    assert!(
        said.contains("tenants/acme.db") && said.contains("acme.json"),
        "{said}"
    );
    assert_eq!(files_of(server.data(), "acme"), Vec::<String>::new());
    let gone = families(&server, &acme, &token).await;
    assert_error(gone, 404, "UNKNOWN_TENANT").await;
    // The name is free, and whoever gets it gets nothing of the other.
    server.done(&["tenant", "create", "acme"]);
    assert_error(families(&server, &acme, &token).await, 401, "TOKEN_INVALID").await;
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_at_start() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    signed_in(&server, &server.as_tenant("acme"), "ada").await;
    let (launch, data_dir) = server.kill();
    // As a crash between the first step and the last leaves it.
    let host = sbd_storage::rusqlite::Connection::open(data_dir.path().join("host.db")).unwrap();
    let begun = "UPDATE tenants SET state = 'deleting' WHERE name = 'acme'";
    assert_eq!(host.execute(begun, []).unwrap(), 1);
    drop(host);
    let server = launch.start_in(data_dir).await;
    assert_eq!(files_of(server.data(), "acme"), Vec::<String>::new());
    assert!(
        server
            .refused(&["tenant", "show", "acme"])
            .contains("no tenant `acme`")
    );
}

#[tokio::test]
async fn idle_tenants_are_closed_and_open_again() {
    let server = Launch::default()
        .env("SBD_TENANT_IDLE", "200ms")
        .start()
        .await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let token = signed_in(&server, &acme, "ada").await;
    let admin = Account::administrator(&server).await;
    let open = async || admin.read("/health").await["components"]["tenants_open"].clone();
    assert_eq!(open().await, 2);
    // Instances leave after five to ten seconds, and the tenants with them, both at once perhaps: who is asked
    // for its health opens none.
    let mut tries = 0;
    while open().await != 0 {
        tries += 1;
        assert!(tries < 600, "never closed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        families(&server, &acme, &token).await.status(),
        200,
        "opened again"
    );
}

/// The probe, in instances that answer one request at a time.
fn cramped(instances: usize) -> Launch {
    Launch::app(&format!(
        r#"
[[trigger.http]]
route = "/probe/..."
component = "probe"

[component.probe]
source = "{{guest:probe}}"
allowed_outbound_hosts = ["http://nobody.spin.internal"]

[component.probe.tool.sbd.limits]
instances = {instances}
reuse_concurrent = 1
"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tenants_than_instances_are_served_one_after_the_other() {
    let server = cramped(3).start().await;
    for round in 0..2 {
        for tenant in 0..12 {
            let name = format!("tenant-{tenant}");
            if round == 0 {
                server.done(&["tenant", "create", &name]);
            }
            let client = server.as_tenant(&name);
            let asked = client.get(server.at("/probe/whoami")).send().await.unwrap();
            assert_eq!(json(asked, 200).await["tenant"], name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_slow_requests_keeps_nobody_out() {
    let server = cramped(8).start().await;
    for name in ["slow", "other"] {
        server.done(&["tenant", "create", name]);
    }
    let (slow, other) = (server.as_tenant("slow"), server.as_tenant("other"));
    let rest = || slow.get(server.at("/probe/sleep?ms=3000")).send();
    let resting = futures::future::join_all((0..8).map(|_| rest()));
    let asking = async {
        while server.metric("sbd_instances", "probe").await < 7.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for _ in 0..5 {
            let asked = other.get(server.at("/probe/whoami")).send().await.unwrap();
            assert_eq!(json(asked, 200).await["tenant"], "other");
        }
    };
    let (rested, ()) = tokio::join!(resting, asking);
    let rested = rested.into_iter().map(|rested| rested.unwrap().status());
    // The eighth finds no instance within the second that it waits.
    assert_eq!(rested.filter(|status| *status == 200).count(), 7);
}

#[tokio::test]
async fn the_admin_api_is_for_administrators() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let at = |path: &str| format!("{}/admin/api/v1{path}", server.admin_url);
    let anonymous = server.client.get(at("/tenants")).send().await.unwrap();
    assert_error(anonymous, 401, "UNAUTHENTICATED").await;
    let user = server.client.get(at("/tenants")).bearer_auth(&ada.access);
    assert_error(user.send().await.unwrap(), 403, "FORBIDDEN").await;
    // Not on the public listener at all.
    let public = root.get("/admin/api/v1/tenants").send().await.unwrap();
    assert_error(public, 404, "NOT_FOUND").await;

    let as_root = |request: reqwest::RequestBuilder| request.bearer_auth(&root.access).send();
    let new = json!({"name": "acme", "hosts": ["acme.example.com"]});
    let created = as_root(server.client.post(at("/tenants")).json(&new))
        .await
        .unwrap();
    assert_eq!(created.headers()["location"], "/admin/api/v1/tenants/acme");
    assert_eq!(json(created, 201).await["state"], "active");
    for (body, status, code) in [
        (json!({"name": "acme"}), 409, "TAKEN"),
        (
            json!({"name": "other", "hosts": ["acme.example.com"]}),
            409,
            "TAKEN",
        ),
        (json!({"name": "No Name"}), 422, "VALIDATION_ERROR"),
        (
            json!({"name": "x", "colour": "red"}),
            422,
            "VALIDATION_ERROR",
        ),
        (json!({}), 422, "VALIDATION_ERROR"),
    ] {
        let refused = as_root(server.client.post(at("/tenants")).json(&body))
            .await
            .unwrap();
        assert_error(refused, status, code).await;
    }
    let malformed = as_root(server.client.post(at("/tenants")).body("{"))
        .await
        .unwrap();
    assert_error(malformed, 400, "MALFORMED_REQUEST").await;
    let large = as_root(server.client.post(at("/tenants")).body(vec![b' '; 100_000]))
        .await
        .unwrap();
    assert_error(large, 413, "BODY_TOO_LARGE").await;
    for path in [
        "/tenants?page=0",
        "/tenants?per_page=100000",
        "/tenants?colour=red",
        "/audit?most=0",
    ] {
        let refused = as_root(server.client.get(at(path))).await.unwrap();
        assert_error(refused, 422, "VALIDATION_ERROR").await;
    }
    let unknown = as_root(server.client.get(at("/tenants/acmee")))
        .await
        .unwrap();
    let unknown = assert_error(unknown, 404, "UNKNOWN_TENANT").await;
    assert!(
        unknown["error"]["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `acme`")
    );
    let nowhere = as_root(server.client.get(at("/nowhere"))).await.unwrap();
    assert_error(nowhere, 404, "NOT_FOUND").await;
    let method = as_root(server.client.put(at("/tenants"))).await.unwrap();
    assert_error(method, 405, "METHOD_NOT_ALLOWED").await;
    let default = as_root(server.client.post(at("/tenants/default/suspend")))
        .await
        .unwrap();
    assert_error(default, 409, "CONFLICT").await;

    let list = json(
        as_root(server.client.get(at("/tenants?per_page=1&page=2")))
            .await
            .unwrap(),
        200,
    )
    .await;
    assert_eq!(
        (&list["total"], &list["items"][0]["name"]),
        (&json!(2), &json!("default"))
    );
    let api = json(
        as_root(server.client.get(at("/openapi.json")))
            .await
            .unwrap(),
        200,
    )
    .await;
    assert_eq!(api["openapi"], "3.1.0");
    assert!(
        api["paths"]["/admin/api/v1/tenants/{name}"]["delete"].is_object(),
        "{api}"
    );

    // Everything is accounted for, refusals too, and who asked.
    let account = json(
        as_root(server.client.get(at("/audit?target=acme")))
            .await
            .unwrap(),
        200,
    )
    .await;
    let outcomes: Vec<&Value> = account
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["outcome"])
        .collect();
    assert_eq!(outcomes.len(), 4, "{account}");
    assert!(outcomes[0].as_str().unwrap().starts_with("refused: "));
    assert_eq!(outcomes[2..], [&json!("done"), &json!("begun")]);
    assert_eq!(account[0]["actor"], format!("user:{}", root.id));
    assert!(!account.to_string().contains(PASSWORD));
    assert!(server.done(&["audit", "verify"]).contains("whole"));
    assert!(server.done(&["audit"]).contains("tenant.create"));
}

#[tokio::test]
async fn commands_work_beside_a_server_on_a_stopped_one_and_from_elsewhere() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let elsewhere = |args: &[&str], token: &str| {
        let mut all = args.to_vec();
        all.extend(["--admin", &server.admin_url]);
        run(&all, &[("SBD_ADMIN_TOKEN", token)], "")
    };
    let created = elsewhere(&["tenant", "create", "acme"], &root.access);
    assert!(created.success, "{}", created.stderr);
    assert!(
        created.stdout.contains("x-sbd-tenant: acme"),
        "{}",
        created.stdout
    );
    for (token, says) in [("", "SBD_ADMIN_TOKEN"), ("nonsense", "not valid")] {
        let refused = elsewhere(&["tenant", "list"], token);
        assert!(
            !refused.success && refused.stderr.contains(says),
            "{}",
            refused.stderr
        );
    }
    for (args, says) in [
        (&["tenant", "create", "Acme"][..], "no tenant's name"),
        (&["tenant", "create", "acme"], "already"),
        (
            &["tenant", "create", "b", "--host", "http://b"],
            "no host name",
        ),
        (&["tenant", "show", "acmee"], "did you mean `acme`?"),
        (&["tenant", "suspend", "default"], "can be neither"),
        (&["tenant", "delete", "default", "--yes"], "can be neither"),
        (&["tenant", "delete", "../x", "--yes"], "no tenant's name"),
        (&["tenant", "frobnicate"], "unrecognized"),
        (&["tenant", "create"], "required"),
    ] {
        let said = server.refused(args);
        assert!(said.contains(says), "{args:?}: {said}");
    }
    // Nothing runs: the command is the host.
    let (_, data_dir) = server.kill();
    let folder = data_dir.path().display().to_string();
    let alone = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--data-dir", &folder]);
        run(&all, &[], "")
    };
    assert!(alone(&["tenant", "create", "beta"]).success);
    let list = alone(&["tenant", "list"]).stdout;
    let names: Vec<&str> = list
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["acme", "beta", "default"]);
    assert!(alone(&["tenant", "delete", "acme", "--yes"]).success);
    assert!(alone(&["audit", "verify"]).success);
}

#[tokio::test]
async fn an_operator_needs_no_account() {
    let server = Server::start().await;
    let token = server.done(&["operator", "create", "backup", "--days", "30"]);
    let token = token.trim();
    assert!(token.starts_with("sbd_op_"), "{token}");
    let elsewhere = |token: &str, args: &[&str]| {
        let mut args = args.to_vec();
        args.extend(["--admin", &server.admin_url]);
        run(&args, &[("SBD_ADMIN_TOKEN", token)], "")
    };
    let made = elsewhere(token, &["tenant", "create", "acme"]);
    assert!(made.success, "{}", made.stderr);
    let audit = server.done(&["audit"]);
    assert!(
        audit.contains("operator backup") || audit.contains("operator:backup"),
        "{audit}"
    );
    // Nowhere but in the answer that made it.
    for place in [audit, server.log(), server.done(&["operator", "list"])] {
        assert!(!place.contains(token), "{place}");
    }
    assert!(
        server
            .refused(&["operator", "create", "backup"])
            .contains("backup")
    );
    assert!(
        server
            .refused(&["operator", "create", "No Name"])
            .contains("No Name")
    );
    assert!(
        server
            .refused(&["operator", "revoke", "bakcup"])
            .contains("backup")
    );
    let other = elsewhere("sbd_op_AAAA", &["tenant", "list"]);
    assert!(
        !other.success && other.stderr.contains("token"),
        "{}",
        other.stderr
    );
    // It is no user's token: the public listener knows nothing of it.
    let user = server
        .client
        .get(server.at("/api/v1/auth/me"))
        .bearer_auth(token);
    assert_eq!(user.send().await.unwrap().status(), 401);
    server.done(&["operator", "revoke", "backup"]);
    let revoked = elsewhere(token, &["tenant", "list"]);
    assert!(
        !revoked.success && revoked.stderr.contains("token"),
        "{}",
        revoked.stderr
    );
}

#[tokio::test]
async fn a_tenant_takes_everything_along() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme", "--title", "Acme & Co"]);
    server.done(&["feature", "set", "acme", "family", "on"]);
    let acme = server.as_tenant("acme");
    let ada = signed_in(&server, &acme, "ada").await;
    let other = signed_in(&server, &server.client, "bob").await;
    assert!(!other.is_empty());
    let new = json!({"name": "Lovelace \u{1f600}"});
    let create = acme
        .post(server.at("/api/v1/families"))
        .bearer_auth(&ada)
        .json(&new);
    json(create.send().await.unwrap(), 201).await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("acme.tar");
    let to = archive.display().to_string();
    let said = server.done(&["tenant", "export", "acme", "--to", &to]);
    assert!(said.contains(&to), "{said}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&archive).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(&archive).unwrap();
    let mut files = std::collections::BTreeMap::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        files.insert(path, text);
    }
    let lines = |path: &str| -> Vec<Value> {
        let lines = files[path].lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert!(files["README.txt"].contains("documents/COMPONENT"));
    let about: Value = serde_json::from_str(&files["tenant.json"]).unwrap();
    assert_eq!(about["title"], "Acme & Co");
    assert_eq!(about["features"], json!({"family": {"state": "on"}}));
    let users = lines("documents/auth/users.jsonl");
    assert_eq!(users.len(), 1, "{users:?}");
    assert!(
        users[0]["_id"].as_str().unwrap().starts_with("usr_"),
        "{users:?}"
    );
    let families = lines("documents/family/families.jsonl");
    assert_eq!(families[0]["name"], new["name"]);
    // What is another's is not in it, nor any key.
    assert!(
        !files
            .values()
            .any(|text| text.contains("bob") || text.contains("PRIVATE KEY"))
    );

    // What is there is not written over, what there is none of leaves no file.
    assert!(
        server
            .refused(&["tenant", "export", "acme", "--to", &to])
            .contains("cannot write")
    );
    assert_eq!(std::fs::read(&archive).unwrap(), bytes);
    let none = folder.path().join("none.tar");
    let to_none = none.display().to_string();
    assert!(
        server
            .refused(&["tenant", "export", "acmee", "--to", &to_none])
            .contains("acme")
    );
    assert!(!none.exists());
    let audit = server.done(&["audit"]);
    assert!(audit.contains("tenant.export"), "{audit}");
    // Suspended, and without a server, it is the same.
    server.done(&["tenant", "suspend", "acme"]);
    let (launch, data) = server.kill();
    let again = folder.path().join("again.tar").display().to_string();
    let data_dir = data.path().display().to_string();
    let output = run(
        &[
            "tenant",
            "export",
            "acme",
            "--to",
            &again,
            "--data-dir",
            &data_dir,
        ],
        &[],
        "",
    );
    assert!(output.success, "{}", output.stderr);
    assert!(std::fs::metadata(&again).unwrap().len() >= bytes.len() as u64 / 2);
    drop(launch);
}
