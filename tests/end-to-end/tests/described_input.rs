//! Whatever comes in, for every operation that a default server serves: its description says what would be good input, and
//! this says otherwise, field by field. What is added later is asked as well.
//!
//! What needs more than a description (a used code, another user's id) is in the tables beside each domain's rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use futures::{StreamExt as _, stream};
use reqwest::Method;
use sbd_tests::{Account, Launch, Server, assert_standard, json};
use serde_json::{Map, Value, json};

/// How many are asked at once.
const AT_ONCE: usize = 8;

/// All that a default server serves, to be asked without end.
const APP: &str = r#"
[application.tool.sbd]
auth = "auth"
rate_limit = { per_second = 100000, burst = 100000 }

{component:auth}
{component:family}
{component:knowledge}
{component:notes}
{component:notifications}
{component:openai}
{component:parser}
{component:shop}
{component:wallet}
{component:workspace}
"#;

/// What stands in addresses for an id that nothing has.
const NOTHING: &str = "none_00000000000000000000000000000000";

/// What the host says to whoever asks too often.
const GATE: &str = "Too many requests;";

/// Characters of a long text: more than most fields take, and less than any body.
const LONG: u64 = 60_000;

/// Ids that nothing has either, encoded.
const IDS: [&str; 6] = [
    "%00",
    "%ff%fe",
    "..%2f..%2f",
    "%E2%80%AE%F0%9F%92%A5",
    "%27%20or%201%3D1%20--",
    "%7B%22%24gt%22%3A%22%22%7D",
];

/// An operation, as the description has it.
struct Operation {
    method: Method,
    path: String,
    is_public: bool,
    parameters: Vec<Value>,
    /// The schema of its JSON.
    body: Option<Value>,
}

/// One bad request.
struct Case {
    what: String,
    path: String,
    body: Option<Vec<u8>>,
    content_type: &'static str,
    then: Then,
}

/// What is to become of it.
enum Then {
    /// It is refused.
    Refused,
    /// It is refused, and this field of the query named.
    Named(String),
    /// It is refused, and a field named: this one, or another one that an example has wrong as well.
    Told,
    /// It is understood or refused, for the description forbids it not, and nothing breaks.
    Answered,
}

/// What the server says of itself.
struct Description(Value);

// === impl Description ===

