//! What was answered is there after `kill -9`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use sbd_tests::{Account, Launch, Server};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ROUNDS: usize = 50;
const CREATES: usize = 1000;
const CLIENTS: usize = 50;

/// Creates notes until the server is gone; returns the ids that were answered with 201.
async fn create_until_killed(ada: &Account, answered: &Arc<Mutex<HashSet<String>>>, begun: &Arc<AtomicUsize>) {
    while begun.fetch_add(1, Ordering::Relaxed) < CREATES {
        let Ok(response) = ada.post("/api/v1/notes", &json!({"text": "x"})).send().await else { return };
        if response.status() != 201 {
            return;
        }
        // The whole answer must have arrived to count as answered.
        let Ok(note) = response.json::<Value>().await else { return };
        answered.lock().unwrap().insert(note["_id"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_create_survives_fifty_kills() {
    let (_folder, app) = sbd_tests::application(include_str!("crash.toml"));
    let launch = Launch { app: Some(app), ..Launch::default() };
    let mut server = Server::launch(launch).await;
    let mut ada = Account::register(&server, "ada").await;
    let answered: Arc<Mutex<HashSet<String>>> = Arc::default();
    for round in 0..ROUNDS {
        let begun = Arc::new(AtomicUsize::new(0));
        let clients = (0..CLIENTS).map(|_| {
            let (ada, answered, begun) = (ada.clone(), Arc::clone(&answered), Arc::clone(&begun));
            tokio::spawn(async move { create_until_killed(&ada, &answered, &begun).await })
        });
        let clients: Vec<_> = clients.collect();
        // Somewhere in the middle, elsewhere each time.
        tokio::time::sleep(Duration::from_millis(20 + 7 * round as u64)).await;
        let (launch, data_dir) = server.kill();
        for client in clients {
            client.await.unwrap();
        }
        server = Server::launch_in(launch, data_dir).await;
        ada = Account::login(&server, "ada").await;
    }
    let answered = answered.lock().unwrap().clone();
    assert!(answered.len() > ROUNDS, "only {} creates were answered", answered.len());
    let mut found = HashSet::new();
    let mut page = 1;
    loop {
        let path = format!("/api/v1/notes?page={page}&per_page=100");
        let list: Value = ada.get(&path).send().await.unwrap().json().await.unwrap();
        let items = list["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        found.extend(items.iter().map(|item| item["_id"].as_str().unwrap().to_owned()));
        page += 1;
    }
    let lost: Vec<&String> = answered.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} answered creates are lost: {lost:?}", lost.len(), answered.len());
}
