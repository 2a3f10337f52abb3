//! What is decided about a workspace, and whether it is kept as it is.

use crate::changes::{as_read, overtaken};
use crate::commit::still_is;
use crate::events::tell;
use crate::model::{Membership, Settings, Workspace, WorkspaceId};
use crate::permissions::{Permission, beyond};
use crate::roles;
use crate::store::{self, MEMBERSHIPS, WORKSPACES};
use sbd_sdk::documents::Transaction;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Error, Result, time};
use serde_json::{Value, json};

/// Decides it anew; with the permission `settings`. What newcomers are is given as any role.
pub(crate) async fn replace(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    settings: Settings,
    wanted: &Preconditions,
) -> Result<(Workspace, Membership)> {
    let (workspace, own) = store::active(workspace_id, caller).await?;
    own.require(Permission::Settings)?;
    wanted.require(workspace.version)?;
    let given = roles::given(workspace_id, &settings.newcomers).await;
    let given = given.map_err(|error| match error.details().first() {
        Some(detail) => Error::validation("newcomers", detail.message.clone()),
        None => error,
    })?;
    if !given.permissions.are_within(&own.permissions) {
        return Err(beyond());
    }
    if workspace.settings == settings {
        return Ok((workspace, own));
    }
    let told = json!({
        "inviters": settings.inviters, "newcomers": settings.newcomers, "changed_by": caller.user,
    });
    let change = given.checked(Transaction::new());
    let set = json!({"settings": settings});
    let change = changed(
        change,
        &workspace,
        &own,
        set,
        "workspace.settings_set",
        told,
    );
    change
        .commit()
        .await
        .map_err(|error| overtaken(error, wanted))?;
    store::workspace(workspace_id, caller).await
}

/// Has a workspace be kept as it is, or be changed again; with the permission `settings`.
pub(crate) async fn archive(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    archived: bool,
) -> Result<(Workspace, Membership)> {
    let (workspace, own) = store::workspace(workspace_id, caller).await?;
    store::require_open(&workspace)?;
    own.require(Permission::Settings)?;
    if workspace.archived_at.is_some() == archived {
        return Ok((workspace, own));
    }
    let kind = match archived {
        true => "workspace.archived",
        false => "workspace.unarchived",
    };
    let set = json!({"archived_at": archived.then(time::now)});
    let by = json!({"changed_by": caller.user});
    let change = changed(Transaction::new(), &workspace, &own, set, kind, by);
    let done = change.commit().await;
    done.map_err(|error| overtaken(error, &Preconditions::default()))?;
    store::workspace(workspace_id, caller).await
}

/// Sets something of a workspace as it was read, for whoever may still do so.
fn changed(
    change: Transaction,
    workspace: &Workspace,
    own: &Membership,
    mut set: Value,
    kind: &str,
    told: Value,
) -> Transaction {
    set["updated_at"] = json!(time::now());
    let change = change.check(&MEMBERSHIPS, still_is(own), 1).update_one(
        &WORKSPACES,
        as_read(workspace),
        json!({"$set": set, "$inc": {"version": 1}}),
    );
    tell(change, &workspace.id, kind, told)
}

#[cfg(test)]
mod tests {
    use crate::tests::{app, team};
    use serde_json::json;

    #[test]
    fn an_archived_workspace_is_kept_as_it_is() {
        let app = app();
        let workspace = team(&app);
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/workspaces/{workspace}");
        let archive = format!("{address}/archive");
        for _ in 0..2 {
            let archived = ada.put(&archive, json!({})).assert_status(200);
            assert!(archived["archived_at"].is_string());
        }
        ada.put(&address, json!({"name": "Other"}))
            .assert_refused(409, "WORKSPACE_ARCHIVED");
        ada.post(
            &format!("{address}/roles"),
            json!({"name": "x", "permissions": []}),
        )
        .assert_refused(409, "WORKSPACE_ARCHIVED");
        ada.put(
            &format!("{address}/members/usr_4/role"),
            json!({"role": "editor"}),
        )
        .assert_refused(409, "WORKSPACE_ARCHIVED");
        // It is read, and left.
        let bob = app.signed_in("usr_4");
        bob.get(&address).assert_status(200);
        bob.delete(&format!("{address}/members/usr_4"))
            .assert_status(204);
        let back = ada.delete(&archive).assert_status(200);
        assert_eq!(back["archived_at"], json!(null));
        ada.put(&address, json!({"name": "Other"}))
            .assert_status(200);
    }

    #[test]
    fn settings_are_what_there_is() {
        let app = app();
        let workspace = team(&app);
        let ada = app.signed_in("usr_1");
        let path = format!("/api/v1/workspaces/{workspace}/settings");
        let set = json!({"inviters": "permitted", "newcomers": "editor"});
        let changed = ada.put(&path, set.clone()).assert_status(200);
        assert_eq!(changed["settings"], set);
        for (wrong, field) in [
            (
                json!({"inviters": "all", "newcomers": "editor"}),
                "inviters",
            ),
            (
                json!({"inviters": "members", "newcomers": "owner"}),
                "newcomers",
            ),
            (
                json!({"inviters": "members", "newcomers": "boss"}),
                "newcomers",
            ),
            (json!({"inviters": "members"}), "newcomers"),
            (
                json!({"inviters": "members", "newcomers": "viewer", "x": 1}),
                "x",
            ),
        ] {
            let refused = ada
                .put(&path, wrong)
                .assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        ada.with_header("if-match", "\"1\"")
            .put(&path, json!({"inviters": "members", "newcomers": "viewer"}))
            .assert_refused(412, "PRECONDITION_FAILED");
    }
}
