//! Tables that have lines around their cells.

use super::glyphs::Rule;
use std::ops::Range;

/// How far lines may miss each other.
const NEAR: f64 = 3.0;
/// The most columns or rows of a table, and the most cells.
const MOST: usize = 200;
const MOST_CELLS: usize = 5_000;

/// The lines of a table: at these places its columns and rows begin and end.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    columns: Vec<f64>,
    rows: Vec<f64>,
}

impl Grid {
    /// All tables of these lines.
    pub(super) fn all(rules: &[Rule]) -> Vec<Self> {
        let rules = joined(rules);
        let mut groups = Groups::of(rules.len());
        let horizontal = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.is_horizontal);
        for (one, across) in horizontal {
            let vertical = rules
                .iter()
                .enumerate()
                .filter(|(_, rule)| !rule.is_horizontal);
            for (other, down) in vertical {
                let meet = |at: f64, rule: &Rule| at > rule.from - NEAR && at < rule.to + NEAR;
                if meet(down.at, across) && meet(across.at, down) {
                    groups.join(one, other);
                }
            }
        }
        let mut grids: Vec<_> = groups
            .all()
            .into_iter()
            .filter_map(|group| {
                let places = |is_horizontal: bool| {
                    let rules = group.iter().filter_map(|at| rules.get(*at));
                    let rules = rules.filter(|rule| rule.is_horizontal == is_horizontal);
                    near(rules.map(|rule| rule.at).collect())
                };
                let (columns, rows) = (places(false), places(true));
                let is_table = (3..MOST).contains(&columns.len())
                    && (3..MOST).contains(&rows.len())
                    && columns.len() * rows.len() < MOST_CELLS;
                is_table.then_some(Self { columns, rows })
            })
            .collect();
        grids.sort_by(|one, other| one.y().start.total_cmp(&other.y().start));
        grids
    }

    /// Where it is.
    pub(super) fn x(&self) -> Range<f64> {
        ends(&self.columns)
    }

    /// Where it is.
    pub(super) fn y(&self) -> Range<f64> {
        ends(&self.rows)
    }

    /// How many rows and columns it has.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.rows.len() - 1, self.columns.len() - 1)
    }

    /// The row and column of a place.
    pub(super) fn cell(&self, x: f64, y: f64) -> Option<(usize, usize)> {
        Some((slot(&self.rows, y)?, slot(&self.columns, x)?))
    }
}

fn ends(places: &[f64]) -> Range<f64> {
    let first = places.first().copied().unwrap_or_default();
    first..places.last().copied().unwrap_or_default()
}

fn slot(places: &[f64], at: f64) -> Option<usize> {
    let slot = places
        .partition_point(|place| *place <= at)
        .checked_sub(1)?;
    (slot + 1 < places.len()).then_some(slot)
}

/// Places, where those that are near each other are one.
fn near(mut places: Vec<f64>) -> Vec<f64> {
    places.sort_by(f64::total_cmp);
    places.dedup_by(|next, before| *next - *before < NEAR);
    places
}

/// Lines that touch in one direction as one: sides of cells become sides of a table.
fn joined(rules: &[Rule]) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    let order = |one: &Rule, other: &Rule| {
        let direction = one.is_horizontal.cmp(&other.is_horizontal);
        let at = (one.at / NEAR)
            .round()
            .total_cmp(&(other.at / NEAR).round());
        direction.then(at).then(one.from.total_cmp(&other.from))
    };
    rules.sort_by(order);
    let mut joined: Vec<Rule> = Vec::new();
    for rule in rules {
        match joined.last_mut() {
            Some(last)
                if last.is_horizontal == rule.is_horizontal
                    && (last.at - rule.at).abs() < NEAR
                    && rule.from < last.to + NEAR =>
            {
                last.to = last.to.max(rule.to);
            }
            _ => joined.push(rule),
        }
    }
    // What draws letters or a picture out of lines is no table.
    joined.retain(|rule| rule.to - rule.from > 2.0 * NEAR);
    joined.truncate(1_500);
    joined
}

/// Which belong together, of so many.
struct Groups(Vec<usize>);

impl Groups {
    fn of(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while let Some(up) = self.0.get(at).copied()
            && up != at
        {
            let over = self.0.get(up).copied().unwrap_or(up);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = over;
            }
            at = over;
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(slot) = self.0.get_mut(other) {
            *slot = one;
        }
    }

    fn all(mut self) -> Vec<Vec<usize>> {
        let mut all = std::collections::BTreeMap::<_, Vec<_>>::new();
        for at in 0..self.0.len() {
            let root = self.root(at);
            all.entry(root).or_default().push(at);
        }
        all.into_values().collect()
    }
}
