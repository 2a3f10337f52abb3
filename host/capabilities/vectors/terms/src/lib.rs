//! From a text to the terms it is found by: a sparse vector whose weights are those of BM25.
//!
//! A text is cut into words as Unicode says; scripts that put no spaces between words are cut into pairs of
//! characters. Words are folded to lower case and one form of each character, robbed of what says nothing in
//! their language (stop words), and brought to their stem where the language has rules for that here: English,
//! German, French, Spanish and Russian. The rest is found by plain words. Accents do not count. A term is a
//! number: the hash of what is left of a word, the same for ever and everywhere.
//!
//! [`document`] weighs the terms of a text to be found, [`query`] those of a question; the inner product of the
//! two, each term times its inverse document frequency, is the score of BM25. The collection supplies that
//! frequency; the average length of a document, which would change with every one, is fixed ([`AVERAGE_LENGTH`]).

mod language;
mod stop;
mod weigh;
mod words;

pub use language::Language;
pub use weigh::{AVERAGE_LENGTH, B, K1, MAX_TERMS, Terms, document, query};
pub use words::{Word, words};
