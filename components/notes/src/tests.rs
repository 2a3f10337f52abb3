//! The whole component, by its addresses, over a host in memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_sdk::Principal;
use sbd_sdk::testing::{App, Client, Reply, assert_constraints, assert_described};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Duration;

const NOTES: &str = "/api/v1/notes";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

thread_local! {
    /// Whether the workspace is archived.
    static ARCHIVED: Cell<bool> = const { Cell::new(false) };
}

fn family() -> String {
    format!("fam_{:032x}", 1)
}

fn workspace() -> String {
    format!("wsp_{:032x}", 1)
}

/// The component with its own manifest, in a tenant where usr_1 administers a family of which usr_2 is a member, and a
/// workspace in which usr_2 writes and usr_3 reads.
fn app() -> App {
    let app = App::new(super::component()).manifest(include_str!("../spin.toml"));
    app.on_call(|call| {
        assert_eq!(call.method.as_str(), "GET");
        let caller = call.headers.get(sbd_sdk::header::CALLER);
        let caller = caller.and_then(Principal::from_header);
        let user = caller.and_then(|caller| caller.user);
        if call.to == "workspace" {
            return in_workspace(&call.path, user.as_deref());
        }
        assert_eq!(call.to, "family");
        let role = match user.as_deref() {
            Some("usr_1") => "admin",
            Some("usr_2") => "member",
            _ => "none",
        };
        match call.path == format!("/api/v1/families/{}", family()) && role != "none" {
            true => (200, json!({"id": family(), "role": role})),
            false => (404, json!({"error": {}})),
        }
    });
    app
}

fn in_workspace(path: &str, user: Option<&str>) -> (u16, Value) {
    let permissions = match user {
        Some("usr_1") => json!(["request", "settings", "write"]),
        Some("usr_2") => json!(["write"]),
        Some("usr_3") => json!(["request"]),
        _ => Value::Null,
    };
    let archived_at = ARCHIVED
        .get()
        .then_some("2026-01-01T00:00:00Z")
        .map_or(Value::Null, Value::from);
    match path == format!("/api/v1/workspaces/{}", workspace()) && !permissions.is_null() {
        true => (
            200,
            json!({"permissions": permissions, "archived_at": archived_at}),
        ),
        false => (404, json!({"error": {}})),
    }
}

fn write(by: &Client<'_>, title: &str, body: &str) -> Reply {
    let note = json!({"title": title, "body": body});
    by.post(NOTES, note).assert_status(201)
}

fn address(note: &Reply) -> String {
    format!("{NOTES}/{}", note.text("id"))
}

fn envelope(nonce: char, ciphertext: char) -> Value {
    json!({
        "version": 1, "algorithm": "AES-GCM", "key_id": "k1",
        "nonce": nonce.to_string().repeat(16), "ciphertext": ciphertext.to_string().repeat(24),
    })
}

fn titles(page: &Reply) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["title"].as_str().unwrap_or("-"))
        .collect()
}

fn told(app: &App) -> Vec<(String, Value)> {
    let told = app.published().into_iter();
    told.map(|event| (event.kind, event.data)).collect()
}

#[test]
fn every_operation_is_described() {
    assert_described(super::component());
}

#[test]
fn every_constraint_is_kept() {
    assert_constraints(&app().signed_in("usr_1"));
}

