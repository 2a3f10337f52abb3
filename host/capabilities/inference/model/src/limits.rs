//! The bounds of what may be asked.

use crate::{ChatRequest, Error, Format, Role, ToolChoice};

/// Messages of a conversation, at most.
pub const MESSAGES: usize = 1000;
/// Tools, at most.
pub const TOOLS: usize = 128;
/// Texts at which an answer stops, at most.
pub const STOPS: usize = 8;
/// Texts that are embedded in one call, at most.
pub const EMBEDDED: usize = 256;
/// Texts whose tokens are counted in one call, at most.
pub const COUNTED: usize = 1000;
/// Bytes of one call, at most.
pub const BYTES: usize = 4 << 20;

// === impl ChatRequest ===

impl ChatRequest {
    /// Checks the bounds that `sbd:platform/inference` promises.
    ///
    /// # Errors
    /// [`Error::Invalid`], which says what to write instead.
    pub fn check(&self) -> Result<(), Error> {
        let count = self.messages.len();
        if !(1..=MESSAGES).contains(&count) {
            return invalid(format!("write 1 to {MESSAGES} messages, not {count}"));
        }
        check_bytes(self.bytes())?;
        for message in &self.messages {
            match (message.role, &message.answers) {
                (Role::Tool, None) => {
                    return invalid("a message of a tool names the call that it answers");
                }
                (Role::Tool, Some(_)) | (_, None) => {}
                (_, Some(_)) => return invalid("only a message of a tool answers a call"),
            }
            if message.role != Role::Assistant && !message.tool_calls.is_empty() {
                return invalid("only the assistant calls tools");
            }
        }
        self.check_tools()?;
        if let Format::Schema(schema) = &self.format
            && !is_object(schema)
        {
            return invalid("a schema is a JSON object");
        }
        if self.stop.len() > STOPS || self.stop.iter().any(String::is_empty) {
            return invalid(format!("write up to {STOPS} texts to stop at, none empty"));
        }
        if self
            .temperature
            .is_some_and(|it| !(0.0..=2.0).contains(&it))
        {
            return invalid("the temperature is between 0 and 2");
        }
        if self.top_p.is_some_and(|it| !(it > 0.0 && it <= 1.0)) {
            return invalid("top-p is above 0, and 1 at most");
        }
        if self.max_tokens == Some(0) {
            return invalid("ask for 1 token or more");
        }
        Ok(())
    }

    fn check_tools(&self) -> Result<(), Error> {
        if self.tools.len() > TOOLS {
            return invalid(format!("name up to {TOOLS} tools"));
        }
        for tool in &self.tools {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            if !(1..=64).contains(&tool.name.len()) || !tool.name.bytes().all(is_allowed) {
                let name = tool.name.chars().take(80).collect::<String>();
                return invalid(format!(
                    "the name of a tool has 1 to 64 letters, digits, `_` and `-`, unlike `{}`",
                    name.escape_debug()
                ));
            }
            if !is_object(&tool.parameters) {
                let name = &tool.name;
                return invalid(format!(
                    "what `{name}` is called with is a JSON Schema, a JSON object"
                ));
            }
        }
        match &self.tool_choice {
            ToolChoice::Required if self.tools.is_empty() => {
                invalid("name the tools of which one must be called")
            }
            ToolChoice::Named(name) if !self.tools.iter().any(|tool| tool.name == *name) => {
                invalid("the tool that must be called is not among the tools")
            }
            _ => Ok(()),
        }
    }

    /// How many bytes its texts have.
    pub fn bytes(&self) -> usize {
        let messages = self.messages.iter().map(|message| {
            let calls = message.tool_calls.iter();
            let calls = calls.map(|call| call.id.len() + call.name.len() + call.arguments.len());
            let answers = message.answers.as_ref().map_or(0, String::len);
            message.content.len() + answers + calls.sum::<usize>()
        });
        let tools = self.tools.iter();
        let tools =
            tools.map(|tool| tool.name.len() + tool.description.len() + tool.parameters.len());
        let schema = match &self.format {
            Format::Schema(schema) => schema.len(),
            Format::Text | Format::JsonObject => 0,
        };
        let model = self.model.as_ref().map_or(0, String::len);
        let stop = self.stop.iter().map(String::len);
        messages.sum::<usize>() + tools.sum::<usize>() + schema + model + stop.sum::<usize>()
    }
}

