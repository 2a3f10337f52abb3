//! Real time: whoever is connected hears what is said where they may be, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::future::join_all;
use reqwest::Method;
use rustix::process::{Resource, getrlimit, setrlimit};
use sbd_tests::{Account, Application, Events, Launch, PASSWORD, Server, Socket};
use sbd_tests::{assert_error, json, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

/// Rooms, and accounts.
const APP: &str = include_str!("apps/rooms.toml");

async fn start() -> Server {
    Launch::app(APP).start().await
}

/// The same with an auth component that believes everybody: `usr_1.60` is the token of `usr_1` for a
/// minute.
async fn trusting() -> Server {
    let (rooms, _) = APP.split_once("{component:auth}").unwrap();
    let rooms = rooms.replace("auth = \"auth\"", "auth = \"rooms\"");
    Launch::app(&rooms).start().await
}

/// A server whose heart beats so fast.
async fn beating(heartbeat: &str) -> Server {
    let launch = Launch::app(APP).env("SBD_REALTIME_HEARTBEAT", heartbeat);
    launch.start().await
}

async fn let_in(server: &Server, room: &str, who: &Account) {
    let member = json!({"room": room, "user": who.id});
    let answer = server.post("/rooms/let-in", &member).await;
    assert_eq!(answer.status(), 204);
}

async fn say(server: &Server, messages: &Value) {
    let answer = server.post("/rooms/say", messages).await;
    assert_eq!(answer.status(), 204, "{:?}", answer.text().await);
}

/// The users in a room.
async fn present(server: &Server, room: &str) -> Vec<String> {
    let present = server.get(&format!("/rooms/present/{room}")).await;
    present.json().await.unwrap()
}

fn message(channel: &str, number: u64) -> Value {
    json!({"channel": channel, "type": "thing.said", "data": {"number": number}})
}

fn types(said: &[Value]) -> Vec<&str> {
    said.iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn both_ways_hear_the_same_in_the_same_order() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let own = format!("user:{}", ada.id);
    let query = "?channels=room:board";
    let mut socket = Socket::connect(&server, &ada.access, query).await;
    let mut events = Events::connect(&server, &ada.access, query, None).await;
    for first in [socket.next().await, events.next().await.unwrap()] {
        assert_eq!(first["type"], "stream.ready");
        assert_eq!(first["data"]["heartbeat_ms"], 25_000);
    }
    let mut joined = Vec::new();
    for _ in 0..3 {
        let (one, other) = (socket.next().await, events.next().await.unwrap());
        assert_eq!(one["type"], "stream.joined");
        assert_eq!(one["data"], other["data"]);
        joined.push(one["data"]["channel"].as_str().unwrap().to_owned());
    }
    assert_eq!(joined, [&*own, "system", "room:board"]);
    for number in 0..20 {
        let both = json!([message("room:board", number), message(&own, number)]);
        say(&server, &both).await;
    }
    for number in 0..20 {
        for channel in ["room:board", &own] {
            let (one, other) = (socket.next().await, events.next().await.unwrap());
            assert_eq!(one, other);
            assert_eq!(
                (&one["channel"], &one["type"]),
                (&json!(channel), &json!("thing.said"))
            );
            assert_eq!(one["data"]["number"], number);
            assert!(one["time"].is_string() && one["id"].is_string());
        }
    }
}

#[tokio::test]
async fn who_may_join_is_for_the_owner_to_say() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    let_in(&server, "1", &ada).await;
    let mut socket = Socket::connect(&server, &ada.access, "?channels=room:2").await;
    let refused = socket.until("stream.refused").await;
    assert_eq!(refused["data"]["channel"], "room:2");
    assert_eq!(refused["data"]["error"]["code"], "FORBIDDEN");
    assert!(
        refused["data"]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("let in")
    );
    assert_eq!(socket.join("room:1").await["type"], "stream.joined");
    // Once more changes nothing.
    assert_eq!(socket.join("room:1").await["type"], "stream.joined");
    let own = format!("user:{}", ada.id);
    let other = format!("user:{}", bob.id);
    for (channel, code) in [
        ("room:2", "FORBIDDEN"),
        (&*other, "FORBIDDEN"),
        ("nowhere:1", "NOT_FOUND"),
        ("room", "VALIDATION_ERROR"),
        ("", "VALIDATION_ERROR"),
        ("room:\u{1}", "VALIDATION_ERROR"),
    ] {
        let refused = socket.join(channel).await;
        assert_eq!(refused["type"], "stream.refused", "{channel}");
        assert_eq!(refused["data"]["error"]["code"], code, "{channel}");
    }
    say(
        &server,
        &json!([
            message("room:2", 1),
            message(&other, 2),
            message("room:1", 3),
            message(&own, 4)
        ]),
    )
    .await;
    for number in [3, 4] {
        assert_eq!(socket.heard().await["data"]["number"], number);
    }
    socket
        .say(&json!({"type": "leave", "channel": "room:1"}))
        .await;
    socket.until("stream.left").await;
    say(&server, &json!([message("room:1", 5), message(&own, 6)])).await;
    assert_eq!(socket.heard().await["data"]["number"], 6);
    // Once more it is not there.
    socket
        .say(&json!({"type": "leave", "channel": "room:1"}))
        .await;
    let refused = socket.until("stream.refused").await;
    assert_eq!(refused["data"]["error"]["code"], "NOT_JOINED");
}

