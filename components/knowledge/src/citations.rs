//! Citations: numbers in an answer, each of which points at a passage that was given, and at the sentence of it that
//! carries what is said. Numbers that a model made up are taken out, and so are the marks that its passages stood
//! between.

use crate::chunking::sentences;
use crate::model::{Citation, Span, page};
use crate::prompt::{CLOSING, OPENING};
use crate::search::Passage;
use sbd_sdk::vectors::terms::{self, Language};
use std::collections::HashSet;
use std::ops::Range;

/// What a model is to say where the passages do not carry an answer.
pub(crate) const NOTHING: &str = "NOT IN THE DOCUMENTS";
/// Characters of a quote at most.
const QUOTE: usize = 300;
/// The longest `[…]` that may be citations.
const MARK: usize = 40;

/// An answer on its way from the model to the reader.
pub(crate) struct Cited<'a> {
    passages: &'a [Passage],
    /// What may be the beginning of a citation, of a mark of the passages, or of [`NOTHING`].
    held: String,
    /// What was said so far.
    text: String,
    /// How much of it a citation was for.
    claimed: usize,
    citations: Vec<Citation>,
    says_nothing: bool,
    /// Whether it came to the end of its passages: what comes behind is no answer.
    is_over: bool,
}

/// A piece of an answer for the reader.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Text(String),
    /// The first time that a number comes.
    Citation(Citation),
}

/// An answer that is complete.
pub(crate) struct Complete {
    pub(crate) text: String,
    pub(crate) citations: Vec<Citation>,
    /// Whether the model says that the passages do not carry an answer.
    pub(crate) says_nothing: bool,
}

// === impl Cited ===

impl<'a> Cited<'a> {
    /// An answer from these passages.
    pub(crate) fn from(passages: &'a [Passage]) -> Self {
        Self {
            passages,
            held: String::new(),
            text: String::new(),
            claimed: 0,
            citations: Vec::new(),
            says_nothing: false,
            is_over: false,
        }
    }

    /// Whether nothing more of what the model says is for the reader.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The model says more.
    pub(crate) fn push(&mut self, piece: &str) -> Vec<Said> {
        let mut said = Vec::new();
        if self.is_over {
            return said;
        }
        self.held.push_str(piece);
        loop {
            if self.may_say_nothing() {
                return said;
            }
            match self.held.find(['[', '<']) {
                None => {
                    self.say_held(self.held.len(), &mut said);
                    return said;
                }
                Some(0) => match mark(&self.held) {
                    Mark::Open => return said,
                    Mark::Other => self.say_held(1, &mut said),
                    Mark::Numbers(length, numbers) => {
                        self.held.drain(..length);
                        self.cite(&numbers, &mut said);
                    }
                    Mark::Opening(length) => _ = self.held.drain(..length),
                    Mark::Closing => {
                        self.is_over = true;
                        self.held.clear();
                        return said;
                    }
                },
                Some(at) => self.say_held(at, &mut said),
            }
        }
    }

    /// The model has said all.
    pub(crate) fn finish(mut self) -> (Vec<Said>, Complete) {
        let mut said = Vec::new();
        if self
            .held
            .trim()
            .trim_end_matches(['.', '!'])
            .eq_ignore_ascii_case(NOTHING)
        {
            self.says_nothing = true;
            self.held.clear();
        }
        // A mark that breaks off is none the less one.
        if self.held.starts_with('<') {
            self.held.clear();
        }
        self.say_held(self.held.len(), &mut said);
        if self.citations.is_empty() && !self.says_nothing {
            self.attribute(&mut said);
        }
        let complete = Complete {
            text: self.text,
            citations: self.citations,
            says_nothing: self.says_nothing,
        };
        (said, complete)
    }

    /// Whether the answer may be that there is none, as far as it has come.
    fn may_say_nothing(&mut self) -> bool {
        if !self.text.is_empty() || self.says_nothing {
            return false;
        }
        let so_far = self.held.trim_start().to_ascii_uppercase();
        if let Some(rest) = so_far.strip_prefix(NOTHING) {
            // What a model adds to it is made of nothing.
            self.says_nothing |= rest.len() < MARK * 4;
            return self.says_nothing;
        }
        NOTHING.starts_with(&so_far)
    }

    fn say_held(&mut self, length: usize, said: &mut Vec<Said>) {
        let text: String = self.held.drain(..length).collect();
        if self.says_nothing || text.is_empty() {
            return;
        }
        self.text.push_str(&text);
        said.push(Said::Text(text));
    }

