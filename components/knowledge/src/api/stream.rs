//! An answer as it comes, as Server-Sent Events in the form of `docs/streams.md`.

use super::ask::{AnswerView, Keep};
use crate::asking::{Progress, Told};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _, stream};
use http::header;
use sbd_sdk::{Error, time};
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

/// What is told, one event each; an answer is kept before its end is told.
pub(super) fn respond(told: impl Stream<Item = Told> + Send + 'static, keep: Keep) -> Response {
    let keep = Arc::new(keep);
    let ready = stream::once(async { vec![event("stream.ready", Value::Null)] });
    let told = told.then(move |told| {
        let keep = Arc::clone(&keep);
        async move { events(told, &keep).await }
    });
    let body = ready.chain(told).flat_map(stream::iter);
    let body = body.map(|event| Ok::<_, Infallible>(Bytes::from(event)));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// The events of what is told; the last ones of the end.
async fn events(told: Told, keep: &Keep) -> Vec<String> {
    match told {
        Told::Progress(progress) => vec![event("answer.progress", seen(progress))],
        Told::Text(text) => vec![event("answer.token", json!({"text": text}))],
        Told::Citation(citation) => vec![event("answer.citation", json!(citation))],
        Told::Usage(usage) => vec![event("answer.usage", json!(usage))],
        Told::Answered(answer) => match keep.answer(*answer).await {
            Ok(answer) => complete(&answer),
            Err(error) => vec![end(&error)],
        },
        Told::Failed(error) => vec![end(&error)],
    }
}

fn complete(answer: &AnswerView) -> Vec<String> {
    let done = json!({"code": "done", "message": "the answer is complete"});
    vec![
        event("answer.complete", json!(answer)),
        event("stream.end", done),
    ]
}

/// There is no answer, and why.
fn end(error: &Error) -> String {
    if let Some(cause) = error.cause() {
        eprintln!("no answer: {cause}");
    }
    let data = json!({"code": error.code(), "message": error.message()});
    event("stream.end", data)
}

fn seen(progress: Progress) -> Value {
    match progress {
        Progress::Searching(query) => json!({"stage": "searching", "query": query}),
        Progress::Found(passages) => json!({"stage": "found", "passages": passages}),
        Progress::Waiting(before) => json!({"stage": "waiting", "before": before}),
        Progress::Loading => json!({"stage": "loading"}),
        Progress::Answering(model) => json!({"stage": "answering", "model": model}),
    }
}

/// One message on one line, as one event.
fn event(kind: &str, data: Value) -> String {
    #[derive(Serialize)]
    struct Message<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        time: time::Time,
        #[serde(skip_serializing_if = "Value::is_null")]
        data: Value,
    }
    let message = Message {
        kind,
        time: time::now(),
        data,
    };
    format!("data: {}\n\n", json!(message))
}
