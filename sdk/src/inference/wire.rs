//! The host's functions, in the words of this module.

use super::{
    ChatRequest, Consumption, Embeddings, Ending, Error, Finish, Format, Kind, Message, Model,
    Piece, Purpose, Result, Role, Tool, ToolCall, ToolChoice, Usage,
};
use crate::bindings::inference as host;
use futures::stream::{self, Stream};

/// How many pieces are taken at once.
const AT_ONCE: usize = 16;

pub(super) async fn models() -> Result<Vec<Model>> {
    let models = host::models().await.map_err(Error::from)?;
    Ok(models.into_iter().map(Model::from).collect())
}

pub(super) async fn chat(request: ChatRequest) -> Result<impl Stream<Item = Piece> + Send> {
    let pieces = host::chat(request.into()).await.map_err(Error::from)?;
    let batches = stream::unfold(pieces, async |mut pieces| {
        let (_, batch) = pieces.read(Vec::with_capacity(AT_ONCE)).await;
        (!batch.is_empty()).then_some((batch, pieces))
    });
    let pieces = futures::StreamExt::flat_map(batches, stream::iter);
    Ok(futures::StreamExt::map(pieces, Piece::from))
}

pub(super) async fn embed(
    model: Option<String>,
    purpose: Purpose,
    texts: Vec<String>,
) -> Result<Embeddings> {
    let purpose = match purpose {
        Purpose::Passage => host::Purpose::Passage,
        Purpose::Query => host::Purpose::Query,
    };
    let made = host::embed(model, purpose, texts).await;
    let made = made.map_err(Error::from)?;
    Ok(Embeddings {
        model: made.model,
        vectors: made.vectors,
        usage: made.usage.into(),
    })
}

pub(super) async fn count_tokens(model: Option<String>, texts: Vec<String>) -> Result<Vec<u32>> {
    host::count_tokens(model, texts).await.map_err(Error::from)
}

pub(super) async fn used(
    user: Option<String>,
    since: Option<String>,
    until: Option<String>,
) -> Result<Vec<Consumption>> {
    let used = host::used(user, since, until).await;
    let used = used.map_err(Error::from)?.into_iter();
    let read = |used: host::Consumption| Consumption {
        day: used.day,
        user: used.user,
        component: used.component,
        model: used.model,
        requests: used.requests,
        usage: used.usage.into(),
    };
    Ok(used.map(read).collect())
}

impl From<ChatRequest> for host::ChatRequest {
    fn from(request: ChatRequest) -> Self {
        Self {
            model: request.model,
            messages: request.messages.into_iter().map(Into::into).collect(),
            tools: request.tools.into_iter().map(Into::into).collect(),
            tool_choice: match request.tool_choice {
                ToolChoice::Auto => host::ToolChoice::Auto,
                ToolChoice::None => host::ToolChoice::None,
                ToolChoice::Required => host::ToolChoice::Required,
                ToolChoice::Named(name) => host::ToolChoice::Named(name),
            },
            format: match request.format {
                Format::Text => host::Format::Text,
                Format::JsonObject => host::Format::JsonObject,
                Format::Schema(schema) => host::Format::Schema(schema),
            },
            stop: request.stop,
            temperature: request.temperature,
            top_p: request.top_p,
            seed: request.seed,
            max_tokens: request.max_tokens,
        }
    }
}

impl From<Message> for host::Message {
    fn from(message: Message) -> Self {
        Self {
            role: match message.role {
                Role::System => host::Role::System,
                Role::User => host::Role::User,
                Role::Assistant => host::Role::Assistant,
                Role::Tool => host::Role::Tool,
            },
            content: message.content,
            tool_calls: message.tool_calls.into_iter().map(Into::into).collect(),
            answers: message.answers,
        }
    }
}

impl From<ToolCall> for host::ToolCall {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }
    }
}

impl From<Tool> for host::Tool {
    fn from(tool: Tool) -> Self {
        Self {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
        }
    }
}

impl From<host::Model> for Model {
    fn from(model: host::Model) -> Self {
        Self {
            name: model.name,
            kind: match model.kind {
                host::Kind::Chat => Kind::Chat,
                host::Kind::Embedding => Kind::Embedding,
            },
            backend: model.backend,
            is_default: model.is_default,
            context: model.context,
            dimensions: model.dimensions,
        }
    }
}

impl From<host::Piece> for Piece {
    fn from(piece: host::Piece) -> Self {
        match piece {
            host::Piece::Queued(before) => Self::Queued(before),
            host::Piece::Loading => Self::Loading,
            host::Piece::Started(model) => Self::Started(model),
            host::Piece::Text(text) => Self::Text(text),
            host::Piece::Thought(text) => Self::Thought(text),
            host::Piece::Call(call) => Self::Call(ToolCall {
                id: call.id,
                name: call.name,
                arguments: call.arguments,
            }),
            host::Piece::End(end) => Self::End(Ending {
                finish: match end.finish {
                    host::Finish::Stop => Finish::Stop,
                    host::Finish::Length => Finish::Length,
                    host::Finish::ToolCalls => Finish::ToolCalls,
                    host::Finish::Filtered => Finish::Filtered,
                },
                usage: end.usage.map(Usage::from),
            }),
            host::Piece::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<host::Usage> for Usage {
    fn from(usage: host::Usage) -> Self {
        Self {
            prompt: usage.prompt,
            completion: usage.completion,
        }
    }
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Invalid(text) => Self::Invalid(text),
            host::Error::NoModel(text) => Self::NoModel(text),
            host::Error::Busy(text) => Self::Busy(text),
            host::Error::Limit(text) => Self::Limit(text),
            host::Error::Unavailable(text) => Self::Unavailable(text),
            host::Error::Other(text) => Self::Other(text),
        }
    }
}
