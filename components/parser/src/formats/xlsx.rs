//! XLSX: sheet by sheet, what stands together as one table, each part with the range of its cells.

use super::{Read, office};
use crate::archive::{self, Archive};
use crate::output::{Output, clean};
use calamine::{Cell, DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxError};
use document::{Content, Place, Reason, Table, Unread};
use std::collections::BTreeSet;
use std::io::Cursor;

/// The most rows of a part of a table, and the most cells.
const MOST_ROWS: usize = 100;
const MOST_CELLS: usize = 2_000;
/// The most bytes of a part.
const LARGEST: usize = 32 << 10;

pub(crate) fn read(bytes: &[u8], out: &mut Output) -> Read {
    // Looks at the sizes of all before anything is read.
    let mut archive = Archive::open(bytes)?;
    office::properties(&mut archive, out);
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsxError::Password => archive::encrypted(),
        _ => Unread::whole(
            Reason::Damaged,
            "the sheets of this XLSX cannot be found; open and save it in the program that made it",
        ),
    })?;
    let names = book.sheet_names();
    out.document.pages = u32::try_from(names.len()).ok();
    for name in names {
        if out.is_late() {
            break;
        }
        if sheet(&mut book, &name, out).is_err() {
            let why = format!(
                "a part of the sheet `{name}` is damaged; open and save it in the program that made it"
            );
            let cells = String::new();
            out.unread(Unread::at(
                Place::Sheet { name, cells },
                Reason::Damaged,
                why,
            ));
        }
    }
    Ok(())
}

fn sheet(book: &mut Xlsx<Cursor<&[u8]>>, name: &str, out: &mut Output) -> Result<(), XlsxError> {
    let mut cells = match book.worksheet_cells_reader(name) {
        // A sheet that is a chart.
        Err(XlsxError::NotAWorksheet(_)) => return Ok(()),
        cells => cells?,
    };
    let mut region = Region::of(name);
    let mut row = Row::default();
    let mut read = 0u32;
    let end = loop {
        let cell = match cells.next_cell() {
            Ok(Some(cell)) => cell,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        read = read.wrapping_add(1);
        if out.is_full() || read.is_multiple_of(10_000) && out.is_late() {
            break Ok(());
        }
        let text = clean(&value(&cell), false);
        if text.is_empty() {
            continue;
        }
        let (at, column) = cell.get_position();
        if at != row.at && !row.cells.is_empty() {
            region.take(std::mem::take(&mut row), out);
        }
        row.at = at;
        row.cells.push((column, text));
    };
    if !row.cells.is_empty() {
        region.take(row, out);
    }
    region.end(out);
    end
}

/// What a cell shows.
fn value(cell: &Cell<DataRef<'_>>) -> String {
    match cell.get_value() {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(true) => "TRUE".to_owned(),
        DataRef::Bool(false) => "FALSE".to_owned(),
        DataRef::DateTime(time) => date(time),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// A date as ISO 8601 writes it, with the time where it has one.
fn date(time: &ExcelDateTime) -> String {
    let days = time.as_f64();
    if !time.is_datetime() || !(0.0..3_000_000.0).contains(&days) {
        return days.to_string();
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    match (days < 1.0, days.fract() == 0.0) {
        (true, _) => format!("{hour:02}:{minute:02}:{second:02}"),
        (false, true) => format!("{year:04}-{month:02}-{day:02}"),
        (false, false) => {
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
    }
}

/// The cells of a row that hold something, by their columns.
#[derive(Clone, Default)]
struct Row {
    at: u32,
    cells: Vec<(u32, String)>,
}

/// Rows without an empty one between them.
struct Region<'n> {
    sheet: &'n str,
    header: Option<Row>,
    rows: Vec<Row>,
    last: u32,
    parts: usize,
    cells: usize,
    size: usize,
}

impl<'n> Region<'n> {
    fn of(sheet: &'n str) -> Self {
        Self {
            sheet,
            header: None,
            rows: Vec::new(),
            last: 0,
            parts: 0,
            cells: 0,
            size: 0,
        }
    }

    fn take(&mut self, row: Row, out: &mut Output) {
        if self.header.is_some() && row.at > self.last.saturating_add(1) {
            self.end(out);
        }
        self.last = row.at;
        if self.header.is_none() {
            self.header = Some(row);
            return;
        }
        let size: usize = row.cells.iter().map(|(_, text)| text.len() + 4).sum();
        if self.rows.len() >= MOST_ROWS
            || self.cells + row.cells.len() > MOST_CELLS
            || self.size + size > LARGEST
        {
            self.part(out);
        }
        self.cells += row.cells.len();
        self.size += size;
        self.rows.push(row);
    }

    fn end(&mut self, out: &mut Output) {
        self.part(out);
        self.header = None;
        self.parts = 0;
    }

    fn part(&mut self, out: &mut Output) {
        let rows = std::mem::take(&mut self.rows);
        (self.cells, self.size) = (0, 0);
        let Some(header) = &self.header else { return };
        if rows.is_empty() {
            if self.parts == 0 {
                alone(self.sheet, header, out);
            }
            return;
        }
        // A header of a column that this part has nothing in is a header none the less.
        let first = if self.parts == 0 {
            header
        } else {
            rows.first().unwrap_or(header)
        };
        let all = rows.iter().chain([header]).flat_map(|row| &row.cells);
        let columns: BTreeSet<u32> = all.map(|(column, _)| *column).collect();
        let (Some(left), Some(right), Some(last)) = (columns.first(), columns.last(), rows.last())
        else {
            return;
        };
        let place = place(self.sheet, (first.at, *left), (last.at, *right));
        let row = |row: &Row| {
            let mut cells = row.cells.iter().peekable();
            let text = |column: &u32| {
                let cell = cells.next_if(|(at, _)| at == column);
                cell.map_or_else(String::new, |(_, text)| text.clone())
            };
            columns.iter().map(text).collect::<Vec<_>>()
        };
        let table = Table {
            caption: None,
            header: row(header),
            rows: rows.iter().map(row).collect(),
            continued: self.parts > 0,
        };
        self.parts += 1;
        out.table(place, table);
    }
}

/// A row that stands alone is no table.
fn alone(sheet: &str, row: &Row, out: &mut Output) {
    let (Some((left, _)), Some((right, _))) = (row.cells.first(), row.cells.last()) else {
        return;
    };
    let place = place(sheet, (row.at, *left), (row.at, *right));
    let texts: Vec<_> = row.cells.iter().map(|(_, text)| text.as_str()).collect();
    let text = texts.join(" ");
    out.push(place, Content::Paragraph { text });
}

fn place(sheet: &str, first: (u32, u32), last: (u32, u32)) -> Place {
    let name = sheet.to_owned();
    let cell = |(row, column): (u32, u32)| format!("{}{}", letters(column), row.saturating_add(1));
    let cells = match first == last {
        true => cell(first),
        false => format!("{}:{}", cell(first), cell(last)),
    };
    Place::Sheet { name, cells }
}

/// The name of a column: A, B, ... Z, AA.
fn letters(column: u32) -> String {
    let mut letters = String::new();
    let mut rest = column.saturating_add(1);
    while rest > 0 {
        rest -= 1;
        letters.insert(0, char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_sheets_name_them() {
        let names = [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ];
        for (column, name) in names {
            assert_eq!(letters(column), name);
        }
    }
}
