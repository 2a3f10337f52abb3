//! Headings, paragraphs and items, out of the lines of all pages.

use super::aligned::is_marker;
use super::lines::{Item, Line};
use crate::output::Output;
use crate::rows::Rows;
use document::{Content, Place};
use std::collections::HashMap;

/// What stands before an item.
pub(super) const BULLETS: [char; 16] = [
    '•', '◦', '▪', '▫', '●', '○', '■', '□', '‣', '⁃', '·', '–', '—', '-', '*', '➢',
];
/// A heading is shorter.
const LONGEST_HEADING: usize = 200;
/// On how many pages at least the same stands at the same place, if it belongs to the page and not to the text.
const REPEATED: usize = 3;
/// The most letters beside a number of a page.
const MOST_BESIDE_NUMBER: usize = 30;

/// Tells all that is there.
pub(super) fn tell(mut items: Vec<Item>, out: &mut Output) {
    forget_repeated(&mut items);
    let sizes = Sizes::of(&items);
    let mut open = None::<Open>;
    for item in items {
        if out.is_full() {
            return;
        }
        match item {
            Item::Line(line) => {
                let kind = sizes.kind(&line);
                match &mut open {
                    Some(open) if open.goes_on_with(&line, &kind, &sizes) => open.add(line),
                    _ => {
                        if let Some(open) = open.take() {
                            open.tell(out);
                        }
                        open = Some(Open::begin(line, kind));
                    }
                }
            }
            Item::Table { page, rows } => {
                if let Some(open) = open.take() {
                    open.tell(out);
                }
                let mut table = Rows::default();
                for row in rows {
                    table.row(Place::Page(page), row, out);
                }
                table.end(out);
            }
        }
    }
    if let Some(open) = open {
        open.tell(out);
    }
}

/// Forgets what stands at the head or foot of many pages, but for the first time.
fn forget_repeated(items: &mut Vec<Item>) {
    let mut seen: HashMap<(String, i64), usize> = HashMap::new();
    let key = |item: &Item| match item {
        Item::Line(line) if line.text.len() < 200 => {
            Some((without_number(&line.text), (line.y / 4.0).round() as i64))
        }
        _ => None,
    };
    let pages = items.last().map_or(0, page_of) as usize;
    if pages < REPEATED {
        return;
    }
    let edges = edges(items);
    for (item, edge) in items.iter().zip(&edges) {
        if *edge && let Some(key) = key(item) {
            *seen.entry(key).or_default() += 1;
        }
    }
    seen.retain(|_, count| *count >= REPEATED && *count * 3 >= pages);
    let mut edges = edges.into_iter();
    let mut told = std::collections::HashSet::new();
    items.retain(|item| {
        let is_edge = edges.next().unwrap_or(false);
        match key(item).filter(|key| is_edge && seen.contains_key(key)) {
            Some(key) => told.insert(key),
            None => true,
        }
    });
}

/// A short text whatever numbers it has, as that of a page; a longer one as it is.
fn without_number(text: &str) -> String {
    if text
        .chars()
        .filter(|character| character.is_alphabetic())
        .count()
        > MOST_BESIDE_NUMBER
    {
        return text.to_owned();
    }
    let mut without = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if !character.is_ascii_digit() => without.push(character),
            // Numbers of pages have more digits later on.
            _ if !without.ends_with('0') => without.push('0'),
            _ => {}
        }
    }
    without
}

/// Which items are the first or last of a page that has more than those, or of a long one the first or last two.
fn edges(items: &[Item]) -> Vec<bool> {
    let mut edges = Vec::with_capacity(items.len());
    for page in items.chunk_by(|one, other| page_of(one) == page_of(other)) {
        let deep = match page.len() {
            0..5 => 0,
            5..12 => 1,
            _ => 2,
        };
        edges.extend((0..page.len()).map(|at| at < deep || at + deep >= page.len()));
    }
    edges
}