/// Checks the texts of a call that embeds them.
///
/// # Errors
/// [`Error::Invalid`], which says what to write instead.
pub fn check_embedded(texts: &[String]) -> Result<(), Error> {
    check_texts(texts, EMBEDDED)
}

/// Checks the texts of a call that counts their tokens.
///
/// # Errors
/// [`Error::Invalid`], which says what to write instead.
pub fn check_counted(texts: &[String]) -> Result<(), Error> {
    check_texts(texts, COUNTED)
}

fn check_texts(texts: &[String], most: usize) -> Result<(), Error> {
    let count = texts.len();
    if !(1..=most).contains(&count) {
        return invalid(format!(
            "give 1 to {most} texts, not {count}; call again for the others"
        ));
    }
    check_bytes(texts.iter().map(String::len).sum())
}

fn check_bytes(bytes: usize) -> Result<(), Error> {
    match bytes > BYTES {
        true => invalid(format!("a call has at most {BYTES} bytes, not {bytes}")),
        false => Ok(()),
    }
}

fn is_object(json: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_ok()
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Invalid(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, Tool, ToolCall};

    fn asked() -> ChatRequest {
        ChatRequest {
            messages: vec![Message::user("Hello")],
            ..ChatRequest::default()
        }
    }

    fn tool(name: &str, parameters: &str) -> Tool {
        Tool {
            name: name.to_owned(),
            description: String::new(),
            parameters: parameters.to_owned(),
        }
    }

    #[test]
    fn what_is_within_the_bounds_is_accepted() {
        let call = ToolCall {
            id: "1".to_owned(),
            name: "weather".to_owned(),
            arguments: "{}".to_owned(),
        };
        let called = Message {
            tool_calls: vec![call],
            ..Message::assistant("")
        };
        let request = ChatRequest {
            messages: vec![Message::user("Hello"), called, Message::answer("1", "sun")],
            tools: vec![tool("weather", "{}")],
            tool_choice: ToolChoice::Named("weather".to_owned()),
            format: Format::Schema("{}".to_owned()),
            stop: vec!["\n".to_owned()],
            temperature: Some(2.0),
            top_p: Some(1.0),
            max_tokens: Some(1),
            ..asked()
        };
        assert_eq!(request.check(), Ok(()));
        assert_eq!(check_embedded(&["".to_owned()]), Ok(()));
        assert_eq!(check_counted(&vec![String::new(); COUNTED]), Ok(()));
    }

    #[test]
    fn what_is_not_is_refused_with_what_to_write_instead() {
        let messages = |messages| ChatRequest {
            messages,
            ..asked()
        };
        let tools = |tools| ChatRequest { tools, ..asked() };
        let wrong = [
            messages(vec![]),
            messages(vec![Message::user(""); MESSAGES + 1]),
            messages(vec![Message::user("x".repeat(BYTES + 1))]),
            messages(vec![Message {
                answers: None,
                ..Message::answer("1", "")
            }]),
            messages(vec![Message {
                answers: Some("1".to_owned()),
                ..Message::user("")
            }]),
            tools(vec![tool("", "{}")]),
            tools(vec![tool("what is it?", "{}")]),
            tools(vec![tool("weather", "[]")]),
            tools(vec![tool("weather", "{}"); TOOLS + 1]),
            ChatRequest {
                tool_choice: ToolChoice::Required,
                ..asked()
            },
            ChatRequest {
                tool_choice: ToolChoice::Named("clock".to_owned()),
                ..tools(vec![tool("weather", "{}")])
            },
            ChatRequest {
                format: Format::Schema("string".to_owned()),
                ..asked()
            },
            ChatRequest {
                stop: vec![String::new()],
                ..asked()
            },
            ChatRequest {
                temperature: Some(f32::NAN),
                ..asked()
            },
            ChatRequest {
                top_p: Some(0.0),
                ..asked()
            },
            ChatRequest {
                max_tokens: Some(0),
                ..asked()
            },
        ];
        for request in wrong {
            let checked = request.check();
            assert!(matches!(checked, Err(Error::Invalid(_))), "{request:?}");
        }
        assert!(check_embedded(&[]).is_err());
        assert!(check_embedded(&vec![String::new(); EMBEDDED + 1]).is_err());
        assert!(check_counted(&["x".repeat(BYTES + 1)]).is_err());
    }
}
