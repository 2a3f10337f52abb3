//! Text as it flows in: pieces of a block, the end of a block, tables in between. What the formats that are written
//! from top to bottom have in common.

use crate::output::Output;
use crate::rows::Rows;
use document::{Content, Place};

/// What the next text belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Paragraph,
    Heading(u8),
    ListItem(u8),
    Code(Option<String>),
}

/// The most text of a block that is held; what is more leaves as a block of its own.
const MOST_HELD: usize = 64 << 10;

/// A document that is read from top to bottom.
pub(crate) struct Flow<'o> {
    pub(crate) out: &'o mut Output,
    /// Where what comes next is.
    pub(crate) place: Place,
    kind: Kind,
    text: String,
    begun: Option<Place>,
    table: Option<Open>,
}

/// The table that is being read. Those within its cells are text of theirs.
struct Open {
    rows: Rows,
    row: Option<(Place, Vec<String>)>,
    /// Whether text belongs to the last cell of the row.
    in_cell: bool,
    in_caption: bool,
    /// Tables within.
    within: usize,
}

impl<'o> Flow<'o> {
    pub(crate) fn new(out: &'o mut Output, place: Place) -> Self {
        Self {
            out,
            place,
            kind: Kind::default(),
            text: String::new(),
            begun: None,
            table: None,
        }
    }

    /// A block begins; the one before it has ended.
    pub(crate) fn begin(&mut self, kind: Kind) {
        self.end();
        self.kind = kind;
    }

    /// More text.
    pub(crate) fn text(&mut self, text: &str) {
        if let Some(table) = &mut self.table {
            if table.in_caption {
                table.rows.caption(text);
            } else if table.in_cell
                && let Some((_, cells)) = &mut table.row
                && let Some(cell) = cells.last_mut()
            {
                cell.push_str(text);
            }
            return;
        }
        if self.begun.is_none() && !text.trim().is_empty() {
            self.begun = Some(self.place.clone());
        }
        self.text.push_str(text);
        if self.text.len() > MOST_HELD {
            let (kind, begun) = (self.kind.clone(), self.begun.clone());
            // Between words, if there are any.
            let cut = self.text.rfind(char::is_whitespace);
            let rest = self
                .text
                .split_off(cut.filter(|cut| *cut > 0).unwrap_or(self.text.len()));
            self.end();
            (self.kind, self.begun, self.text) = (kind, begun, rest);
        }
    }

    /// The block has ended. In a cell it is a space between what it holds.
    pub(crate) fn end(&mut self) {
        if self.table.is_some() {
            return self.text(" ");
        }
        let (text, kind) = (
            std::mem::take(&mut self.text),
            std::mem::take(&mut self.kind),
        );
        let Some(place) = self.begun.take() else {
            return;
        };
        let content = match kind {
            Kind::Paragraph => Content::Paragraph { text },
            Kind::Heading(level) => Content::Heading { level, text },
            Kind::ListItem(depth) => Content::ListItem { depth, text },
            Kind::Code(language) => Content::Code { language, text },
        };
        self.out.push(place, content);
    }

    /// Whether a table is open.
    pub(crate) fn in_table(&self) -> bool {
        self.table.is_some()
    }

    /// A table begins.
    pub(crate) fn begin_table(&mut self, caption: Option<String>) {
        match &mut self.table {
            Some(table) => table.within += 1,
            None => {
                self.end();
                self.table = Some(Open {
                    rows: Rows::under(caption),
                    row: None,
                    in_cell: false,
                    in_caption: false,
                    within: 0,
                });
            }
        }
    }

    /// Whether what follows is the caption of the table.
    pub(crate) fn caption(&mut self, is_caption: bool) {
        if let Some(table) = self.outermost() {
            table.in_caption = is_caption;
        }
    }

    /// A row begins.
    pub(crate) fn begin_row(&mut self) {
        self.end_row();
        let place = self.place.clone();
        if let Some(table) = self.outermost() {
            table.row = Some((place, Vec::new()));
        }
    }

    /// A cell begins.
    pub(crate) fn begin_cell(&mut self) {
        let place = self.place.clone();
        match self.outermost() {
            Some(table) => {
                let (_, cells) = table.row.get_or_insert_with(|| (place, Vec::new()));
                cells.push(String::new());
                table.in_cell = true;
            }
            None => self.text(" "),
        }
    }

    /// The cell has ended; it takes so many columns.
    pub(crate) fn end_cell(&mut self, columns: usize) {
        if let Some(table) = self.outermost() {
            table.in_cell = false;
            if let Some((_, cells)) = &mut table.row {
                let more = columns.saturating_sub(1).min(64);
                cells.extend(std::iter::repeat_n(String::new(), more));
            }
        }
    }

    /// The row has ended.
    pub(crate) fn end_row(&mut self) {
        if let Some(table) = &mut self.table
            && table.within == 0
        {
            table.in_cell = false;
            if let Some((place, cells)) = table.row.take() {
                table.rows.row(place, cells, self.out);
            }
        }
    }

    /// The table has ended.
    pub(crate) fn end_table(&mut self) {
        self.end_row();
        match &mut self.table {
            Some(table) if table.within > 0 => table.within -= 1,
            _ => {
                if let Some(table) = self.table.take() {
                    table.rows.end(self.out);
                }
            }
        }
    }

    /// All has ended, whatever is still open.
    pub(crate) fn finish(mut self) -> &'o mut Output {
        if let Some(table) = &mut self.table {
            table.within = 0;
        }
        self.end_table();
        self.end();
        self.out
    }

    /// The table, unless what is read belongs to one within it.
    fn outermost(&mut self) -> Option<&mut Open> {
        self.table.as_mut().filter(|table| table.within == 0)
    }
}
