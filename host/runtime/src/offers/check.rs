//! Is this a valid OpenAPI 3.1 document? The rules that documents break in practice.

use sbd_contract::offer::METHODS;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Arguments;

/// Deepest nesting that is followed: a document from a guest must not exhaust the stack.
const DEEPEST: usize = 64;

/// Most problems that are told: each may quote a long name again.
const MOST_FOUND: usize = 16;

/// Most operations; a path without one counts too. Each gets a copy of the document's `security`.
const MOST_OPERATIONS: usize = 1000;

/// Most entries of the document's `security`.
const MOST_REQUIREMENTS: usize = 16;

/// Longest `security` of the document, as JSON: one entry can be as large as many.
const LONGEST_REQUIREMENTS: usize = 1024;

/// Where `document` is not valid OpenAPI 3.1: missing fields, references and security schemes
/// that lead nowhere, operation ids used twice, path parameters that are not declared, paths that
/// are the same; and where it is larger than this host serves. Empty if nothing was found, and no
/// more than the first few.
pub fn problems(document: &Value) -> Vec<String> {
    let mut check = Check {
        document,
        found: Vec::new(),
        operations: BTreeSet::new(),
    };
    check.whole();
    check.found
}

struct Check<'a> {
    document: &'a Value,
    found: Vec<String>,
    operations: BTreeSet<&'a str>,
}

// === impl Check ===

impl<'a> Check<'a> {
    fn problem(&mut self, text: Arguments<'_>) {
        if self.found.len() < MOST_FOUND {
            self.found.push(text.to_string());
        }
    }

    fn whole(&mut self) {
        let document = self.document;
        let version = document.get("openapi").and_then(Value::as_str);
        if !version.is_some_and(|version| version.starts_with("3.1.")) {
            self.problem(format_args!("`openapi` is not 3.1"));
        }
        for field in ["title", "version"] {
            let text = document.get("info").and_then(|info| info.get(field));
            if !text.is_some_and(Value::is_string) {
                self.problem(format_args!("`info.{field}` is missing"));
            }
        }
        let sections = ["paths", "components", "webhooks"];
        if !sections
            .iter()
            .any(|section| document.get(section).is_some())
        {
            self.problem(format_args!("there is neither `paths` nor `components`"));
        }
        self.component_names();
        self.references(document, "", 0);
        self.size();
        self.requirements(document.get("security"), "the document");
        self.tags();
        let mut templates = BTreeSet::new();
        for (path, item) in self.object(document.get("paths"), "`paths`") {
            if !path.starts_with('/') {
                self.problem(format_args!("path `{path}` does not begin with /"));
            }
            if !templates.insert(template(path)) {
                self.problem(format_args!("path `{path}` is there twice"));
            }
            self.path(path, item);
        }
    }

    /// What is said once for all operations becomes part of each: their product must stay small.
    fn size(&mut self) {
        let paths = self.document.get("paths").and_then(Value::as_object);
        let operations: usize = paths
            .into_iter()
            .flat_map(Map::values)
            .map(|item| METHODS.iter().filter(|method| item.get(method).is_some()))
            .map(|methods| methods.count().max(1))
            .sum();
        if operations > MOST_OPERATIONS {
            self.problem(format_args!(
                "there are more than {MOST_OPERATIONS} operations"
            ));
        }
        let Some(security) = self.document.get("security") else {
            return;
        };
        if security.as_array().map_or(0, Vec::len) > MOST_REQUIREMENTS {
            self.problem(format_args!(
                "`security` has more than {MOST_REQUIREMENTS} entries"
            ));
        }
        if security.to_string().len() > LONGEST_REQUIREMENTS {
            self.problem(format_args!(
                "`security` is longer than {LONGEST_REQUIREMENTS} bytes"
            ));
        }
    }

