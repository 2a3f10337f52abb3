//! A document in chunks: what is found, and what a model is given.
//!
//! A chunk follows the document. It goes over no heading of the same or a higher level than its own, and over no
//! page, slide or sheet. A table that is too large is cut between rows, and each part is found with the names of
//! the columns; a paragraph that is too long is cut between sentences, and its parts overlap.

use crate::layout::{Kind, Laid, Layout};
use crate::model::Span;
use document::Place;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// Characters in a piece at most: what is longer is cut before it is counted.
const PIECE: usize = 400;
/// Characters of the headings above a chunk, and of the names of columns, that go with it.
const BEFORE: usize = 120;
/// Tokens that are kept free for them.
const BEFORE_TOKENS: u32 = 60;
/// Bytes of a chunk at most, whatever counts its tokens: it has to fit into a payload.
pub(crate) const MOST_BYTES: usize = 6000;

/// How large chunks are to be, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// As many as there should be.
    pub(crate) target: u32,
    /// As many as there may be.
    pub(crate) most: u32,
}

/// The smallest part that chunks are made of: a block, or a sentence or a row of one that is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Range<usize>,
    block: usize,
    /// Whether it is one of several of its block.
    is_part: bool,
}

/// A chunk of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) bytes: Range<usize>,
    /// Where it is in the text, in characters.
    pub(crate) span: Span,
    pub(crate) place: Place,
    /// The headings above it, the highest first, and the names of the columns where it is in a table: what it is
    /// found with beside its own text.
    pub(crate) before: String,
    pub(crate) tokens: u32,
}

// === impl Sizes ===

impl Sizes {
    /// What a library wants, as far as a model has room for it.
    pub(crate) fn of(wanted: u32, room: Option<u32>) -> Self {
        let most = wanted + wanted / 4;
        // What goes before a chunk takes room as well.
        let most = room.map_or(most, |room| {
            most.min(room.saturating_sub(BEFORE_TOKENS).max(64))
        });
        Self {
            target: wanted.min(most),
            most,
        }
    }

    /// As many tokens as a piece may have: with what goes before it, it must fit into a chunk.
    fn piece(self) -> u32 {
        (self.most / 2).max(1)
    }
}

/// What a document is cut into before anything is counted.
pub(crate) fn pieces(layout: &Layout) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (block, laid) in layout.blocks.iter().enumerate() {
        let text = &layout.text[laid.bytes.clone()];
        if text.chars().count() <= PIECE {
            pieces.push(Piece {
                bytes: laid.bytes.clone(),
                block,
                is_part: false,
            });
            continue;
        }
        let parts = match laid.kind {
            Kind::Table => rows(laid),
            Kind::Code => lines(text, laid.bytes.start),
            _ => sentences(text, laid.bytes.start),
        };
        let parts = parts
            .into_iter()
            .flat_map(|part| cut(&layout.text, part, PIECE));
        pieces.extend(parts.map(|bytes| Piece {
            bytes,
            block,
            is_part: true,
        }));
    }
    pieces
}

/// Cuts those pieces in halves that have too many tokens. What came of them is to be counted: the places of those
/// are returned.
pub(crate) fn halved(
    layout: &Layout,
    pieces: Vec<Piece>,
    counts: &[u32],
    sizes: Sizes,
) -> (Vec<Piece>, Vec<Option<u32>>) {
    let mut cut_pieces = Vec::with_capacity(pieces.len());
    let mut known = Vec::with_capacity(pieces.len());
    for (piece, &count) in pieces.into_iter().zip(counts) {
        let characters = layout.text[piece.bytes.clone()].chars().count();
        let is_small = count <= sizes.piece() && piece.bytes.len() <= MOST_BYTES / 2;
        if is_small || characters < 2 {
            cut_pieces.push(piece);
            known.push(Some(count));
            continue;
        }
        for bytes in cut(&layout.text, piece.bytes.clone(), characters.div_ceil(2)) {
            cut_pieces.push(Piece {
                bytes,
                block: piece.block,
                is_part: true,
            });
            known.push(None);
        }
    }
    (cut_pieces, known)
}