#[test]
fn a_note_is_written_read_and_replaced() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let new =
        json!({"title": " Tea ", "body": "Black, with [[Milk]].", "tags": ["Kitchen", "kitchen"]});
    let note = ada.post(NOTES, new).assert_status(201);
    let path = address(&note);
    assert_eq!(note.header("location"), Some(path.as_str()));
    assert_eq!(note.header("etag"), Some("\"1\""));
    assert_eq!(
        (&note["title"], &note["tags"]),
        (&json!("Tea"), &json!(["kitchen"]))
    );
    assert_eq!(
        (&note["owner"], &note["family_id"]),
        (&json!("usr_1"), &Value::Null)
    );
    assert_eq!(ada.get(&path).assert_status(200).body(), note.body());
    let replaced = ada.with_header("if-match", "\"1\"");
    let replaced = replaced.put(&path, json!({"title": "Tea", "body": "Green."}));
    let replaced = replaced.assert_status(200);
    assert_eq!(
        (&replaced["body"], &replaced["version"]),
        (&json!("Green."), &json!(2))
    );
    assert_eq!(replaced["tags"], json!([]));
    // The same again is no change.
    let same = ada.put(&path, json!({"title": "Tea", "body": "Green."}));
    assert_eq!(same.assert_status(200)["version"], 2);
    let late = ada.with_header("if-match", "\"1\"");
    late.put(&path, json!({"title": "Tea"}))
        .assert_refused(412, "PRECONDITION_FAILED");
    for change in ["DELETE", "PUT"] {
        let path = if change == "PUT" {
            format!("{path}/pin")
        } else {
            path.clone()
        };
        let late = late.send(change.parse().unwrap(), &path, None);
        late.assert_refused(412, "PRECONDITION_FAILED");
    }
    let events = told(&app);
    let id = note.text("id");
    assert_eq!(
        events[0],
        (
            "note.changed".to_owned(),
            json!({"note_id": id, "version": 1})
        )
    );
    assert_eq!(
        events[1],
        (
            "note.changed".to_owned(),
            json!({"note_id": id, "version": 2})
        )
    );
    assert_eq!(events.len(), 2);
}

