//! What was read so far, within bounds: whatever a document says of itself, it cannot become more than this.

use document::{Block, Content, Document, Place, Reason, Table, Unread};
use std::time::{Duration, Instant};

/// The most text that is read of one document: some ten thousand full pages.
const MOST_TEXT: usize = 32 << 20;
/// The most blocks.
const MOST_BLOCKS: usize = 500_000;
/// The longest text of one block; a longer one becomes several, at the end of a sentence or word.
const LONGEST_TEXT: usize = 8 << 10;
/// The most that is told of what could not be read; the rest is counted.
const MOST_UNREAD: usize = 200;
/// How long one document may take. What is read until then is kept.
const LONGEST: Duration = Duration::from_secs(45);

/// Blocks, as they are read.
pub(crate) struct Output {
    /// What is known of the document.
    pub(crate) document: Document,
    blocks: Vec<Block>,
    text: usize,
    until: Instant,
    full: bool,
    untold: usize,
}

impl Output {
    /// Nothing is read yet.
    pub(crate) fn new(document: Document) -> Self {
        Self {
            document,
            blocks: Vec::new(),
            text: 0,
            until: Instant::now() + LONGEST,
            full: false,
            untold: 0,
        }
    }

    /// What has been read.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The block that came last, to say more of it.
    pub(crate) fn last(&mut self) -> Option<&mut Block> {
        self.blocks.last_mut()
    }

    /// Takes the last block back.
    pub(crate) fn take_last(&mut self) -> Option<Block> {
        self.blocks.pop()
    }

    /// Where the blocks are, to say it better.
    pub(crate) fn places(&mut self) -> impl Iterator<Item = &mut Place> {
        self.blocks.iter_mut().map(|block| &mut block.place)
    }

    /// Whether no more is taken: who reads stops.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the time is over; says so where it is. For the places of which there are thousands.
    pub(crate) fn is_late(&mut self) -> bool {
        if !self.full && Instant::now() > self.until {
            self.stop("reading it takes too long; what is missing stands behind what was read: split the document");
        }
        self.full
    }

    /// Something could not be read.
    pub(crate) fn unread(&mut self, unread: Unread) {
        match self.document.unread.len() < MOST_UNREAD {
            true => self.document.unread.push(unread),
            false => self.untold += 1,
        }
    }

    /// One block of text; more than one where it is long.
    pub(crate) fn push(&mut self, place: Place, content: Content) {
        let content = match content {
            Content::Table(table) => return self.table(place, table),
            Content::Code { language, text } => {
                let text = clean(&text, true);
                for piece in pieces(&text) {
                    let (language, text) = (language.clone(), piece.to_owned());
                    self.keep(place.clone(), Content::Code { language, text });
                }
                return;
            }
            content => content,
        };
        let (text, make): (_, Box<dyn Fn(String) -> Content>) = match content {
            Content::Heading { level, text } => (
                text,
                Box::new(move |text| Content::Heading { level, text }) as _,
            ),
            Content::ListItem { depth, text } => (
                text,
                Box::new(move |text| Content::ListItem { depth, text }) as _,
            ),
            Content::Paragraph { text } => {
                (text, Box::new(|text| Content::Paragraph { text }) as _)
            }
            _ => return,
        };
        for piece in pieces(&clean(&text, false)) {
            self.keep(place.clone(), make(piece.to_owned()));
        }
    }

    /// A table, or a part of one, that is short enough.
    pub(crate) fn table(&mut self, place: Place, table: Table) {
        if !table.rows.is_empty() || !table.header.is_empty() {
            self.keep(place, Content::Table(table));
        }
    }

    fn keep(&mut self, place: Place, content: Content) {
        if self.full {
            return;
        }
        let size = match &content {
            Content::Heading { text, .. }
            | Content::Paragraph { text }
            | Content::ListItem { text, .. }
            | Content::Code { text, .. } => text.trim().len(),
            Content::Table(table) => {
                let cells = table.rows.iter().flatten().chain(&table.header);
                cells.map(|cell| cell.len() + 4).sum()
            }
            _ => 0,
        };
        if size == 0 {
            return;
        }
        self.text += size;
        if self.text > MOST_TEXT || self.blocks.len() >= MOST_BLOCKS {
            return self.stop(
                "it holds more text than is read of one document (32 MiB); what is missing stands behind what \
                 was read: split the document",
            );
        }
        self.blocks.push(Block { place, content });
    }

