//! What a tenant's administrators see of workspaces, and what they put right: how many and in which state, never what
//! workspaces are called, who is in them, or what they say. Where an owner is gone they appoint another member, with a
//! reason that is kept and told.

use crate::commit::{busy, committed, tries};
use crate::events::tell;
use crate::model::{Membership, Workspace, WorkspaceId};
use crate::ownership;
use crate::permissions::Role;
use crate::store::{self, INVITATIONS, LABELS, LINKS, MEMBERSHIPS, WORKSPACES};
use group::{closing, support};
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{By, Error, Listing, Result, Sort, time};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// How many administrators are told of an appointment at most.
const TOLD: u32 = 20;

/// What the list of workspaces is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SupportSort {
    /// When they were created.
    #[default]
    CreatedAt,
    /// How many members they have.
    MemberCount,
}

/// Which workspaces to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SupportFilter {
    /// Only those of this owner.
    #[param(max_length = 64, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    owner: Option<String>,
    /// Only those that are archived, or that are not.
    archived: Option<bool>,
    /// Only those that are being deleted, or that are not.
    closing: Option<bool>,
}

/// In which state a workspace is.
pub(crate) struct Health {
    pub(crate) workspace: Workspace,
    /// How many there are, whatever the workspace says.
    pub(crate) members: u64,
    pub(crate) admins: u64,
    /// Whether its owner belongs to it still.
    pub(crate) owned: bool,
    pub(crate) pending_invitations: u64,
    pub(crate) open_links: u64,
    pub(crate) labels: u64,
    pub(crate) pending_requests: u64,
    pub(crate) open_payments: u64,
}

impl Sort for SupportSort {
    const ITEMS: &'static str = "workspaces";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::MemberCount => "member_count",
        }
    }
}

impl SupportFilter {
    /// What is asked for.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` of what can be nobody's.
    fn query(&self) -> Result<Value> {
        let mut query = support::query(self.owner.as_deref(), self.closing)?;
        match self.archived {
            Some(true) => query["archived_at"] = json!({"$ne": null}),
            Some(false) => query["archived_at"] = json!(null),
            None => {}
        }
        Ok(query)
    }
}

/// A page of all workspaces.
pub(crate) async fn workspaces(
    listing: &Listing<SupportSort, SupportFilter>,
) -> Result<Page<Workspace>> {
    WORKSPACES.find(listing.filter.query()?).page(listing).await
}

/// The state of a workspace.
pub(crate) async fn health(workspace_id: &WorkspaceId) -> Result<Health> {
    let workspace = WORKSPACES.get(workspace_id.as_str()).await?;
    let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
    let of = json!({"workspace_id": workspace_id});
    let now = time::now();
    let invited = json!({
        "workspace_id": workspace_id, "state": "pending", "expires_at": {"$gt": now},
    });
    let open = json!({
        "workspace_id": workspace_id, "revoked_at": null, "expires_at": {"$gt": now},
    });
    let owner = json!({"workspace_id": workspace_id, "role": Role::Owner});
    Ok(Health {
        members: MEMBERSHIPS.count(of.clone()).await?,
        admins: MEMBERSHIPS.count(admins(workspace_id)).await?,
        owned: MEMBERSHIPS.count(owner).await? == 1,
        pending_invitations: INVITATIONS.count(invited).await?,
        open_links: LINKS.count(open).await?,
        labels: LABELS.count(of).await?,
        pending_requests: closing::pending_requests(workspace_id).await?,
        open_payments: closing::open_payments(workspace_id).await?,
        workspace,
    })
}

/// Makes a member the owner, where the one there was is gone; the one before is an administrator, if they belong to it
/// still. Both learn of it, and the administrators.
pub(crate) async fn appoint(
    workspace_id: &WorkspaceId,
    by: &By,
    user: &str,
    reason: &str,
) -> Result<Health> {
    let reason = support::reason(reason)?;
    for _ in tries() {
        let workspace = health(workspace_id).await?.workspace;
        let member = store::member(workspace_id, user).await?;
        if member.is_owner() {
            return health(workspace_id).await;
        }
        store::require_open(&workspace)?;
        let change = ownership::handed(&workspace, &member).await;
        let change = change.map_err(|error| match error.code() {
            "CONFLICT" => Error::conflict(
                "the member owns as many workspaces as one user may; appoint another one",
            ),
            _ => error,
        })?;
        let kind = "workspace.ownership.appointed";
        let told = json!({
            "taken_by": user, "taken_from": workspace.owner, "appointed_by": support::who(by),
            "reason": reason,
        });
        let change = tell(change, workspace_id, kind, told);
        let title = format!(
            "Support has made {} the owner of {}",
            member.username, workspace.name
        );
        let mut told = vec![user.to_owned(), workspace.owner.clone()];
        let admins = MEMBERSHIPS.find(admins(workspace_id)).limit(TOLD);
        let admins: Vec<Membership> = admins.fetch().await?.documents;
        told.extend(admins.into_iter().map(|admin| admin.user_id));
        let about = (workspace.version, &*reason);
        let change = support::told(change, workspace_id, told, kind, &title, about);
        if committed(change.commit().await)? {
            return health(workspace_id).await;
        }
    }
    Err(busy())
}