    /// A citation of these numbers: those that there are.
    fn cite(&mut self, numbers: &[u32], said: &mut Vec<Said>) {
        let claim = self.text[self.claimed..].to_owned();
        for number in numbers {
            let at = number
                .checked_sub(1)
                .and_then(|at| usize::try_from(at).ok());
            let Some(passage) = at.and_then(|at| self.passages.get(at)) else {
                continue;
            };
            let text = format!("[{number}]");
            self.text.push_str(&text);
            said.push(Said::Text(text));
            if self
                .citations
                .iter()
                .all(|citation| citation.number != *number)
            {
                let citation = citation(*number, passage, &claim);
                self.citations.push(citation.clone());
                said.push(Said::Citation(citation));
            }
        }
        self.claimed = self.text.len();
    }

    /// A model that cites nothing may still have said what a passage says: small ones forget the numbers.
    fn attribute(&mut self, said: &mut Vec<Said>) {
        let shared = |passage: &Passage| {
            let language = &passage.chunk.language;
            let said_words = words(&self.text, language);
            let there = words(&passage.chunk.searched(), language);
            let shared = said_words.intersection(&there).count();
            // Half of what is said, and more than a word, stands there.
            (shared * 2 >= said_words.len() && shared > 1).then_some(shared)
        };
        let places = self.passages.iter().enumerate();
        let best = places
            .filter_map(|(place, passage)| Some((shared(passage)?, place)))
            .max_by_key(|(shared, place)| (*shared, std::cmp::Reverse(*place)));
        if let Some(number) = best.and_then(|(_, place)| u32::try_from(place + 1).ok()) {
            if !self.text.ends_with(char::is_whitespace) {
                self.text.push(' ');
                said.push(Said::Text(" ".to_owned()));
            }
            self.cite(&[number], said);
        }
    }
}

/// What begins with `[` or `<`.
enum Mark {
    /// It may still be a citation, or a mark of the passages.
    Open,
    /// It is none.
    Other,
    /// So many bytes are a citation of these.
    Numbers(usize, Vec<u32>),
    /// So many bytes are the mark before the passages.
    Opening(usize),
    /// It is the mark behind them.
    Closing,
}

fn mark(text: &str) -> Mark {
    match text.starts_with('<') {
        true => fence(text),
        false => numbers(text),
    }
}

fn fence(text: &str) -> Mark {
    if text.starts_with(CLOSING) {
        return Mark::Closing;
    }
    let Some(rest) = text.strip_prefix(OPENING) else {
        return match CLOSING.starts_with(text) || OPENING.starts_with(text) {
            true => Mark::Open,
            false => Mark::Other,
        };
    };
    match rest.find(|c: char| !c.is_ascii_alphanumeric()) {
        None if rest.len() < MARK => Mark::Open,
        Some(end) if rest[end..].starts_with('>') => Mark::Opening(OPENING.len() + end + 1),
        _ => Mark::Other,
    }
}

fn numbers(text: &str) -> Mark {
    let is_within =
        |c: char| c.is_ascii_digit() || matches!(c, ',' | ' ' | ';' | '-' | '\u{2013}' | '^');
    let within = text.get(1..).unwrap_or_default();
    let end = within.find(|c: char| !is_within(c));
    match end {
        None if within.len() < MARK => Mark::Open,
        Some(end)
            if within[end..].starts_with(']')
                && within[..end].contains(|c: char| c.is_ascii_digit()) =>
        {
            let numbers = within[..end].split(|c: char| !c.is_ascii_digit());
            let numbers = numbers.filter_map(|number| number.parse().ok());
            Mark::Numbers(end + 2, numbers.collect())
        }
        _ => Mark::Other,
    }
}

/// A citation of a passage: the sentence of it that is most like what is said.
pub(crate) fn citation(number: u32, passage: &Passage, claim: &str) -> Citation {
    let chunk = &passage.chunk;
    let quoted = best_sentence(&chunk.text, claim, &chunk.language);
    let before = chunk.text[..quoted.start].chars().count() as u64;
    let quote = &chunk.text[quoted];
    let start = chunk.start + before;
    Citation {
        number,
        document_id: passage.document.id.clone(),
        document: passage.document.name.clone(),
        note_id: passage.document.note.as_ref().map(|note| note.id.clone()),
        library_id: passage.document.library_id.clone(),
        page: page(&chunk.place),
        place: chunk.place.to_string(),
        span: Span {
            start,
            end: start + quote.chars().count() as u64,
        },
        quote: quote.to_owned(),
    }
}

