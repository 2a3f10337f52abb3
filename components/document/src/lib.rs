//! What a document is once it is read: blocks in reading order, each with its place, and what could not be read.
//!
//! `parser` answers with it and `knowledge` keeps it. Over HTTP it travels as lines of JSON ([`lines`]): first the
//! [`Document`], then each [`Block`], so that neither side needs to hold all of it as text.

mod block;
pub mod lines;
mod text;

pub use block::{Block, Content, Place, Table};

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a document says of itself, and what was found while it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it is, whatever its name says.
    pub format: Format,
    /// A sentence where its name or declared type says something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its title, as its properties or its first heading give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The language most of it is in, as ISO 639-1 names it (`en`); none where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How many pages, slides, sheets or chapters it has; none where it has none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// How many blocks follow.
    pub blocks: usize,
    /// What could not be read; all else is in the blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// Portable Document Format.
    Pdf,
    /// A text of a word processor (Office Open XML).
    Docx,
    /// Slides (Office Open XML).
    Pptx,
    /// Sheets (Office Open XML).
    Xlsx,
    /// A page of the web.
    Html,
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
    /// Rows of values, separated by commas, semicolons or tabs.
    Csv,
    /// A book.
    Epub,
    /// A mail.
    Eml,
}

/// A part of a document that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Where it is; none: all of the document is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, in a sentence that says what to do.
    pub why: String,
}

/// Why something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reason {
    /// It is a picture of text: it may be drawn and read by `ocr`.
    Scanned,
    /// It is protected by a password.
    Encrypted,
    /// It is cut off, or not what its format demands.
    Damaged,
    /// It is more than is read.
    Limit,
    /// It holds nothing.
    Empty,
    /// It is of a kind that is not read: an old format, a drawing, an attachment.
    Unsupported,
}

impl Document {
    /// A document of which nothing is known yet.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            note: None,
            title: None,
            author: None,
            language: None,
            pages: None,
            blocks: 0,
            unread: Vec::new(),
        }
    }
}

impl Unread {
    /// What is at this place was not read.
    pub fn at(place: Place, reason: Reason, why: impl Into<String>) -> Self {
        let place = Some(place);
        let why = why.into();
        Self { place, reason, why }
    }

    /// Nothing of the document was read, or nothing more than there is.
    pub fn whole(reason: Reason, why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            place: None,
            reason,
            why,
        }
    }
}

impl Format {
    /// All that are read.
    pub const ALL: [Self; 10] = [
        Self::Pdf,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Html,
        Self::Markdown,
        Self::Text,
        Self::Csv,
        Self::Epub,
        Self::Eml,
    ];

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Docx => "DOCX",
            Self::Pptx => "PPTX",
            Self::Xlsx => "XLSX",
            Self::Html => "HTML",
            Self::Markdown => "Markdown",
            Self::Text => "plain text",
            Self::Csv => "CSV",
            Self::Epub => "EPUB",
            Self::Eml => "a mail",
        }
    }

    /// The content type it is served with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Pptx => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
            Self::Csv => "text/csv",
            Self::Epub => "application/epub+zip",
            Self::Eml => "message/rfc822",
        }
    }

    /// What the extension of a file name (`pdf`) promises.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "pdf" => Self::Pdf,
            "docx" | "docm" | "dotx" => Self::Docx,
            "pptx" | "pptm" | "ppsx" | "potx" => Self::Pptx,
            "xlsx" | "xlsm" | "xltx" => Self::Xlsx,
            "html" | "htm" | "xhtml" => Self::Html,
            "md" | "markdown" | "mdown" => Self::Markdown,
            "txt" | "text" | "log" => Self::Text,
            "csv" | "tsv" => Self::Csv,
            "epub" => Self::Epub,
            "eml" => Self::Eml,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
