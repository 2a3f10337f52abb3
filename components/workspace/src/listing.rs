//! The workspaces of a user, and the members of a workspace, in pages.

use crate::model::{Membership, Workspace, WorkspaceId};
use crate::permissions::Role;
use crate::store::{MEMBERSHIPS, WORKSPACES};
use sbd_sdk::paging::Page;
use sbd_sdk::{Caller, Listing, Result, Sort, text};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// What the list of workspaces is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkspaceSort {
    /// When they were created.
    #[default]
    CreatedAt,
    /// Their names, ignoring case.
    Name,
}

/// What the list of members is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberSort {
    /// When they joined.
    #[default]
    JoinedAt,
    /// Their names.
    Username,
}

/// Which workspaces to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorkspaceFilter {
    /// Only workspaces whose name begins with this, ignoring case.
    #[param(max_length = 100)]
    name: Option<String>,
}

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberFilter {
    /// Only members with this role.
    #[param(value_type = String, example = "editor")]
    role: Option<Role>,
}

/// A page of the workspaces the caller belongs to.
pub(crate) async fn workspaces(
    caller: &Caller,
    listing: &Listing<WorkspaceSort, WorkspaceFilter>,
) -> Result<Page<(Workspace, Membership)>> {
    let filter = of_user(&caller.user, listing.filter.name.as_deref());
    let page = MEMBERSHIPS.find(filter).page(listing).await?;
    let memberships = page.items;
    let ids: Vec<_> = memberships
        .iter()
        .map(|membership| &membership.workspace_id)
        .collect();
    let workspaces = WORKSPACES
        .find(json!({"_id": {"$in": ids}}))
        .limit(listing.paging().limit())
        .fetch()
        .await?;
    let mut workspaces: HashMap<_, _> = workspaces
        .documents
        .into_iter()
        .map(|workspace| (workspace.id.clone(), workspace))
        .collect();
    // In the order of the memberships. One deleted in between is left out.
    let items = memberships
        .into_iter()
        .filter_map(|membership| Some((workspaces.remove(&membership.workspace_id)?, membership)));
    Ok(listing.paging().page(items.collect(), page.total))
}

/// A page of a workspace's members.
pub(crate) async fn members(
    workspace_id: &WorkspaceId,
    listing: &Listing<MemberSort, MemberFilter>,
) -> Result<Page<Membership>> {
    let filter = match &listing.filter.role {
        Some(role) => json!({"workspace_id": workspace_id, "role": role}),
        None => json!({"workspace_id": workspace_id}),
    };
    MEMBERSHIPS.find(filter).page(listing).await
}

impl Sort for WorkspaceSort {
    const ITEMS: &'static str = "workspaces";

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "workspace_created_at",
            Self::Name => "workspace_name_key",
        }
    }
}

impl Sort for MemberSort {
    const ITEMS: &'static str = "members";

    fn field(self) -> &'static str {
        match self {
            Self::JoinedAt => "joined_at",
            Self::Username => "username",
        }
    }
}

/// Texts with a prefix are those from the prefix itself up to the prefix and the last character
/// there is: a range, which an index can serve.
fn of_user(user_id: &str, prefix: Option<&str>) -> Value {
    match prefix.map(text::key).filter(|prefix| !prefix.is_empty()) {
        None => json!({"user_id": user_id}),
        Some(prefix) => {
            let end = format!("{prefix}{}", char::MAX);
            json!({"user_id": user_id, "workspace_name_key": {"$gte": prefix, "$lt": end}})
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{app, workspace};
    use sbd_sdk::testing::Reply;
    use serde_json::json;
    use std::time::Duration;

    fn names(page: &Reply) -> Vec<&str> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn workspaces_come_in_pages_in_order_and_by_the_beginning_of_their_names() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        for name in ["Lovelace", "babbage", "Locke"] {
            workspace(&ada, name);
            app.advance(Duration::from_secs(1));
        }
        workspace(&bob, "Lobachevsky");
        let list = |query: &str| {
            ada.get(&format!("/api/v1/workspaces?{query}"))
                .assert_status(200)
        };
        assert_eq!(names(&list("")), ["Lovelace", "babbage", "Locke"]);
        assert_eq!(
            names(&list("sort=name&order=desc&per_page=1&page=2")),
            ["Locke"]
        );
        let some = list("name=LO&per_page=1");
        assert_eq!(
            (names(&some), &some["total"]),
            (vec!["Lovelace"], &json!(2))
        );
        for (query, field) in [("page=0", "page"), ("sort=id", "sort"), ("nam=x", "nam")] {
            let refused = ada.get(&format!("/api/v1/workspaces?{query}"));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
    }
}
