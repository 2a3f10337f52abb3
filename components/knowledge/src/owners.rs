//! Whose libraries somebody may read and write. What a family's or a workspace's members may is asked of `family` and
//! `workspace`, as the caller.

use crate::model::{Library, LibraryId, Writers};
use crate::store::LIBRARIES;
use axum::body::Body;
use axum::extract::Request;
use http::StatusCode;
use sbd_sdk::{Caller, Error, Result, cache, call, id, read_json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// How long it is taken for granted what somebody is in a group.
const REMEMBERED: Duration = Duration::from_secs(3);
/// Groups of each kind of a user that are looked at, at most.
const GROUPS: usize = 100;
/// Libraries that are searched at once, at most: as many values as one condition has.
pub(crate) const LIBRARIES_AT_ONCE: u32 = 1000;

/// The kinds of groups: what their ids begin with, the component that knows them, and where.
const KINDS: [(&str, &str, &str); 2] = [
    ("fam", "family", "families"),
    ("wsp", "workspace", "workspaces"),
];

/// What somebody is in a group, as its component answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Membership {
    id: String,
    role: String,
    /// What they may do in a workspace.
    #[serde(default)]
    permissions: Vec<String>,
    /// Whether a workspace is kept as it is.
    #[serde(default)]
    archived_at: Option<String>,
}

/// A page of what a component answers.
#[derive(Deserialize)]
struct Groups {
    items: Vec<Membership>,
}

/// What somebody may do with a library that they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum May {
    Read,
    /// Add, change and delete documents.
    Write,
    /// All of it, the library itself included.
    Govern,
}

/// A library that the caller may read. To everybody else it is not there.
pub(crate) async fn readable(caller: &Caller, id: &LibraryId) -> Result<(Library, May)> {
    let none = || Error::not_found("library");
    let library = LIBRARIES.get(id.as_str()).await?.ok_or_else(none)?;
    if library.deleted_at.is_some() {
        return Err(none());
    }
    let may = may(caller, &library).await?.ok_or_else(none)?;
    Ok((library, may))
}

/// A library in which the caller may add, change and delete documents.
pub(crate) async fn writable(caller: &Caller, id: &LibraryId) -> Result<Library> {
    match readable(caller, id).await? {
        (library, _) if library.notes_of.is_some() => Err(Error::conflict(
            "this library has notes, which come and go by themselves; upload into another one",
        )),
        (library, May::Write | May::Govern) => Ok(library),
        (_, May::Read) => Err(Error::forbidden(
            "you read in this library, and do not write; ask an administrator of the family or workspace for more",
        )),
    }
}

/// A library that the caller may change and delete.
pub(crate) async fn governed(caller: &Caller, id: &LibraryId) -> Result<Library> {
    match readable(caller, id).await? {
        (library, May::Govern) => Ok(library),
        _ => Err(Error::forbidden(
            "only administrators of the family or workspace change this library; ask one of them",
        )),
    }
}

/// Answers 404 unless the caller may have libraries of this owner's made: users their own, administrators a family's,
/// and a workspace's whoever writes in it.
pub(crate) async fn require_founder(caller: &Caller, owner: &str) -> Result<()> {
    if owner == &*caller.user {
        return Ok(());
    }
    let Some(kind) = kind(owner) else {
        let message = "your own id, or that of a family or a workspace you belong to";
        return Err(Error::validation("owner", message));
    };
    let membership = membership(caller, kind, owner).await?;
    let membership = membership.ok_or_else(|| Error::not_found(kind.1))?;
    let is_founder = match kind.0 {
        "fam" => membership.role == "admin",
        _ => membership.may_in_workspace(Writers::Members) >= May::Write,
    };
    match is_founder {
        true => Ok(()),
        false => Err(Error::forbidden(
            "administrators of a family make its libraries, and in a workspace those who write; ask one of them",
        )),
    }
}

/// The ids of those whose libraries the caller reads: the user's own, and those of the families and workspaces that
/// they belong to.
pub(crate) async fn of(caller: &Caller) -> Result<Vec<String>> {
    let mut owners = vec![caller.user.to_string()];
    for (_, component, path) in KINDS {
        let key = format!("{path}/{}", caller.user);
        let groups = match cache::get::<Vec<String>>(&key).await? {
            Some(groups) => groups,
            None => {
                let path = format!("/api/v1/{path}?per_page={GROUPS}");
                let groups: Option<Groups> = ask(component, &path).await?;
                let groups = groups.map_or_else(Vec::new, |groups| groups.items);
                let ids: Vec<_> = groups.into_iter().map(|one| one.id).collect();
                cache::set(&key, &ids, REMEMBERED).await?;
                ids
            }
        };
        owners.extend(groups);
    }
    Ok(owners)
}

