//! What the terms of a text count for.

use crate::language::Language;
use crate::words::{Folding, pieces, words};
use std::collections::{BTreeMap, BTreeSet};

/// How soon more of the same term stops to count for more.
pub const K1: f32 = 1.2;
/// How much a long text is held against its terms.
pub const B: f32 = 0.75;
/// Words, but for those that say nothing, of a text that is neither long nor short: about those of a passage of
/// 400 tokens. Fixed, so that a text has the same weights whatever else is there.
pub const AVERAGE_LENGTH: f32 = 200.0;
/// Terms that a text or a question has at most: the weightiest.
pub const MAX_TERMS: usize = 4096;

/// Terms, each once and in order, with their weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The terms.
    pub terms: Vec<u32>,
    /// Their weights, in the same order.
    pub weights: Vec<f32>,
}

/// The terms of a text to be found.
pub fn document(text: &str, language: Language) -> Terms {
    let words = words(text, language);
    let length = number(words.len());
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for word in &words {
        *counts.entry(word.term).or_default() += 1;
    }
    let held_against = K1 * (1.0 - B + B * length / AVERAGE_LENGTH);
    let weight = |count: usize| number(count) * (K1 + 1.0) / (number(count) + held_against);
    Terms::weightiest(
        counts
            .into_iter()
            .map(|(term, count)| (term, weight(count))),
    )
}

/// The terms of a question, each once for 1. It is asked in each of these languages, or in all if there are none: a
/// word is looked for as each of them would keep it.
pub fn query(text: &str, languages: &[Language]) -> Terms {
    let languages = if languages.is_empty() {
        &Language::ALL
    } else {
        languages
    };
    let pieces = pieces(text);
    let mut terms = BTreeSet::new();
    for language in languages {
        let folding = Folding::of(*language);
        terms.extend(pieces.iter().filter_map(|piece| folding.term(piece)));
    }
    Terms::weightiest(terms.into_iter().map(|term| (term, 1.0)))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a text has less than 2^24 words that make a difference"
)]
fn number(count: usize) -> f32 {
    count as f32
}

// === impl Terms ===

impl Terms {
    /// Keeps the weightiest, in the order of the terms.
    fn weightiest(terms: impl Iterator<Item = (u32, f32)>) -> Self {
        let mut terms: Vec<_> = terms.collect();
        if terms.len() > MAX_TERMS {
            terms.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
            terms.truncate(MAX_TERMS);
            terms.sort_unstable_by_key(|(term, _)| *term);
        }
        let (terms, weights) = terms.into_iter().unzip();
        Self { terms, weights }
    }

    /// Whether there is nothing to be found by.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}
