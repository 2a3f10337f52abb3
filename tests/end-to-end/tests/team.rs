//! A team as it works: with roles of its own, an account that they share, and a shop that it buys in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::{Method, Response};
use sbd_tests::{Account, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const WORKSPACES: &str = "/api/v1/workspaces";
const SHOP: &str = "/api/v1/shop";

/// Sends JSON, each with a key of its own.
async fn send(who: &Account, method: Method, path: &str, body: &Value) -> Response {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let key = SENT.fetch_add(1, Ordering::Relaxed).to_string();
    let request = who.request(method, path).json(body);
    let request = request.header("idempotency-key", key);
    request.send().await.unwrap()
}

async fn post(who: &Account, path: &str, body: Value, status: u16) -> Value {
    json(send(who, Method::POST, path, &body).await, status).await
}

async fn done(who: &Account, method: Method, path: &str, body: Value) -> Value {
    let answer = send(who, method, path, &body).await;
    match answer.status().as_u16() {
        204 => Value::Null,
        _ => json(answer, 200).await,
    }
}

/// What is read, once it is so.
async fn once(who: &Account, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..300 {
        last = who.read(path).await;
        if is_so(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} is never so: {last}");
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no `{field}` in {value}"))
}

async fn joins(owner: &Account, workspace: &str, who: &Account, name: &str, role: &str) {
    let invite = json!({"to": name, "role": role});
    post(owner, &format!("{workspace}/invitations"), invite, 201).await;
    let received = format!("{WORKSPACES}/invitations");
    let invited = once(who, &received, |page| page["total"] == 1).await;
    let id = text(&invited["items"][0], "id").to_owned();
    done(
        who,
        Method::POST,
        &format!("{received}/{id}/acceptance"),
        json!({}),
    )
    .await;
}

#[tokio::test]
async fn a_team_of_three_shares_an_account_and_buys_for_one_another() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let (ada, bob, cyd) = (
        Account::register(&server, "ada").await,
        Account::register(&server, "bob").await,
        Account::register(&server, "cyd").await,
    );

    // Roles of their own.
    let made = post(&ada, WORKSPACES, json!({"name": "Analytical Engines"}), 201).await;
    let workspace = format!("{WORKSPACES}/{}", text(&made, "id"));
    let wallet = format!("{workspace}/wallet");
    let treasurer = json!({"name": "Treasurer", "permissions": ["request", "review"]});
    let treasurer = post(&ada, &format!("{workspace}/roles"), treasurer, 201).await;
    joins(&ada, &workspace, &bob, "bob", text(&treasurer, "id")).await;
    joins(&ada, &workspace, &cyd, "cyd", "viewer").await;
    assert_eq!(ada.read(&format!("{workspace}/members")).await["total"], 3);
    let rename = json!({"name": "Difference Engines"});
    let refused = send(&bob, Method::PUT, &workspace, &rename).await;
    assert_error(refused, 403, "FORBIDDEN").await;

    // An account, and a request over the threshold that a treasurer reviews.
    let own = ada.read("/api/v1/wallet").await;
    let mint = json!({"to": text(&own, "id"), "amount": 1000});
    post(&root, "/api/v1/wallet/mint", mint, 201).await;
    post(
        &ada,
        &format!("{wallet}/deposits"),
        json!({"amount": 600}),
        201,
    )
    .await;
    let settings = json!({"up_to": 50, "per_month": 80, "unfreezers": 2});
    done(&ada, Method::PUT, &format!("{wallet}/settings"), settings).await;
    let requests = format!("{workspace}/token-requests");
    let ask = |amount: u64| json!({"amount": amount, "reason": "Brass for the mill"});
    assert_eq!(
        post(&cyd, &requests, ask(40), 201).await["state"],
        "completed"
    );
    // A small one, but too many of them in a month.
    let waits = post(&cyd, &requests, ask(50), 201).await;
    assert_eq!(waits["state"], "pending");
    let large = post(&cyd, &requests, ask(200), 201).await;
    let review = |request: &Value, act: &str| format!("{requests}/{}/{act}", text(request, "id"));
    let refused = send(&cyd, Method::POST, &review(&large, "approve"), &json!({})).await;
    assert_error(refused, 403, "FORBIDDEN").await;
    let comment = json!({"comment": "Well asked"});
    let approved = done(&bob, Method::POST, &review(&large, "approve"), comment).await;
    assert_eq!(approved["state"], "completed");
    let denied = done(&bob, Method::POST, &review(&waits, "deny"), json!({})).await;
    assert_eq!(denied["state"], "denied");
    assert_eq!(cyd.read("/api/v1/wallet").await["balance"], 240);
    let own = post(&bob, &requests, ask(60), 201).await;
    let refused = send(&bob, Method::POST, &review(&own, "approve"), &json!({})).await;
    assert_error(refused, 403, "OWN_REQUEST").await;

    // Frozen, and unfrozen by two backup administrators.
    for backup in [&bob, &cyd] {
        let path = format!("{wallet}/backups/{}", backup.id);
        done(&ada, Method::PUT, &path, json!({})).await;
    }
    let freeze = json!({"reason": "The ledger is looked at"});
    done(&ada, Method::POST, &format!("{wallet}/freeze"), freeze).await;
    let pay = json!({"to": bob.id, "amount": 1});
    let refused = send(&ada, Method::POST, &format!("{wallet}/payments"), &pay).await;
    assert_error(refused, 409, "ACCOUNT_FROZEN").await;
    let vote = format!("{wallet}/emergency-unfreeze");
    let asked = json!({"reason": "Ada is on a ship, and the rent is due"});
    done(&bob, Method::POST, &vote, asked).await;
    assert_ne!(ada.read(&vote).await["frozen"], Value::Null);
    done(&cyd, Method::POST, &format!("{vote}/approve"), json!({})).await;
    assert_eq!(ada.read(&vote).await["frozen"], Value::Null);

    // A bundle for a member, out of the team's account.
    let item = |kind: &str, title: &str, price: u64, more: Value| {
        let mut item = json!({"kind": kind, "title": title, "price": price, "listed": true});
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let items = format!("{SHOP}/items");
    let theme = post(&root, &items, item("theme", "Brass", 30, json!({})), 201).await;
    let avatar = post(&root, &items, item("avatar", "A mill", 20, json!({})), 201).await;
    let contains = json!({"contains": [theme["id"], avatar["id"]]});
    let bundle = post(
        &root,
        &items,
        item("bundle", "The mill in brass", 40, contains),
        201,
    )
    .await;
    let line = json!({"item_id": bundle["id"], "for": cyd.id});
    let cart = post(&ada, &format!("{SHOP}/cart/lines"), line, 201).await;
    assert_eq!(cart["total"], 40);
    let order = json!({"total": 40, "pay_from": made["id"]});
    let order = post(&ada, &format!("{SHOP}/orders"), order, 201).await;
    let order = format!("{SHOP}/orders/{}", text(&order, "id"));
    once(&ada, &order, |order| order["state"] == "completed").await;
    let inventory = format!("{SHOP}/inventory");
    let owns = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        let mut titles: Vec<_> = items.map(|item| text(item, "title").to_owned()).collect();
        titles.sort();
        titles
    };
    assert_eq!(
        owns(&cyd.read(&inventory).await),
        ["A mill", "Brass", "The mill in brass"]
    );
    assert_eq!(ada.read(&wallet).await["balance"], 320);

    // A rental, which says when it ends.
    let rentals = json!({"rentals": [{"days": 7, "price": 5}]});
    let banner = post(&root, &items, item("banner", "A flag", 50, rentals), 201).await;
    let line = json!({"item_id": banner["id"], "days": 7});
    post(&cyd, &format!("{SHOP}/cart/lines"), line, 201).await;
    let rented = post(&cyd, &format!("{SHOP}/orders"), json!({"total": 5}), 201).await;
    assert_eq!(rented["state"], "completed");
    let held = cyd.read(&inventory).await;
    let flag = held["items"].as_array().unwrap().iter();
    let flag = flag.clone().find(|item| item["title"] == "A flag").unwrap();
    assert_ne!(flag["until"], Value::Null);
    assert_eq!(cyd.read("/api/v1/wallet").await["balance"], 235);

    // Paid back: to the team, and cyd has the flag alone.
    post(
        &ada,
        &format!("{order}/refunds"),
        json!({"reason": "Not brass enough"}),
        201,
    )
    .await;
    once(&ada, &wallet, |wallet| wallet["balance"] == 360).await;
    assert_eq!(owns(&cyd.read(&inventory).await), ["A flag"]);

    // The month as a report, and all of it whole.
    let report = format!("{workspace}/reports/compliance");
    assert!(ada.read(&report).await["entries"].as_array().unwrap().len() >= 10);
    assert_error(cyd.get(&report).send().await.unwrap(), 403, "FORBIDDEN").await;
    let pdf = ada
        .get(&format!("{report}?format=pdf"))
        .send()
        .await
        .unwrap();
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-"));
    let verified = cyd.read(&format!("{workspace}/audit/verification")).await;
    assert_eq!(verified["whole"], true);
    let data = server.data().display().to_string();
    let books = run(&["ledger", "verify", "--data-dir", &data], &[], "");
    assert!(books.success, "{}{}", books.stdout, books.stderr);
}
