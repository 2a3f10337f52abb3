//! The shop behind the real host: what is bought is paid and handed over, or neither, whenever the server dies
//! and however many want it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Server, assert_error};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SHOP: &str = "/api/v1/shop";
const WALLET: &str = "/api/v1/wallet";
const FAMILIES: &str = "/api/v1/families";
const WORKSPACES: &str = "/api/v1/workspaces";
/// How often the server is killed while members buy, unless `SBD_TEST_KILLS` says so; and while families and
/// workspaces pay.
const KILLS: u32 = 8;
const KILLS_OF_GROUPS: u32 = 4;
/// How many buy at the same time then.
const BUYERS: usize = 4;
/// How many want the one that there is.
const CROWD: usize = 100;

/// Sends something under a key until it is known what was done; none where nobody answers any more.
async fn sent(by: &Account, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
    loop {
        let request = by.post(path, body).header("idempotency-key", key);
        let answer = request.send().await.ok()?;
        match answer.status().as_u16() {
            429 | 503 => tokio::time::sleep(Duration::from_millis(20)).await,
            status => return Some((status, answer.json().await.ok()?)),
        }
    }
}

async fn made(by: &Account, path: &str, key: &str, body: &Value) -> Value {
    let (status, answer) = sent(by, path, key, body).await.unwrap();
    assert_eq!(status, 201, "{path} {body}: {answer}");
    println!("POST {path} {body}\n  201 {answer}");
    answer
}

/// Whoever has just registered has an account soon.
async fn mint(root: &Account, to: &str, amount: u64) {
    let body = json!({"to": to, "amount": amount});
    for _ in 0..300 {
        let (status, _) = sent(root, &format!("{WALLET}/mint"), to, &body)
            .await
            .unwrap();
        if status == 201 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{to} has no account");
}

/// Offers something, and returns its id.
async fn offer(root: &Account, title: &str, price: u64, left: Option<u64>) -> String {
    let item =
        json!({"kind": "theme", "title": title, "price": price, "listed": true, "left": left});
    let item = made(root, &format!("{SHOP}/items"), title, &item).await;
    item["id"].as_str().unwrap().to_owned()
}

async fn put(by: &Account, line: &Value) {
    made(by, &format!("{SHOP}/cart/lines"), "cart", line).await;
}

async fn owned(by: &Account) -> Vec<String> {
    let inventory = by.read(&format!("{SHOP}/inventory?per_page=100")).await;
    let items = inventory["items"].as_array().unwrap();
    let titles = items
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned());
    titles.collect()
}