#[test]
fn bad_input_is_refused_at_every_address() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let path = address(&write(&ada, "Tea", ""));
    let unknown = format!("{NOTES}/not_{:032x}", 9);
    let good = json!({"title": "Tea", "body": "x"});
    let sealed = json!({"encrypted": envelope('A', 'A')});
    for (method, path, body, status, field) in [
        ("POST", NOTES, json!({}), 422, "title"),
        ("POST", NOTES, json!({"title": " "}), 422, "title"),
        ("POST", NOTES, json!({"title": "a\nb"}), 422, "title"),
        ("POST", NOTES, json!({"title": "a\u{202e}b"}), 422, "title"),
        (
            "POST",
            NOTES,
            json!({"title": "a", "body": "\u{0}"}),
            422,
            "body",
        ),
        ("POST", NOTES, json!({"title": "a", "body": 1}), 422, "body"),
        (
            "POST",
            NOTES,
            json!({"title": "a", "tags": ["ok", ""]}),
            422,
            "tags[1]",
        ),
        (
            "POST",
            NOTES,
            json!({"title": "a", "tags": vec!["x"; 21]}),
            422,
            "tags",
        ),
        (
            "POST",
            NOTES,
            json!({"title": "a", "tags": "x"}),
            422,
            "tags",
        ),
        (
            "POST",
            NOTES,
            json!({"title": "a", "family_id": "x"}),
            422,
            "family_id",
        ),
        (
            "POST",
            NOTES,
            json!({"title": "a", "encrypted": envelope('A', 'A')}),
            422,
            "encrypted",
        ),
        (
            "POST",
            NOTES,
            json!({"title": "a", "family_id": format!("fam_{:032x}", 2)}),
            404,
            "",
        ),
        (
            "PUT",
            &path,
            json!({"title": "a", "pinned": true}),
            422,
            "pinned",
        ),
        ("PUT", &path, json!({"body": "a"}), 422, "title"),
        ("PUT", &unknown, good.clone(), 404, ""),
        ("PUT", &format!("{NOTES}/x"), good, 404, ""),
        (
            "POST",
            &format!("{NOTES}/encrypted"),
            json!({"encrypted": envelope('A', 'A'), "title": "a"}),
            422,
            "title",
        ),
        (
            "POST",
            &format!("{NOTES}/encrypted"),
            json!({"encrypted": envelope('A', 'A'), "tags": []}),
            422,
            "tags",
        ),
        (
            "POST",
            &format!("{NOTES}/encrypted"),
            json!({"encrypted": null}),
            422,
            "encrypted",
        ),
        (
            "PUT",
            &format!("{path}/encrypted"),
            json!({"encrypted": envelope('=', 'A')}),
            422,
            "encrypted.nonce",
        ),
        (
            "PUT",
            &format!("{path}/encrypted"),
            json!({"encrypted": envelope('A', '!')}),
            422,
            "encrypted.ciphertext",
        ),
        (
            "PUT",
            &format!("{path}/encrypted"),
            json!({"encrypted": envelope('A', 'A'), "body": "a"}),
            422,
            "body",
        ),
        ("PUT", &format!("{unknown}/encrypted"), sealed, 404, ""),
        ("DELETE", &unknown, Value::Null, 404, ""),
        (
            "DELETE",
            &format!("{path}?forever=maybe"),
            Value::Null,
            422,
            "forever",
        ),
        (
            "DELETE",
            &format!("{path}?now=true"),
            Value::Null,
            422,
            "now",
        ),
        ("POST", &format!("{unknown}/restore"), Value::Null, 404, ""),
        ("PUT", &format!("{unknown}/pin"), Value::Null, 404, ""),
        ("DELETE", &format!("{unknown}/pin"), Value::Null, 404, ""),
        ("GET", &unknown, Value::Null, 404, ""),
        ("GET", &format!("{unknown}/text"), Value::Null, 404, ""),
        ("GET", &format!("{unknown}/backlinks"), Value::Null, 404, ""),
        (
            "GET",
            &format!("{path}/backlinks?sort=size"),
            Value::Null,
            422,
            "sort",
        ),
        ("GET", &format!("{unknown}/versions"), Value::Null, 404, ""),
        (
            "GET",
            &format!("{path}/versions?page=0"),
            Value::Null,
            422,
            "page",
        ),
        ("GET", &format!("{path}/versions/9"), Value::Null, 404, ""),
        ("GET", &format!("{path}/versions/x"), Value::Null, 404, ""),
        ("GET", &format!("{path}/versions/-1"), Value::Null, 404, ""),
        (
            "POST",
            &format!("{path}/versions/9/restore"),
            Value::Null,
            404,
            "",
        ),
        (
            "GET",
            &format!("{NOTES}?state=gone"),
            Value::Null,
            422,
            "state",
        ),
        ("GET", &format!("{NOTES}?tag="), Value::Null, 422, "tag"),
        (
            "GET",
            &format!("{NOTES}?title=%20"),
            Value::Null,
            422,
            "title",
        ),
        (
            "GET",
            &format!("{NOTES}?pinned=1"),
            Value::Null,
            422,
            "pinned",
        ),
        (
            "GET",
            &format!("{NOTES}?per_page=101"),
            Value::Null,
            422,
            "per_page",
        ),
        (
            "GET",
            &format!("{NOTES}?owner=usr_2"),
            Value::Null,
            422,
            "owner",
        ),
        (
            "GET",
            &format!("{NOTES}?family_id=x"),
            Value::Null,
            422,
            "family_id",
        ),
        (
            "GET",
            &format!("{NOTES}?family_id=fam_{:032x}", 2),
            Value::Null,
            404,
            "",
        ),
        ("GET", &format!("{NOTES}/tags?x=1"), Value::Null, 422, "x"),
        (
            "GET",
            &format!("{NOTES}/tags?family_id=fam_{:032x}", 2),
            Value::Null,
            404,
            "",
        ),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        let reply = ada.send(method.parse().unwrap(), path, body.clone());
        assert_eq!(
            reply.status(),
            status,
            "{method} {path} {body:?}: {}",
            reply.body()
        );
        if status == 422 {
            let details = reply["error"]["details"].as_array().unwrap();
            assert!(
                details.iter().any(|detail| detail["field"] == field),
                "{path}: {}",
                reply.body()
            );
        }
        // Whether it is there is not told to those who are not signed in.
        if status == 404 {
            let nobody = app.anonymous().send(method.parse().unwrap(), path, body);
            nobody.assert_refused(401, "UNAUTHENTICATED");
        }
    }
    // What is no JSON, or a field too many levels deep.
    let torn = ada.upload("POST", NOTES, "application/json", "{\"title\":");
    torn.assert_refused(400, "MALFORMED_REQUEST");
    let text = ada.upload("POST", NOTES, "text/markdown", "# Tea");
    text.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(ada.get(NOTES)["total"], 1);
}