#[tokio::test]
async fn whoever_is_sent_away_hears_nothing_more() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    for who in [&ada, &bob] {
        let_in(&server, "1", who).await;
    }
    let query = "?channels=room:1";
    let mut stays = Socket::connect(&server, &ada.access, query).await;
    let mut goes = Socket::connect(&server, &bob.access, query).await;
    let mut goes_too = Events::connect(&server, &bob.access, query, None).await;
    say(&server, &json!([message("room:1", 1)])).await;
    assert_eq!(goes.heard().await["data"]["number"], 1);
    goes_too.until("thing.said").await;
    let member = json!({"room": "1", "user": bob.id});
    let sent_away = server.post("/rooms/send-away", &member).await;
    assert_eq!(sent_away.status(), 204);
    say(
        &server,
        &json!([
            message("room:1", 2),
            message(&format!("user:{}", bob.id), 3)
        ]),
    )
    .await;
    assert_eq!(stays.heard().await["data"]["number"], 1);
    assert_eq!(stays.heard().await["type"], "member.left");
    assert_eq!(stays.heard().await["data"]["number"], 2);
    // Neither what was said in the same call, nor what was said later.
    let left = goes.next().await;
    assert_eq!(left["type"], "stream.left");
    assert_eq!(left["data"]["channel"], "room:1");
    assert_eq!(goes.next().await["data"]["number"], 3);
    let left = goes_too.next().await.unwrap();
    assert_eq!(left["type"], "stream.left");
    assert_eq!(goes_too.next().await.unwrap()["data"]["number"], 3);
    assert_eq!(goes.join("room:1").await["type"], "stream.refused");
}

#[tokio::test]
async fn whoever_comes_back_has_missed_nothing_or_is_told_so() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let own = format!("user:{}", ada.id);
    let query = "?channels=room:board";
    let mut events = Events::connect(&server, &ada.access, query, None).await;
    events.until("stream.ready").await;
    say(&server, &json!([message("room:board", 1)])).await;
    let last = events.until("thing.said").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    drop(events);
    say(
        &server,
        &json!([message(&own, 2), message("room:board", 3), message(&own, 4)]),
    )
    .await;
    let mut events = Events::connect(&server, &ada.access, query, Some(&last)).await;
    let resumed = format!("{query}&last_event_id={last}");
    let mut socket = Socket::connect(&server, &ada.access, &resumed).await;
    for number in [2, 3, 4] {
        assert_eq!(events.until("thing.said").await["data"]["number"], number);
        assert_eq!(socket.heard().await["data"]["number"], number);
    }
    // By a join too.
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    let join = json!({"type": "join", "channel": "room:board", "last_event_id": last});
    socket.say(&join).await;
    assert_eq!(socket.heard().await["data"]["number"], 3);

    // More than is kept.
    for _ in 0..10 {
        let many: Vec<_> = (0..100)
            .map(|number| message("room:board", number))
            .collect();
        say(&server, &json!(many)).await;
    }
    let mut events = Events::connect(&server, &ada.access, query, Some(&last)).await;
    let gap = events.until("stream.gap").await;
    assert_eq!(gap["data"]["channel"], "room:board");
    events.until("thing.said").await;
    // Nor does an id of before a restart bring silence.
    let other = "0000-1";
    let mut events = Events::connect(&server, &ada.access, "", Some(other)).await;
    let gap = events.until("stream.gap").await;
    assert_eq!(gap["data"]["channel"], own);
}

