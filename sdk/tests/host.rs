//! The host that tests of components run over: what it promises is what the real one does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use sbd_sdk::documents::{Collection, DocumentsError, Outcome, Transaction};
use sbd_sdk::keys::{self, Verdict};
use sbd_sdk::keyvalue::Bucket;
use sbd_sdk::tasks::State;
use sbd_sdk::testing::{App, Call};
use sbd_sdk::vault::{self, Opened};
use sbd_sdk::{
    By, Component, Error, Json, cache, config, features, mail, passwords, realtime, time,
};
use serde_json::{Value, json};
use std::time::Duration;

const THINGS: Collection<Value> = Collection::new("things");
const SECOND: Duration = Duration::from_secs(1);

const MANIFEST: &str = r#"
spin_manifest_version = 2
[application]
name = "things"
version = "0.1.0"
[variables]
greeting = { default = "hello" }
[[trigger.http]]
route = "/things/..."
component = "things"
[component.things]
source = "things.wasm"
[component.things.variables]
greeting = "{{ greeting }} there"
[component.things.tool.sbd]
grants = ["documents", "features"]
[component.things.tool.sbd.features.export]
description = "Take them along"
default = false
[component.things.tool.sbd.collections.things]
indexes = [
    { name = "by_slug", fields = ["slug"], unique = true, sparse = true },
    { name = "expiry", fields = ["expires_at"], ttl_seconds = 60 },
]
"#;

fn app() -> App {
    App::new(Component::new()).manifest(MANIFEST)
}

const HELLO: [mail::Template; 2] = [
    mail::Template::with_html(
        "en",
        "Hello, {{ name }}",
        "Hello, {{ name }}.",
        "<p>Hello, {{ name }}.</p>",
    ),
    mail::Template::new("de", "Hallo, {{ name }}", "Hallo, {{ name }}."),
];

#[test]
fn mails_can_be_looked_at_as_their_readers_see_them() {
    let app = App::new(Component::new());
    let send = |to: &str, language: &str, values: Value| {
        let message = mail::Message::new("1", to, "hello", &HELLO, values);
        app.run(mail::send(&message.in_language(language)))
    };
    let name = json!({"name": "<Ada>"});
    send("ada@example.org", "de-CH", name.clone()).unwrap();
    send("ada@example.org", "fr", name.clone()).unwrap();
    let mails = app.mails();
    assert_eq!(mails[0].subject, "Hallo, <Ada>");
    assert_eq!(
        (mails[1].language.as_str(), mails[1].text.as_str()),
        ("en", "Hello, <Ada>.")
    );
    assert_eq!(mails[1].html.as_deref(), Some("<p>Hello, &lt;Ada&gt;.</p>"));
    // A value that only another language wants must be there, too.
    for (to, values) in [
        ("ada@example.org", json!({})),
        ("ada", name),
        ("ada@example.org", json!([])),
    ] {
        let refused = send(to, "en", values).unwrap_err();
        assert_eq!(refused.code(), "VALIDATION_ERROR");
    }
    assert_eq!(app.mails().len(), 2);
}

#[test]
fn a_mail_is_sent_by_a_task_once() {
    let app = App::new(Component::new().tasks([mail::task()]));
    let values = json!({"name": "Ada"});
    let message = mail::Message::new("1", "ada@example.org", "hello", &HELLO, values);
    for _ in 0..2 {
        app.run(mail::queue(&message)).unwrap();
    }
    app.run_tasks();
    assert_eq!(app.mails().len(), 1);
    let wrong = mail::Message {
        to: "nobody".to_owned(),
        ..message
    };
    app.run(mail::queue(&wrong)).unwrap();
    app.run_tasks();
    let given_up = app.enqueued().pop().unwrap();
    assert_eq!((app.mails().len(), given_up.state), (1, State::Failed));
}

