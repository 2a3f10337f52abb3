//! What happens in a workspace: read page by page out of its audit, and said in its channel while it happens.
//!
//! Every member sees who did what and when. What is done with the account is told in full to those with the
//! permission `audit`, and to whom it concerns.

use crate::members;
use crate::model::{Membership, WorkspaceId};
use crate::permissions::Permission;
use crate::store::{self, MEMBERSHIPS};
use sbd_sdk::audit::{self, Entry, Query};
use sbd_sdk::{Caller, Error, Result, realtime};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use utoipa::IntoParams;

/// Entries on a page when the request does not say, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 100;
/// What is told of people and what they share. All else is of the account, or of who looked at it.
const OF_ALL: [&str; 9] = [
    "workspace.created",
    "workspace.renamed",
    "workspace.described",
    "workspace.settings_set",
    "workspace.archived",
    "workspace.unarchived",
    "workspace.closing",
    "workspace.not_deleted",
    "workspace.deleted",
];
const OF_ALL_KINDS: [&str; 6] = [
    "workspace.member.",
    "workspace.role.",
    "workspace.ownership.",
    "workspace.invitation.",
    "workspace.link.",
    "workspace.label.",
];

/// Which of it.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only what was done so, or begins so where this ends with a dot.
    #[param(max_length = 128, example = "workspace.member.")]
    action: Option<String>,
    /// Only what this user did.
    #[param(max_length = 128, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    actor: Option<String>,
    /// The `next` of the page before, with the same filters.
    cursor: Option<String>,
    /// Entries on a page; 50 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Something that happened.
pub(crate) struct Happened {
    pub(crate) entry: Entry,
    /// What whoever did it is called, if they are a member still.
    pub(crate) name: Option<String>,
}

/// A page of what happened, the newest first, and where the next one begins.
pub(crate) async fn page(
    workspace_id: &WorkspaceId,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(Vec<Happened>, Option<String>)> {
    let query = wanted.query(workspace_id)?;
    let reader = store::membership(workspace_id, caller).await?;
    let page = audit::find(query).await?;
    let actors: BTreeSet<_> = page
        .entries
        .iter()
        .filter_map(|entry| entry.actor.as_deref())
        .collect();
    let names = names(workspace_id, &actors).await?;
    let entries = page.entries.into_iter().map(|mut entry| {
        if !is_of_all(&entry.action) && !concerns(&entry, &reader) {
            entry.data = Value::Null;
        }
        let name = entry.actor.as_ref().and_then(|actor| names.get(actor));
        Happened {
            name: name.cloned(),
            entry,
        }
    });
    Ok((entries.collect(), page.next))
}

/// Says in the workspace's channel that something happened.
pub(crate) async fn said(kind: &str, data: &Value) -> Result<()> {
    let Some(id) = data["workspace_id"].as_str() else {
        return Ok(());
    };
    let id: WorkspaceId = id.parse()?;
    let told = match is_of_all(kind) {
        true => data.clone(),
        false => json!({"workspace_id": id}),
    };
    realtime::publish(&members::channel(&id), kind, &told).await
}

/// Whether every member is told all of it.
fn is_of_all(kind: &str) -> bool {
    OF_ALL.contains(&kind) || OF_ALL_KINDS.iter().any(|begin| kind.starts_with(begin))
}

fn concerns(entry: &Entry, reader: &Membership) -> bool {
    let user = reader.user_id.as_str();
    reader.may(Permission::Audit)
        || entry.actor.as_deref() == Some(user)
        || group::audit::names(&entry.data, user)
}

async fn names(
    workspace_id: &WorkspaceId,
    users: &BTreeSet<&str>,
) -> Result<HashMap<String, String>> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let members = json!({"workspace_id": workspace_id, "user_id": {"$in": users}});
    let found = MEMBERSHIPS.find(members).limit(MOST).fetch().await?;
    let named = found.documents.into_iter();
    Ok(named
        .map(|member| (member.user_id, member.username))
        .collect())
}

// === impl Wanted ===

