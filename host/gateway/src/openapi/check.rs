//! Is this a valid OpenAPI 3.1 document? The rules that documents break in practice.

use super::merge::{METHODS, template};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Deepest nesting that is followed: a document from a guest must not exhaust the stack.
const DEEPEST: usize = 64;

/// Where `document` is not valid OpenAPI 3.1: missing fields, references and security schemes
/// that lead nowhere, operation ids used twice, path parameters that are not declared, paths that
/// are the same. Empty if nothing was found.
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
    fn whole(&mut self) {
        let document = self.document;
        let version = document.get("openapi").and_then(Value::as_str);
        if !version.is_some_and(|version| version.starts_with("3.1.")) {
            self.found.push("`openapi` is not 3.1".to_owned());
        }
        for field in ["title", "version"] {
            let text = document.get("info").and_then(|info| info.get(field));
            if !text.is_some_and(Value::is_string) {
                self.found.push(format!("`info.{field}` is missing"));
            }
        }
        let sections = ["paths", "components", "webhooks"];
        if !sections
            .iter()
            .any(|section| document.get(section).is_some())
        {
            self.found
                .push("there is neither `paths` nor `components`".to_owned());
        }
        self.component_names();
        self.references(document, "", 0);
        self.requirements(document.get("security"), "the document");
        self.tags();
        let mut templates = BTreeSet::new();
        for (path, item) in self.object(document.get("paths"), "`paths`") {
            if !path.starts_with('/') {
                self.found
                    .push(format!("path `{path}` does not begin with /"));
            }
            if !templates.insert(template(path)) {
                self.found.push(format!("path `{path}` is there twice"));
            }
            self.path(path, item);
        }
    }

    fn path(&mut self, path: &'a str, item: &'a Value) {
        if !item.is_object() {
            self.found.push(format!("path `{path}` is not an object"));
        }
        let of_path = self.parameters(item.get("parameters"), path);
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let at = format!("{} {path}", method.to_ascii_uppercase());
            if !operation.is_object() {
                self.found.push(format!("{at} is not an object"));
            }
            if let Some(id) = operation.get("operationId") {
                match id.as_str() {
                    Some(id) if self.operations.insert(id) => {}
                    Some(id) => self.found.push(format!("operationId `{id}` is used twice")),
                    None => self
                        .found
                        .push(format!("{at}: operationId is not a string")),
                }
            }
            let mut declared = self.parameters(operation.get("parameters"), &at);
            declared.extend(of_path.iter().copied());
            for name in placeholders(path) {
                if !declared.contains(name) {
                    self.found
                        .push(format!("{at}: path parameter `{name}` is not declared"));
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
                self.found
                    .push(format!("{at}: `{status}` is not a response status"));
            }
            let described = response.get("description").is_some_and(Value::is_string);
            if !described && response.get("$ref").is_none() {
                self.found
                    .push(format!("{at}: response {status} has no description"));
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
            self.found.push(format!("{at}: `parameters` is not a list"));
            return names;
        };
        for parameter in list {
            let parameter = self.resolved(parameter);
            let name = parameter.get("name").and_then(Value::as_str);
            let place = parameter.get("in").and_then(Value::as_str);
            let (Some(name), Some(place)) = (name, place) else {
                self.found
                    .push(format!("{at}: a parameter has no `name` or no `in`"));
                continue;
            };
            if !["path", "query", "header", "cookie"].contains(&place) {
                self.found
                    .push(format!("{at}: parameter `{name}` is in `{place}`"));
            }
            if !seen.insert((name, place)) {
                self.found
                    .push(format!("{at}: parameter `{name}` is there twice"));
            }
            if parameter.get("schema").is_none() && parameter.get("content").is_none() {
                self.found
                    .push(format!("{at}: parameter `{name}` has no schema"));
            }
            if place == "path" {
                if parameter.get("required") != Some(&Value::Bool(true)) {
                    self.found
                        .push(format!("{at}: path parameter `{name}` is not required"));
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
            self.found.push(format!("{at}: `security` is not a list"));
            return;
        };
        for name in list.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            let schemes = self.document.pointer("/components/securitySchemes");
            if schemes.and_then(|schemes| schemes.get(name)).is_none() {
                self.found
                    .push(format!("{at}: security scheme `{name}` is not defined"));
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
                Some(name) => self.found.push(format!("tag `{name}` is there twice")),
                None => self.found.push("a tag has no name".to_owned()),
            }
        }
        if !tags.is_array() {
            self.found.push("`tags` is not a list".to_owned());
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
                    self.found
                        .push(format!("`{name}` is not a name for one of {section}"));
                }
            }
        }
    }

    /// Every `$ref` must lead somewhere inside the document.
    fn references(&mut self, value: &'a Value, key: &str, depth: usize) {
        if depth > DEEPEST {
            self.found.push("it is nested too deep".to_owned());
            return;
        }
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    let found = target
                        .strip_prefix('#')
                        .and_then(|pointer| self.document.pointer(pointer));
                    if found.is_none() {
                        self.found.push(format!("`{target}` leads nowhere"));
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
            self.found.push(format!("{what} is not an object"));
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
