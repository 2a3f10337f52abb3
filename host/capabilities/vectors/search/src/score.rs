//! How alike two vectors are.

use crate::point::Metric;

/// Sums that are made side by side, so that a processor adds several at once. In an order that is always the
/// same: the same vectors have the same score everywhere.
const LANES: usize = 16;

/// The inner product of two vectors of one length.
pub fn dot(one: &[f32], other: &[f32]) -> f32 {
    sum(one, other, |one, other| one * other)
}

/// The length of a vector.
pub fn norm(vector: &[f32]) -> f32 {
    dot(vector, vector).sqrt()
}

/// How alike two vectors of one length are: more is more alike.
pub fn score(metric: Metric, one: &[f32], other: &[f32]) -> f32 {
    match metric {
        Metric::Dot => dot(one, other),
        Metric::Cosine => cosine(dot(one, other), norm(one), norm(other)),
        Metric::Euclid => {
            let squared = |one: f32, other: f32| (one - other) * (one - other);
            -sum(one, other, squared).sqrt()
        }
    }
}

/// In doubles, as the product of two lengths may be too large or too small for less.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the quotient is between -1 and 1"
)]
fn cosine(dot: f32, one: f32, other: f32) -> f32 {
    let quotient = f64::from(dot) / (f64::from(one) * f64::from(other));
    quotient.clamp(-1.0, 1.0) as f32
}

/// What a term counts for that so many of all points have: much, if it is rare.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a weight of this many points needs no more digits"
)]
pub fn inverse_frequency(points: u64, with_it: u64) -> f32 {
    let (points, with_it) = (points as f64, with_it as f64);
    (((points - with_it + 0.5) / (with_it + 0.5)).ln_1p()) as f32
}

fn sum(one: &[f32], other: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    for (one, other) in ones.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += term(one[lane], other[lane]);
        }
    }
    let rest = one_rest.iter().zip(other_rest);
    let rest: f32 = rest.map(|(one, other)| term(*one, *other)).sum();
    sums.iter().sum::<f32>() + rest
}
