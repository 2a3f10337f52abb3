//! Links by which people join a workspace: whoever has one, as often and as long as it says.
//!
//! Of what is secret in a link only a digest is kept; it is shown once. Whoever was sent away does not come back
//! by a link that was made before.

use crate::commit::{busy, committed, still_is, tries};
use crate::events::tell;
use crate::inviting::{self, looks_after};
use crate::model::{Membership, Workspace, WorkspaceId, membership_id};
use crate::permissions::{Permission, Role};
use crate::roles;
use crate::store::{self, LINKS, MEMBERSHIPS, SENT_AWAY, WORKSPACES};
use group::invitations::{REMEMBERED, count};
use membership::link::{DAYS, USES, Use};
use membership::secret;
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{ById, Caller, Error, Listing, Result, id};
use serde::{Deserialize, Serialize};
use serde_json::json;

id!(pub(crate) LinkId, "lnk", "link");

/// How many links a workspace has at most, those that are over not counted.
const MOST: u64 = 50;

/// A link, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    #[serde(rename = "_id")]
    pub(crate) id: LinkId,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) made_by: String,
    /// What those who join by it are to be.
    pub(crate) role: Role,
    /// The digest of what is secret in it.
    pub(crate) token: String,
    #[serde(flatten)]
    pub(crate) state: Use,
    pub(crate) created_at: Time,
    pub(crate) keep_until: Time,
}

/// What a link is to be.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) role: Option<Role>,
    pub(crate) days: u32,
    pub(crate) uses: u32,
}

/// What somebody who has a link learns before they join by it.
#[derive(Clone, Debug)]
pub(crate) struct Preview {
    pub(crate) workspace_name: String,
    pub(crate) inviter_name: String,
    pub(crate) role: Role,
    pub(crate) role_name: String,
    pub(crate) expires_at: Time,
}

/// Makes a link; answers it with what is typed in to join, which nobody learns again.
pub(crate) async fn make(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    wish: &Wish,
) -> Result<(Link, String)> {
    within("days", wish.days, *DAYS.start(), *DAYS.end())?;
    within("uses", wish.uses, *USES.start(), *USES.end())?;
    for _ in tries() {
        let inviting = inviting::require(workspace_id, caller, wish.role.as_ref()).await?;
        let now = time::now();
        let open = json!({
            "workspace_id": workspace_id, "revoked_at": null, "expires_at": {"$gt": now},
        });
        let there = LINKS.count(open.clone()).await?;
        if there >= MOST {
            let message =
                format!("the workspace has {MOST} links, the most there may be; revoke one first");
            return Err(Error::conflict(message));
        }
        let token = secret::new()?;
        let state = Use::begin(wish.days, wish.uses, now);
        let link = Link {
            id: LinkId::new(),
            workspace_id: workspace_id.clone(),
            made_by: caller.user.to_string(),
            role: inviting.given.role.clone(),
            token: secret::digest(&token),
            state,
            created_at: now,
            keep_until: state.expires_at + REMEMBERED,
        };
        let change = inviting
            .checked(Transaction::new())
            .check(&LINKS, open, there)
            .insert(&LINKS, &link);
        let made = json!({
            "link_id": link.id, "role": link.role, "uses": state.uses,
            "expires_at": state.expires_at, "made_by": caller.user,
        });
        let change = tell(change, workspace_id, "workspace.link.made", made);
        if committed(change.commit().await)? {
            let code = format!("{}.{token}", link.id);
            return Ok((link, code));
        }
    }
    Err(busy())
}

/// A page of a workspace's links: all, for those with the permission `invite`; else the caller's.
pub(crate) async fn list(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    listing: &Listing<ById>,
) -> Result<Page<Link>> {
    let own = store::membership(workspace_id, caller).await?;
    let mut filter = json!({"workspace_id": workspace_id});
    if !own.may(Permission::Invite) {
        filter["made_by"] = json!(caller.user);
    }
    LINKS.find(filter).page(listing).await
}