fn page_of(item: &Item) -> u32 {
    match item {
        Item::Line(line) => line.page,
        Item::Table { page, .. } => *page,
    }
}

/// What a line is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Heading(u8),
    Item,
    Text,
}

/// The sizes of the fonts, by what they are used for.
struct Sizes {
    body: f64,
    /// Those of headings, the largest first.
    headings: Vec<i64>,
    /// Whether bold lines of the size of the text are headings.
    bold: bool,
    /// From line to line in the text, in sizes of its font: for each part of a page, and where that does not tell.
    pitches: HashMap<(u32, usize), f64>,
    pitch: f64,
}

/// A size in halves of a point, so that small differences do not count.
fn step(size: f64) -> i64 {
    (size * 2.0).round() as i64
}

/// The part of a page that a line belongs to.
fn part(line: &Line) -> (u32, usize) {
    (line.page, line.group)
}

impl Sizes {
    fn of(items: &[Item]) -> Self {
        let lines = || {
            items.iter().filter_map(|item| match item {
                Item::Line(line) => Some(line),
                Item::Table { .. } => None,
            })
        };
        let mut letters: HashMap<i64, usize> = HashMap::new();
        let (mut bold, mut all) = (0, 0);
        for line in lines() {
            *letters.entry(step(line.size)).or_default() += line.text.len();
            all += line.text.len();
            bold += if line.is_bold { line.text.len() } else { 0 };
        }
        let body = letters.iter().max_by_key(|(size, count)| (**count, **size));
        let body = body.map_or(10.0, |(size, _)| *size as f64 / 2.0);
        let mut headings: Vec<_> = letters
            .iter()
            .filter(|(size, count)| **size as f64 / 2.0 > body * 1.12 && **count * 4 < all.max(4))
            .map(|(size, _)| *size)
            .collect();
        headings.sort_unstable();
        headings.reverse();
        let mut pitches: HashMap<_, Vec<_>> = HashMap::new();
        for (line, next) in lines().zip(lines().skip(1)) {
            let pitch = (next.y - line.y) / next.size;
            let alike = step(line.size) == step(next.size);
            if alike && part(line) == part(next) && (0.8..3.0).contains(&pitch) {
                pitches.entry(part(line)).or_default().push(pitch);
            }
        }
        // The lower third: gaps between paragraphs do not count.
        let lower = |pitches: &mut Vec<f64>| {
            pitches.sort_by(f64::total_cmp);
            pitches.get(pitches.len() / 3).copied()
        };
        let mut all_pitches = pitches.values().flatten().copied().collect();
        let pitch = lower(&mut all_pitches).unwrap_or(1.2);
        let known = pitches.iter_mut().filter(|(_, pitches)| pitches.len() > 3);
        let pitches = known
            .filter_map(|(part, pitches)| Some((*part, lower(pitches)?)))
            .collect();
        Self {
            body,
            headings,
            bold: bold * 4 < all,
            pitches,
            pitch,
        }
    }

    /// How far apart two lines of a paragraph are here, at most.
    fn reach(&self, line: &Line) -> f64 {
        let pitch = self.pitches.get(&part(line)).copied();
        (pitch.unwrap_or(self.pitch) * 1.25).max(1.35)
    }

    fn kind(&self, line: &Line) -> Kind {
        if item(&line.text).is_some() {
            return Kind::Item;
        }
        let has_letters = line.text.chars().any(char::is_alphanumeric);
        if line.text.len() > LONGEST_HEADING || !has_letters {
            return Kind::Text;
        }
        let level = self
            .headings
            .iter()
            .position(|size| *size == step(line.size));
        let lowest = self.headings.len();
        match level {
            Some(level) => Kind::Heading(u8::try_from(level + 1).unwrap_or(6).min(6)),
            None if line.is_bold
                && self.bold
                && line.size >= self.body * 0.95
                && line.text.len() < 100
                && !line.text.ends_with(['.', ',', ':', ';']) =>
            {
                Kind::Heading(u8::try_from(lowest + 1).unwrap_or(6).min(6))
            }
            None => Kind::Text,
        }
    }
}

