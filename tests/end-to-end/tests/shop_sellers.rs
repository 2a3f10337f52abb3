//! A component that sells by the shop, behind the real host: what it gives is paid, what it does not give is not, and
//! what is paid back it takes away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Launch, PASSWORD, Server, json, run};
use serde_json::{Value, json};
use std::time::Duration;

const SHOP: &str = "/api/v1/shop";
const LESSONS: &str = "/api/v1/courses/lessons";
const CERTIFICATES: &str = "/api/v1/courses/certificates";

/// A shop that offers lessons, and somebody with 100 tokens.
struct School {
    server: Server,
    root: Account,
    ada: Account,
}

impl School {
    async fn open() -> Self {
        let server = Launch::app(include_str!("apps/courses.toml")).start().await;
        let data = server.data().display().to_string();
        let args = ["admin", "create", "root@example.com", "--data-dir", &data];
        let made = run(&args, &[], &format!("{PASSWORD}\n"));
        assert!(made.success, "{}", made.stderr);
        let root = Account::login(&server, "root@example.com").await;
        let ada = Account::register(&server, "ada").await;
        let opened = root.post("/api/v1/courses/opening", &json!({})).send();
        let kind = json(opened.await.unwrap(), 200).await;
        assert_eq!(kind["kind"], "courses.lesson");
        let school = Self { server, root, ada };
        // Whoever has just registered has an account soon.
        let mint = json!({"to": school.ada.id, "amount": 100});
        for _ in 0..300 {
            let sent = school.root.post("/api/v1/wallet/mint", &mint);
            let sent = sent.header("idempotency-key", "mint").send().await.unwrap();
            if sent.status() == 201 {
                return school;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("there is no account to mint to");
    }

    async fn offer(&self, reference: &str) -> String {
        let item = json!({
            "kind": "courses.lesson", "title": reference, "reference": reference, "price": 40, "listed": true,
        });
        let made = self.root.post(&format!("{SHOP}/items"), &item).send().await;
        json(made.unwrap(), 201).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Ada orders one; the status and the answer.
    async fn order(&self, item: &str, key: &str) -> (u16, Value) {
        let line = self
            .ada
            .post(&format!("{SHOP}/cart/lines"), &json!({"item_id": item}));
        json(line.send().await.unwrap(), 201).await;
        let order = self
            .ada
            .post(&format!("{SHOP}/orders"), &json!({"total": 40}));
        let order = order.header("idempotency-key", key).send().await.unwrap();
        (order.status().as_u16(), order.json().await.unwrap())
    }

    /// Whether a feature's route is there for somebody.
    async fn is_there(&self, by: &Account) -> bool {
        let answer = by.get(CERTIFICATES).send().await.unwrap();
        match answer.status().as_u16() {
            200 => true,
            _ => {
                sbd_tests::assert_error(answer, 404, "FEATURE_DISABLED").await;
                false
            }
        }
    }

    /// That it is, or is not, in a moment.
    async fn becomes(&self, by: &Account, there: bool) {
        for _ in 0..500 {
            if self.is_there(by).await == there {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the feature is not as it should be: {there}");
    }

    /// An order once it has ended.
    async fn ended(&self, id: &str) -> Value {
        let path = format!("{SHOP}/orders/{id}");
        self.until(&path, |order| !order["ended_at"].is_null())
            .await
    }

    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let found = self.ada.read(path).await;
            if is_so(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "{path} is not as it should be: {}",
            self.ada.read(path).await
        );
    }

    /// What Ada can spend, and what is held.
    async fn balance(&self) -> (i64, i64) {
        let own = self.ada.read("/api/v1/wallet").await;
        (
            own["available"].as_i64().unwrap(),
            own["held"].as_i64().unwrap(),
        )
    }
}

fn id(order: &Value) -> &str {
    order["id"].as_str().unwrap()
}

#[tokio::test]
async fn what_a_component_gives_is_paid_and_what_is_paid_back_it_takes_away() {
    let school = School::open().await;
    let (piano, full) = (school.offer("piano").await, school.offer("full").await);
    let (status, order) = school.order(&piano, "k-1").await;
    assert_eq!(status, 201, "{order}");
    let order = school.ended(id(&order)).await;
    assert_eq!(order["state"], "completed", "{order}");
    assert_eq!(school.ada.read(LESSONS).await, json!(["piano"]));
    assert_eq!(school.balance().await, (60, 0));
    // What it refuses costs nothing.
    let (_, refused) = school.order(&full, "k-2").await;
    if let Some(refused) = refused["id"].as_str() {
        let refused = school.ended(refused).await;
        assert_eq!(refused["state"], "undone", "{refused}");
        let failure = refused["failure"].as_str().unwrap();
        assert!(failure.contains("The course is full"), "{failure}");
    }
    assert_eq!(school.ada.read(LESSONS).await, json!(["piano"]));
    school
        .until("/api/v1/wallet", |own| {
            own["available"] == 60 && own["held"] == 0
        })
        .await;
    // Paid back, it is theirs no more.
    let refund = school
        .root
        .post(&format!("{SHOP}/orders/{}/refunds", id(&order)), &json!({}));
    let refund = refund
        .header("idempotency-key", "k-3")
        .send()
        .await
        .unwrap();
    json(refund, 201).await;
    school.until(LESSONS, |lessons| *lessons == json!([])).await;
    school
        .until("/api/v1/wallet", |own| own["available"] == 100)
        .await;
    let inventory = school.ada.read(&format!("{SHOP}/inventory")).await;
    assert_eq!(inventory["total"], 0);
}

#[tokio::test]
async fn a_component_that_is_down_gives_it_later_whatever_dies_meanwhile() {
    let mut school = School::open().await;
    let piano = school.offer("piano").await;
    school
        .server
        .done(&["feature", "set", "default", "courses", "off"]);
    let (status, order) = school.order(&piano, "k-1").await;
    assert_eq!(
        (status, &order["state"]),
        (201, &json!("granting")),
        "{order}"
    );
    assert_eq!(school.balance().await, (60, 40));
    school.server = school.server.restart().await;
    school.ada = Account::login(&school.server, "ada").await;
    school
        .server
        .done(&["feature", "set", "default", "courses", "on"]);
    let order = school.ended(id(&order)).await;
    assert_eq!(order["state"], "completed", "{order}");
    assert_eq!(school.ada.read(LESSONS).await, json!(["piano"]));
    assert_eq!(school.balance().await, (60, 0));
}

#[tokio::test]
async fn a_feature_is_on_for_whoever_has_bought_it() {
    let mut school = School::open().await;
    let item = |reference: &str| {
        json!({
            "kind": "feature", "title": "Certificates", "reference": reference, "price": 40, "listed": true,
        })
    };
    // One that does not say so is not sold.
    let items = format!("{SHOP}/items");
    for unsold in ["courses.archive", "courses", "courses.none"] {
        let made = school
            .root
            .post(&items, &item(unsold))
            .send()
            .await
            .unwrap();
        sbd_tests::assert_error(made, 422, "VALIDATION_ERROR").await;
    }
    let made = school.root.post(&items, &item("courses.certificates"));
    let made = json(made.send().await.unwrap(), 201).await;
    assert!(!school.is_there(&school.ada).await);
    let (status, order) = school.order(id(&made), "k-1").await;
    assert_eq!(
        (status, &order["state"]),
        (201, &json!("completed")),
        "{order}"
    );
    school.becomes(&school.ada, true).await;
    assert!(!school.is_there(&school.root).await);
    // What was granted is kept, and an operator goes before.
    school.server = school.server.restart().await;
    school.ada = Account::login(&school.server, "ada").await;
    school.root = Account::login(&school.server, "root@example.com").await;
    assert!(school.is_there(&school.ada).await);
    let set = |state: &str| {
        school
            .server
            .done(&["feature", "set", "default", "courses.certificates", state])
    };
    set("off");
    assert!(!school.is_there(&school.ada).await);
    set("default");
    assert!(school.is_there(&school.ada).await);
    let path = format!("{SHOP}/orders/{}/refunds", id(&order));
    let refund = school.ada.post(&path, &json!({}));
    let refund = refund.header("idempotency-key", "k-2").send().await;
    json(refund.unwrap(), 201).await;
    school.becomes(&school.ada, false).await;
}
