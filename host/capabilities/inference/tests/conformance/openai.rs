//! OpenAI's API, spoken by a server that behaves.

use crate::scripted::{Asked, Scripted, Step, head, json};
use crate::suite::{self, Subject};
use futures::StreamExt as _;
use sbd_inference::model::{
    ChatRequest, Ending, Finish, Format, Message, Piece, Purpose, Tool, ToolCall, ToolChoice,
};
use sbd_inference::{Backend as _, OpenAi};
use serde_json::{Value, json};

/// Events of an answer.
pub(crate) fn events(chunks: &[Value]) -> Vec<Step> {
    let chunks = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    let done = ["data: [DONE]\n\n".to_owned()];
    let sent = chunks.chain(done).map(Step::Send);
    [head("200 OK", "text/event-stream")]
        .into_iter()
        .chain(sent)
        .collect()
}

pub(crate) fn text(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]})
}

pub(crate) fn finished(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

pub(crate) fn counted() -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
}

/// A server that behaves.
pub(crate) fn behaving(asked: &Asked) -> Vec<Step> {
    let model = asked.body["model"].as_str().unwrap_or_default();
    match asked.path.as_str() {
        "/v1/models" => json(
            "200 OK",
            &json!({"object": "list", "data": [
                {"id": "talker", "object": "model", "meta": {"n_ctx": 4096, "n_embd": 64}},
                {"id": "mini-embed", "object": "model", "meta": {"n_ctx": 512, "n_embd": 26}},
            ]}),
        ),
        "/v1/chat/completions" if model != "talker" => {
            let error =
                json!({"error": {"message": "no such model", "type": "invalid_request_error"}});
            json("404 Not Found", &error)
        }
        "/v1/chat/completions" => {
            let reason = match asked.body["max_tokens"].as_u64() {
                Some(0..10) => "length",
                _ => "stop",
            };
            events(&[text("Par"), text("is."), finished(reason), counted()])
        }
        "/v1/embeddings" => {
            let texts = asked.body["input"].as_array().unwrap();
            let vectors = texts.iter().enumerate().map(|(index, text)| {
                json!({"index": index, "embedding": letters(text.as_str().unwrap())})
            });
            let vectors: Vec<_> = vectors.rev().collect();
            json(
                "200 OK",
                &json!({"data": vectors, "usage": {"prompt_tokens": 9}}),
            )
        }
        "/tokenize" => {
            let text = asked.body["content"].as_str().unwrap();
            let tokens: Vec<_> = text.split_whitespace().collect();
            json("200 OK", &json!({"tokens": tokens}))
        }
        _ => json("404 Not Found", &json!({})),
    }
}

/// How often each letter is in a text.
pub(crate) fn letters(text: &str) -> Vec<f32> {
    let letters = ('a'..='z').map(|letter| text.matches(letter).count() as f32);
    letters.collect()
}

async fn said(backend: &OpenAi, request: ChatRequest) -> Vec<Piece> {
    backend
        .chat("talker", request)
        .await
        .unwrap()
        .collect()
        .await
}

#[tokio::test]
async fn a_server_that_behaves_passes_the_suite() {
    let server = Scripted::start(behaving).await;
    let backend = OpenAi::new(&server.v1(), Some("sk-1")).unwrap();
    let subject = Subject {
        backend: &backend,
        chat: Some("talker"),
        embedding: Some("mini-embed"),
        tells_why: true,
    };
    suite::all(&subject).await;
    let asked = server.asked("/v1/chat/completions");
    assert!(
        asked
            .iter()
            .all(|asked| asked.head.contains("authorization: Bearer sk-1"))
    );
    let found = backend.models().await.unwrap();
    assert_eq!((found[0].context, found[0].dimensions), (Some(4096), None));
    assert_eq!(
        (found[1].context, found[1].dimensions),
        (Some(512), Some(26))
    );
}