/// What an item says, if a line begins one; numbers stay with it.
fn item(text: &str) -> Option<&str> {
    let (marker, rest) = text.split_once(' ')?;
    let rest = rest.trim_start();
    if rest.is_empty() || !is_marker(marker) {
        return None;
    }
    match marker
        .chars()
        .next()
        .filter(|first| BULLETS.contains(first))
    {
        Some(_) => Some(rest),
        None => Some(text),
    }
}

/// A block that is being put together.
struct Open {
    kind: Kind,
    text: String,
    page: u32,
    left: f64,
    last: Line,
    /// How far its widest line reaches.
    right: f64,
}

impl Open {
    fn begin(line: Line, kind: Kind) -> Self {
        let text = match kind {
            Kind::Item => item(&line.text).unwrap_or(&line.text).to_owned(),
            _ => line.text.clone(),
        };
        Self {
            kind,
            text,
            page: line.page,
            left: line.x.start,
            right: line.x.end,
            last: line,
        }
    }

    fn goes_on_with(&self, line: &Line, kind: &Kind, sizes: &Sizes) -> bool {
        let last = &self.last;
        let alike = (last.size - line.size).abs() < 0.12 * last.size.max(line.size);
        if !alike {
            return false;
        }
        let together = last.page == line.page && last.group == line.group;
        let gap = (line.y - last.y) / line.size;
        let near = together && gap > -0.1 && gap < sizes.reach(line);
        match (self.kind, kind) {
            (_, Kind::Item) => false,
            (Kind::Heading(one), Kind::Heading(other)) => {
                one == *other && near && self.text.len() + line.text.len() < LONGEST_HEADING
            }
            (Kind::Item, Kind::Text) => near && line.x.start > self.left - 1.0,
            (Kind::Text, Kind::Text) if together => {
                // A line that is indented, or behind one that ended early, begins something.
                let indented = line.x.start - last.x.start > 0.8 * line.size
                    && !super::bidi::is_right_to_left(&line.text);
                let ended = last.x.end < self.right - 0.25 * (self.right - self.left)
                    && ends_sentence(&last.text);
                near && !(indented && self.text.len() > last.text.len()) && !ended
            }
            // Over the end of a column or page, a sentence goes on.
            (Kind::Text, Kind::Text) => {
                let small = line.text.chars().next().is_some_and(char::is_lowercase);
                small && !ends_sentence(&last.text)
            }
            _ => false,
        }
    }

    fn add(&mut self, line: Line) {
        let hyphen = self.text.ends_with('-')
            && line.text.chars().next().is_some_and(char::is_lowercase)
            && self
                .text
                .chars()
                .rev()
                .nth(1)
                .is_some_and(char::is_lowercase);
        match hyphen {
            true => {
                self.text.pop();
            }
            false => self.text.push(' '),
        }
        self.text.push_str(&line.text);
        self.right = match self.last.group == line.group {
            true => self.right.max(line.x.end),
            false => line.x.end,
        };
        self.last = line;
    }

    fn tell(self, out: &mut Output) {
        let text = self.text;
        let content = match self.kind {
            Kind::Heading(level) => Content::Heading { level, text },
            Kind::Item => Content::ListItem { depth: 0, text },
            Kind::Text => Content::Paragraph { text },
        };
        out.push(Place::Page(self.page), content);
    }
}

fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'', '”', '“', '»', ')', ']']);
    text.ends_with(['.', '!', '?', ':', '…', '。', '！', '？', '؟'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_known_by_what_stands_before_them() {
        assert_eq!(item("• one"), Some("one"));
        assert_eq!(item("- one"), Some("one"));
        assert_eq!(item("12. twelve"), Some("12. twelve"));
        assert_eq!(item("a) first"), Some("a) first"));
        assert_eq!(item("2026 was"), None);
        assert_eq!(item("A. Lovelace"), None);
        assert_eq!(item("-"), None);
    }
}
