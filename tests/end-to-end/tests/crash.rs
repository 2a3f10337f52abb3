//! What was answered is there after `kill -9`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use futures::stream::{self, StreamExt as _};
use sbd_tests::{Account, Launch};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ROUNDS: usize = 50;
const CREATES: usize = 1000;
const CLIENTS: usize = 50;

/// Creates notes until the server is gone; returns the ids that were answered with 201.
async fn create_until_killed(ada: Account, answered: Arc<AtomicUsize>) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..CREATES / CLIENTS {
        let Ok(response) = ada
            .post("/api/v1/notes", &json!({"text": "x"}))
            .send()
            .await
        else {
            break;
        };
        assert_eq!(response.status(), 201);
        // The whole answer must have arrived to count.
        let Ok(note) = response.json::<Value>().await else {
            break;
        };
        ids.push(note["_id"].as_str().unwrap().to_owned());
        answered.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_create_survives_fifty_kills() {
    let mut server = Launch::app(include_str!("apps/notes.toml")).start().await;
    let mut ada = Account::register(&server, "ada").await;
    let mut all = HashSet::new();
    for round in 0..ROUNDS {
        let answered = Arc::new(AtomicUsize::new(0));
        let create = |_| tokio::spawn(create_until_killed(ada.clone(), Arc::clone(&answered)));
        let clients: Vec<_> = (0..CLIENTS).map(create).collect();
        // In the middle, elsewhere each time.
        let enough = 1 + round * (CREATES - 2 * CLIENTS) / ROUNDS;
        server
            .wait_for("answers", || answered.load(Ordering::Relaxed) >= enough)
            .await;
        let (launch, data_dir) = server.kill();
        let mut ids = Vec::new();
        for client in clients {
            ids.extend(client.await.unwrap());
        }
        assert!(
            ids.len() < CREATES,
            "round {round}: the server was killed too late"
        );

        server = launch.start_in(data_dir).await;
        ada = Account::login(&server, "ada").await;
        let found = stream::iter(&ids).map(|id| ada.get(&format!("/api/v1/notes/{id}")).send());
        let lost = found.buffer_unordered(CLIENTS).filter(|found| {
            let lost = found.as_ref().unwrap().status() != 200;
            async move { lost }
        });
        assert_eq!(
            lost.count().await,
            0,
            "round {round}: answered creates are lost"
        );
        all.extend(ids);
    }
    let total = ada.read("/api/v1/notes").await["total"].as_u64().unwrap();
    assert!(
        total >= all.len() as u64,
        "{total} notes are left of {}",
        all.len()
    );
    assert!(total <= (ROUNDS * CREATES) as u64);
}