/// Every connection takes a file, here and in the host.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[tokio::test]
async fn a_thousand_that_are_cut_off_at_once_and_come_back_have_missed_nothing() {
    const USERS: usize = 20;
    const EACH: usize = 50;
    raise_file_limit();
    let server = start().await;
    let mut users = Vec::new();
    for number in 0..USERS {
        users.push(Account::register(&server, &format!("user-{number}")).await);
    }
    let token = |number: usize| users[number / EACH].access.as_str();
    let query = "?channels=room:board";
    let sockets = (0..USERS * EACH).map(|number| Socket::connect(&server, token(number), query));
    let mut sockets = join_all(sockets).await;
    let joined = sockets.iter_mut().map(async |socket| {
        while socket.until("stream.joined").await["data"]["channel"] != "room:board" {}
    });
    join_all(joined).await;
    say(&server, &json!([message("room:board", 0)])).await;
    let last = sockets.iter_mut().map(async |socket| {
        let heard = socket.heard().await;
        heard["id"].as_str().unwrap().to_owned()
    });
    let last = join_all(last).await;
    drop(sockets);
    for number in 1..=20 {
        say(&server, &json!([message("room:board", number)])).await;
    }
    let back = last.iter().enumerate().map(async |(number, last)| {
        let query = format!("{query}&last_event_id={last}");
        let mut socket = Socket::connect(&server, token(number), &query).await;
        let mut heard = Vec::new();
        while heard.len() < 20 {
            let next = socket.next().await;
            assert_ne!(next["type"], "stream.gap");
            heard.extend(next["data"]["number"].as_u64());
        }
        assert!(heard.into_iter().eq(1..=20));
        socket
    });
    let mut back = join_all(back).await;
    // All of them hear what is said next.
    say(&server, &json!([message("room:board", 21)])).await;
    let next = back.iter_mut().map(Socket::heard);
    let next = join_all(next).await;
    assert!(next.iter().all(|heard| heard["data"]["number"] == 21));
}

#[tokio::test]
async fn whoever_has_heard_nothing_can_come_back_too() {
    let server = beating("300ms").await;
    let ada = Account::register(&server, "ada").await;
    let own = format!("user:{}", ada.id);
    let mut events = Events::connect(&server, &ada.access, "", None).await;
    let ready = events.until("stream.ready").await["id"].clone();
    // What others hear moves it on.
    say(&server, &json!([message("user:somebody", 0)])).await;
    let mut ping = events.until("stream.ping").await["id"].clone();
    while ping == ready {
        ping = events.until("stream.ping").await["id"].clone();
    }
    drop(events);
    say(&server, &json!([message(&own, 1)])).await;
    for last in [ready, ping] {
        let mut events = Events::connect(&server, &ada.access, "", last.as_str()).await;
        assert_eq!(events.next().await.unwrap()["id"], Value::Null);
        let next = events.until("thing.said").await;
        assert_eq!(next["data"]["number"], 1);
    }
}

#[tokio::test]
async fn whoever_signs_out_is_disconnected_at_once() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let again = Account::login(&server, "ada").await;
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    let mut events = Events::connect(&server, &ada.access, "", None).await;
    let mut other = Socket::connect(&server, &again.access, "").await;
    events.until("stream.ready").await;
    let begun = Instant::now();
    let logout = ada
        .post(
            "/api/v1/auth/logout",
            &json!({"refresh_token": ada.refresh}),
        )
        .send()
        .await
        .unwrap();
    assert!(logout.status().is_success(), "{logout:?}");
    let (code, said) = socket.closed().await;
    assert_eq!(code, 1008);
    let last = said.last().unwrap();
    assert_eq!(
        (&last["type"], &last["data"]["code"]),
        (&json!("stream.end"), &json!("signed_out"))
    );
    let end = events.until("stream.end").await;
    assert_eq!(end["data"]["code"], "signed_out");
    assert!(events.next().await.is_none());
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Another session goes on.
    say(&server, &json!([message(&format!("user:{}", ada.id), 1)])).await;
    assert_eq!(other.heard().await["data"]["number"], 1);
    let bearer = format!("Bearer {}", ada.access);
    let headers = [("authorization", &*bearer)];
    let refused = Socket::attempt(&server, "", &headers);
    assert_eq!(refused.await.unwrap_err().0, 401);
}

