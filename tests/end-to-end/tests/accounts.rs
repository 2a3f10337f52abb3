//! Accounts over HTTP: what a password and a token are worth, on the very next request.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, Launch, PASSWORD, Server, assert_error, json, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ME: &str = "/api/v1/auth/me";
const NEW: &str = "Battery-staple-8";

/// The token in the mail of this subject that is in its folder, once it is there.
async fn mailed(server: &Server, subject: &str) -> String {
    let folder = server.data().join("mail/default");
    let token = || {
        let files = std::fs::read_dir(&folder).ok()?;
        let mails = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let words: Vec<String> = mails
            .filter(|mail| mail.contains(subject))
            .flat_map(|mail| {
                mail.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect();
        words.into_iter().find(|word| word.starts_with("mt_"))
    };
    server.wait_for("the mail", || token().is_some()).await;
    token().unwrap()
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_who_reads_the_mail() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    for email in ["ada@example.com", "eve@example.com"] {
        let asked = server
            .post("/api/v1/auth/password-resets", &json!({"email": email}))
            .await;
        assert_eq!(asked.status(), 204);
    }
    let token = mailed(&server, "A new password").await;
    let reset = json!({"token": token, "new_password": NEW});
    let complete = "/api/v1/auth/password-resets/complete";
    // Of many at once one wins.
    let all = (0..8).map(|_| server.post(complete, &reset));
    let answers = futures::future::join_all(all).await;
    let set = answers
        .iter()
        .filter(|answer| answer.status() == 204)
        .count();
    assert_eq!(set, 1);
    // Whoever was signed in is so no more, and the password there was is none.
    assert_error(ada.get(ME).send().await.unwrap(), 401, "TOKEN_INVALID").await;
    let login = |password: &'static str| {
        let body = json!({"identifier": "ada", "password": password});
        let server = &server;
        async move { server.post("/api/v1/auth/login", &body).await }
    };
    assert_error(login(PASSWORD).await, 401, "INVALID_CREDENTIALS").await;
    assert_eq!(login(NEW).await.status(), 200);
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_at_once() {
    let server = Server::start().await;
    let here = Account::register(&server, "ada").await;
    let there = Account::login(&server, "ada").await;
    there.read(ME).await;
    let change = here.request(Method::PUT, &format!("{ME}/password"));
    let changed = change
        .json(&json!({"current_password": PASSWORD, "new_password": NEW}))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 204);
    here.read(ME).await;
    assert_error(there.get(ME).send().await.unwrap(), 401, "TOKEN_INVALID").await;
}

#[tokio::test]
async fn an_account_that_is_bound_to_a_program_lets_another_one_in_by_mail() {
    let server = Server::start().await;
    let before = Account::register(&server, "ada").await;
    let asked = before.post(&format!("{ME}/email/verification"), &json!({}));
    assert_eq!(asked.send().await.unwrap().status(), 204);
    let code = json!({"token": mailed(&server, "Is this your address").await});
    let verified = server.post("/api/v1/auth/email-verifications", &code).await;
    assert_eq!(verified.status(), 204);
    let send = async |agent: &str, method: Method, path: &str, token: &str, body: Value| {
        let request = server.client.request(method, server.at(path));
        let request = request.header("user-agent", agent).json(&body);
        let request = match token {
            "" => request,
            token => request.bearer_auth(token),
        };
        request.send().await.unwrap()
    };
    let sign_in = async |agent: &str| {
        let who = json!({"identifier": "ada", "password": PASSWORD});
        send(agent, Method::POST, "/api/v1/auth/login", "", who).await
    };
    let access = |tokens: &Value| tokens["access_token"].as_str().unwrap().to_owned();
    let phone = access(&json(sign_in("phone/1").await, 200).await);
    let lockdown = format!("{ME}/lockdown");
    let bound = json!({"programs": [{"text": "phone/"}]});
    let bound = send("phone/1", Method::PUT, &lockdown, &phone, bound).await;
    assert!(json(bound, 200).await["waiting"].is_object());
    let code = json!({"token": mailed(&server, "Bind your account").await});
    let confirmed = server
        .post("/api/v1/auth/lockdown-confirmations", &code)
        .await;
    assert_eq!(confirmed.status(), 204);
    assert_error(before.get(ME).send().await.unwrap(), 401, "TOKEN_INVALID").await;
    let read =
        async |agent: &str, token: &str| send(agent, Method::GET, ME, token, json!({})).await;
    json(read("phone/2", &phone).await, 200).await;
    assert_error(read("laptop/1", &phone).await, 401, "TOKEN_INVALID").await;
    assert_error(sign_in("laptop/1").await, 403, "PLACE_REFUSED").await;
    let code = json!({"token": mailed(&server, "was used from elsewhere").await});
    // Of many at once one wins.
    let all = (0..8).map(|_| server.post("/api/v1/auth/allowed-places", &code));
    let answers = futures::future::join_all(all).await;
    let let_in = answers.iter().filter(|answer| answer.status() == 204);
    assert_eq!(let_in.count(), 1);
    let laptop = access(&json(sign_in("laptop/1").await, 200).await);
    json(read("laptop/1", &laptop).await, 200).await;
    // Its time ends when it is taken back.
    let passes = format!("{lockdown}/passes");
    let list = send("phone/1", Method::GET, &passes, &phone, json!({})).await;
    let list = json(list, 200).await;
    let pass = format!("{passes}/{}", list["items"][0]["id"].as_str().unwrap());
    let ended = send("phone/1", Method::DELETE, &pass, &phone, json!({})).await;
    assert_eq!(ended.status(), 204);
    assert_error(sign_in("laptop/1").await, 403, "PLACE_REFUSED").await;
}

#[tokio::test]
async fn a_permanent_token_does_what_it_may_until_it_is_taken_back() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    ada.create_family("Lovelace").await;
    let tokens = "/api/v1/auth/permanent-tokens";
    let wanted = json!({"name": "a program", "scopes": ["families:read", "tokens:*"]});
    let made = json(ada.post(tokens, &wanted).send().await.unwrap(), 201).await;
    let program = |method: Method, path: &str| {
        let request = server.client.request(method, server.at(path));
        request.bearer_auth(made["token"].as_str().unwrap())
    };
    let read = program(Method::GET, "/api/v1/families")
        .send()
        .await
        .unwrap();
    assert_eq!(json(read, 200).await["total"], 1);
    // Neither what it was not given, nor another token.
    let family = json!({"name": "Byron"});
    let create = program(Method::POST, "/api/v1/families").json(&family);
    assert_error(create.send().await.unwrap(), 403, "FORBIDDEN").await;
    let another = program(Method::POST, tokens).json(&wanted);
    assert_error(another.send().await.unwrap(), 403, "FORBIDDEN").await;
    let own = format!("{tokens}/{}", made["id"].as_str().unwrap());
    let ended = ada.request(Method::DELETE, &own).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    let read = program(Method::GET, "/api/v1/families")
        .send()
        .await
        .unwrap();
    assert_error(read, 401, "TOKEN_INVALID").await;
}

