//! Labels on what is shared in a workspace: projects, folders, whatever its members sort by. A label lies on notes,
//! documents and libraries of the workspace, each once, and in another label, if that is said, but never in itself;
//! whoever writes there labels.
//!
//! What is shared belongs to other components. Before it is labelled they are asked whether it lies in this
//! workspace, as the caller; when it is deleted, its labels go.

use crate::commit::{active, busy, committed, counted, still_may, tries};
use crate::events::tell;
use crate::model::{Membership, Workspace, WorkspaceId};
use crate::permissions::Permission;
use crate::shared::{self, Kind};
use crate::store::{self, LABELLED, LABELS, MEMBERSHIPS, WORKSPACES};
use membership::text::{name_problem, prose_problem};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{ById, Caller, Error, Listing, Result, Sort, id, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

id!(pub(crate) LabelId, "lbl", "label");

/// How many labels a workspace has at most.
pub(crate) const MOST: u64 = 500;
/// On how much a label lies at most.
const MOST_ITEMS: u64 = 10_000;
/// Characters in a label's name, and in its description, at most.
pub(crate) const MAX_NAME: usize = 100;
pub(crate) const MAX_DESCRIPTION: usize = 500;

/// A label, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Label {
    #[serde(rename = "_id")]
    pub(crate) id: LabelId,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) name: String,
    pub(crate) name_key: String,
    pub(crate) description: Option<String>,
    /// The label in which it lies.
    #[serde(default)]
    pub(crate) parent: Option<LabelId>,
    pub(crate) items: u64,
    pub(crate) created_at: Time,
    pub(crate) version: u64,
}

/// That a label lies on something, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Labelled {
    /// The label's and the item's id, so that it lies there once.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) label_id: LabelId,
    pub(crate) item: String,
    pub(crate) kind: Kind,
    pub(crate) by: String,
    pub(crate) at: Time,
}

/// What a label is to be, checked.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    name: String,
    key: String,
    description: Option<String>,
    parent: Option<LabelId>,
}

/// What labels are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LabelSort {
    /// Their names, ignoring case.
    #[default]
    Name,
}

/// Which labels to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LabelFilter {
    /// Only those that lie on this: the id of a note, a document or a library.
    #[param(max_length = 64)]
    item: Option<String>,
    /// Only those that lie in this label.
    #[param(inline)]
    parent: Option<LabelId>,
}

impl Sort for LabelSort {
    const ITEMS: &'static str = "labels";

    fn field(self) -> &'static str {
        match self {
            Self::Name => "name_key",
        }
    }
}

/// A page of a workspace's labels.
pub(crate) async fn list(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    listing: &Listing<LabelSort, LabelFilter>,
) -> Result<Page<Label>> {
    store::membership(workspace_id, caller).await?;
    let mut filter = json!({"workspace_id": workspace_id});
    if let Some(item) = &listing.filter.item {
        let lying = json!({"workspace_id": workspace_id, "item": item});
        let lying = LABELLED.find(lying).limit(MOST as u32).fetch().await?;
        let ids: Vec<_> = lying
            .documents
            .into_iter()
            .map(|one| one.label_id)
            .collect();
        filter["_id"] = json!({"$in": ids});
    }
    if let Some(parent) = &listing.filter.parent {
        filter["parent"] = json!(parent);
    }
    LABELS.find(filter).page(listing).await
}

/// A page of what a label lies on.
pub(crate) async fn items(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &LabelId,
    listing: &Listing<ById>,
) -> Result<Page<Labelled>> {
    store::membership(workspace_id, caller).await?;
    existing(workspace_id, id).await?;
    LABELLED.find(json!({"label_id": id})).page(listing).await
}

