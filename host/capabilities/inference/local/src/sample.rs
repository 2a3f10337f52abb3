//! Which token follows, among those that may.

use crate::json::Acceptor;
use crate::vocabulary::Vocabulary;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Among how many of the likeliest tokens is chosen.
const CANDIDATES: usize = 256;
/// How many a constraint looks at before it goes through all.
const FIRST_LOOK: usize = 64;

/// Chooses tokens. With the same seed, it chooses the same.
pub(crate) struct Sampler {
    temperature: f32,
    top_p: f32,
    random: StdRng,
}

impl Sampler {
    pub(crate) fn new(temperature: f32, top_p: f32, seed: Option<u64>) -> Self {
        let random = match seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => {
                let mut seed = [0; 32];
                // Without randomness of the system, one order is as good as another.
                let _ = getrandom::fill(&mut seed);
                StdRng::from_seed(seed)
            }
        };
        Self {
            temperature,
            top_p,
            random,
        }
    }

    /// The next token; none where the constraint lets none through.
    pub(crate) fn choose(
        &mut self,
        likely: &[f32],
        vocabulary: &Vocabulary,
        constraint: Option<&Acceptor>,
    ) -> Option<u32> {
        let mut order: Vec<u32> = (0u32..)
            .zip(likely)
            .filter(|(_, logit)| !logit.is_nan())
            .map(|(id, _)| id)
            .collect();
        let by_logit = |one: &u32, other: &u32| {
            likely[*other as usize]
                .total_cmp(&likely[*one as usize])
                .then(one.cmp(other))
        };
        let passes =
            |id: &u32| constraint.is_none_or(|acceptor| acceptor.takes(vocabulary.text(*id)));
        let many = if constraint.is_some() {
            FIRST_LOOK
        } else {
            CANDIDATES
        }
        .min(order.len());
        if order.len() > many {
            order.select_nth_unstable_by(many, by_logit);
        }
        let (first, rest) = order.split_at_mut(many);
        first.sort_unstable_by(by_logit);
        let mut candidates: Vec<u32> = first.iter().copied().filter(passes).collect();
        if candidates.is_empty() {
            rest.sort_unstable_by(by_logit);
            candidates.extend(rest.iter().copied().filter(passes).take(1));
        }
        let likeliest = *candidates.first()?;
        if self.temperature <= 0.0 {
            return Some(likeliest);
        }

        let highest = likely[likeliest as usize];
        let weights: Vec<f32> = candidates
            .iter()
            .map(|id| ((likely[*id as usize] - highest) / self.temperature).exp())
            .collect();
        let enough = weights.iter().sum::<f32>() * self.top_p;
        let mut kept = 0.0;
        let count = 1 + weights
            .iter()
            .take_while(|weight| {
                kept += **weight;
                kept < enough
            })
            .count();
        let weights = &weights[..count.min(weights.len())];
        let mut left = self.random.random::<f32>() * weights.iter().sum::<f32>();
        for (id, weight) in candidates.iter().zip(weights) {
            left -= weight;
            if left < 0.0 {
                return Some(*id);
            }
        }
        Some(likeliest)
    }
}
