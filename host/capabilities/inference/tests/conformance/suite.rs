//! What every backend must do.

use futures::StreamExt as _;
use sbd_inference::Backend;
use sbd_inference::model::{
    ChatRequest, Ending, Error, Finish, Kind, Message, Piece, Purpose, Usage,
};

/// A backend under test, and its models.
pub(crate) struct Subject<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) chat: Option<&'a str>,
    pub(crate) embedding: Option<&'a str>,
    /// Whether it tells why an answer ended, that there is no such model, and which ones are loaded. The proxy that
    /// speaks Ollama's API here does not.
    pub(crate) tells_why: bool,
}

fn asked(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::user(text)],
        max_tokens: Some(16),
        temperature: Some(0.0),
        seed: Some(7),
        ..ChatRequest::default()
    }
}

/// Everything.
pub(crate) async fn all(subject: &Subject<'_>) {
    lists_its_models(subject).await;
    if let Some(model) = subject.chat {
        answers_with_one_end(subject.backend, model).await;
        if subject.tells_why {
            stops_where_no_more_may_come(subject.backend, model).await;
            says_so_where_there_is_no_such_model(subject.backend).await;
            loads_and_unloads(subject.backend, model).await;
        }
        goes_on_after_somebody_left(subject.backend, model).await;
    }
    if let Some(model) = subject.embedding {
        makes_a_vector_of_each_text(subject.backend, model).await;
    }
}

async fn lists_its_models(subject: &Subject<'_>) {
    let found = subject.backend.models().await.unwrap();
    for (name, kind) in [
        (subject.chat, Kind::Chat),
        (subject.embedding, Kind::Embedding),
    ] {
        let Some(name) = name else { continue };
        let model = found.iter().find(|model| model.name == name);
        assert_eq!(
            model.map(|model| model.kind),
            Some(kind),
            "{name}: {found:?}"
        );
    }
}

async fn pieces(backend: &dyn Backend, model: &str, request: ChatRequest) -> Vec<Piece> {
    let pieces: Vec<_> = backend.chat(model, request).await.unwrap().collect().await;
    let ends = pieces.iter().filter(|piece| piece.is_last()).count();
    assert_eq!(ends, 1, "{pieces:?}");
    assert!(pieces.last().unwrap().is_last(), "{pieces:?}");
    pieces
}

async fn answers_with_one_end(backend: &dyn Backend, model: &str) {
    let pieces = pieces(backend, model, asked("Name the capital of France.")).await;
    let text = pieces.iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        _ => None,
    });
    assert!(!text.collect::<String>().is_empty(), "{pieces:?}");
    let Some(Piece::End(Ending {
        usage: Some(Usage { prompt, completion }),
        ..
    })) = pieces.last()
    else {
        unreachable!("not counted: {pieces:?}");
    };
    assert!(*prompt > 0 && *completion > 0, "{pieces:?}");
}

async fn stops_where_no_more_may_come(backend: &dyn Backend, model: &str) {
    let request = ChatRequest {
        max_tokens: Some(2),
        ..asked("Count from one to one hundred.")
    };
    let pieces = pieces(backend, model, request).await;
    let Some(Piece::End(ending)) = pieces.last() else {
        unreachable!("{pieces:?}");
    };
    assert_eq!(ending.finish, Finish::Length, "{pieces:?}");
}

async fn says_so_where_there_is_no_such_model(backend: &dyn Backend) {
    let error = match backend.chat("no-such-model", asked("Hello")).await {
        Err(failure) => failure.error,
        Ok(mut pieces) => match pieces.next().await {
            Some(Piece::Failed(error)) => error,
            // A server with one model answers with that, whatever it is asked for.
            Some(_) => return,
            None => unreachable!("no end"),
        },
    };
    assert!(
        matches!(error, Error::NoModel(_) | Error::Invalid(_)),
        "{error:?}"
    );
}

async fn goes_on_after_somebody_left(backend: &dyn Backend, model: &str) {
    let request = ChatRequest {
        max_tokens: Some(400),
        ..asked("Tell a long story.")
    };
    let mut left = backend.chat(model, request).await.unwrap();
    assert!(left.next().await.is_some());
    drop(left);
    pieces(backend, model, asked("Hello")).await;
}

async fn loads_and_unloads(backend: &dyn Backend, model: &str) {
    backend.load(model).await.unwrap();
    let loaded = |found: Vec<sbd_inference::Found>| {
        found
            .into_iter()
            .find(|it| it.name == model)
            .unwrap()
            .is_loaded
    };
    assert_ne!(loaded(backend.models().await.unwrap()), Some(false));
    backend.unload(model).await.unwrap();
    pieces(backend, model, asked("Hello")).await;
}

async fn makes_a_vector_of_each_text(backend: &dyn Backend, model: &str) {
    let texts = [
        "A cat sleeps on the sofa.",
        "The cat is asleep on a sofa.",
        "Quarterly figures vexed Brazil.",
    ];
    let texts = texts.map(str::to_owned).to_vec();
    let made = backend.embed(model, Purpose::Passage, texts).await.unwrap();
    let [cat, couch, rates] = &made.vectors[..] else {
        unreachable!("{} vectors", made.vectors.len());
    };
    assert!(!cat.is_empty() && cat.len() == couch.len() && cat.len() == rates.len());
    let alike = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    assert!(alike(cat, couch) > alike(cat, rates));
    assert!(made.usage.prompt > 0);
    let counted = backend
        .count_tokens(model, vec!["tea".to_owned(), "tea ".repeat(50)])
        .await;
    if let Some(counts) = counted.unwrap() {
        assert!(counts[0] > 0 && counts[1] > counts[0] + 20, "{counts:?}");
    }
}
