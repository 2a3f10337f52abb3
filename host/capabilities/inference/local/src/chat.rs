//! A chat model, and how it answers.

use crate::decoder::{Decoder, Shape};
use crate::error::{Error, Result};
use crate::gguf::Gguf;
use crate::json::Acceptor;
use crate::output::Output;
use crate::sample::Sampler;
use crate::template::{Calls, Template};
use crate::vocabulary::Vocabulary;
use rayon::ThreadPool;
use sbd_inference::model::{ChatRequest, Ending, Finish, Format, Piece, ToolChoice, Usage};
use std::path::Path;
use tokio::sync::mpsc::Sender;

/// How many tokens of a question are read at a time: whoever leaves is noticed in between.
const READ_AT_ONCE: usize = 32;
const TEMPERATURE: f32 = 0.7;
const TOP_P: f32 = 0.95;
/// Tokens of an answer without a bound, at most.
const ANSWER: u32 = 2048;

/// What a model's file says before it is loaded.
pub(crate) struct Described {
    gguf: Gguf,
    shape: Shape,
    /// How many tokens a chat may have.
    pub(crate) context: usize,
}

impl Described {
    /// Reads a file's head. Chats have at most `context` tokens, and no more than the model was made for.
    pub(crate) fn read(path: &Path, context: usize) -> Result<Self> {
        let gguf = Gguf::open(path)?;
        let shape = Shape::of(&gguf)?;
        let context = context.min(shape.context);
        Ok(Self {
            gguf,
            shape,
            context,
        })
    }

    /// How many bytes it takes when it is loaded.
    pub(crate) fn bytes(&self) -> u64 {
        self.gguf.footprint()
    }

    /// Which family it is of, as the file calls it.
    pub(crate) fn family(&self) -> &str {
        self.gguf.architecture()
    }

    /// How many tokens it was made for.
    pub(crate) fn made_for(&self) -> usize {
        self.shape.context
    }

    /// Whether its tokens and its template can be read, before it is loaded.
    pub(crate) fn check(&self) -> Result<()> {
        let vocabulary = Vocabulary::of(&self.gguf)?;
        Template::of(self.gguf.text("tokenizer.chat_template"), &vocabulary).map(drop)
    }

    /// Loads it.
    pub(crate) fn load(mut self) -> Result<ChatModel> {
        let vocabulary = Vocabulary::of(&self.gguf)?;
        let template = Template::of(self.gguf.text("tokenizer.chat_template"), &vocabulary)?;
        let token_bytes = self.shape.token_bytes();
        let own = |key: &str, otherwise: f32| {
            self.gguf
                .any_fraction(key)
                .map_or(otherwise, |own| own as f32)
        };
        let temperature = own("general.sampling.temp", TEMPERATURE).min(2.0);
        let top_p = own("general.sampling.top_p", TOP_P).min(1.0);
        let decoder = Decoder::load(&mut self.gguf, self.shape, self.context)?;
        Ok(ChatModel {
            decoder,
            vocabulary,
            template,
            context: self.context,
            token_bytes,
            temperature,
            top_p,
        })
    }
}

/// A chat model in memory.
pub(crate) struct ChatModel {
    decoder: Decoder,
    vocabulary: Vocabulary,
    template: Template,
    context: usize,
    token_bytes: u64,
    temperature: f32,
    top_p: f32,
}

/// A question that can be answered.
pub(crate) struct Question {
    tokens: Vec<u32>,
    /// How many tokens the answer may have.
    room: usize,
    output: Output,
    constraint: Option<Acceptor>,
    sampler: Sampler,
}

impl ChatModel {
    /// How many tokens a text has.
    pub(crate) fn count(&self, text: &str) -> Result<u32> {
        Ok(self.vocabulary.tokens(text)?.len() as u32)
    }

    /// Checks a request, and writes it as the model reads it.
    pub(crate) fn question(&self, request: &ChatRequest) -> Result<Question> {
        let constraint = match &request.format {
            Format::Text => None,
            Format::JsonObject => Some(Acceptor::object()),
            Format::Schema(_) => {
                return Err(Error::request(
                    "models in this process cannot be held to a schema; ask for the format json-object, and say in the message what the object is to be like",
                ));
            }
        };
        let calls = self.calls(request)?;
        if calls.is_some() && constraint.is_some() {
            return Err(Error::request("ask for tools or for JSON, not for both"));
        }
        let mut written = self.template.write(request, constraint.is_none())?;
        let mut thinks = written.trim_end().ends_with("<think>");
        if constraint.is_some() && thinks {
            written += "\n</think>\n\n";
            thinks = false;
        }
        // What the model is made to begin with.
        let begun = match (&request.tool_choice, calls) {
            (ToolChoice::Required, Some(Calls::Tagged)) => "<tool_call>\n{\"name\": \"".to_owned(),
            (ToolChoice::Named(name), Some(Calls::Tagged)) => {
                format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": ")
            }
            (ToolChoice::Required, Some(Calls::Bare)) => "{\"name\": \"".to_owned(),
            (ToolChoice::Named(name), Some(Calls::Bare)) => {
                format!("{{\"name\": \"{name}\", \"parameters\": ")
            }
            _ => String::new(),
        };
        if !begun.is_empty() && thinks {
            written += "\n</think>\n\n";
            thinks = false;
        }
        written += &begun;

