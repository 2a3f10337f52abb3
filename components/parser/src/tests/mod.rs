//! Whole documents, in and out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod documents;
mod over_http;
mod pdfs;
mod second_opinion;

use crate::reading::{self, Said};
use document::{Block, Content, Document, Reason};

/// A document of `tests/fixtures`.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/fixtures/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

/// Reads a document of `tests/fixtures`.
fn read_fixture(name: &str) -> (Document, Vec<Block>) {
    read(&fixture(name), name)
}

/// Reads a document under a name.
fn read(bytes: &[u8], name: &str) -> (Document, Vec<Block>) {
    let said = Said {
        name: Some(name),
        content_type: None,
    };
    reading::read(bytes, said).unwrap()
}

/// All blocks as text, one a line.
fn text(blocks: &[Block]) -> String {
    let lines: Vec<_> = blocks
        .iter()
        .map(|block| block.content.to_string())
        .collect();
    lines.join("\n")
}

/// The headings with their levels.
fn headings(blocks: &[Block]) -> Vec<(u8, &str)> {
    let headings = blocks.iter().filter_map(|block| match &block.content {
        Content::Heading { level, text } => Some((*level, text.as_str())),
        _ => None,
    });
    headings.collect()
}

/// The items with their depths.
fn items(blocks: &[Block]) -> Vec<(u8, &str)> {
    let items = blocks.iter().filter_map(|block| match &block.content {
        Content::ListItem { depth, text } => Some((*depth, text.as_str())),
        _ => None,
    });
    items.collect()
}

/// The tables.
fn tables(blocks: &[Block]) -> Vec<&document::Table> {
    let tables = blocks.iter().filter_map(|block| match &block.content {
        Content::Table(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

/// Why a document was not read, or not all of it.
fn reasons(document: &Document) -> Vec<Reason> {
    document.unread.iter().map(|unread| unread.reason).collect()
}