#[tokio::test]
async fn a_token_is_bound_reads_alone_and_gets_another_secret_without_a_gap() {
    let server = Server::start().await;
    let ada = Account::register(&server, "ada").await;
    let tokens = "/api/v1/auth/permanent-tokens";
    let made = async |networks: Value| {
        let wanted = json!({"name": "x", "scopes": ["*:read"], "networks": networks});
        json(ada.post(tokens, &wanted).send().await.unwrap(), 201).await
    };
    let read = async |token: &Value| {
        let request = server.client.get(server.at("/api/v1/families"));
        let token = token.as_str().unwrap();
        request.bearer_auth(token).send().await.unwrap()
    };
    let elsewhere = made(json!(["192.0.2.0/24"])).await;
    assert_error(read(&elsewhere["token"]).await, 401, "TOKEN_INVALID").await;
    let here = made(json!(["127.0.0.0/8", "::1"])).await;
    let answer = read(&here["token"]).await;
    let policies = answer.headers().get_all("ratelimit-policy").iter();
    let policies: Vec<_> = policies.map(|policy| policy.to_str().unwrap()).collect();
    assert!(policies[0].starts_with("\"program\"") && policies[1].starts_with("\"user\""));
    json(answer, 200).await;
    let family = server.client.post(server.at("/api/v1/families"));
    let family = family.bearer_auth(here["token"].as_str().unwrap());
    let family = family.json(&json!({"name": "Byron"})).send().await.unwrap();
    assert_error(family, 403, "FORBIDDEN").await;
    let own = format!("{tokens}/{}", here["id"].as_str().unwrap());
    let rotate = ada.post(&format!("{own}/rotate"), &json!({"overlap_hours": 1}));
    let rotated = json(rotate.send().await.unwrap(), 200).await;
    for token in [&here["token"], &rotated["token"]] {
        json(read(token).await, 200).await;
    }
    let usage = ada.read(&format!("{own}/usage")).await;
    assert_eq!(usage["last_address"], "127.0.0.1");
    // What is taken from one counts with the next request, though the host knew it a moment ago.
    let rotate = ada.post(&format!("{own}/rotate"), &json!({"overlap_hours": 0}));
    let last = json(rotate.send().await.unwrap(), 200).await;
    for gone in [&here["token"], &rotated["token"]] {
        assert_error(read(gone).await, 401, "TOKEN_INVALID").await;
    }
    json(read(&last["token"]).await, 200).await;
    for (network, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 401)] {
        let networks = json!({"networks": [network]});
        let moved = ada.request(Method::PATCH, &own).json(&networks);
        json(moved.send().await.unwrap(), 200).await;
        assert_eq!(read(&last["token"]).await.status(), status);
    }
    // Of what anybody may try there is less than of all else, and answers say so.
    let login = json!({"identifier": "ada", "password": "wrong"});
    let refused = server.post("/api/v1/auth/login", &login).await;
    let left = refused.headers()["ratelimit"].to_str().unwrap().to_owned();
    assert!(left.starts_with("\"sign_in\";"), "{left}");
}

