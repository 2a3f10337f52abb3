//! A family behind the real host: what its members are let, what they spend, and that all of it is on record
//! and adds up, whenever the server dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_storage::rusqlite::Connection;
use sbd_tests::{Account, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FAMILIES: &str = "/api/v1/families";
const WALLET: &str = "/api/v1/wallet";
/// How often the server is killed while members pay.
const KILLS: usize = 6;
const CLIENTS: usize = 4;

/// A family of five: `ada` runs it, `dan` is a child of hers.
struct Lovelaces {
    root: Account,
    ada: Account,
    bob: Account,
    dan: Account,
    eve: Account,
    /// Where the family is.
    at: String,
}

/// The invitation that somebody has, once it has arrived: who it is for is looked up after the answer, so
/// that nobody learns from it who is there.
async fn received(by: &Account) -> String {
    for _ in 0..300 {
        let received = by.read(&format!("{FAMILIES}/invitations")).await;
        if let Some(id) = received["items"][0]["id"].as_str() {
            return id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no invitation arrives");
}

/// Sends something under a key, until whoever listens to what happened before has heard of it.
async fn sent(by: &Account, path: &str, key: &str, body: &Value, expected: u16) -> Value {
    for _ in 0..300 {
        let request = by.post(path, body).header("idempotency-key", key);
        let answer = request.send().await.unwrap();
        if answer.status() != expected && matches!(answer.status().as_u16(), 404 | 503) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        let answer = json(answer, expected).await;
        println!("POST {path} {body}\n  {expected} {answer}");
        return answer;
    }
    panic!("{path} {body} is not answered {expected}");
}

async fn put(by: &Account, path: &str, body: &Value) -> Value {
    let answer = by.request(Method::PUT, path).json(body).send().await;
    let answer = json(answer.unwrap(), 200).await;
    println!("PUT {path} {body}\n  200 {answer}");
    answer
}

// === impl Lovelaces ===

impl Lovelaces {
    async fn meet(server: &Server) -> Self {
        let root = Account::administrator(server).await;
        let ada = Account::register(server, "ada").await;
        let bob = Account::register(server, "bob").await;
        let cleo = Account::register(server, "cleo").await;
        let dan = Account::register(server, "dan").await;
        let eve = Account::register(server, "eve").await;
        let mint = json!({"to": ada.id, "amount": 1000});
        sent(&root, &format!("{WALLET}/mint"), "mint", &mint, 201).await;
        let family = ada.create_family("The Lovelaces").await;
        let at = format!("{FAMILIES}/{}", family["id"].as_str().unwrap());
        for (member, name, relationship) in [
            (&bob, "bob", "spouse"),
            (&cleo, "cleo", "sibling"),
            (&dan, "dan", "child"),
            (&eve, "eve", "cousin"),
        ] {
            let invitation = json!({"to": name, "relationship": relationship});
            sent(&ada, &format!("{at}/invitations"), name, &invitation, 201).await;
            let id = received(member).await;
            let accept = format!("{FAMILIES}/invitations/{id}/acceptance");
            sent(member, &accept, name, &json!({}), 200).await;
        }
        put(
            &ada,
            &format!("{at}/members/{}/guardians", dan.id),
            &json!({"guardians": [ada.id]}),
        )
        .await;
        Self {
            root,
            ada,
            bob,
            dan,
            eve,
            at,
        }
    }

    fn path(&self, what: &str) -> String {
        format!("{}/{what}", self.at)
    }

    /// Puts tokens on the family's account, which is opened once the family is there.
    async fn deposit(&self, amount: u64) {
        let body = json!({"amount": amount, "memo": "For the month"});
        sent(
            &self.ada,
            &self.path("wallet/deposits"),
            "deposit",
            &body,
            201,
        )
        .await;
    }

    async fn let_spend(&self, who: &Account, permission: &Value) {
        let path = self.path(&format!("wallet/permissions/{}", who.id));
        put(&self.ada, &path, permission).await;
    }
}

fn permission(transaction: u64, day: u64) -> Value {
    json!({"may_spend": true, "per_transaction": transaction, "per_day": day, "per_month": null})
}

#[tokio::test]
async fn a_family_of_five_with_a_child() {
    let server = Server::start().await;
    let them = Lovelaces::meet(&server).await;
    them.deposit(500).await;
    let members = them.ada.read(&them.path("members")).await;
    assert_eq!(members["total"], 5);

    // An allowance, and its bounds.
    them.let_spend(&them.dan, &permission(10, 15)).await;
    let pay = |amount: u64| json!({"to": them.eve.id, "amount": amount, "memo": "Ice cream"});
    let payments = them.path("wallet/payments");
    sent(&them.dan, &payments, "ice", &pay(10), 201).await;
    for (amount, key) in [(11, "too-much"), (6, "too-much-today")] {
        let request = them.dan.post(&payments, &pay(amount));
        let refused = request.header("idempotency-key", key).send().await.unwrap();
        assert_error(refused, 409, "LIMIT_EXCEEDED").await;
    }
    let refused = them.bob.post(&payments, &pay(1));
    let refused = refused.header("idempotency-key", "bob").send().await;
    assert_error(refused.unwrap(), 403, "FORBIDDEN").await;

    // A request that is denied, and one that is approved, once.
    let requests = them.path("token-requests");
    let ask = |amount: u64| json!({"amount": amount, "reason": "A new bicycle"});
    let denied = sent(&them.dan, &requests, "bicycle", &ask(90), 201).await;
    let deny = format!("{requests}/{}/deny", denied["id"].as_str().unwrap());
    let refused = them.bob.post(&deny, &json!({})).send().await.unwrap();
    assert_error(refused, 403, "FORBIDDEN").await;
    let comment = json!({"comment": "Next year"});
    assert_eq!(
        sent(&them.ada, &deny, "deny", &comment, 200).await["state"],
        "denied"
    );
    let approved = sent(&them.dan, &requests, "repair", &ask(12), 201).await;
    let approve = format!("{requests}/{}/approve", approved["id"].as_str().unwrap());
    sent(&them.ada, &approve, "approve", &json!({}), 200).await;
    let again = them.ada.post(&approve, &json!({})).send().await.unwrap();
    assert!(
        again.status() == 200 || again.status() == 409,
        "{}",
        again.status()
    );
    assert_eq!(them.dan.read(WALLET).await["balance"], 12);

    // Frozen, nobody spends.
    let reason = json!({"reason": "The phone is lost"});
    sent(
        &them.ada,
        &them.path("wallet/freeze"),
        "freeze",
        &reason,
        200,
    )
    .await;
    let request = them.dan.post(&payments, &pay(1));
    let refused = request.header("idempotency-key", "frozen").send().await;
    assert_error(refused.unwrap(), 409, "ACCOUNT_FROZEN").await;
    sent(
        &them.ada,
        &them.path("wallet/unfreeze"),
        "unfreeze",
        &reason,
        200,
    )
    .await;
    sent(&them.dan, &payments, "thawed", &pay(1), 201).await;

    // To a stranger nothing of it is there.
    let eve = Account::register(&server, "mallory").await;
    for path in [
        "",
        "/members",
        "/wallet",
        "/wallet/transactions",
        "/token-requests",
        "/succession",
    ] {
        let refused = eve.get(&format!("{}{path}", them.at)).send().await.unwrap();
        assert_error(refused, 404, "NOT_FOUND").await;
    }
    let report = them.root.read(&format!("{WALLET}/reconciliation")).await;
    assert_eq!(
        (&report["sum"], &report["differences"]),
        (&json!(0), &json!([]))
    );
    println!(
        "{}",
        server.done(&["ledger", "verify", "--tenant", "default"])
    );
}

/// Pays five tokens until the server is gone; returns the keys that were sent.
async fn pay_until_killed(
    from: Account,
    to: String,
    path: String,
    keys: String,
    answered: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut sent = Vec::new();
    loop {
        sent.push(format!("{keys}-{}", sent.len()));
        if !pay(&from, &to, &path, &sent[sent.len() - 1]).await {
            return sent;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether it is done; false where nobody answers any more. What meets another payment is sent again.
async fn pay(from: &Account, to: &str, path: &str, key: &str) -> bool {
    loop {
        let request = from.post(path, &json!({"to": to, "amount": 5}));
        let Ok(answer) = request.header("idempotency-key", key).send().await else {
            return false;
        };
        match answer.status().as_u16() {
            201 => return true,
            // Two at once on one account, or the server is going.
            409 | 429 | 503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}: {}", answer.text().await.unwrap_or_default()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_pay_once_whenever_the_server_dies() {
    let mut server = Server::start().await;
    let them = Lovelaces::meet(&server).await;
    them.deposit(900).await;
    them.let_spend(&them.bob, &permission(5, 800)).await;
    let path = them.path("wallet/payments");
    let (mut bob, eve) = (them.bob.clone(), them.eve.id.clone());
    let mut payments = 0;
    for round in 0..KILLS {
        let answered = Arc::new(AtomicUsize::new(0));
        let begin = |client: usize| {
            let keys = format!("{round}-{client}");
            let answered = Arc::clone(&answered);
            tokio::spawn(pay_until_killed(
                bob.clone(),
                eve.clone(),
                path.clone(),
                keys,
                answered,
            ))
        };
        let clients: Vec<_> = (0..CLIENTS).map(begin).collect();
        server
            .wait_for("answers", || {
                answered.load(Ordering::Relaxed) >= 2 + round % 3
            })
            .await;
        let (launch, data_dir) = server.kill();
        let sent = futures::future::join_all(clients).await;
        server = launch.start_in(data_dir).await;
        bob = Account::login(&server, "bob").await;
        for key in sent.into_iter().flat_map(Result::unwrap) {
            assert!(pay(&bob, &eve, &path, &key).await);
            payments += 5;
        }
        let eve = Account::login(&server, "eve").await;
        assert_eq!(eve.read(WALLET).await["balance"], payments, "round {round}");
    }
    let account = bob.read(&them.path("wallet")).await;
    assert_eq!(
        (&account["balance"], &account["held"]),
        (&json!(900 - payments), &json!(0))
    );
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
    let whole = server.done(&["audit", "verify", "--tenant", "default"]);
    assert!(whole.contains("whole"), "{whole}");
    println!("{whole}");

    // Whoever has the file and alters what was recorded is found.
    let (launch, data_dir) = server.kill();
    let data = data_dir.path().display().to_string();
    let verify = [
        "audit",
        "verify",
        "--tenant",
        "default",
        "--data-dir",
        &data,
    ];
    assert!(run(&verify, &[], "").success);
    let file = Connection::open(data_dir.path().join("tenants/default.db")).unwrap();
    let altered =
        "UPDATE audit SET actor = 'usr_mallory' WHERE number = 2 AND component = 'family'";
    assert!(file.execute(altered, []).unwrap() > 0);
    drop(file);
    let found = run(&verify, &[], "");
    println!("{}{}", found.stdout, found.stderr);
    assert!(
        !found.success && found.stdout.contains("entry 2 was altered"),
        "{}",
        found.stdout
    );
    drop(launch);
}
