//! What a model answers, in OpenAI's words.

use super::events;
use crate::http::Server;
use crate::model::{Ending, Error, Finish, Piece, ToolCall, Usage};
use futures::stream::{self, BoxStream, StreamExt as _};
use http::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Tools that one answer calls, at most.
const CALLS: usize = 128;

/// A piece of an answer, or all of it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Chunk {
    choices: Vec<Choice>,
    usage: Option<Counted>,
    /// Some servers fail after they have begun, and say so here.
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Choice {
    delta: Option<Delta>,
    /// In an answer that comes whole.
    message: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CallPart {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

/// How many tokens the provider has counted.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(default)]
pub(super) struct Counted {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// An answer that is being read.
#[derive(Default)]
pub(super) struct Reading {
    calls: BTreeMap<usize, ToolCall>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl From<Counted> for Usage {
    fn from(counted: Counted) -> Self {
        Self {
            prompt: counted.prompt_tokens,
            completion: counted.completion_tokens,
        }
    }
}

/// The pieces of an answer that comes as events, with one end.
pub(super) fn pieces(server: Server, response: Response<Incoming>) -> BoxStream<'static, Piece> {
    let lines = server.lines(response).boxed();
    let begin = (Some((Reading::default(), lines)), server);
    let batches = stream::unfold(begin, |(state, server)| async move {
        let (mut reading, mut lines) = state?;
        loop {
            let line = match lines.next().await {
                Some(Ok(line)) => line,
                Some(Err(error)) => {
                    // What was said to be complete is, whatever the connection does then.
                    let end = match reading.has_finished() {
                        true => reading.finish(),
                        false => vec![Piece::Failed(error)],
                    };
                    return Some((end, (None, server)));
                }
                None => {
                    let end = match reading.has_finished() {
                        true => reading.finish(),
                        false => vec![Piece::Failed(server.broke_off("it has no end"))],
                    };
                    return Some((end, (None, server)));
                }
            };
            let Some(data) = events::data(&line) else {
                continue;
            };
            if data == b"[DONE]" {
                return Some((reading.finish(), (None, server)));
            }
            let taken = server.read(data).and_then(|chunk| reading.take(chunk));
            match taken {
                Ok(pieces) if pieces.is_empty() => {}
                Ok(pieces) => return Some((pieces, (Some((reading, lines)), server))),
                Err(error) => return Some((vec![Piece::Failed(error)], (None, server))),
            }
        }
    });
    batches.flat_map(stream::iter).boxed()
}

// === impl Reading ===

impl Reading {
    /// Takes a chunk in; answers what can be told of it already.
    pub(super) fn take(&mut self, chunk: Chunk) -> Result<Vec<Piece>, Error> {
        if let Some(error) = chunk.error {
            let text = error["message"].as_str().or(error.as_str());
            let text: String = text.unwrap_or("no reason").chars().take(300).collect();
            return Err(Error::Unavailable(format!("the model failed: {text}")));
        }
        if let Some(counted) = chunk.usage {
            self.usage = Some(counted.into());
        }
        let mut pieces = Vec::new();
        // One answer was asked for.
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(pieces);
        };
        if let Some(delta) = choice.delta.or(choice.message) {
            let thought = delta.reasoning_content.or(delta.reasoning);
            pieces.extend(thought.filter(|it| !it.is_empty()).map(Piece::Thought));
            let text = delta.content.filter(|it| !it.is_empty());
            pieces.extend(text.map(Piece::Text));
            for (place, part) in delta.tool_calls.into_iter().flatten().enumerate() {
                self.add(place, part)?;
            }
        }
        if let Some(reason) = choice.finish_reason {
            self.finish = Some(match reason.as_str() {
                "length" => Finish::Length,
                "tool_calls" | "function_call" => Finish::ToolCalls,
                "content_filter" => Finish::Filtered,
                _ => Finish::Stop,
            });
        }
        Ok(pieces)
    }

    fn add(&mut self, place: usize, part: CallPart) -> Result<(), Error> {
        let index = part.index.unwrap_or(place);
        if !self.calls.contains_key(&index) && self.calls.len() >= CALLS {
            return Err(Error::Other(format!(
                "the model calls more than {CALLS} tools"
            )));
        }
        let call = self.calls.entry(index).or_insert_with(|| ToolCall {
            id: format!("call_{index}"),
            name: String::new(),
            arguments: String::new(),
        });
        if let Some(id) = part.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        let function = part.function.unwrap_or_default();
        call.name.push_str(&function.name.unwrap_or_default());
        call.arguments
            .push_str(&function.arguments.unwrap_or_default());
        match call.arguments.len() > crate::model::BYTES {
            true => Err(Error::Other(
                "the model calls a tool with more than 4 MiB".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// Whether it was said that the answer is complete.
    pub(super) fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// What is told at the end.
    pub(super) fn finish(self) -> Vec<Piece> {
        let calls: Vec<_> = self.calls.into_values().map(Piece::Call).collect();
        // Some say `stop` where tools are called.
        let finish = match self.finish {
            None | Some(Finish::Stop) if !calls.is_empty() => Finish::ToolCalls,
            finish => finish.unwrap_or(Finish::Stop),
        };
        let end = Piece::End(Ending {
            finish,
            usage: self.usage,
        });
        calls.into_iter().chain([end]).collect()
    }
}