    fn stop(&mut self, why: &str) {
        self.full = true;
        // First of all, so that it is told whatever else was.
        self.document
            .unread
            .insert(0, Unread::whole(Reason::Limit, why));
    }

    /// The document, and its blocks.
    pub(crate) fn finish(mut self) -> (Document, Vec<Block>) {
        if self.untold > 0 {
            let why = format!("{} more parts could not be read", self.untold);
            self.document.unread.push(Unread::whole(Reason::Limit, why));
        }
        if self.blocks.is_empty() && self.document.unread.is_empty() {
            let why = "it holds no text";
            self.document.unread.push(Unread::whole(Reason::Empty, why));
        }
        self.document.blocks = self.blocks.len();
        (self.document, self.blocks)
    }
}

/// Text without what nobody sees: characters that control devices or the direction of writing, tags, marks of
/// byte order. Spaces become one, unless they count.
pub(crate) fn clean(text: &str, spaces_count: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' if spaces_count => clean.push('\n'),
            '\t' if spaces_count => clean.push('\t'),
            '\u{ad}' | '\u{feff}' | '\u{200b}' | '\u{2060}' => {}
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' => {}
            character if character.is_whitespace() => {
                if spaces_count || !(clean.is_empty() || clean.ends_with(' ')) {
                    clean.push(' ');
                }
            }
            character if character.is_control() => {}
            character => clean.push(character),
        }
    }
    let kept = match spaces_count {
        true => clean.trim_end().len(),
        false => clean.trim_end_matches(' ').len(),
    };
    clean.truncate(kept);
    clean
}

/// A text in pieces that are short enough.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        if end > LONGEST_TEXT {
            end = LONGEST_TEXT;
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let half = &rest[..end];
            let cut = [". ", "? ", "! ", "\n", " "]
                .iter()
                .find_map(|cut| half.rfind(cut).map(|at| at + cut.len()));
            end = cut.filter(|cut| *cut > LONGEST_TEXT / 2).unwrap_or(end);
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece.trim_end_matches(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use document::Format;

    fn output() -> Output {
        Output::new(Document::new(Format::Text))
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        let seen = clean("\u{feff}a\0b\u{202e}c\u{7} \t d\u{e0041}\n\n e ", false);
        assert_eq!(seen, "abc d e");
        assert_eq!(clean("a\n  b\0 \n", true), "a\n  b");
    }

    #[test]
    fn an_endless_text_comes_in_pieces_that_lose_nothing() {
        let endless = "ä".repeat(100_000);
        let found: Vec<_> = pieces(&endless).collect();
        assert!(found.iter().all(|piece| piece.len() <= LONGEST_TEXT));
        assert_eq!(found.concat(), endless);
        let words = "some words and more. ".repeat(5_000);
        assert!(pieces(&words).all(|piece| piece.ends_with('.')));
    }

    #[test]
    fn too_much_is_said_to_be_too_much() {
        let mut out = output();
        for _ in 0..(MOST_TEXT / 8_000 + 10) {
            let text = "a".repeat(8_000);
            out.push(Place::Line(1), Content::Paragraph { text });
        }
        assert!(out.is_full());
        let (document, blocks) = out.finish();
        assert_eq!(document.blocks, blocks.len());
        assert_eq!(document.unread.len(), 1);
        assert_eq!(
            document.unread.first().map(|unread| unread.reason),
            Some(Reason::Limit)
        );
    }

    #[test]
    fn what_could_not_be_read_is_told_up_to_a_number() {
        let mut out = output();
        for page in 0..1_000 {
            out.unread(Unread::at(Place::Page(page), Reason::Scanned, "no text"));
        }
        let (document, _) = out.finish();
        assert_eq!(document.unread.len(), MOST_UNREAD + 1);
    }
}