#[test]
fn strangers_learn_nothing() {
    let app = app();
    let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
    let path = address(&write(&ada, "Secret", "[[Secret]]"));
    for (method, path, body) in [
        ("GET", path.clone(), Value::Null),
        ("GET", format!("{path}/text"), Value::Null),
        ("GET", format!("{path}/backlinks"), Value::Null),
        ("GET", format!("{path}/versions"), Value::Null),
        ("GET", format!("{path}/versions/1"), Value::Null),
        ("PUT", path.clone(), json!({"title": "Mine"})),
        (
            "PUT",
            format!("{path}/encrypted"),
            json!({"encrypted": envelope('A', 'A')}),
        ),
        ("PUT", format!("{path}/pin"), Value::Null),
        ("DELETE", format!("{path}/pin"), Value::Null),
        ("DELETE", path.clone(), Value::Null),
        ("DELETE", format!("{path}?forever=true"), Value::Null),
        ("POST", format!("{path}/restore"), Value::Null),
        ("POST", format!("{path}/versions/1/restore"), Value::Null),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        let reply = bob.send(method.parse().unwrap(), &path, body);
        reply.assert_refused(404, "NOT_FOUND");
    }
    assert_eq!(bob.get(NOTES)["total"], 0);
    assert_eq!(bob.get(&format!("{NOTES}/tags")).body(), &json!([]));
    // A title that only others have leads nowhere.
    let link = write(&bob, "Mine", "[[Secret]]");
    assert_eq!(link["links"][0]["state"], "missing");
    assert_eq!(ada.get(&path).assert_status(200)["version"], 1);
}

#[test]
fn members_of_a_family_share_its_notes() {
    let app = app();
    let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
    let eve = app.signed_in("usr_3");
    let new = |title: &str| json!({"title": title, "family_id": family(), "tags": ["home"]});
    let of_bob = bob.post(NOTES, new("Of Bob")).assert_status(201);
    let of_ada = ada.post(NOTES, new("Of Ada")).assert_status(201);
    eve.post(NOTES, new("Of Eve"))
        .assert_refused(404, "NOT_FOUND");
    let all = format!("{NOTES}?family_id={}&sort=title&order=asc", family());
    assert_eq!(titles(&bob.get(&all)), ["Of Ada", "Of Bob"]);
    assert_eq!(bob.get(NOTES)["total"], 0);
    eve.get(&all).assert_refused(404, "NOT_FOUND");
    eve.get(&address(&of_ada)).assert_refused(404, "NOT_FOUND");
    let changed = bob.put(&address(&of_ada), json!({"title": "Of both"}));
    let changed = changed.assert_status(200);
    assert_eq!(
        (&changed["owner"], &changed["updated_by"]),
        (&json!("usr_1"), &json!("usr_2"))
    );
    // Into the trash by any of them; for good by who wrote it, and by administrators.
    bob.delete(&address(&of_ada)).assert_status(204);
    let forever = |note: &Reply| format!("{}?forever=true", address(note));
    bob.delete(&forever(&of_ada))
        .assert_refused(403, "FORBIDDEN");
    bob.post(&format!("{}/restore", address(&of_ada)), Value::Null)
        .assert_status(200);
    ada.delete(&forever(&of_bob)).assert_status(204);
    let another = bob.post(NOTES, new("Another")).assert_status(201);
    bob.delete(&forever(&another)).assert_status(204);
    assert_eq!(titles(&ada.get(&all)), ["Of both"]);
    let tags = ada.get(&format!("{NOTES}/tags?family_id={}", family()));
    assert_eq!(tags.body(), &json!([]));
    // What a family has goes with it.
    let gone = json!({"family_id": family(), "deleted_by": "usr_1"});
    app.anonymous()
        .event("family.deleted", gone)
        .assert_status(204);
    assert_eq!(ada.get(&all)["total"], 0);
    assert_eq!(told(&app).last().unwrap().0, "note.deleted");
}