#[tokio::test]
async fn what_is_bought_is_paid_and_handed_over() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let (ada, bob) = (
        Account::register(&server, "ada").await,
        Account::register(&server, "bob").await,
    );
    mint(&root, &ada.id, 100).await;
    let (red, blue) = (
        offer(&root, "Red", 40, Some(5)).await,
        offer(&root, "Blue", 10, None).await,
    );
    put(&ada, &json!({"item_id": red})).await;
    put(
        &ada,
        &json!({"item_id": blue, "for": "bob", "note": "For you"}),
    )
    .await;

    // Another price than the one that was seen is not paid.
    let item = root
        .get(&format!("{SHOP}/items/{red}"))
        .send()
        .await
        .unwrap();
    let tag = item.headers()["etag"].to_str().unwrap().to_owned();
    let dearer = json!({"kind": "theme", "title": "Red", "price": 50, "listed": true});
    let request = root.request(reqwest::Method::PUT, &format!("{SHOP}/items/{red}"));
    let changed = request
        .header("if-match", tag)
        .json(&dearer)
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 200);
    let orders = format!("{SHOP}/orders");
    let old = ada
        .post(&orders, &json!({"total": 50}))
        .header("idempotency-key", "old");
    assert_error(old.send().await.unwrap(), 409, "PRICE_CHANGED").await;
    let cart = ada.read(&format!("{SHOP}/cart")).await;
    assert_eq!(
        (&cart["total"], &cart["lines"][0]["was"]),
        (&json!(60), &json!(40))
    );

    // The same order sent ten times at once is one.
    let same = (0..10).map(|_| {
        let ada = ada.clone();
        let orders = orders.clone();
        tokio::spawn(async move {
            sent(&ada, &orders, "same", &json!({"total": 60}))
                .await
                .unwrap()
        })
    });
    let answers = futures::future::join_all(same).await;
    let first = answers[0].as_ref().unwrap().clone();
    assert_eq!(first.0, 201, "{}", first.1);
    assert!(answers.into_iter().all(|answer| answer.unwrap() == first));
    let order = first.1;
    assert_eq!(order["state"], "completed");
    assert_eq!(
        (owned(&ada).await, owned(&bob).await),
        (vec!["Red".to_owned()], vec!["Blue".to_owned()])
    );
    assert_eq!(ada.read(WALLET).await["balance"], 40);
    assert_eq!(ada.read(&orders).await["total"], 1);
    let at = format!("{orders}/{}", order["id"].as_str().unwrap());
    let receipt = ada.read(&format!("{at}/receipt")).await;
    println!("GET {at}/receipt\n  200 {receipt}");
    assert_eq!(receipt["total"], 60);
    let pdf = ada
        .get(&format!("{at}/receipt?format=pdf"))
        .send()
        .await
        .unwrap();
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-"));
    assert_error(bob.get(&at).send().await.unwrap(), 404, "NOT_FOUND").await;

    // What is paid back is taken back.
    let line = &order["lines"][0]["id"];
    let back = json!({"lines": [line], "reason": "Too red"});
    let back = made(&ada, &format!("{at}/refunds"), "back", &back).await;
    assert_eq!(
        (&back["state"], &back["amount"]),
        (&json!("done"), &json!(50))
    );
    assert_eq!(
        (owned(&ada).await.len(), &ada.read(WALLET).await["balance"]),
        (0, &json!(90))
    );
    assert_eq!(root.read(&format!("{SHOP}/items/{red}")).await["left"], 5);
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
    let whole = server.done(&["audit", "verify", "--tenant", "default"]);
    assert!(whole.contains("whole"), "{whole}");
}

#[tokio::test]
async fn a_family_pays_for_a_member_when_its_administrator_says_so() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let (ada, bob) = (
        Account::register(&server, "ada").await,
        Account::register(&server, "bob").await,
    );
    mint(&root, &ada.id, 100).await;
    let family = ada.create_family("Lovelace").await;
    let family = family["id"].as_str().unwrap().to_owned();
    let at = format!("{FAMILIES}/{family}");
    let invitation = json!({"to": "bob", "relationship": "spouse"});
    made(&ada, &format!("{at}/invitations"), "bob", &invitation).await;
    let received = loop {
        let received = bob.read(&format!("{FAMILIES}/invitations")).await;
        if let Some(id) = received["items"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let accept = format!("{FAMILIES}/invitations/{received}/acceptance");
    assert_eq!(
        sent(&bob, &accept, "accept", &json!({})).await.unwrap().0,
        200
    );
    loop {
        let deposit = sent(
            &ada,
            &format!("{at}/wallet/deposits"),
            "d",
            &json!({"amount": 90}),
        )
        .await;
        if deposit.unwrap().0 == 201 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let red = offer(&root, "Red", 40, Some(2)).await;
    let orders = format!("{SHOP}/orders");
    let pays = json!({"total": 40, "pay_from": family});
    put(&bob, &json!({"item_id": red, "for": ada.id})).await;
    // What is denied is in the cart again.
    for (decision, expected, left) in [("deny", "undone", 2), ("approve", "completed", 1)] {
        let placed = made(&bob, &orders, decision, &pays).await;
        assert_eq!(placed["state"], "awaiting_approval");
        assert_eq!(ada.read(&format!("{at}/wallet")).await["held"], 40);
        let request = placed["request_id"].as_str().unwrap();
        let decide = format!("{at}/purchase-requests/{request}/{decision}");
        assert_eq!(sent(&ada, &decide, "x", &json!({})).await.unwrap().0, 200);
        let order = format!("{orders}/{}", placed["id"].as_str().unwrap());
        let ended = ended(&bob, &order).await;
        assert_eq!(ended["state"], expected, "{ended}");
        assert_eq!(
            root.read(&format!("{SHOP}/items/{red}")).await["left"],
            left
        );
    }
    assert_eq!(
        (owned(&ada).await, owned(&bob).await.len()),
        (vec!["Red".to_owned()], 0)
    );
    let account = ada.read(&format!("{at}/wallet")).await;
    assert_eq!(
        (&account["balance"], &account["held"]),
        (&json!(50), &json!(0))
    );
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
}

/// An order that has ended, once it has.
async fn ended(by: &Account, order: &str) -> Value {
    for _ in 0..3000 {
        let found = by.read(order).await;
        if !found["ended_at"].is_null() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{order} does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_stock_of_one_a_hundred_buyers_have_one() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let one = offer(&root, "One", 10, Some(1)).await;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let buyer = Account::register(&server, &format!("buyer{number}")).await;
        mint(&root, &buyer.id, 10).await;
        put(&buyer, &json!({"item_id": one})).await;
        crowd.push(buyer);
    }
    let orders = format!("{SHOP}/orders");
    let all = crowd.iter().cloned().map(|buyer| {
        let orders = orders.clone();
        tokio::spawn(async move {
            sent(&buyer, &orders, "one", &json!({"total": 10}))
                .await
                .unwrap()
                .0
        })
    });
    let answers = futures::future::join_all(all).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(201), count(409)), (1, CROWD - 1), "{answers:?}");
    let (mut owners, mut tokens) = (0, 0);
    for buyer in &crowd {
        owners += owned(buyer).await.len();
        let account = buyer.read(WALLET).await;
        assert_eq!(account["held"], 0);
        tokens += account["balance"].as_u64().unwrap();
    }
    assert_eq!((owners, tokens), (1, 10 * (CROWD as u64 - 1)));
    assert_eq!(root.read(&format!("{SHOP}/items/{one}")).await["left"], 0);
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
}