/// Makes a label.
pub(crate) async fn create(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    draft: Draft,
) -> Result<Label> {
    for _ in tries() {
        let (workspace, own) = writer(workspace_id, caller).await?;
        let of_workspace = json!({"workspace_id": workspace_id});
        let count = LABELS.count(of_workspace.clone()).await?;
        if count >= MOST {
            let message = format!("the workspace has {MOST} labels, the most there may be");
            return Err(Error::conflict(message));
        }
        require_unnamed(workspace_id, &draft.key, None).await?;
        let still = lies_in(&workspace, None, draft.parent.as_ref()).await?;
        let label = Label {
            id: LabelId::new(),
            workspace_id: workspace_id.clone(),
            name: draft.name.clone(),
            name_key: draft.key.clone(),
            description: draft.description.clone(),
            parent: draft.parent.clone(),
            items: 0,
            created_at: time::now(),
            version: 1,
        };
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_may(&own, Permission::Write), 1)
            .check(&LABELS, of_workspace, count)
            .insert(&LABELS, &label);
        let change = counted(change, workspace_id, still, json!({}));
        let made = json!({"label_id": label.id, "by": caller.user});
        let change = tell(change, workspace_id, "workspace.label.made", made);
        if committed(change.commit().await)? {
            return Ok(label);
        }
    }
    Err(busy())
}

/// Has a label be called otherwise, or lie elsewhere.
pub(crate) async fn replace(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &LabelId,
    draft: Draft,
) -> Result<Label> {
    for _ in tries() {
        let (workspace, own) = writer(workspace_id, caller).await?;
        let label = existing(workspace_id, id).await?;
        require_unnamed(workspace_id, &draft.key, Some(id)).await?;
        let still = lies_in(&workspace, Some(id), draft.parent.as_ref()).await?;
        let after = Label {
            name: draft.name.clone(),
            name_key: draft.key.clone(),
            description: draft.description.clone(),
            parent: draft.parent.clone(),
            version: label.version + 1,
            ..label.clone()
        };
        let set = json!({
            "name": after.name, "name_key": after.name_key, "description": after.description,
            "parent": after.parent,
        });
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_may(&own, Permission::Write), 1)
            .update_one(
                &LABELS,
                json!({"_id": id, "version": label.version}),
                json!({"$set": set, "$inc": {"version": 1}}),
            );
        let change = counted(change, workspace_id, still, json!({}));
        let changed = json!({"label_id": id, "by": caller.user});
        let change = tell(change, workspace_id, "workspace.label.changed", changed);
        if committed(change.commit().await)? {
            return Ok(after);
        }
    }
    Err(busy())
}

