//! The host side of `sbd:platform/inference`. The store is free while a call waits.

use crate::bindings::inference;
use crate::kept::UsageQuery;
use crate::model::{
    ChatRequest, Consumption, Embeddings, Error, Finish, Format, Kind, Message, Model, Piece,
    Purpose, Role, Tool, ToolCall, ToolChoice, Usage,
};
use crate::stream::Pieces;
use crate::{Inference, InferenceCtx};
use jiff::civil::Date;
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::{Accessor, StreamReader};

impl inference::Host for InferenceCtx {}

impl<T: Metered> inference::HostWithStore<T> for Inference {
    async fn models(store: &Accessor<T, Self>) -> Result<Vec<inference::Model>, inference::Error> {
        let (ctx, charge) = called(store, "models", 0)?;
        let models = ctx.models().await;
        let texts = models
            .iter()
            .map(|model| model.name.len() + model.backend.len());
        charge.answer(texts.sum())?;
        Ok(models.into_iter().map(Into::into).collect())
    }

    async fn chat(
        store: &Accessor<T, Self>,
        request: inference::ChatRequest,
    ) -> Result<StreamReader<inference::Piece>, inference::Error> {
        let request = ChatRequest::from(request);
        let (ctx, charge) = called(store, "chat", request.bytes())?;
        let taken = ctx.chat(charge.cause().user, request).await?;
        let pieces = Pieces::new(taken, charge);
        let stream = store.with(|mut access| StreamReader::new(access.as_context_mut(), pieces));
        stream.map_err(|error| inference::Error::Other(error.to_string()))
    }

    async fn embed(
        store: &Accessor<T, Self>,
        model: Option<String>,
        purpose: inference::Purpose,
        texts: Vec<String>,
    ) -> Result<inference::Embeddings, inference::Error> {
        let bytes = texts.iter().map(String::len).sum();
        let (ctx, charge) = called(store, "embed", bytes)?;
        let user = charge.cause().user;
        let made = ctx.embed(user, model.as_deref(), purpose.into(), texts);
        let made = made.await?;
        let numbers = made.vectors.iter().map(|vector| 4 * vector.len());
        charge.answer(numbers.sum())?;
        Ok(made.into())
    }

    async fn count_tokens(
        store: &Accessor<T, Self>,
        model: Option<String>,
        texts: Vec<String>,
    ) -> Result<Vec<u32>, inference::Error> {
        let bytes = texts.iter().map(String::len).sum();
        let (ctx, charge) = called(store, "count-tokens", bytes)?;
        let counts = ctx.count_tokens(model.as_deref(), texts).await?;
        charge.answer(4 * counts.len())?;
        Ok(counts)
    }

    async fn used(
        store: &Accessor<T, Self>,
        user: Option<String>,
        since: Option<String>,
        until: Option<String>,
    ) -> Result<Vec<inference::Consumption>, inference::Error> {
        let (ctx, charge) = called(store, "used", 0)?;
        let query = UsageQuery {
            user,
            since: since.as_deref().map(day).transpose()?,
            until: until.as_deref().map(day).transpose()?,
        };
        let used = ctx.used(query).await?;
        let texts = used.iter().map(|used| {
            let user = used.user.as_ref().map_or(0, String::len);
            used.day.len() + user + used.component.len() + used.model.len() + 24
        });
        charge.answer(texts.sum())?;
        Ok(used.into_iter().map(Into::into).collect())
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Inference>,
    operation: &'static str,
    bytes: usize,
) -> Result<(InferenceCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "inference", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

fn day(text: &str) -> Result<Date, Error> {
    text.parse().map_err(|_| {
        let text = text.chars().take(40).collect::<String>();
        let text = text.escape_debug();
        Error::Invalid(format!("`{text}` is no day; write it like 2026-11-30"))
    })
}

impl From<inference::ChatRequest> for ChatRequest {
    fn from(request: inference::ChatRequest) -> Self {
        Self {
            model: request.model,
            messages: request.messages.into_iter().map(Into::into).collect(),
            tools: request.tools.into_iter().map(Into::into).collect(),
            tool_choice: match request.tool_choice {
                inference::ToolChoice::Auto => ToolChoice::Auto,
                inference::ToolChoice::None => ToolChoice::None,
                inference::ToolChoice::Required => ToolChoice::Required,
                inference::ToolChoice::Named(name) => ToolChoice::Named(name),
            },
            format: match request.format {
                inference::Format::Text => Format::Text,
                inference::Format::JsonObject => Format::JsonObject,
                inference::Format::Schema(schema) => Format::Schema(schema),
            },
            stop: request.stop,
            temperature: request.temperature,
            top_p: request.top_p,
            seed: request.seed,
            max_tokens: request.max_tokens,
        }
    }
}

impl From<inference::Message> for Message {
    fn from(message: inference::Message) -> Self {
        Self {
            role: match message.role {
                inference::Role::System => Role::System,
                inference::Role::User => Role::User,
                inference::Role::Assistant => Role::Assistant,
                inference::Role::Tool => Role::Tool,
            },
            content: message.content,
            tool_calls: message.tool_calls.into_iter().map(Into::into).collect(),
            answers: message.answers,
        }
    }
}

impl From<inference::ToolCall> for ToolCall {
    fn from(call: inference::ToolCall) -> Self {
        Self {
            id: call.id,
            name: call.name,
            arguments: call.arguments,
        }
    }
}

impl From<inference::Tool> for Tool {
    fn from(tool: inference::Tool) -> Self {
        Self {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
        }
    }
}

impl From<inference::Purpose> for Purpose {
    fn from(purpose: inference::Purpose) -> Self {
        match purpose {
            inference::Purpose::Passage => Self::Passage,
            inference::Purpose::Query => Self::Query,
        }
    }
}

impl From<Model> for inference::Model {
    fn from(model: Model) -> Self {
        Self {
            name: model.name,
            kind: match model.kind {
                Kind::Chat => inference::Kind::Chat,
                Kind::Embedding => inference::Kind::Embedding,
            },
            backend: model.backend,
            is_default: model.is_default,
            context: model.context,
            dimensions: model.dimensions,
        }
    }
}

impl From<Piece> for inference::Piece {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Queued(before) => Self::Queued(before),
            Piece::Loading => Self::Loading,
            Piece::Started(model) => Self::Started(model),
            Piece::Text(text) => Self::Text(text),
            Piece::Thought(text) => Self::Thought(text),
            Piece::Call(call) => Self::Call(inference::ToolCall {
                id: call.id,
                name: call.name,
                arguments: call.arguments,
            }),
            Piece::End(ending) => Self::End(inference::Ending {
                finish: match ending.finish {
                    Finish::Stop => inference::Finish::Stop,
                    Finish::Length => inference::Finish::Length,
                    Finish::ToolCalls => inference::Finish::ToolCalls,
                    Finish::Filtered => inference::Finish::Filtered,
                },
                usage: ending.usage.map(Into::into),
            }),
            Piece::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<Usage> for inference::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt: usage.prompt,
            completion: usage.completion,
        }
    }
}

