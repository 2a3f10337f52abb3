//! How the entries of an audit follow from each other: each carries a SHA-256 over the one before it and all
//! that it says itself. Whoever alters, drops or moves one leaves a chain that does not fit, and whoever
//! keeps the last hash elsewhere finds a chain that was made anew as well.
//!
//! What is hashed is every field with its length before it: no two entries have the same bytes, and no text
//! has to be brought into a form first, as it would be for RFC 8785.

use sha2::{Digest as _, Sha256};

/// The hash of an entry, over all that came before it.
pub type Hash = [u8; 32];

/// What stands before the first entry of a chain.
pub const BEGINNING: Hash = [0; 32];

/// The form of what is hashed.
const FORM: &str = "sbd-audit-1";

/// Who did something. Sessions and tokens are nobody's business later on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who did not say who they are.
    Anonymous,
    /// The component for itself: a tick, an event.
    Service,
    /// This user.
    User(String),
    /// The component for this user, later.
    Delegated(String),
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The component that recorded it.
    pub component: String,
    /// What it is about; each has a chain of its own.
    pub subject: String,
    /// Its place in the chain, from 1.
    pub number: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub at: i64,
    /// What was done: dotted words.
    pub action: String,
    /// Who did it.
    pub actor: Actor,
    /// The request in which it was done.
    pub request: Option<String>,
    /// More about it, as JSON.
    pub data: String,
}

/// Walks along a chain: from before the first entry, or from the last that was deleted when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The number of the entry it stands at; 0 before the first.
    pub number: u64,
    /// That entry's hash.
    pub hash: Hash,
}

/// Where a chain does not fit: the entry that was expected there is another one, altered, or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// The number of the entry.
    pub at: u64,
}

/// The hash of an entry that follows another one.
pub fn hash(previous: &Hash, entry: &Entry) -> Hash {
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        // A length always fits: memory holds it.
        hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(bytes);
    };
    add(FORM.as_bytes());
    add(previous);
    add(entry.component.as_bytes());
    add(entry.subject.as_bytes());
    add(&entry.number.to_be_bytes());
    add(&entry.at.to_be_bytes());
    add(entry.action.as_bytes());
    add(entry.actor.kind().as_bytes());
    for text in [entry.actor.user(), entry.request.as_deref()] {
        add(&[u8::from(text.is_some())]);
        add(text.unwrap_or_default().as_bytes());
    }
    add(entry.data.as_bytes());
    hasher.finalize().into()
}

/// A hash as it is shown: 64 hexadecimal digits.
pub fn shown(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Entry ===

impl Entry {
    /// Whether this was done, or something that begins so where `action` ends with a dot.
    pub fn is_action(&self, action: &str) -> bool {
        self.action == action || (action.ends_with('.') && self.action.starts_with(action))
    }
}

// === impl Actor ===

impl Actor {
    /// Who is written so; none if nobody is.
    pub fn read(kind: &str, user: Option<String>) -> Option<Self> {
        match (kind, user) {
            ("anonymous", None) => Some(Self::Anonymous),
            ("service", None) => Some(Self::Service),
            ("user", Some(user)) => Some(Self::User(user)),
            ("delegated", Some(user)) => Some(Self::Delegated(user)),
            _ => None,
        }
    }

    /// How they came to do it, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Service => "service",
            Self::User(_) => "user",
            Self::Delegated(_) => "delegated",
        }
    }

    /// The user's id.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Anonymous | Self::Service => None,
            Self::User(user) | Self::Delegated(user) => Some(user),
        }
    }
}

// === impl Walk ===

impl Default for Walk {
    /// Before the first entry.
    fn default() -> Self {
        Self {
            number: 0,
            hash: BEGINNING,
        }
    }
}

impl Walk {
    /// Steps to the next entry.
    ///
    /// # Errors
    /// When it does not follow from the one before.
    pub fn step(&mut self, entry: &Entry, its: &[u8]) -> Result<(), Break> {
        let number = self.number + 1;
        if entry.number != number || hash(&self.hash, entry) != *its {
            return Err(Break { at: number });
        }
        self.number = number;
        self.hash.copy_from_slice(its);
        Ok(())
    }