        let too_long = |tokens: usize, word: &str| {
            Error::request(format!(
                "the question has {word}{tokens} tokens and the model has room for {}, question and answer together; ask for less, or give it more room with `context`",
                self.context
            ))
        };
        // Before anything is cut into tokens.
        let fewest = self.vocabulary.fewest(&written);
        if fewest >= self.context {
            return Err(too_long(fewest, "more than "));
        }
        let tokens = self.vocabulary.question(&written)?;
        if tokens.len() >= self.context {
            return Err(too_long(tokens.len(), ""));
        }
        let room = (self.context - tokens.len()).min(request.max_tokens.unwrap_or(ANSWER) as usize);
        let mut output = Output::new(request.stop.clone(), calls, thinks);
        output.push(begun.as_bytes());
        Ok(Question {
            room,
            tokens,
            output,
            constraint,
            sampler: Sampler::new(
                request.temperature.unwrap_or(self.temperature),
                request.top_p.unwrap_or(self.top_p),
                request.seed,
            ),
        })
    }

    fn calls(&self, request: &ChatRequest) -> Result<Option<Calls>> {
        if request.tools.is_empty() || request.tool_choice == ToolChoice::None {
            return Ok(None);
        }
        self.template.calls.map(Some).ok_or_else(|| {
            Error::request("the model has not learned to call tools; ask it without, or take one that has (Qwen 3, Llama 3.2)")
        })
    }

    /// How many bytes the answer to a question takes beside the model, at most.
    pub(crate) fn bytes(&self, question: &Question) -> u64 {
        (question.tokens.len() + question.room) as u64 * self.token_bytes
    }

    /// Answers, until it ends or nobody listens.
    pub(crate) fn answer(
        &self,
        mut question: Question,
        threads: &ThreadPool,
        listener: &Sender<Piece>,
    ) {
        match self.speak(&mut question, threads, listener) {
            Ok(Some(ending)) => {
                let _ = listener.blocking_send(Piece::End(ending));
            }
            // Nobody listens.
            Ok(None) => {}
            Err(error) => {
                let _ = listener.blocking_send(Piece::Failed(error.into()));
            }
        }
    }

    fn speak(
        &self,
        question: &mut Question,
        threads: &ThreadPool,
        listener: &Sender<Piece>,
    ) -> Result<Option<Ending>> {
        let send = |pieces: Vec<Piece>| {
            pieces
                .into_iter()
                .all(|piece| listener.blocking_send(piece).is_ok())
        };
        let mut memory = self.decoder.memory();
        let mut likely = Vec::new();
        for part in question.tokens.chunks(READ_AT_ONCE) {
            if listener.is_closed() {
                return Ok(None);
            }
            likely = threads.install(|| self.decoder.read(part, &mut memory))?;
        }
        let mut made = 0;
        let mut finish = Finish::Length;
        while made < question.room {
            let constraint = question.constraint.as_ref();
            let Some(token) = question
                .sampler
                .choose(&likely, &self.vocabulary, constraint)
            else {
                return Err(Error::Failed(
                    "the model makes nothing that could be read; its files may be damaged"
                        .to_owned(),
                ));
            };
            made += 1;
            if self.vocabulary.is_end(token) {
                finish = Finish::Stop;
                break;
            }
            let text = self.vocabulary.text(token);
            if !send(question.output.push(text)) || listener.is_closed() {
                return Ok(None);
            }
            if question.output.has_stopped() {
                finish = Finish::Stop;
                break;
            }
            if let Some(constraint) = &mut question.constraint {
                constraint.follow(text);
                if constraint.is_done() {
                    finish = Finish::Stop;
                    break;
                }
            }
            if made < question.room {
                likely = threads.install(|| self.decoder.read(&[token], &mut memory))?;
            }
        }
        if !send(question.output.end()) {
            return Ok(None);
        }
        if finish == Finish::Stop && question.output.has_called() {
            finish = Finish::ToolCalls;
        }
        let usage = Usage {
            prompt: question.tokens.len() as u64,
            completion: made as u64,
        };
        Ok(Some(Ending {
            finish,
            usage: Some(usage),
        }))
    }
}