impl From<Embeddings> for inference::Embeddings {
    fn from(made: Embeddings) -> Self {
        Self {
            model: made.model,
            vectors: made.vectors,
            usage: made.usage.into(),
        }
    }
}

impl From<Consumption> for inference::Consumption {
    fn from(used: Consumption) -> Self {
        Self {
            day: used.day,
            user: used.user,
            component: used.component,
            model: used.model,
            requests: used.requests,
            usage: used.usage.into(),
        }
    }
}

impl From<OverLimit> for inference::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for inference::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::NoModel(text) => Self::NoModel(text),
            Error::Busy(text) => Self::Busy(text),
            Error::Limit(text) => Self::Limit(text),
            Error::Unavailable(text) => Self::Unavailable(text),
            Error::Other(text) => Self::Other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::inference::{self, HostWithStore as _};
    use crate::{Inference, InferenceCtx, InferenceView, Models, add_to_linker};
    use sbd_capability_testing::{Instance, assert_links, metered};
    use sbd_metering::Budget;
    use sbd_storage::{Database, Options};
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl InferenceView for Instance<InferenceCtx> {
        fn inference(&mut self) -> &mut InferenceCtx {
            &mut self.ctx
        }
    }

    #[test]
    fn the_interface_links() {
        assert_links::<InferenceCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn a_guest_is_told_what_is_wrong_and_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("host.db"), &Options::default());
        let models = Models::open(database.unwrap(), Vec::new()).await.unwrap();
        let ctx = InferenceCtx::new(Arc::new(models), "acme".into(), "notes".into());
        let meter = Arc::new(Budget::new(4, usize::MAX));
        let guest = async |store: &Accessor<_, Inference>| {
            assert!(Inference::models(store).await.unwrap().is_empty());
            let purpose = inference::Purpose::Query;
            let embed = async |texts: Vec<String>| {
                Inference::embed(store, None, purpose, texts)
                    .await
                    .map(drop)
            };
            let none = embed(vec!["tea".to_owned()]).await;
            assert!(
                matches!(none, Err(inference::Error::NoModel(_))),
                "{none:?}"
            );
            let empty = embed(Vec::new()).await;
            assert!(
                matches!(empty, Err(inference::Error::Invalid(_))),
                "{empty:?}"
            );
            let day = Some("yesterday".to_owned());
            let day = Inference::used(store, None, day, None).await.map(drop);
            assert!(matches!(day, Err(inference::Error::Invalid(_))), "{day:?}");
            let much = Inference::count_tokens(store, None, vec!["tea".to_owned()]);
            let much = much.await.map(drop);
            assert!(matches!(much, Err(inference::Error::Limit(_))), "{much:?}");
        };
        metered::<_, Inference, _>(
            ctx,
            meter.clone(),
            Instance::<InferenceCtx>::inference,
            guest,
        )
        .await;
        assert!(meter.used().1 >= "tea".len());
    }
}