    /// Comes to the end that the chain is said to have.
    ///
    /// # Errors
    /// When entries are missing there, or it is the end of another chain.
    pub fn end(self, number: u64, head: &[u8]) -> Result<(), Break> {
        if self.number == number && self.hash == *head {
            return Ok(());
        }
        let at = if self.number < number {
            self.number + 1
        } else {
            self.number
        };
        Err(Break { at })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn entry(number: u64, word: &str) -> Entry {
        Entry {
            component: "family".to_owned(),
            subject: "fam_1".to_owned(),
            number,
            at: 1_000,
            action: "family.renamed".to_owned(),
            actor: Actor::User(word.to_owned()),
            request: None,
            data: format!("{{\"by\":\"{word}\"}}"),
        }
    }

    fn chain(words: &[String]) -> Vec<(Entry, Hash)> {
        let mut before = BEGINNING;
        let numbered = (1..).zip(words);
        numbered
            .map(|(number, word)| {
                let entry = entry(number, word);
                before = hash(&before, &entry);
                (entry, before)
            })
            .collect()
    }

    fn walk(chain: &[(Entry, Hash)], head: &Hash, number: u64) -> Result<(), Break> {
        let mut walk = Walk::default();
        for (entry, hash) in chain {
            walk.step(entry, hash)?;
        }
        walk.end(number, head)
    }

    #[test]
    fn the_form_stays_as_it_is() {
        // What was recorded by one version is verified by the next.
        assert_eq!(
            shown(&hash(&BEGINNING, &entry(1, "ada"))),
            "d9d4c0b687a8182dfa2420adc589512cd4e021b22ac81902898470c38e9f1cac"
        );
    }

    #[test]
    fn what_moves_from_one_field_to_the_next_is_another_entry() {
        let one = entry(1, "ada");
        let mut other = one.clone();
        (other.action, other.subject) = ("renamed".to_owned(), "fam_1family.".to_owned());
        let acted = |actor| Entry {
            actor,
            ..one.clone()
        };
        let others = [
            acted(Actor::Anonymous),
            acted(Actor::Service),
            acted(Actor::User(String::new())),
            acted(Actor::Delegated("ada".to_owned())),
        ];
        let hashes: Vec<_> = [one.clone(), other]
            .into_iter()
            .chain(others)
            .map(|entry| hash(&BEGINNING, &entry))
            .collect();
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[at + 1..].contains(hash));
        }
    }

    #[test]
    fn whoever_is_written_is_read() {
        let user = || "usr_1".to_owned();
        let all = [
            Actor::Anonymous,
            Actor::Service,
            Actor::User(user()),
            Actor::Delegated(user()),
        ];
        for actor in all {
            let read = Actor::read(actor.kind(), actor.user().map(str::to_owned));
            assert_eq!(read, Some(actor));
        }
        for (kind, user) in [("user", None), ("service", Some(user())), ("root", None)] {
            assert_eq!(Actor::read(kind, user), None);
        }
    }

    #[test]
    fn what_is_left_of_a_chain_goes_on_from_the_last_that_is_gone() {
        let words = ["a", "b", "c"].map(str::to_owned);
        let whole = chain(&words);
        let mut walk = Walk {
            number: 1,
            hash: whole[0].1,
        };
        for (entry, hash) in &whole[1..] {
            walk.step(entry, hash).unwrap();
        }
        assert_eq!(walk.end(3, &whole[2].1), Ok(()));
        let mut from_elsewhere = Walk {
            number: 1,
            hash: BEGINNING,
        };
        assert_eq!(
            from_elsewhere.step(&whole[1].0, &whole[1].1),
            Err(Break { at: 2 })
        );
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_a_chain_is_found(
            words in prop::collection::vec("[a-z]{0,3}", 1..12),
            place in any::<prop::sample::Index>(),
            what in 0..7,
        ) {
            let whole = chain(&words);
            let last = u64::try_from(whole.len()).unwrap();
            let head = whole.last().unwrap().1;
            prop_assert_eq!(walk(&whole, &head, last), Ok(()));
            let at = place.index(whole.len());
            let mut altered = whole.clone();
            match what {
                0 => { altered.remove(at); }
                1 => altered[at].0.data.push(' '),
                2 => altered[at].0.at += 1,
                3 => altered[at].1[5] ^= 1,
                4 => { let again = altered[at].clone(); altered.insert(at, again); }
                5 => altered[at].0.actor = Actor::Service,
                _ => altered[at].0.number += 1,
            }
            let found = walk(&altered, &head, last);
            let from = u64::try_from(at).unwrap() + 1;
            prop_assert!(found.is_err_and(|found| (from..=from + 1).contains(&found.at)), "{:?}", found);
        }
    }
}
