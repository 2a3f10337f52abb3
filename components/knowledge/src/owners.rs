//! Whose libraries somebody may read and write. What a family's members may is asked of `family`, as the caller.

use crate::model::{Library, LibraryId, Writers};
use crate::store::LIBRARIES;
use axum::body::Body;
use axum::extract::Request;
use http::StatusCode;
use sbd_sdk::{Caller, Error, Result, cache, call, id, read_json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// How long it is taken for granted what somebody is in a family.
const REMEMBERED: Duration = Duration::from_secs(3);
/// Families of a user that are looked at, at most.
const FAMILIES: usize = 100;
/// Libraries that are searched at once, at most: as many values as one condition has.
pub(crate) const LIBRARIES_AT_ONCE: u32 = 1000;

/// What somebody is in a family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Membership {
    #[serde(rename = "id")]
    family: String,
    role: String,
}

/// A page of what `family` answers.
#[derive(Deserialize)]
struct Families {
    items: Vec<Membership>,
}

/// What somebody may do with a library that they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
            "only administrators of the family write in this library; ask one of them",
        )),
    }
}

/// A library that the caller may change and delete.
pub(crate) async fn governed(caller: &Caller, id: &LibraryId) -> Result<Library> {
    match readable(caller, id).await? {
        (library, May::Govern) => Ok(library),
        _ => Err(Error::forbidden(
            "only administrators of the family change this library; ask one of them",
        )),
    }
}

/// Answers 404 unless the caller may have libraries of this owner's made: users their own, administrators a family's.
pub(crate) async fn require_founder(caller: &Caller, owner: &str) -> Result<()> {
    if owner == &*caller.user {
        return Ok(());
    }
    if !id::is("fam", owner) {
        let message = "your own id, or that of a family you belong to";
        return Err(Error::validation("owner", message));
    }
    match role(caller, owner).await?.as_deref() {
        Some("admin") => Ok(()),
        Some(_) => Err(Error::forbidden(
            "only administrators of the family make libraries of it; ask one of them",
        )),
        None => Err(Error::not_found("family")),
    }
}

/// The ids of those whose libraries the caller reads: the user's own, and those of the families they belong to.
pub(crate) async fn of(caller: &Caller) -> Result<Vec<String>> {
    let key = format!("families/{}", caller.user);
    let families = match cache::get::<Vec<String>>(&key).await? {
        Some(families) => families,
        None => {
            let path = format!("/api/v1/families?per_page={FAMILIES}");
            let families: Families = match ask(&path).await? {
                Some(families) => families,
                None => Families { items: Vec::new() },
            };
            let ids: Vec<_> = families.items.into_iter().map(|one| one.family).collect();
            cache::set(&key, &ids, REMEMBERED).await?;
            ids
        }
    };
    Ok([caller.user.to_string()]
        .into_iter()
        .chain(families)
        .collect())
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
    if !id::is("fam", &library.owner) {
        return Ok(None);
    }
    let role = role(caller, &library.owner).await?;
    Ok(
        role.map(|role| match (role.as_str(), library.settings.writers) {
            ("admin", _) => May::Govern,
            (_, Writers::Members) => May::Write,
            (_, Writers::Admins) => May::Read,
        }),
    )
}

/// What the caller is in a family: asked of `family`, which knows.
async fn role(caller: &Caller, family: &str) -> Result<Option<String>> {
    let key = format!("role/{}/{family}", caller.user);
    if let Some(role) = cache::get::<String>(&key).await? {
        return Ok(Some(role));
    }
    let membership: Option<Membership> = ask(&format!("/api/v1/families/{family}")).await?;
    let Some(membership) = membership else {
        return Ok(None);
    };
    cache::set(&key, &membership.role, REMEMBERED).await?;
    Ok(Some(membership.role))
}

/// Asks `family`, as the caller; nothing where the caller does not belong, or there are no families here at all.
async fn ask<T: serde::de::DeserializeOwned>(path: &str) -> Result<Option<T>> {
    let request = Request::get(path).body(Body::empty());
    let response = call("family", request.map_err(Error::internal)?).await?;
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Ok(None),
        _ => Ok(Some(read_json(response).await?)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{DOCUMENTS, FAMILY, GARDEN, LIBRARIES, app, belongs, search, send, texts};
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
    fn what_is_nobodys_is_refused() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for owner in ["usr_2", "", "x", "wsp_019a2f3c8b7e7c2d9f00112233445566"] {
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
}
