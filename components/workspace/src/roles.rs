//! A workspace's own roles: named sets of permissions. Whoever has a role has its permissions with their
//! membership; a change of the role is one of all memberships with it, in one commit.

use crate::commit::{active, busy, committed, counted, still_is, tries};
use crate::events::tell;
use crate::model::{Membership, WorkspaceId};
use crate::permissions::{Permission, Permissions, Role, RoleId, beyond};
use crate::store::{self, MEMBERSHIPS, ROLES, WORKSPACES};
use http::StatusCode;
use membership::text::name_problem;
use sbd_sdk::documents::Transaction;
use sbd_sdk::{Caller, Error, Result, text};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How many own roles a workspace has at most.
pub(crate) const MOST: u64 = 50;
/// Characters in a role's name at most.
pub(crate) const MAX_NAME: usize = 50;

/// A role of a workspace's own, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OwnRole {
    #[serde(rename = "_id")]
    pub(crate) id: RoleId,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) name: String,
    pub(crate) name_key: String,
    pub(crate) permissions: Permissions,
    pub(crate) version: u64,
}

/// What a role is to be, checked.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    name: String,
    key: String,
    permissions: Permissions,
}

/// A role that is to be given to somebody, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) role: Role,
    pub(crate) permissions: Permissions,
    /// The version of an own role.
    version: Option<u64>,
}

/// The roles of a workspace that are its own, by name.
pub(crate) async fn list(workspace_id: &WorkspaceId, caller: &Caller) -> Result<Vec<OwnRole>> {
    store::membership(workspace_id, caller).await?;
    let own = ROLES.find(json!({"workspace_id": workspace_id}));
    let mut own = own.limit(MOST as u32).fetch().await?.documents;
    own.sort_by(|a, b| a.name_key.cmp(&b.name_key));
    Ok(own)
}

/// Makes a role; with the permission `roles`, and all that it is to have.
pub(crate) async fn create(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    draft: Draft,
) -> Result<OwnRole> {
    for _ in tries() {
        let own = maker(workspace_id, caller, &[&draft.permissions]).await?;
        let of_workspace = json!({"workspace_id": workspace_id});
        let count = ROLES.count(of_workspace.clone()).await?;
        if count >= MOST {
            let message = format!("the workspace has {MOST} own roles, the most there may be");
            return Err(Error::conflict(message));
        }
        require_unnamed(workspace_id, &draft.key, None).await?;
        let role = OwnRole {
            id: RoleId::new(),
            workspace_id: workspace_id.clone(),
            name: draft.name.clone(),
            name_key: draft.key.clone(),
            permissions: draft.permissions.clone(),
            version: 1,
        };
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_is(&own), 1)
            .check(&ROLES, of_workspace, count)
            .insert(&ROLES, &role);
        let change = counted(change, workspace_id, active(), json!({}));
        let made = json!({
            "role_id": role.id, "permissions": role.permissions, "by": caller.user,
        });
        let change = tell(change, workspace_id, "workspace.role.made", made);
        if committed(change.commit().await)? {
            return Ok(role);
        }
    }
    Err(busy())
}

/// Changes a role, and what all who have it may do; for whoever may all that it says before and after.
pub(crate) async fn replace(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    id: &RoleId,
    draft: Draft,
) -> Result<OwnRole> {
    for _ in tries() {
        store::membership(workspace_id, caller).await?;
        let role = existing(workspace_id, id).await?;
        let own = maker(
            workspace_id,
            caller,
            &[&role.permissions, &draft.permissions],
        )
        .await?;
        require_unnamed(workspace_id, &draft.key, Some(id)).await?;
        let after = OwnRole {
            name: draft.name.clone(),
            name_key: draft.key.clone(),
            permissions: draft.permissions.clone(),
            version: role.version + 1,
            ..role.clone()
        };
        let set = json!({
            "name": after.name, "name_key": after.name_key, "permissions": after.permissions,
            "version": after.version,
        });
        let whoever = json!({"workspace_id": workspace_id, "role": id});
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_is(&own), 1)
            .update_one(&ROLES, as_read(&role), json!({"$set": set}))
            .update_many(
                &MEMBERSHIPS,
                whoever,
                json!({"$set": {"permissions": after.permissions}}),
            );
        let change = counted(change, workspace_id, active(), json!({}));
        let changed = json!({
            "role_id": id, "before": role.permissions, "permissions": after.permissions,
            "by": caller.user,
        });
        let change = tell(change, workspace_id, "workspace.role.changed", changed);
        if committed(change.commit().await)? {
            return Ok(after);
        }
    }
    Err(busy())
}

