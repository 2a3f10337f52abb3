//! What is answered, in OpenAI's words: whole, or as it comes.

use crate::failure::{Failure, Result};
use bytes::Bytes;
use futures::stream::{self, Stream};
use sbd_sdk::inference::{Chat, Ending, Finish, Piece, ToolCall, Usage};
use sbd_sdk::time;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;

/// Whoever waits for the next piece is given a sign of life this often: connections without one are cut off
/// on the way.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What all pieces of one answer say.
#[derive(Clone)]
struct Head {
    id: String,
    created: i64,
    model: String,
}

/// An answer on its way.
struct Flow {
    chat: Chat,
    head: Head,
    with_usage: bool,
    calls: usize,
    has_ended: bool,
}

// === impl Head ===

impl Head {
    fn new(model: &str) -> Self {
        let id = sbd_sdk::id::new("chatcmpl");
        Self {
            id,
            created: time::now().seconds(),
            model: model.to_owned(),
        }
    }

    fn object(&self, kind: &str, choices: Value) -> Value {
        json!({
            "id": self.id, "object": kind, "created": self.created, "model": self.model,
            "choices": choices,
        })
    }
}

/// The answer, once it is whole.
pub(crate) async fn whole(mut chat: Chat) -> Result<Value> {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    let mut head = Head::new("");
    while let Some(piece) = chat.next().await {
        match piece {
            Piece::Started(model) => head.model = model,
            Piece::Text(piece) => text.push_str(&piece),
            Piece::Thought(piece) => thought.push_str(&piece),
            Piece::Call(call) => calls.push(self::call(&call)),
            Piece::Queued(_) | Piece::Loading => {}
            Piece::Failed(error) => return Err(error.into()),
            Piece::End(Ending { finish, usage }) => {
                let content = match text.is_empty() && !calls.is_empty() {
                    true => Value::Null,
                    false => text.into(),
                };
                let mut message = json!({"role": "assistant", "content": content, "refusal": null});
                if !thought.is_empty() {
                    message["reasoning_content"] = thought.into();
                }
                if !calls.is_empty() {
                    message["tool_calls"] = calls.into();
                }
                let choice = json!({
                    "index": 0, "message": message, "logprobs": null, "finish_reason": reason(finish),
                });
                let mut whole = head.object("chat.completion", json!([choice]));
                whole["usage"] = self::usage(usage.unwrap_or_default());
                return Ok(whole);
            }
        }
    }
    Err(Failure::invalid("the answer was cut off"))
}

/// The answer as Server-Sent Events, as it comes. The last one is `[DONE]`, or says what went wrong.
pub(crate) fn events(
    chat: Chat,
    with_usage: bool,
) -> impl Stream<Item = std::result::Result<Bytes, Infallible>> + Send {
    let flow = Flow {
        chat,
        head: Head::new(""),
        with_usage,
        calls: 0,
        has_ended: false,
    };
    stream::unfold(flow, async |mut flow| {
        if flow.has_ended {
            return None;
        }
        let text = match flow.chat.next_within(SIGN_OF_LIFE).await {
            Ok(Some(piece)) => flow.event(piece),
            Ok(None) => return None,
            Err(_) => ": still here\n\n".to_owned(),
        };
        Some((Ok(Bytes::from(text)), flow))
    })
}

// === impl Flow ===

impl Flow {
    /// What is sent for a piece.
    fn event(&mut self, piece: Piece) -> String {
        match piece {
            Piece::Queued(before) => format!(": {before} before\n\n"),
            Piece::Loading => ": the model is being loaded\n\n".to_owned(),
            Piece::Started(model) => {
                self.head.model = model;
                self.delta(&json!({"role": "assistant", "content": ""}), None)
            }
            Piece::Text(text) => self.delta(&json!({"content": text}), None),
            Piece::Thought(text) => self.delta(&json!({"reasoning_content": text}), None),
            Piece::Call(called) => {
                let mut call = self::call(&called);
                call["index"] = self.calls.into();
                self.calls += 1;
                self.delta(&json!({"tool_calls": [call]}), None)
            }
            Piece::End(Ending { finish, usage }) => {
                self.has_ended = true;
                let mut last = self.delta(&json!({}), Some(finish));
                if self.with_usage {
                    let mut used = self.head.object("chat.completion.chunk", json!([]));
                    used["usage"] = self::usage(usage.unwrap_or_default());
                    last.push_str(&data(&used));
                }
                last.push_str("data: [DONE]\n\n");
                last
            }
            Piece::Failed(error) => {
                self.has_ended = true;
                data(&Failure::from(error).body())
            }
        }
    }

    fn delta(&self, delta: &Value, finish: Option<Finish>) -> String {
        let choice = json!({
            "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish.map(reason),
        });
        let mut chunk = self.head.object("chat.completion.chunk", json!([choice]));
        if self.with_usage {
            chunk["usage"] = Value::Null;
        }
        data(&chunk)
    }
}

fn data(json: &Value) -> String {
    format!("data: {json}\n\n")
}

fn call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments});
    json!({"id": call.id, "type": "function", "function": function})
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

pub(crate) fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total(),
    })
}
