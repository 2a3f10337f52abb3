//! What is in memory, and for how long.

use crate::weights::{CHAT, EMBEDDING, Weighty};
use futures::StreamExt as _;
use sbd_inference::Backend as _;
use sbd_inference::model::{ChatRequest, Error, Message, Piece, Purpose};
use sbd_inference_local::Options;
use std::time::{Duration, Instant};

async fn in_memory(engine: &Weighty) -> Vec<String> {
    let found = engine.models().await.unwrap().into_iter();
    let loaded = found.filter(|found| found.is_loaded == Some(true));
    loaded
        .map(|found| {
            assert!(found.memory.unwrap() > 50_000_000, "{found:?}");
            found.name
        })
        .collect()
}

fn long_answer() -> ChatRequest {
    ChatRequest {
        messages: vec![Message::user("Write a novel of a thousand pages.")],
        max_tokens: Some(2000),
        ..ChatRequest::default()
    }
}

#[tokio::test]
async fn what_nobody_uses_goes() {
    let options = Options {
        idle: Duration::from_millis(200),
        ..Options::default()
    };
    let Some(engine) = Weighty::new(&options) else {
        return;
    };
    assert!(in_memory(&engine).await.is_empty());
    engine.load(EMBEDDING).await.unwrap();
    assert_eq!(in_memory(&engine).await, [EMBEDDING]);
    let begun = Instant::now();
    while !in_memory(&engine).await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // And comes back, any number of times.
    let texts = vec!["tea".to_owned()];
    assert!(engine.embed(EMBEDDING, Purpose::Query, texts).await.is_ok());
    engine.unload(EMBEDDING).await.unwrap();
    assert!(in_memory(&engine).await.is_empty());
}

#[tokio::test]
async fn a_model_that_answers_stays() {
    let options = Options {
        idle: Duration::from_millis(1),
        ..Options::default()
    };
    let Some(engine) = Weighty::new(&options) else {
        return;
    };
    let mut pieces = engine.chat(CHAT, long_answer()).await.unwrap();
    while !matches!(pieces.next().await, Some(Piece::Text(_))) {}
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(in_memory(&engine).await, [CHAT]);
    drop(pieces);
    let begun = Instant::now();
    while !in_memory(&engine).await.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn two_models_that_do_not_fit_together_take_turns() {
    let options = Options {
        memory: 240_000_000,
        ..Options::default()
    };
    let Some(engine) = Weighty::new(&options) else {
        return;
    };
    engine.load(EMBEDDING).await.unwrap();
    engine.load(CHAT).await.unwrap();
    assert_eq!(in_memory(&engine).await, [CHAT]);
    engine.load(EMBEDDING).await.unwrap();
    assert_eq!(in_memory(&engine).await, [EMBEDDING]);

    // Nobody's answer is broken off to make room.
    let short = ChatRequest {
        max_tokens: Some(500),
        ..long_answer()
    };
    let mut pieces = engine.chat(CHAT, short).await.unwrap();
    while !matches!(pieces.next().await, Some(Piece::Text(_))) {}
    let refused = engine.load(EMBEDDING).await.err().unwrap();
    assert!(
        matches!(&refused.error, Error::Busy(text) if text.contains("240 MB")),
        "{refused}"
    );
    assert!(refused.again.is_some());
    drop(pieces);
}

#[tokio::test]
async fn what_never_fits_is_told_with_figures() {
    let options = Options {
        memory: 60_000_000,
        ..Options::default()
    };
    let Some(engine) = Weighty::new(&options) else {
        return;
    };
    let refused = engine.load(EMBEDDING).await.err().unwrap();
    let Error::Other(text) = &refused.error else {
        panic!("{refused:?}")
    };
    assert!(text.contains(EMBEDDING) && text.contains("60 MB"), "{text}");
    drop(engine);
    // A conversation has its bound as well.
    let options = Options {
        memory: 240_000_000,
        ..Options::default()
    };
    let Some(engine) = Weighty::new(&options) else {
        return;
    };
    engine.load(CHAT).await.unwrap();
    let refused = engine.chat(CHAT, long_answer()).await;
    let text = refused.err().unwrap().to_string();
    assert!(
        text.contains("conversation") && text.contains("240 MB"),
        "{text}"
    );
}
