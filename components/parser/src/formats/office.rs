//! What Office Open XML has in common: relations between files, and properties of the document.

use crate::archive::Archive;
use crate::language;
use crate::output::Output;
use crate::xml::{self, Node};
use std::collections::HashMap;

/// The relations of a file of the archive: their names, and the files they lead to.
pub(super) fn relations(archive: &mut Archive<'_>, of: &str) -> HashMap<String, Relation> {
    let (folder, name) = of.rsplit_once('/').unwrap_or(("", of));
    let file = format!("{folder}/_rels/{name}.rels");
    let mut relations = HashMap::new();
    let Some(source) = archive.file(file.trim_start_matches('/')) else {
        return relations;
    };
    // What comes before something wrong counts.
    let _ = xml::walk(source, |node| {
        if let Node::Open("Relationship", element) = node
            && let (Some(id), Some(target)) = (element.get("Id"), element.get("Target"))
            && element.get("TargetMode").as_deref() != Some("External")
        {
            let kind = element.get("Type").unwrap_or_default();
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            let file = resolve(folder, &target);
            relations.insert(id, Relation { kind, file });
        }
        relations.len() < 100_000
    });
    relations
}

/// Where a file leads.
pub(super) struct Relation {
    /// `slide`, `notesSlide`, `footnotes`.
    pub(super) kind: String,
    pub(super) file: String,
}

/// A file as the archive names it, of how another one of this folder names it.
pub(super) fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<_> = match target.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The file that is the document itself.
pub(super) fn main_file(archive: &mut Archive<'_>, usual: &str) -> String {
    let relations = relations(archive, "");
    let main = relations.into_values();
    let mut main = main.filter(|relation| relation.kind == "officeDocument");
    main.next()
        .map(|relation| relation.file)
        .filter(|file| archive.has(file))
        .unwrap_or_else(|| usual.to_owned())
}

/// Title, author and language, as the properties say them.
pub(super) fn properties(archive: &mut Archive<'_>, out: &mut Output) {
    let Some(source) = archive.file("docProps/core.xml") else {
        return;
    };
    let mut property = None::<String>;
    let document = &mut out.document;
    let _ = xml::walk(source, |node| {
        match node {
            Node::Open(name, _) => property = Some(name.to_owned()),
            Node::Close(_) => property = None,
            Node::Text(text) => match property.as_deref() {
                Some("title") => document.title.get_or_insert_default().push_str(text),
                Some("creator") => document.author.get_or_insert_default().push_str(text),
                Some("language") => document.language = language::said(text),
                _ => {}
            },
        }
        true
    });
}
