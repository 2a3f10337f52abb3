//! Rows of values: one table, its first row the header.

use super::Read;
use crate::charset;
use crate::output::Output;
use crate::rows::{MOST_COLUMNS, Rows};
use csv::ReaderBuilder;
use document::{Place, Reason, Unread};

pub(crate) fn read(bytes: &[u8], charset: Option<&str>, out: &mut Output) -> Read {
    let text = charset::decode(bytes, charset);
    // What spreadsheets write first to say what separates.
    let (said, text) = match text.split_once('\n') {
        Some((first, rest)) if first.trim_end().len() == 5 && first.starts_with("sep=") => {
            (first.as_bytes().get(4).copied(), rest)
        }
        _ => (None, &*text),
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(said.unwrap_or_else(|| separator(text)))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = Rows::default();
    let mut record = csv::StringRecord::new();
    let mut wide = false;
    while reader.read_record(&mut record).unwrap_or(false) && !out.is_full() {
        let line = record.position().map_or(1, csv::Position::line);
        let place = Place::Line(u32::try_from(line).unwrap_or(u32::MAX));
        wide |= record.len() > MOST_COLUMNS;
        let cells = record.iter().take(MOST_COLUMNS).map(str::to_owned);
        rows.row(place, cells.collect(), out);
    }
    rows.end(out);
    if wide {
        let why =
            format!("its rows have more than {MOST_COLUMNS} columns; the first of them are read");
        out.unread(Unread::whole(Reason::Limit, why));
    }
    Ok(())
}

/// What separates the values: what the first lines have most alike.
fn separator(text: &str) -> u8 {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty())
        .take(10)
        .collect();
    let alike = |separator: &u8| {
        let counts = lines.iter().map(|line| count(line, *separator));
        let (least, most) = counts.fold((usize::MAX, 0), |(least, most), count| {
            (least.min(count), most.max(count))
        });
        (least.min(most), most)
    };
    let candidates = [b',', b';', b'\t', b'|'];
    let best = candidates.into_iter().rev().max_by_key(alike);
    best.unwrap_or(b',')
}

/// How often it stands outside of quotes.
fn count(line: &str, separator: u8) -> usize {
    let mut quoted = false;
    let outside = |byte: &u8| {
        quoted ^= *byte == b'"';
        !quoted && *byte == separator
    };
    line.bytes().take(64 << 10).filter(outside).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_is_found_out() {
        assert_eq!(separator("a,b\n1,2\n"), b',');
        assert_eq!(separator("a;b;c\n1,5;2,5;3\n"), b';');
        assert_eq!(separator("a\tb, and c\n1\t2\n"), b'\t');
        assert_eq!(separator("\"a,b\";c\n1;2\n"), b';');
        assert_eq!(separator("one\ntwo\n"), b',');
    }
}