/// Takes a link back; whoever has made it does, and those with the permission `invite`.
pub(crate) async fn revoke(workspace_id: &WorkspaceId, caller: &Caller, id: &LinkId) -> Result<()> {
    for _ in tries() {
        let own = store::membership(workspace_id, caller).await?;
        let link = LINKS.get(id.as_str()).await?;
        let link = link
            .filter(|link| link.workspace_id == *workspace_id && looks_after(&own, &link.made_by));
        let link = link.ok_or_else(|| Error::not_found("link"))?;
        let Some(state) = link.state.revoke(time::now()) else {
            return Ok(());
        };
        let change = Transaction::new().check(&MEMBERSHIPS, still_is(&own), 1);
        let change = moved(change, &link, &state);
        let data = json!({"link_id": id, "revoked_by": caller.user});
        let change = tell(change, workspace_id, "workspace.link.revoked", data);
        if committed(change.commit().await)? {
            return Ok(());
        }
    }
    Err(busy())
}

/// Whoever has a link learns into what it leads, and who lets them in, as long as it does. Nobody else learns whether
/// there is one.
pub(crate) async fn preview(code: &str) -> Result<Preview> {
    let (link, workspace) = known(code).await?;
    link.state.join(time::now())?;
    let inviting = inviting::standing(&workspace, &link.made_by, &link.role).await?;
    Ok(Preview {
        workspace_name: workspace.name,
        inviter_name: inviting.own.username,
        role_name: roles::name(&link.role).await?,
        role: link.role,
        expires_at: link.state.expires_at,
    })
}

/// The link of a code, with its workspace.
async fn known(code: &str) -> Result<(Link, Workspace)> {
    let none = || Error::not_found("link");
    let (id, token) = code.split_once('.').ok_or_else(none)?;
    let link = LINKS.get(id).await?;
    let link = link.filter(|link| secret::is(token, Some(&link.token)));
    let link = link.ok_or_else(none)?;
    let workspace = WORKSPACES.get(link.workspace_id.as_str()).await?;
    Ok((link, workspace.ok_or_else(none)?))
}

/// Has the caller join by a link. Who belongs already has joined, and uses it no more.
pub(crate) async fn join(caller: &Caller, code: &str) -> Result<(Workspace, Membership)> {
    for _ in tries() {
        let (link, workspace) = known(code).await?;
        let membership = membership_id(&workspace.id, &caller.user);
        if MEMBERSHIPS.get(&membership).await?.is_some() {
            return store::workspace(&workspace.id, caller).await;
        }
        let now = time::now();
        let state = link.state.join(now)?;
        let away = json!({"_id": membership, "at": {"$gte": link.created_at}});
        if SENT_AWAY.find_one(away.clone()).await?.is_some() {
            return Err(Error::forbidden(
                "you were sent away since this link was made; ask for an invitation",
            ));
        }
        let change = Transaction::new().check(&SENT_AWAY, away, 0);
        let change = moved(change, &link, &state);
        let (by, role) = (&link.made_by, &link.role);
        let (change, _) = inviting::joins(change, &workspace, by, role, caller, now).await?;
        let used = json!({"link_id": link.id, "user_id": caller.user});
        let change = tell(change, &workspace.id, "workspace.link.used", used);
        if committed(change.commit().await)? {
            count::<WorkspaceId>("joined").await;
            return store::workspace(&workspace.id, caller).await;
        }
    }
    Err(busy())
}

/// Has a link be used so far, as it was read before.
fn moved(change: Transaction, link: &Link, state: &Use) -> Transaction {
    let as_read =
        json!({"_id": link.id, "used": link.state.used, "revoked_at": link.state.revoked_at});
    let set = json!({"$set": {"used": state.used, "revoked_at": state.revoked_at}});
    change.update_one(&LINKS, as_read, set)
}

