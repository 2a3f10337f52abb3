//! Dense vectors in a quarter of their size, and how far the truth can be from what they say.
//!
//! A vector is brought to length 1 and its numbers to whole ones of 8 bits. How much is lost by that is known: the
//! length of what is left over. With it, the angle to a query lies between two bounds, and so does the score; whoever
//! looks for the best keeps all that could be among them, and asks the vectors themselves. So what is found is exact.

use sbd_vectors_search::{Metric, norm};

/// The largest whole number that a number of a vector is brought to.
const LARGEST: f32 = 127.0;
/// What rounding in sums of `f32` may add to an angle.
const ROUNDING: f32 = 1e-5;

/// Vectors of one length, in their order; some may be missing.
#[derive(Debug, Default)]
pub(super) struct Quantised {
    dimensions: usize,
    codes: Vec<i8>,
    of: Vec<Lost>,
}

/// A vector beside its whole numbers.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// What a whole number stands for.
    step: f32,
    /// The length of what is left over.
    left: f32,
    /// The length of the vector itself; not a number where there is none.
    norm: f32,
}

/// A vector to compare with many.
pub(super) struct Asked {
    metric: Metric,
    codes: Vec<i16>,
    step: f32,
    left: f32,
    norm: f32,
}

/// Between which scores the true one lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: f32,
    pub(super) most: f32,
}

// === impl Quantised ===

impl Quantised {
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            ..Self::default()
        }
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.codes.capacity() + self.of.capacity() * size_of::<Lost>()
    }

    /// Makes room for so many in all, and a few more; says whether they take no more than so many bytes.
    pub(super) fn make_room(&mut self, points: usize, most_bytes: usize) -> bool {
        let bytes = points.saturating_mul(self.dimensions);
        if bytes > most_bytes {
            return false;
        }
        if bytes > self.codes.capacity() {
            let more = bytes - self.codes.len();
            self.codes.reserve_exact(more + bytes / 16);
        }
        true
    }

    pub(super) fn push(&mut self, vector: Option<&[f32]>) {
        let vector = vector.filter(|vector| vector.len() == self.dimensions);
        let Some(vector) = vector else {
            self.codes.resize(self.codes.len() + self.dimensions, 0);
            self.of.push(Lost {
                step: 0.0,
                left: 0.0,
                norm: f32::NAN,
            });
            return;
        };
        let norm = norm(vector);
        let unit = unit(vector, norm);
        let step = step(&unit, LARGEST);
        let before = self.codes.len();
        self.codes
            .extend(unit.iter().map(|number| whole_of_8(number / step)));
        let codes = self.codes.get(before..).unwrap_or_default();
        let left = unit.iter().zip(codes);
        let left: Vec<f32> = left
            .map(|(number, code)| number - step * f32::from(*code))
            .collect();
        let left = sbd_vectors_search::norm(&left);
        self.of.push(Lost { step, left, norm });
    }

    /// Between which scores a vector lies; none where there is none.
    pub(super) fn bounds(&self, at: usize, asked: &Asked) -> Option<Bounds> {
        let lost = self.of.get(at).filter(|lost| !lost.norm.is_nan())?;
        let codes = self
            .codes
            .get(at * self.dimensions..(at + 1) * self.dimensions)?;
        Some(asked.bounds(codes, lost))
    }
}

// === impl Asked ===

impl Asked {
    #[allow(
        clippy::cast_precision_loss,
        reason = "it has to be less than a bound, and is far below it"
    )]
    pub(super) fn new(metric: Metric, vector: &[f32]) -> Self {
        let norm = norm(vector);
        let unit = unit(vector, norm);
        // As fine as sums of 32 bits allow, and 16 bits.
        let finest = i32::MAX as f32 / (LARGEST + 1.0) / vector.len().max(1) as f32;
        let step = step(&unit, finest.min(f32::from(i16::MAX)).floor());
        let codes: Vec<i16> = unit
            .iter()
            .map(|number| whole_of_16(number / step))
            .collect();
        let left = unit.iter().zip(&codes);
        let left: Vec<f32> = left
            .map(|(number, code)| number - step * f32::from(*code))
            .collect();
        Self {
            metric,
            codes,
            step,
            left: sbd_vectors_search::norm(&left),
            norm,
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "what is lost is less than what rounding is allowed"
    )]
    fn bounds(&self, codes: &[i8], lost: &Lost) -> Bounds {
        let angle = product(codes, &self.codes) as f32 * (self.step * lost.step);
        // What each side has lost meets the whole of the other, which is at most of length 1 and what it lost itself.
        let off = lost.left + self.left * (1.0 + lost.left) + ROUNDING;
        let (least, most) = (angle - off, angle + off);
        match self.metric {
            Metric::Cosine => Bounds::new(least, most),
            Metric::Dot => {
                let lengths = self.norm * lost.norm;
                Bounds::new(lengths * least, lengths * most)
            }
            Metric::Euclid => {
                let squares = self.norm * self.norm + lost.norm * lost.norm;
                let lengths = 2.0 * self.norm * lost.norm;
                let off = squares * ROUNDING;
                let distance = |square: f32| -square.max(0.0).sqrt();
                let least = distance(squares - lengths * least + off);
                Bounds::new(least, distance(squares - lengths * most - off))
            }
        }
    }
}