#[tokio::test]
async fn an_administrator_switches_somebody_off_and_others_do_not() {
    let server = Server::start().await;
    let bob = Account::register(&server, "bob").await;
    let data = server.data().display().to_string();
    let args = [
        "admin",
        "create",
        "ada@example.com",
        "--username",
        "ada",
        "--data-dir",
        &data,
    ];
    let made = run(&args, &[], &format!("{PASSWORD}\n"));
    assert!(made.success, "{}", made.stderr);
    let ada = Account::login(&server, "ada").await;
    let users = "/api/v1/auth/users";
    assert_error(bob.get(users).send().await.unwrap(), 403, "FORBIDDEN").await;
    assert_eq!(ada.read(&format!("{users}?username=b")).await["total"], 1);
    let off = json!({"active": false, "reason": "left us"});
    let path = format!("{users}/{}/active", bob.id);
    let by = async |who: &Account| {
        let put = who.request(Method::PUT, &path).json(&off);
        put.send().await.unwrap()
    };
    assert_error(by(&bob).await, 403, "FORBIDDEN").await;
    json(by(&ada).await, 200).await;
    assert_error(bob.get(ME).send().await.unwrap(), 401, "TOKEN_INVALID").await;
}

#[tokio::test]
async fn who_has_shut_everybody_out_is_let_in_by_the_operator() {
    let server = Server::start().await;
    let root = Account::administrator(&server).await;
    let out = json!({"allowed": ["192.0.2.0/24"], "even_if_locked_out": true});
    let path = "/api/v1/auth/policy/networks";
    let put = root.request(Method::PUT, path).json(&out);
    json(put.send().await.unwrap(), 200).await;
    let login = json!({"identifier": "root@example.com", "password": PASSWORD});
    let refused = server.post("/api/v1/auth/login", &login).await;
    assert_error(refused, 403, "FORBIDDEN").await;
    let data = server.data().display().to_string();
    let create = ["admin", "create", "root@example.com", "--data-dir", &data];
    let again = [&create[..], &["--from-anywhere"]].concat();
    let done = run(&again, &[], &format!("{PASSWORD}\n"));
    assert!(done.stdout.contains("from any network again"), "{done:?}");
    Account::login(&server, "root@example.com").await;
}

#[tokio::test]
async fn whoever_leaves_takes_along_what_is_theirs_and_leaves_what_is_shared() {
    let launch = Launch::default().env("SPIN_VARIABLE_AUTH_ACCOUNT_GRACE_DAYS", "0");
    let server = launch.start().await;
    let root = Account::administrator(&server).await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let made = |by: &Account, path: &str, body: Value| {
        let sent = by.post(path, &body).header("idempotency-key", "key-1");
        async move { json(sent.send().await.unwrap(), 201).await }
    };
    let workspaces = "/api/v1/workspaces";
    let team = made(&ada, workspaces, json!({"name": "Engines"})).await;
    let team = format!("{workspaces}/{}", team["id"].as_str().unwrap());
    let link = made(
        &ada,
        &format!("{team}/links"),
        json!({"role": "editor", "uses": 1, "days": 1}),
    )
    .await;
    let code = json!({"code": link["code"]});
    let joined = bob
        .post(&format!("{workspaces}/joining"), &code)
        .send()
        .await
        .unwrap();
    assert!(joined.status().is_success());
    let shared = json!({"title": "Ours", "workspace_id": team.rsplit('/').next()});
    made(&ada, "/api/v1/notes", shared).await;
    made(&ada, "/api/v1/notes", json!({"title": "Mine"})).await;
    let minted = json!({"to": ada.id, "amount": 70});
    made(&root, "/api/v1/wallet/mint", minted).await;
    let export = ada.read(&format!("{ME}/export")).await;
    assert_eq!(export["account"]["username"], "ada");
    let left = ada
        .request(Method::PUT, &format!("{ME}/deletion"))
        .json(&json!({"password": PASSWORD}))
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), 200);
    assert_error(ada.get(ME).send().await.unwrap(), 401, "TOKEN_INVALID").await;
    let login = json!({"identifier": "ada", "password": PASSWORD});
    let login = server.post("/api/v1/auth/login", &login).await;
    assert_error(login, 401, "INVALID_CREDENTIALS").await;
    // What others have of them goes when these hear of it.
    let account = format!("/api/v1/wallet/accounts/{}", ada.id);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (account, team) = (root.read(&account).await, bob.read(&team).await);
        if !account["closed"].is_null() && team["owner"] == bob.id.as_str() {
            assert_eq!(account["balance"], 0);
            assert_eq!(team["member_count"], 1);
            break;
        }
        assert!(Instant::now() < deadline, "{account} {team}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let notes = format!(
        "/api/v1/notes?workspace_id={}",
        team.rsplit('/').next().unwrap()
    );
    assert_eq!(bob.read(&notes).await["total"], 1);
    assert!(server.done(&["ledger", "verify"]).contains("are right"));
    // Nobody failed at it.
    let letters = server.done(&["events", "letters", "default"]);
    assert_eq!(letters.lines().count(), 1, "{letters}");
}
