//! Many OpenAPI documents into one.

use bytes::Bytes;
use sbd_contract::offer::METHODS;
use sbd_runtime::openapi::template;
use serde_json::{Map, Value, json};
use std::collections::btree_map::Entry;
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

/// What the merged document says about itself.
pub(crate) struct Info {
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
}

/// What one component offers, or the host. Its document is valid, and kept as text: parsed it takes many times
/// the memory.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) component: String,
    pub(crate) document: Bytes,
    /// The paths that count.
    pub(crate) paths: BTreeSet<String>,
}

/// New names of one document's components: (section, old name) to new name.
type Renames = BTreeMap<(String, String), String>;

/// Unites the documents in their order. The second value says what was left out and why.
pub(crate) fn merge(info: &Info, parts: Vec<Part>) -> (Value, Vec<String>) {
    let mut merged = Merged::default();
    for part in parts {
        if let Ok(document) = serde_json::from_slice(&part.document) {
            merged.add(&part.component, document, &part.paths);
        }
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
    tag_names: BTreeSet<String>,
    operations: BTreeSet<String>,
    warnings: Vec<String>,
}

// === impl Merged ===

impl Merged {
    fn add(&mut self, component: &str, mut document: Value, shown: &BTreeSet<String>) {
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
                if shown.contains(&path) {
                    self.add_path(component, path, item, security.as_ref());
                }
            }
        }
        if let Some(Value::Array(tags)) = document.remove("tags") {
            for tag in tags {
                let name = tag.get("name").and_then(Value::as_str);
                if name.is_some_and(|name| self.tag_names.insert(name.to_owned())) {
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
                "`{component}` offers {path:.200}, which another component offers already; the first one is shown"
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
        let mut changed = Vec::new();
        // By what is referred to: the alike that change with it.
        let mut alike: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for section in SECTIONS {
            let Some(Value::Object(entries)) = document.pointer(&format!("/components/{section}"))
            else {
                continue;
            };
            for (name, entry) in entries {
                let this = (section, name.as_str());
                match self.component(section, name) {
                    None => {}
                    Some(known) if known == entry => each_reference(entry, &mut |target| {
                        alike.entry(target).or_default().push(this);
                    }),
                    Some(_) => changed.push(this),
                }
            }
        }
        while let Some((section, name)) = changed.pop() {
            let old = (section.to_owned(), name.to_owned());
            if let Entry::Vacant(new) = renames.entry(old) {
                let taken = |name: &str| self.component(section, name).is_some();
                new.insert(free_name(component, name, taken));
                changed.extend(alike.remove(&(section, name)).unwrap_or_default());
            }
        }
        renames
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

/// Calls `found` with the section and name of everything that a value refers to.
fn each_reference<'a>(value: &'a Value, found: &mut impl FnMut((&'a str, &'a str))) {
    match value {
        Value::String(text) => {
            if let Some((section, name, _)) = reference(text) {
                found((section, name));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_reference(item, found)),
        Value::Object(fields) => fields
            .values()
            .for_each(|field| each_reference(field, found)),
        _ => {}
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::openapi::problems;

    fn part(component: &str, document: &Value) -> Part {
        Part {
            component: component.to_owned(),
            document: document.to_string().into(),
            paths: BTreeSet::new(),
        }
    }

    fn with(field: &str, value: Value) -> Value {
        let mut document = json!({
            "openapi": "3.1.0",
            "info": { "title": "part", "version": "1" },
            "paths": {},
        });
        document[field] = value;
        document
    }

    fn merged(parts: Vec<Part>) -> Value {
        let info = Info {
            title: "all".to_owned(),
            version: "1".to_owned(),
            description: None,
        };
        let (document, warnings) = merge(&info, parts);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(problems(&document), Vec::<String>::new());
        document
    }

    #[test]
    fn many_tags_keep_their_order_and_are_there_once() {
        let tags = |numbers: std::ops::Range<u32>, text: &str| {
            let tags = numbers.map(|n| json!({ "name": format!("t{n}"), "description": text }));
            with("tags", tags.collect())
        };
        let document = merged(vec![
            part("a", &tags(0..20_000, "first")),
            part("b", &tags(10_000..30_000, "second")),
        ]);
        let tags = document["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 30_000);
        for (n, tag) in tags.iter().enumerate() {
            let text = if n < 20_000 { "first" } else { "second" };
            assert_eq!(
                *tag,
                json!({ "name": format!("t{n}"), "description": text })
            );
        }
    }

    #[test]
    fn a_long_chain_of_names_is_renamed_when_its_end_differs() {
        const LENGTH: usize = 5000;
        let chain = |end: &str| {
            let mut schemas = Map::new();
            for n in 0..LENGTH {
                let next = format!("#/components/schemas/s{}", n + 1);
                schemas.insert(format!("s{n}"), json!({ "$ref": next }));
            }
            schemas.insert(format!("s{LENGTH}"), json!({ "type": end }));
            with("components", json!({ "schemas": schemas }))
        };
        let document = merged(vec![
            part("a", &chain("string")),
            part("b", &chain("integer")),
        ]);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(schemas.len(), 2 * (LENGTH + 1));
        assert_eq!(schemas["b_s0"]["$ref"], "#/components/schemas/b_s1");
    }
}