#[tokio::test]
async fn all_that_may_be_asked_is_asked_in_its_words() {
    let server = Scripted::start(behaving).await;
    let backend = OpenAi::new(&server.v1(), None).unwrap();
    let call = ToolCall {
        id: "call_7".to_owned(),
        name: "weather".to_owned(),
        arguments: r#"{"city":"Paris"}"#.to_owned(),
    };
    let called = Message {
        tool_calls: vec![call],
        ..Message::assistant("")
    };
    let request = ChatRequest {
        messages: vec![
            Message::system("Be brief."),
            Message::user("Weather?"),
            called,
            Message::answer("call_7", "sun"),
        ],
        tools: vec![Tool {
            name: "weather".to_owned(),
            description: "Tells the weather".to_owned(),
            parameters: r#"{"type":"object"}"#.to_owned(),
        }],
        tool_choice: ToolChoice::Named("weather".to_owned()),
        format: Format::Schema(r#"{"type":"object"}"#.to_owned()),
        stop: vec!["END".to_owned()],
        temperature: Some(0.1),
        top_p: Some(0.9),
        seed: Some(u64::MAX),
        max_tokens: Some(99),
        model: None,
    };
    said(&backend, request).await;
    let body = server.asked("/v1/chat/completions").remove(0).body;
    let function = json!({"name": "weather", "description": "Tells the weather", "parameters": {"type": "object"}});
    assert_eq!(
        body,
        json!({
            "model": "talker",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "call_7", "type": "function",
                    "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}}]},
                {"role": "tool", "content": "sun", "tool_call_id": "call_7"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "response_format": {"type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
            "stop": ["END"],
            "temperature": 0.1,
            "top_p": 0.9,
            "seed": i64::MAX,
            "max_tokens": 99,
        })
    );
}

#[tokio::test]
async fn thoughts_and_calls_that_come_in_parts_are_put_together() {
    let part = |part: Value| json!({"choices": [{"delta": {"tool_calls": [part]}}]});
    let chunks = [
        json!({"choices": [{"delta": {"role": "assistant", "content": null}}]}),
        json!({"choices": [{"delta": {"reasoning_content": "Hm."}}]}),
        part(json!({"index": 0, "id": "a", "function": {"name": "weather", "arguments": ""}})),
        part(json!({"index": 1, "id": "b", "function": {"name": "clock", "arguments": "{}"}})),
        part(json!({"index": 0, "function": {"arguments": "{\"city\":"}})),
        part(json!({"index": 0, "function": {"arguments": "\"Paris\"}"}})),
        finished("tool_calls"),
        counted(),
    ];
    let server = Scripted::start(move |_| events(&chunks)).await;
    let backend = OpenAi::new(&server.v1(), None).unwrap();
    let call = |id: &str, name: &str, arguments: &str| {
        Piece::Call(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        })
    };
    let said = said(&backend, ChatRequest::default()).await;
    assert_eq!(
        said[..3],
        [
            Piece::Thought("Hm.".to_owned()),
            call("a", "weather", "{\"city\":\"Paris\"}"),
            call("b", "clock", "{}"),
        ]
    );
    assert!(matches!(
        said[3],
        Piece::End(Ending {
            finish: Finish::ToolCalls,
            usage: Some(_)
        })
    ));
}

#[tokio::test]
async fn who_answers_whole_where_a_stream_was_asked_for_is_understood() {
    let whole = json!({
        "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    });
    let server = Scripted::start(move |_| json("200 OK", &whole)).await;
    let backend = OpenAi::new(&server.v1(), None).unwrap();
    let said = said(&backend, ChatRequest::default()).await;
    assert_eq!(said[0], Piece::Text("Paris.".to_owned()));
    assert!(matches!(said[1], Piece::End(Ending { usage: Some(usage), .. }) if usage.prompt == 5));
}

#[tokio::test]
async fn models_are_declared_where_a_server_does_not_list_them() {
    let server = Scripted::start(|asked| match asked.path.as_str() {
        "/v1/embeddings" => behaving(asked),
        _ => json("404 Not Found", &json!({"detail": "Not Found"})),
    })
    .await;
    let backend = OpenAi::new(&server.v1(), None).unwrap();
    assert!(backend.models().await.is_err());
    let backend = backend.declaring(&Default::default(), &["vectors-e5".to_owned()].into());
    let found = backend.models().await.unwrap();
    assert_eq!((found.len(), found[0].name.as_str()), (1, "vectors-e5"));
    // What its name says it wants to read before a text.
    let texts = vec!["tea".to_owned()];
    backend
        .embed("vectors-e5", Purpose::Query, texts)
        .await
        .unwrap();
    let asked = server.asked("/v1/embeddings").remove(0).body;
    assert_eq!(asked["input"], json!(["query: tea"]));
    // It does not count, and is asked once.
    for _ in 0..2 {
        let counted = backend
            .count_tokens("vectors-e5", vec!["tea".to_owned()])
            .await;
        assert_eq!(counted.unwrap(), None);
    }
    assert_eq!(server.asked("/tokenize").len(), 1);
}
