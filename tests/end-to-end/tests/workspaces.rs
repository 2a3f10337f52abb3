//! A workspace behind the real host: a team comes together, may what its roles say, hears of each other, and shares
//! notes and documents that are found, labelled, and gone with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::Method;
use sbd_tests::{Account, PASSWORD, Server, Socket, assert_error, json};
use serde_json::{Value, json};
use std::time::Duration;

const WORKSPACES: &str = "/api/v1/workspaces";
const SHOP: &str = "/api/v1/shop";
const WALLET: &str = "/api/v1/wallet";
/// How often a workspace is deleted while something is bought from its account.
const RACES: u32 = 12;

async fn post(by: &Account, path: &str, body: &Value, expected: u16) -> Value {
    let answer = json(by.post(path, body).send().await.unwrap(), expected).await;
    println!("POST {path} {body}\n  {expected} {answer}");
    answer
}

async fn put(by: &Account, path: &str, body: &Value) -> Value {
    let answer = by.request(Method::PUT, path).json(body).send().await;
    let answer = json(answer.unwrap(), 200).await;
    println!("PUT {path} {body}\n  200 {answer}");
    answer
}

async fn delete(by: &Account, path: &str) {
    let answer = by.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(answer.status(), 204, "{path}: {:?}", answer.text().await);
}