#[tokio::test]
async fn a_ticket_lets_in_once_and_a_token_in_the_address_never() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let tickets = "/api/v1/realtime/tickets";
    let issue = async || -> String {
        let issued = ada.request(Method::POST, tickets).send().await;
        let issued = json(issued.unwrap(), 201).await;
        assert!(issued["expires_at"].is_string());
        issued["ticket"].as_str().unwrap().to_owned()
    };
    let ticket = issue().await;
    let query = format!("?ticket={ticket}");
    let mut socket = Socket::attempt(&server, &query, &[]).await.unwrap();
    let joined = socket.until("stream.joined").await;
    assert_eq!(joined["data"]["channel"], format!("user:{}", ada.id));
    let used = Socket::attempt(&server, &query, &[]).await.unwrap_err();
    assert_eq!(used, (401, "TOKEN_INVALID".to_owned()));
    // By events too, as `EventSource` sets no header.
    let query = format!("/api/v1/realtime?ticket={}", issue().await);
    assert_eq!(server.get(&query).await.status(), 200);
    assert_error(server.get(&query).await, 401, "TOKEN_INVALID").await;
    assert_error(
        server.get("/api/v1/realtime?ticket=x").await,
        401,
        "TOKEN_INVALID",
    )
    .await;
    assert_error(server.get("/api/v1/realtime").await, 401, "UNAUTHENTICATED").await;
    // Not for anything else.
    let query = format!("/api/v1/auth/me?ticket={}", issue().await);
    assert_eq!(server.get(&query).await.status(), 401);
    for name in ["token", "access_token"] {
        let query = format!("?{name}={}", ada.access);
        let refused = Socket::attempt(&server, &query, &[]).await.unwrap_err();
        assert_eq!(refused.0, 400, "{name}");
    }
    let large = ada.post(tickets, &json!("x".repeat(2000))).send().await;
    assert_error(large.unwrap(), 413, "BODY_TOO_LARGE").await;
    let anonymous = server.client.post(server.at(tickets)).send().await;
    assert_error(anonymous.unwrap(), 401, "UNAUTHENTICATED").await;
    assert_error(server.get(tickets).await, 405, "METHOD_NOT_ALLOWED").await;
    let wrong = [("sec-websocket-protocol", "chat")];
    let query = format!("?ticket={}", issue().await);
    let refused = Socket::attempt(&server, &query, &wrong);
    assert_eq!(refused.await.unwrap_err().0, 400);
}

