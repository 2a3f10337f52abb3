//! The account of a team behind the real host: what roles let its members do, a request over the threshold, a frozen
//! account that two backup administrators unfreeze, and that all of it is on record and adds up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, Server, assert_error, json};
use serde_json::{Value, json};
use std::time::Duration;

const WORKSPACES: &str = "/api/v1/workspaces";
const WALLET: &str = "/api/v1/wallet";

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

async fn refused(by: &Account, path: &str, body: &Value, status: u16, code: &str) {
    let answer = by.post(path, body).header("idempotency-key", code).send();
    assert_error(answer.await.unwrap(), status, code).await;
    println!("POST {path} {body}\n  {status} {code}");
}

async fn put(by: &Account, path: &str, body: &Value, expected: u16) {
    let answer = by.request(Method::PUT, path).json(body).send();
    let answer = answer.await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, expected, "{path}: {text}");
    println!("PUT {path} {body}\n  {expected} {text}");
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

/// Somebody belongs to a workspace from now on, in a role, by a link.
async fn join(owner: &Account, at: &str, who: &Account, role: &str) {
    let link = json!({"role": role, "uses": 1, "days": 1});
    let link = sent(owner, &format!("{at}/links"), role, &link, 201).await;
    let code = json!({"code": link["code"]});
    sent(who, &format!("{WORKSPACES}/joining"), role, &code, 200).await;
}

#[tokio::test]
async fn a_team_of_three_spends_asks_freezes_and_unfreezes() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let cleo = Account::register(&server, "cleo").await;
    let mint = json!({"to": ada.id, "amount": 1000});
    sent(&root, &format!("{WALLET}/mint"), "mint", &mint, 201).await;
    let workspace = sent(&ada, WORKSPACES, "team", &json!({"name": "Engines"}), 201).await;
    let at = format!("{WORKSPACES}/{}", id(&workspace));
    let wallet = format!("{at}/wallet");
    let treasurer = json!({"name": "Treasurer", "permissions": ["request", "spend", "review"]});
    let treasurer = sent(&ada, &format!("{at}/roles"), "role", &treasurer, 201).await;
    join(&ada, &at, &bob, id(&treasurer)).await;
    join(&ada, &at, &cleo, "viewer").await;
    let deposit = json!({"amount": 500, "memo": "for the engine"});
    sent(
        &ada,
        &format!("{wallet}/deposits"),
        "deposit",
        &deposit,
        201,
    )
    .await;

    // Treasurers spend 50 at once, and viewers nothing.
    let limit = json!({"may_spend": true, "per_transaction": 50});
    put(
        &ada,
        &format!("{wallet}/role-permissions/{}", id(&treasurer)),
        &limit,
        200,
    )
    .await;
    let payments = format!("{wallet}/payments");
    let brass = |amount: u64| json!({"to": ada.id, "amount": amount, "type": "brass"});
    refused(&bob, &payments, &brass(51), 409, "LIMIT_EXCEEDED").await;
    sent(&bob, &payments, "brass", &brass(50), 201).await;
    refused(&cleo, &payments, &brass(1), 403, "FORBIDDEN").await;

    // Small requests are approved by themselves; one over the threshold is reviewed, by somebody else.
    let requests = format!("{at}/token-requests");
    let small = json!({"amount": 20, "reason": "paper"});
    let small = sent(&cleo, &requests, "small", &small, 201).await;
    assert_eq!(
        (&small["state"], &small["automatic"]),
        (&json!("completed"), &json!(true))
    );
    let large = json!({"amount": 150, "reason": "cogwheels"});
    let large = sent(&cleo, &requests, "large", &large, 201).await;
    assert_eq!(large["state"], "pending");
    let approve = format!("{requests}/{}/approve", id(&large));
    refused(&cleo, &approve, &json!({}), 403, "FORBIDDEN").await;
    let approved = json!({"comment": "the good ones"});
    let approved = sent(&bob, &approve, "approve", &approved, 200).await;
    assert_eq!(
        (&approved["state"], &approved["reviewed_by"]),
        (&json!("completed"), &json!(bob.id))
    );

    // Frozen, nothing is spent, by nobody; two backup administrators unfreeze it.
    for backup in [&bob, &cleo] {
        put(
            &ada,
            &format!("{wallet}/backups/{}", backup.id),
            &json!({}),
            204,
        )
        .await;
    }
    let why = json!({"reason": "The laptop is stolen"});
    sent(&ada, &format!("{wallet}/freeze"), "freeze", &why, 200).await;
    refused(&ada, &payments, &brass(1), 409, "ACCOUNT_FROZEN").await;
    let emergency = format!("{wallet}/emergency-unfreeze");
    let why = json!({"reason": "Wages are due and Ada is away"});
    refused(&ada, &emergency, &why, 403, "FORBIDDEN").await;
    let asked = sent(&bob, &emergency, "ask", &why, 200).await;
    assert_eq!(asked["vote"]["required"], 2);
    let open = sent(
        &cleo,
        &format!("{emergency}/approve"),
        "vote",
        &json!({}),
        200,
    )
    .await;
    assert!(open["frozen"].is_null());
    sent(&bob, &payments, "again", &brass(10), 201).await;

    // It adds up, and is on record.
    let account = ada.read(&wallet).await;
    assert_eq!(
        (&account["balance"], &account["held"]),
        (&json!(270), &json!(0))
    );
    let report = root.read(&format!("{WALLET}/reconciliation")).await;
    assert_eq!(
        (&report["sum"], &report["differences"]),
        (&json!(0), &json!([]))
    );
    let table = cleo
        .get(&format!("{wallet}/transactions?format=csv"))
        .send()
        .await
        .unwrap();
    let table = table.text().await.unwrap();
    println!("{table}");
    assert_eq!(table.lines().count(), 6);
    let verdict = cleo.read(&format!("{at}/audit/verification")).await;
    assert_eq!(verdict["whole"], true);
    let audit = ada
        .read(&format!("{at}/audit?action=workspace.wallet."))
        .await;
    let actions = audit["items"].as_array().unwrap().iter();
    let unfrozen = actions.filter(|one| one["action"] == "workspace.wallet.unfrozen");
    assert_eq!(unfrozen.count(), 1);
    let pdf = ada
        .get(&format!("{at}/reports/compliance?format=pdf"))
        .send()
        .await
        .unwrap();
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF"));
}
