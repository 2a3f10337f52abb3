//! Models through the whole server: OpenAI's API over a server of the test, and the official Python client over
//! llama.cpp where this machine has both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::StreamExt as _;
use sbd_tests::{Account, Launch, Server, assert_error, json, peer};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A server with two models, one that answers and one that goes on until nobody listens.
struct Models {
    url: String,
    /// Endless answers that are being sent.
    endless: Arc<AtomicUsize>,
}

impl Models {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let endless = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&endless);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || answer(stream.unwrap(), &counted));
            }
        });
        Self { url, endless }
    }

    /// A server of ours that has these models.
    async fn served(&self) -> Server {
        Launch::default()
            .env("OPENAI_BASE_URL", &self.url)
            .start()
            .await
    }
}

fn answer(mut stream: TcpStream, endless: &AtomicUsize) {
    let mut asked = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    while reader.read_line(&mut asked).unwrap() > 2 {
        let last = asked.lines().last().unwrap().to_lowercase();
        if let Some(bytes) = last.strip_prefix("content-length: ") {
            length = bytes.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut send = |kind: &str, text: &str| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(text.as_bytes())
    };
    let event = |event: Value| format!("data: {event}\n\n");
    let said = |text: &str| event(json!({"choices": [{"delta": {"content": text}}]}));
    match asked.split(' ').nth(1).unwrap() {
        "/v1/models" => {
            let models =
                json!({"data": [{"id": "talker"}, {"id": "endless"}, {"id": "mini-embed"}]});
            send("application/json", &models.to_string()).unwrap();
        }
        "/v1/embeddings" => {
            let count = body["input"].as_array().unwrap().len();
            let vectors: Vec<_> = (0..count)
                .map(|index| json!({"index": index, "embedding": [3.0, 4.0]}))
                .collect();
            let made = json!({"data": vectors, "usage": {"prompt_tokens": 5}});
            send("application/json", &made.to_string()).unwrap();
        }
        _ if body["model"] == "endless" => {
            endless.fetch_add(1, Ordering::SeqCst);
            send("text/event-stream", "").unwrap();
            while stream.write_all(said("on and ").as_bytes()).is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
            endless.fetch_sub(1, Ordering::SeqCst);
        }
        _ => {
            let end = event(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}));
            let used = event(
                json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
            );
            let answer = [
                said("Par"),
                said("is."),
                end,
                used,
                "data: [DONE]\n\n".to_owned(),
            ];
            let _ = send("text/event-stream", &answer.concat());
        }
    }
}

fn question(model: &str, stream: bool) -> Value {
    json!({
        "model": model, "stream": stream, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Capital of France?"}],
    })
}

#[tokio::test]
async fn chat_front_ends_work_with_this_server() {
    let models = Models::start();
    let server = models.served().await;
    let ada = Account::register(&server, "ada").await;
    let listed = ada.read("/v1/models").await;
    assert_eq!(listed["data"][0]["id"], "talker");
    let whole = ada.post("/v1/chat/completions", &question("talker", false));
    let whole = json(whole.send().await.unwrap(), 200).await;
    assert_eq!(whole["choices"][0]["message"]["content"], "Paris.");
    assert_eq!(whole["usage"]["total_tokens"], 9);
    let streamed = ada.post("/v1/chat/completions", &question("talker", true));
    let streamed = streamed.send().await.unwrap();
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    let text = streamed.text().await.unwrap();
    let events: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    assert_eq!(events.last(), Some(&"[DONE]"), "{text}");
    let deltas = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let content = deltas
        .filter_map(|event| Some(event["choices"][0]["delta"]["content"].as_str()?.to_owned()));
    assert_eq!(content.collect::<String>(), "Paris.");
    let made = ada.post("/v1/embeddings", &json!({"input": ["tea", "cup"]}));
    let made = json(made.send().await.unwrap(), 200).await;
    let first = made["data"][0]["embedding"].as_array().unwrap();
    assert!((first[0].as_f64().unwrap() - 0.6).abs() < 1e-6, "{made}");
    let used = ada.read("/api/v1/usage").await;
    assert_eq!(used["total"], json!({"prompt": 7 + 7 + 5, "completion": 4}));
    assert_eq!(used["items"][0]["component"], "openai");
    let none = ada.post("/v1/chat/completions", &question("none", false));
    let none = json(none.send().await.unwrap(), 404).await;
    assert_eq!(none["error"]["code"], "model_not_found");
    let asked = question("talker", false);
    let anonymous = server.post("/v1/chat/completions", &asked).await;
    assert_error(anonymous, 401, "UNAUTHENTICATED").await;
    let tokens = server
        .metric("sbd_inference_tokens_total", "kind=\"completion\"")
        .await;
    assert!(tokens >= 4.0, "{tokens}");
}