#[tokio::test]
async fn what_may_not_be_said_ends_the_connection() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let large = format!("{{\"type\": \"{}\"}}", "x".repeat(64 << 10));
    for (frame, code) in [
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::text("{"), 4400),
        (Message::text("[]"), 4400),
        (Message::text(""), 4400),
        (Message::text(r#"{"type": "shout"}"#), 4400),
        (Message::text(r#"{"type": "join"}"#), 4400),
        (
            Message::text(r#"{"type": "join", "channel": "room:1", "as": "x"}"#),
            4400,
        ),
        (Message::text("[".repeat(60_000)), 4400),
        (Message::text(large), 1009),
    ] {
        let mut socket = Socket::connect(&server, &ada.access, "").await;
        socket.until("stream.ready").await;
        socket.send(frame.clone()).await;
        let (closed, said) = socket.closed().await;
        assert_eq!(closed, code, "{frame:?}");
        let last = said.last().unwrap();
        assert_eq!(last["type"], "stream.end", "{last}");
    }
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    socket.send(Message::Close(None)).await;
    socket.closed().await;
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    assert_eq!(socket.join("room:board").await["type"], "stream.joined");
}

#[tokio::test]
async fn ten_thousand_wishes_are_too_many() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    for number in 0..10_000 {
        let join = json!({"type": "join", "channel": format!("quiet:{number}")});
        socket.say(&join).await;
    }
    let (code, said) = socket.closed().await;
    // It may have been closed before it had taken all that was said.
    assert!(matches!(code, 1008 | 1006), "{code}");
    assert!(said.len() < 300, "{}", said.len());
    let mut pings = Socket::connect(&server, &ada.access, "").await;
    for _ in 0..10_000 {
        pings.send(Message::Ping(Default::default())).await;
    }
    assert!(matches!(pings.closed().await.0, 1008 | 1006));
    // Nobody else notices.
    let mut other = Socket::connect(&server, &ada.access, "").await;
    assert_eq!(other.join("room:board").await["type"], "stream.joined");
    let many: Vec<_> = (0..101).map(|number| format!("quiet:{number}")).collect();
    let query = format!("/api/v1/realtime?channels={}", many.join(","));
    let refused = ada.get(&query).send().await.unwrap();
    assert_error(refused, 400, "MALFORMED_REQUEST").await;
}

#[tokio::test]
async fn whoever_reads_too_slowly_is_closed_with_a_reason() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let bob = Account::register(&server, "bob").await;
    for who in [&ada, &bob] {
        let_in(&server, "1", who).await;
    }
    let mut slow = Socket::connect(&server, &bob.access, "?channels=room:1").await;
    let mut quick = Socket::connect(&server, &ada.access, "?channels=room:1").await;
    slow.until("stream.ready").await;
    let text = "x".repeat(50 << 10);
    let mut said = 0;
    while present(&server, "1").await.len() == 2 {
        let one = json!({"channel": "room:1", "type": "thing.said", "data": text});
        say(&server, &json!([one, one, one, one])).await;
        for _ in 0..4 {
            quick.heard().await;
        }
        said += 4;
        assert!(said < 2000, "nothing is too slow");
    }
    let (code, heard) = slow.closed().await;
    assert_eq!(code, 1013);
    assert!(heard.len() < said, "{} of {said}", heard.len());
    assert_eq!(heard.last().unwrap()["data"]["code"], "too_slow");
}

#[tokio::test]
async fn whoever_does_not_answer_is_gone() {
    let server = beating("300ms").await;
    let ada = Account::register(&server, "ada").await;
    let_in(&server, "1", &ada).await;
    assert!(present(&server, "1").await.is_empty());
    let query = "?channels=room:1";
    let mut answers = Socket::connect(&server, &ada.access, query).await;
    answers.until("stream.ready").await;
    let mut events = Events::connect(&server, &ada.access, query, None).await;
    let mut silent = Socket::connect(&server, &ada.access, query).await;
    events.until("stream.ping").await;
    let waiting = async {
        loop {
            // Pings are answered meanwhile.
            let next = tokio::time::timeout(Duration::from_millis(100), answers.next());
            assert!(next.await.is_err() || present(&server, "1").await == [ada.id.as_str()]);
        }
    };
    tokio::select! {
        (code, said) = silent.closed() => {
            assert_eq!(code, 1008);
            assert!(types(&said).contains(&"stream.ping"), "{said:?}");
            assert_eq!(said.last().unwrap()["data"]["code"], "silent");
        }
        () = waiting => {}
    }
    assert_eq!(present(&server, "1").await, [ada.id.as_str()]);
    drop((answers, events));
    for _ in 0..600 {
        if present(&server, "1").await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("somebody is still there");
}

#[tokio::test]
async fn what_somebody_says_reaches_the_owner_once_it_is_kept() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let mut socket = Socket::connect(&server, &ada.access, "?channels=room:board,quiet:1").await;
    for number in 0..5 {
        let send = json!({"type": "send", "channel": "room:board", "data": {"number": number}});
        socket.say(&send).await;
    }
    for (channel, code) in [
        ("quiet:1", "FORBIDDEN"),
        ("room:2", "NOT_JOINED"),
        ("system", "FORBIDDEN"),
    ] {
        let send = json!({"type": "send", "channel": channel, "data": 1});
        socket.say(&send).await;
        let refused = socket.until("stream.refused").await;
        assert_eq!(refused["data"]["error"]["code"], code, "{channel}");
    }
    for _ in 0..600 {
        let heard: Vec<Value> = server.get("/rooms/heard").await.json().await.unwrap();
        if heard.len() == 5 {
            let expected: Vec<_> = (0..5)
                .map(|number| json!({"channel": "room:board", "user": ada.id, "data": {"number": number}}))
                .collect();
            assert_eq!(heard, expected);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the owner has not heard all");
}

#[tokio::test]
async fn sessions_that_are_ended_from_another_one_are_disconnected_too() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    socket.until("stream.ready").await;
    let again = Account::login(&server, "ada").await;
    let everywhere = again.post("/api/v1/auth/logout-all", &json!({}));
    assert!(everywhere.send().await.unwrap().status().is_success());
    let (code, said) = socket.closed().await;
    assert_eq!(code, 1008);
    assert_eq!(said.last().unwrap()["data"]["code"], "signed_out");
}

#[tokio::test]
async fn a_tenant_that_is_suspended_hears_nothing_more_and_tenants_share_no_channel() {
    let server = start().await;
    server.done(&["tenant", "create", "acme"]);
    let ada = Account::register(&server, "ada").await;
    let acme = server.as_tenant("acme");
    let body = json!({"username": "bob", "email": "bob@example.com", "password": PASSWORD});
    let registered = acme.post(server.at("/api/v1/auth/register")).json(&body);
    json(registered.send().await.unwrap(), 201).await;
    let body = json!({"identifier": "bob", "password": PASSWORD});
    let login = acme.post(server.at("/api/v1/auth/login")).json(&body);
    let tokens = json(login.send().await.unwrap(), 200).await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let headers = [("authorization", &*bearer), ("x-sbd-tenant", "acme")];
    let query = "?channels=room:board";
    let mut bob = Socket::attempt(&server, query, &headers).await.unwrap();
    let mut default = Socket::connect(&server, &ada.access, query).await;
    let to_acme = acme.post(server.at("/rooms/say"));
    let said = to_acme
        .json(&json!([message("room:board", 1)]))
        .send()
        .await;
    assert_eq!(said.unwrap().status(), 204);
    assert_eq!(bob.heard().await["data"]["number"], 1);
    say(&server, &json!([message("room:board", 2)])).await;
    assert_eq!(default.heard().await["data"]["number"], 2);
    server.done(&["tenant", "suspend", "acme"]);
    let (code, said) = bob.closed().await;
    assert_eq!(code, 1008);
    assert_eq!(said.last().unwrap()["data"]["code"], "suspended");
    assert_eq!(default.join("quiet:1").await["type"], "stream.joined");
}

#[tokio::test]
async fn a_host_that_stops_says_when_to_come_back() {
    let mut server = start().await;
    let ada = Account::register(&server, "ada").await;
    let mut events = Events::connect(&server, &ada.access, "", None).await;
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    socket.until("stream.ready").await;
    events.until("stream.ready").await;
    server.terminate();
    let (code, said) = socket.closed().await;
    assert_eq!(code, 1001);
    let last = said.last().unwrap();
    assert_eq!(last["type"], "stream.reconnect");
    assert!(
        last["data"]["after_ms"]
            .as_u64()
            .is_some_and(|after| (500..=10_000).contains(&after))
    );
    events.until("stream.reconnect").await;
    assert!(events.next().await.is_none());
    assert!(server.wait().await);
}

#[tokio::test]
async fn an_idle_tenant_is_closed_and_who_listens_there_hears_what_comes() {
    let launch = Launch::app(APP).env("SBD_TENANT_IDLE", "200ms");
    let server = launch.start().await;
    let ada = Account::register(&server, "ada").await;
    let mut socket = Socket::connect(&server, &ada.access, "?channels=room:board").await;
    socket.until("stream.ready").await;
    // Instances leave after five to ten seconds, and the tenant with them.
    let open = || {
        let files = std::fs::read_dir(server.data().join("tenants")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().ends_with("-wal"))
            .count()
    };
    assert_eq!(open(), 1);
    server
        .wait_for("the tenant to be closed", || open() == 0)
        .await;
    say(&server, &json!([message("room:board", 1)])).await;
    assert_eq!(socket.heard().await["data"]["number"], 1);
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let server = trusting().await;
    let mut lasting = Socket::connect(&server, "usr_1.600", "").await;
    let mut events = Events::connect(&server, "usr_1.2", "", None).await;
    let mut socket = Socket::connect(&server, "usr_1.3", "").await;
    let (code, said) = socket.closed().await;
    assert_eq!(code, 1008);
    assert_eq!(said.last().unwrap()["data"]["code"], "token_expired");
    let end = events.until("stream.end").await;
    assert_eq!(end["data"]["code"], "token_expired");
    assert!(events.next().await.is_none());
    assert_eq!(lasting.join("quiet:1").await["type"], "stream.joined");
}

#[tokio::test]
async fn a_flood_of_connections_is_its_senders_own() {
    let server = trusting().await;
    let mut open = Vec::new();
    let bearer = [("authorization", "Bearer usr_1.600")];
    let refused = loop {
        match Socket::attempt(&server, "", &bearer).await {
            Ok(socket) => open.push(socket),
            Err(refused) => break refused,
        }
    };
    assert_eq!(open.len(), 64);
    assert_eq!(refused, (429, "RATE_LIMITED".to_owned()));
    for _ in 0..500 {
        let refused = Socket::attempt(&server, "", &bearer).await;
        assert_eq!(refused.unwrap_err().0, 429);
    }
    let mut other = Socket::connect(&server, "usr_2.600", "").await;
    assert_eq!(other.join("quiet:1").await["type"], "stream.joined");
    // Those that go make room.
    open.truncate(32);
    for _ in 0..600 {
        if Socket::attempt(&server, "", &bearer).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is no room");
}

#[tokio::test]
async fn who_is_switched_off_lets_nobody_in() {
    let server = start().await;
    let ada = Account::register(&server, "ada").await;
    let mut socket = Socket::connect(&server, &ada.access, "").await;
    server.done(&["feature", "set", "default", "rooms", "off"]);
    let refused = socket.join("room:board").await;
    assert_eq!(refused["data"]["error"]["code"], "FEATURE_DISABLED");
    server.done(&["feature", "set", "default", "rooms", "on"]);
    assert_eq!(socket.join("room:board").await["type"], "stream.joined");
}

#[tokio::test]
async fn an_operator_says_something_to_everybody_in_a_tenant() {
    let server = trusting().await;
    let mut socket = Socket::connect(&server, "usr_1.600", "").await;
    let announce = |kind, data| ["tenant", "announce", "default", kind, data];
    server.done(&announce("maintenance.planned", r#"{"at": "18:00"}"#));
    let heard = socket.heard().await;
    assert_eq!(
        (&heard["channel"], &heard["type"], &heard["data"]["at"]),
        (
            &json!("system"),
            &json!("maintenance.planned"),
            &json!("18:00")
        )
    );
    let refused = server.refused(&announce("stream.end", "{}"));
    assert!(refused.contains("not `stream`"), "{refused}");
    assert!(server.refused(&announce("a.b", "x")).contains("no JSON"));
    assert!(server.done(&["audit"]).contains("tenant.announce"));
}

#[test]
fn two_components_do_not_decide_about_the_same_channels() {
    let one = |name: &str| {
        format!(
            "[[trigger.http]]\nroute = \"/{name}/...\"\ncomponent = \"{name}\"\n[component.{name}]\n\
             source = \"{{guest:rooms}}\"\n[component.{name}.tool.sbd]\ngrants = [\"documents\", \"realtime\"]\n"
        )
    };
    let application = Application::new(&format!("{}{}", one("rooms"), one("cells")));
    let manifest = application.manifest().display().to_string();
    let checked = run(&["check", "--app", &manifest], &[], "");
    assert!(!checked.success, "{checked:?}");
    let says = "the channels `quiet:` are those of the component `cells` already";
    assert!(checked.stderr.contains(says), "{}", checked.stderr);
}
