//! Languages, and which one a text is in.

use crate::stop;
use icu_properties::CodePointMapData;
use icu_properties::props::Script;
use rust_stemmers::{Algorithm, Stemmer};
use std::cmp::Reverse;
use unicode_segmentation::UnicodeSegmentation as _;

/// Words that are looked at to guess a language.
const GUESSED_BY: usize = 400;
/// One word of so many at least is one that says nothing, where a language is recognised by these.
const SHARE: usize = 8;

/// A language that has rules here, or one that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Russian.
    Russian,
    /// Any other: plain words.
    Other,
}

// === impl Language ===

impl Language {
    /// All of them. A question in no known language is asked in all.
    pub const ALL: [Self; 6] = [
        Self::English,
        Self::German,
        Self::French,
        Self::Spanish,
        Self::Russian,
        Self::Other,
    ];

    /// The language of a tag of BCP 47: `en-GB` is English.
    pub fn of_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        let known = Self::ALL.into_iter();
        let mut known = known.filter(|language| language.tag().eq_ignore_ascii_case(primary));
        known.next().unwrap_or(Self::Other)
    }

    /// Its tag in BCP 47; `und`, undetermined, for any other.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Russian => "ru",
            Self::Other => "und",
        }
    }

    /// Which language a text seems to be in, by its first few hundred words: Cyrillic is Russian unless it has
    /// letters that Russian lacks; else the one whose stop words are there most. A few words are not enough to tell.
    pub fn guess(text: &str) -> Self {
        let words = text.unicode_words().take(GUESSED_BY);
        let words: Vec<_> = words.map(str::to_lowercase).collect();
        let scripts = CodePointMapData::<Script>::new();
        let is_cyrillic = |word: &&String| {
            let first = word.chars().next();
            first.is_some_and(|first| scripts.get(first) == Script::Cyrillic)
        };
        let cyrillic = words.iter().filter(is_cyrillic);
        if cyrillic.clone().count() * 2 > words.len() {
            let is_russian = |letter: char| {
                scripts.get(letter) != Script::Cyrillic || matches!(letter, 'а'..='я' | 'ё')
            };
            let is_russian = cyrillic
                .into_iter()
                .all(|word| word.chars().all(is_russian));
            return if is_russian {
                Self::Russian
            } else {
                Self::Other
            };
        }
        let count = |language: Self| {
            let said = words.iter().filter(|word| stop::is_stop(language, word));
            (Reverse(said.count()), language)
        };
        let latin = [Self::English, Self::German, Self::French, Self::Spanish];
        let mut counts = latin.map(count);
        counts.sort_unstable();
        let [(Reverse(most), language), (Reverse(next), _), ..] = counts;
        match most >= 2 && most > next && most * SHARE >= words.len() {
            true => language,
            false => Self::Other,
        }
    }

    /// What brings its words to their stem.
    pub(crate) fn stemmer(self) -> Option<Stemmer> {
        let algorithm = match self {
            Self::English => Algorithm::English,
            Self::German => Algorithm::German,
            Self::French => Algorithm::French,
            Self::Spanish => Algorithm::Spanish,
            Self::Russian => Algorithm::Russian,
            Self::Other => return None,
        };
        Some(Stemmer::create(algorithm))
    }
}
