//! Many OpenAPI documents into one.

use super::check;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The sections of `components`, each a name space of its own.
const SECTIONS: [&str; 10] = [
    "schemas",
    "responses",
    "parameters",
    "examples",
    "requestBodies",
    "headers",
    "securitySchemes",
    "links",
    "callbacks",
    "pathItems",
];

pub(crate) const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// What the merged document says about itself.
pub(crate) struct Info {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
}

/// What one component offers.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) component: String,
    pub(crate) document: Value,
}

/// New names of one document's components: (section, old name) to new name.
type Renames = BTreeMap<(String, String), String>;

/// Unites the documents in their order. A path counts only if `routed(component, path)`: what a
/// component offers but no route leads to is not part of the public API. A document that is not
/// valid is left out. The second value says what was left out and why.
pub(crate) fn merge(
    info: &Info,
    parts: Vec<Part>,
    routed: impl Fn(&str, &str) -> bool,
) -> (Value, Vec<String>) {
    let mut merged = Merged::default();
    for Part {
        component,
        document,
    } in parts
    {
        let problems = check::problems(&document);
        if let Some(first) = problems.first() {
            merged.warnings.push(format!(
                "the OpenAPI document of `{component}` is left out: {first} ({} in all)",
                problems.len()
            ));
            continue;
        }
        merged.add(&component, document, &routed);
    }
    let mut about = json!({ "title": info.title, "version": info.version });
    if let (Some(about), Some(text)) = (about.as_object_mut(), &info.description) {
        about.insert("description".to_owned(), text.as_str().into());
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": about,
        "paths": merged.paths,
        "components": merged.components,
        "tags": merged.tags,
    });
    (document, merged.warnings)
}

#[derive(Default)]
struct Merged {
    paths: Map<String, Value>,
    /// Paths with their parameters' names blanked: `/a/{id}` and `/a/{name}` are one to OpenAPI.
    templates: BTreeSet<String>,
    components: Map<String, Value>,
    tags: Vec<Value>,
    operations: BTreeSet<String>,
    warnings: Vec<String>,
}

// === impl Merged ===

impl Merged {
    fn add(&mut self, component: &str, mut document: Value, routed: &impl Fn(&str, &str) -> bool) {
        let renames = self.renames(component, &document);
        rewrite(&mut document, &renames);
        let Value::Object(mut document) = document else {
            return;
        };
        let security = document.remove("security");
        if let Some(Value::Object(sections)) = document.remove("components") {
            self.add_components(sections, &renames);
        }
        if let Some(Value::Object(paths)) = document.remove("paths") {
            for (path, item) in paths {
                if path.starts_with("/-/") || !routed(component, &path) {
                    continue;
                }
                self.add_path(component, path, item, security.as_ref());
            }
        }
        if let Some(Value::Array(tags)) = document.remove("tags") {
            for tag in tags {
                if !self
                    .tags
                    .iter()
                    .any(|known| known.get("name") == tag.get("name"))
                {
                    self.tags.push(tag);
                }
            }
        }
    }