/// The part of a text that shares the most words with what is said: a sentence, or a line of a table, without the
/// blanks around it.
fn best_sentence(text: &str, claim: &str, language: &str) -> Range<usize> {
    let said = words(claim, language);
    let mut best: Option<(usize, Range<usize>)> = None;
    let lines = text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let parts = lines.flat_map(|(start, line)| match line.starts_with('|') {
        true => std::iter::once(start..start + line.len()).collect(),
        false => sentences(line, start),
    });
    for part in parts {
        let part = trimmed(text, part);
        if part.is_empty() || text[part.clone()].starts_with("| ---") {
            continue;
        }
        let shared = words(&text[part.clone()], language)
            .intersection(&said)
            .count();
        // A heading says what it is about, not what is so; and so does the first line of a table.
        let is_table = text[part.end..].trim_start().starts_with("| ---");
        let is_heading = is_table || text[part.clone()].starts_with('#');
        let weight = shared * 2 + usize::from(!is_heading);
        if best.as_ref().is_none_or(|(most, _)| weight > *most) {
            best = Some((weight, part));
        }
    }
    let best = best.map_or(0..text.len(), |(_, part)| part);
    match text[best.clone()].char_indices().nth(QUOTE) {
        Some((length, _)) => best.start..best.start + length,
        None => best,
    }
}

fn trimmed(text: &str, part: Range<usize>) -> Range<usize> {
    let whole = &text[part.clone()];
    let start = part.start + (whole.len() - whole.trim_start().len());
    let end = part.start + whole.trim_end().len();
    start..end.max(start)
}

