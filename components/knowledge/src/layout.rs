//! The text of a document as it is kept: its blocks as Markdown, one below the other, and where each of them is.

use document::{Block, Content, Place, Table};
use sbd_sdk::csv;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Bytes of text that are kept of a document at most: ten thousand pages.
pub(crate) const MOST_TEXT: usize = 20_000_000;

/// The text of a document, and its blocks in order.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Laid>,
    pub(crate) tables: Vec<Tabled>,
    /// Where it was cut off, because there was more than is kept.
    pub(crate) cut_at: Option<Place>,
    characters: u64,
}

/// A block in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Laid {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    /// Where it is, in bytes.
    pub(crate) bytes: Range<usize>,
    /// Where the rows of a table are.
    pub(crate) rows: Vec<Range<usize>>,
    /// What the columns of a table are called, as a line.
    pub(crate) header: Option<String>,
    /// Whether it goes on with the table before it, and does not say again what the columns are called.
    pub(crate) is_continued: bool,
    /// Where it is, in characters.
    characters: Range<u64>,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Heading(u8),
    Paragraph,
    ListItem,
    Table,
    Code,
}

/// A table, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tabled {
    pub(crate) place: Place,
    /// Where its first part is in the text, in characters.
    pub(crate) start: u64,
    pub(crate) caption: Option<String>,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// What is kept of a block beside the text: one line of JSON each.
#[derive(Serialize)]
struct Outlined<'a> {
    kind: Kind,
    place: &'a Place,
    start: u64,
    end: u64,
}

// === impl Layout ===

impl Layout {
    /// Adds a block, if there is room for it.
    pub(crate) fn push(&mut self, block: &Block) {
        if self.cut_at.is_some() {
            return;
        }
        let (before, written) = (self.text.len(), self.characters);
        let continues = matches!(&block.content, Content::Table(table) if table.continued)
            && self
                .blocks
                .last()
                .is_some_and(|last| last.kind == Kind::Table);
        if before > 0 {
            self.write(if continues { "\n" } else { "\n\n" });
        }
        let (start, first) = (self.text.len(), self.characters);
        let mut rows = Vec::new();
        let (kind, header) = match &block.content {
            Content::Table(table) => {
                rows = self.table(table, continues);
                (Kind::Table, header(table))
            }
            content => {
                self.write(&cleaned(&content.to_string()));
                (Kind::of(content), None)
            }
        };
        if self.text.len() > MOST_TEXT {
            self.text.truncate(before);
            self.characters = written;
            self.cut_at = Some(block.place.clone());
            return;
        }
        if let Content::Table(table) = &block.content {
            self.keep(table, block, first, continues);
        }
        self.blocks.push(Laid {
            kind,
            place: block.place.clone(),
            bytes: start..self.text.len(),
            rows,
            header,
            is_continued: continues,
            characters: first..self.characters,
        });
    }

    /// How many characters it has.
    pub(crate) fn characters(&self) -> u64 {
        self.characters
    }

    /// Where its blocks are: one line of JSON each.
    pub(crate) fn outline(&self) -> serde_json::Result<String> {
        let lines = self.blocks.iter().map(|block| {
            serde_json::to_string(&Outlined {
                kind: block.kind,
                place: &block.place,
                start: block.characters.start,
                end: block.characters.end,
            })
        });
        Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
    }

    /// Its tables: one line of JSON each.
    pub(crate) fn tabled(&self) -> serde_json::Result<String> {
        let lines = self.tables.iter().map(serde_json::to_string);
        Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
    }

    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        self.characters += text.chars().count() as u64;
    }

    /// Writes a table, or the rows of one that goes on; returns where its rows are.
    fn table(&mut self, table: &Table, continues: bool) -> Vec<Range<usize>> {
        if !continues {
            let empty = Table {
                rows: Vec::new(),
                ..table.clone()
            };
            self.write(&cleaned(&empty.to_string()));
        }
        let columns = table.columns();
        let mut rows = Vec::with_capacity(table.rows.len());
        for (place, cells) in table.rows.iter().enumerate() {
            if place > 0 || !continues {
                self.write("\n");
            }
            let start = self.text.len();
            self.write(&line(cells, columns));
            rows.push(start..self.text.len());
            if self.text.len() > MOST_TEXT {
                break;
            }
        }
        rows
    }

    /// Keeps a table as a table.
    fn keep(&mut self, table: &Table, block: &Block, start: u64, continues: bool) {
        if let Some(last) = self.tables.last_mut().filter(|_| continues) {
            last.rows.extend(table.rows.iter().cloned());
            return;
        }
        self.tables.push(Tabled {
            place: block.place.clone(),
            start,
            caption: table.caption.clone(),
            header: table.header.clone(),
            rows: table.rows.clone(),
        });
    }
}