    fn add_path(
        &mut self,
        component: &str,
        path: String,
        mut item: Value,
        security: Option<&Value>,
    ) {
        if !self.templates.insert(template(&path)) {
            self.warnings.push(format!(
                "`{component}` offers {path}, which another component offers already; the first one is shown"
            ));
            return;
        }
        for method in METHODS {
            let Some(Value::Object(operation)) = item.get_mut(method) else {
                continue;
            };
            // What a document says once for all its operations does not hold for the others'.
            if let (Some(security), false) = (security, operation.contains_key("security")) {
                operation.insert("security".to_owned(), security.clone());
            }
            if !operation.contains_key("tags") {
                operation.insert("tags".to_owned(), json!([component]));
            }
            if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                let unique = free_name(component, id, |name| self.operations.contains(name));
                self.operations.insert(unique.clone());
                operation.insert("operationId".to_owned(), unique.into());
            }
        }
        self.paths.insert(path, item);
    }

    fn add_components(&mut self, sections: Map<String, Value>, renames: &Renames) {
        for (section, entries) in sections {
            let Value::Object(entries) = entries else {
                continue;
            };
            let known = self
                .components
                .entry(section.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            let Some(known) = known.as_object_mut() else {
                continue;
            };
            for (name, entry) in entries {
                let name = renames
                    .get(&(section.clone(), name.clone()))
                    .cloned()
                    .unwrap_or(name);
                known.entry(name).or_insert(entry);
            }
        }
    }

    /// Names of this document that mean something else in what is merged so far. A name also
    /// means something else if what it refers to does.
    fn renames(&self, component: &str, document: &Value) -> Renames {
        let mut renames = Renames::new();
        let mut shared = Vec::new();
        for section in SECTIONS {
            let Some(Value::Object(entries)) = document.pointer(&format!("/components/{section}"))
            else {
                continue;
            };
            for (name, entry) in entries {
                match self.component(section, name) {
                    None => {}
                    Some(known) if known == entry => shared.push((section, name, entry)),
                    Some(_) => self.rename(&mut renames, component, section, name),
                }
            }
        }
        loop {
            let (moved, rest): (Vec<_>, Vec<_>) = shared
                .into_iter()
                .partition(|(_, _, entry)| refers_to_any(entry, &renames));
            shared = rest;
            if moved.is_empty() {
                return renames;
            }
            for (section, name, _) in moved {
                self.rename(&mut renames, component, section, name);
            }
        }
    }

    fn rename(&self, renames: &mut Renames, component: &str, section: &str, name: &str) {
        let new = free_name(component, name, |name| {
            self.component(section, name).is_some()
        });
        renames.insert((section.to_owned(), name.to_owned()), new);
    }

    fn component(&self, section: &str, name: &str) -> Option<&Value> {
        self.components.get(section)?.get(name)
    }
}

/// `name` if it is free, else `{component}_{name}`, else that with a number.
fn free_name(component: &str, name: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(name) {
        return name.to_owned();
    }
    let mut candidate = format!("{component}_{name}");
    let mut number = 2_u32;
    while taken(&candidate) {
        candidate = format!("{component}_{name}_{number}");
        number += 1;
    }
    candidate
}

/// `/a/{id}/b` as `/a/{}/b`.
pub(crate) fn template(path: &str) -> String {
    path.split('/')
        .map(|segment| match segment.strip_prefix('{') {
            Some(rest) if rest.ends_with('}') => "{}",
            _ => segment,
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// `#/components/{section}/{name}`, with whatever follows the name.
fn reference(text: &str) -> Option<(&str, &str, &str)> {
    let (section, rest) = text.strip_prefix("#/components/")?.split_once('/')?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (name, tail) = rest.split_at(end);
    Some((section, name, tail))
}

fn renamed(text: &str, renames: &Renames) -> Option<String> {
    let (section, name, tail) = reference(text)?;
    let new = renames.get(&(section.to_owned(), name.to_owned()))?;
    Some(format!("#/components/{section}/{new}{tail}"))
}

fn refers_to_any(value: &Value, renames: &Renames) -> bool {
    match value {
        Value::String(text) => renamed(text, renames).is_some(),
        Value::Array(items) => items.iter().any(|item| refers_to_any(item, renames)),
        Value::Object(fields) => fields.values().any(|field| refers_to_any(field, renames)),
        _ => false,
    }
}

/// Follows the renames wherever a name is used: `$ref`, discriminator mappings (both are strings
/// that point into the document) and the security requirements of operations.
fn rewrite(value: &mut Value, renames: &Renames) {
    if renames.is_empty() {
        return;
    }
    match value {
        Value::String(text) => {
            if let Some(new) = renamed(text, renames) {
                *text = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, renames)),
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                if key == "security" {
                    rename_requirements(field, renames);
                }
                rewrite(field, renames);
            }
        }
        _ => {}
    }
}

fn rename_requirements(requirements: &mut Value, renames: &Renames) {
    let Value::Array(requirements) = requirements else {
        return;
    };
    for requirement in requirements {
        let Value::Object(schemes) = requirement else {
            continue;
        };
        *schemes = std::mem::take(schemes)
            .into_iter()
            .map(|(name, scopes)| {
                let new = renames.get(&("securitySchemes".to_owned(), name.clone()));
                (new.cloned().unwrap_or(name), scopes)
            })
            .collect();
    }
}