#[test]
fn what_a_user_has_goes_with_the_account() {
    let app = app();
    let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
    let shared = json!({"title": "Shared", "family_id": family()});
    for (by, new) in [
        (&ada, json!({"title": "Mine"})),
        (&ada, shared),
        (&bob, json!({"title": "Bob's"})),
    ] {
        by.post(NOTES, new).assert_status(201);
    }
    for _ in 0..2 {
        let gone = json!({"user_id": "usr_1"});
        app.anonymous()
            .event("account.deleted", gone)
            .assert_status(204);
    }
    assert_eq!(ada.get(NOTES)["total"], 0);
    assert_eq!(bob.get(NOTES)["total"], 1);
    let of_family = bob.get(&format!("{NOTES}?family_id={}", family()));
    assert_eq!(of_family["total"], 1);
}

#[test]
fn in_a_workspace_those_write_who_may() {
    let app = app();
    let (ada, bob, eve) = (
        app.signed_in("usr_1"),
        app.signed_in("usr_2"),
        app.signed_in("usr_3"),
    );
    let new = |title: &str| json!({"title": title, "workspace_id": workspace()});
    let of_bob = bob.post(NOTES, new("Of Bob")).assert_status(201);
    assert_eq!(
        (&of_bob["workspace_id"], &of_bob["family_id"]),
        (&json!(workspace()), &json!(null))
    );
    let path = address(&of_bob);
    // Whoever reads, reads.
    eve.post(NOTES, new("Of Eve"))
        .assert_refused(403, "FORBIDDEN");
    eve.get(&path).assert_status(200);
    eve.get(&format!("{path}/versions")).assert_status(200);
    let all = format!("{NOTES}?workspace_id={}", workspace());
    assert_eq!(titles(&eve.get(&all)), ["Of Bob"]);
    eve.put(&path, json!({"title": "Mine"}))
        .assert_refused(403, "FORBIDDEN");
    for path in [path.clone(), format!("{path}?forever=true")] {
        eve.delete(&path).assert_refused(403, "FORBIDDEN");
    }
    // Strangers see nothing, and nobody names two groups.
    let joe = app.signed_in("usr_4");
    joe.get(&path).assert_refused(404, "NOT_FOUND");
    joe.get(&all).assert_refused(404, "NOT_FOUND");
    joe.post(NOTES, new("x")).assert_refused(404, "NOT_FOUND");
    let both = json!({"title": "x", "workspace_id": workspace(), "family_id": family()});
    let refused = ada
        .post(NOTES, both)
        .assert_refused(422, "VALIDATION_ERROR");
    assert_eq!(refused["error"]["details"][0]["field"], "workspace_id");
    // What is archived is kept as it is.
    ARCHIVED.set(true);
    ada.put(&path, json!({"title": "Mine"}))
        .assert_refused(403, "FORBIDDEN");
    ada.get(&path).assert_status(200);
    ARCHIVED.set(false);
    // Those who change the workspace delete what others wrote.
    let of_ada = ada.post(NOTES, new("Of Ada")).assert_status(201);
    bob.delete(&format!("{}?forever=true", address(&of_ada)))
        .assert_refused(403, "FORBIDDEN");
    ada.delete(&format!("{path}?forever=true"))
        .assert_status(204);
    let gone = json!({"workspace_id": workspace(), "deleted_by": "usr_1"});
    app.anonymous()
        .event("workspace.deleted", gone)
        .assert_status(204);
    assert_eq!(ada.get(&all)["total"], 0);
}

