//! Lines of text, out of letters that stand beside each other.

use super::aligned;
use super::bidi;
use super::columns::{self, Part};
use super::glyphs::{Drawn, Glyph, Turn};
use super::grid::Grid;
use std::ops::Range;

/// A wider gap, in parts of the size of the font, is a space.
const SPACE: f64 = 0.17;
/// A wider one, that there is something else.
const APART: f64 = 1.1;

/// A line of text on a page.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) page: u32,
    /// The part of the page it belongs to.
    pub(super) group: usize,
    pub(super) x: Range<f64>,
    /// Its base line.
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) is_bold: bool,
}

/// What a page is made of, in the order it is read in.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Line(Line),
    Table { page: u32, rows: Vec<Vec<String>> },
}

/// Letters that stand together.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) x: Range<f64>,
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) is_bold: bool,
    pub(super) text: String,
}

/// The lines and tables of a page.
pub(super) fn of(mut drawn: Drawn, page: u32) -> Vec<Item> {
    let mut items = Vec::new();
    let mut glyphs = std::mem::take(&mut drawn.glyphs);
    let grids = Grid::all(&drawn.rules);
    let mut groups = 0;
    for turn in [Turn::Right, Turn::Left, Turn::Up, Turn::Down] {
        let these: Vec<_> = glyphs.extract_if(.., |glyph| glyph.turn == turn).collect();
        if these.is_empty() {
            continue;
        }
        let grids = if turn == Turn::Right { &*grids } else { &[] };
        items.extend(upright(&drawn, these, grids, page, &mut groups));
    }
    items.extend(askew(&drawn, glyphs, page, groups));
    items
}

/// Letters that run to the right.
fn upright(
    drawn: &Drawn,
    glyphs: Vec<Glyph>,
    grids: &[Grid],
    page: u32,
    groups: &mut usize,
) -> Vec<Item> {
    let (tables, glyphs) = ruled(drawn, glyphs, grids);
    let mut segments = Vec::new();
    for glyphs in by_lines(glyphs) {
        segments.extend(segments_of(drawn, glyphs));
    }
    let mut parts: Vec<_> = segments
        .iter()
        .enumerate()
        .map(|(index, segment)| Part {
            x: segment.x.clone(),
            y: segment.y - segment.size * 0.8..segment.y + segment.size * 0.2,
            letters: segment.text.chars().count(),
            index,
        })
        .collect();
    parts.extend(tables.iter().enumerate().map(|(index, (grid, _))| Part {
        x: grid.x(),
        y: grid.y(),
        letters: 0,
        index: segments.len() + index,
    }));
    let mut items = Vec::new();
    for group in columns::order(parts) {
        *groups += 1;
        let (mut free, mut tabled) = (Vec::new(), Vec::new());
        for part in group {
            match segments.get(part.index) {
                Some(segment) => free.push(segment.clone()),
                None => tabled.extend(tables.get(part.index - segments.len())),
            }
        }
        tabled.sort_by(|one, other| other.0.y().start.total_cmp(&one.0.y().start));
        for rows in aligned::rows_of(free) {
            // A ruled table stands where it begins.
            while let Some((_, rows)) = tabled.pop_if(|table| table.0.y().start < rows.top()) {
                let rows = rows.clone();
                items.push(Item::Table { page, rows });
            }
            items.push(rows.into_item(page, *groups));
        }
        for (_, rows) in tabled.into_iter().rev() {
            let rows = rows.clone();
            items.push(Item::Table { page, rows });
        }
    }
    items
}

type Ruled<'g> = Vec<(&'g Grid, Vec<Vec<String>>)>;

/// Takes what stands in ruled tables.
fn ruled<'g>(drawn: &Drawn, glyphs: Vec<Glyph>, grids: &'g [Grid]) -> (Ruled<'g>, Vec<Glyph>) {
    let (mut tables, mut rest) = (Vec::new(), glyphs);
    for grid in grids {
        let (rows, columns) = grid.size();
        let mut cells = vec![Vec::new(); rows * columns];
        let mut inside = vec![false; rest.len()];
        for (glyph, inside) in rest.iter().zip(&mut inside) {
            let middle = (glyph.x.start + glyph.x.end) / 2.0;
            let at = grid.cell(middle, glyph.y - glyph.size * 0.3);
            if let Some(cell) = at.and_then(|(row, column)| cells.get_mut(row * columns + column)) {
                cell.push(glyph.clone());
                *inside = true;
            }
        }
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        // A frame, not a table.
        if filled < 3 {
            continue;
        }
        let mut inside = inside.into_iter();
        rest.retain(|_| !inside.next().unwrap_or(false));
        let text = |cell: &Vec<Glyph>| {
            let lines = by_lines(cell.clone()).into_iter();
            let lines: Vec<_> = lines
                .flat_map(|line| segments_of(drawn, line))
                .map(|segment| segment.text)
                .collect();
            lines.join(" ")
        };
        let rows: Vec<Vec<_>> = cells
            .chunks(columns)
            .map(|row| row.iter().map(text).collect())
            .collect();
        tables.push((grid, rows));
    }
    (tables, rest)
}

/// Letters by the lines they stand on, from top to bottom.
fn by_lines(mut glyphs: Vec<Glyph>) -> Vec<Vec<Glyph>> {
    glyphs.sort_by(|one, other| one.y.total_cmp(&other.y));
    let mut lines: Vec<Vec<Glyph>> = Vec::new();
    let (mut from, mut size) = (f64::MIN, 0.0f64);
    for glyph in glyphs {
        let near = reach(size, glyph.size);
        if glyph.y - from > near || lines.is_empty() {
            (from, size) = (glyph.y, 0.0);
            lines.push(Vec::new());
        }
        if glyph.size > size {
            (from, size) = (glyph.y, glyph.size);
        }
        if let Some(line) = lines.last_mut() {
            line.push(glyph);
        }
    }
    lines
}