/// The words of a text that say something in a language.
fn words(text: &str, language: &str) -> HashSet<u32> {
    let terms = terms::query(text, &[Language::of_tag(language)]);
    terms.terms.into_iter().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::chunks::Filled;
    use crate::model::{Document, DocumentId, Found, LibraryId, State};
    use document::{Format, Place};
    use proptest::prelude::*;
    use sbd_sdk::time::Time;

    /// A passage of this text, from the character 100 on of page 3.
    pub(crate) fn passage(text: &str) -> Passage {
        let at = Time::from_seconds(1);
        let document = Document {
            id: DocumentId::new(),
            library_id: LibraryId::new(),
            content_key: String::new(),
            note: None,
            name: "garden.pdf".to_owned(),
            format: Format::Pdf,
            content_type: "application/pdf".to_owned(),
            size: 1,
            sha256: String::new(),
            state: State::Ready,
            error: None,
            found: Found::default(),
            generation: 1,
            indexed: Some(1),
            collections: Vec::new(),
            task_id: None,
            created_by: "usr_1".to_owned(),
            created_at: at,
            updated_at: at,
            indexed_at: None,
            version: 1,
        };
        let chunk = Filled {
            library: document.library_id.clone(),
            document: document.id.clone(),
            generation: 1,
            number: 0,
            format: Format::Pdf,
            language: "en".to_owned(),
            at,
            start: 100,
            end: 100 + text.chars().count() as u64,
            place: Place::Page(3),
            before: String::new(),
            text: text.to_owned(),
        };
        Passage {
            document,
            chunk,
            score: 1.0,
            dense: None,
            sparse: None,
        }
    }

    fn answered(passages: &[Passage], pieces: &[&str]) -> (String, Complete) {
        let mut cited = Cited::from(passages);
        let mut said: Vec<Said> = pieces.iter().flat_map(|piece| cited.push(piece)).collect();
        let (rest, complete) = cited.finish();
        said.extend(rest);
        let text = said.iter().map(|said| match said {
            Said::Text(text) => text.as_str(),
            Said::Citation(_) => "",
        });
        (text.collect(), complete)
    }

    #[test]
    fn a_citation_points_at_the_sentence_that_carries_it() {
        let text =
            "# Öffnung\n\nDer Garten ist schön. Er öffnet im Mai um neun Uhr. Hunde dürfen hinein.";
        let passages = [passage("Anderes."), passage(text)];
        let (said, complete) = answered(&passages, &["Er öffnet um neun", " Uhr [", "2", "]."]);
        assert_eq!(said, "Er öffnet um neun Uhr [2].");
        let citation = &complete.citations[0];
        assert_eq!(citation.quote, "Er öffnet im Mai um neun Uhr.");
        assert_eq!((citation.number, citation.page), (2, Some(3)));
        let from = usize::try_from(citation.span.start).unwrap() - 100;
        let length = usize::try_from(citation.span.end - citation.span.start).unwrap();
        let there: String = text.chars().skip(from).take(length).collect();
        assert_eq!(there, citation.quote);
    }

    #[test]
    fn numbers_that_were_made_up_are_taken_out() {
        let passages = [passage("One."), passage("Two.")];
        for (pieces, expected, numbers) in [
            (vec!["A [1] b [3] c."], "A [1] b  c.", vec![1]),
            (vec!["A [1, 2, 9]."], "A [1][2].", vec![1, 2]),
            (vec!["A [1][2][1]."], "A [1][2][1].", vec![1, 2]),
            (vec!["A [", "0", "] [99999999999]"], "A  ", vec![]),
            (vec!["see [a](b) and x[i]"], "see [a](b) and x[i]", vec![]),
            (vec!["open [1"], "open [1", vec![]),
        ] {
            let (said, complete) = answered(&passages, &pieces);
            assert_eq!(said, expected);
            assert_eq!(complete.text, said);
            let cited: Vec<_> = complete.citations.iter().map(|one| one.number).collect();
            assert_eq!(cited, numbers, "{expected}");
        }
    }

    #[test]
    fn the_marks_of_the_passages_are_not_for_the_reader() {
        let passages = [passage("One."), passage("Two.")];
        for (pieces, expected) in [
            (vec!["A [1]. </passages_01ab> B [2]."], "A [1]. "),
            (vec!["A [1]<", "/pass", "ages_", "01ab>", " B"], "A [1]"),
            (vec!["A [1].\n</passages_", "x y z"], "A [1].\n"),
            (vec!["A [1]. </passa"], "A [1]. "),
            (vec!["<passages_01", "ab>\nA [1]."], "\nA [1]."),
            (vec!["A [1] <", "passages_01ab"], "A [1] "),
            (vec!["</passages_01ab>A [1]."], ""),
            // What only looks like them is.
            (
                vec!["A <b", ">b</b> [1] <passage>."],
                "A <b>b</b> [1] <passage>.",
            ),
            (
                vec!["1 <", " 2 [1] <passages_ >."],
                "1 < 2 [1] <passages_ >.",
            ),
        ] {
            let (said, complete) = answered(&passages, &pieces);
            assert_eq!(said, expected, "{pieces:?}");
            assert_eq!(complete.text, said);
            assert!(complete.citations.len() <= 1, "{pieces:?}");
        }
    }

    #[test]
    fn an_answer_that_says_there_is_none_is_known() {
        let passages = [passage("One.")];
        for pieces in [
            vec!["NOT IN THE DOCUMENTS"],
            vec!["NOT ", "IN THE", " DOCUMENTS."],
            vec!["Not in the documents", " I am sorry."],
        ] {
            let (said, complete) = answered(&passages, &pieces);
            assert!(complete.says_nothing && said.is_empty(), "{said}");
        }
        let (said, complete) = answered(&passages, &["Not", " in winter [1]."]);
        assert_eq!(
            (said.as_str(), complete.says_nothing),
            ("Not in winter [1].", false)
        );
        // What goes on at length is an answer like any other, with no number that was made up.
        let long = format!("Not in the documents, {} [1] [7].", "but ".repeat(50));
        let (said, complete) = answered(&passages, &[&long]);
        assert!(said.ends_with("[1] .") && !complete.says_nothing, "{said}");
    }

    #[test]
    fn what_a_small_model_forgets_to_cite_is_found() {
        let passages = [
            passage("Roses bloom in June."),
            passage("The gate opens at nine."),
        ];
        let (said, complete) = answered(&passages, &["The gate opens at nine o'clock."]);
        assert_eq!(said, "The gate opens at nine o'clock. [2]");
        assert_eq!(complete.citations[0].quote, "The gate opens at nine.");
        let (_, complete) = answered(&passages, &["Elephants are grey animals of Africa."]);
        assert!(complete.citations.is_empty());
    }

    proptest! {
        #[test]
        fn whatever_a_model_says_citations_point_at_text_that_is_there(
            pieces in prop::collection::vec("[a-z \\[\\]0-9,.NOTI]{0,12}|</?pass|ages_[0-9a-f]{0,4}>?", 0..20),
            texts in prop::collection::vec("[a-zä .\\n|#]{1,120}", 1..4),
        ) {
            let passages: Vec<_> = texts.iter().map(|text| passage(text)).collect();
            let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
            let (said, complete) = answered(&passages, &pieces);
            prop_assert_eq!(&said, &complete.text);
            for citation in &complete.citations {
                let passage = &passages[usize::try_from(citation.number).unwrap() - 1];
                let from = usize::try_from(citation.span.start - passage.chunk.start).unwrap();
                let length = usize::try_from(citation.span.end - citation.span.start).unwrap();
                let there: String = passage.chunk.text.chars().skip(from).take(length).collect();
                prop_assert_eq!(&there, &citation.quote);
            }
        }
    }
}