#[test]
fn links_lead_to_what_has_the_title_now() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let milk = write(&ada, "Milk", "");
    let tea = write(&ada, "Tea", "[[MILK]], [[Sugar|sweet]], `[[Code]]`");
    let links = |path: &str| {
        let note = ada.get(path).assert_status(200);
        let links = note["links"].as_array().unwrap().clone().into_iter();
        links
            .map(|link| {
                let text = |field: &str| link[field].as_str().unwrap_or("-").to_owned();
                format!("{} {} {}", text("target"), text("title"), text("state"))
            })
            .collect::<Vec<_>>()
    };
    let tea = address(&tea);
    assert_eq!(links(&tea), ["MILK Milk present", "Sugar - missing"]);
    let back = |note: &Reply| {
        let page = ada.get(&format!("{}/backlinks", address(note)));
        titles(&page.assert_status(200)).join(" ")
    };
    assert_eq!(back(&milk), "Tea");
    // Renamed, it is still meant, until another has the title.
    ada.put(&address(&milk), json!({"title": "Oat milk"}))
        .assert_status(200);
    assert_eq!(links(&tea)[0], "MILK Oat milk present");
    assert_eq!(back(&milk), "Tea");
    let other = write(&ada, "milk", "");
    assert_eq!(links(&tea)[0], "MILK milk present");
    assert_eq!(
        (back(&milk), back(&other)),
        (String::new(), "Tea".to_owned())
    );
    // In the trash it makes room for the one that had the title; then there is nothing but the trash.
    ada.delete(&address(&other)).assert_status(204);
    assert_eq!(links(&tea)[0], "MILK Oat milk present");
    ada.delete(&address(&milk)).assert_status(204);
    assert_eq!(links(&tea)[0], "MILK milk trash");
    for note in [&milk, &other] {
        ada.delete(&format!("{}?forever=true", address(note)))
            .assert_status(204);
    }
    assert_eq!(links(&tea)[0], "MILK - missing");
    // By id, whatever it is called.
    let sugar = write(&ada, "Sugar", "");
    ada.put(
        &tea,
        json!({"title": "Tea", "body": format!("[[{}|x]]", sugar.text("id"))}),
    );
    ada.put(&address(&sugar), json!({"title": "Honey"}))
        .assert_status(200);
    assert!(
        links(&tea)[0].ends_with("Honey present"),
        "{:?}",
        links(&tea)
    );
    assert_eq!(back(&sugar), "Tea");
    // To itself it does not count.
    let own = write(&ada, "Own", "[[Own]]");
    assert_eq!(
        (links(&address(&own)).len(), back(&own)),
        (1, String::new())
    );
}

#[test]
fn versions_are_kept_listed_and_restored() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let path = address(&write(&ada, "One", "first"));
    ada.put(&format!("{path}/pin"), Value::Null)
        .assert_status(200);
    ada.put(
        &path,
        json!({"title": "Two", "body": "second", "tags": ["t"]}),
    )
    .assert_status(200);
    let versions = ada.get(&format!("{path}/versions")).assert_status(200);
    let numbers = |page: &Reply| -> Vec<u64> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["version"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers(&versions), [3, 1]);
    assert!(versions["items"][0].get("body").is_none());
    let first = ada.get(&format!("{path}/versions/1")).assert_status(200);
    assert_eq!(
        (&first["title"], &first["body"]),
        (&json!("One"), &json!("first"))
    );
    ada.get(&format!("{path}/versions/2"))
        .assert_refused(404, "NOT_FOUND");
    let restored = ada.post(&format!("{path}/versions/1/restore"), Value::Null);
    let restored = restored.assert_status(200);
    assert_eq!(
        (&restored["body"], &restored["version"]),
        (&json!("first"), &json!(4))
    );
    assert_eq!(restored["pinned"], true);
    for number in 0..60 {
        ada.put(&path, json!({"title": "More", "body": number.to_string()}))
            .assert_status(200);
    }
    let kept = ada.get(&format!("{path}/versions?per_page=100"));
    assert_eq!((kept["total"].as_u64(), numbers(&kept)[0]), (Some(50), 64));
    ada.get(&format!("{path}/versions/1"))
        .assert_refused(404, "NOT_FOUND");
    assert_eq!(
        app.run(crate::store::CONTENTS.count(json!({}))).unwrap(),
        50
    );
}

