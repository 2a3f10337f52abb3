//! The words of a text, and the terms they stand for.

use crate::language::Language;
use crate::stop::is_stop;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointMapData;
use icu_properties::props::Script;
use rust_stemmers::Stemmer;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// Bytes of the longest word that has a stem: longer ones are none of any language.
const MAX_STEMMED_BYTES: usize = 96;

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it stands, in bytes.
    pub span: Range<usize>,
    /// Its term.
    pub term: u32,
}

/// What is left of the words of a language.
pub(crate) struct Folding {
    language: Language,
    stemmer: Option<Stemmer>,
}

/// The words of a text in order, but for those that say nothing. Where words are not told apart by spaces, each
/// pair of characters is one, and overlaps the next.
pub fn words(text: &str, language: Language) -> Vec<Word> {
    let folding = Folding::of(language);
    let mut words = Vec::new();
    for piece in pieces(text) {
        if let Some(term) = folding.term(&piece) {
            words.push(Word {
                span: piece.span,
                term,
            });
        }
    }
    words
}

/// A word before it is folded for a language.
pub(crate) struct Piece {
    pub(crate) span: Range<usize>,
    /// In lower case, in the one form of its characters.
    pub(crate) text: String,
    /// Whether it is a pair of characters rather than a word.
    is_pair: bool,
}

/// The pieces of a text in order.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut run: Range<usize> = 0..0;
    for (start, word) in text.unicode_word_indices() {
        let end = start + word.len();
        if is_unspaced(word) {
            if run.end != start {
                pair(text, &run, &mut pieces);
                run.start = start;
            }
            run.end = end;
            continue;
        }
        pair(text, &std::mem::take(&mut run), &mut pieces);
        split(start, word, &mut pieces);
    }
    pair(text, &run, &mut pieces);
    pieces
}

/// Cuts a run of characters without spaces into overlapping pairs.
fn pair(text: &str, run: &Range<usize>, pieces: &mut Vec<Piece>) {
    let characters: Vec<_> = text[run.clone()].grapheme_indices(true).collect();
    let ends = characters
        .iter()
        .map(|(at, character)| run.start + at + character.len());
    let starts = characters.iter().map(|(at, _)| run.start + at);
    let second = if characters.len() > 1 { 1 } else { 0 };
    for (start, end) in starts.zip(ends.skip(second)) {
        let text = fold(&text[start..end]);
        pieces.push(Piece {
            span: start..end,
            text,
            is_pair: true,
        });
    }
}

/// Cuts what Unicode takes for one word where a reader would not: at apostrophes, in addresses and names of code.
/// Numbers stay whole, and so do acronyms.
fn split(start: usize, word: &str, pieces: &mut Vec<Piece>) {
    let mut add = |span: Range<usize>, text: String| {
        if !text.is_empty() {
            pieces.push(Piece {
                span,
                text,
                is_pair: false,
            });
        }
    };
    let whole = start..start + word.len();
    if word.chars().all(char::is_alphanumeric) {
        return add(whole, fold(word));
    }
    let has_letters = word.chars().any(char::is_alphabetic);
    if !has_letters {
        // One thousand and a half is written with dots and commas, here one way and there the other.
        return add(whole, fold(word).replace(',', "."));
    }
    let is_apart = |character: char| {
        character.is_ascii_punctuation() || matches!(character, '’' | '‘' | '·' | '․' | '＇' | '．')
    };
    let parts = || word.split(is_apart).filter(|part| !part.is_empty());
    if parts().count() > 1 && parts().all(|part| part.chars().nth(1).is_none()) {
        return add(whole, parts().map(fold).collect());
    }
    let mut at = start;
    for part in word.split(is_apart) {
        let span = at..at + part.len();
        let apart = word[span.end - start..].chars().next();
        at = span.end + apart.map_or(0, char::len_utf8);
        let is_rest = part.len() < word.len() && part.chars().nth(1).is_none();
        if !is_rest {
            add(span, fold(part));
        }
    }
}

/// Whether a word is of a script that puts no spaces between words (or, as Korean does, seldom).
fn is_unspaced(word: &str) -> bool {
    let scripts = CodePointMapData::<Script>::new();
    let first = word.chars().next();
    first.is_some_and(|first| {
        let script = scripts.get(first);
        // The sign that makes a vowel of Japanese long is of no script.
        first == 'ー'
            || [
                Script::Han,
                Script::Hiragana,
                Script::Katakana,
                Script::Hangul,
                Script::Bopomofo,
                Script::Thai,
                Script::Lao,
                Script::Khmer,
                Script::Myanmar,
                Script::Tibetan,
            ]
            .contains(&script)
    })
}

/// One form of each character, in lower case, without what nobody sees.
fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let is_seen = |character: &char| {
        !matches!(
            character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{640}'
        )
    };
    let composing = ComposingNormalizerBorrowed::new_nfkc();
    let lower = composing.normalize(word).to_lowercase();
    let lower: String = lower.chars().filter(is_seen).collect();
    composing.normalize(&lower).into_owned()
}

/// Without accents, points and strokes above and below letters.
fn bare(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let is_mark = |character: &char| {
        matches!(
            character,
            '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        )
    };
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(word);
    decomposed.chars().filter(|it| !is_mark(it)).collect()
}

/// FNV-1a of 64 bits, folded to 32.
fn hash(word: &str) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in word.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
    u32::from_be_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

// === impl Folding ===

impl Folding {
    pub(crate) fn of(language: Language) -> Self {
        Self {
            language,
            stemmer: language.stemmer(),
        }
    }

    /// The term of a piece; none where it says nothing.
    pub(crate) fn term(&self, piece: &Piece) -> Option<u32> {
        let word = &*piece.text;
        if piece.is_pair {
            return Some(hash(word));
        }
        if is_stop(self.language, word) {
            return None;
        }
        let term = match &self.stemmer {
            Some(stemmer) if word.len() <= MAX_STEMMED_BYTES => hash(&bare(&stemmer.stem(word))),
            _ => hash(&bare(word)),
        };
        Some(term)
    }
}
