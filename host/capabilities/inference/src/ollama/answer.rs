//! What a model answers, in Ollama's words: a line of JSON a piece.

use crate::http::Server;
use crate::model::{Ending, Error, Finish, Piece, ToolCall, Usage};
use futures::stream::{self, BoxStream, StreamExt as _};
use http::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Line {
    message: Option<Said>,
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    content: String,
    thinking: Option<String>,
    tool_calls: Vec<Called>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Called {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Function {
    name: String,
    arguments: Value,
}

/// The pieces of an answer, with one end.
pub(super) fn pieces(server: Server, response: Response<Incoming>) -> BoxStream<'static, Piece> {
    let lines = server.lines(response).boxed();
    let batches = stream::unfold(
        (Some(lines), server, 0usize),
        |(lines, server, calls)| async move {
            let mut lines = lines?;
            let mut calls = calls;
            loop {
                let pieces = match lines.next().await {
                    Some(Ok(line)) if line.is_empty() => continue,
                    Some(Ok(line)) => server.read(&line).and_then(|line| taken(line, &mut calls)),
                    Some(Err(error)) => Err(error),
                    None => Err(server.broke_off("it has no end")),
                };
                let pieces = pieces.unwrap_or_else(|error| vec![Piece::Failed(error)]);
                if pieces.is_empty() {
                    continue;
                }
                let rest = match pieces.last().is_some_and(Piece::is_last) {
                    true => None,
                    false => Some(lines),
                };
                return Some((pieces, (rest, server, calls)));
            }
        },
    );
    batches.flat_map(stream::iter).boxed()
}

/// What one line says. `calls` counts the tools that were called before.
fn taken(line: Line, calls: &mut usize) -> Result<Vec<Piece>, Error> {
    if let Some(error) = line.error {
        let text: String = error.chars().take(300).collect();
        return Err(Error::Unavailable(format!("the model failed: {text}")));
    }
    let said = line.message.unwrap_or_default();
    let mut pieces = Vec::new();
    let thought = said.thinking.filter(|it| !it.is_empty());
    pieces.extend(thought.map(Piece::Thought));
    if !said.content.is_empty() {
        pieces.push(Piece::Text(said.content));
    }
    for called in said.tool_calls {
        *calls += 1;
        let id = called.id.filter(|id| !id.is_empty());
        pieces.push(Piece::Call(ToolCall {
            id: id.unwrap_or_else(|| format!("call_{calls}")),
            name: called.function.name,
            arguments: called.function.arguments.to_string(),
        }));
    }
    if line.done {
        let finish = match line.done_reason.as_deref() {
            Some("length") => Finish::Length,
            _ if *calls > 0 => Finish::ToolCalls,
            _ => Finish::Stop,
        };
        let usage = match (line.prompt_eval_count, line.eval_count) {
            (None, None) => None,
            (prompt, completion) => Some(Usage {
                prompt: prompt.unwrap_or_default(),
                completion: completion.unwrap_or_default(),
            }),
        };
        pieces.push(Piece::End(Ending { finish, usage }));
    }
    Ok(pieces)
}
