//! Who comes first.

use crate::query::{Hit, Place};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What the rank of a point is added to before it counts: the more, the less the first ones are ahead.
const RANK: f32 = 60.0;

/// A point that one vector found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// How alike it is.
    pub score: f32,
}

/// Sorts what one vector found, the best first, and those that are as good by their ids; keeps so many.
pub fn best(mut found: Vec<Found>, most: usize) -> Vec<Found> {
    if found.len() > most && most > 0 {
        found.select_nth_unstable_by(most - 1, order);
    }
    found.truncate(most);
    found.sort_unstable_by(order);
    found
}

fn order(one: &Found, other: &Found) -> Ordering {
    before((one.score, &one.id), (other.score, &other.id))
}

fn before(one: (f32, &str), other: (f32, &str)) -> Ordering {
    other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1))
}

/// Makes hits of what was found by one vector or by both, sorted as [`best`] does.
pub fn rank(dense: Option<Vec<Found>>, sparse: Option<Vec<Found>>) -> Vec<Hit> {
    match (dense, sparse) {
        (Some(dense), Some(sparse)) => fuse(dense, sparse),
        (Some(dense), None) => single(dense, |place| (Some(place), None)),
        (None, Some(sparse)) => single(sparse, |place| (None, Some(place))),
        (None, None) => Vec::new(),
    }
}

fn single(found: Vec<Found>, places: impl Fn(Place) -> (Option<Place>, Option<Place>)) -> Vec<Hit> {
    let hits = placed(found).map(|(id, place)| {
        let (dense, sparse) = places(place);
        let score = place.score;
        Hit {
            id,
            score,
            dense,
            sparse,
            payload: None,
        }
    });
    hits.collect()
}

/// Fuses what two vectors found by reciprocal rank: the sum of 1 / (60 + rank).
pub fn fuse(dense: Vec<Found>, sparse: Vec<Found>) -> Vec<Hit> {
    let mut places: BTreeMap<String, (Option<Place>, Option<Place>)> = BTreeMap::new();
    for (id, place) in placed(dense) {
        places.entry(id).or_default().0 = Some(place);
    }
    for (id, place) in placed(sparse) {
        places.entry(id).or_default().1 = Some(place);
    }
    let hits = places.into_iter().map(|(id, (dense, sparse))| {
        let score = reciprocal(dense) + reciprocal(sparse);
        Hit {
            id,
            score,
            dense,
            sparse,
            payload: None,
        }
    });
    let mut hits: Vec<_> = hits.collect();
    hits.sort_by(|one, other| before((one.score, &one.id), (other.score, &other.id)));
    hits
}

fn placed(found: Vec<Found>) -> impl Iterator<Item = (String, Place)> {
    let ranks = 1_u32..;
    let places = found.into_iter().zip(ranks);
    places.map(|(Found { id, score }, rank)| (id, Place { rank, score }))
}

#[allow(clippy::cast_precision_loss, reason = "a rank is at most 10 000")]
fn reciprocal(place: Option<Place>) -> f32 {
    place.map_or(0.0, |place| 1.0 / (RANK + place.rank as f32))
}