/// How far letters of two sizes may be apart on one line: what is small may be raised or lowered.
pub(super) fn reach(one: f64, other: f64) -> f64 {
    let (small, large) = (one.min(other), one.max(other).min(40.0));
    match small < 0.85 * large {
        true => 0.5 * large,
        false => 0.35 * large,
    }
}

/// The letters of a line where they stand together.
fn segments_of(drawn: &Drawn, mut glyphs: Vec<Glyph>) -> Vec<Segment> {
    glyphs.sort_by(|one, other| one.x.start.total_cmp(&other.x.start));
    let mut segments = Vec::new();
    let mut open: Vec<Glyph> = Vec::new();
    let mut end = f64::MIN;
    for glyph in glyphs {
        let is_space = drawn.text(&glyph).trim().is_empty();
        if is_space {
            continue;
        }
        if !open.is_empty() && glyph.x.start - end > APART * glyph.size {
            segments.extend(segment(drawn, std::mem::take(&mut open)));
        }
        // Drawn twice to look bold.
        let twice = open.iter().rev().take(3).any(|last| {
            let apart = (glyph.x.start - last.x.start).abs();
            apart < 0.2 * (glyph.x.end - glyph.x.start) && drawn.text(last) == drawn.text(&glyph)
        });
        if twice {
            continue;
        }
        end = match open.is_empty() {
            true => glyph.x.end,
            false => end.max(glyph.x.end),
        };
        open.push(glyph);
    }
    segments.extend(segment(drawn, open));
    segments
}

fn segment(drawn: &Drawn, glyphs: Vec<Glyph>) -> Option<Segment> {
    let first = glyphs.first()?;
    let size = glyphs.iter().map(|glyph| glyph.size).fold(0.0, f64::max);
    let mut x = first.x.clone();
    let mut units: Vec<&str> = Vec::with_capacity(glyphs.len() * 2);
    let mut accent = None;
    for (glyph, next) in glyphs
        .iter()
        .zip(glyphs.iter().skip(1).map(Some).chain([None]))
    {
        // Some programs draw an accent above a letter, as a letter of its own.
        let middle = (glyph.x.start + glyph.x.end) / 2.0;
        if let Some(mark) = combining(drawn.text(glyph)) {
            if x.contains(&middle) && !units.is_empty() {
                units.push(mark);
                continue;
            }
            if next.is_some_and(|next| next.x.contains(&middle)) {
                accent = Some(mark);
                continue;
            }
        }
        if glyph.x.start - x.end > SPACE * glyph.size {
            units.push(" ");
        }
        x.end = x.end.max(glyph.x.end);
        units.push(drawn.text(glyph));
        units.extend(accent.take());
    }
    let (bold, y) = (
        glyphs.iter().filter(|glyph| glyph.is_bold).count(),
        largest(&glyphs)?.y,
    );
    bidi::reorder(&mut units);
    let text = units.concat();
    Some(Segment {
        x,
        y,
        size,
        is_bold: bold * 2 > glyphs.len(),
        text: plain(&text),
    })
}

/// An accent as it is written behind its letter.
fn combining(text: &str) -> Option<&'static str> {
    Some(match text {
        "`" | "\u{2cb}" => "\u{300}",
        "\u{b4}" | "\u{2ca}" => "\u{301}",
        "\u{2c6}" | "^" => "\u{302}",
        "\u{2dc}" | "~" => "\u{303}",
        "\u{af}" => "\u{304}",
        "\u{2d8}" => "\u{306}",
        "\u{2d9}" => "\u{307}",
        "\u{a8}" => "\u{308}",
        "\u{2da}" => "\u{30a}",
        "\u{2dd}" => "\u{30b}",
        "\u{2c7}" => "\u{30c}",
        "\u{b8}" => "\u{327}",
        "\u{2db}" => "\u{328}",
        _ => return None,
    })
}

fn largest(glyphs: &[Glyph]) -> Option<&Glyph> {
    glyphs
        .iter()
        .max_by(|one, other| one.size.total_cmp(&other.size))
}

/// Letters without their forms of presentation: ligatures apart, Arabic letters by themselves.
pub(super) fn plain(text: &str) -> String {
    let is_form =
        |character: char| matches!(character, '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    let normalizer = icu_normalizer::ComposingNormalizerBorrowed::new_nfkc();
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match is_form(character) {
            true => plain.push_str(&normalizer.normalize(character.encode_utf8(&mut [0; 4]))),
            false => plain.push(character),
        }
    }
    let normalizer = icu_normalizer::ComposingNormalizerBorrowed::new_nfc();
    normalizer.normalize(&plain).into_owned()
}

/// Letters that run across the page, in the order they are drawn in.
fn askew(drawn: &Drawn, glyphs: Vec<Glyph>, page: u32, groups: usize) -> Option<Item> {
    let first = glyphs.first()?;
    let (x, y, size) = (first.x.clone(), first.y, first.size);
    let text: String = glyphs.iter().map(|glyph| drawn.text(glyph)).collect();
    let line = Line {
        text: plain(&text),
        page,
        group: groups + 1,
        x,
        y,
        size,
        is_bold: false,
    };
    Some(Item::Line(line))
}
