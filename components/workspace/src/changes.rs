//! Changing what a workspace is called.

use crate::commit::still_may;
use crate::events::tell;
use crate::model::{Draft, Membership, Workspace, WorkspaceId};
use crate::permissions::Permission;
use crate::store::{self, MEMBERSHIPS, WORKSPACES};
use sbd_sdk::documents::{DocumentsError, Transaction};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Error, Result, text, time};
use serde_json::json;

/// Replaces a workspace's texts, if it is still in the version that was read here.
pub(crate) async fn replace(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    draft: Draft,
    wanted: &Preconditions,
) -> Result<(Workspace, Membership)> {
    let (workspace, own) = store::active(workspace_id, caller).await?;
    own.require(Permission::Settings)?;
    wanted.require(workspace.version)?;
    let renamed = workspace.name != draft.name;
    let after = Workspace {
        name: draft.name,
        description: draft.description,
        updated_at: time::now(),
        version: workspace.version + 1,
        ..workspace.clone()
    };
    let change = json!({
        "$set": {"name": after.name, "description": after.description, "updated_at": after.updated_at},
        "$inc": {"version": 1},
    });
    let named = json!({"$set": {"workspace_name_key": text::key(&after.name)}});
    let change = Transaction::new()
        .update_one(&WORKSPACES, as_read(&workspace), change)
        .check(&MEMBERSHIPS, still_may(&own, Permission::Settings), 1)
        .update_many(&MEMBERSHIPS, json!({"workspace_id": workspace.id}), named);
    let by = json!({"changed_by": caller.user});
    let change = match renamed {
        true => tell(change, workspace_id, "workspace.renamed", by),
        false => tell(change, workspace_id, "workspace.described", by),
    };
    change
        .commit()
        .await
        .map_err(|error| overtaken(error, wanted))?;
    Ok((after, own))
}

/// A workspace in the version that was read, which is not being deleted.
pub(crate) fn as_read(workspace: &Workspace) -> serde_json::Value {
    json!({"_id": workspace.id, "version": workspace.version, "closing": null})
}

/// What to say when another change came between reading and writing.
pub(crate) fn overtaken(error: DocumentsError, wanted: &Preconditions) -> Error {
    match error {
        DocumentsError::PreconditionFailed(_) if wanted.has_if_match() => {
            Error::precondition_failed()
        }
        DocumentsError::PreconditionFailed(_) => Error::conflict(
            "somebody else changed the workspace at the same moment; read it again and repeat the change",
        ),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{app, team};
    use serde_json::json;

    #[test]
    fn a_change_is_of_the_version_that_was_read_and_found_by_its_new_name() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/workspaces/{}", team(&app));
        let read = ada.get(&address).assert_status(200);
        let first = ada.with_header("if-match", read.header("etag").unwrap_or_default());
        let changed = first
            .put(&address, json!({"name": "Omega"}))
            .assert_status(200);
        assert_eq!(changed["name"], "Omega");
        first
            .put(&address, json!({"name": "Alpha"}))
            .assert_refused(412, "PRECONDITION_FAILED");
        for user in ["usr_1", "usr_4"] {
            let found = app.signed_in(user).get("/api/v1/workspaces?name=om");
            assert_eq!(found.assert_status(200)["total"], 1);
        }
        let told: Vec<_> = app.published().into_iter().map(|one| one.kind).collect();
        assert_eq!(told.last().map(String::as_str), Some("workspace.renamed"));
    }
}
