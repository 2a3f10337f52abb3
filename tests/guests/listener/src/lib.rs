//! Publishes events, and keeps those that it hears. What an event's data says is done with it: `refuse`
//! it, or `fail` so often first; or not so where `hangs` or `limps` names the component, which then never
//! answers, or fails every third time. It keeps ballast, too, that only takes room.

use axum::http::HeaderMap;
use axum::routing::{get, post};
use sbd_sdk::documents::{Collection, Transaction};
use sbd_sdk::events::Event;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{By, Component, Error, Json, NoContent, Query, Result, on_event};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SEEN: Collection<Seen> = Collection::new("seen");
const FAILED: Collection<Value> = Collection::new("failed");

const YEAR: u64 = 365 * 24 * 3600 * 1_000_000_000;

/// How much ballast is kept at once.
const BALLAST: usize = 20_000;

#[derive(Serialize, Deserialize)]
struct Seen {
    kind: String,
    subject: Option<String>,
    source: String,
    time: Time,
    replay: bool,
    trace: Option<String>,
    /// From its publication to its coming.
    delay_ms: u128,
    data: Value,
}

#[derive(Deserialize)]
struct New {
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    #[serde(default)]
    data: Value,
    /// Undo what was published, by a step that fails.
    #[serde(default)]
    undo: bool,
}

#[derive(Deserialize)]
struct About {
    subject: Option<String>,
}

async fn publish(Json(all): Json<Vec<New>>) -> Result<NoContent> {
    let undone = all.iter().any(|new| new.undo);
    let steps = all.iter().fold(Transaction::new(), |steps, new| {
        steps.publish(&new.kind, new.subject.as_deref(), &new.data)
    });
    let steps = match undone {
        false => steps,
        true => steps.check(&SEEN, json!({"kind": "never"}), 1),
    };
    steps.commit().await?;
    Ok(NoContent)
}

/// What it has heard, about a subject if one is named.
async fn seen(Query(about): Query<About>) -> Result<Json<Vec<Seen>>> {
    let about = match about.subject {
        Some(subject) => json!({"subject": subject}),
        None => json!({}),
    };
    Ok(Json(SEEN.find(about).limit(1000).fetch().await?.documents))
}

/// How many events came after how many milliseconds.
async fn delays() -> Result<Json<Vec<Value>>> {
    let by_delay = json!([{"$group": {"_id": "$delay_ms", "count": {"$sum": 1}}}]);
    Ok(Json(SEEN.aggregate(by_delay).await?))
}

async fn load() -> Result<NoContent> {
    let ballast = json!({"ballast": "x".repeat(BALLAST)});
    FAILED.insert(&ballast).await?;
    Ok(NoContent)
}

async fn unload() -> Result<NoContent> {
    FAILED.delete_many(json!({})).await?;
    Ok(NoContent)
}

#[on_event("thing.*")]
async fn thing_happened(By(principal): By, headers: HeaderMap, event: Event<Value>) -> Result<()> {
    if event.data["hangs"] == principal.username {
        println!("hangs with {}", event.id);
        wasip3::clocks::monotonic_clock::wait_for(YEAR).await;
    }
    if event.data["limps"] == principal.username {
        FAILED.insert(&json!({"third": true})).await?;
        if FAILED.count(json!({"third": true})).await? % 3 == 0 {
            return Err(Error::internal("it was to fail every third time"));
        }
    }
    if event.data["refuse"] == true && event.replay.is_none() {
        return Err(Error::validation("data", "it was to be refused"));
    }
    let so_often = event.data["fail"].as_u64().unwrap_or(0);
    let before = FAILED.count(json!({"event": event.id})).await?;
    if before < so_often {
        FAILED.insert(&json!({"event": event.id})).await?;
        return Err(Error::internal("it was to fail"));
    }
    keep(&headers, &event).await
}

#[on_event("family.*")]
async fn family_changed(headers: HeaderMap, event: Event<Value>) -> Result<()> {
    keep(&headers, &event).await
}

async fn keep(headers: &HeaderMap, event: &Event<Value>) -> Result<()> {
    let seen = Seen {
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        source: event.source.clone(),
        time: event.time,
        replay: event.replay.is_some(),
        trace: headers
            .get("traceparent")
            .and_then(|trace| Some(trace.to_str().ok()?.to_owned())),
        delay_ms: time::now().since(event.time).as_millis(),
        data: event.data.clone(),
    };
    event
        .commit(Transaction::new().insert(&SEEN, &seen))
        .await?;
    Ok(())
}

/// All that the component offers. It is deployed under several names.
pub fn component() -> Component {
    Component::new()
        .events([thing_happened(), family_changed()])
        .route("/{name}/publish", post(publish))
        .route("/{name}/seen", get(seen))
        .route("/{name}/delays", get(delays))
        .route("/{name}/ballast", post(load).delete(unload))
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use sbd_sdk::Principal;
    use sbd_sdk::testing::App;
    use serde_json::json;

    fn app() -> App {
        App::new(super::component())
            .collection("seen")
            .collection("failed")
            .collection("handled")
    }

    #[test]
    fn an_event_has_its_effect_once_and_once_more_in_a_replay() {
        let app = app();
        let host = app
            .by(Principal::service("acme", "listener"))
            .with_header("ce-specversion", "1.0")
            .with_header("ce-type", "thing.happened")
            .with_header("ce-source", "publisher")
            .with_header("ce-time", "2026-01-31T12:00:00Z");
        let first = host.with_header("ce-id", "evt_1");
        let second = host.with_header("ce-id", "evt_2");
        let replayed = first.with_header("ce-sbdreplay", "rpl_1");
        for client in [&first, &first, &second, &replayed, &first, &replayed] {
            client.post("/-/events", json!({})).assert_status(204);
        }
        assert_eq!(
            app.anonymous()
                .get("/x/seen")
                .body()
                .as_array()
                .unwrap()
                .len(),
            3
        );
    }

    #[test]
    fn what_fails_has_no_effect_and_may_come_again() {
        let app = app();
        let host = app.by(Principal::service("acme", "listener"));
        let seen = || {
            app.anonymous()
                .get("/x/seen")
                .body()
                .as_array()
                .unwrap()
                .len()
        };
        host.event("thing.happened", json!({"fail": 1}))
            .assert_refused(500, "INTERNAL");
        host.event("thing.happened", json!({"refuse": true}))
            .assert_refused(422, "VALIDATION_ERROR");
        assert_eq!(seen(), 0);
    }
}