/// Puts pieces together as long as they belong together and there is room.
pub(crate) fn chunks(
    layout: &Layout,
    pieces: &[Piece],
    counts: &[u32],
    sizes: Sizes,
) -> Vec<Chunk> {
    let mut packing = Packing {
        layout,
        sizes,
        headings: Vec::new(),
        open: None,
        done: Vec::new(),
    };
    for (piece, &tokens) in pieces.iter().zip(counts) {
        packing.add(piece, tokens);
    }
    packing.close();
    let mut cursor = Cursor::default();
    let mut chunks = packing.done;
    for chunk in &mut chunks {
        chunk.span = cursor.span(&layout.text, &chunk.bytes);
    }
    chunks
}

/// Chunks in the making.
struct Packing<'a> {
    layout: &'a Layout,
    sizes: Sizes,
    /// The headings above where it is, with their levels.
    headings: Vec<(u8, String)>,
    open: Option<Open>,
    done: Vec<Chunk>,
}

/// A chunk that is not full yet.
struct Open {
    chunk: Chunk,
    /// The level of the last heading in it, or of the section it is in.
    level: u8,
    /// The last piece in it, if it is a part of a paragraph.
    last: Option<(Piece, u32)>,
}

// === impl Packing ===

impl Packing<'_> {
    fn add(&mut self, piece: &Piece, tokens: u32) {
        let Some(block) = self.layout.blocks.get(piece.block) else {
            return;
        };
        if let Kind::Heading(level) = block.kind
            && piece.bytes.start == block.bytes.start
        {
            self.heading(piece, level);
        }
        if self.must_close(piece, block, tokens) {
            let overlap = self.overlap(piece, tokens);
            self.close();
            if let Some((last, tokens)) = overlap {
                self.begin(&last, block, tokens);
            }
        }
        match &mut self.open {
            Some(open) => {
                open.chunk.bytes.end = piece.bytes.end;
                open.chunk.tokens += tokens;
            }
            None => self.begin(piece, block, tokens),
        }
        if let Some(open) = &mut self.open {
            if let Kind::Heading(level) = block.kind {
                open.level = level;
            }
            let is_sentence =
                piece.is_part && matches!(block.kind, Kind::Paragraph | Kind::ListItem);
            open.last = is_sentence.then(|| (piece.clone(), tokens));
        }
    }

    /// A heading ends the sections of its level and those below.
    fn heading(&mut self, piece: &Piece, level: u8) {
        if self.open.as_ref().is_some_and(|open| open.level >= level) {
            self.close();
        }
        self.headings.retain(|(above, _)| *above < level);
        let text = self.layout.text[piece.bytes.clone()].trim_start_matches('#');
        let text: String = text.trim().chars().take(BEFORE).collect();
        self.headings.push((level, text));
    }

    /// Whether a piece does not go into the chunk that is open.
    fn must_close(&self, piece: &Piece, block: &Laid, tokens: u32) -> bool {
        let Some(Open { chunk, .. }) = &self.open else {
            return false;
        };
        let bytes = piece.bytes.end - chunk.bytes.start;
        let grown = chunk.tokens + tokens;
        let is_full = grown > self.sizes.most || bytes > MOST_BYTES;
        // A heading is not the end of a chunk that it does not belong to.
        let is_enough = grown > self.sizes.target
            || matches!(block.kind, Kind::Heading(_)) && chunk.tokens > self.sizes.target / 4;
        let is_row = piece.is_part && block.kind == Kind::Table;
        let is_other_table = is_row && piece.bytes.start == block.bytes.start;
        is_full
            || is_enough && chunk.tokens > 0
            || is_other_table
            || !is_same_page(&chunk.place, &block.place)
    }

    /// The sentence before, if this one goes on with it and there is room for both.
    fn overlap(&self, piece: &Piece, tokens: u32) -> Option<(Piece, u32)> {
        let (last, of_last) = self.open.as_ref()?.last.clone()?;
        let small = of_last <= self.sizes.target / 4 && of_last + tokens < self.sizes.target;
        // The whole chunk once more would be no overlap.
        let is_all = self.open.as_ref()?.chunk.bytes.start >= last.bytes.start;
        (last.block == piece.block && small && !is_all).then_some((last, of_last))
    }

    fn begin(&mut self, piece: &Piece, block: &Laid, tokens: u32) {
        let says_so_itself = piece.bytes.start == block.bytes.start && !block.is_continued;
        let header = block.header.as_deref().filter(|_| !says_so_itself);
        let own = matches!(block.kind, Kind::Heading(_));
        let above = self.headings.len().saturating_sub(usize::from(own));
        let headings = self
            .headings
            .iter()
            .take(above)
            .map(|(_, text)| text.as_str());
        let path = headings.collect::<Vec<_>>().join(" > ");
        let before = [Some(path.as_str()).filter(|path| !path.is_empty()), header];
        let before = before.into_iter().flatten().map(last_characters);
        self.open = Some(Open {
            chunk: Chunk {
                bytes: piece.bytes.clone(),
                span: Span { start: 0, end: 0 },
                place: block.place.clone(),
                before: before.collect::<Vec<_>>().join("\n"),
                tokens,
            },
            level: self.headings.last().map_or(0, |(level, _)| *level),
            last: None,
        });
    }

    fn close(&mut self) {
        self.done.extend(self.open.take().map(|open| open.chunk));
    }
}