#[test]
fn the_trash_keeps_for_thirty_days() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let (old, new) = (write(&ada, "Old", ""), write(&ada, "New", ""));
    ada.delete(&address(&old)).assert_status(204);
    ada.delete(&address(&old)).assert_status(204);
    assert_eq!(titles(&ada.get(NOTES)), ["New"]);
    let trash = format!("{NOTES}?state=trash");
    assert_eq!(titles(&ada.get(&trash)), ["Old"]);
    let lying = ada.get(&address(&old)).assert_status(200);
    assert!(lying["trashed_at"].is_string());
    ada.get(&format!("{}/text", address(&old)))
        .assert_refused(404, "NOT_FOUND");
    for (method, path) in [
        ("PUT", ""),
        ("PUT", "/pin"),
        ("POST", "/versions/1/restore"),
    ] {
        let body = (path.is_empty()).then(|| json!({"title": "x"}));
        let path = format!("{}{path}", address(&old));
        let refused = ada.send(method.parse().unwrap(), &path, body);
        refused.assert_refused(409, "CONFLICT");
    }
    app.advance(29 * DAY);
    let restored = ada.post(&format!("{}/restore", address(&old)), Value::Null);
    assert_eq!(restored.assert_status(200)["trashed_at"], Value::Null);
    ada.delete(&address(&old)).assert_status(204);
    ada.delete(&address(&new)).assert_status(204);
    app.advance(29 * DAY);
    app.anonymous().tick("empty-trash").assert_status(200);
    assert_eq!(ada.get(&trash)["total"], 2);
    app.advance(2 * DAY);
    let told_before = told(&app).len();
    app.anonymous().tick("empty-trash").assert_status(200);
    assert_eq!(ada.get(&trash)["total"], 0);
    assert_eq!(app.run(crate::store::CONTENTS.count(json!({}))).unwrap(), 0);
    assert_eq!(app.run(crate::store::VERSIONS.count(json!({}))).unwrap(), 0);
    // What was in the trash could not be read before.
    assert_eq!(told(&app).len(), told_before);
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let app = app();
    let ada = app.signed_in("usr_1");
    for (title, tags) in [
        ("b", json!(["x"])),
        ("a", json!(["x", "y"])),
        ("ab", json!([])),
        ("c", json!(["y"])),
    ] {
        let note = json!({"title": title, "tags": tags, "body": "# Head\n\ntext"});
        ada.post(NOTES, note).assert_status(201);
        app.advance(Duration::from_secs(1));
    }
    let list = |query: &str| ada.get(&format!("{NOTES}?{query}")).assert_status(200);
    assert_eq!(titles(&list("")), ["c", "ab", "a", "b"]);
    assert_eq!(titles(&list("sort=title&order=asc")), ["a", "ab", "b", "c"]);
    assert_eq!(
        titles(&list("sort=created_at&order=asc&per_page=2&page=2")),
        ["ab", "c"]
    );
    assert_eq!(titles(&list("tag=X&sort=title&order=asc")), ["a", "b"]);
    assert_eq!(titles(&list("title=A&sort=title&order=asc")), ["a", "ab"]);
    assert_eq!(titles(&list("encrypted=true")), Vec::<&str>::new());
    let first = list("sort=title&order=asc&per_page=1");
    assert_eq!(first["items"][0]["excerpt"], "# Head text");
    assert!(first["items"][0].get("body").is_none());
    let b = list("title=b")["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ada.put(&format!("{NOTES}/{b}/pin"), Value::Null)
        .assert_status(200);
    assert_eq!(titles(&list("sort=title&order=asc")), ["b", "a", "ab", "c"]);
    assert_eq!(titles(&list("pinned=true")), ["b"]);
    ada.delete(&format!("{NOTES}/{b}/pin")).assert_status(200);
    assert_eq!(titles(&list("sort=title&order=asc")), ["a", "ab", "b", "c"]);
    let tags = ada.get(&format!("{NOTES}/tags"));
    assert_eq!(
        tags.body(),
        &json!([{"tag": "x", "notes": 2}, {"tag": "y", "notes": 2}])
    );
}

