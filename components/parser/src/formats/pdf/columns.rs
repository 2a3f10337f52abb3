//! The order that the parts of a page are read in: column after column, each from top to bottom.

use std::ops::Range;

/// Deeper, nothing is cut any more.
const DEEPEST: usize = 12;
/// More strips than this are no layout.
const MOST_STRIPS: usize = 80;
/// A column has at least so many lines.
const LEAST_LINES: usize = 3;

/// A part of a page that stays together.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) x: Range<f64>,
    pub(super) y: Range<f64>,
    /// How many letters it has.
    pub(super) letters: usize,
    /// What it is, for whoever asks.
    pub(super) index: usize,
}

/// The parts of a page in groups, each read from top to bottom, one after the other.
pub(super) fn order(parts: Vec<Part>) -> Vec<Vec<Part>> {
    let mut groups = Vec::new();
    cut(parts, DEEPEST, &mut groups);
    groups
}

fn cut(parts: Vec<Part>, depth: usize, groups: &mut Vec<Vec<Part>>) {
    if depth == 0 || parts.len() < 2 * LEAST_LINES {
        groups.push(parts);
        return;
    }
    if let Some(at) = gutter(&parts) {
        let (left, right) = parts.into_iter().partition(|part| part.x.end <= at);
        cut(left, depth - 1, groups);
        return cut(right, depth - 1, groups);
    }
    let strips = strips(parts);
    if strips.len() < 2 || strips.len() > MOST_STRIPS {
        groups.push(strips.into_iter().flatten().collect());
        return;
    }
    // As many strips together as one gutter goes through; the others stay with what they follow.
    let mut rest = strips.into_iter().peekable();
    let mut plain = Vec::new();
    let mut strips: Vec<Vec<Part>> = rest.by_ref().collect();
    while !strips.is_empty() {
        let together = (1..=strips.len()).rev().find(|count| {
            let parts: Vec<_> = strips.iter().take(*count).flatten().cloned().collect();
            gutter(&parts).is_some()
        });
        match together {
            Some(count) => {
                if !plain.is_empty() {
                    groups.push(std::mem::take(&mut plain));
                }
                let parts = strips.drain(..count).flatten().collect();
                cut(parts, depth - 1, groups);
            }
            None => plain.extend(strips.remove(0)),
        }
    }
    if !plain.is_empty() {
        groups.push(plain);
    }
}

/// Where a gap runs through all parts from top to bottom, with prose on both sides of it. Between the columns of a table
/// there are gaps as well, but no prose.
fn gutter(parts: &[Part]) -> Option<f64> {
    let mut spans: Vec<_> = parts.iter().map(|part| part.x.clone()).collect();
    spans.sort_by(|one, other| one.start.total_cmp(&other.start));
    let mut best = None::<(f64, f64)>;
    let mut end = spans.first()?.end;
    for span in &spans {
        let gap = span.start - end;
        let middle = end + gap / 2.0;
        if gap > 6.0
            && best.is_none_or(|(widest, _)| gap > widest)
            && is_prose_beside(parts, middle)
        {
            best = Some((gap, middle));
        }
        end = end.max(span.end);
    }
    best.map(|(_, middle)| middle)
}

fn is_prose_beside(parts: &[Part], at: f64) -> bool {
    let is_prose = |side: &dyn Fn(&Part) -> bool| {
        let side = || parts.iter().filter(|part| side(part));
        let left = side().map(|part| part.x.start).fold(f64::MAX, f64::min);
        let right = side().map(|part| part.x.end).fold(f64::MIN, f64::max);
        // Lines that are well filled.
        let full =
            |part: &&Part| part.letters >= 15 && part.x.end - part.x.start > 0.55 * (right - left);
        let (all, full) = (side().count(), side().filter(full).count());
        all >= LEAST_LINES && full >= LEAST_LINES && full * 2 >= all
    };
    is_prose(&|part: &Part| part.x.end <= at) && is_prose(&|part: &Part| part.x.end > at)
}

/// The parts between gaps that run from left to right, from top to bottom.
fn strips(mut parts: Vec<Part>) -> Vec<Vec<Part>> {
    parts.sort_by(|one, other| one.y.start.total_cmp(&other.y.start));
    let mut strips: Vec<Vec<Part>> = Vec::new();
    let mut end = f64::MIN;
    for part in parts {
        let height = part.y.end - part.y.start;
        let begins = part.y.start - end > height.min(20.0) * 0.25;
        end = end.max(part.y.end);
        match strips.last_mut() {
            Some(strip) if !begins => strip.push(part),
            _ => strips.push(vec![part]),
        }
    }
    strips
}
