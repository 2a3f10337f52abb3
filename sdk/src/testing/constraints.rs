//! Whether a component keeps the constraints that its description promises.

use super::Client;
use sbd_contract::offer;
use serde_json::{Map, Value, json};

/// Tries every constraint that the description of a component states, on what its operations take: of
/// each field of a query, of a body and of a path one value just beyond each bound, which must be refused
/// with 422 and the field's name (404 in a path), and the longest one that is allowed, which must not.
///
/// Values are made of the `example`s in the description; give one where a field must have a certain form.
///
/// # Panics
/// At the first constraint that is not kept, and where the description says what this cannot try.
#[track_caller]
pub fn assert_constraints(client: &Client<'_>) {
    let document = client.get(crate::path::OFFER).assert_status(200);
    let document = document.body();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        for method in offer::METHODS {
            if let Some(operation) = item.get(method) {
                Trial::new(client, document, (path, method), operation).run();
            }
        }
    }
}

/// An operation, and requests that it takes.
struct Trial<'a> {
    client: &'a Client<'a>,
    document: &'a Value,
    method: http::Method,
    path: String,
    parameters: Vec<&'a Value>,
    /// The schema of its body, and a body.
    body: Option<(&'a Value, Value)>,
}

// === impl Trial ===

impl<'a> Trial<'a> {
    fn new(
        client: &'a Client<'a>,
        document: &'a Value,
        (path, method): (&str, &str),
        operation: &'a Value,
    ) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let schema = operation["requestBody"]["content"]["application/json"].get("schema");
        let schema = schema.map(|schema| resolved(document, schema));
        Self {
            client,
            document,
            method: method.to_uppercase().parse().expect("a method"),
            path: path.to_owned(),
            parameters: parameters.collect(),
            body: schema.map(|schema| (schema, sample(document, schema))),
        }
    }

    #[track_caller]
    fn run(&self) {
        for parameter in &self.parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            let schema = resolved(self.document, &parameter["schema"]);
            match parameter["in"].as_str() {
                Some("path") => {
                    for wrong in beyond(schema, true) {
                        let path = self.address(Some((name, &wrong)));
                        let reply = self.send(&path, self.body());
                        assert_eq!(reply.0, 404, "{} {path}: {}", self.method, reply.1);
                    }
                }
                Some("query") => {
                    for wrong in beyond(schema, true) {
                        let path = format!("{}?{}", self.address(None), query(name, &wrong));
                        self.refused(&path, self.body(), name);
                    }
                    if let Some(most) = longest(schema) {
                        let path = format!("{}?{}", self.address(None), query(name, &most));
                        self.taken(&path, self.body(), name);
                    }
                }
                // What a header may be is no schema's to say.
                _ => {}
            }
        }
        if let Some((schema, body)) = &self.body {
            self.object(schema, body, &[]);
        }
    }

    /// Tries the fields of an object in the body.
    #[track_caller]
    fn object(&self, schema: &Value, body: &Value, at: &[&str]) {
        let address = self.address(None);
        let field = |name: &str| [at, &[name]].concat().join(".");
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            let without = changed(body, at, name, None);
            self.refused(&address, Some(without), &field(name));
        }
        if schema["additionalProperties"] == false {
            let with = changed(body, at, "no_such_field", Some(json!(1)));
            self.refused(&address, Some(with), &field("no_such_field"));
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let schema = resolved(self.document, schema);
            for wrong in beyond(schema, false) {
                let with = changed(body, at, name, Some(wrong));
                self.refused(&address, Some(with), &field(name));
            }
            if let Some(most) = longest(schema) {
                let with = changed(body, at, name, Some(most));
                self.taken(&address, Some(with), &field(name));
            }
            if schema["properties"].is_object() {
                self.object(schema, body, &[at, &[name]].concat());
            }
        }
    }

    fn body(&self) -> Option<Value> {
        self.body.as_ref().map(|(_, body)| body.clone())
    }

    /// The path with values, of which one may be given.
    fn address(&self, given: Option<(&str, &Value)>) -> String {
        let mut path = self.path.clone();
        for parameter in self.parameters.iter().filter(|one| one["in"] == "path") {
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = match given {
                Some((of, value)) if of == name => value.clone(),
                _ => sample(self.document, &parameter["schema"]),
            };
            path = path.replace(&format!("{{{name}}}"), &encoded(&value));
        }
        path
    }

    fn send(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let reply = self.client.send(self.method.clone(), path, body);
        (reply.status(), reply.body().clone())
    }

    #[track_caller]
    fn refused(&self, path: &str, body: Option<Value>, field: &str) {
        let (status, reply) = self.send(path, body.clone());
        assert!(
            status == 422 && is_about(&reply, field),
            "{} {path} {}: the description does not allow this `{field}`, and the answer is {status} {reply}",
            self.method,
            body.unwrap_or_default(),
        );
    }

    #[track_caller]
    fn taken(&self, path: &str, body: Option<Value>, field: &str) {
        let (status, reply) = self.send(path, body.clone());
        assert!(
            status != 422 || !is_about(&reply, field),
            "{} {path} {}: the description allows this `{field}`, and the answer is {status} {reply}",
            self.method,
            body.unwrap_or_default(),
        );
    }
}