/// Counts characters up to places that go forward, or a little back.
#[derive(Default)]
struct Cursor {
    bytes: usize,
    characters: u64,
}

// === impl Cursor ===

impl Cursor {
    fn span(&mut self, text: &str, bytes: &Range<usize>) -> Span {
        let start = self.at(text, bytes.start);
        let end = start + text[bytes.clone()].chars().count() as u64;
        Span { start, end }
    }

    fn at(&mut self, text: &str, bytes: usize) -> u64 {
        self.characters = match bytes >= self.bytes {
            true => self.characters + text[self.bytes..bytes].chars().count() as u64,
            false => self.characters - text[bytes..self.bytes].chars().count() as u64,
        };
        self.bytes = bytes;
        self.characters
    }
}

/// The end of a text that is too long to go before a chunk.
fn last_characters(text: &str) -> String {
    let over = text.chars().count().saturating_sub(BEFORE);
    text.chars().skip(over).collect()
}

fn is_same_page(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Sheet { name, .. }, Place::Sheet { name: other, .. }) => name == other,
        (Place::Page(_) | Place::Slide(_) | Place::Chapter(_), _) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// The rows of a table, the first of them with what stands above it.
fn rows(block: &Laid) -> Vec<Range<usize>> {
    let mut start = block.bytes.start;
    let mut rows = Vec::with_capacity(block.rows.len());
    for (place, row) in block.rows.iter().enumerate() {
        let end = match place + 1 == block.rows.len() {
            true => block.bytes.end,
            false => row.end,
        };
        rows.push(start..end);
        start = block.rows.get(place + 1).map_or(end, |next| next.start);
    }
    if rows.is_empty() {
        rows.push(block.bytes.clone());
    }
    rows
}

fn lines(text: &str, at: usize) -> Vec<Range<usize>> {
    let mut start = at;
    let lines = text.split_inclusive('\n').map(|line| {
        let end = start + line.len();
        std::mem::replace(&mut start, end)..end
    });
    lines.collect()
}

/// The sentences of a text that begins at this byte of another one.
pub(crate) fn sentences(text: &str, at: usize) -> Vec<Range<usize>> {
    let sentences = text.split_sentence_bound_indices();
    sentences
        .map(|(start, sentence)| at + start..at + start + sentence.len())
        .collect()
}