/// Deletes a role that nobody has, and nobody is to have.
pub(crate) async fn delete(workspace_id: &WorkspaceId, caller: &Caller, id: &RoleId) -> Result<()> {
    for _ in tries() {
        store::membership(workspace_id, caller).await?;
        let role = existing(workspace_id, id).await?;
        let own = maker(workspace_id, caller, &[&role.permissions]).await?;
        let whoever = json!({"workspace_id": workspace_id, "role": id});
        if MEMBERSHIPS.find_one(whoever.clone()).await?.is_some() {
            return Err(in_use(
                "members have this role; give them another one first",
            ));
        }
        let newcomers = json!({"_id": workspace_id, "settings.newcomers": id});
        if WORKSPACES.find_one(newcomers).await?.is_some() {
            return Err(in_use(
                "newcomers get this role; let the settings say another one first",
            ));
        }
        let change = Transaction::new()
            .check(&MEMBERSHIPS, still_is(&own), 1)
            .check(&MEMBERSHIPS, whoever, 0)
            .delete_one(&ROLES, as_read(&role));
        let mut still = active();
        still["settings.newcomers"] = json!({"$ne": id});
        let change = counted(change, workspace_id, still, json!({}));
        let deleted = json!({"role_id": id, "by": caller.user});
        let change = tell(change, workspace_id, "workspace.role.deleted", deleted);
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// A role that somebody may be given: any of the workspace's but the owner's.
pub(crate) async fn given(workspace_id: &WorkspaceId, role: &Role) -> Result<Given> {
    let (permissions, version) = match (role, role.built_in()) {
        (Role::Owner, _) => {
            let message = "another role: a workspace has one owner, and is handed over instead";
            return Err(Error::validation("role", message));
        }
        (_, Some(permissions)) => (permissions, None),
        (Role::Own(id), None) => {
            let unknown = || Error::validation("role", "a role of this workspace");
            let role = ROLES.get(id.as_str()).await?.ok_or_else(unknown)?;
            match role.workspace_id == *workspace_id {
                true => (role.permissions, Some(role.version)),
                false => return Err(unknown()),
            }
        }
        (_, None) => return Err(Error::validation("role", "a role of this workspace")),
    };
    Ok(Given {
        role: role.clone(),
        permissions,
        version,
    })
}

/// What a role is called.
pub(crate) async fn name(role: &Role) -> Result<String> {
    let own = match role {
        Role::Own(id) => ROLES.get(id.as_str()).await?,
        _ => None,
    };
    Ok(own.map_or_else(|| role.as_str().to_owned(), |own| own.name))
}

/// A role of the workspace that is named in an address, for a member.
pub(crate) async fn named(workspace_id: &WorkspaceId, caller: &Caller, name: &str) -> Result<Role> {
    store::membership(workspace_id, caller).await?;
    let role = Role::try_from(name.to_owned()).map_err(|_| Error::not_found("role"))?;
    if role != Role::Owner {
        let given = given(workspace_id, &role).await;
        given.map_err(|_| Error::not_found("role"))?;
    }
    Ok(role)
}

/// The caller, who makes roles, and may all of this.
async fn maker(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    permissions: &[&Permissions],
) -> Result<Membership> {
    let (_, own) = store::active(workspace_id, caller).await?;
    own.require(Permission::Roles)?;
    let is_within = |these: &&Permissions| these.are_within(&own.permissions);
    match permissions.iter().all(is_within) {
        true => Ok(own),
        false => Err(beyond()),
    }
}

async fn existing(workspace_id: &WorkspaceId, id: &RoleId) -> Result<OwnRole> {
    let role = ROLES.get(id.as_str()).await?;
    let role = role.filter(|role| role.workspace_id == *workspace_id);
    role.ok_or_else(|| Error::not_found("role"))
}

/// Answers 409 where another role has this name.
async fn require_unnamed(
    workspace_id: &WorkspaceId,
    key: &str,
    own: Option<&RoleId>,
) -> Result<()> {
    let named = json!({"workspace_id": workspace_id, "name_key": key});
    match ROLES.find_one(named).await? {
        Some(role) if Some(&role.id) != own => Err(Error::conflict(
            "another role has this name; give it another one",
        )),
        _ => Ok(()),
    }
}

fn as_read(role: &OwnRole) -> serde_json::Value {
    json!({"_id": role.id, "version": role.version})
}

fn in_use(message: &'static str) -> Error {
    Error::new(StatusCode::CONFLICT, "ROLE_IN_USE", message)
}

// === impl Draft ===

impl Draft {
    pub(crate) fn check(name: &str, permissions: Vec<Permission>) -> Result<Self> {
        if let Some(problem) = name_problem(name, 1..=MAX_NAME) {
            return Err(Error::validation("name", problem));
        }
        let key = text::key(name);
        if Role::BUILT_IN.iter().any(|role| role.as_str() == key) {
            let message = "another name: every workspace has a role of this one";
            return Err(Error::validation("name", message));
        }
        Ok(Self {
            name: name.trim().to_owned(),
            key,
            permissions: permissions.into(),
        })
    }
}

// === impl Given ===

impl Given {
    /// Has a change be done only as long as the role is as it was read.
    pub(crate) fn checked(&self, change: Transaction) -> Transaction {
        match (&self.role, self.version) {
            (Role::Own(id), Some(version)) => {
                change.check(&ROLES, json!({"_id": id, "version": version}), 1)
            }
            _ => change,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{app, team};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::{Value, json};

    fn make(app: &App, by: &str, workspace: &str, name: &str, permissions: Value) -> Reply {
        let path = format!("/api/v1/workspaces/{workspace}/roles");
        let body = json!({"name": name, "permissions": permissions});
        app.signed_in(by).post(&path, body)
    }

    fn give(app: &App, by: &str, workspace: &str, to: &str, role: &str) -> Reply {
        let path = format!("/api/v1/workspaces/{workspace}/members/{to}/role");
        app.signed_in(by).put(&path, json!({"role": role}))
    }

    fn permissions(app: &App, workspace: &str, user: &str) -> Value {
        let own = app
            .signed_in(user)
            .get(&format!("/api/v1/workspaces/{workspace}"));
        own.assert_status(200)["permissions"].clone()
    }

    #[test]
    fn whoever_has_a_role_may_what_it_says_now() {
        let app = app();
        let workspace = team(&app);
        let made = make(
            &app,
            "usr_1",
            &workspace,
            "Treasurer",
            json!(["spend", "review", "spend"]),
        );
        let made = made.assert_status(201);
        assert_eq!(made["permissions"], json!(["spend", "review"]));
        let id = made.text("id").to_owned();
        give(&app, "usr_1", &workspace, "usr_4", &id).assert_status(200);
        assert_eq!(
            permissions(&app, &workspace, "usr_4"),
            json!(["spend", "review"])
        );
        let path = format!("/api/v1/workspaces/{workspace}/roles/{id}");
        let ada = app.signed_in("usr_1");
        ada.put(&path, json!({"name": "Auditor", "permissions": ["audit"]}))
            .assert_status(200);
        assert_eq!(permissions(&app, &workspace, "usr_4"), json!(["audit"]));
        let listed = app
            .signed_in("usr_4")
            .get(&format!("/api/v1/workspaces/{workspace}/roles"))
            .assert_status(200);
        let names = listed["items"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|role| role["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["owner", "admin", "editor", "viewer", "Auditor"]);
        // Nobody is left without a role.
        ada.delete(&path).assert_refused(409, "ROLE_IN_USE");
        give(&app, "usr_1", &workspace, "usr_4", "viewer").assert_status(200);
        let settings = format!("/api/v1/workspaces/{workspace}/settings");
        ada.put(&settings, json!({"inviters": "members", "newcomers": id}))
            .assert_status(200);
        ada.delete(&path).assert_refused(409, "ROLE_IN_USE");
        ada.put(
            &settings,
            json!({"inviters": "members", "newcomers": "viewer"}),
        )
        .assert_status(200);
        ada.delete(&path).assert_status(204);
        ada.delete(&path).assert_refused(404, "NOT_FOUND");
        give(&app, "usr_1", &workspace, "usr_4", &id).assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let app = app();
        let workspace = team(&app);
        let made = make(
            &app,
            "usr_1",
            &workspace,
            "People",
            json!(["request", "write", "members", "roles"]),
        );
        let people = made.assert_status(201).text("id").to_owned();
        give(&app, "usr_1", &workspace, "usr_3", &people).assert_status(200);
        make(&app, "usr_3", &workspace, "Bank", json!(["spend"])).assert_refused(403, "FORBIDDEN");
        make(&app, "usr_3", &workspace, "Help", json!(["write"])).assert_status(201);
        let bank = make(&app, "usr_1", &workspace, "Bank", json!(["spend"]));
        let bank = bank.assert_status(201).text("id").to_owned();
        for (to, role) in [
            ("usr_4", &*bank),
            ("usr_3", "admin"),
            ("usr_2", "viewer"),
            ("usr_4", "admin"),
        ] {
            give(&app, "usr_3", &workspace, to, role).assert_refused(403, "FORBIDDEN");
        }
        give(&app, "usr_3", &workspace, "usr_4", "editor").assert_status(200);
        let path = format!("/api/v1/workspaces/{workspace}/roles/{bank}");
        let eve = app.signed_in("usr_3");
        eve.put(&path, json!({"name": "Bank", "permissions": []}))
            .assert_refused(403, "FORBIDDEN");
        eve.delete(&path).assert_refused(403, "FORBIDDEN");
        // Nor to themselves, by their own role.
        let path = format!("/api/v1/workspaces/{workspace}/roles/{people}");
        let more = json!({"name": "People", "permissions": ["members", "roles", "wallet"]});
        eve.put(&path, more).assert_refused(403, "FORBIDDEN");
        let away = format!("/api/v1/workspaces/{workspace}/members/usr_2");
        eve.delete(&away).assert_refused(403, "FORBIDDEN");
    }

    #[test]
    fn names_are_unlike_and_roles_are_the_workspaces_own() {
        let app = app();
        let workspace = team(&app);
        let made = make(&app, "usr_1", &workspace, "Crew", json!([])).assert_status(201);
        make(&app, "usr_1", &workspace, "CREW", json!([])).assert_refused(409, "CONFLICT");
        for (name, permissions) in [
            ("Owner", json!([])),
            ("", json!([])),
            ("a\u{202E}b", json!([])),
            ("x", json!(["fly"])),
            ("x", json!("write")),
        ] {
            make(&app, "usr_1", &workspace, name, permissions)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        let other = crate::tests::workspace(&app.signed_in("usr_1"), "Other");
        let other = other.text("id").to_owned();
        let id = made.text("id");
        crate::tests::join(&app, &other, "usr_3", crate::permissions::Role::Viewer);
        give(&app, "usr_1", &other, "usr_3", id).assert_refused(422, "VALIDATION_ERROR");
        app.signed_in("usr_1")
            .delete(&format!("/api/v1/workspaces/{other}/roles/{id}"))
            .assert_refused(404, "NOT_FOUND");
        for number in 1..super::MOST {
            make(
                &app,
                "usr_1",
                &workspace,
                &format!("Role {number}"),
                json!([]),
            )
            .assert_status(201);
        }
        make(&app, "usr_1", &workspace, "Another", json!([])).assert_refused(409, "CONFLICT");
    }
}