fn is_about(reply: &Value, field: &str) -> bool {
    let details = reply["error"]["details"].as_array().into_iter().flatten();
    details.into_iter().any(|detail| detail["field"] == field)
}

/// A schema behind its references; of alternatives the first that is not null.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    if let Some(target) = target {
        let target = document.pointer(target).expect("a reference that leads");
        return resolved(document, target);
    }
    for ways in ["oneOf", "anyOf", "allOf"] {
        let ways = schema[ways].as_array().into_iter().flatten();
        if let Some(way) = ways.into_iter().find(|way| way["type"] != "null") {
            return resolved(document, way);
        }
    }
    schema
}

/// The type of a value, beside null.
fn kind(schema: &Value) -> &str {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.as_slice(),
        one => std::slice::from_ref(one),
    };
    let kinds = kinds.iter().filter_map(Value::as_str);
    kinds.into_iter().find(|kind| *kind != "null").unwrap_or("")
}

/// A value that a schema allows.
fn sample(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    let said = schema["examples"].get(0).or(schema.get("example"));
    if let Some(said) = said.or(schema["enum"].get(0)) {
        return said.clone();
    }
    match kind(schema) {
        "string" => "x".repeat(number(schema, "minLength").unwrap_or(1)).into(),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(true),
        "array" => json!([]),
        _ => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let samples = fields.map(|(name, schema)| (name.clone(), sample(document, schema)));
            Value::Object(samples.collect())
        }
    }
}

/// One value just beyond each of a schema's constraints. What stands in an address is always a text.
fn beyond(schema: &Value, in_address: bool) -> Vec<Value> {
    // What says nothing of what is allowed, and what is tried elsewhere.
    const OTHERS: [&str; 10] = [
        "type",
        "description",
        "example",
        "examples",
        "default",
        "properties",
        "required",
        "additionalProperties",
        "title",
        "items",
    ];
    let text = sample(&Value::Null, schema);
    let text = text.as_str().unwrap_or("x");
    let mut wrong: Vec<Value> = match (kind(schema), in_address) {
        ("string", true) => Vec::new(),
        ("string", false) => vec![json!(1), json!({}), json!(true)],
        ("integer" | "number", _) => vec![json!("x"), json!("1e400")],
        (_, _) => vec![json!("x")],
    };
    if kind(schema) == "integer" {
        wrong.push(json!(1.5));
    }
    for (constraint, said) in schema.as_object().into_iter().flatten() {
        let count = said.as_u64().and_then(|count| usize::try_from(count).ok());
        match (constraint.as_str(), count) {
            ("maxLength", Some(most)) => wrong.push(padded(text, most + 1).into()),
            ("minLength", Some(least)) if least > 0 => {
                wrong.push(text.chars().take(least - 1).collect::<String>().into());
            }
            ("minLength", Some(_)) => {}
            ("pattern", _) => wrong.push(format!("{text} \u{b6}").into()),
            ("minimum", _) => wrong.extend(said.as_i64().map(|least| json!(least - 1))),
            ("maximum", _) => wrong.extend(said.as_i64().map(|most| json!(most + 1))),
            ("enum", _) => wrong.push(json!("no-such-value")),
            ("format", _) => match said.as_str() {
                Some("email" | "date-time") => wrong.push(json!("\u{b6}")),
                Some("int32") => wrong.push(json!(1_u64 << 32)),
                Some("int64") => wrong.push(json!(1.8446744073709552e19)),
                // A hint to who shows a form.
                Some("password") => {}
                other => panic!("the format {other:?} cannot be tried; teach it to this test"),
            },
            (other, _) if OTHERS.contains(&other) => {}
            (other, _) => panic!("`{other}` cannot be tried; teach it to this test"),
        }
    }
    wrong
}

/// The longest text that a schema allows; none where its form decides too.
fn longest(schema: &Value) -> Option<Value> {
    let text = sample(&Value::Null, schema);
    let is_formed = schema["format"].is_string() && schema["format"] != "password";
    let most = number(schema, "maxLength").filter(|_| !is_formed)?;
    Some(padded(text.as_str()?, most).into())
}

fn number(schema: &Value, constraint: &str) -> Option<usize> {
    let said = schema[constraint].as_u64()?;
    usize::try_from(said).ok()
}

/// A text drawn out to so many characters.
fn padded(text: &str, length: usize) -> String {
    let last = text.chars().last().unwrap_or('x');
    let drawn = text.chars().chain(std::iter::repeat(last));
    drawn.take(length).collect()
}

fn query(name: &str, value: &Value) -> String {
    format!("{name}={}", encoded(value))
}

fn encoded(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// A body with another value of a field, or without it.
fn changed(body: &Value, at: &[&str], name: &str, value: Option<Value>) -> Value {
    let mut body = body.clone();
    let object = at.iter().fold(&mut body, |within, name| &mut within[*name]);
    let fields: Option<&mut Map<String, Value>> = object.as_object_mut();
    if let Some(fields) = fields {
        match value {
            Some(value) => drop(fields.insert(name.to_owned(), value)),
            None => drop(fields.shift_remove(name)),
        }
    }
    body
}
