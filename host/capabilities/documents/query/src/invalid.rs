//! What is wrong with a query, in one sentence that says what to write instead.

/// Characters of a wrong word that are compared and repeated.
const LONGEST_WORD: usize = 100;

/// A query or document that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at(place))]
pub struct Invalid {
    /// Where in the value, outermost first; empty where the message itself names the place.
    place: Vec<String>,
    message: String,
}

// === impl Invalid ===

impl Invalid {
    /// With this explanation.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            place: Vec::new(),
            message: message.into(),
        }
    }

    /// The same, found within this field or element of a value.
    pub(crate) fn within(mut self, segment: &str) -> Self {
        self.place.insert(0, segment.to_owned());
        self
    }

    /// A word that is none of those known at a place; names the nearest, or all of them.
    pub(crate) fn unknown(what: &str, word: &str, place: &str, known: &[&str]) -> Self {
        // Comparing takes as much time and memory as the word is long.
        let near = known
            .iter()
            .filter(|_| word.len() <= LONGEST_WORD)
            .map(|known| (strsim::damerau_levenshtein(word, known), known));
        let hint = match near.min().filter(|(distance, _)| distance * 2 < word.len()) {
            Some((_, nearest)) => format!("did you mean `{nearest}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        let word: String = word.chars().take(LONGEST_WORD).collect();
        Self::new(format!("unknown {what} `{word}` {place}; {hint}"))
    }
}

fn at(place: &[String]) -> String {
    if place.is_empty() {
        String::new()
    } else {
        format!("at `{}`: ", place.join("."))
    }
}