    fn path(&mut self, path: &'a str, item: &'a Value) {
        if !item.is_object() {
            self.problem(format_args!("path `{path}` is not an object"));
        }
        let of_path = self.parameters(item.get("parameters"), path);
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let at = format!("{} {path}", method.to_ascii_uppercase());
            if !operation.is_object() {
                self.problem(format_args!("{at} is not an object"));
            }
            if let Some(id) = operation.get("operationId") {
                match id.as_str() {
                    Some(id) if self.operations.insert(id) => {}
                    Some(id) => self.problem(format_args!("operationId `{id}` is used twice")),
                    None => self.problem(format_args!("{at}: operationId is not a string")),
                }
            }
            let mut declared = self.parameters(operation.get("parameters"), &at);
            declared.extend(of_path.iter().copied());
            for name in placeholders(path) {
                if !declared.contains(name) {
                    self.problem(format_args!(
                        "{at}: path parameter `{name}` is not declared"
                    ));
                }
            }
            self.requirements(operation.get("security"), &at);
            self.responses(operation.get("responses"), &at);
        }
    }

    fn responses(&mut self, responses: Option<&'a Value>, at: &str) {
        for (status, response) in self.object(responses, "`responses`") {
            let code = status.as_bytes();
            let known = status == "default"
                || matches!(code, [b'1'..=b'5', rest @ ..] if rest.len() == 2
                    && (rest == b"XX" || rest.iter().all(u8::is_ascii_digit)));
            if !known && !status.starts_with("x-") {
                self.problem(format_args!("{at}: `{status}` is not a response status"));
            }
            let described = response.get("description").is_some_and(Value::is_string);
            if !described && response.get("$ref").is_none() {
                self.problem(format_args!("{at}: response {status} has no description"));
            }
        }
    }

    /// The names of the path parameters that a list declares.
    fn parameters(&mut self, list: Option<&'a Value>, at: &str) -> BTreeSet<&'a str> {
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let Some(list) = list else {
            return names;
        };
        let Some(list) = list.as_array() else {
            self.problem(format_args!("{at}: `parameters` is not a list"));
            return names;
        };
        for parameter in list {
            let parameter = self.resolved(parameter);
            let name = parameter.get("name").and_then(Value::as_str);
            let place = parameter.get("in").and_then(Value::as_str);
            let (Some(name), Some(place)) = (name, place) else {
                self.problem(format_args!("{at}: a parameter has no `name` or no `in`"));
                continue;
            };
            if !["path", "query", "header", "cookie"].contains(&place) {
                self.problem(format_args!("{at}: parameter `{name}` is in `{place}`"));
            }
            if !seen.insert((name, place)) {
                self.problem(format_args!("{at}: parameter `{name}` is there twice"));
            }
            if parameter.get("schema").is_none() && parameter.get("content").is_none() {
                self.problem(format_args!("{at}: parameter `{name}` has no schema"));
            }
            if place == "path" {
                if parameter.get("required") != Some(&Value::Bool(true)) {
                    self.problem(format_args!(
                        "{at}: path parameter `{name}` is not required"
                    ));
                }
                names.insert(name);
            }
        }
        names
    }

    fn requirements(&mut self, security: Option<&'a Value>, at: &str) {
        let Some(security) = security else {
            return;
        };
        let Some(list) = security.as_array() else {
            self.problem(format_args!("{at}: `security` is not a list"));
            return;
        };
        for name in list.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            let schemes = self.document.pointer("/components/securitySchemes");
            if schemes.and_then(|schemes| schemes.get(name)).is_none() {
                self.problem(format_args!(
                    "{at}: security scheme `{name}` is not defined"
                ));
            }
        }
    }

    fn tags(&mut self) {
        let Some(tags) = self.document.get("tags") else {
            return;
        };
        let mut seen = BTreeSet::new();
        for tag in tags.as_array().into_iter().flatten() {
            match tag.get("name").and_then(Value::as_str) {
                Some(name) if seen.insert(name) => {}
                Some(name) => self.problem(format_args!("tag `{name}` is there twice")),
                None => self.problem(format_args!("a tag has no name")),
            }
        }
        if !tags.is_array() {
            self.problem(format_args!("`tags` is not a list"));
        }
    }

    fn component_names(&mut self) {
        for (section, entries) in self.object(self.document.get("components"), "`components`") {
            if section.starts_with("x-") {
                continue;
            }
            for (name, _) in self.object(Some(entries), "a section of `components`") {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
                if name.is_empty() || !name.bytes().all(allowed) {
                    self.problem(format_args!("`{name}` is not a name for one of {section}"));
                }
            }
        }
    }

    /// Every `$ref` must lead somewhere inside the document.
    fn references(&mut self, value: &'a Value, key: &str, depth: usize) {
        if depth > DEEPEST {
            self.problem(format_args!("it is nested too deep"));
            return;
        }
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    let found = target
                        .strip_prefix('#')
                        .and_then(|pointer| self.document.pointer(pointer));
                    if found.is_none() {
                        self.problem(format_args!("`{target}` leads nowhere"));
                    }
                }
                for (name, field) in fields {
                    // In data, `$ref` is data.
                    if !["example", "examples", "default", "const", "enum"].contains(&name.as_str())
                        || key == "properties"
                    {
                        self.references(field, name, depth + 1);
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.references(item, key, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn resolved(&self, value: &'a Value) -> &'a Value {
        value
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|target| self.document.pointer(target.strip_prefix('#')?))
            .unwrap_or(value)
    }

    fn object(
        &mut self,
        value: Option<&'a Value>,
        what: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let fields = value.and_then(Value::as_object);
        if value.is_some() && fields.is_none() {
            self.problem(format_args!("{what} is not an object"));
        }
        fields
            .into_iter()
            .flatten()
            .map(|(name, field)| (name.as_str(), field))
    }
}

/// The names in braces of a path.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// `/a/{id}/b` as `/a/{}/b`: to OpenAPI, paths that differ in the names of parameters alone are one.
pub fn template(path: &str) -> String {
    path.split('/')
        .map(|segment| match segment.strip_prefix('{') {
            Some(rest) if rest.ends_with('}') => "{}",
            _ => segment,
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    /// A small valid document whose one path answers with `Page` of `Item`.
    fn document(path: &str, item: &Value) -> Value {
        json!({
            "openapi": "3.1.0",
            "info": { "title": "part", "version": "1" },
            "security": [{ "bearer": [] }],
            "paths": { path: { "get": {
                "operationId": "list",
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
                "responses": { "200": {
                    "description": "the page",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Page" } } }
                } }
            } } },
            "components": {
                "schemas": {
                    "Page": { "type": "array", "items": { "$ref": "#/components/schemas/Item" } },
                    "Item": item,
                    "Error": { "type": "object" }
                },
                "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } }
            },
            "tags": [{ "name": "shared" }]
        })
    }

    type Spoil = fn(&mut Value);

    #[test]
    fn the_rules_find_what_breaks_them() {
        let good = document("/echo/{id}", &json!({}));
        assert_eq!(problems(&good), Vec::<String>::new());
        let broken: [(&str, Spoil); 12] = [
            ("3.1", |d| d["openapi"] = json!("3.0.3")),
            ("info.title", |d| d["info"] = json!({ "version": "1" })),
            ("leads nowhere", |d| {
                d["components"]["schemas"]["Page"]["items"]["$ref"] = json!("#/nowhere")
            }),
            ("leads nowhere", |d| {
                d["components"]["schemas"]["Page"]["items"]["$ref"] = json!("other.json")
            }),
            ("not declared", |d| {
                d["paths"]["/echo/{id}"]["get"]["parameters"] = json!([])
            }),
            ("not required", |d| {
                d["paths"]["/echo/{id}"]["get"]["parameters"][0]["required"] = json!(false)
            }),
            ("no schema", |d| {
                d["paths"]["/echo/{id}"]["get"]["parameters"][0] =
                    json!({ "name": "id", "in": "path", "required": true });
            }),
            ("used twice", |d| {
                let item = d["paths"]["/echo/{id}"].clone();
                d["paths"]["/more/{id}"] = item;
            }),
            ("there twice", |d| {
                let mut item = d["paths"]["/echo/{id}"].clone();
                item["get"]["operationId"] = json!("again");
                item["get"]["parameters"][0]["name"] = json!("name");
                d["paths"]["/echo/{name}"] = item;
            }),
            ("not defined", |d| d["security"] = json!([{ "cookie": [] }])),
            ("no description", |d| {
                d["paths"]["/echo/{id}"]["get"]["responses"]["200"] = json!({})
            }),
            ("not a response status", |d| {
                d["paths"]["/echo/{id}"]["get"]["responses"] =
                    json!({ "600": { "description": "" } })
            }),
        ];
        for (expected, spoil) in broken {
            let mut document = good.clone();
            spoil(&mut document);
            let found = problems(&document);
            assert!(
                found.iter().any(|problem| problem.contains(expected)),
                "{expected}: {found:?}"
            );
        }
    }

    #[test]
    fn what_would_be_copied_often_is_small() {
        let mut good = document("/echo/{id}", &json!({}));
        good["security"] = json!(vec![json!({ "bearer": [] }); 16]);
        for n in 1..1000 {
            good["paths"][format!("/echo/{n}")] = json!({ "get": {} });
        }
        assert_eq!(problems(&good), Vec::<String>::new());
        let broken: [(&str, Spoil); 3] = [
            ("more than 16 entries", |d| {
                d["security"] = json!(vec![json!({}); 17])
            }),
            ("longer than 1024 bytes", |d| {
                d["security"] = json!([{ "bearer": ["x".repeat(1024)] }])
            }),
            ("more than 1000 operations", |d| {
                d["paths"]["/echo/1"]["put"] = json!({})
            }),
        ];
        for (expected, spoil) in broken {
            let mut document = good.clone();
            spoil(&mut document);
            let found = problems(&document);
            assert!(
                matches!(&found[..], [only] if only.contains(expected)),
                "{expected}: {found:?}"
            );
        }
    }

    #[test]
    fn many_problems_are_not_all_told() {
        let mut bad = document("/echo/{id}", &json!({}));
        for n in 0..1000 {
            bad["paths"]["/echo/{id}"]["get"]["responses"][format!("x{n}")] = json!({});
        }
        assert_eq!(problems(&bad).len(), 16);
    }
}