/// The libraries that the caller may search, of those that are named, or all of them. One that is named and may not
/// be read is not there.
pub(crate) async fn searchable(caller: &Caller, named: &[LibraryId]) -> Result<Vec<Library>> {
    let owners = of(caller).await?;
    let mut filter = json!({"owner": {"$in": owners}, "deleted_at": null});
    if !named.is_empty() {
        filter["_id"] = json!({"$in": named});
    }
    let found = LIBRARIES
        .find(filter)
        .limit(LIBRARIES_AT_ONCE)
        .fetch()
        .await?;
    let libraries = found.documents;
    let is_there = |id: &LibraryId| libraries.iter().any(|library| library.id == *id);
    match named.iter().all(is_there) {
        true => Ok(libraries),
        false => Err(Error::not_found("library")),
    }
}

/// What the caller may do with a library, if they see it at all.
async fn may(caller: &Caller, library: &Library) -> Result<Option<May>> {
    if library.owner == *caller.user {
        return Ok(Some(May::Govern));
    }
    let Some(kind) = kind(&library.owner) else {
        return Ok(None);
    };
    let membership = membership(caller, kind, &library.owner).await?;
    let writers = library.settings.writers;
    Ok(membership.map(|membership| match kind.0 {
        "fam" => membership.may_in_family(writers),
        _ => membership.may_in_workspace(writers),
    }))
}

/// What kind of group has this id.
fn kind(owner: &str) -> Option<(&'static str, &'static str, &'static str)> {
    KINDS
        .into_iter()
        .find(|(prefix, _, _)| id::is(prefix, owner))
}

/// What the caller is in a group: asked of the component that knows.
async fn membership(
    caller: &Caller,
    (_, component, path): (&str, &str, &str),
    group: &str,
) -> Result<Option<Membership>> {
    let key = format!("membership/{}/{group}", caller.user);
    if let Some(membership) = cache::get::<Membership>(&key).await? {
        return Ok(Some(membership));
    }
    let membership: Option<Membership> = ask(component, &format!("/api/v1/{path}/{group}")).await?;
    if let Some(membership) = &membership {
        cache::set(&key, membership, REMEMBERED).await?;
    }
    Ok(membership)
}

/// Asks a component, as the caller; nothing where the caller does not belong, or there are no such groups here at all.
async fn ask<T: serde::de::DeserializeOwned>(component: &str, path: &str) -> Result<Option<T>> {
    let request = Request::get(path).body(Body::empty());
    let response = call(component, request.map_err(Error::internal)?).await?;
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
        _ => Ok(Some(read_json(response).await?)),
    }
}

// === impl Membership ===

impl Membership {
    fn may_in_family(&self, writers: Writers) -> May {
        match (self.role.as_str(), writers) {
            ("admin", _) => May::Govern,
            (_, Writers::Members) => May::Write,
            (_, Writers::Admins) => May::Read,
        }
    }

