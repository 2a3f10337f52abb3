//! `/tenants/{name}/events`

use super::answers::{Body, By, Failure, Fields, most};
use crate::{Admin, Error};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;
use sbd_dispatch::Letter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Only those of this component.
    component: Option<String>,
    /// Only those behind this number.
    #[serde(default)]
    after: u64,
    /// How many, up to 1000; 100 when left out.
    most: Option<u32>,
}

/// An event that a component did not take.
#[derive(Serialize, ToSchema)]
pub(crate) struct LetterBody {
    /// By which it is called.
    number: u64,
    /// The component that did not take it.
    component: String,
    /// How often it was sent.
    attempts: u32,
    /// When it was given up.
    since: String,
    /// Why.
    reason: String,
    /// The event, as CloudEvents writes it.
    event: serde_json::Value,
}

/// What is sent once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// The component it is sent to.
    component: String,
    /// Everything published since, as far as it is kept; RFC 3339.
    since: String,
}

/// A replay that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replay {
    /// What its events carry as `sbdreplay`.
    id: String,
}

impl LetterBody {
    fn new(letter: &Letter) -> Result<Self, Failure> {
        let event = serde_json::to_value(&letter.event);
        Ok(Self {
            number: letter.number,
            component: letter.subscriber.clone(),
            attempts: letter.attempts,
            since: letter.since.to_string(),
            reason: letter.reason.clone(),
            event: event.map_err(|error| Error::unavailable(error.to_string()))?,
        })
    }
}

/// The number of a letter, in a path.
fn numbered(text: &str) -> Result<u64, Failure> {
    let none = |_| {
        let shown = text.escape_debug();
        let message =
            format!("`{shown}` is no number of a dead letter; write one of those that are listed");
        Failure(Error::new(StatusCode::NOT_FOUND, "UNKNOWN_LETTER", message))
    };
    text.parse().map_err(none)
}

/// Lists the events that were not taken, the oldest first.
#[utoipa::path(get, path = "/tenants/{name}/events/letters", params(Which), responses((status = 200, body = Vec<LetterBody>)))]
pub(crate) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Fields(which): Fields<Which>,
) -> Result<Json<Vec<LetterBody>>, Failure> {
    let most = most(which.most)?;
    let component = which.component.as_deref();
    let letters = admin.letters(&name, component, which.after, most).await?;
    let letters: Result<_, _> = letters.iter().map(LetterBody::new).collect();
    Ok(Json(letters?))
}

/// Reads one of them.
#[utoipa::path(get, path = "/tenants/{name}/events/letters/{number}", responses((status = 200, body = LetterBody)))]
pub(crate) async fn show(
    State(admin): State<Admin>,
    Path((name, number)): Path<(String, String)>,
) -> Result<Json<LetterBody>, Failure> {
    let letter = admin.letter(&name, numbered(&number)?).await?;
    Ok(Json(LetterBody::new(&letter)?))
}

/// Sends one again, as if it had never been sent.
#[utoipa::path(post, path = "/tenants/{name}/events/letters/{number}/retry", responses((status = 202)))]
pub(crate) async fn retry(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, number)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    admin
        .retry_letter(&actor, &name, numbered(&number)?)
        .await?;
    Ok(StatusCode::ACCEPTED)
}

/// Forgets one.
#[utoipa::path(delete, path = "/tenants/{name}/events/letters/{number}", responses((status = 204)))]
pub(crate) async fn drop(
    State(admin): State<Admin>,
    By(actor): By,
    Path((name, number)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    admin.drop_letter(&actor, &name, numbered(&number)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a component events once more that it has had.
#[utoipa::path(post, path = "/tenants/{name}/events/replays", request_body = ReplayBody, responses((status = 202, body = Replay)))]
pub(crate) async fn replay(
    State(admin): State<Admin>,
    By(actor): By,
    Path(name): Path<String>,
    Body(replay): Body<ReplayBody>,
) -> Result<(StatusCode, Json<Replay>), Failure> {
    let since: Timestamp = replay.since.parse().map_err(|error| {
        Error::invalid(format!(
            "`since` is no time ({error}); write it like 2026-01-31T12:00:00Z"
        ))
    })?;
    let id = admin
        .replay_events(&actor, &name, &replay.component, since)
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Replay { id })))
}