fn within(field: &str, number: u32, least: u32, most: u32) -> Result<()> {
    match (least..=most).contains(&number) {
        true => Ok(()),
        false => {
            let message = format!("a number from {least} to {most}");
            Err(Error::validation(field, message))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::DAYS;
    use crate::tests::{app, team};
    use sbd_sdk::testing::{App, Reply};
    use serde_json::{Value, json};
    use std::time::Duration;

    const JOINING: &str = "/api/v1/workspaces/joining";
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn make(app: &App, by: &str, workspace: &str, body: Value) -> Reply {
        let path = format!("/api/v1/workspaces/{workspace}/links");
        app.signed_in(by).post(&path, body)
    }

    fn join(app: &App, user: &str, code: &str) -> Reply {
        app.signed_in(user).post(JOINING, json!({"code": code}))
    }

    #[test]
    fn so_many_join_by_a_link_as_it_says() {
        let app = app();
        let workspace = team(&app);
        let body = json!({"role": "editor", "uses": 2, "days": 3});
        let made = make(&app, "usr_2", &workspace, body).assert_status(201);
        let code = made.text("code").to_owned();
        app.anonymous()
            .post(JOINING, json!({"code": code}))
            .assert_refused(401, "UNAUTHENTICATED");
        let joined = join(&app, "usr_5", &code).assert_status(200);
        assert_eq!(
            (&joined["role"], &joined["id"]),
            (&json!("editor"), &json!(workspace))
        );
        // Again is nothing, and members need no link.
        join(&app, "usr_5", &code).assert_status(200);
        join(&app, "usr_4", &code).assert_status(200);
        join(&app, "usr_6", &code).assert_status(200);
        join(&app, "usr_7", &code).assert_refused(409, "LINK_ENDED");
        let path = format!("/api/v1/workspaces/{workspace}/links");
        let listed = app.signed_in("usr_1").get(&path).assert_status(200);
        let one = &listed["items"][0];
        assert_eq!(
            (&one["used"], &one["state"], &one["code"]),
            (&json!(2), &json!("used_up"), &json!(null))
        );
        assert_eq!(
            app.counted("workspace_invitations_total", &[("outcome", "joined")]),
            2
        );
        assert_eq!(app.signed_in("usr_4").get(&path)["total"], 0);
    }

    #[test]
    fn a_link_ends_by_its_time_its_maker_and_with_its_makers_right() {
        let app = app();
        let workspace = team(&app);
        let code = |by: &str| {
            let made = make(&app, by, &workspace, json!({"uses": 9})).assert_status(201);
            (
                made.text("code").to_owned(),
                made.header("location").unwrap().to_owned(),
            )
        };
        let (expiring, _) = code("usr_1");
        app.advance(DAY * 7);
        join(&app, "usr_5", &expiring).assert_refused(409, "LINK_ENDED");
        let (revoked, path) = code("usr_4");
        app.signed_in("usr_3")
            .delete(&path)
            .assert_refused(404, "NOT_FOUND");
        for _ in 0..2 {
            app.signed_in("usr_2").delete(&path).assert_status(204);
        }
        join(&app, "usr_5", &revoked).assert_refused(409, "LINK_ENDED");
        let (of_one_who_left, _) = code("usr_4");
        app.signed_in("usr_4")
            .delete(&format!("/api/v1/workspaces/{workspace}/members/usr_4"))
            .assert_status(204);
        join(&app, "usr_5", &of_one_who_left).assert_refused(409, "CONFLICT");
        let (archived, _) = code("usr_1");
        app.signed_in("usr_1")
            .put(
                &format!("/api/v1/workspaces/{workspace}/archive"),
                json!({}),
            )
            .assert_status(200);
        join(&app, "usr_5", &archived).assert_refused(409, "WORKSPACE_ARCHIVED");
    }

    #[test]
    fn whoever_was_sent_away_does_not_come_back_by_an_old_link() {
        let app = app();
        let workspace = team(&app);
        let make = || make(&app, "usr_1", &workspace, json!({"uses": 9})).assert_status(201);
        let old = make().text("code").to_owned();
        join(&app, "usr_5", &old).assert_status(200);
        app.advance(Duration::from_secs(1));
        app.signed_in("usr_1")
            .delete(&format!("/api/v1/workspaces/{workspace}/members/usr_5"))
            .assert_status(204);
        join(&app, "usr_5", &old).assert_refused(403, "FORBIDDEN");
        join(&app, "usr_6", &old).assert_status(200);
        app.advance(Duration::from_secs(1));
        let new = make().text("code").to_owned();
        join(&app, "usr_5", &new).assert_status(200);
    }

    #[test]
    fn wrong_links_are_refused() {
        let app = app();
        let workspace = team(&app);
        for (body, field) in [
            (json!({"uses": 0}), "uses"),
            (json!({"uses": 1001}), "uses"),
            (json!({"days": 0}), "days"),
            (json!({"days": DAYS.end() + 1}), "days"),
            (json!({"role": "owner"}), "role"),
            (json!({"use": 1}), "use"),
        ] {
            let refused = make(&app, "usr_1", &workspace, body);
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        make(&app, "usr_4", &workspace, json!({"role": "editor"})).assert_refused(403, "FORBIDDEN");
        make(&app, "usr_9", &workspace, json!({})).assert_refused(404, "NOT_FOUND");
        let code = make(&app, "usr_1", &workspace, json!({}));
        let code = code.assert_status(201).text("code").to_owned();
        let id = code.split_once('.').unwrap().0.to_owned();
        for wrong in ["x", "lnk_1.x", &id, &format!("{id}."), &format!("{code}x")] {
            join(&app, "usr_5", wrong).assert_refused(404, "NOT_FOUND");
        }
        join(&app, "usr_5", "").assert_refused(422, "VALIDATION_ERROR");
        join(&app, "usr_5", &"x".repeat(201)).assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn whoever_has_a_link_sees_where_it_leads_before_they_join() {
        let app = app();
        let workspace = team(&app);
        let roles = format!("/api/v1/workspaces/{workspace}/roles");
        let role = json!({"name": "Treasurer", "permissions": ["spend"]});
        let role = app.signed_in("usr_1").post(&roles, role).assert_status(201);
        let body = json!({"role": role["id"], "uses": 1});
        let code = make(&app, "usr_2", &workspace, body).assert_status(201);
        let code = code.text("code").to_owned();
        let preview = |user: &str, code: &str| {
            let path = format!("{JOINING}/preview");
            app.signed_in(user).post(&path, json!({"code": code}))
        };
        let seen = preview("usr_5", &code).assert_status(200);
        assert_eq!(
            (
                &seen["workspace_name"],
                &seen["inviter_name"],
                &seen["role"],
                &seen["role_name"]
            ),
            (
                &json!("Team"),
                &json!("usr_2"),
                &role["id"],
                &json!("Treasurer")
            )
        );
        // Nothing is used by looking, and nobody finds out what there is by guessing.
        let id = code.split_once('.').unwrap().0.to_owned();
        let never = "lnk_019a2f3c8b7e7c2d9f00112233445566.x";
        let wrong = ["x", never, &id, &format!("{id}."), &format!("{code}x")];
        let refused: Vec<_> = wrong
            .into_iter()
            .map(|wrong| {
                let refused = preview("usr_5", wrong).assert_refused(404, "NOT_FOUND");
                refused["error"]["message"].clone()
            })
            .collect();
        assert!(refused.windows(2).all(|pair| pair[0] == pair[1]));
        preview("usr_5", "").assert_refused(422, "VALIDATION_ERROR");
        app.anonymous()
            .post(&format!("{JOINING}/preview"), json!({"code": code}))
            .assert_refused(401, "UNAUTHENTICATED");
        join(&app, "usr_5", &code).assert_status(200);
        preview("usr_6", &code).assert_refused(409, "LINK_ENDED");
        // Nor is it seen any more where whoever made it may not invite any more.
        let code = make(&app, "usr_4", &workspace, json!({})).assert_status(201);
        app.signed_in("usr_4")
            .delete(&format!("/api/v1/workspaces/{workspace}/members/usr_4"))
            .assert_status(204);
        preview("usr_6", code.text("code")).assert_refused(409, "CONFLICT");
    }
}
