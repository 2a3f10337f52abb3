//! Declares schedules that differ in what becomes of missed times, sets others, and keeps every time that
//! it was called for.

use axum::routing::{get, put};
use sbd_sdk::documents::Collection;
use sbd_sdk::schedules::{self, Missed, New, Tick};
use sbd_sdk::tasks::Work;
use sbd_sdk::time::Time;
use sbd_sdk::{Component, Error, Json, NoContent, Path, Query, Result, schedule, task};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const TICKS: Collection<Kept> = Collection::new("ticks");

/// A tick, or a task that a schedule has enqueued.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "_id")]
    id: String,
    /// The schedule, or `remind`.
    of: String,
    due: Option<Time>,
    data: Value,
}

#[derive(Deserialize)]
struct Wanted {
    cron: Option<String>,
    once: Option<Time>,
    time_zone: Option<String>,
    missed: Option<Missed>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Begin {
    since: Option<Time>,
}

#[schedule("skip", cron = "* * * * * *")]
async fn skip(tick: Tick) -> Result<()> {
    keep("skip", tick).await
}

#[schedule("once", cron = "* * * * * *", missed = "once")]
async fn once(tick: Tick) -> Result<()> {
    keep("once", tick).await
}

#[schedule("all", cron = "* * * * * *", missed = "all")]
async fn all(tick: Tick) -> Result<()> {
    keep("all", tick).await
}

#[schedule(
    "yearly",
    cron = "0 0 1 1 *",
    time_zone = "Europe/Berlin",
    jitter = "1h"
)]
async fn yearly(tick: Tick) -> Result<()> {
    keep("yearly", tick).await
}

#[task("remind")]
async fn remind(work: Work<Value>) -> Result<()> {
    println!("reminded of {}", work.data);
    insert(Kept {
        id: work.id,
        of: "remind".to_owned(),
        due: None,
        data: work.data,
    })
    .await
}

async fn keep(of: &str, tick: Tick) -> Result<()> {
    insert(Kept {
        id: tick.id,
        of: of.to_owned(),
        due: Some(tick.due),
        data: Value::Null,
    })
    .await
}

/// What is there already came twice, with the same id.
async fn insert(kept: Kept) -> Result<()> {
    match TICKS.insert(&kept).await {
        Ok(_) => Ok(()),
        Err(error) => match TICKS.get(&kept.id).await? {
            Some(_) => Ok(()),
            None => Err(error.into()),
        },
    }
}

/// What has come of a schedule, from the beginning or from a time on.
async fn ticks(
    Path((_, of)): Path<(String, String)>,
    Query(begin): Query<Begin>,
) -> Result<Json<Vec<Kept>>> {
    let ticks = match begin.since {
        Some(since) => json!({"of": of, "due": {"$gte": since}}),
        None => json!({"of": of}),
    };
    let ticks = TICKS.find(ticks).sort(json!({"due": 1})).limit(1000);
    Ok(Json(ticks.fetch().await?.documents))
}

async fn set(
    Path((_, name)): Path<(String, String)>,
    Json(wanted): Json<Wanted>,
) -> Result<NoContent> {
    let new = match (wanted.cron, wanted.once) {
        (Some(cron), None) => New::cron(&cron, "remind", &wanted.data)?,
        (None, Some(at)) => New::once(at, "remind", &wanted.data)?,
        _ => return Err(Error::validation("cron", "say `cron` or `once`")),
    };
    let new = match wanted.time_zone {
        Some(zone) => new.time_zone(zone),
        None => new,
    };
    let new = match wanted.missed {
        Some(missed) => new.missed(missed),
        None => new,
    };
    new.set(name).await?;
    Ok(NoContent)
}

async fn end(Path((_, name)): Path<(String, String)>) -> Result<NoContent> {
    match schedules::end(&name).await? {
        true => Ok(NoContent),
        false => Err(Error::not_found("schedule")),
    }
}

async fn list(Path(_): Path<String>) -> Result<Json<Vec<Value>>> {
    let schedules = schedules::list().await?.into_iter();
    let shown = schedules.map(|set| json!({"name": set.name, "next_at": set.next_at}));
    Ok(Json(shown.collect()))
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .schedules([skip(), once(), all(), yearly()])
        .tasks([remind()])
        .route("/{name}/ticks/{of}", get(ticks))
        .route("/{name}/schedules", get(list))
        .route("/{name}/schedules/{id}", put(set).delete(end))
}

sbd_sdk::component!(component);