#[test]
fn what_the_manifest_declares_holds() {
    let app = app();
    app.run(THINGS.insert(&json!({"_id": "1", "slug": "a"})))
        .unwrap();
    app.run(THINGS.insert_all(&[json!({}), json!({})])).unwrap();
    let taken = app.run(THINGS.insert(&json!({"slug": "a"}))).unwrap_err();
    assert_eq!(
        taken,
        DocumentsError::Duplicate("things.by_slug".to_owned())
    );
    let same = app.run(THINGS.insert(&json!({"_id": "1"}))).unwrap_err();
    assert_eq!(same, DocumentsError::Duplicate("_id".to_owned()));
    // Of several, all or none.
    let some = [json!({"_id": "2"}), json!({"slug": "a"})];
    assert!(app.run(THINGS.insert_all(&some)).is_err());
    assert_eq!(app.run(THINGS.count(json!({}))).unwrap(), 3);
    let moved = json!({"$set": {"slug": "b"}});
    app.run(THINGS.update_one(json!({"_id": "1"}), moved))
        .unwrap();
    app.run(THINGS.insert(&json!({"slug": "a"}))).unwrap();
    let undeclared = Collection::<Value>::new("others");
    let undeclared = app.run(undeclared.count(json!({}))).unwrap_err();
    assert!(matches!(undeclared, DocumentsError::UnknownCollection(_)));

    assert_eq!(
        app.run(async { config::get("greeting") }).unwrap().unwrap(),
        "hello there"
    );
    assert!(!app.run(features::is_on("export", None)).unwrap());
    app.switch("export", true);
    assert!(app.run(features::is_on("export", None)).unwrap());
    assert_eq!(
        app.run(features::list()).unwrap()[0].description,
        "Take them along"
    );
    assert!(app.run(features::is_on("import", None)).is_err());
}

#[test]
#[should_panic(expected = "add it to `grants`")]
fn what_it_does_not_grant_is_not_there() {
    let _ = app().run(cache::get::<u8>("key"));
}

#[test]
#[should_panic(expected = "testing::App")]
fn outside_of_a_test_there_is_no_host() {
    let first = THINGS.get("1");
    futures::executor::block_on(first).unwrap();
}

#[test]
fn a_transaction_is_done_whole_or_not_at_all() {
    let app = app();
    app.run(THINGS.insert(&json!({"_id": "a", "n": 1})))
        .unwrap();
    let more = |filter: Value| {
        let transaction = Transaction::new()
            .insert(&THINGS, &json!({"_id": "b", "n": 1}))
            .update_many(&THINGS, json!({"n": 1}), json!({"$inc": {"n": 1}}))
            .check(&THINGS, json!({"n": 2}), 2)
            .update_one(&THINGS, filter, json!({"$set": {"last": true}}));
        app.run(transaction.commit())
    };
    assert_eq!(
        more(json!({"_id": "c"})).unwrap_err(),
        DocumentsError::PreconditionFailed(3)
    );
    assert_eq!(app.run(THINGS.get("a")).unwrap().unwrap()["n"], 1);
    assert_eq!(app.run(THINGS.get("b")).unwrap(), None);
    let done = more(json!({"_id": "b"})).unwrap();
    assert!(matches!(&done[1], Outcome::Updated(updated) if updated.matched == 2));
    assert_eq!(
        app.run(THINGS.get("b")).unwrap().unwrap(),
        json!({"_id": "b", "n": 2, "last": true})
    );
    let gone = Transaction::new().delete_one(&THINGS, json!({"_id": "a"}));
    app.run(gone.commit()).unwrap();
    assert_eq!(app.run(THINGS.count(json!({}))).unwrap(), 1);
}

#[test]
fn events_are_published_with_the_change_they_tell_of_or_not_at_all() {
    let app = app();
    let joined = || {
        Transaction::new()
            .insert(&THINGS, &json!({"_id": "1"}))
            .publish("things.thing.made", Some("1"), &json!({"by": "ada"}))
    };
    let outcomes = app.run(joined().commit()).unwrap();
    assert!(matches!(&outcomes[1], Outcome::Published(id) if id.starts_with("evt_")));
    let told = app.published();
    assert_eq!(
        (told[0].kind.as_str(), told[0].subject.as_deref()),
        ("things.thing.made", Some("1"))
    );
    assert_eq!(told[0].data, json!({"by": "ada"}));
    // It is there already, so nothing is told of it.
    app.run(joined().commit()).unwrap_err();
    assert_eq!(app.published().len(), 1);
    let misnamed = Transaction::new().publish("Made", None, &json!({}));
    let refused = app.run(misnamed.commit()).unwrap_err();
    assert!(matches!(refused, DocumentsError::Invalid(_)), "{refused}");
}

