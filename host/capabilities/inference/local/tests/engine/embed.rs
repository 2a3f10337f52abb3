//! The vectors of texts.

use crate::weights::{CHAT, EMBEDDING, Weighty};
use sbd_inference::Backend as _;
use sbd_inference::model::{Error, Kind, Purpose};
use sbd_inference_local::Options;

fn alike(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[tokio::test]
async fn related_texts_are_nearer_than_others() {
    let Some(engine) = Weighty::new(&Options::default()) else {
        return;
    };
    let texts = [
        "How do I brew a good cup of tea?",
        "Pour boiling water over the leaves and let them steep for three minutes.",
        "The parliament passed the budget for the coming year.",
    ];
    let texts: Vec<String> = texts.map(str::to_owned).to_vec();
    let embedded = engine
        .embed(EMBEDDING, Purpose::Passage, texts.clone())
        .await
        .unwrap();
    let [question, answer, other] = &embedded.vectors[..] else {
        panic!("{}", embedded.vectors.len())
    };
    assert_eq!(question.len(), 384);
    for vector in &embedded.vectors {
        assert!((alike(vector, vector) - 1.0).abs() < 1e-4);
    }
    let (near, far) = (alike(question, answer), alike(question, other));
    assert!(near > far + 0.2, "{near} {far}");
    let counted = engine
        .count_tokens(EMBEDDING, texts.clone())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(counted, [12, 16, 12]);
    assert_eq!(
        embedded.usage.prompt,
        counted.iter().map(|count| u64::from(*count)).sum::<u64>()
    );

    // In whichever company a text is, it has the same vector.
    let alone = engine
        .embed(EMBEDDING, Purpose::Passage, vec![texts[1].clone()])
        .await
        .unwrap();
    assert!(alike(&alone.vectors[0], answer) > 0.9999);
}

#[tokio::test]
async fn long_strange_and_empty_texts_have_vectors() {
    let Some(engine) = Weighty::new(&Options::default()) else {
        return;
    };
    let texts = vec![
        String::new(),
        "x".repeat(1 << 20),
        "tea ".repeat(100_000),
        "茶 чай \u{200f}שלום\0 🫖".to_owned(),
    ];
    let embedded = engine
        .embed(EMBEDDING, Purpose::Query, texts)
        .await
        .unwrap();
    assert_eq!(embedded.vectors.len(), 4);
    assert!(embedded.usage.prompt <= 4 * 256, "{:?}", embedded.usage);
    // What stands behind what it has room for changes nothing.
    let long = |end: &str| format!("{}{end}", "tea and coffee ".repeat(400));
    let texts = vec![long("one"), long("another end")];
    let embedded = engine
        .embed(EMBEDDING, Purpose::Passage, texts)
        .await
        .unwrap();
    assert!(alike(&embedded.vectors[0], &embedded.vectors[1]) > 0.9999);
}

#[tokio::test]
async fn models_say_what_they_are() {
    let Some(engine) = Weighty::new(&Options::default()) else {
        return;
    };
    let found = engine.models().await.unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|found| {
            (
                found.name.as_str(),
                found.kind,
                found.context,
                found.dimensions,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (EMBEDDING, Kind::Embedding, Some(256), Some(384)),
            (CHAT, Kind::Chat, Some(8192), None),
        ]
    );
    let answers = engine
        .embed(CHAT, Purpose::Query, vec!["tea".to_owned()])
        .await;
    assert!(matches!(answers.err().unwrap().error, Error::Invalid(_)));
    let counted = engine
        .count_tokens(CHAT, vec!["The capital of France".to_owned()])
        .await
        .unwrap();
    assert_eq!(counted, Some(vec![4]));
}