#[tokio::test]
async fn whoever_leaves_stops_the_model() {
    let models = Models::start();
    let server = models.served().await;
    let ada = Account::register(&server, "ada").await;
    let streamed = ada.post("/v1/chat/completions", &question("endless", true));
    let mut pieces = streamed.send().await.unwrap().bytes_stream();
    assert!(pieces.next().await.unwrap().is_ok());
    assert_eq!(models.endless.load(Ordering::SeqCst), 1);
    drop(pieces);
    server
        .wait_for("the model to stop", || {
            models.endless.load(Ordering::SeqCst) == 0
        })
        .await;
}

#[tokio::test]
async fn models_are_listed_chosen_and_tried_by_command() {
    let models = Models::start();
    let server = models.served().await;
    let ada = Account::register(&server, "ada").await;
    let listed = server.done(&["model", "list"]);
    assert!(
        listed.contains("talker") && listed.contains("mini-embed"),
        "{listed}"
    );
    let chosen = server.done(&["model", "default", "endless"]);
    assert!(chosen.contains("endless answers"), "{chosen}");
    let models = ada.read("/v1/models").await;
    assert_eq!(models["data"].as_array().unwrap().len(), 3);
    server.done(&["model", "default", "talker", "--tenant", "default"]);
    let mut without = question("", false);
    without.as_object_mut().unwrap().remove("model");
    let answer = ada.post("/v1/chat/completions", &without);
    assert_eq!(
        json(answer.send().await.unwrap(), 200).await["model"],
        "talker"
    );
    let tested = server.done(&["model", "test", "talker"]);
    assert!(
        tested.contains("Paris.") && tested.contains("2 answered"),
        "{tested}"
    );
    assert!(
        server
            .done(&["model", "test", "mini-embed"])
            .contains("2 numbers")
    );
    let refused = server.refused(&["model", "default", "none"]);
    assert!(refused.contains("sbd model list"), "{refused}");
}

/// What OpenAI's own client does, a line of JSON for each thing it was answered.
const CLIENT: &str = r#"
import json, os, sys
from openai import OpenAI, NotFoundError
client = OpenAI(base_url=os.environ["SERVER"], api_key=os.environ["TOKEN"])
say = lambda what: print(json.dumps(what), flush=True)
say([model.id for model in client.models.list()])
asked = {"model": "smollm2", "messages": [{"role": "user", "content": "What is the capital of France?"}],
         "max_tokens": 16, "temperature": 0, "seed": 7}
whole = client.chat.completions.create(**asked)
say({"text": whole.choices[0].message.content, "used": whole.usage.total_tokens})
text, used = "", None
for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
    text += "".join(choice.delta.content or "" for choice in chunk.choices)
    used = chunk.usage or used
say({"text": text, "used": used.total_tokens})
schema = {"type": "object", "properties": {"capital": {"type": "string", "maxLength": 20}}, "required": ["capital"]}
formed = client.chat.completions.create(**{**asked, "max_tokens": 60}, response_format={
    "type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})
say(formed.choices[0].message.content)
try:
    client.chat.completions.create(model="none", messages=asked["messages"])
except NotFoundError as error:
    say(error.code)
"#;

/// llama.cpp, until it is dropped.
struct Llama(Child, String);

impl Llama {
    fn start() -> Option<Self> {
        let folder = peer("llama-server")?;
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../host/capabilities/inference/tests/conformance/server.py"
        );
        let mut command = Command::new(folder.join("bin/python"));
        command.args([script, "llama-server"]).arg(&folder);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Some(Self(child, said["address"].as_str().unwrap().to_owned()))
    }
}

impl Drop for Llama {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn openais_own_client_works_with_llama_cpp_behind_this_server() {
    let (Some(llama), Some(client)) = (Llama::start(), peer("openai")) else {
        return;
    };
    let server = Launch::default()
        .env("OPENAI_BASE_URL", &llama.1)
        .start()
        .await;
    let ada = Account::register(&server, "ada").await;
    let mut python = tokio::process::Command::new(client.join("bin/python"));
    python
        .args(["-c", CLIENT])
        .env("SERVER", server.at("/v1"))
        .env("TOKEN", &ada.access);
    let output = python.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", server.log());
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(said[0], json!(["smollm2"]));
    // So small a model says something, and not always what is so.
    assert!(!said[1]["text"].as_str().unwrap().is_empty(), "{said:?}");
    assert!(said[1]["used"].as_u64().unwrap() > 10);
    assert_eq!(said[1], said[2]);
    let formed: Value = serde_json::from_str(said[3].as_str().unwrap()).unwrap();
    assert!(formed["capital"].is_string(), "{formed}");
    assert_eq!(said[4], "model_not_found");
}