impl Wanted {
    fn query(self, workspace_id: &WorkspaceId) -> Result<Query> {
        let limit = self.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(Error::validation(
                "limit",
                format!("a number from 1 to {MOST}"),
            ));
        }
        let text =
            |field, text: Option<String>| membership::text::line(field, text.as_deref(), 128);
        Ok(Query {
            subject: Some(workspace_id.to_string()),
            action: text("action", self.action)?,
            actor: text("actor", self.actor)?,
            since: None,
            until: None,
            cursor: self.cursor,
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::is_of_all;
    use crate::tests::{app, team};
    use sbd_sdk::Principal;
    use serde_json::json;

    #[test]
    fn members_read_what_happened_page_by_page() {
        let app = app();
        let workspace = team(&app);
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/workspaces/{workspace}");
        for number in 0..3 {
            let name = json!({"name": format!("Team {number}")});
            ada.put(&address, name).assert_status(200);
        }
        ada.put(
            &format!("{address}/members/usr_4/role"),
            json!({"role": "editor"}),
        )
        .assert_status(200);
        let read = |query: &str| {
            app.signed_in("usr_3")
                .get(&format!("{address}/activity?{query}"))
                .assert_status(200)
        };
        let first = read("limit=2");
        let newest = &first["items"][0];
        assert_eq!(
            (&newest["action"], &newest["actor"], &newest["actor_name"]),
            (
                &json!("workspace.member.role_set"),
                &json!("usr_1"),
                &json!("ada")
            )
        );
        assert_eq!(newest["data"]["role"], "editor");
        let next = first["next"].as_str().unwrap();
        let second = read(&format!("limit=2&cursor={next}"));
        assert_eq!(second["items"][0]["action"], "workspace.renamed");
        let count = |query: &str| read(query)["items"].as_array().unwrap().len();
        assert_eq!(
            (
                count("action=workspace.member."),
                count("actor=usr_2"),
                count("")
            ),
            (2, 0, 6)
        );
        for (query, field) in [
            ("limit=0", "limit"),
            ("cursor=x", "cursor"),
            ("actr=x", "actr"),
        ] {
            let refused = ada.get(&format!("{address}/activity?{query}"));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        app.signed_in("usr_9")
            .get(&format!("{address}/activity"))
            .assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn what_happens_is_said_in_the_channel_to_members_alone() {
        let app = app();
        let workspace = team(&app);
        let channel = format!("workspace:{workspace}");
        let question = json!({"channel": channel});
        let path = "/-/channels/authorize";
        app.signed_in("usr_4")
            .post(path, question.clone())
            .assert_status(204);
        app.signed_in("usr_9")
            .post(path, question.clone())
            .assert_refused(404, "NOT_FOUND");
        app.anonymous()
            .post(path, question)
            .assert_refused(401, "UNAUTHENTICATED");
        let host = app.by(Principal::service("test", "workspace"));
        let renamed = json!({"workspace_id": workspace, "changed_by": "usr_1"});
        host.event("workspace.renamed", renamed.clone())
            .assert_status(204);
        let paid = json!({"workspace_id": workspace, "user_id": "usr_1", "amount": 5});
        host.event("workspace.wallet.paid", paid).assert_status(204);
        let said = app.said();
        let said: Vec<_> = said
            .iter()
            .map(|one| (&*one.channel, &*one.kind, &one.data))
            .collect();
        let no_amount = json!({"workspace_id": workspace});
        assert_eq!(
            said,
            [
                (&*channel, "workspace.renamed", &renamed),
                (&*channel, "workspace.wallet.paid", &no_amount),
            ]
        );
    }

    #[test]
    fn what_is_done_with_the_account_is_not_for_all() {
        for (kind, of_all) in [
            ("workspace.member.added", true),
            ("workspace.archived", true),
            ("workspace.wallet.paid", false),
            ("workspace.token_request.created", false),
            ("workspace.audit.read", false),
        ] {
            assert_eq!(is_of_all(kind), of_all, "{kind}");
        }
    }
}
