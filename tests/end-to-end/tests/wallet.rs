//! Tokens behind the real host: none is made or lost, whoever asks at once and whenever the server dies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::RequestBuilder;
use sbd_tests::{Account, Launch, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const WALLET: &str = "/api/v1/wallet";
const CLIENTS: usize = 16;
const ROUNDS: usize = 10;

async fn start() -> Server {
    Launch::app(include_str!("apps/wallet.toml")).start().await
}

/// A request that moves value, under a key.
fn keyed(by: &Account, what: &str, key: &str, body: &Value) -> RequestBuilder {
    by.post(&format!("{WALLET}/{what}"), body)
        .header("idempotency-key", key)
}

async fn done(request: RequestBuilder) -> Value {
    json(request.send().await.unwrap(), 201).await
}

/// Gives a user tokens. Who has registered just now may have no account for a moment.
async fn mint(root: &Account, to: &Account, amount: u64) -> Value {
    let body = json!({"to": to.id, "amount": amount});
    for _ in 0..300 {
        let answer = keyed(root, "mint", &format!("mint-{}", to.id), &body);
        let answer = answer.send().await.unwrap();
        if answer.status() != 404 {
            return json(answer, 201).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} has no account", to.id);
}

/// What can be spent, and what is reserved.
async fn balance(of: &Account) -> (i64, i64) {
    let wallet = of.read(WALLET).await;
    (
        wallet["available"].as_i64().unwrap(),
        wallet["held"].as_i64().unwrap(),
    )
}

async fn assert_reconciled(root: &Account) {
    let report = root.read(&format!("{WALLET}/reconciliation")).await;
    assert_eq!(report["sum"], 0, "{report}");
    assert_eq!(report["differences"], json!([]), "{report}");
}

#[tokio::test]
async fn tokens_are_minted_paid_held_and_accounted_for() {
    let server = start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    mint(&root, &ada, 1000).await;
    // That bob can be paid is the event's doing: he has never asked for his wallet.
    mint(&root, &bob, 1).await;
    let more = json!({"to": ada.id, "amount": 1});
    let refused = keyed(&ada, "mint", "k", &more).send().await.unwrap();
    assert_error(refused, 403, "FORBIDDEN").await;
    let own = ada.get(&format!("{WALLET}/reconciliation"));
    assert_error(own.send().await.unwrap(), 403, "FORBIDDEN").await;

    let body = json!({"to": bob.id, "amount": 100, "memo": "tea", "cause": "ord_1"});
    let first = done(keyed(&ada, "transfers", "k-1", &body)).await;
    let again = keyed(&ada, "transfers", "k-1", &body).send().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(json(again, 201).await, first);
    let other = json!({"to": bob.id, "amount": 101});
    let reused = keyed(&ada, "transfers", "k-1", &other)
        .send()
        .await
        .unwrap();
    assert_error(reused, 422, "IDEMPOTENCY_KEY_REUSED").await;
    assert_eq!(
        (balance(&ada).await, balance(&bob).await),
        ((900, 0), (101, 0))
    );
    told(&bob, "You have received 100 tokens").await;
    let theirs = ada.get(&format!("{WALLET}/accounts/{}", bob.id));
    assert_error(theirs.send().await.unwrap(), 404, "NOT_FOUND").await;

    let end = async |hold: &Value, how: &str, body: Value| {
        let path = format!("{WALLET}/holds/{}/{how}", hold["id"].as_str().unwrap());
        ada.post(&path, &body).send().await.unwrap()
    };
    let hold = async |key: &str, seconds: u32| {
        let body = json!({"to": bob.id, "amount": 50, "expires_in": seconds});
        done(keyed(&ada, "holds", key, &body)).await
    };
    let (captured, released) = (hold("h-1", 600).await, hold("h-2", 600).await);
    assert_eq!(balance(&ada).await, (800, 100));
    json(end(&captured, "capture", json!({"amount": 20})).await, 200).await;
    json(end(&captured, "capture", json!({"amount": 20})).await, 200).await;
    json(end(&released, "release", json!({})).await, 200).await;
    let late = end(&released, "capture", json!({})).await;
    assert_error(late, 409, "CONFLICT").await;
    assert_eq!(
        (balance(&ada).await, balance(&bob).await),
        ((880, 0), (121, 0))
    );
    let expiring = hold("h-3", 1).await;
    let address = format!("{WALLET}/holds/{}", expiring["id"].as_str().unwrap());
    let mut state = Value::Null;
    for _ in 0..300 {
        state = ada.read(&address).await["state"].clone();
        if state == "expired" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(state, "expired", "{}", server.log());
    assert_eq!(balance(&ada).await, (880, 0));
    let counted = server
        .metric("token_transactions_total", "type=\"mint\"")
        .await;
    assert!(counted >= 1.0, "{counted} mints");
    assert_reconciled(&root).await;
}

/// Waits until a user was told something.
async fn told(who: &Account, title: &str) {
    for _ in 0..300 {
        let inbox = who.read("/api/v1/notifications").await;
        let items = inbox["items"].as_array().unwrap();
        if items.iter().any(|item| item["title"] == title) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody said `{title}`");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_spend_the_same_token() {
    let server = start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    mint(&root, &ada, 305).await;
    bob.read(WALLET).await;
    let spend = async |key: String, amount: u64| {
        let body = json!({"to": bob.id, "amount": amount});
        loop {
            let answer = keyed(&ada, "transfers", &key, &body).send().await.unwrap();
            match answer.status().as_u16() {
                // Much is moved just now: again.
                503 => tokio::time::sleep(Duration::from_millis(50)).await,
                status => return (status, answer.json::<Value>().await.unwrap()),
            }
        }
    };
    let answers = join_all((0..64).map(|number| spend(format!("k-{number}"), 10))).await;
    let of = |status: u16| answers.iter().filter(|(was, _)| *was == status).count();
    assert_eq!((of(201), of(409)), (30, 34), "{answers:?}");
    for (_, refused) in answers.iter().filter(|(status, _)| *status == 409) {
        assert_eq!(refused["error"]["code"], "INSUFFICIENT_BALANCE");
    }
    assert_eq!(
        (balance(&ada).await, balance(&bob).await),
        ((5, 0), (300, 0))
    );
    // One key from many sides at once is one payment.
    let answers = join_all((0..16).map(|_| spend("same".to_owned(), 5))).await;
    for (status, answer) in &answers {
        assert_eq!((*status, &answer["id"]), (201, &answers[0].1["id"]));
    }
    assert_eq!(balance(&ada).await, (0, 0));
    assert_reconciled(&root).await;

    // Page by page, as JSON and as a table.
    let statement = format!("{WALLET}/statement?limit=7&type=transfer");
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ada.read(&format!("{statement}{cursor}")).await;
        let items = page["items"].as_array().unwrap().iter();
        ids.extend(items.map(|item| item["transaction_id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let (mut lines, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ada.get(&format!("{statement}{cursor}"));
        let page = page.header("accept", "text/csv").send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/csv; charset=utf-8");
        let next = page.headers().get("next-cursor").cloned();
        lines.extend(
            page.text()
                .await
                .unwrap()
                .lines()
                .skip(1)
                .map(str::to_owned),
        );
        match next {
            Some(next) => cursor = format!("&cursor={}", next.to_str().unwrap()),
            None => break,
        }
    }
    assert_eq!((ids.len(), lines.len()), (31, 31));
    let same = ids.iter().zip(&lines);
    assert!(
        same.clone()
            .all(|(id, line)| line.starts_with(&format!("\"{id}\"")))
    );
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 31);
}

/// Days since 1970, in UTC.
fn today() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    since.as_secs() / (24 * 60 * 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_against_many_at_once() {
    let server = start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    mint(&root, &ada, 10_000).await;
    bob.read(WALLET).await;
    let limits = format!("{WALLET}/accounts/{}/limits", ada.id);
    let put = root.request(reqwest::Method::PUT, &limits);
    json(put.json(&json!({"per_day": 90})).send().await.unwrap(), 200).await;
    let body = json!({"to": bob.id, "amount": 1});
    let spend = async |number: u32| {
        let what = if number.is_multiple_of(3) {
            "holds"
        } else {
            "transfers"
        };
        let answer = sent(|| keyed(&ada, what, &format!("k-{number}"), &body)).await;
        answer.unwrap()
    };
    let begun = today();
    let answers = join_all((0..150).map(spend)).await;
    let made = answers.iter().filter(|(status, _)| *status == 201);
    let (available, held) = balance(&ada).await;
    let (paid, _) = balance(&bob).await;
    // Where a day has ended meanwhile, the limit of the next one was used as well.
    if today() == begun {
        assert_eq!(paid + held, 90);
    }
    assert_eq!(made.count(), usize::try_from(paid + held).unwrap());
    assert_eq!(available, 10_000 - paid - held);
    for (status, refused) in answers.iter().filter(|(status, _)| *status != 201) {
        assert_eq!(
            (*status, &refused["error"]["code"]),
            (409, &json!("LIMIT_EXCEEDED"))
        );
    }
    assert_reconciled(&root).await;
}

/// Sends a request until it is not told to come back; none when the server is gone before all of the answer
/// is there.
async fn sent(request: impl Fn() -> RequestBuilder) -> Option<(u16, Value)> {
    loop {
        let answer = request().send().await.ok()?;
        match answer.status().as_u16() {
            503 => tokio::time::sleep(Duration::from_millis(50)).await,
            status => return Some((status, answer.json().await.ok()?)),
        }
    }
}

/// Pays one token under a key, every other time by a hold; none when the server is gone.
async fn pay(from: &Account, to: &str, (key, by_hold): &(String, bool)) -> Option<()> {
    let body = json!({"to": to, "amount": 1});
    if !by_hold {
        let (status, answer) = sent(|| keyed(from, "transfers", key, &body)).await?;
        assert_eq!(status, 201, "{answer}");
        return Some(());
    }
    let (status, hold) = sent(|| keyed(from, "holds", key, &body)).await?;
    assert_eq!(status, 201, "{hold}");
    let path = format!("{WALLET}/holds/{}/capture", hold["id"].as_str().unwrap());
    let (status, hold) = sent(|| from.post(&path, &json!({}))).await?;
    assert_eq!(
        (status, &hold["state"]),
        (200, &json!("captured")),
        "{hold}"
    );
    Some(())
}

/// Pays until the server is gone; returns the keys that were sent, of which all but the last were answered.
async fn pay_until_killed(
    from: Account,
    to: String,
    keys: String,
    answered: Arc<AtomicUsize>,
) -> Vec<(String, bool)> {
    let mut sent = Vec::new();
    loop {
        let number = sent.len();
        sent.push((format!("{keys}-{number}"), number % 2 == 1));
        if pay(&from, &to, &sent[number]).await.is_none() {
            return sent;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_made_or_lost_by_kills() {
    let mut server = start().await;
    let mut root = Account::administrator(&server).await;
    let mut ada = Account::register(&server, "ada").await;
    let mut bob = Account::register(&server, "bob").await;
    mint(&root, &ada, 1_000_000).await;
    bob.read(WALLET).await;
    let mut payments = 0;
    for round in 0..ROUNDS {
        let answered = Arc::new(AtomicUsize::new(0));
        let begin = |client: usize| {
            let keys = format!("{round}-{client}");
            let paying = pay_until_killed(ada.clone(), bob.id.clone(), keys, Arc::clone(&answered));
            tokio::spawn(paying)
        };
        let clients: Vec<_> = (0..CLIENTS).map(begin).collect();
        let enough = 20 * (1 + round % 5);
        server
            .wait_for("answers", || answered.load(Ordering::Relaxed) >= enough)
            .await;
        let (launch, data_dir) = server.kill();
        let sent = join_all(clients).await;
        let keys: Vec<_> = sent.into_iter().flat_map(Result::unwrap).collect();
        server = launch.start_in(data_dir).await;
        (root, ada, bob) = (
            Account::login(&server, "root@example.com").await,
            Account::login(&server, "ada").await,
            Account::login(&server, "bob").await,
        );
        assert_reconciled(&root).await;
        let now = balance(&bob).await.0;
        let (least, most) = (payments + keys.len() - CLIENTS, payments + keys.len());
        assert!(
            (least..=most).contains(&usize::try_from(now).unwrap()),
            "round {round}: {now} of {least} to {most}"
        );
        // Whoever does not know whether it arrived sends it again: each is paid once by then.
        for key in &keys {
            pay(&ada, &bob.id, key).await.unwrap();
        }
        payments += keys.len();
        assert_eq!(balance(&bob).await, (payments as i64, 0), "round {round}");
    }
    let left = 1_000_000 - payments as i64;
    assert_eq!(balance(&ada).await, (left, 0));
    assert_reconciled(&root).await;
    // By command as well, beside the server and without one.
    let said = server.done(&["ledger", "verify"]);
    assert!(said.contains("the books of default are right"), "{said}");
    let (launch, data_dir) = server.kill();
    let data_dir = data_dir.path().display().to_string();
    let manifest = launch.application().manifest().display().to_string();
    let args = [
        "ledger",
        "verify",
        "--app",
        &manifest,
        "--data-dir",
        &data_dir,
    ];
    let verified = run(&args, &[], "");
    assert!(verified.success, "{}", verified.stderr);
}