/// A part of a text in parts of so many characters at most, between words where there are some.
fn cut(text: &str, part: Range<usize>, most: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = part.start;
    while start < part.end {
        let rest = &text[start..part.end];
        let Some((hard, _)) = rest.char_indices().nth(most.max(1)) else {
            parts.push(start..part.end);
            break;
        };
        // Behind the last blank, if that is not far from the end.
        let blank = rest[..hard]
            .char_indices()
            .rev()
            .find(|(_, c)| c.is_whitespace());
        let soft = blank.map(|(at, blank)| at + blank.len_utf8());
        let end = start + soft.filter(|soft| *soft > hard / 2).unwrap_or(hard);
        parts.push(start..end);
        start = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::layout::tests::{heading, laid, paragraph, table};
    use document::Content;
    use proptest::prelude::*;

    /// Four characters are a token, as where no tokenizer is known.
    fn count(text: &str) -> u32 {
        u32::try_from(text.chars().count().div_ceil(4)).unwrap()
    }

    fn chunked(layout: &Layout, sizes: Sizes) -> Vec<Chunk> {
        let mut pieces = pieces(layout);
        loop {
            let counts: Vec<u32> = pieces
                .iter()
                .map(|piece| count(&layout.text[piece.bytes.clone()]))
                .collect();
            let (cut, known) = halved(layout, pieces.clone(), &counts, sizes);
            if known.iter().all(Option::is_some) {
                return chunks(layout, &pieces, &counts, sizes);
            }
            pieces = cut;
        }
    }

    fn texts<'a>(layout: &'a Layout, chunks: &[Chunk]) -> Vec<&'a str> {
        let texts = chunks.iter().map(|chunk| &layout.text[chunk.bytes.clone()]);
        texts.collect()
    }

    const SMALL: Sizes = Sizes {
        target: 20,
        most: 25,
    };

    #[test]
    fn chunks_follow_headings() {
        let layout = laid([
            (1, heading(1, "Tea")),
            (1, paragraph("Leaves in water.")),
            (1, heading(2, "Green")),
            (1, paragraph("Not fermented.")),
            (1, heading(2, "Black")),
            (1, paragraph("Fermented.")),
            (1, heading(1, "Coffee")),
            (1, paragraph("Beans.")),
        ]);
        let sizes = Sizes::of(200, None);
        let chunks = chunked(&layout, sizes);
        assert_eq!(
            texts(&layout, &chunks),
            [
                "# Tea\n\nLeaves in water.\n\n## Green\n\nNot fermented.",
                "## Black\n\nFermented.",
                "# Coffee\n\nBeans."
            ]
        );
        let before: Vec<_> = chunks.iter().map(|chunk| chunk.before.as_str()).collect();
        assert_eq!(before, ["", "Tea", ""]);
    }

    #[test]
    fn a_page_ends_a_chunk() {
        let layout = laid([
            (1, paragraph("One.")),
            (1, paragraph("Two.")),
            (2, paragraph("Three.")),
        ]);
        let chunks = chunked(&layout, Sizes::of(200, None));
        assert_eq!(texts(&layout, &chunks), ["One.\n\nTwo.", "Three."]);
        assert_eq!(chunks[1].place, Place::Page(2));
    }

    #[test]
    fn a_long_table_is_cut_between_rows_and_found_by_its_columns() {
        let rows: Vec<Vec<String>> = (0..60)
            .map(|row| vec![format!("Item {row}"), format!("{row} EUR")])
            .collect();
        let rows: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.iter().map(String::as_str).collect())
            .collect();
        let rows: Vec<&[&str]> = rows.iter().map(Vec::as_slice).collect();
        let layout = laid([
            (1, heading(1, "Prices")),
            (1, table(&["Article", "Price"], &rows, false)),
        ]);
        let chunks = chunked(&layout, Sizes::of(60, None));
        assert!(chunks.len() > 3);
        let texts = texts(&layout, &chunks);
        assert_eq!(
            texts.iter().filter(|text| text.contains("Article")).count(),
            1
        );
        let later = chunks.last().unwrap();
        assert_eq!(later.before, "Prices\n| Article | Price |");
        for text in &texts[2..] {
            assert!(text.starts_with("| Item") && text.ends_with('|'), "{text}");
        }
    }

    #[test]
    fn only_the_sentences_of_a_long_paragraph_overlap() {
        let sentence = |n: u32| format!("This is the sentence of number {n}. ");
        let long: String = (0..40).map(sentence).collect();
        let layout = laid([(1, paragraph(&long)), (1, paragraph("Short."))]);
        let chunks = chunked(&layout, Sizes::of(60, None));
        let overlapping = chunks
            .windows(2)
            .filter(|pair| pair[1].bytes.start < pair[0].bytes.end);
        assert_eq!(overlapping.count(), chunks.len() - 1);
        let short = laid((0..40).map(|n| (1, paragraph(&sentence(n)))));
        let chunks = chunked(&short, Sizes::of(60, None));
        assert!(
            chunks
                .windows(2)
                .all(|pair| pair[1].bytes.start >= pair[0].bytes.end)
        );
    }

    fn any_content() -> impl Strategy<Value = Content> {
        let text = prop_oneof![
            "[a-zäß\u{4e00}-\u{4e20} .!?]{1,900}",
            "[a-z]{1,3000}",
            "\\PC{1,80}",
        ];
        let rows = prop::collection::vec(prop::collection::vec("[a-z0-9 |]{0,60}", 1..5), 1..40);
        prop_oneof![
            (1u8..4, "[A-Za-z ]{1,30}").prop_map(|(level, text)| heading(level, &text)),
            text.prop_map(|text| paragraph(&text)),
            (rows, any::<bool>()).prop_map(|(rows, continued)| Content::Table(document::Table {
                caption: None,
                header: vec!["a".to_owned(), "b".to_owned()],
                rows,
                continued,
            })),
            "[a-z\\n]{1,900}".prop_map(|text| Content::Code {
                language: None,
                text
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_a_document_is_its_chunks_are_right(
            blocks in prop::collection::vec((1u32..4, any_content()), 1..25),
            wanted in 20u32..200,
        ) {
            let layout = laid(blocks);
            let sizes = Sizes::of(wanted, None);
            let chunks = chunked(&layout, sizes);
            let characters: Vec<char> = layout.text.chars().collect();
            let mut covered = 0;
            for chunk in &chunks {
                // It is where it says.
                let span = usize::try_from(chunk.span.start).unwrap()..usize::try_from(chunk.span.end).unwrap();
                let text: String = characters[span].iter().collect();
                prop_assert_eq!(&text, &layout.text[chunk.bytes.clone()]);
                // It is not too large.
                prop_assert!(chunk.tokens <= sizes.most, "{} of {}", chunk.tokens, sizes.most);
                prop_assert!(chunk.bytes.len() <= MOST_BYTES);
                // Nothing but line breaks is left out between one and the next.
                if chunk.bytes.start > covered {
                    prop_assert!(layout.text[covered..chunk.bytes.start].chars().all(|c| c == '\n'));
                }
                covered = covered.max(chunk.bytes.end);
                // It is on one page, and goes over no heading of its own level or a higher one.
                let within: Vec<&Laid> = layout
                    .blocks
                    .iter()
                    .filter(|block| block.bytes.start < chunk.bytes.end && chunk.bytes.start < block.bytes.end)
                    .collect();
                prop_assert!(within.iter().all(|block| block.place == chunk.place));
                let levels: Vec<u8> = within
                    .iter()
                    .filter_map(|block| match block.kind {
                        Kind::Heading(level) => Some(level),
                        _ => None,
                    })
                    .collect();
                prop_assert!(levels.windows(2).all(|pair| pair[0] < pair[1]), "{levels:?}");
            }
            prop_assert!(layout.text[covered..].chars().all(|c| c == '\n'));
        }
    }

    #[test]
    fn one_endless_line_is_cut() {
        let layout = laid([(1, paragraph(&"x".repeat(1_000_000)))]);
        let chunks = chunked(&layout, SMALL);
        assert!(chunks.iter().all(|chunk| chunk.tokens <= SMALL.most));
        assert_eq!(chunks.last().unwrap().bytes.end, 1_000_000);
    }
}
