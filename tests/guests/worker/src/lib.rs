//! Enqueues tasks and works on them. What a task's data says is done with it: `refuse` it, `fail` so often
//! first, take so many `ms`. It says who somebody is, too: whoever a token names, until they are gone.

use axum::routing::{get, post};
use sbd_sdk::authentication::{Identity, Question};
use sbd_sdk::documents::Collection;
use sbd_sdk::tasks::{self, New, State, Work};
use sbd_sdk::time::Time;
use sbd_sdk::{By, Component, Error, Json, NoContent, Path, Query, Result, Scopes, task, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const RUNS: Collection<Run> = Collection::new("runs");
const GONE: Collection<Value> = Collection::new("gone");
const DELAYS: Collection<Value> = Collection::new("delays");

/// How long a token is good for.
const SESSION: Duration = Duration::from_secs(3600);

/// How often a task that takes a while says how far it is, in milliseconds.
const STEP: u64 = 100;

/// A task that was begun.
#[derive(Serialize, Deserialize)]
struct Run {
    id: String,
    name: String,
    attempt: u32,
    data: Value,
    user: Option<Arc<str>>,
    /// Whether it came to its end.
    #[serde(default)]
    over: bool,
}

/// A task to enqueue.
#[derive(Deserialize)]
struct Wanted {
    name: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    priority: u8,
    #[serde(default)]
    delay_ms: u64,
    deadline_ms: Option<u64>,
    retries: Option<u32>,
    unique: Option<String>,
    #[serde(default)]
    for_user: bool,
}

#[derive(Deserialize)]
struct About {
    batch: Option<String>,
}

/// Enqueues tasks: one after the other (`chain`), side by side (`group`), or the last one after all others
/// (`chord`).
async fn enqueue(
    Path((_, how)): Path<(String, String)>,
    Json(wanted): Json<Vec<Wanted>>,
) -> Result<Json<Vec<String>>> {
    let new = wanted.into_iter().map(Wanted::task);
    let mut new: Vec<New> = new.collect::<Result<_>>()?;
    let tasks = match how.as_str() {
        "chain" => tasks::chain(new),
        "chord" => match new.pop() {
            Some(last) => tasks::chord(new, last),
            None => tasks::group(new),
        },
        _ => tasks::group(new),
    };
    Ok(Json(tasks.enqueue().await?))
}

/// Where a task is: its state, attempts, result and reason.
async fn look(Path((_, id)): Path<(String, String)>) -> Result<Json<Value>> {
    let task = tasks::wait(&id, Duration::from_millis(1)).await?;
    let task = task.ok_or_else(|| Error::not_found("task"))?;
    Ok(Json(json!({
        "state": task.state,
        "attempts": task.attempts,
        "result": task.result,
        "reason": task.reason,
        "ended": task.state == State::Succeeded && task.ended_at.is_some(),
    })))
}

async fn cancel(Path((_, id)): Path<(String, String)>) -> Result<Json<bool>> {
    Ok(Json(tasks::cancel(&id).await?))
}

/// What was begun, of those whose data name a batch if one is asked for.
async fn runs(Query(about): Query<About>) -> Result<Json<Vec<Run>>> {
    let about = match about.batch {
        Some(batch) => json!({"data.batch": batch}),
        None => json!({}),
    };
    let runs = RUNS
        .find(about)
        .sort(json!({"_id": 1}))
        .limit(1000)
        .fetch()
        .await?;
    Ok(Json(runs.documents))
}

/// How many timed tasks were begun after how many milliseconds.
async fn delays() -> Result<Json<Vec<Value>>> {
    let by_delay = json!([{"$group": {"_id": "$ms", "count": {"$sum": 1}}}]);
    Ok(Json(DELAYS.aggregate(by_delay).await?))
}

async fn leave(Path((_, user)): Path<(String, String)>) -> Result<NoContent> {
    GONE.insert(&json!({"user": user})).await?;
    Ok(NoContent)
}

/// Answers what it is about.
#[task("work")]
async fn work(By(principal): By, work: Work<Value>) -> Result<Json<Value>> {
    begun(&work, "work", principal.user).await?;
    if work.data["refuse"] == true {
        return Err(Error::validation("data", "it was to be refused"));
    }
    if u64::from(work.attempt) <= work.data["fail"].as_u64().unwrap_or(0) {
        return Err(Error::internal("it was to fail"));
    }
    let ms = work.data["ms"].as_u64().unwrap_or(0);
    for step in 0..ms.div_ceil(STEP) {
        #[allow(clippy::cast_precision_loss, reason = "a fraction is no exact number")]
        let fraction = (step * STEP) as f64 / ms as f64;
        work.report(fraction, format!("step {step}")).await?;
        wasip3::clocks::monotonic_clock::wait_for(STEP * 1_000_000).await;
    }
    over(&work).await?;
    Ok(Json(work.data))
}

/// Answers the results of those before it.
#[task("gather", queue = "workflow")]
async fn gather(By(principal): By, work: Work<Value>) -> Result<Json<Vec<Value>>> {
    begun(&work, "gather", principal.user).await?;
    over(&work).await?;
    Ok(Json(work.results))
}

/// In a queue that there is not.
#[task("elsewhere", queue = "nowhere")]
async fn elsewhere(_: Work<Value>) -> Result<NoContent> {
    Ok(NoContent)
}

#[task("nothing")]
async fn nothing(_: Work<Value>) -> Result<NoContent> {
    Ok(NoContent)
}

/// Keeps how long ago it was that its data name.
#[task("timed")]
async fn timed(work: Work<Time>) -> Result<NoContent> {
    let ms = time::now().since(work.data).as_millis();
    DELAYS.insert(&json!({"ms": ms})).await?;
    Ok(NoContent)
}

async fn begun(work: &Work<Value>, name: &str, user: Option<Arc<str>>) -> Result<()> {
    let run = Run {
        id: work.id.clone(),
        name: name.to_owned(),
        attempt: work.attempt,
        data: work.data.clone(),
        user,
        over: false,
    };
    Ok(RUNS.insert(&run).await.map(drop)?)
}

async fn over(work: &Work<Value>) -> Result<()> {
    let this = json!({"id": work.id, "attempt": work.attempt});
    RUNS.update_one(this, json!({"$set": {"over": true}}))
        .await?;
    Ok(())
}

async fn authenticate(Json(question): Json<Question>) -> Result<Json<Identity>> {
    let user: Arc<str> = match question {
        Question::Token(presented) => presented.token.into(),
        Question::Delegation { user } => user,
    };
    if GONE.count(json!({"user": user})).await? > 0 {
        return Err(Error::token_invalid(
            "the account is gone; make another one",
        ));
    }
    Ok(Json(Identity {
        username: user.to_string(),
        user,
        session: None,
        roles: vec!["user".to_owned()],
        scopes: Scopes::everything(),
        impersonated_by: None,
        expires_at: (time::now() + SESSION).to_string(),
    }))
}

// === impl Wanted ===

impl Wanted {
    fn task(self) -> Result<New> {
        let new = New::of(&self.name, &self.data)?
            .priority(self.priority)
            .delay(Duration::from_millis(self.delay_ms));
        let new = match self.deadline_ms {
            Some(ms) => new.deadline(Duration::from_millis(ms)),
            None => new,
        };
        let new = match self.retries {
            Some(retries) => new.retries(retries),
            None => new,
        };
        let new = match self.unique {
            Some(key) => new.unique(key),
            None => new,
        };
        Ok(match self.for_user {
            true => new.for_user(),
            false => new,
        })
    }
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .tasks([work(), gather(), elsewhere(), nothing(), timed()])
        .route("/{name}/enqueue/{how}", post(enqueue))
        .route("/{name}/tasks/{id}", get(look).delete(cancel))
        .route("/{name}/runs", get(runs))
        .route("/{name}/delays", get(delays))
        .route("/{name}/leave/{user}", post(leave))
        .route("/-/authenticate", post(authenticate))
}

sbd_sdk::component!(component);
