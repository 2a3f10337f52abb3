//! Blocks: what a document is made of.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One block, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// A heading.
    Heading {
        /// 1 is the highest, 6 the lowest.
        level: u8,
        /// What it says.
        text: String,
    },
    /// Some sentences.
    Paragraph {
        /// What they say.
        text: String,
    },
    /// An item of a list.
    ListItem {
        /// How deep in other lists; 0 is the outermost.
        depth: u8,
        /// What it says, without its bullet; a number stays with it.
        text: String,
    },
    /// A table, or a part of one.
    Table(Table),
    /// Text whose line breaks and spaces count.
    Code {
        /// What it is written in, where that is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// What it says.
        text: String,
    },
}

/// A table, or a part of one: a long one comes in parts, each with the same caption and header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What is written above or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// What its columns are called; empty where they have no names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header: Vec<String>,
    /// Its rows, as many cells each as the widest has.
    pub rows: Vec<Vec<String>>,
    /// Whether it goes on where the block before it ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
}

/// Where something is, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Place {
    /// A page.
    Page(u32),
    /// A slide.
    Slide(u32),
    /// A range of cells in a sheet.
    Sheet {
        /// What the sheet is called.
        name: String,
        /// The cells, as `A1:D10`.
        cells: String,
    },
    /// A chapter of a book.
    Chapter(u32),
    /// A line of a text.
    Line(u32),
    /// A paragraph, where there are neither pages nor lines.
    Paragraph(u32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(page) => write!(f, "page {page}"),
            Self::Slide(slide) => write!(f, "slide {slide}"),
            Self::Sheet { name, cells } => write!(f, "sheet {name}, {cells}"),
            Self::Chapter(chapter) => write!(f, "chapter {chapter}"),
            Self::Line(line) => write!(f, "line {line}"),
            Self::Paragraph(paragraph) => write!(f, "paragraph {paragraph}"),
        }
    }
}