#[test]
fn documents_are_found_changed_and_counted_as_the_language_says() {
    let app = app();
    let all: Vec<_> = (0..5)
        .map(|n| json!({"_id": n.to_string(), "n": n, "odd": n % 2}))
        .collect();
    app.run(THINGS.insert_all(&all)).unwrap();
    let search = || {
        THINGS
            .find(json!({"n": {"$gte": 1}}))
            .sort(json!({"odd": -1, "n": 1}))
            .limit(2)
    };
    let first = app.run(search().fetch()).unwrap();
    let second = app.run(search().after(first.next.clone()).fetch()).unwrap();
    let numbers = |documents: &[Value]| {
        documents
            .iter()
            .map(|d| d["n"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (numbers(&first.documents), numbers(&second.documents)),
        (vec![1, 3], vec![2, 4])
    );
    assert_eq!(second.next, None);
    let odds: Vec<i64> = app.run(THINGS.distinct("odd", json!({}))).unwrap();
    assert_eq!(odds, [0, 1]);
    let sums: Vec<Value> = app
        .run(THINGS.aggregate(
            json!([{"$group": {"_id": "$odd", "sum": {"$sum": "$n"}}}, {"$sort": {"_id": 1}}]),
        ))
        .unwrap();
    assert_eq!(
        sums,
        [json!({"_id": 0, "sum": 6}), json!({"_id": 1, "sum": 4})]
    );
    let one = json!({"$inc": {"n": 10}});
    let before = app
        .run(THINGS.find_one_before_update(json!({"_id": "0"}), one.clone()))
        .unwrap();
    let after = app
        .run(THINGS.find_one_and_update(json!({"_id": "0"}), one))
        .unwrap();
    assert_eq!(
        (&before.unwrap()["n"], &after.unwrap()["n"]),
        (&json!(0), &json!(20))
    );
    let upserted = app
        .run(THINGS.upsert(json!({"_id": "9"}), json!({"$set": {"n": 9}})))
        .unwrap();
    assert_eq!(
        (upserted.matched, upserted.upserted.as_deref()),
        (0, Some("9"))
    );
    assert_eq!(app.run(THINGS.delete_many(json!({"odd": 1}))).unwrap(), 2);
    assert!(app.run(THINGS.find_one(json!({"$where": "1"}))).is_err());
}

#[test]
fn time_is_the_tests_own() {
    let app = App::new(Component::new()).manifest(&MANIFEST.replace(
        r#"["documents", "features"]"#,
        r#"["documents", "cache", "keys", "passwords"]"#,
    ));
    let began = app.now();
    assert_eq!(app.run(async { time::now() }), began);
    app.run(THINGS.insert(&json!({"_id": "1", "expires_at": began})))
        .unwrap();
    app.run(cache::set("key", &7, SECOND)).unwrap();
    assert_eq!(app.run(cache::increment("key", 1, 9 * SECOND)).unwrap(), 8);
    assert!(
        app.run(cache::compare_and_set("key", Some(&8), &9, SECOND))
            .unwrap()
    );
    assert!(
        !app.run(cache::compare_and_set("key", Some(&8), &10, SECOND))
            .unwrap()
    );
    let token = app
        .run(keys::sign("mail", &json!({"sub": "x"}), SECOND))
        .unwrap();
    let verify = |purpose| app.run(keys::verify::<Value>(purpose, &token)).unwrap();
    assert!(matches!(verify("mail"), Verdict::Valid(claims) if claims["sub"] == "x"));
    assert_eq!(verify("access"), Verdict::Forged);
    app.advance(SECOND);
    assert_eq!(app.run(cache::get::<i64>("key")).unwrap(), None);
    assert_eq!(verify("mail"), Verdict::Expired);
    app.advance(58 * SECOND);
    app.sweep();
    assert_eq!(app.run(THINGS.count(json!({}))).unwrap(), 1);
    app.advance(SECOND);
    assert_eq!(app.run(THINGS.count(json!({}))).unwrap(), 1);
    app.sweep();
    assert_eq!(app.run(THINGS.count(json!({}))).unwrap(), 0);

    let hash = app.run(passwords::hash("Correct")).unwrap();
    assert!(!hash.contains("Correct"));
    assert_ne!(hash, app.run(passwords::hash("Correct")).unwrap());
    for (password, hash, valid) in [
        ("Correct", Some(&*hash), true),
        ("Wrong", Some(&*hash), false),
        ("Correct", Some("nonsense"), false),
        ("Correct", None, false),
    ] {
        assert_eq!(
            app.run(passwords::verify(password, hash)).unwrap().valid,
            valid
        );
    }
    assert!(app.run(passwords::hash("")).is_err());
}

#[test]
fn what_is_sealed_opens_for_what_it_was_sealed_for() {
    let app = App::new(Component::new())
        .manifest(&MANIFEST.replace(r#"["documents", "features"]"#, r#"["documents", "vault"]"#));
    let seal = |plain: &[u8]| app.run(vault::encrypt("totp", "usr_1", plain)).unwrap();
    let open =
        |purpose, context, sealed: &str| app.run(vault::decrypt(purpose, context, sealed)).unwrap();
    let sealed = seal(b"secret");
    assert_ne!(seal(b"secret"), sealed);
    assert_eq!(
        open("totp", "usr_1", &sealed).text().as_deref(),
        Some("secret")
    );
    let long = vec![7; 100];
    assert_eq!(open("totp", "usr_1", &seal(&long)), Opened::Plain(long));
    for (purpose, context, sealed) in [
        ("other", "usr_1", sealed.clone()),
        ("totp", "usr_2", sealed.clone()),
        ("totp", "usr_1", sealed[..sealed.len() - 1].to_owned()),
        ("totp", "usr_1", String::new()),
    ] {
        assert_eq!(open(purpose, context, &sealed), Opened::Forged);
    }
    for (purpose, context, bytes) in [
        ("", "usr_1", 1),
        ("Totp", "usr_1", 1),
        ("totp", &*"x".repeat(1025), 1),
        ("totp", "usr_1", 64 * 1024 + 1),
    ] {
        let refused = app.run(vault::encrypt(purpose, context, vec![0; bytes]));
        assert!(refused.is_err(), "{purpose}");
    }
    app.lose_vault_keys();
    assert_eq!(open("totp", "usr_1", &sealed), Opened::UnknownKey);
}

#[test]
fn buckets_hold_values() {
    let app = app();
    app.run(async {
        let bucket = Bucket::open("default")?;
        bucket.set("a", b"1")?;
        assert_eq!(bucket.get("a")?.as_deref(), Some(&b"1"[..]));
        bucket.update("a", |value| {
            [value.unwrap_or_default(), b"2".to_vec()].concat()
        })?;
        assert_eq!(
            bucket.get_many(&["a".to_owned()])?[0].1.as_deref(),
            Some(&b"12"[..])
        );
        assert_eq!(
            (bucket.increment("n", 2)?, bucket.increment("n", 3)?),
            (2, 5)
        );
        assert_eq!(bucket.keys(None)?.0, ["a", "n"]);
        bucket.delete("a")?;
        assert!(!bucket.exists("a")? && !Bucket::open("other")?.exists("n")?);
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_closure_answers_for_other_components() {
    async fn ask() -> sbd_sdk::Result<Value> {
        let body = axum::body::Body::from(r#"{"tokens":3}"#);
        let request = http::Request::post("/api/v1/spend?now").body(body);
        let request = request.map_err(Error::internal)?;
        sbd_sdk::read_json(sbd_sdk::call("wallet", request).await?).await
    }
    let app = app();
    assert_eq!(app.run(ask()).unwrap_err().code(), "INTERNAL");
    app.on_call(|call: &Call| {
        assert_eq!((&*call.to, &*call.path), ("wallet", "/api/v1/spend?now"));
        assert_eq!(call.body, json!({"tokens": 3}));
        (201, json!({"left": 4}))
    });
    assert_eq!(app.run(ask()).unwrap(), json!({"left": 4}));
    app.on_call(|_| (503, Value::Null));
    assert_eq!(app.run(ask()).unwrap_err().code(), "OVERLOADED");
}

#[test]
fn a_neighbour_answers_itself_for_the_same_caller() {
    async fn count(By(by): By) -> sbd_sdk::Result<Json<Value>> {
        let thing = json!({"_id": time::now().to_string(), "by": by});
        THINGS.insert(&thing).await?;
        Ok(Json(thing))
    }
    async fn pass_on() -> sbd_sdk::Result<Json<Value>> {
        let request = http::Request::get("/count").body(axum::body::Body::empty());
        let request = request.map_err(Error::internal)?;
        sbd_sdk::read_json(sbd_sdk::call("counter", request).await?)
            .await
            .map(Json)
    }
    let counter = axum::Router::new().route("/count", axum::routing::get(count));
    let router = axum::Router::new().route("/through", axum::routing::get(pass_on));
    let reaching = MANIFEST.replace(
        "source =",
        "allowed_outbound_hosts = [\"http://counter.spin.internal\"]\nsource =",
    );
    let with = |manifest: &str| {
        let counter = App::new(counter.clone()).collection("things");
        let app = App::new(router.clone()).manifest(manifest);
        app.with_neighbour("counter", counter)
    };
    let app = with(&reaching);
    app.advance(SECOND);
    let seen = app.signed_in("usr_1").get("/through").assert_status(200);
    assert_eq!(
        (&seen["by"]["user"], &seen["by"]["via"], &seen["_id"]),
        (
            &json!("usr_1"),
            &json!("things"),
            &json!(app.now().to_string())
        )
    );
    let counter = app.neighbour("counter");
    let stored = counter.run(THINGS.get(seen.text("_id"))).unwrap();
    assert_eq!(stored.as_ref(), Some(seen.body()));
    assert_eq!(app.run(THINGS.get(seen.text("_id"))).unwrap(), None);
    // Nobody stays nobody.
    app.anonymous()
        .get("/through")
        .assert_refused(500, "INTERNAL");
    let ungranted = with(MANIFEST);
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ungranted.signed_in("usr_1").get("/through")
    }));
    assert!(refused.is_err());
}

#[test]
fn what_is_said_in_channels_can_be_looked_at() {
    let app = App::new(Component::new());
    app.run(async {
        realtime::publish("user:usr_1", "thing.said", &json!({"n": 1})).await?;
        let both = [
            realtime::Message::new("family:fam_1", "thing.said", &2)?,
            realtime::Message::new("family:fam_1", "thing.said", "three")?,
        ];
        realtime::publish_all(both).await?;
        realtime::changed("family:fam_1").await
    })
    .unwrap();
    let said = app.said();
    assert_eq!(said[0].data["n"], 1);
    assert_eq!(
        (&*said[2].channel, &*said[2].kind, &said[2].data),
        ("family:fam_1", "thing.said", &json!("three"))
    );
    assert_eq!(app.changed(), ["family:fam_1"]);
    for (channel, kind) in [
        ("family", "a.b"),
        ("family:1", "a"),
        ("family:1", "stream.end"),
    ] {
        let refused = app.run(realtime::publish(channel, kind, &0)).unwrap_err();
        assert_eq!(refused.code(), "INTERNAL");
    }
    assert_eq!(app.said().len(), 3);
    app.present("family:fam_1", &["usr_1", "usr_2"]);
    let present = app.run(realtime::presence("family:fam_1")).unwrap();
    assert_eq!(
        (present[1].user.as_str(), present[1].since),
        ("usr_2", app.now())
    );
    assert!(app.run(realtime::presence("family:x")).unwrap().is_empty());
}

#[test]
#[should_panic(expected = "add it to `grants`")]
fn who_may_not_speak_is_told_what_to_grant() {
    let said = realtime::publish("user:usr_1", "thing.said", &0);
    app().run(said).unwrap();
}
