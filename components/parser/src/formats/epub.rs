//! EPUB: the chapters of a book in the order they are read in, each a page of HTML.

use super::{Read, html, office};
use crate::archive::{self, Archive};
use crate::output::Output;
use crate::xml::{self, Node};
use crate::{charset, language};
use document::{Place, Reason, Unread};
use std::collections::HashMap;

pub(crate) fn read(bytes: &[u8], out: &mut Output) -> Read {
    let mut archive = Archive::open(bytes)?;
    let Some(package) = package(&mut archive) else {
        return Err(missing());
    };
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
    let chapters = chapters(&mut archive, &package, out);
    let locked = archive.has("META-INF/encryption.xml") && archive.has("META-INF/rights.xml");
    out.document.pages = u32::try_from(chapters.len()).ok();
    let mut read = 0;
    for (chapter, number) in chapters.iter().zip(1..) {
        if out.is_late() {
            break;
        }
        let file = office::resolve(folder, &unescape(chapter));
        let place = Place::Chapter(number);
        match archive.bytes(&file) {
            Some(page) if !locked => {
                // The title of a chapter is not the title of the book.
                let (title, said) = (out.document.title.take(), out.document.language.take());
                html::page(&charset::decode(&page, None), &mut |_| place.clone(), out);
                out.document.title = title;
                out.document.language = said.or(out.document.language.take());
                read += 1;
            }
            Some(_) => {}
            None => {
                let why = format!("chapter {number} is missing or damaged in the file");
                out.unread(Unread::at(place, Reason::Damaged, why));
            }
        }
    }
    match read {
        _ if locked => Err(archive::encrypted()),
        0 => Err(missing()),
        _ => Ok(()),
    }
}

fn missing() -> Unread {
    Unread::whole(
        Reason::Damaged,
        "the chapters of this EPUB are missing; get the book again from where it came from",
    )
}

/// The file that says what the book consists of.
fn package(archive: &mut Archive<'_>) -> Option<String> {
    let mut package = None;
    let source = archive.file("META-INF/container.xml")?;
    let _ = xml::walk(source, |node| {
        if let Node::Open("rootfile", element) = node {
            package = element.get("full-path");
        }
        package.is_none()
    });
    package.filter(|package| archive.has(package))
}

fn chapters(archive: &mut Archive<'_>, package: &str, out: &mut Output) -> Vec<String> {
    let (mut files, mut chapters) = (HashMap::new(), Vec::new());
    let Some(source) = archive.file(package) else {
        return chapters;
    };
    let mut property = String::new();
    let document = &mut out.document;
    let _ = xml::walk(source, |node| {
        match node {
            Node::Open("item", element) => {
                if let (Some(id), Some(file)) = (element.get("id"), element.get("href")) {
                    files.insert(id, file);
                }
            }
            Node::Open("itemref", element) => {
                let id = element.get("idref");
                chapters.extend(id.and_then(|id| files.get(&id).cloned()));
            }
            Node::Open(name, _) => property = name.to_owned(),
            Node::Close(_) => property.clear(),
            Node::Text(text) => match property.as_str() {
                "title" if document.title.is_none() => document.title = Some(text.to_owned()),
                "creator" if document.author.is_none() => document.author = Some(text.to_owned()),
                "language" => document.language = language::said(text),
                _ => {}
            },
        }
        chapters.len() < 10_000 && files.len() < 100_000
    });
    chapters
}

/// The name of a file out of an address: `a%20b.xhtml#part`.
fn unescape(address: &str) -> String {
    let address = address.split('#').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(address.len());
    let mut rest = address.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match after.get(..2).filter(|_| *first == b'%').and_then(hex) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
