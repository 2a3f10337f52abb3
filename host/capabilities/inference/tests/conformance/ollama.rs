//! Ollama's own API, spoken by a server that behaves.

use crate::openai::letters;
use crate::scripted::{Asked, Scripted, Step, head, json};
use crate::suite::{self, Subject};
use futures::StreamExt as _;
use sbd_inference::model::{ChatRequest, Format, Message, Piece, Tool, ToolChoice};
use sbd_inference::{Backend as _, Ollama};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// Lines of an answer.
fn lines(lines: &[Value]) -> Vec<Step> {
    let lines = lines.iter().map(|line| Step::Send(format!("{line}\n")));
    [head("200 OK", "application/x-ndjson")]
        .into_iter()
        .chain(lines)
        .collect()
}

/// A server that behaves, with one model in memory or none.
fn behaving(is_loaded: &AtomicBool, asked: &Asked) -> Vec<Step> {
    let model = asked.body["model"].as_str().unwrap_or_default();
    let talker = json!({"name": "talker:latest", "digest": "1", "size": 500});
    match asked.path.as_str() {
        "/api/tags" => json(
            "200 OK",
            &json!({"models": [
                talker, {"name": "vectors:latest", "digest": "2", "size": 5},
            ]}),
        ),
        "/api/ps" => {
            let loaded = is_loaded.load(Ordering::SeqCst).then(|| talker.clone());
            json(
                "200 OK",
                &json!({"models": loaded.into_iter().collect::<Vec<_>>()}),
            )
        }
        "/api/show" if model == "vectors:latest" => json(
            "200 OK",
            &json!({
                "capabilities": ["embedding"],
                "model_info": {"bert.context_length": 512, "bert.embedding_length": 26},
            }),
        ),
        "/api/show" => json(
            "200 OK",
            &json!({
                "capabilities": ["completion", "tools"],
                "model_info": {"llama.context_length": 8192, "llama.embedding_length": 64},
            }),
        ),
        "/api/generate" => {
            is_loaded.store(asked.body["keep_alive"] != 0, Ordering::SeqCst);
            json("200 OK", &json!({"done": true}))
        }
        "/api/chat" if model != "talker:latest" => json(
            "404 Not Found",
            &json!({"error": format!("model '{model}' not found")}),
        ),
        "/api/chat" => {
            let reason = match asked.body["options"]["num_predict"].as_u64() {
                Some(0..10) => "length",
                _ => "stop",
            };
            lines(&[
                json!({"message": {"role": "assistant", "content": "Paris"}, "done": false}),
                json!({"message": {"role": "assistant", "content": "."}, "done": false}),
                json!({"message": {"content": ""}, "done": true, "done_reason": reason,
                    "prompt_eval_count": 9, "eval_count": 2}),
            ])
        }
        "/api/embed" => {
            let texts = asked.body["input"].as_array().unwrap().iter();
            let vectors: Vec<_> = texts.map(|text| letters(text.as_str().unwrap())).collect();
            json(
                "200 OK",
                &json!({"embeddings": vectors, "prompt_eval_count": 12}),
            )
        }
        "/api/pull" if model == "none" => {
            lines(&[json!({"error": "pull model manifest: file does not exist"})])
        }
        "/api/pull" => lines(&[
            json!({"status": "pulling manifest"}),
            json!({"status": "pulling 1", "total": 500, "completed": 250}),
            json!({"status": "success"}),
        ]),
        "/api/delete" => json("200 OK", &json!({})),
        _ => json("404 Not Found", &json!({})),
    }
}

async fn server() -> (Scripted, Ollama) {
    let is_loaded = AtomicBool::new(false);
    let server = Scripted::start(move |asked| behaving(&is_loaded, asked)).await;
    let backend = Ollama::new(&server.address, None, KEEP_ALIVE).unwrap();
    (server, backend)
}

#[tokio::test]
async fn a_server_that_behaves_passes_the_suite() {
    let (server, backend) = server().await;
    let subject = Subject {
        backend: &backend,
        chat: Some("talker:latest"),
        embedding: Some("vectors:latest"),
        tells_why: true,
    };
    suite::all(&subject).await;
    let found = backend.models().await.unwrap();
    assert_eq!((found[0].context, found[0].dimensions), (Some(8192), None));
    assert_eq!(
        (found[1].context, found[1].dimensions),
        (Some(512), Some(26))
    );
    assert_eq!((found[0].is_loaded, found[0].memory), (Some(false), None));
    backend.load("talker:latest").await.unwrap();
    let found = backend.models().await.unwrap();
    assert_eq!(
        (found[0].is_loaded, found[0].memory),
        (Some(true), Some(500))
    );
    // What it tells of a model does not change with each look.
    assert_eq!(server.asked("/api/show").len(), 2);
}

#[tokio::test]
async fn all_that_may_be_asked_is_asked_in_its_words() {
    let (server, backend) = server().await;
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        description: String::new(),
        parameters: "{}".to_owned(),
    };
    let request = ChatRequest {
        messages: vec![Message::user("Weather?")],
        tools: vec![tool("weather"), tool("clock")],
        tool_choice: ToolChoice::Named("clock".to_owned()),
        format: Format::JsonObject,
        stop: vec!["END".to_owned()],
        seed: Some(3),
        max_tokens: Some(50),
        ..ChatRequest::default()
    };
    let pieces = backend.chat("talker:latest", request).await.unwrap();
    let _: Vec<Piece> = pieces.collect().await;
    let body = server.asked("/api/chat").remove(0).body;
    assert_eq!(
        body,
        json!({
            "model": "talker:latest",
            "messages": [{"role": "user", "content": "Weather?"}],
            "stream": true,
            "keep_alive": 300,
            "options": {"seed": 3, "num_predict": 50, "stop": ["END"]},
            "tools": [{"type": "function", "function": {"name": "clock", "description": "", "parameters": {}}}],
            "format": "json",
        })
    );
}

#[tokio::test]
async fn models_are_fetched_with_how_far_it_is_and_removed() {
    let (server, backend) = server().await;
    let told: Vec<_> = backend.pull("talker").await.unwrap().collect().await;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!((told[1].done, told[1].total), (250, Some(500)));
    assert_eq!(told[2].step, "success");
    let failed: Vec<_> = backend.pull("none").await.unwrap().collect().await;
    assert!(failed[0].is_err());
    backend.remove("talker").await.unwrap();
    assert_eq!(server.asked("/api/delete")[0].method, "DELETE");
}
