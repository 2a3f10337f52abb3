//! What a model is asked, in OpenAI's words.

use crate::model::{ChatRequest, Error, Format, Message, Role, Tool, ToolChoice};
use serde_json::{Map, Value, json};

/// The body of a question.
///
/// # Errors
/// When a schema is no JSON.
pub(super) fn of(model: &str, request: &ChatRequest) -> Result<Value, Error> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let messages = request.messages.iter().map(message);
    body.insert("messages".to_owned(), messages.collect());
    body.insert("stream".to_owned(), json!(true));
    body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    if !request.tools.is_empty() {
        let tools: Result<Value, Error> = request.tools.iter().map(tool).collect();
        add("tools", Some(tools?));
        add("tool_choice", Some(choice(&request.tool_choice)));
    }
    add("response_format", format(&request.format)?);
    add(
        "stop",
        (!request.stop.is_empty()).then(|| json!(request.stop)),
    );
    add("temperature", request.temperature.map(number));
    add("top_p", request.top_p.map(number));
    // Servers take it as a signed number.
    add(
        "seed",
        request.seed.map(|seed| json!(seed & (u64::MAX >> 1))),
    );
    add("max_tokens", request.max_tokens.map(|most| json!(most)));
    Ok(Value::Object(body))
}

/// A number as it was written: 0.1 is not 0.10000000149.
fn number(value: f32) -> Value {
    value
        .to_string()
        .parse::<f64>()
        .map_or(Value::Null, |value| json!(value))
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut said = json!({"role": role, "content": message.content});
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": call.id, "type": "function", "function": function})
        });
        said["tool_calls"] = calls.collect();
        if message.content.is_empty() {
            said["content"] = Value::Null;
        }
    }
    if let Some(call) = &message.answers {
        said["tool_call_id"] = json!(call);
    }
    said
}

fn tool(tool: &Tool) -> Result<Value, Error> {
    let parameters = parsed(&tool.parameters)?;
    let (name, description) = (&tool.name, &tool.description);
    let function = json!({"name": name, "description": description, "parameters": parameters});
    Ok(json!({"type": "function", "function": function}))
}

fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn format(format: &Format) -> Result<Option<Value>, Error> {
    Ok(match format {
        Format::Text => None,
        Format::JsonObject => Some(json!({"type": "json_object"})),
        Format::Schema(schema) => {
            let schema = json!({"name": "answer", "schema": parsed(schema)?, "strict": true});
            Some(json!({"type": "json_schema", "json_schema": schema}))
        }
    })
}

/// Checked before, so that it is JSON.
pub(crate) fn parsed(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| Error::Invalid(format!("it is no JSON: {error}")))
}
