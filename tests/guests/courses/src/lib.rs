//! Sells lessons by the shop: declares the kind `lesson`, gives it to whoever has bought it, and takes it away when
//! that ends. What an item's reference says is done with it: one that is `full` is refused, and of one that is
//! `silent` nobody hears again.

use axum::body::Body;
use axum::extract::Request;
use sbd_sdk::documents::Collection;
use sbd_sdk::events::Event;
use sbd_sdk::{By, Caller, Component, Error, Json, Result, call, on_event, operation, read_json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const LESSONS: Collection<Lesson> = Collection::new("lessons");

/// What somebody may attend.
#[derive(Serialize, Deserialize)]
struct Lesson {
    /// The grant that gives it.
    #[serde(rename = "_id")]
    grant: String,
    user: String,
    reference: String,
}

/// A grant, as the shop tells of it.
#[derive(Deserialize)]
struct Grant {
    grant_id: String,
    user_id: String,
    component: Option<String>,
    reference: Option<String>,
}

/// Declares what is sold.
#[operation(post "/api/v1/courses/opening", permission = "courses:write", answers = "The kind")]
async fn open_courses(_: By) -> Result<Json<Value>> {
    let body = json!({"title": "A lesson"});
    ask("PUT", "/api/v1/shop/kinds/lesson", &body)
        .await
        .map(Json)
}

/// Lists the lessons that the caller may attend.
#[operation(get "/api/v1/courses/lessons", permission = "courses:read", answers = "Their references")]
async fn list_lessons(caller: Caller) -> Result<Json<Vec<String>>> {
    let found = LESSONS.find(json!({"user": caller.user})).fetch().await?;
    let lessons = found.documents.into_iter();
    Ok(Json(lessons.map(|lesson| lesson.reference).collect()))
}

/// Lists what the caller has passed; for those who have bought that.
#[operation(get "/api/v1/courses/certificates", permission = "courses:read", answers = "Nothing yet")]
async fn list_certificates(_: Caller) -> Result<Json<Vec<String>>> {
    Ok(Json(Vec::new()))
}

/// Somebody has bought a lesson. It is theirs before that is said.
#[on_event("shop.grant.requested")]
async fn requested(event: Event<Grant>) -> Result<()> {
    let grant = event.data;
    if grant.component.as_deref() != Some("courses") {
        return Ok(());
    }
    let reference = grant.reference.unwrap_or_default();
    let path = format!("/api/v1/shop/grants/{}", grant.grant_id);
    match &*reference {
        "silent" => Ok(()),
        "full" => {
            let body = json!({"reason": "The course is full"});
            ask("POST", &format!("{path}/refusal"), &body)
                .await
                .map(drop)
        }
        _ => {
            let lesson = json!({"$set": {"user": grant.user_id, "reference": reference}});
            LESSONS
                .upsert(json!({"_id": grant.grant_id}), lesson)
                .await?;
            ask("POST", &format!("{path}/confirmation"), &json!({}))
                .await
                .map(drop)
        }
    }
}

/// It is somebody's no more.
#[on_event("shop.grant.ended")]
async fn ended(event: Event<Grant>) -> Result<()> {
    LESSONS
        .delete_many(json!({"_id": event.data.grant_id}))
        .await?;
    Ok(())
}

async fn ask(method: &str, path: &str, body: &Value) -> Result<Value> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .map_err(Error::internal)?;
    let answer = call("shop", request).await?;
    match answer.status().as_u16() {
        // Decided otherwise: what there is to undo is told.
        409 => Ok(Value::Null),
        _ => read_json(answer).await,
    }
}

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "courses",
            [open_courses(), list_lessons(), list_certificates()],
        )
        .events([requested(), ended()])
}

sbd_sdk::component!(component);