/// Deletes a label; what it lay on stays, and what lay in it lies where it lay.
pub(crate) async fn delete(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &LabelId,
) -> Result<()> {
    for _ in tries() {
        let (workspace, own) = writer(workspace_id, caller).await?;
        let label = existing(workspace_id, id).await?;
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_may(&own, Permission::Write), 1)
            .delete_one(&LABELS, json!({"_id": id}))
            .update_many(
                &LABELS,
                json!({"workspace_id": workspace_id, "parent": id}),
                json!({"$set": {"parent": label.parent}}),
            )
            .delete_many(&LABELLED, json!({"label_id": id}));
        let change = counted(change, workspace_id, unmoved(&workspace), json!({}));
        let deleted = json!({"label_id": id, "by": caller.user});
        let change = tell(change, workspace_id, "workspace.label.deleted", deleted);
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Puts a label on something that is shared in the workspace. Nothing if it lies there.
pub(crate) async fn put_on(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &LabelId,
    item: &str,
) -> Result<Labelled> {
    writer(workspace_id, caller).await?;
    existing(workspace_id, id).await?;
    let kind = shared::require(workspace_id, item).await?;
    for _ in tries() {
        let (_, own) = writer(workspace_id, caller).await?;
        let label = existing(workspace_id, id).await?;
        if let Some(there) = LABELLED.get(&labelled_id(id, item)).await? {
            return Ok(there);
        }
        if label.items >= MOST_ITEMS {
            let message = format!("the label lies on {MOST_ITEMS} items, the most there may be");
            return Err(Error::conflict(message));
        }
        let labelled = Labelled {
            id: labelled_id(id, item),
            workspace_id: workspace_id.clone(),
            label_id: id.clone(),
            item: item.to_owned(),
            kind,
            by: caller.user.to_string(),
            at: time::now(),
        };
        let change = changed(&own, workspace_id)
            .update_one(&LABELS, json!({"_id": id}), json!({"$inc": {"items": 1}}))
            .insert(&LABELLED, &labelled);
        let put = json!({"label_id": id, "item": item, "by": caller.user});
        let change = tell(change, workspace_id, "workspace.label.put", put);
        if committed(change.commit().await)? {
            return Ok(labelled);
        }
    }
    Err(busy())
}

/// Takes a label off something. Nothing if it does not lie there.
pub(crate) async fn take_off(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &LabelId,
    item: &str,
) -> Result<()> {
    for _ in tries() {
        let (_, own) = writer(workspace_id, caller).await?;
        existing(workspace_id, id).await?;
        if LABELLED.get(&labelled_id(id, item)).await?.is_none() {
            return Ok(());
        }
        let change = off(changed(&own, workspace_id), id, item);
        let taken = json!({"label_id": id, "item": item, "by": caller.user});
        let change = tell(change, workspace_id, "workspace.label.taken", taken);
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Something is gone, and the labels that lay on it.
pub(crate) async fn item_gone(item: &str) -> Result<()> {
    let lying = json!({"item": item});
    // As many as one commit takes, until there are none.
    loop {
        let lying = LABELLED.find(lying.clone()).limit(40).fetch().await?;
        if lying.documents.is_empty() {
            return Ok(());
        }
        let change = lying
            .documents
            .iter()
            .fold(Transaction::new(), |change, one| {
                off(change, &one.label_id, &one.item)
            });
        if !committed(change.commit().await)? {
            return Err(busy());
        }
    }
}

fn off(change: Transaction, id: &LabelId, item: &str) -> Transaction {
    change
        .delete_one(&LABELLED, json!({"_id": labelled_id(id, item)}))
        .update_many(&LABELS, json!({"_id": id}), json!({"$inc": {"items": -1}}))
}

/// A change by somebody who may still, in a workspace that is still there; it is not one of the workspace itself.
fn changed(own: &Membership, workspace_id: &WorkspaceId) -> Transaction {
    let mut still = active();
    still["_id"] = json!(workspace_id);
    still["closing"] = Value::Null;
    Transaction::new()
        .check(&MEMBERSHIPS, still_may(own, Permission::Write), 1)
        .check(&WORKSPACES, still, 1)
}

async fn writer(workspace_id: &WorkspaceId, caller: &Caller) -> Result<(Workspace, Membership)> {
    let (workspace, own) = store::active(workspace_id, caller).await?;
    own.require(Permission::Write)?;
    Ok((workspace, own))
}

/// That a label can lie in this one, as what must hold of the workspace still. Answers 422 where it cannot: it is none
/// of the workspace, or lies in that label itself.
async fn lies_in(
    workspace: &Workspace,
    id: Option<&LabelId>,
    parent: Option<&LabelId>,
) -> Result<Value> {
    let Some(parent) = parent else {
        return Ok(active());
    };
    let all = LABELS.find(json!({"workspace_id": workspace.id}));
    let all = all.limit(MOST as u32).fetch().await?.documents;
    let parents: HashMap<_, _> = all
        .into_iter()
        .map(|label| (label.id, label.parent))
        .collect();
    let mut above = Some(parent);
    while let Some(one) = above {
        if Some(one) == id {
            let message = "a label that does not lie in this one";
            return Err(Error::validation("parent", message));
        }
        let known = parents.get(one);
        above = known
            .ok_or_else(|| Error::validation("parent", "a label of this workspace"))?
            .as_ref();
    }
    Ok(unmoved(workspace))
}

/// That no label was moved or deleted since, as each such change counts in the workspace.
fn unmoved(workspace: &Workspace) -> Value {
    let mut still = active();
    still["version"] = json!(workspace.version);
    still
}

async fn existing(workspace_id: &WorkspaceId, id: &LabelId) -> Result<Label> {
    let label = LABELS.get(id.as_str()).await?;
    let label = label.filter(|label| label.workspace_id == *workspace_id);
    label.ok_or_else(|| Error::not_found("label"))
}

async fn require_unnamed(
    workspace_id: &WorkspaceId,
    key: &str,
    own: Option<&LabelId>,
) -> Result<()> {
    let named = json!({"workspace_id": workspace_id, "name_key": key});
    match LABELS.find_one(named).await? {
        Some(label) if Some(&label.id) != own => Err(Error::conflict(
            "another label has this name; give it another one",
        )),
        _ => Ok(()),
    }
}

fn labelled_id(id: &LabelId, item: &str) -> String {
    format!("{id}/{item}")
}

// === impl Draft ===

impl Draft {
    pub(crate) fn check(
        name: &str,
        description: Option<&str>,
        parent: Option<LabelId>,
    ) -> Result<Self> {
        if let Some(problem) = name_problem(name, 1..=MAX_NAME) {
            return Err(Error::validation("name", problem));
        }
        if let Some(problem) = description.and_then(|text| prose_problem(text, MAX_DESCRIPTION)) {
            return Err(Error::validation("description", problem));
        }
        let description = description.map(str::trim).filter(|text| !text.is_empty());
        Ok(Self {
            name: name.trim().to_owned(),
            key: text::key(name),
            description: description.map(str::to_owned),
            parent,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, team};
    use sbd_sdk::Principal;
    use sbd_sdk::testing::{App, Reply};

    const NOTE: &str = "not_019a2f3c8b7e7c2d9f00112233445566";
    const OTHER_NOTE: &str = "not_019a2f3c8b7e7c2d9f00112233445567";
    const DOCUMENT: &str = "doc_019a2f3c8b7e7c2d9f00112233445566";
    const LIBRARY: &str = "lib_019a2f3c8b7e7c2d9f00112233445566";

    /// A note, and a document in a library, are shared in a workspace; another note is not.
    fn with_shared(app: App) -> (App, String) {
        let workspace = team(&app);
        let id = workspace.clone();
        app.on_call(move |call| match (&*call.to, &*call.path) {
            ("notes", path) if path.ends_with(NOTE) => {
                (200, json!({"id": NOTE, "workspace_id": id}))
            }
            ("notes", path) if path.ends_with(OTHER_NOTE) => {
                (200, json!({"id": OTHER_NOTE, "workspace_id": null}))
            }
            ("knowledge", path) if path.ends_with(DOCUMENT) => {
                (200, json!({"id": DOCUMENT, "library_id": LIBRARY}))
            }
            ("knowledge", path) if path.ends_with(LIBRARY) => {
                (200, json!({"id": LIBRARY, "owner": id}))
            }
            _ => (
                404,
                json!({"error": {"code": "NOT_FOUND", "message": "none"}}),
            ),
        });
        (app, workspace)
    }

    fn make(app: &App, by: &str, workspace: &str, name: &str) -> Reply {
        let path = format!("/api/v1/workspaces/{workspace}/labels");
        app.signed_in(by).post(&path, json!({"name": name}))
    }

    #[test]
    fn whoever_writes_labels_what_is_shared() {
        let (app, workspace) = with_shared(app());
        make(&app, "usr_4", &workspace, "Apollo").assert_refused(403, "FORBIDDEN");
        let made = make(&app, "usr_3", &workspace, "Apollo").assert_status(201);
        make(&app, "usr_1", &workspace, "APOLLO").assert_refused(409, "CONFLICT");
        let path = made.header("location").unwrap().to_owned();
        let eve = app.signed_in("usr_3");
        for item in [NOTE, DOCUMENT, LIBRARY, NOTE] {
            let put = eve.put(&format!("{path}/items/{item}"), json!({}));
            put.assert_status(200);
        }
        for (item, code, status) in [
            (OTHER_NOTE, "NOT_FOUND", 404),
            ("not_019a2f3c8b7e7c2d9f00112233445568", "NOT_FOUND", 404),
            ("usr_1", "NOT_FOUND", 404),
        ] {
            let put = eve.put(&format!("{path}/items/{item}"), json!({}));
            put.assert_refused(status, code);
        }
        let bob = app.signed_in("usr_4");
        let items = bob.get(&format!("{path}/items")).assert_status(200);
        assert_eq!(items["total"], 3);
        bob.delete(&format!("{path}/items/{NOTE}"))
            .assert_refused(403, "FORBIDDEN");
        let labels = |query: &str| {
            bob.get(&format!("/api/v1/workspaces/{workspace}/labels{query}"))
                .assert_status(200)
        };
        assert_eq!(labels("")["items"][0]["items"], 3);
        assert_eq!(labels(&format!("?item={DOCUMENT}"))["total"], 1);
        assert_eq!(labels(&format!("?item={OTHER_NOTE}"))["total"], 0);
        for _ in 0..2 {
            eve.delete(&format!("{path}/items/{DOCUMENT}"))
                .assert_status(204);
        }
        // What is deleted has no labels any more.
        let host = app.by(Principal::service("test", "workspace"));
        host.event("note.deleted", json!({"note_id": NOTE}))
            .assert_status(204);
        assert_eq!(labels("")["items"][0]["items"], 1);
        eve.put(&path, json!({"name": "Gemini", "description": "the next"}))
            .assert_status(200);
        assert_eq!(labels("")["items"][0]["name"], "Gemini");
        eve.delete(&path).assert_status(204);
        assert_eq!(labels("")["total"], 0);
        eve.delete(&path).assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn wrong_labels_are_refused() {
        let (app, workspace) = with_shared(app());
        for name in ["", " ", "a\u{202E}b", &"a".repeat(101)] {
            make(&app, "usr_1", &workspace, name).assert_refused(422, "VALIDATION_ERROR");
        }
        make(&app, "usr_9", &workspace, "x").assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn a_label_lies_in_another_one_and_never_in_itself() {
        let (app, workspace) = with_shared(app());
        let ada = app.signed_in("usr_1");
        let path = format!("/api/v1/workspaces/{workspace}/labels");
        let make = |name: &str, parent: Option<&str>| {
            let made = ada.post(&path, json!({"name": name, "parent": parent}));
            made.assert_status(201).text("id").to_owned()
        };
        let moved = |id: &str, name: &str, parent: Option<&str>| {
            let body = json!({"name": name, "parent": parent});
            ada.put(&format!("{path}/{id}"), body)
        };
        let top = make("Top", None);
        let middle = make("Middle", Some(&top));
        let low = make("Low", Some(&middle));
        let lying = |parent: &str| {
            let page = ada.get(&format!("{path}?parent={parent}"));
            let page = page.assert_status(200);
            let items = page["items"].as_array().unwrap().iter();
            let names = items.map(|label| label["name"].as_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(
            (lying(&top), lying(&middle)),
            (vec!["Middle".to_owned()], vec!["Low".to_owned()])
        );
        let other = crate::tests::workspace(&ada, "Other");
        let other = format!("/api/v1/workspaces/{}/labels", other.text("id"));
        let foreign = ada
            .post(&other, json!({"name": "Foreign"}))
            .assert_status(201);
        let never = "lbl_019a2f3c8b7e7c2d9f00112233445566";
        for parent in [&top, &middle, &low, foreign.text("id"), never, "x"] {
            let refused = moved(&top, "Top", Some(parent));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], "parent");
        }
        // What lay in a label that is deleted lies where that lay.
        ada.delete(&format!("{path}/{middle}")).assert_status(204);
        assert_eq!(lying(&top), ["Low"]);
        moved(&top, "Top", Some(&low)).assert_refused(422, "VALIDATION_ERROR");
        let seen = moved(&low, "Low", None).assert_status(200);
        assert_eq!(seen["parent"], json!(null));
        let seen = moved(&top, "Top", Some(&low)).assert_status(200);
        assert_eq!(seen["parent"], json!(low));
    }

    #[test]
    fn two_that_are_moved_at_once_do_not_lie_in_each_other() {
        let (app, workspace) = with_shared(app());
        let id: WorkspaceId = workspace.parse().unwrap();
        let [one, other] = ["One", "Other"].map(|name| {
            let made = make(&app, "usr_1", &workspace, name).assert_status(201);
            made.text("id").parse::<LabelId>().unwrap()
        });
        // As it was read before the other one was moved.
        let read = app.run(WORKSPACES.get(&workspace)).unwrap().unwrap();
        let still = app.run(lies_in(&read, Some(&one), Some(&other))).unwrap();
        let path = format!("/api/v1/workspaces/{workspace}/labels/{other}");
        app.signed_in("usr_1")
            .put(&path, json!({"name": "Other", "parent": one}))
            .assert_status(200);
        let late = counted(Transaction::new(), &id, still, json!({}));
        assert!(!committed(app.run(late.commit())).unwrap());
    }
}
