//! What a chat model answers, and how.

use crate::weights::{CHAT, EMBEDDING, Weighty};
use futures::StreamExt as _;
use sbd_inference::Backend as _;
use sbd_inference::model::{ChatRequest, Ending, Error, Finish, Format, Message, Piece, Tool};
use sbd_inference_local::Options;
use std::time::{Duration, Instant};

fn asked(question: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::user(question)],
        temperature: Some(0.0),
        max_tokens: Some(32),
        ..ChatRequest::default()
    }
}

/// The whole answer, its text and its end.
async fn answer(engine: &Weighty, request: ChatRequest) -> (String, Ending) {
    let mut pieces = engine.chat(CHAT, request).await.unwrap();
    let mut text = String::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Piece::Text(more) => text += &more,
            Piece::Loading => assert!(text.is_empty()),
            Piece::End(ending) => {
                assert!(pieces.next().await.is_none());
                return (text, ending);
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("there was no end to {text:?}")
}

#[tokio::test]
async fn it_knows_the_capital_of_france() {
    let Some(engine) = Weighty::new(&Options::default()) else {
        return;
    };
    let mut pieces = engine
        .chat(CHAT, asked("What is the capital of France?"))
        .await
        .unwrap();
    assert_eq!(pieces.next().await, Some(Piece::Loading));
    drop(pieces);
    let begun = Instant::now();
    let (text, ending) = answer(&engine, asked("What is the capital of France?")).await;
    println!("{text:?} {ending:?} {:?}", begun.elapsed());
    assert!(text.contains("Paris"), "{text}");
    assert_eq!(ending.finish, Finish::Stop);
    let usage = ending.usage.unwrap();
    assert!(
        usage.prompt > 20 && (2..=32).contains(&usage.completion),
        "{usage:?}"
    );
}
