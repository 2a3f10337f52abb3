//! Events reach whoever listens: all of them, in the order of their subjects, whatever happens between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use reqwest::Method;
use sbd_tests::{Account, Launch, Server, assert_error};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Three of one kind: who publishes, who listens, and who listens and may not.
const APP: &str = include_str!("apps/listener.toml");

/// One that publishes and keeps nothing, with room for few events.
const HERALD: &str = include_str!("apps/herald.toml");

async fn start() -> Server {
    Launch::app(APP).start().await
}

async fn publish(server: &Server, events: &Value) {
    let answer = server.post("/publisher/publish", events).await;
    assert_eq!(answer.status(), 204, "{:?}", answer.text().await);
}

fn event(subject: &str, number: u64) -> Value {
    json!({"type": "thing.happened", "subject": subject, "data": {"number": number}})
}

/// What a component has kept.
async fn seen(server: &Server, component: &str) -> Vec<Value> {
    let answer = server.get(&format!("/{component}/seen")).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Waits until a component has kept so many.
async fn seen_all(server: &Server, component: &str, many: usize) -> Vec<Value> {
    for _ in 0..600 {
        let seen = seen(server, component).await;
        if seen.len() >= many {
            assert_eq!(seen.len(), many, "{seen:?}");
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{component} has not heard of {many} events");
}

/// The numbers of each subject, as they came.
fn numbers(seen: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut numbers: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for event in seen {
        let subject = event["subject"].as_str().unwrap().to_owned();
        let number = event["data"]["number"].as_u64().unwrap();
        numbers.entry(subject).or_default().push(number);
    }
    numbers
}

/// The dead letters, once there are so many.
async fn letters(server: &Server, many: usize) -> String {
    for _ in 0..100 {
        let listed = server.done(&["events", "letters", "default"]);
        if listed.lines().count() == many + 1 {
            return listed;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("there are not {many} dead letters");
}

fn first_number(letters: &str) -> &str {
    letters.lines().nth(1).unwrap().split(' ').next().unwrap()
}

#[tokio::test]
async fn events_come_once_in_the_order_of_their_subjects_to_whoever_may_listen() {
    let server = start().await;
    for batch in 0..10 {
        let events: Vec<Value> = (0..10)
            .map(|n| event(if n % 2 == 0 { "even" } else { "odd" }, batch * 10 + n))
            .collect();
        publish(&server, &json!(events)).await;
    }
    let undone = json!([{"type": "thing.happened", "subject": "even", "undo": true}]);
    assert_eq!(
        server.post("/publisher/publish", &undone).await.status(),
        409
    );
    publish(
        &server,
        &json!([{"type": "other.happened", "subject": "even"}]),
    )
    .await;
    publish(&server, &json!([event("even", 100)])).await;
    let heard = seen_all(&server, "subscriber", 101).await;
    let numbers = numbers(&heard);
    let evens: Vec<u64> = (0..=100).step_by(2).collect();
    let odds: Vec<u64> = (1..100).step_by(2).collect();
    assert_eq!((&numbers["even"], &numbers["odd"]), (&evens, &odds));
    assert!(heard.iter().all(|event| event["source"] == "publisher"));
    assert_eq!(seen_all(&server, "publisher", 101).await.len(), 101);
    assert!(seen(&server, "stranger").await.is_empty());
    let outside = server.post("/subscriber/-/events", &json!({})).await;
    assert_eq!(outside.status(), 404);
    let taken = server
        .metric("sbd_event_deliveries_total", "outcome=\"taken\"")
        .await;
    assert!(taken > 0.0);
}

#[tokio::test]
async fn an_event_is_part_of_the_trace_of_the_request_that_published_it() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let server = start().await;
    let publish = server.client.post(server.at("/publisher/publish"));
    let publish = publish.header("traceparent", TRACE);
    let answer = publish.json(&json!([event("a", 1)])).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(seen_all(&server, "subscriber", 1).await[0]["trace"], TRACE);
}

#[tokio::test]
async fn a_component_without_documents_publishes_too_until_there_is_no_room() {
    let app = APP.replace(r#"["publisher"]"#, r#"["publisher", "herald"]"#);
    let server = Launch::app(&(app + HERALD)).start().await;
    let announce = async |events: Value| server.post("/herald/announce", &events).await;
    let answer = announce(json!([event("a", 1), event("a", 2)])).await;
    assert_eq!(answer.status(), 200);
    let ids: Vec<String> = answer.json().await.unwrap();
    assert!(ids.iter().all(|id| id.starts_with("evt_")), "{ids:?}");
    let heard = seen_all(&server, "subscriber", 2).await;
    assert_eq!(numbers(&heard)["a"], [1, 2]);
    assert!(heard.iter().all(|event| event["source"] == "herald"));

    server.done(&["feature", "set", "default", "subscriber", "off"]);
    let large = json!({"type": "thing.happened", "data": "x".repeat(60_000)});
    let full = loop {
        let answer = announce(json!([large])).await;
        if answer.status() != 200 {
            break assert_error(answer, 507, "LIMIT_EXCEEDED").await;
        }
    };
    let details = &full["error"]["details"];
    assert_eq!(details[0]["field"], "limits.stored_bytes", "{full}");
}

#[tokio::test]
async fn one_that_fails_holds_up_its_subject_alone_and_keeps_the_order() {
    let server = start().await;
    let mut events = vec![json!({
        "type": "thing.happened", "subject": "slow", "data": {"number": 0, "fail": 2},
    })];
    events.extend((1..6).map(|n| event("slow", n)));
    events.extend((0..6).map(|n| event("quick", n)));
    publish(&server, &json!(events)).await;
    let heard = numbers(&seen_all(&server, "subscriber", 12).await);
    assert_eq!(heard["slow"], [0, 1, 2, 3, 4, 5]);
    assert_eq!(heard["quick"], [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn one_that_hangs_and_one_that_fails_every_third_time_delay_nobody_else() {
    let subscriber = APP.find("[[trigger.http]]\nroute = \"/subscriber").unwrap();
    let stranger = APP.find("[[trigger.http]]\nroute = \"/stranger").unwrap();
    let one_more = |name| APP[subscriber..stranger].replace("subscriber", name);
    let limits = "[component.hanging.tool.sbd.limits]\nrequest_timeout = \"2s\"\n";
    let app = format!(
        "{APP}\n{}{limits}{}",
        one_more("hanging"),
        one_more("limping")
    );
    let server = Launch::app(&app).start().await;
    let events = |numbers: std::ops::Range<u64>| {
        let event = |number| {
            let data = json!({"number": number, "hangs": "hanging", "limps": "limping"});
            let subject = format!("s{}", number % 6);
            json!({"type": "thing.happened", "subject": subject, "data": data})
        };
        numbers.map(event).collect::<Value>()
    };
    publish(&server, &events(0..6)).await;
    server.wait_for_log("hangs with evt_").await;
    // While it hangs, others have heard all that has come since.
    publish(&server, &events(6..60)).await;
    for quick in ["subscriber", "publisher"] {
        let heard = numbers(&seen_all(&server, quick, 60).await);
        assert!(heard.values().all(|numbers| numbers.is_sorted()));
    }
    let limping = numbers(&seen_all(&server, "limping", 60).await);
    for (subject, numbers) in limping {
        assert!(numbers.is_sorted(), "{subject}: {numbers:?}");
    }
    // It is cut off and asked again, and answers its users meanwhile.
    server
        .wait_for("another try", || {
            server.log().matches("hangs with evt_").count() > 6
        })
        .await;
    assert!(seen(&server, "hanging").await.is_empty());
}

#[tokio::test]
async fn what_is_refused_is_a_dead_letter_that_can_be_read_retried_and_dropped() {
    let server = start().await;
    let refused = json!({
        "type": "thing.happened", "subject": "a", "data": {"number": 0, "refuse": true},
    });
    publish(&server, &json!([refused, event("a", 1), refused])).await;
    assert_eq!(numbers(&seen_all(&server, "subscriber", 1).await)["a"], [1]);
    // Two for the subscriber, two for the publisher itself.
    let listed = letters(&server, 4).await;
    assert!(
        listed.contains("thing.happened") && listed.contains("422"),
        "{listed}"
    );
    let number = first_number(&listed);
    let shown = server.done(&["events", "show", "default", number]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["event"]["data"]["refuse"], true);
    assert_eq!(shown["event"]["source"], "publisher");
    assert_eq!(shown["attempts"], 1);
    // It is refused again.
    server.done(&["events", "retry", "default", number]);
    letters(&server, 4).await;
    server.done(&["events", "drop", "default", number]);
    letters(&server, 3).await;
    let gone = server.refused(&["events", "show", "default", number]);
    assert!(gone.contains("there is no dead letter"), "{gone}");
}

#[tokio::test]
async fn a_replay_sends_once_more_what_was_taken_or_refused() {
    let server = start().await;
    let replay = |component, since| ["events", "replay", "default", component, "--since", since];
    let ever = "2020-01-01T00:00:00Z";
    publish(&server, &json!([event("a", 1), event("b", 2)])).await;
    seen_all(&server, "subscriber", 2).await;
    server.done(&replay("subscriber", ever));
    publish(&server, &json!([event("a", 3)])).await;
    let heard = seen_all(&server, "subscriber", 5).await;
    let again = heard.iter().filter(|event| event["replay"] == true).count();
    assert_eq!(again, 2);
    assert_eq!(numbers(&heard)["a"], [1, 1, 3]);
    // The others did not hear it.
    assert_eq!(seen_all(&server, "publisher", 3).await.len(), 3);
    let nobody = server.refused(&replay("nobody", ever));
    assert!(nobody.contains("listens to no events"), "{nobody}");
    let never = server.refused(&replay("subscriber", "soon"));
    assert!(never.contains("is no time"), "{never}");
}

#[tokio::test]
async fn a_subscriber_that_is_off_gets_everything_when_it_is_on_again() {
    let server = start().await;
    let set = |state| server.done(&["feature", "set", "default", "subscriber", state]);
    set("off");
    for n in 0..100 {
        publish(&server, &json!([event(&format!("fam_{}", n % 7), n)])).await;
    }
    // Nobody else waits for it.
    seen_all(&server, "publisher", 100).await;
    set("on");
    let heard = numbers(&seen_all(&server, "subscriber", 100).await);
    for (subject, numbers) in heard {
        assert!(numbers.is_sorted(), "{subject}: {numbers:?}");
    }
}

/// The same with accounts, and an administrator.
fn with_accounts() -> Launch {
    let auth = "[application.tool.sbd]\nauth = \"auth\"";
    let app = APP.replacen("[application.tool.sbd]", auth, 1) + "{component:auth}";
    let launch = Launch::app(&app).env("SBD_ADMIN_EMAIL", "root@example.com");
    launch.env("SBD_ADMIN_PASSWORD", sbd_tests::PASSWORD)
}

#[tokio::test]
async fn a_tenant_is_closed_while_events_wait_for_a_component_that_is_off() {
    let launch = with_accounts().env("SBD_TENANT_IDLE", "200ms");
    let server = launch.start().await;
    let root = Account::login(&server, "root@example.com").await;
    server.done(&["tenant", "create", "acme"]);
    let set = |state| server.done(&["feature", "set", "acme", "subscriber", state]);
    set("off");
    let acme = server.as_tenant("acme");
    for n in 0..100 {
        let event = json!([event(&format!("fam_{}", n % 7), n)]);
        let publish = acme.post(server.at("/publisher/publish")).json(&event);
        assert_eq!(publish.send().await.unwrap().status(), 204);
    }
    // The default one is being asked.
    while root.read("/health").await["components"]["tenants_open"] != 1 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    set("on");
    let heard = async || {
        let heard = acme.get(server.at("/subscriber/seen")).send().await;
        heard.unwrap().json::<Vec<Value>>().await.unwrap()
    };
    while heard().await.len() < 100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let heard = numbers(&heard().await);
    assert_eq!(heard.values().map(Vec::len).sum::<usize>(), 100);
    assert!(
        heard.values().all(|numbers| numbers.is_sorted()),
        "{heard:?}"
    );
}

#[tokio::test]
async fn whoever_is_left_alone_is_told_in_health_and_metrics() {
    let server = with_accounts().start().await;
    let root = Account::login(&server, "root@example.com").await;
    let told = async || root.read("/health").await["components"]["circuit_breakers"].clone();
    let state = async || {
        let breakers = "sbd_circuit_breaker_state";
        server.metric(breakers, "component=\"subscriber\"").await
    };
    assert_eq!(told().await, json!([]));
    server.done(&["feature", "set", "default", "subscriber", "off"]);
    publish(&server, &json!([event("a", 1)])).await;
    while state().await == 0.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let breakers = told().await;
    let breaker = &breakers[0];
    assert_eq!(breakers.as_array().unwrap().len(), 1, "{breakers}");
    assert_eq!(
        (&breaker["what"], &breaker["component"]),
        (&json!("events"), &json!("subscriber"))
    );
    assert_eq!(breaker["tenant"], "default");
    assert_ne!(breaker["state"], "closed");
    assert!(breaker["since"].is_string(), "{breaker}");
    server.done(&["feature", "set", "default", "subscriber", "on"]);
    seen_all(&server, "subscriber", 1).await;
    assert_eq!(told().await, json!([]));
    assert_eq!(state().await, 0.0);
}

#[tokio::test]
async fn whatever_happened_to_families_meanwhile_comes_in_order() {
    let app = with_families();
    let server = Launch::app(&app).start().await;
    let ada = Account::register(&server, "ada").await;
    let set = |state| server.done(&["feature", "set", "default", "subscriber", state]);
    set("off");
    let families = [ada.create_family("A0").await, ada.create_family("B0").await];
    let ids = families.map(|family| family["id"].as_str().unwrap().to_owned());
    for n in 1..=48 {
        for (id, letter) in ids.iter().zip(["A", "B"]) {
            let renamed = ada.request(Method::PUT, &format!("/api/v1/families/{id}"));
            let renamed = renamed.json(&json!({"name": format!("{letter}{n}")}));
            assert_eq!(renamed.send().await.unwrap().status(), 200);
        }
    }
    set("on");
    // Two are created, with a member each.
    let heard = seen_all(&server, "subscriber", 100).await;
    for id in &ids {
        let of_this = heard.iter().filter(|event| event["subject"] == **id);
        let kinds: Vec<_> = of_this
            .map(|event| event["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds.len(), 50);
        assert_eq!(kinds[..2], ["family.created", "family.member.added"]);
        assert!(kinds[2..].iter().all(|kind| *kind == "family.renamed"));
    }
    let time = |event: &Value| event["time"].as_str().unwrap().to_owned();
    for id in &ids {
        let of_this = heard.iter().filter(|event| event["subject"] == **id);
        assert!(of_this.map(time).is_sorted(), "{id}");
    }
    assert!(heard.iter().all(|event| event["source"] == "family"));
}

/// Families, and one that hears of them.
fn with_families() -> String {
    let auth = "[application.tool.sbd]\nauth = \"auth\"";
    let app = APP.replacen("[application.tool.sbd]", auth, 1);
    let app = app.replace(r#"["publisher"]"#, r#"["family"]"#);
    app + "{component:auth}\n{component:family}"
}

#[tokio::test]
async fn each_tenant_has_events_of_its_own_and_one_that_goes_takes_them_along() {
    let server = start().await;
    server.done(&["tenant", "create", "acme"]);
    let acme = server.as_tenant("acme");
    let failing = json!([{
        "type": "thing.happened", "subject": "a", "data": {"number": 0, "fail": 1000},
    }]);
    let publish = acme.post(server.at("/publisher/publish")).json(&failing);
    assert_eq!(publish.send().await.unwrap().status(), 204);
    let refused = json!({"type": "thing.happened", "data": {"refuse": true}});
    let publish = acme.post(server.at("/publisher/publish"));
    let publish = publish.json(&json!([refused])).send().await;
    assert_eq!(publish.unwrap().status(), 204);
    let letters = || server.done(&["events", "letters", "acme"]);
    server
        .wait_for("two letters", || letters().lines().count() == 3)
        .await;
    let elsewhere = server.done(&["events", "letters", "default"]);
    assert_eq!(elsewhere.lines().count(), 1, "{elsewhere}");
    // While events wait there.
    server.done(&["tenant", "suspend", "acme"]);
    server.done(&["tenant", "resume", "acme"]);
    server.done(&["tenant", "delete", "acme", "--yes"]);
    server.done(&["tenant", "create", "acme"]);
    assert_eq!(letters().lines().count(), 1);
    assert!(seen(&server, "subscriber").await.is_empty());
}
