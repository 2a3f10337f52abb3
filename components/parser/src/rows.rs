//! Tables, row by row: a long one leaves in parts, so that none is ever held whole.

use crate::output::{Output, clean, pieces};
use document::{Place, Table};

/// The most rows of a part.
const MOST_ROWS: usize = 100;
/// The most bytes of a part, with four for each cell.
const LARGEST: usize = 32 << 10;
/// The most columns; a sheet has no more.
pub(crate) const MOST_COLUMNS: usize = 16_384;

/// A table that is being read.
#[derive(Default)]
pub(crate) struct Rows {
    caption: Option<String>,
    header: Option<Vec<String>>,
    /// Whether the first row is known to be no header.
    headless: bool,
    rows: Vec<Vec<String>>,
    place: Option<Place>,
    size: usize,
    parts: usize,
}

impl Rows {
    /// A table under this caption.
    pub(crate) fn under(caption: Option<String>) -> Self {
        let caption = caption.map(|caption| clean(&caption, false));
        Self {
            caption: caption.filter(|caption| !caption.is_empty()),
            ..Self::default()
        }
    }

    /// More of the caption.
    pub(crate) fn caption(&mut self, text: &str) {
        let caption = self.caption.get_or_insert_default();
        if caption.len() + text.len() < LARGEST {
            caption.push_str(text);
        }
    }

    /// The next row; the first is the header, if more follow.
    pub(crate) fn row(&mut self, place: Place, mut cells: Vec<String>, out: &mut Output) {
        cells.truncate(MOST_COLUMNS);
        for cell in &mut cells {
            *cell = clean(cell, false);
        }
        if cells.iter().all(String::is_empty) {
            return;
        }
        if self.header.is_none() && !self.headless {
            let long = cells.iter().map(String::len).sum::<usize>() > LARGEST / 4;
            self.headless = long;
            if !long {
                self.place = Some(place);
                self.header = Some(cells);
                return;
            }
        }
        for cells in short(cells) {
            let size = cells.iter().map(|cell| cell.len() + 4).sum::<usize>();
            if !self.rows.is_empty() && (self.rows.len() >= MOST_ROWS || self.size + size > LARGEST)
            {
                self.part(out);
            }
            self.place.get_or_insert_with(|| place.clone());
            self.size += size;
            self.rows.push(cells);
        }
    }

    /// There are no more rows.
    pub(crate) fn end(mut self, out: &mut Output) {
        if self.rows.is_empty() && self.parts == 0 {
            // A header of nothing is a row.
            self.rows.extend(self.header.take());
        }
        if !self.rows.is_empty() {
            self.part(out);
        }
    }

    fn part(&mut self, out: &mut Output) {
        let mut table = Table {
            caption: self.caption.as_deref().map(|caption| clean(caption, false)),
            header: self.header.clone().unwrap_or_default(),
            rows: std::mem::take(&mut self.rows),
            continued: self.parts > 0,
        };
        let columns = table.columns();
        for row in &mut table.rows {
            row.resize(columns, String::new());
        }
        if !table.header.is_empty() {
            table.header.resize(columns, String::new());
        }
        self.size = 0;
        self.parts += 1;
        if let Some(place) = self.place.take() {
            out.table(place, table);
        }
    }
}

/// A row as it is; one with very long cells as several, so that nothing of it is lost.
fn short(cells: Vec<String>) -> Vec<Vec<String>> {
    if cells.iter().map(String::len).sum::<usize>() <= LARGEST {
        return vec![cells];
    }
    let mut cells: Vec<_> = cells.iter().map(|cell| pieces(cell)).collect();
    let mut rows = Vec::new();
    loop {
        let row: Vec<_> = cells.iter_mut().map(|cell| cell.next()).collect();
        if row.iter().all(Option::is_none) {
            return rows;
        }
        let row = row.into_iter().map(Option::unwrap_or_default);
        rows.push(row.map(str::to_owned).collect());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use document::{Block, Content, Document, Format};

    fn read(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<Table> {
        let mut out = Output::new(Document::new(Format::Csv));
        let mut table = Rows::default();
        for (line, row) in rows.into_iter().enumerate() {
            let line = u32::try_from(line).unwrap_or_default() + 1;
            table.row(Place::Line(line), row, &mut out);
        }
        table.end(&mut out);
        let table = |block: Block| match block.content {
            Content::Table(table) => table,
            other => panic!("{other:?}"),
        };
        out.finish().1.into_iter().map(table).collect()
    }

    #[test]
    fn a_long_table_comes_in_parts_each_with_its_header() {
        let rows = (0..1_001).map(|row| vec![format!("a{row}"), format!("b{row}")]);
        let parts = read(rows);
        assert_eq!(parts.len(), 10);
        assert!(parts.iter().all(|part| part.header == ["a0", "b0"]));
        let continued = parts.iter().filter(|part| part.continued);
        assert_eq!(continued.count(), 9);
    }

    #[test]
    fn one_row_is_no_header_and_ragged_rows_are_filled_up() {
        let one = read([vec!["a".to_owned()]]);
        assert!(one.iter().all(|table| table.header.is_empty()));
        let ragged = read([vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]]);
        assert!(ragged.iter().all(|table| table.header == ["a", ""]));
    }

    #[test]
    fn a_huge_cell_is_spread_over_rows() {
        let huge = "word ".repeat(100_000);
        let parts = read([vec!["a".to_owned()], vec![huge.clone()]]);
        let words = parts.iter().flat_map(|part| part.rows.iter().flatten());
        assert_eq!(
            words.map(|cell| cell.split(' ').count()).sum::<usize>(),
            100_000
        );
    }
}
