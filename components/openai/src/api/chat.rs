//! `/v1/chat/completions`

use crate::answer;
use crate::failure::{Asked, Result};
use crate::question::Question;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header;
use sbd_sdk::inference::{self, Chat};
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::{Json, operation};
use serde_json::Value;

/// What is answered.
pub(crate) enum Answered {
    Whole(Value),
    /// As it comes, with what was used or without.
    Events(Chat, bool),
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        match self {
            Self::Whole(answer) => Json(answer).into_response(),
            Self::Events(chat, with_usage) => {
                let events = answer::events(chat, with_usage);
                let kind = [
                    (header::CONTENT_TYPE, "text/event-stream"),
                    (header::CACHE_CONTROL, "no-store"),
                ];
                (kind, Body::from_stream(events)).into_response()
            }
        }
    }
}

impl Output for Answered {
    fn describe(description: &mut Description) {
        description.answers(
            StatusCode::OK,
            "The answer; as Server-Sent Events with `stream`",
        );
    }
}

/// Asks a model.
#[operation(post "/v1/chat/completions", permission = "inference:use")]
pub(crate) async fn create_chat_completion(Asked(asked): Asked<Question>) -> Result<Answered> {
    let is_streamed = asked.stream.unwrap_or_default();
    let options = asked.stream_options;
    let with_usage = options.and_then(|options| options.include_usage);
    let chat = inference::chat(asked.read()?).await?;
    match is_streamed {
        true => Ok(Answered::Events(chat, with_usage.unwrap_or_default())),
        false => answer::whole(chat).await.map(Answered::Whole),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::tests::app;
    use sbd_sdk::inference::{
        Ending, Error, Finish, Format, Message, Piece, ToolCall, ToolChoice, Usage,
    };
    use sbd_sdk::testing::App;
    use serde_json::{Value, json};

    const END: Piece = Piece::End(Ending {
        finish: Finish::Stop,
        usage: Some(Usage {
            prompt: 7,
            completion: 2,
        }),
    });

    fn saying(pieces: Vec<Piece>) -> App {
        let app = app();
        app.on_chat(move |_| pieces.clone());
        app
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn hello(stream: Value) -> Value {
        json!({"messages": [{"role": "user", "content": "Hello"}], "stream": stream,
            "stream_options": {"include_usage": true}})
    }

    /// What is in the events of an answer.
    fn events(app: &App) -> Vec<Value> {
        let answer = app
            .signed_in("usr_1")
            .post("/v1/chat/completions", hello(json!(true)));
        let answer = answer.assert_status(200);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        let lines = answer.body().as_str().unwrap().lines();
        let data = lines.filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
            .collect()
    }

    #[test]
    fn an_answer_comes_whole() {
        let call = ToolCall {
            id: "call_1".to_owned(),
            name: "weather".to_owned(),
            arguments: "{}".to_owned(),
        };
        let app = saying(vec![text("Hel"), text("lo."), Piece::Call(call), END]);
        let ada = app.signed_in("usr_1");
        let answer = ada
            .post("/v1/chat/completions", hello(json!(false)))
            .assert_status(200);
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(answer["model"], "test-chat");
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "stop");
        assert_eq!(choice["message"]["content"], "Hello.");
        assert_eq!(
            choice["message"]["tool_calls"][0]["function"]["name"],
            "weather"
        );
        assert_eq!(answer["usage"]["total_tokens"], 9);
    }

    #[test]
    fn an_answer_comes_as_it_is_made() {
        let events = events(&saying(vec![
            Piece::Queued(2),
            Piece::Loading,
            text("Hel"),
            text("lo."),
            END,
        ]));
        let deltas: Vec<_> = events
            .iter()
            .map(|event| &event["choices"][0]["delta"])
            .collect();
        assert_eq!(deltas[0]["role"], "assistant");
        assert_eq!(
            (&deltas[1]["content"], &deltas[2]["content"]),
            (&json!("Hel"), &json!("lo."))
        );
        assert_eq!(events[3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(events[4]["choices"], json!([]));
        assert_eq!(events[4]["usage"]["prompt_tokens"], 7);
        assert_eq!(events[5], "[DONE]");
        assert_eq!(events.len(), 6);
        assert!(
            events[..5]
                .iter()
                .all(|event| event["id"] == events[0]["id"])
        );
    }

    #[test]
    fn what_goes_wrong_is_told_as_openai_does() {
        let failed = || Piece::Failed(Error::Unavailable("it is away".to_owned()));
        let events = events(&saying(vec![text("Hel"), failed()]));
        assert_eq!(events.len(), 3);
        assert_eq!(events[2]["error"]["type"], "server_error");
        let app = saying(vec![failed()]);
        let ada = app.signed_in("usr_1");
        let answer = ada
            .post("/v1/chat/completions", hello(json!(false)))
            .assert_status(503);
        assert_eq!(answer["error"]["code"], "model_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
        let none = self::app();
        let ada = none.signed_in("usr_1");
        let answer = ada
            .post("/v1/chat/completions", hello(json!(true)))
            .assert_status(404);
        assert_eq!(answer["error"]["code"], "model_not_found");
        assert_eq!(answer["error"]["param"], "model");
    }

    #[test]
    fn all_that_may_be_asked_reaches_the_model() {
        let app = saying(vec![END]);
        let function =
            json!({"name": "weather", "description": "Tells it", "parameters": {"type": "object"}});
        let asked = json!({
            "model": "test-chat",
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "text", "text": "is it?"}]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
            ],
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
            "stop": "END", "temperature": 0.5, "top_p": 0.9, "seed": 7, "max_completion_tokens": 9,
            "max_tokens": 5, "n": 1, "user": "ada", "frequency_penalty": 0,
        });
        app.signed_in("usr_1")
            .post("/v1/chat/completions", asked)
            .assert_status(200);
        let asked = app.asked().remove(0);
        let call = ToolCall {
            id: "call_1".to_owned(),
            name: "weather".to_owned(),
            arguments: "{}".to_owned(),
        };
        let called = Message {
            tool_calls: vec![call],
            ..Message::assistant("")
        };
        assert_eq!(
            asked.messages,
            [
                Message::system("Be brief."),
                Message::user("What\nis it?"),
                called,
                Message::answer("call_1", "sun"),
            ]
        );
        assert_eq!(asked.tools[0].parameters, "{\"type\":\"object\"}");
        assert_eq!(asked.tool_choice, ToolChoice::Named("weather".to_owned()));
        assert_eq!(
            asked.format,
            Format::Schema("{\"type\":\"object\"}".to_owned())
        );
        assert_eq!(
            (asked.stop, asked.max_tokens),
            (vec!["END".to_owned()], Some(9))
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_field() {
        let app = saying(vec![END]);
        let with = |field: &str, value: Value| {
            let mut asked = hello(json!(false));
            asked[field] = value;
            asked
        };
        let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]);
        for (asked, field) in [
            (with("n", json!(2)), "n"),
            (with("logprobs", json!(true)), "logprobs"),
            (with("tool_choice", json!("maybe")), "tool_choice"),
            (
                with("response_format", json!({"type": "xml"})),
                "response_format.type",
            ),
            (
                with(
                    "tools",
                    json!([{"type": "web_search", "function": {"name": "x"}}]),
                ),
                "tools",
            ),
            (
                with("messages", json!([{"role": "poet", "content": "x"}])),
                "messages[0].role",
            ),
            (with("messages", image), "messages[0].content"),
            (with("messages", json!("Hello")), "messages"),
            (with("temperature", json!("hot")), "temperature"),
        ] {
            let refused = app.signed_in("usr_1").post("/v1/chat/completions", asked);
            let refused = refused.assert_status(400);
            let error = &refused["error"];
            assert_eq!(error["param"], field, "{error}");
            assert_eq!(error["type"], "invalid_request_error");
        }
        let many = with("messages", json!([]));
        let refused = app
            .signed_in("usr_1")
            .post("/v1/chat/completions", many)
            .assert_status(400);
        assert!(
            refused["error"]["message"]
                .as_str()
                .unwrap()
                .contains("1 to 1000")
        );
    }
}
