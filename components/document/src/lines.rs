//! A document as lines of JSON: the document, then a line for each of its blocks.

use crate::{Block, Document};
use std::fmt;

/// The content type of it.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// The longest line there may be. A block is far shorter; whoever sends a longer one is not the parser.
const LONGEST: usize = 4 << 20;

/// Why lines are no document.
#[derive(Debug)]
pub enum Error {
    /// A line is not what it has to be.
    Line(serde_json::Error),
    /// A line is too long.
    TooLong,
    /// There are fewer or more blocks than the document says, as after a connection that broke.
    Blocks {
        /// So many are said to be there.
        said: usize,
        /// So many came.
        came: usize,
    },
    /// There is not even a first line.
    Nothing,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(error) => write!(f, "a line is no part of a document: {error}"),
            Self::TooLong => f.write_str("a line is too long for a part of a document"),
            Self::Blocks { said, came } => {
                write!(f, "{came} blocks came of a document that has {said}")
            }
            Self::Nothing => f.write_str("no document came"),
        }
    }
}

impl std::error::Error for Error {}

/// The line of the document itself. What it says of `blocks` has to be true of those that follow.
///
/// # Errors
/// None that a document could lead to.
pub fn first(document: &Document) -> serde_json::Result<String> {
    serde_json::to_string(document).map(|line| line + "\n")
}

/// The line of a block.
///
/// # Errors
/// None that a block could lead to.
pub fn next(block: &Block) -> serde_json::Result<String> {
    serde_json::to_string(block).map(|line| line + "\n")
}

/// Reads a document from its lines, in whatever pieces they come.
#[derive(Default)]
pub struct Reader {
    document: Option<Document>,
    came: usize,
    rest: Vec<u8>,
}

impl Reader {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The document, as soon as its line has come.
    pub fn document(&self) -> Option<&Document> {
        self.document.as_ref()
    }

    /// More has come: the blocks that are whole now.
    ///
    /// # Errors
    /// Where it is no document.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Block>, Error> {
        let mut blocks = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if self.rest.len() > LONGEST {
                return Err(Error::TooLong);
            }
            if part.ends_with(b"\n") {
                blocks.extend(self.line()?);
                self.rest.clear();
            }
        }
        Ok(blocks)
    }

    /// Nothing more will come.
    ///
    /// # Errors
    /// Where something is missing.
    pub fn finish(self) -> Result<Document, Error> {
        let document = self.document.ok_or(Error::Nothing)?;
        if document.blocks != self.came || !self.rest.is_empty() {
            return Err(Error::Blocks {
                said: document.blocks,
                came: self.came,
            });
        }
        Ok(document)
    }

    fn line(&mut self) -> Result<Option<Block>, Error> {
        if self.document.is_none() {
            self.document = Some(serde_json::from_slice(&self.rest).map_err(Error::Line)?);
            return Ok(None);
        }
        self.came += 1;
        serde_json::from_slice(&self.rest)
            .map(Some)
            .map_err(Error::Line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{Content, Format, Place, Reason, Table, Unread};

    fn lines() -> (Document, Vec<Block>, String) {
        let mut document = Document::new(Format::Xlsx);
        document.title = Some("Übersicht\nof all".to_owned());
        let why = "page 3 is a scanned picture";
        document
            .unread
            .push(Unread::at(Place::Page(3), Reason::Scanned, why));
        let sheet = Place::Sheet {
            name: "Costs".to_owned(),
            cells: "A1:B2".to_owned(),
        };
        let table = Table {
            header: vec!["a".to_owned()],
            rows: vec![vec!["1".to_owned()]],
            ..Table::default()
        };
        let blocks = vec![
            Block {
                place: Place::Line(7),
                content: Content::Paragraph {
                    text: "one\ntwo".to_owned(),
                },
            },
            Block {
                place: sheet,
                content: Content::Table(table),
            },
        ];
        document.blocks = blocks.len();
        let mut text = first(&document).unwrap();
        for block in &blocks {
            text += &next(block).unwrap();
        }
        (document, blocks, text)
    }

    #[test]
    fn what_is_written_is_read_in_pieces_of_any_size() {
        let (document, blocks, text) = lines();
        assert_eq!(text.lines().count(), 3);
        for size in [1, 2, 7, text.len()] {
            let mut reader = Reader::new();
            let mut read = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                read.extend(reader.push(piece).unwrap());
            }
            assert_eq!(read, blocks);
            assert_eq!(reader.finish().unwrap(), document);
        }
    }

    #[test]
    fn what_is_cut_off_is_no_document() {
        let (_, _, text) = lines();
        for length in 0..text.len() {
            let mut reader = Reader::new();
            reader.push(&text.as_bytes()[..length]).unwrap();
            reader.finish().unwrap_err();
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut reader = Reader::new();
        let piece = vec![b' '; 1 << 20];
        let refused = (0..5).find_map(|_| reader.push(&piece).err());
        assert!(matches!(refused, Some(Error::TooLong)));
    }
}