// === impl Tabled ===

impl Tabled {
    /// The table for a spreadsheet.
    pub(crate) fn csv(&self) -> String {
        let header = Some(&self.header).filter(|header| !header.is_empty());
        let lines = header.into_iter().chain(&self.rows);
        lines
            .map(|cells| csv::line(cells.iter().map(String::as_str)))
            .collect()
    }
}

// === impl Kind ===

impl Kind {
    fn of(content: &Content) -> Self {
        match content {
            Content::Heading { level, .. } => Self::Heading((*level).clamp(1, 6)),
            Content::ListItem { .. } => Self::ListItem,
            Content::Table(_) => Self::Table,
            Content::Code { .. } => Self::Code,
            _ => Self::Paragraph,
        }
    }
}

fn header(table: &Table) -> Option<String> {
    (!table.header.is_empty()).then(|| line(&table.header, table.columns()))
}

/// Cells as one line.
fn line(cells: &[String], columns: usize) -> String {
    let row = Table {
        header: cells.to_vec(),
        rows: vec![vec![String::new(); columns]],
        ..Table::default()
    };
    let text = cleaned(&row.to_string());
    text.lines().next().unwrap_or_default().to_owned()
}

/// A text without control characters but for line breaks and tabs: nothing to be seen in them, and each would
/// be six characters of JSON.
fn cleaned(text: &str) -> String {
    let visible = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars()
        .map(|c| if visible(c) { c } else { ' ' })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    pub(crate) fn heading(level: u8, text: &str) -> Content {
        Content::Heading {
            level,
            text: text.to_owned(),
        }
    }

    pub(crate) fn paragraph(text: &str) -> Content {
        Content::Paragraph {
            text: text.to_owned(),
        }
    }

    pub(crate) fn table(header: &[&str], rows: &[&[&str]], continued: bool) -> Content {
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        Content::Table(Table {
            caption: None,
            header: cells(header),
            rows: rows.iter().map(|row| cells(row)).collect(),
            continued,
        })
    }

    /// A document of these blocks, all on one page unless they say otherwise.
    pub(crate) fn laid(blocks: impl IntoIterator<Item = (u32, Content)>) -> Layout {
        let mut layout = Layout::default();
        for (page, content) in blocks {
            let place = Place::Page(page);
            layout.push(&Block { place, content });
        }
        layout
    }

    #[test]
    fn every_block_is_where_it_says() {
        let layout = laid([
            (1, heading(1, "Tee \u{1f375}")),
            (1, paragraph("Grün\u{0}e Blätter")),
            (
                2,
                table(&["Sorte", "Preis"], &[&["Sencha", "3 €"], &["a|b"]], false),
            ),
            (2, table(&["Sorte", "Preis"], &[&["Oolong", "5 €"]], true)),
        ]);
        let of = |block: &Laid| &layout.text[block.bytes.clone()];
        assert_eq!(of(&layout.blocks[0]), "# Tee \u{1f375}");
        assert_eq!(of(&layout.blocks[1]), "Grün e Blätter");
        assert_eq!(
            of(&layout.blocks[2]),
            "| Sorte | Preis |\n| --- | --- |\n| Sencha | 3 € |\n| a\\|b |  |"
        );
        assert_eq!(of(&layout.blocks[3]), "| Oolong | 5 € |");
        assert_eq!(
            &layout.text[layout.blocks[2].rows[0].clone()],
            "| Sencha | 3 € |"
        );
        for block in &layout.blocks {
            let in_characters: String = layout
                .text
                .chars()
                .skip(usize::try_from(block.characters.start).unwrap())
                .take(usize::try_from(block.characters.end - block.characters.start).unwrap())
                .collect();
            assert_eq!(in_characters, of(block));
        }
        assert_eq!(layout.characters(), layout.text.chars().count() as u64);
        // It went on: one table.
        assert_eq!(layout.tables.len(), 1);
        assert_eq!(layout.tables[0].rows.len(), 3);
        assert!(
            layout.tables[0]
                .csv()
                .starts_with("\"Sorte\",\"Preis\"\r\n\"Sencha\"")
        );
        assert_eq!(layout.outline().unwrap().lines().count(), 4);
    }

    #[test]
    fn what_is_too_much_is_cut_off_between_two_blocks() {
        let long = "x".repeat(MOST_TEXT / 2);
        let layout = laid([
            (1, paragraph(&long)),
            (2, paragraph(&long)),
            (3, paragraph("y")),
        ]);
        assert_eq!(layout.blocks.len(), 1);
        assert_eq!(layout.cut_at, Some(Place::Page(2)));
        assert_eq!(layout.characters(), layout.text.len() as u64);
    }
}
