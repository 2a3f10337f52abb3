//! Whatever a text is written in, it is found by its words.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use sbd_vectors_terms::{AVERAGE_LENGTH, K1, Language, MAX_TERMS, document, query, words};
use std::collections::BTreeSet;

/// Whether a question finds a text.
fn finds(question: &str, text: &str, language: Language) -> bool {
    let has = document(text, language).terms;
    let asked = query(question, &[language]).terms;
    !asked.is_empty() && asked.iter().all(|term| has.contains(term))
}

#[test]
fn a_word_is_found_in_its_other_forms() {
    for (language, text, questions) in [
        (
            Language::English,
            "The gardeners were watering roses.",
            &["gardener", "water", "ROSE"][..],
        ),
        (
            Language::German,
            "Die Häuser der größten Städte",
            &["haus", "Stadt", "größter", "groSSten"],
        ),
        (
            Language::French,
            "L’école et les chevaux qu'il aimait",
            &["écoles", "ecole", "cheval", "aimer"],
        ),
        (
            Language::Spanish,
            "Las canciones más tristes",
            &["canción", "cancion", "triste"],
        ),
        (
            Language::Russian,
            "Большие города и озёра",
            &["город", "озеро", "большой"],
        ),
    ] {
        for question in questions {
            assert!(finds(question, text, language), "{question} in {text}");
        }
    }
}

#[test]
fn other_languages_are_found_by_plain_words_and_pairs_of_characters() {
    for (text, questions) in [
        ("Het huis staat aan de gracht", &["huis", "GRACHT"][..]),
        ("東京都に住んでいます。", &["東京", "京都", "住んで"]),
        ("北京大学的学生", &["大学", "学生", "北京大学"]),
        ("서울특별시에서", &["서울", "특별시"]),
        ("ภาษาไทย", &["ไทย"]),
        ("السَّلامُ عليكم", &["السلام"]),
        ("ＡＢＣ ﬁnance", &["abc", "finance"]),
        ("猫", &["猫"]),
    ] {
        for question in questions {
            assert!(
                finds(question, text, Language::Other),
                "{question} in {text}"
            );
        }
    }
    assert!(!finds("学北", "北京大学的学生", Language::Other));
}

#[test]
fn words_are_cut_where_a_reader_would_cut_them() {
    let text = "See docs.example.com, snake_case, U.S.A., 3.14 and O’Neil's co\u{ad}operation";
    for question in [
        "example",
        "snake",
        "case",
        "usa",
        "3.14",
        "3,14",
        "neil",
        "cooperation",
    ] {
        assert!(finds(question, text, Language::English), "{question}");
    }
    let spans = words("L'été, 東京都", Language::French);
    let spans: Vec<_> = spans
        .into_iter()
        .map(|word| &"L'été, 東京都"[word.span])
        .collect();
    assert_eq!(spans, ["été", "東京", "京都"]);
}

#[test]
fn stop_words_say_nothing_and_only_in_their_language() {
    assert!(document("to be or not to be", Language::English).is_empty());
    assert!(query("die der das", &[Language::German]).is_empty());
    assert!(finds("die", "They never die", Language::English));
}

#[test]
fn a_question_in_no_known_language_finds_texts_in_all_of_them() {
    for (language, text) in [
        (Language::English, "Running water"),
        (Language::German, "Ein Garten mit Blumen"),
        (Language::Russian, "Книги о городах"),
        (Language::Other, "Bloemen in een tuin"),
    ] {
        let has: BTreeSet<_> = document(text, language).terms.into_iter().collect();
        let asked: BTreeSet<_> = query(text, &[]).terms.into_iter().collect();
        assert!(has.is_subset(&asked), "{text}");
    }
}

#[test]
fn languages_are_told_apart_by_what_they_are_full_of() {
    for (language, text) in [
        (
            Language::English,
            "What is the name of the river that flows through the city?",
        ),
        (
            Language::German,
            "Wie heißt der Fluss, der durch die Stadt fließt, und wo ist er?",
        ),
        (
            Language::French,
            "Quel est le nom du fleuve qui traverse la ville et les champs ?",
        ),
        (
            Language::Spanish,
            "¿Cuál es el nombre del río que pasa por la ciudad y los campos?",
        ),
        (
            Language::Russian,
            "Как называется река, которая течёт через город?",
        ),
        (
            Language::Other,
            "Як називається річка, що тече через місто?",
        ),
        (Language::Other, "東京都に住んでいます"),
        (Language::Other, "Invoice 4711"),
        (Language::Other, ""),
    ] {
        assert_eq!(Language::guess(text), language, "{text}");
    }
    assert_eq!(Language::of_tag("de-AT"), Language::German);
    assert_eq!(Language::of_tag("EN"), Language::English);
    assert_eq!(Language::of_tag("nl"), Language::Other);
}

#[test]
fn weights_are_those_of_bm25() {
    let terms = document("tea tea cup", Language::English);
    let weight =
        |count: f32| count * (K1 + 1.0) / (count + K1 * (0.25 + 0.75 * 3.0 / AVERAGE_LENGTH));
    let mut weights = terms.weights;
    weights.sort_by(f32::total_cmp);
    assert_eq!(weights, [weight(1.0), weight(2.0)]);
    assert_eq!(
        query("tea tea cup", &[Language::English]).weights,
        [1.0, 1.0]
    );
}

/// A term that changed would be a term that finds nothing of what is kept.
#[test]
fn a_term_is_the_same_for_ever() {
    assert_eq!(query("garden", &[Language::Other]).terms, [352_211_437]);
    assert_eq!(query("東京", &[Language::Other]).terms, [3_492_227_422]);
}

proptest! {
    #[test]
    fn any_text_has_terms_in_order_with_positive_weights(text in any::<String>(), which in 0..6_usize) {
        let language = Language::ALL[which];
        for terms in [document(&text, language), query(&text, &[language]), query(&text, &[])] {
            prop_assert_eq!(terms.terms.len(), terms.weights.len());
            prop_assert!(terms.terms.len() <= MAX_TERMS);
            prop_assert!(terms.terms.is_sorted_by(|before, after| before < after));
            prop_assert!(terms.weights.iter().all(|weight| weight.is_finite() && *weight > 0.0));
        }
        Language::guess(&text);
    }

    #[test]
    fn spans_are_of_the_text(text in "[a-zA-Zäéßñ' .,_0-9漢字かなカナ한글ไทยабвё\u{301}\u{ad}]{0,60}", which in 0..6_usize) {
        let mut before = 0;
        for word in words(&text, Language::ALL[which]) {
            prop_assert!(text.get(word.span.clone()).is_some_and(|word| !word.is_empty()));
            prop_assert!(word.span.start >= before);
            before = word.span.start;
        }
    }

    #[test]
    fn case_and_accents_make_no_difference_in_plain_words(text in "[a-zäöüéèñç ]{0,40}") {
        let upper = text.to_uppercase();
        prop_assert_eq!(document(&text, Language::Other), document(&upper, Language::Other));
    }

    #[test]
    fn a_text_is_found_by_any_of_its_words(text in "[a-zäßéйция ]{1,60}", which in 0..6_usize) {
        let language = Language::ALL[which];
        let has = document(&text, language).terms;
        for word in text.split(' ') {
            for term in query(word, &[language]).terms {
                prop_assert!(has.contains(&term));
            }
        }
    }
}