impl Description {
    fn operations(&self) -> Vec<Operation> {
        let mut all = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                if !operation.is_object() {
                    continue;
                }
                let body = &operation["requestBody"]["content"]["application/json"]["schema"];
                all.push(Operation {
                    method,
                    path: path.clone(),
                    is_public: operation["x-sbd-permission"].is_null(),
                    parameters: operation["parameters"]
                        .as_array()
                        .cloned()
                        .unwrap_or_default(),
                    body: body.is_object().then(|| body.clone()),
                });
            }
        }
        all
    }

    /// The schema itself, where another only names it, or allows that nothing is there.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap();
            return self.resolved(&self.0["components"]["schemas"][name]);
        }
        let choices = ["oneOf", "anyOf", "allOf"].iter();
        let mut choices = choices
            .filter_map(|choice| schema[choice].as_array())
            .flatten();
        match choices.find(|choice| choice["type"] != "null") {
            Some(choice) => self.resolved(choice),
            None => schema,
        }
    }

    /// Something of this schema, as small as can be.
    fn example(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
            return first.clone();
        }
        match kind(schema) {
            "string" => json!("x".repeat(schema["minLength"].as_u64().unwrap_or(1) as usize)),
            "integer" | "number" => schema["minimum"].as_i64().unwrap_or(1).into(),
            "boolean" => json!(true),
            "array" => json!([]),
            "object" => Value::Object(self.required(schema)),
            _ => Value::Null,
        }
    }

    /// What an object has to have.
    fn required(&self, schema: &Value) -> Map<String, Value> {
        let names = schema["required"].as_array().into_iter().flatten();
        let names = names.map(|name| name.as_str().unwrap());
        let fields = names.map(|name| {
            let field = self.example(&schema["properties"][name]);
            (name.to_owned(), field)
        });
        fields.collect()
    }

    /// All that is said to an operation.
    fn cases(&self, operation: &Operation) -> Vec<Case> {
        let mut cases = self.ids(operation);
        cases.extend(self.queries(operation));
        if let Some(schema) = &operation.body {
            cases.extend(self.bodies(operation, self.resolved(schema)));
        }
        cases
    }

    /// Addresses of what nothing is.
    fn ids(&self, operation: &Operation) -> Vec<Case> {
        let body = operation.body.as_ref().map(|schema| self.example(schema));
        let ids = IDS.map(str::to_owned).into_iter().chain(["x".repeat(3000)]);
        let of = |id: String| Case {
            what: format!("the id {id:.30}"),
            path: operation.at(&id),
            body: body.as_ref().map(|body| body.to_string().into_bytes()),
            content_type: "application/json",
            then: Then::Refused,
        };
        match operation.is_about_one() {
            true => ids.map(of).collect(),
            false => Vec::new(),
        }
    }

    fn queries(&self, operation: &Operation) -> Vec<Case> {
        let mut cases = Vec::new();
        let body = operation.body.as_ref().map(|schema| self.example(schema));
        for parameter in &operation.parameters {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            let schema = self.resolved(&parameter["schema"]);
            let mut say = |value: &str, is_wrong: bool| {
                cases.push(Case {
                    what: format!("?{name}={value:.30}"),
                    path: format!("{}?{name}={value}", operation.at(NOTHING)),
                    body: body.as_ref().map(|body| body.to_string().into_bytes()),
                    content_type: "application/json",
                    then: match is_wrong {
                        true => operation.named(name),
                        false => Then::Answered,
                    },
                });
            };
            match kind(schema) {
                "integer" | "number" => {
                    for wrong in ["x", "", "1e3", "99999999999999999999999999", "0x1", "NaN"] {
                        say(wrong, true);
                    }
                    say(
                        "-1",
                        schema["minimum"].as_i64().is_some_and(|least| least >= 0),
                    );
                }
                "boolean" => ["x", "", "2"]
                    .into_iter()
                    .for_each(|wrong| say(wrong, true)),
                _ if schema["enum"].is_array() => say("nothing-of-these", true),
                _ => {
                    for odd in ["%00", "%ff", "%F0%9F%92%A5", "%25%5f%27%22%5c", "."] {
                        say(odd, false);
                    }
                    let long = "x".repeat(5000);
                    say(&long, schema["maxLength"].is_u64());
                }
            }
        }
        cases
    }

    fn bodies(&self, operation: &Operation, schema: &Value) -> Vec<Case> {
        let good = self.required(schema);
        let case = |what: String, body: Vec<u8>, then: Then| Case {
            what,
            path: operation.at(NOTHING),
            body: Some(body),
            content_type: "application/json",
            then,
        };
        let mut cases = Vec::new();
        for text in [
            "",
            "{",
            "[",
            "null",
            "7",
            "\"x\"",
            "[{}]",
            "{}{}",
            "{'a':1}",
            "\u{feff}{}",
            "{\"\\ud800\":1}",
        ] {
            cases.push(case(
                format!("the body {text:?}"),
                text.into(),
                Then::Refused,
            ));
        }
        cases.push(case(
            "no UTF-8".to_owned(),
            b"{\"x\":\"\xff\"}".to_vec(),
            Then::Refused,
        ));
        let mut other = case(
            "text".to_owned(),
            Value::Object(good.clone()).to_string().into(),
            Then::Refused,
        );
        other.content_type = "text/plain";
        cases.push(other);
        let with = |name: &str, value: &Value| {
            let mut body = good.clone();
            body.insert(name.to_owned(), value.clone());
            Value::Object(body).to_string().into_bytes()
        };
        if schema["additionalProperties"] == false {
            let body = with("not-a-field", &json!(1));
            cases.push(case("an unknown field".to_owned(), body, Then::Told));
        }
        for name in good.keys() {
            let mut less = good.clone();
            less.remove(name);
            let less = Value::Object(less).to_string().into_bytes();
            cases.push(case(format!("no `{name}`"), less, Then::Told));
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            for (value, is_wrong) in self.values(field) {
                let then = match is_wrong {
                    true => Then::Told,
                    false => Then::Answered,
                };
                let what = format!("{:.60}", format!("`{name}`: {value}"));
                cases.push(case(what, with(name, &value), then));
            }
        }
        cases
    }

    /// What a field is told, and whether its description forbids it.
    fn values(&self, field: &Value) -> Vec<(Value, bool)> {
        let schema = self.resolved(field);
        let long = |length: u64| json!("x".repeat(length as usize));
        match kind(schema) {
            "string" => {
                let longest = schema["maxLength"].as_u64();
                let too_long = longest.is_some_and(|longest| longest < LONG);
                let mut values = vec![
                    (json!(7), true),
                    (json!({"$gt": ""}), true),
                    (json!(["x"]), true),
                    (json!("\0"), false),
                    (json!("\u{202e}\u{1f4a5}\r\nX: y"), false),
                    (long(LONG), too_long),
                ];
                if let Some(longest) = longest.filter(|_| too_long) {
                    values.push((long(longest + 1), true));
                }
                values.push((json!("nothing of these"), schema["enum"].is_array()));
                values
            }
            "integer" => vec![
                (json!("1"), true),
                (json!(1.5), true),
                (json!(1e300), true),
                (json!({}), true),
                (json!(i64::MIN), schema["minimum"].is_i64()),
                (json!(u64::MAX), schema["format"] != "uint64"),
                (json!(i64::MAX), false),
            ],
            "number" => vec![
                (json!("1"), true),
                (json!({}), true),
                (json!(-1e308), false),
                (json!(1e308), false),
            ],
            "boolean" => vec![(json!("true"), true), (json!(1), true)],
            "array" => vec![
                (json!("x"), true),
                (json!({}), true),
                (json!([[[]]]), true),
                (
                    vec![self.example(&schema["items"]); 5000].into(),
                    schema["maxItems"].is_u64(),
                ),
            ],
            "object" => vec![
                (json!("x"), true),
                // Serde takes a list for the fields in their order.
                (json!([]), false),
            ],
            _ => Vec::new(),
        }
    }
}