fn admins(workspace_id: &WorkspaceId) -> Value {
    json!({"workspace_id": workspace_id, "role": Role::Admin})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::store::MEMBERSHIPS;
    use crate::tests::{app, team, workspace};
    use sbd_sdk::testing::{App, Client};
    use sbd_sdk::{Principal, Scopes};
    use serde_json::{Value, json};

    const ADMINISTRATION: &str = "/api/v1/workspaces/administration/workspaces";

    fn root(app: &App) -> Client<'_> {
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", "usr_root").with_scopes(scopes))
    }

    #[test]
    fn support_sees_states_and_no_contents() {
        let app = app();
        let id = team(&app);
        let other = workspace(&app.signed_in("usr_9"), "Other");
        let archive = format!("/api/v1/workspaces/{}/archive", other.text("id"));
        app.signed_in("usr_9")
            .put(&archive, json!({}))
            .assert_status(200);
        let invited = format!("/api/v1/workspaces/{id}/invitations");
        app.signed_in("usr_1")
            .post(&invited, json!({"to": "joe"}))
            .assert_status(201);
        let page = root(&app).get(&format!("{ADMINISTRATION}?sort=member_count"));
        let page = page.assert_status(200);
        assert_eq!(
            (&page["total"], &page["items"][0]["member_count"]),
            (&json!(2), &json!(4))
        );
        let one = root(&app).get(&format!("{ADMINISTRATION}/{id}"));
        let one = one.assert_status(200);
        let seen = ["members", "admins", "owned", "pending_invitations"];
        let seen = seen.map(|field| one[field].clone());
        assert_eq!(seen, [json!(4), json!(1), json!(true), json!(1)]);
        for shown in [page.body(), one.body()] {
            let shown = shown.to_string();
            assert!(
                !shown.contains("name") && !shown.contains("Team"),
                "{shown}"
            );
        }
        let of = |query: &str| root(&app).get(&format!("{ADMINISTRATION}?{query}"));
        for (query, total) in [
            ("owner=usr_1", 1),
            ("owner=usr_2", 0),
            ("closing=true", 0),
            ("closing=false", 2),
            ("archived=true", 1),
            ("archived=false", 1),
        ] {
            assert_eq!(of(query).assert_status(200)["total"], total, "{query}");
        }
        of("name=a").assert_refused(422, "VALIDATION_ERROR");
        of(&format!("owner={}", "x".repeat(65))).assert_refused(422, "VALIDATION_ERROR");
        for nothing in ["wsp_x", "fam_019a2f3c8b7e7c2d9f00112233445566"] {
            root(&app)
                .get(&format!("{ADMINISTRATION}/{nothing}"))
                .assert_refused(404, "NOT_FOUND");
        }
    }

    #[test]
    fn another_owner_is_appointed_for_a_reason_that_is_told() {
        let app = app();
        let id = team(&app);
        let path = format!("{ADMINISTRATION}/{id}/appointment");
        let appoint = |user: &str, reason: &str| {
            root(&app).post(&path, json!({"user_id": user, "reason": reason}))
        };
        for reason in ["", " ", "a\nb", "a\u{202E}b", &"x".repeat(501)] {
            appoint("usr_2", reason).assert_refused(422, "VALIDATION_ERROR");
        }
        appoint("usr_9", "gone").assert_refused(404, "NOT_FOUND");
        // The owner's account is gone, and their membership with it.
        let owner = format!("{id}/usr_1");
        app.run(MEMBERSHIPS.delete_one(json!({"_id": owner})))
            .unwrap();
        assert_eq!(
            root(&app).get(&format!("{ADMINISTRATION}/{id}"))["owned"],
            false
        );
        let right = appoint("usr_3", "the owner has died").assert_status(200);
        assert_eq!(
            (&right["owner"], &right["owned"]),
            (&json!("usr_3"), &json!(true))
        );
        let seen = app
            .signed_in("usr_3")
            .get(&format!("/api/v1/workspaces/{id}"))
            .assert_status(200);
        assert_eq!(seen["role"], "owner");
        // Again is nothing, and whoever is there is an administrator after.
        appoint("usr_3", "the owner has died").assert_status(200);
        appoint("usr_4", "asked for by all").assert_status(200);
        let before = app
            .signed_in("usr_3")
            .get(&format!("/api/v1/workspaces/{id}"))
            .assert_status(200);
        assert_eq!(before["role"], "admin");
        let told = app.published();
        let appointed: Vec<Value> = told
            .iter()
            .filter(|event| event.kind == "workspace.ownership.appointed")
            .map(|event| event.data.clone())
            .collect();
        assert_eq!(
            appointed[0],
            json!({
                "workspace_id": id, "taken_by": "usr_3", "taken_from": "usr_1",
                "appointed_by": "usr_root", "reason": "the owner has died",
            })
        );
        assert_eq!(appointed.len(), 2);
        let recorded = app.recorded();
        let recorded = recorded
            .iter()
            .filter(|entry| entry.action == "workspace.ownership.appointed");
        assert_eq!(recorded.count(), 2);
        let notices = told.iter().filter(|event| {
            event.kind == "notification.requested"
                && event.data["kind"] == "workspace.ownership.appointed"
        });
        let users: Vec<_> = notices.map(|event| event.data["user"].clone()).collect();
        assert_eq!(
            users,
            ["usr_1", "usr_2", "usr_3", "usr_2", "usr_3", "usr_4"].map(|user| json!(user))
        );
    }
}