#[test]
fn what_is_encrypted_stays_so_and_is_not_told() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let sealed = |nonce: char, text: char| json!({"encrypted": envelope(nonce, text)});
    let note = ada
        .post(&format!("{NOTES}/encrypted"), sealed('A', 'A'))
        .assert_status(201);
    let path = address(&note);
    assert_eq!(note["encrypted"], envelope('A', 'A'));
    for field in ["title", "body"] {
        assert_eq!(note[field], Value::Null);
    }
    assert_eq!((&note["tags"], &note["links"]), (&json!([]), &json!([])));
    let listed = ada.get(&format!("{NOTES}?encrypted=true"));
    assert_eq!(
        (&listed["total"], &listed["items"][0]["excerpt"]),
        (&json!(1), &Value::Null)
    );
    ada.put(&path, json!({"title": "In clear"}))
        .assert_refused(409, "CONFLICT");
    ada.get(&format!("{path}/text"))
        .assert_refused(404, "NOT_FOUND");
    let repeated = ada.put(&format!("{path}/encrypted"), sealed('A', 'B'));
    assert_eq!(
        repeated.assert_status(422)["error"]["details"][0]["field"],
        "encrypted.nonce"
    );
    let replaced = ada.put(&format!("{path}/encrypted"), sealed('B', 'B'));
    assert_eq!(replaced.assert_status(200)["version"], 2);
    let first = ada.get(&format!("{path}/versions/1")).assert_status(200);
    assert_eq!(first["encrypted_content"], envelope('A', 'A'));
    ada.post(&format!("{path}/versions/1/restore"), Value::Null)
        .assert_status(200);
    ada.delete(&path).assert_status(204);
    assert_eq!(told(&app), []);
}

#[test]
fn what_is_encrypted_later_is_forgotten_in_clear() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let note = write(&ada, "Diary", "dear [[Diary]]");
    let path = address(&note);
    ada.put(&path, json!({"title": "Journal", "body": "dear"}))
        .assert_status(200);
    let sealed = json!({"encrypted": envelope('A', 'A')});
    ada.put(&format!("{path}/encrypted"), sealed)
        .assert_status(200);
    let versions = ada.get(&format!("{path}/versions"));
    assert_eq!(
        (&versions["total"], &versions["items"][0]["version"]),
        (&json!(1), &json!(3))
    );
    let id = json!({"note_id": note.text("id")});
    assert_eq!(told(&app).last().unwrap(), &("note.deleted".to_owned(), id));
    let link = write(&ada, "Other", "[[Diary]] [[Journal]]");
    assert_eq!(
        (&link["links"][0]["state"], &link["links"][1]["state"]),
        (&json!("missing"), &json!("missing"))
    );
}

#[test]
fn what_has_notes_found_reads_their_texts() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let note = ada.post(
        NOTES,
        json!({"title": "Tea", "body": "Black", "family_id": family()}),
    );
    let text = format!("{}/text", address(&note.assert_status(201)));
    let by = |principal: Principal| app.by(principal).get(&text);
    let read = by(Principal::service("test", "knowledge")).assert_status(200);
    assert_eq!(
        (&read["title"], &read["body"]),
        (&json!("Tea"), &json!("Black"))
    );
    assert_eq!(
        (&read["owner"], &read["family_id"]),
        (&json!("usr_1"), &json!(family()))
    );
    // Any other component for itself, and for a user what that user may.
    by(Principal::service("test", "other")).assert_refused(404, "NOT_FOUND");
    let via = by(Principal::service("test", "knowledge").called_via("other"));
    via.assert_refused(404, "NOT_FOUND");
    by(Principal::user("test", "usr_2").called_via("knowledge")).assert_status(200);
    by(Principal::user("test", "usr_3").called_via("knowledge")).assert_refused(404, "NOT_FOUND");
}

#[test]
fn a_space_has_no_more_notes_than_it_may() {
    let app = app();
    let ada = app.signed_in("usr_1");
    let first = write(&ada, "1", "");
    let stored = app
        .run(crate::store::NOTES.get(first.text("id")))
        .unwrap()
        .unwrap();
    let more = crate::model::MOST_NOTES - 1;
    for from in (0..more).step_by(1000) {
        let notes: Vec<_> = (from..more.min(from + 1000))
            .map(|_| {
                let mut note = stored.clone();
                note.id = crate::model::NoteId::new();
                note
            })
            .collect();
        app.run(crate::store::NOTES.insert_all(&notes)).unwrap();
    }
    ada.post(NOTES, json!({"title": "x"}))
        .assert_refused(409, "CONFLICT");
    app.signed_in("usr_2")
        .post(NOTES, json!({"title": "x"}))
        .assert_status(201);
}