/// The type of a schema, where it may be null the other one.
fn kind(schema: &Value) -> &str {
    let kinds = schema["type"].as_array().into_iter().flatten();
    let mut kinds = kinds
        .filter_map(Value::as_str)
        .filter(|kind| *kind != "null");
    let kind = schema["type"].as_str().or_else(|| kinds.next());
    kind.unwrap_or_default()
}

// === impl Operation ===

impl Operation {
    fn is_about_one(&self) -> bool {
        self.path.contains('{')
    }

    /// Its address, about this.
    fn at(&self, id: &str) -> String {
        let parts = self
            .path
            .split('/')
            .map(|part| match part.starts_with('{') {
                true => id,
                false => part,
            });
        parts.collect::<Vec<_>>().join("/")
    }

    /// A wrong field is named, unless what it would be a field of is not there.
    fn named(&self, field: &str) -> Then {
        match self.is_about_one() {
            true => Then::Refused,
            false => Then::Named(field.to_owned()),
        }
    }
}

/// Asks it; what is wrong with the answer, if anything is.
async fn asked(
    server: &Server,
    root: &Account,
    operation: &Operation,
    (number, case): (usize, Case),
) -> Option<String> {
    let method = operation.method.clone();
    let request = match operation.is_public {
        // Nobody fails to sign in more often than from their network alone.
        true => {
            let network = format!("10.{}.{}.1", number / 256, number % 256);
            let request = server.client.request(method, server.at(&case.path));
            request.header("x-forwarded-for", network)
        }
        false => root.request(method, &case.path),
    };
    let mut request = request.header("content-type", case.content_type);
    if let Some(body) = case.body {
        request = request.body(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let id = answer.headers().get("x-request-id");
    let id = id.map(|id| id.to_str().unwrap().to_owned());
    // A good answer may go on for ever.
    let text = match status {
        400.. => answer.text().await.unwrap(),
        _ => String::new(),
    };
    let error = serde_json::from_str::<Value>(&text).unwrap_or_default()["error"].take();
    let names = |field: &Value| field["field"].as_str().is_some_and(|name| !name.is_empty());
    // Behind the gate stands what is asked here: it is to let everything pass.
    let is_refused = (400..500).contains(&status) && !text.contains(GATE);
    let is_right = is_refused
        && match &case.then {
            Then::Named(field) => status == 422 && text.contains(field.as_str()),
            Then::Told => status != 422 || names(&error["details"][0]),
            Then::Refused | Then::Answered => true,
        };
    let is_right = is_right || (status < 300 && matches!(case.then, Then::Answered));
    if status >= 400 && is_right {
        match operation.path.starts_with("/v1/") {
            // For clients of OpenAI's, refused in their words.
            true => assert!(error["message"].is_string(), "{text}"),
            false => {
                let code = error["code"].as_str().unwrap_or_default();
                assert_standard(&text, id.as_deref(), code);
            }
        }
    }
    let wrong = format!(
        "{} {}: {}: {status} {text}",
        operation.method, operation.path, case.what
    );
    (!is_right).then_some(wrong)
}

#[tokio::test]
async fn nothing_that_an_operation_is_told_breaks_it() {
    let server = Launch::app(APP)
        .env("SBD_TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let root = Account::administrator(&server).await;
    let description = Description(json(server.get("/openapi.json").await, 200).await);
    let (mut wrong, mut many) = (Vec::new(), 0);
    for operation in description.operations() {
        let cases: Vec<_> = (many..).zip(description.cases(&operation)).collect();
        many += cases.len();
        let asked = stream::iter(cases).map(|case| asked(&server, &root, &operation, case));
        let asked = asked.buffer_unordered(AT_ONCE);
        let found = asked.filter_map(async |found| found);
        wrong.extend(found.collect::<Vec<_>>().await);
    }
    println!("{many} requests");
    assert!(many > 5000, "{many}");
    assert!(
        wrong.is_empty(),
        "{} of {many}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // All along it was an administrator who asked.
    root.read("/api/v1/auth/me").await;
    assert_eq!(
        server.metric("sbd_component_traps_total", "").await,
        0.0,
        "{}",
        server.log()
    );
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