/// What a page has, once it has something: who is invited, and what is to be found, is seen to after the answer.
async fn first(by: &Account, path: &str) -> Value {
    for _ in 0..300 {
        let page = by.read(path).await;
        if page["items"][0].is_object() {
            return page["items"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} stays empty");
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_team_comes_together_and_shares_what_it_writes() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let cleo = Account::register(&server, "cleo").await;
    let workspace = post(&ada, WORKSPACES, &json!({"name": "Engines"}), 201).await;
    let at = format!("{WORKSPACES}/{}", id(&workspace));
    // By name, and by a link.
    let invited = json!({"to": "bob", "role": "editor"});
    post(&ada, &format!("{at}/invitations"), &invited, 201).await;
    let invitation = first(&bob, &format!("{WORKSPACES}/invitations")).await;
    let notice = first(&bob, "/api/v1/notifications").await;
    assert_eq!(notice["kind"], "workspace.invitation.received");
    let accept = format!("{WORKSPACES}/invitations/{}/acceptance", id(&invitation));
    let joined = post(&bob, &accept, &json!({}), 200).await;
    assert_eq!(joined["role"], "editor");
    let role = json!({"name": "Treasurer", "permissions": ["request", "spend"]});
    let role = post(&ada, &format!("{at}/roles"), &role, 201).await;
    let link = json!({"role": id(&role), "uses": 1, "days": 1});
    let link = post(&ada, &format!("{at}/links"), &link, 201).await;
    // Ada hears of it while it happens.
    let channel = format!("workspace:{}", id(&workspace));
    let query = format!("?channels={channel}");
    let mut socket = Socket::connect(&server, &ada.access, &query).await;
    while socket.until("stream.joined").await["data"]["channel"] != channel {}
    let code = json!({"code": link["code"]});
    let joined = post(&cleo, &format!("{WORKSPACES}/joining"), &code, 200).await;
    assert_eq!(joined["permissions"], json!(["request", "spend"]));
    let heard = socket.until("workspace.member.added").await;
    assert_eq!(heard["data"]["user_id"], cleo.id);
    let members = cleo.read(&format!("{at}/members")).await;
    println!("GET {at}/members\n  200 {members}");
    assert_eq!(members["total"], 3);
    assert!(members["items"][0]["present_since"].is_string());
    // Whoever writes, writes; the others read and find.
    let new = json!({"title": "Difference engine", "workspace_id": id(&workspace), "body": "Brass cogwheels."});
    let note = post(&bob, "/api/v1/notes", &new, 201).await;
    let refused = cleo.post("/api/v1/notes", &new).send().await.unwrap();
    assert_error(refused, 403, "FORBIDDEN").await;
    let path = format!("/api/v1/notes/{}", id(&note));
    assert_eq!(cleo.read(&path).await["title"], "Difference engine");
    let mut found = 0;
    for _ in 0..300 {
        let asked = json!({"query": "cogwheels"});
        let answer = json(
            cleo.post("/api/v1/search", &asked).send().await.unwrap(),
            200,
        )
        .await;
        found = answer["items"].as_array().unwrap().len();
        if found > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found, 1);
    let label = json!({"name": "Apollo"});
    let label = post(&bob, &format!("{at}/labels"), &label, 201).await;
    let items = format!("{at}/labels/{}/items", id(&label));
    put(&bob, &format!("{items}/{}", id(&note)), &json!({})).await;
    assert_eq!(first(&cleo, &items).await["item"], note["id"]);
    // What is in the trash has no labels.
    delete(&bob, &path).await;
    for _ in 0..300 {
        if cleo.read(&items).await["total"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(cleo.read(&items).await["total"], 0);
    let happened = cleo.read(&format!("{at}/activity?limit=100")).await;
    println!("GET {at}/activity\n  200 {happened}");
    let actions = happened["items"].as_array().unwrap().iter();
    let actions: Vec<_> = actions.map(|one| one["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions.iter().rev().copied().collect::<Vec<_>>(),
        [
            "workspace.created",
            "workspace.member.added",
            "workspace.invitation.sent",
            "workspace.invitation.accepted",
            "workspace.member.added",
            "workspace.role.made",
            "workspace.link.made",
            "workspace.member.added",
            "workspace.link.used",
            "workspace.label.made",
            "workspace.label.put",
        ]
    );
    // Whoever is sent away hears nothing more, and does not come back by the link.
    delete(&ada, &format!("{at}/members/{}", cleo.id)).await;
    assert_error(cleo.get(&at).send().await.unwrap(), 404, "NOT_FOUND").await;
    assert_error(cleo.get(&path).send().await.unwrap(), 404, "NOT_FOUND").await;
    let again = cleo.post(&format!("{WORKSPACES}/joining"), &code);
    assert_error(again.send().await.unwrap(), 409, "LINK_ENDED").await;
    // It is handed over, and deleted by whoever owns it then, with all that is in it.
    put(&ada, &format!("{at}/transfer"), &json!({"to": bob.id})).await;
    let taken = post(&bob, &format!("{at}/transfer/acceptance"), &json!({}), 200).await;
    assert_eq!(taken["owner"], bob.id);
    let kept = json!({"title": "Plan", "workspace_id": id(&workspace)});
    let kept = post(&ada, "/api/v1/notes", &kept, 201).await;
    let refused = ada.request(Method::DELETE, &at).send().await.unwrap();
    assert_error(refused, 403, "FORBIDDEN").await;
    delete(&bob, &at).await;
    assert_error(ada.get(&at).send().await.unwrap(), 404, "NOT_FOUND").await;
    let kept = format!("/api/v1/notes/{}", id(&kept));
    assert_error(ada.get(&kept).send().await.unwrap(), 404, "NOT_FOUND").await;
}

#[tokio::test]
async fn at_once_no_more_join_than_may_and_no_two_send_each_other_down() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let workspace = post(&ada, WORKSPACES, &json!({"name": "Engines"}), 201).await;
    let at = format!("{WORKSPACES}/{}", id(&workspace));
    let link = json!({"role": "admin", "uses": 3, "days": 1});
    let link = post(&ada, &format!("{at}/links"), &link, 201).await;
    let mut others = Vec::new();
    for number in 0..8 {
        others.push(Account::register(&server, &format!("member{number}")).await);
    }
    let code = json!({"code": link["code"]});
    let join = |by: &Account| by.post(&format!("{WORKSPACES}/joining"), &code).send();
    let joined = join_all(others.iter().map(join)).await;
    let mut inside = Vec::new();
    for (other, answer) in others.iter().zip(joined) {
        match answer.unwrap().status().as_u16() {
            200 => inside.push(other),
            409 => {}
            // Several were quicker each time; the next try says.
            503 => match join(other).await.unwrap().status().as_u16() {
                200 => inside.push(other),
                status => assert_eq!(status, 409),
            },
            status => panic!("{status}"),
        }
    }
    assert_eq!(inside.len(), 3);
    assert_eq!(ada.read(&at).await["member_count"], 4);
    // Two administrators, each of whom takes the other's role.
    let demote = |by: &Account, of: &Account| {
        let path = format!("{at}/members/{}/role", of.id);
        let role = json!({"role": "viewer"});
        by.request(Method::PUT, &path).json(&role).send()
    };
    let (one, other) = (inside[0], inside[1]);
    let done = join_all([demote(one, other), demote(other, one)]).await;
    let mut statuses: Vec<_> = done
        .into_iter()
        .map(|answer| answer.unwrap().status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
}

/// Sends something under a key until it is known what was done.
async fn sent(by: &Account, path: &str, key: &str, body: &Value) -> (u16, Value) {
    loop {
        let request = by.post(path, body).header("idempotency-key", key);
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            429 | 503 => tokio::time::sleep(Duration::from_millis(20)).await,
            status => return (status, answer.json().await.unwrap()),
        }
    }
}

/// The same, once who is asked has heard of what was done before.
async fn made(by: &Account, path: &str, key: &str, body: &Value) -> Value {
    for _ in 0..300 {
        let (status, answer) = sent(by, path, key, body).await;
        if status == 201 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} {body} is not answered 201");
}

/// Has a workspace deleted, however often it is asked for, and waits until it is gone.
async fn gone(by: &Account, at: &str) {
    let path = format!("{at}?balance_to={}", by.id);
    for _ in 0..600 {
        let answer = by.request(Method::DELETE, &path).send().await.unwrap();
        match answer.status().as_u16() {
            404 => return,
            // Something is paid, or it is being deleted.
            204 | 409 | 503 => tokio::time::sleep(Duration::from_millis(10)).await,
            status => panic!("{status}: {}", answer.text().await.unwrap()),
        }
    }
    panic!("{at} stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bought_while_the_workspace_is_deleted_is_paid_and_handed_over_or_neither() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let (mut bought, mut not) = (0, 0);
    for round in 0..RACES {
        let ada = Account::register(&server, &format!("owner{round}")).await;
        let mint = json!({"to": ada.id, "amount": 100});
        made(&root, &format!("{WALLET}/mint"), &ada.id, &mint).await;
        let workspace = post(&ada, WORKSPACES, &json!({"name": "Engines"}), 201).await;
        let at = format!("{WORKSPACES}/{}", id(&workspace));
        let deposit = json!({"amount": 100});
        made(&ada, &format!("{at}/wallet/deposits"), "all", &deposit).await;
        let item = json!({"kind": "theme", "title": format!("Red {round}"), "price": 40, "listed": true, "left": 1});
        let item = made(&root, &format!("{SHOP}/items"), &ada.id, &item).await;
        let line = json!({"item_id": item["id"]});
        made(&ada, &format!("{SHOP}/cart/lines"), "line", &line).await;
        // The one begins ever later after the other.
        let (orders, pause) = (format!("{SHOP}/orders"), Duration::from_millis(2));
        let buys = {
            let (ada, orders) = (ada.clone(), orders.clone());
            let order = json!({"total": 40, "pay_from": workspace["id"]});
            tokio::spawn(async move { sent(&ada, &orders, "order", &order).await })
        };
        tokio::time::sleep(pause * round).await;
        gone(&ada, &at).await;
        let (status, answer) = buys.await.unwrap();
        println!("round {round}: {status} {answer}");
        assert!(matches!(status, 201 | 404 | 409), "{status} {answer}");
        // Whatever was begun is ended, one way or the other.
        let mut state = String::new();
        for _ in 0..600 {
            let page = ada.read(&orders).await;
            let open = page["items"].as_array().unwrap().iter();
            let open = open.filter(|order| order["ended_at"].is_null()).count();
            state = page["items"][0]["state"]
                .as_str()
                .unwrap_or("none")
                .to_owned();
            if open == 0 {
                break;
            }
            state = format!("open: {page}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let is_bought = match &*state {
            "completed" => true,
            "none" | "undone" => false,
            other => panic!("round {round}: {other}"),
        };
        let account = ada.read(WALLET).await;
        let left = if is_bought { 60 } else { 100 };
        assert_eq!(
            (&account["balance"], &account["held"]),
            (&json!(left), &json!(0)),
            "round {round}: {state}"
        );
        let inventory = ada.read(&format!("{SHOP}/inventory")).await;
        assert_eq!(inventory["total"], u64::from(is_bought), "round {round}");
        let item = format!("{SHOP}/items/{}", id(&item));
        let item = root.read(&item).await;
        assert_eq!(item["left"], u64::from(!is_bought), "round {round}");
        match is_bought {
            true => bought += 1,
            false => not += 1,
        }
    }
    println!("{bought} were bought, {not} were not");
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
    let whole = server.done(&["audit", "verify", "--tenant", "default"]);
    assert!(whole.contains("whole"), "{whole}");
}

#[tokio::test]
async fn what_is_another_tenants_is_not_there() {
    let server = Server::start().await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let eve = json!({"username": "eve", "email": "eve@example.com", "password": PASSWORD});
    let asked = acme.post(server.at("/api/v1/auth/register")).json(&eve);
    json(asked.send().await.unwrap(), 201).await;
    let eve = json!({"identifier": "eve", "password": PASSWORD});
    let asked = acme.post(server.at("/api/v1/auth/login")).json(&eve);
    let token = json(asked.send().await.unwrap(), 200).await;
    let token = token["access_token"].as_str().unwrap();
    let make = async |path: String, body: Value| {
        let asked = acme.post(server.at(&path)).bearer_auth(token).json(&body);
        json(asked.send().await.unwrap(), 201).await
    };
    let theirs = make(WORKSPACES.to_owned(), json!({"name": "Theirs"})).await;
    let there = format!("{WORKSPACES}/{}", id(&theirs));
    let role = json!({"name": "Role", "permissions": []});
    let role = make(format!("{there}/roles"), role).await;
    let invitation = make(format!("{there}/invitations"), json!({"to": "ada"})).await;
    let label = make(format!("{there}/labels"), json!({"name": "Label"})).await;
    let link = make(format!("{there}/links"), json!({})).await;

    let ada = Account::register(&server, "ada").await;
    let own = post(&ada, WORKSPACES, &json!({"name": "Own"}), 201).await;
    let at = format!("{WORKSPACES}/{}", id(&own));
    let (invitation, label) = (id(&invitation), id(&label));
    let code = json!({"code": link["code"]});
    for (method, path, body) in [
        (Method::GET, there.clone(), json!(null)),
        (Method::GET, format!("{there}/export"), json!(null)),
        (Method::GET, format!("{there}/statistics"), json!(null)),
        (
            Method::POST,
            format!("{there}/invitations"),
            json!({"to": "bob"}),
        ),
        (
            Method::GET,
            format!("{at}/invitations/{invitation}"),
            json!(null),
        ),
        (
            Method::DELETE,
            format!("{at}/invitations/{invitation}"),
            json!(null),
        ),
        (
            Method::POST,
            format!("{at}/invitations/{invitation}/resend"),
            json!({}),
        ),
        (
            Method::GET,
            format!("{WORKSPACES}/invitations/{invitation}"),
            json!(null),
        ),
        (
            Method::POST,
            format!("{WORKSPACES}/invitations/{invitation}/acceptance"),
            json!({}),
        ),
        (Method::DELETE, format!("{at}/labels/{label}"), json!(null)),
        (Method::POST, format!("{WORKSPACES}/joining"), code.clone()),
        (Method::POST, format!("{WORKSPACES}/joining/preview"), code),
    ] {
        let request = ada.request(method.clone(), &path);
        let request = match body.is_null() {
            true => request,
            false => request.json(&body),
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method} {path}");
        assert_error(answer, 404, "NOT_FOUND").await;
    }
    for (path, body, field) in [
        (
            "invitations",
            json!({"to": "bob", "role": role["id"]}),
            "role",
        ),
        ("links", json!({"role": role["id"]}), "role"),
        (
            "labels",
            json!({"name": "In it", "parent": label}),
            "parent",
        ),
    ] {
        let answer = ada.post(&format!("{at}/{path}"), &body).send();
        let refused = assert_error(answer.await.unwrap(), 422, "VALIDATION_ERROR").await;
        let text = refused.to_string();
        assert!(text.contains(&format!("\"{field}\"")), "{path}: {text}");
    }
}