// === impl Bounds ===

impl Bounds {
    /// Where numbers are too large to tell, anything may be true.
    fn new(least: f32, most: f32) -> Self {
        let is_known = !least.is_nan() && !most.is_nan();
        Self {
            least: if is_known { least } else { f32::NEG_INFINITY },
            most: if is_known { most } else { f32::INFINITY },
        }
    }
}

/// The vector with length 1; one of zeros stays what it is.
fn unit(vector: &[f32], norm: f32) -> Vec<f32> {
    let norm = if norm > 0.0 { norm } else { 1.0 };
    vector.iter().map(|number| number / norm).collect()
}

/// What a whole number stands for, if the largest of a vector is brought to `largest`.
fn step(unit: &[f32], largest: f32) -> f32 {
    let most = unit
        .iter()
        .fold(0.0_f32, |most, number| most.max(number.abs()));
    if most > 0.0 { most / largest } else { 1.0 }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "it saturates, and is within by its making"
)]
fn whole_of_8(number: f32) -> i8 {
    number.round() as i8
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "it saturates, and is within by its making"
)]
fn whole_of_16(number: f32) -> i16 {
    number.round() as i16
}

/// The inner product, whose sums stay within 32 bits by the making of both. Wrapping, so that processors add several
/// at once.
fn product(codes: &[i8], asked: &[i16]) -> i32 {
    let products = codes.iter().zip(asked);
    let products = products.map(|(code, asked)| i32::from(*code).wrapping_mul(i32::from(*asked)));
    products.fold(0, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use proptest::prelude::*;
    use sbd_vectors_search::score;

    proptest! {
        #[test]
        fn the_true_score_lies_between_the_bounds(
            vector in prop::collection::vec(-1.0_f32..1.0, 1..400),
            asked in prop::collection::vec(-1.0_f32..1.0, 400),
            scales in (-12_i32..12, -12_i32..12),
            mixed in 0.0_f32..1.0,
        ) {
            let (vector_scale, asked_scale) = (2.0_f32.powi(scales.0), 2.0_f32.powi(scales.1));
            // Anything from far apart to the same.
            let asked = asked.iter().zip(&vector);
            let asked: Vec<f32> = asked
                .map(|(asked, number)| (asked * (1.0 - mixed) + number * mixed) * asked_scale)
                .collect();
            let vector: Vec<f32> = vector.iter().map(|number| number * vector_scale).collect();
            prop_assume!(norm(&vector) > 0.0 && norm(&asked) > 0.0);
            let mut quantised = Quantised::new(vector.len());
            quantised.push(None);
            quantised.push(Some(&vector));
            for metric in [Metric::Cosine, Metric::Dot, Metric::Euclid] {
                let query = Asked::new(metric, &asked);
                prop_assert!(quantised.bounds(0, &query).is_none());
                let bounds = quantised.bounds(1, &query).unwrap();
                let score = score(metric, &asked, &vector);
                prop_assert!(bounds.least <= score && score <= bounds.most, "{metric:?}: {score} {bounds:?}");
            }
        }
    }

    #[test]
    fn the_largest_numbers_of_the_longest_vectors_do_not_overflow() {
        for dimensions in [1, 384, 1536, 4096] {
            for number in [1.0, -1.0, 1e15, 1e-15, 0.0] {
                let vector = vec![number; dimensions];
                let mut quantised = Quantised::new(dimensions);
                quantised.push(Some(&vector));
                for metric in [Metric::Dot, Metric::Euclid] {
                    let bounds = quantised.bounds(0, &Asked::new(metric, &vector)).unwrap();
                    let score = score(metric, &vector, &vector);
                    assert!(
                        bounds.least <= score && score <= bounds.most,
                        "{number}: {score} {bounds:?}"
                    );
                }
            }
        }
    }
}