/// Who pays for what is bought: the buyer, or a family or a workspace of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pays {
    Buyer,
    Family,
    Workspace,
}

impl Pays {
    /// The account that pays for a buyer, with so many tokens of theirs on it.
    async fn open(self, buyer: &Account, amount: u64) -> Purse {
        let at = match self {
            Self::Buyer => {
                return Purse {
                    pays: buyer.id.clone(),
                    at: WALLET.to_owned(),
                };
            }
            Self::Family => FAMILIES,
            Self::Workspace => WORKSPACES,
        };
        let group = made(buyer, at, "group", &json!({"name": "Engines"})).await;
        let pays = group["id"].as_str().unwrap().to_owned();
        let at = format!("{at}/{pays}/wallet");
        // A workspace that was just made has an account soon.
        for _ in 0..300 {
            let deposit = json!({"amount": amount});
            let (status, _) = sent(buyer, &format!("{at}/deposits"), "deposit", &deposit)
                .await
                .unwrap();
            if status == 201 {
                return Purse { pays, at };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{pays} has no account");
    }
}

/// An account that pays, and where it is read.
#[derive(Clone, Debug)]
struct Purse {
    pays: String,
    at: String,
}

/// Buys what is in the cart.
async fn buy(buyer: Account, purse: Purse, key: String) -> Option<(u16, Value)> {
    let order = json!({"total": 50, "pay_from": purse.pays});
    sent(&buyer, &format!("{SHOP}/orders"), &key, &order).await
}

/// The same, until it is bought: where a group was killed while it held the tokens, who sends it again goes on with
/// that after some seconds.
async fn bought(buyer: Account, purse: Purse, key: String) -> Value {
    for _ in 0..600 {
        let (status, order) = buy(buyer.clone(), purse.clone(), key.clone())
            .await
            .unwrap();
        assert_eq!(status, 201, "{order}");
        if order["state"] != "awaiting_approval" {
            return order;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{key} is not bought");
}

/// Killed at every moment of an order: whoever sends it again has all of it, once, and pays once.
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_whole_whenever_the_server_dies() {
    orders_are_whole(Pays::Buyer, KILLS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_families_pay_are_whole_whenever_the_server_dies() {
    orders_are_whole(Pays::Family, KILLS_OF_GROUPS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_workspaces_pay_are_whole_whenever_the_server_dies() {
    orders_are_whole(Pays::Workspace, KILLS_OF_GROUPS).await;
}

async fn orders_are_whole(pays: Pays, usual: u32) {
    let kills = std::env::var("SBD_TEST_KILLS").ok();
    let kills = kills.and_then(|kills| kills.parse().ok()).unwrap_or(usual);
    let mut server = Server::start().await;
    let mut root = Account::administrator(&server).await;
    let names: Vec<_> = (0..BUYERS).map(|number| format!("buyer{number}")).collect();
    let (mut buyers, mut purses) = (Vec::new(), Vec::new());
    for name in &names {
        let buyer = Account::register(&server, name).await;
        let tokens = 50 * u64::from(kills + 1);
        mint(&root, &buyer.id, tokens).await;
        purses.push(pays.open(&buyer, tokens).await);
        buyers.push(buyer);
    }
    // How long an order takes, when nobody is killed; from then on they are killed ever later in it.
    let (mut whole, mut unanswered) = (Duration::ZERO, 0);
    // Where the orders were that a killed server has left.
    let mut left_at = BTreeMap::new();
    for round in 0..=kills {
        let left = Some(BUYERS as u64 + 1);
        let (red, blue) = (
            offer(&root, &format!("Red {round:03}"), 40, left).await,
            offer(&root, &format!("Blue {round:03}"), 10, None).await,
        );
        for buyer in &buyers {
            put(buyer, &json!({"item_id": red})).await;
            put(buyer, &json!({"item_id": blue})).await;
        }
        let begun = Instant::now();
        let sent = buyers.iter().zip(&purses).map(|(buyer, purse)| {
            let key = format!("round-{round}");
            tokio::spawn(buy(buyer.clone(), purse.clone(), key))
        });
        let sent: Vec<_> = sent.collect();
        if round == 0 {
            let done = futures::future::join_all(sent).await;
            assert!(done.into_iter().all(|done| done.unwrap().unwrap().0 == 201));
            whole = begun.elapsed();
        } else {
            tokio::time::sleep(whole * round / kills).await;
            let (launch, data_dir) = server.kill();
            let done = futures::future::join_all(sent).await;
            unanswered += done
                .into_iter()
                .filter(|done| !matches!(done, Ok(Some((201, _)))))
                .count();
            server = launch.start_in(data_dir).await;
            root = Account::login(&server, "root@example.com").await;
            buyers.clear();
            for name in &names {
                let buyer = Account::login(&server, name).await;
                let orders = buyer.read(&format!("{SHOP}/orders?per_page=1")).await;
                let state = match orders["total"] == round + 1 {
                    true => orders["items"][0]["state"].as_str().unwrap().to_owned(),
                    false => "not placed".to_owned(),
                };
                *left_at.entry(state).or_insert(0) += 1;
                buyers.push(buyer);
            }
        }
        // All at once: an order that nobody goes on with is given up after a minute.
        let again = buyers.iter().zip(&purses).map(|(buyer, purse)| {
            let key = format!("round-{round}");
            bought(buyer.clone(), purse.clone(), key)
        });
        let orders = futures::future::join_all(again).await;
        for ((buyer, purse), order) in buyers.iter().zip(&purses).zip(orders) {
            assert_eq!(order["state"], "completed", "{order}");
            let account = buyer.read(&purse.at).await;
            let paid = json!(50 * (kills - round));
            assert_eq!(
                (&account["balance"], &account["held"]),
                (&paid, &json!(0)),
                "round {round}"
            );
            let orders = buyer.read(&format!("{SHOP}/orders?state=completed")).await;
            assert_eq!(orders["total"], round + 1);
            let inventory = buyer.read(&format!("{SHOP}/inventory")).await;
            assert_eq!(inventory["total"], 2 * (round + 1), "round {round}");
        }
        assert_eq!(
            root.read(&format!("{SHOP}/items/{red}")).await["left"],
            1,
            "round {round}"
        );
    }
    println!(
        "{pays:?}: {kills} kills; an order of {whole:?} was not answered {unanswered} times of {}; orders were left: {left_at:?}",
        kills * 4
    );
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
    let whole = server.done(&["audit", "verify", "--tenant", "default"]);
    assert!(whole.contains("whole"), "{whole}");
}
