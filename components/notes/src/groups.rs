//! The components `family` and `workspace`, as this one uses them: who is in a group, and may do what there.

use crate::model::Group;
use axum::body::Body;
use axum::extract::Request;
use http::StatusCode;
use membership::roles::Role;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result, call, read_json};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What somebody may do where notes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum May {
    Read,
    /// Write notes, and put them into the trash.
    Write,
    /// Delete those of others for good.
    Govern,
}

#[derive(Deserialize)]
struct Family {
    role: Role,
}

#[derive(Deserialize)]
struct Workspace {
    permissions: Vec<String>,
    archived_at: Option<Time>,
}

/// What the caller may do in a group; none if it is nothing to them.
pub(crate) async fn may(group: &Group) -> Result<Option<May>> {
    match group {
        Group::Family(id) => {
            let family = ask("family", "families", id.as_str()).await?;
            Ok(family.map(|family: Family| match family.role {
                Role::Admin => May::Govern,
                Role::Member => May::Write,
            }))
        }
        Group::Workspace(id) => {
            let workspace = ask("workspace", "workspaces", id.as_str()).await?;
            Ok(workspace.as_ref().map(Workspace::may))
        }
    }
}

/// Asks for a group, as the caller.
async fn ask<T: DeserializeOwned>(component: &str, path: &str, id: &str) -> Result<Option<T>> {
    let request = Request::get(format!("/api/v1/{path}/{id}")).body(Body::empty());
    let answer = call(component, request.map_err(Error::internal)?).await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::FORBIDDEN => Err(Error::lacks_permission(&format!("{path}:read"))),
        _ => read_json(answer).await.map(Some),
    }
}

// === impl Workspace ===

impl Workspace {
    /// What is archived is kept as it is.
    fn may(&self) -> May {
        let has = |permission: &str| self.permissions.iter().any(|one| one == permission);
        match self.archived_at {
            None if has("write") && has("settings") => May::Govern,
            None if has("write") => May::Write,
            _ => May::Read,
        }
    }
}
