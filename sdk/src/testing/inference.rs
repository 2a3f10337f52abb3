//! `inference` of a test: a chat model that says what the test wants, and an embedding model for which
//! texts that share words are alike.

use super::world::granted;
use crate::context;
use crate::inference::{
    ChatRequest, Consumption, Embeddings, Ending, Error, Kind, Model, Piece, Purpose, Usage,
    estimate,
};
use crate::time::Time;
use futures::stream::{self, Stream};
use sbd_inference_model::{check_counted, check_embedded};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The chat model of a test.
pub(super) const CHAT: &str = "test-chat";
/// The embedding model of a test.
pub(super) const EMBEDDING: &str = "test-embedding";

/// What a model of a test says.
type Says = dyn Fn(&ChatRequest) -> Vec<Piece>;

/// The models of a test.
#[derive(Default)]
pub(super) struct Models {
    pub(super) says: Option<Box<Says>>,
    pub(super) dimensions: Option<u32>,
    pub(super) asked: Vec<ChatRequest>,
    /// What was used, by day, user and model.
    used: BTreeMap<(String, Option<String>, String), (u64, Usage)>,
}

// === impl Models ===

impl Models {
    fn list(&self) -> Vec<Model> {
        let model = |name: &str, kind, dimensions| Model {
            name: name.to_owned(),
            kind,
            backend: "test".to_owned(),
            is_default: true,
            context: Some(4096),
            dimensions,
        };
        let chat = self.says.as_ref().map(|_| model(CHAT, Kind::Chat, None));
        let dimensions = self.dimensions;
        let embedding = dimensions.map(|_| model(EMBEDDING, Kind::Embedding, dimensions));
        chat.into_iter().chain(embedding).collect()
    }

    fn count(&mut self, now: i64, model: &str, usage: Usage) {
        let day = Time::from_milliseconds(now).to_string()[..10].to_owned();
        let user = context::current().and_then(|it| it.principal.as_ref()?.user.clone());
        let user = user.map(|user| user.to_string());
        let (requests, all) = self.used.entry((day, user, model.to_owned())).or_default();
        *requests += 1;
        all.prompt += usage.prompt;
        all.completion += usage.completion;
    }

    /// Finds a model by name, or the only one of its kind.
    fn find(&self, name: Option<&str>, kind: Kind) -> Result<Model, Error> {
        let models = self.list().into_iter();
        let mut fitting = models.filter(|model| model.kind == kind);
        let found = fitting.find(|model| name.is_none_or(|name| name == model.name));
        found.ok_or_else(|| {
            let name = name.unwrap_or("of its kind");
            Error::NoModel(format!(
                "there is no model {name}; `sbd model add` adds one"
            ))
        })
    }
}

pub(crate) async fn models() -> Result<Vec<Model>, Error> {
    Ok(granted("inference").models.borrow().list())
}

pub(crate) async fn chat(
    request: ChatRequest,
) -> Result<impl Stream<Item = Piece> + Send + 'static, Error> {
    let world = granted("inference");
    request.check()?;
    let model = {
        let models = world.models.borrow();
        models.find(request.model.as_deref(), Kind::Chat)?
    };
    // Not borrowed while it speaks: what it says may depend on what else is in the world.
    let says = world.models.borrow_mut().says.take();
    let mut said = says.as_ref().map_or_else(Vec::new, |says| says(&request));
    let mut models = world.models.borrow_mut();
    models.says = says;
    models.asked.push(request);
    if !said.iter().any(|piece| matches!(piece, Piece::Started(_))) {
        let waiting = |piece: &&Piece| matches!(piece, Piece::Queued(_) | Piece::Loading);
        let place = said.iter().take_while(waiting).count();
        said.insert(place, Piece::Started(model.name.clone()));
    }
    if !said.iter().any(Piece::is_last) {
        said.push(Piece::STOP);
    }
    if let Some(Piece::End(Ending { usage, .. })) = said.last() {
        models.count(world.now.get(), &model.name, usage.unwrap_or_default());
    }
    Ok(stream::iter(said))
}

pub(crate) async fn embed(
    model: Option<String>,
    _: Purpose,
    texts: Vec<String>,
) -> Result<Embeddings, Error> {
    let world = granted("inference");
    check_embedded(&texts)?;
    let mut models = world.models.borrow_mut();
    let model = models.find(model.as_deref(), Kind::Embedding)?;
    let dimensions = model.dimensions.unwrap_or(1).max(1);
    let usage = Usage {
        prompt: texts.iter().map(|text| u64::from(estimate(text))).sum(),
        completion: 0,
    };
    models.count(world.now.get(), &model.name, usage);
    Ok(Embeddings {
        model: model.name,
        vectors: texts.iter().map(|text| vector(text, dimensions)).collect(),
        usage,
    })
}

pub(crate) async fn used(
    user: Option<String>,
    since: Option<String>,
    until: Option<String>,
) -> Result<Vec<Consumption>, Error> {
    let world = granted("inference");
    for day in [&since, &until].into_iter().flatten() {
        let is_day = day.parse::<jiff::civil::Date>().is_ok();
        if !is_day {
            return Err(Error::Invalid(format!("`{day}` is no day")));
        }
    }
    let component = world.name.borrow().clone();
    let component = component.unwrap_or_else(|| "test".to_owned());
    let models = world.models.borrow();
    let used = models.used.iter().rev().filter(|((day, its, _), _)| {
        (user.is_none() || *its == user)
            && since.as_ref().is_none_or(|since| day >= since)
            && until.as_ref().is_none_or(|until| day <= until)
    });
    let used = used.map(|((day, user, model), (requests, usage))| Consumption {
        day: day.clone(),
        user: user.clone(),
        component: component.clone(),
        model: model.clone(),
        requests: *requests,
        usage: *usage,
    });
    Ok(used.collect())
}

pub(crate) async fn count_tokens(
    model: Option<String>,
    texts: Vec<String>,
) -> Result<Vec<u32>, Error> {
    let world = granted("inference");
    check_counted(&texts)?;
    let models = world.models.borrow();
    let kind = match model.as_deref() {
        Some(CHAT) => Kind::Chat,
        _ => Kind::Embedding,
    };
    models.find(model.as_deref(), kind)?;
    Ok(texts.iter().map(|text| estimate(text)).collect())
}

/// Each word counts in a place of its own: texts are alike as far as they share words.
fn vector(text: &str, dimensions: u32) -> Vec<f32> {
    let mut vector = vec![0.0f32; dimensions as usize];
    let words = text.split(|char: char| !char.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        let hash = Sha256::digest(word.to_lowercase());
        let place = u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) % dimensions;
        let sign = if hash[4] & 1 == 0 { 1.0 } else { -1.0 };
        vector[place as usize] += sign;
    }
    let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
    match length > 0.0 {
        true => vector.iter_mut().for_each(|it| *it /= length),
        // A text without words is like no other, and its length is 1 all the same.
        false => vector[0] = 1.0,
    }
    vector
}
