//! What a model is asked, in Ollama's words.

use crate::model::{ChatRequest, Error, Format, Message, Role, ToolChoice};
use serde_json::{Map, Value, json};

/// The body of a question.
///
/// # Errors
/// When a schema is no JSON.
pub(super) fn of(model: &str, request: &ChatRequest, keep_alive: u64) -> Result<Value, Error> {
    let messages: Value = request.messages.iter().map(message).collect();
    let mut options = Map::new();
    let mut option = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    };
    option("temperature", request.temperature.map(|it| json!(it)));
    option("top_p", request.top_p.map(|it| json!(it)));
    option("seed", request.seed.map(|it| json!(it & 0x7fff_ffff)));
    option("num_predict", request.max_tokens.map(|it| json!(it)));
    option(
        "stop",
        (!request.stop.is_empty()).then(|| json!(request.stop)),
    );
    let mut body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "keep_alive": keep_alive,
        "options": options,
    });
    // It cannot be made to call one; it can be left none to choose from.
    let offered = request
        .tools
        .iter()
        .filter(|tool| match &request.tool_choice {
            ToolChoice::None => false,
            ToolChoice::Named(name) => tool.name == *name,
            ToolChoice::Auto | ToolChoice::Required => true,
        });
    let tools: Result<Vec<Value>, Error> = offered
        .map(|tool| {
            let parameters = parsed(&tool.parameters)?;
            let (name, about) = (&tool.name, &tool.description);
            let function = json!({"name": name, "description": about, "parameters": parameters});
            Ok(json!({"type": "function", "function": function}))
        })
        .collect();
    let tools = tools?;
    if !tools.is_empty() {
        body["tools"] = json!(tools);
    }
    match &request.format {
        Format::Text => {}
        Format::JsonObject => body["format"] = json!("json"),
        Format::Schema(schema) => body["format"] = parsed(schema)?,
    }
    Ok(body)
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
            // It wants an object; what the model once called with another thing is told as that.
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            json!({"function": {"name": call.name, "arguments": arguments}})
        });
        said["tool_calls"] = calls.collect();
    }
    said
}

fn parsed(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| Error::Invalid(format!("it is no JSON: {error}")))
}