    /// What is archived is kept as it is.
    fn may_in_workspace(&self, writers: Writers) -> May {
        let has = |permission: &str| self.permissions.iter().any(|one| one == permission);
        match writers {
            _ if self.archived_at.is_some() || !has("write") => May::Read,
            _ if has("settings") => May::Govern,
            Writers::Members => May::Write,
            Writers::Admins => May::Read,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{
        DOCUMENTS, FAMILY, GARDEN, LIBRARIES, WORKSPACE, app, belongs, search, send, texts, works,
    };
    use sbd_sdk::Principal;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn what_is_a_familys_is_read_by_its_members_as_long_as_they_are() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        let new = json!({"name": "Ours", "owner": FAMILY});
        ada.post(LIBRARIES, new.clone())
            .assert_refused(404, "NOT_FOUND");
        belongs("usr_1", Some("admin"));
        belongs("usr_2", Some("member"));
        let library = ada.post(LIBRARIES, new.clone()).assert_status(201);
        let id = library.text("id");
        bob.post(LIBRARIES, new).assert_refused(403, "FORBIDDEN");
        // Members write, and only administrators govern.
        send(&bob, &format!("name=garden.md&library_id={id}"), GARDEN).assert_status(202);
        app.run_tasks();
        let path = format!("{LIBRARIES}/{id}");
        let decided = json!({"name": "Ours", "settings": {"writers": "admins"}});
        bob.put(&path, decided.clone())
            .assert_refused(403, "FORBIDDEN");
        bob.delete(&path).assert_refused(403, "FORBIDDEN");
        assert_eq!(
            texts(&search(&ada, json!({"query": "gate opens"}))).len(),
            1
        );
        ada.put(&path, decided).assert_status(200);
        let other = send(&bob, &format!("name=b.txt&library_id={id}"), "b");
        other.assert_refused(403, "FORBIDDEN");
        let document = bob.get(DOCUMENTS)["items"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        bob.delete(&format!("{DOCUMENTS}/{document}"))
            .assert_refused(403, "FORBIDDEN");
        // Whoever has left sees nothing, seconds later at the latest.
        belongs("usr_2", None);
        app.advance(super::REMEMBERED + Duration::from_millis(1));
        bob.get(&path).assert_refused(404, "NOT_FOUND");
        bob.get(&format!("{DOCUMENTS}/{document}"))
            .assert_refused(404, "NOT_FOUND");
        assert!(texts(&search(&bob, json!({"query": "gate opens"}))).is_empty());
    }

    #[test]
    fn in_a_workspace_those_write_who_may_and_all_find_it() {
        let app = app();
        let (ada, bob, eve) = (
            app.signed_in("usr_1"),
            app.signed_in("usr_2"),
            app.signed_in("usr_3"),
        );
        works("usr_1", Some(&["request", "settings", "write"]));
        works("usr_2", Some(&["write"]));
        works("usr_3", Some(&["request"]));
        let new = json!({"name": "Ours", "owner": WORKSPACE});
        eve.post(LIBRARIES, new.clone())
            .assert_refused(403, "FORBIDDEN");
        app.signed_in("usr_9")
            .post(LIBRARIES, new.clone())
            .assert_refused(404, "NOT_FOUND");
        let library = bob.post(LIBRARIES, new).assert_status(201);
        let id = library.text("id");
        let path = format!("{LIBRARIES}/{id}");
        let query = |name: &str| format!("name={name}&library_id={id}");
        send(&eve, &query("a.md"), GARDEN).assert_refused(403, "FORBIDDEN");
        send(&bob, &query("garden.md"), GARDEN).assert_status(202);
        app.run_tasks();
        bob.delete(&path).assert_refused(403, "FORBIDDEN");
        // Every member finds it, and searches it alone.
        let asked = json!({"query": "gate opens"});
        for by in [&ada, &bob, &eve] {
            assert_eq!(texts(&search(by, asked.clone())).len(), 1);
        }
        assert!(texts(&search(&app.signed_in("usr_9"), asked.clone())).is_empty());
        assert_eq!(
            eve.get(&format!("{LIBRARIES}?owner={WORKSPACE}"))["total"],
            1
        );
        // The permission is felt, seconds later at the latest.
        works("usr_2", Some(&["request"]));
        app.advance(super::REMEMBERED + Duration::from_millis(1));
        send(&bob, &query("b.md"), GARDEN).assert_refused(403, "FORBIDDEN");
        works("usr_3", None);
        app.advance(super::REMEMBERED + Duration::from_millis(1));
        eve.get(&path).assert_refused(404, "NOT_FOUND");
        assert!(texts(&search(&eve, asked)).is_empty());
        let host = app.by(Principal::service("test", "knowledge"));
        let gone = json!({"workspace_id": WORKSPACE, "deleted_by": "usr_1"});
        host.event("workspace.deleted", gone).assert_status(204);
        ada.get(&path).assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn what_is_nobodys_is_refused() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for owner in ["usr_2", "", "x", "doc_019a2f3c8b7e7c2d9f00112233445566"] {
            let new = json!({"name": "Mine", "owner": owner});
            let refused = ada
                .post(LIBRARIES, new)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "owner");
        }
    }

    #[test]
    fn the_libraries_of_a_family_go_with_it() {
        let app = app();
        belongs("usr_1", Some("admin"));
        let ada = app.signed_in("usr_1");
        let new = json!({"name": "Ours", "owner": FAMILY});
        let library = ada.post(LIBRARIES, new).assert_status(201);
        let id = library.text("id");
        send(&ada, &format!("name=garden.md&library_id={id}"), GARDEN).assert_status(202);
        app.run_tasks();
        let host = app.by(Principal::service("test", "knowledge"));
        let gone = json!({"family_id": FAMILY, "deleted_by": "usr_1"});
        host.event("family.deleted", gone).assert_status(204);
        assert_eq!(ada.get(LIBRARIES)["total"], 0);
        app.run_tasks();
        assert_eq!((app.blobs().len(), crate::tests::passages(&app)), (0, 0));
    }

    #[test]
    fn libraries_and_threads_of_a_user_go_with_the_account() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        for by in [&ada, &bob] {
            crate::tests::upload(&app, by, "garden.md", GARDEN);
            let thread = by.post("/api/v1/threads", json!({})).assert_status(201);
            let ask =
                json!({"question": "When does the gate open?", "thread_id": thread.text("id")});
            by.post("/api/v1/ask", ask).assert_status(200);
        }
        let blobs = app.blobs().len();
        let host = app.by(Principal::service("test", "knowledge"));
        for _ in 0..2 {
            let gone = json!({"user_id": "usr_1"});
            host.event("account.deleted", gone).assert_status(204);
            app.run_tasks();
        }
        for (by, left) in [(&ada, 0), (&bob, 1)] {
            assert_eq!(by.get(LIBRARIES)["total"], left);
            assert_eq!(by.get("/api/v1/threads")["total"], left);
        }
        let messages = app.run(crate::store::MESSAGES.count(json!({}))).unwrap();
        assert_eq!((app.blobs().len() * 2, messages), (blobs, 2));
    }
}
