//! Tables without lines: what stands in columns, row under row.

use super::lines::{Item, Line, Segment, reach};
use std::ops::Range;

/// The most columns of a table that is known by its columns alone.
const MOST_COLUMNS: usize = 40;

/// A line, or lines that are a table.
#[derive(Debug)]
pub(super) enum Rows {
    Line(Vec<Segment>),
    Table(Vec<Vec<Segment>>, Vec<Range<f64>>),
}

impl Rows {
    /// Where it begins.
    pub(super) fn top(&self) -> f64 {
        let first = match self {
            Self::Line(line) => line.first(),
            Self::Table(rows, _) => rows.first().and_then(|row| row.first()),
        };
        first.map_or(f64::MAX, |first| first.y - first.size * 0.8)
    }

    pub(super) fn into_item(self, page: u32, group: usize) -> Item {
        match self {
            Self::Line(segments) => Item::Line(line(segments, page, group)),
            Self::Table(rows, columns) => {
                let rows = cells(rows, &columns);
                Item::Table { page, rows }
            }
        }
    }
}

/// What stands in one part of a page: its lines from top to bottom, those together that are a table.
pub(super) fn rows_of(segments: Vec<Segment>) -> Vec<Rows> {
    let mut lines = lines(segments).into_iter().peekable();
    let mut rows = Vec::new();
    while let Some(line) = lines.next() {
        let mut table = Table::begin(&line);
        let mut taken = vec![line];
        while let (Some(table), Some(next)) = (&mut table, lines.peek()) {
            let last = taken.last().and_then(|line| line.first());
            if !table.takes(next, last) {
                break;
            }
            taken.extend(lines.next());
        }
        // What hangs below without columns of its own is text again.
        let mut below = Vec::new();
        while taken.len() > 1 && taken.last().is_some_and(|line| line.len() < 2) {
            below.extend(taken.pop());
        }
        match table {
            Some(table) if table.is_one(&taken) => {
                rows.push(Rows::Table(taken, table.columns));
            }
            _ => rows.extend(taken.into_iter().map(Rows::Line)),
        }
        rows.extend(below.into_iter().rev().map(Rows::Line));
    }
    rows
}

/// Segments by the lines they stand on.
fn lines(mut segments: Vec<Segment>) -> Vec<Vec<Segment>> {
    segments.sort_by(|one, other| one.y.total_cmp(&other.y));
    let mut lines: Vec<Vec<Segment>> = Vec::new();
    for segment in segments {
        let on = lines.last().and_then(|line| line.first());
        let is_on = on.is_some_and(|on| (segment.y - on.y).abs() < reach(on.size, segment.size));
        match lines.last_mut() {
            Some(line) if is_on => line.push(segment),
            _ => lines.push(vec![segment]),
        }
    }
    for line in &mut lines {
        line.sort_by(|one, other| one.x.start.total_cmp(&other.x.start));
        join_marker(line);
    }
    lines
}

/// A bullet or number stands apart from its text, and is no column.
fn join_marker(line: &mut Vec<Segment>) {
    if line.len() < 2 || !line.first().is_some_and(|first| is_marker(&first.text)) {
        return;
    }
    let marker = line.remove(0);
    if let Some(first) = line.first_mut() {
        first.text = format!("{} {}", marker.text, first.text);
        first.x.start = marker.x.start;
    }
}

/// Whether a text is all bullet, or number of an item.
pub(super) fn is_marker(text: &str) -> bool {
    let text = text.trim();
    let mut characters = text.chars();
    if let (Some(one), None) = (characters.next(), characters.next())
        && super::blocks::BULLETS.contains(&one)
    {
        return true;
    }
    let Some(number) = text.strip_suffix(['.', ')']) else {
        return false;
    };
    let number = number.trim_start_matches('(');
    !number.is_empty()
        && (number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit())
            || number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// A table that may be one.
struct Table {
    columns: Vec<Range<f64>>,
}

impl Table {
    fn begin(line: &[Segment]) -> Option<Self> {
        if line.len() < 2 || line.len() > MOST_COLUMNS {
            return None;
        }
        let columns = line.iter().map(|segment| segment.x.clone()).collect();
        Some(Self { columns })
    }

    /// Whether a line is the next row, and if so, what its columns are with it.
    fn takes(&mut self, line: &[Segment], last: Option<&Segment>) -> bool {
        let (Some(first), Some(last)) = (line.first(), last) else {
            return false;
        };
        if first.y - last.y > 4.0 * last.size.max(first.size) {
            return false;
        }
        let mut all = self.columns.clone();
        all.extend(line.iter().map(|segment| segment.x.clone()));
        all.sort_by(|one, other| one.start.total_cmp(&other.start));
        let mut columns: Vec<Range<f64>> = Vec::new();
        for span in all {
            match columns.last_mut() {
                Some(column) if span.start < column.end + 1.0 => {
                    column.end = column.end.max(span.end);
                }
                _ => columns.push(span),
            }
        }
        // A line that runs through columns is none of the table's; nor do two of its segments share one.
        let goes = columns.len() >= self.columns.len()
            && columns.len() <= MOST_COLUMNS
            && (line.len() >= 2 || columns.len() == self.columns.len());
        if goes {
            self.columns = columns;
        }
        goes
    }

    /// Whether it is one: rows enough that have more than one cell.
    fn is_one(&self, rows: &[Vec<Segment>]) -> bool {
        let wide = rows.iter().filter(|row| row.len() >= 2).count();
        let needed = if self.columns.len() >= 3 { 2 } else { 3 };
        wide >= needed && wide * 2 >= rows.len()
    }
}

/// The cells of a table. A row without a first cell goes on with the row before it.
fn cells(rows: Vec<Vec<Segment>>, columns: &[Range<f64>]) -> Vec<Vec<String>> {
    let mut cells: Vec<Vec<String>> = Vec::new();
    let mut last = f64::MIN;
    for row in rows {
        let column = |segment: &Segment| {
            let at = columns.partition_point(|column| column.start <= segment.x.start + 0.5);
            at.saturating_sub(1)
        };
        let (y, size) = row
            .first()
            .map_or((0.0, 0.0), |first| (first.y, first.size));
        let goes_on = row.first().is_some_and(|first| column(first) > 0)
            && row.len() < columns.len()
            && y - last < 1.4 * size
            && cells.len() > 1;
        last = y;
        if !goes_on {
            cells.push(vec![String::new(); columns.len()]);
        }
        let Some(into) = cells.last_mut() else {
            continue;
        };
        for segment in row {
            if let Some(cell) = into.get_mut(column(&segment)) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&segment.text);
            }
        }
    }
    cells
}

fn line(segments: Vec<Segment>, page: u32, group: usize) -> Line {
    let mut segments = segments;
    let together: String = segments
        .iter()
        .map(|segment| segment.text.as_str())
        .collect();
    if super::bidi::is_right_to_left(&together) {
        segments.reverse();
    }
    let mut line = Line {
        text: String::new(),
        page,
        group,
        x: f64::MAX..f64::MIN,
        y: segments.first().map_or(0.0, |segment| segment.y),
        size: segments
            .iter()
            .map(|segment| segment.size)
            .fold(0.0, f64::max),
        is_bold: segments.iter().all(|segment| segment.is_bold),
    };
    for segment in segments {
        if !line.text.is_empty() {
            line.text.push(' ');
        }
        line.text.push_str(&segment.text);
        line.x = line.x.start.min(segment.x.start)..line.x.end.max(segment.x.end);
    }
    line
}
