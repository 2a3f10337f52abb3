//! `/audit`

use super::answers::{Failure, Fields, most};
use crate::Admin;
use axum::Json;
use axum::extract::State;
use sbd_registry::Filter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only changes of this kind, for example `tenant.create`.
    action: Option<String>,
    /// Only changes to this target.
    target: Option<String>,
    /// How many newer ones to leave out.
    #[serde(default)]
    skip: u32,
    /// How many, up to 1000; 100 when left out.
    most: Option<u32>,
}

/// A line of the account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Line {
    id: String,
    at: String,
    actor: String,
    action: String,
    target: String,
    details: serde_json::Value,
    outcome: String,
}

/// Whether the account is whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verdict {
    whole: bool,
    /// The first entry that does not follow from those before it.
    broken_at: Option<String>,
}

/// The account of changes, newest first.
#[utoipa::path(get, path = "/audit", params(Which), responses((status = 200, body = Vec<Line>)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Fields(which): Fields<Which>,
) -> Result<Json<Vec<Line>>, Failure> {
    let most = most(which.most)?;
    let filter = Filter {
        action: which.action,
        target: which.target,
    };
    let entries = admin.account(filter, which.skip, most).await?;
    let lines = entries.into_iter().map(|entry| Line {
        id: entry.id,
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        target: entry.target,
        details: entry.details,
        outcome: entry.outcome,
    });
    Ok(Json(lines.collect()))
}

/// Walks the whole account and says whether anything was altered.
#[utoipa::path(get, path = "/audit/verify", responses((status = 200, body = Verdict)))]
pub(crate) async fn verify(State(admin): State<Admin>) -> Result<Json<Verdict>, Failure> {
    let broken_at = admin.verify_account().await?;
    Ok(Json(Verdict {
        whole: broken_at.is_none(),
        broken_at,
    }))
}
