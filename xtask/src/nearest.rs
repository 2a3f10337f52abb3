//! The nearest known name to one that is not known.

/// Of `known`, the name that is fewest edits away from `given`; none if all are further than half of its length.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = given.chars().count().div_ceil(2);
    known
        .iter()
        .map(|name| (edits(given, name), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many insertions, deletions and replacements turn `from` into `to` (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        let (mut diagonal, mut before) = (line, line + 1);
        for (right, above) in to.chars().zip(row.iter().skip(1)) {
            before = (diagonal + usize::from(left != right))
                .min(above + 1)
                .min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn counts_edits() {
        assert_eq!(edits("", ""), 0);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("bench", "bench"), 0);
    }

    #[test]
    fn names_the_nearest_and_nothing_far() {
        let known = ["up", "build", "guests", "test", "bench", "ci"];
        assert_eq!(nearest("tset", &known), Some("test"));
        assert_eq!(nearest("guest", &known), Some("guests"));
        assert_eq!(nearest("biuld", &known), Some("build"));
        assert_eq!(nearest("deploy", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
