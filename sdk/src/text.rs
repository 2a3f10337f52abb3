//! Texts that are compared: the same name, or the same password, is not always the same bytes.
//!
//! After RFC 8264 and RFC 8265, over the tables of today's Unicode.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, EnumeratedProperty, GeneralCategory,
    JoiningType, NoncharacterCodePoint, Script,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The form in which names are compared: without regard to case, width and composition, and to
/// blanks around them. These are the mappings of `UsernameCaseMapped` (RFC 8265, 3.3); which
/// characters a name may have is for whoever gives it out to say.
pub fn key(text: &str) -> String {
    let narrow: String = text.trim().chars().map(narrow).collect();
    composed(&narrow.to_lowercase())
}

/// A password as it is hashed and compared: `OpaqueString` (RFC 8265, 4.2).
///
/// # Errors
/// Why it cannot be one. Which of its characters it is about is not said: it is a secret.
pub fn password(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    let is_space = |c| property::<GeneralCategory>(c) == GeneralCategory::SpaceSeparator;
    let spaced: String = text
        .chars()
        .map(|c| if is_space(c) { ' ' } else { c })
        .collect();
    let password = composed(&spaced);
    let characters: Vec<char> = password.chars().collect();
    match (0..characters.len()).find_map(|at| problem(&characters, at)) {
        Some(problem) => Err(problem),
        None => Ok(password),
    }
}

fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc()
        .normalize(text)
        .into_owned()
}

/// A character of another width than the usual as the usual one.
fn narrow(c: char) -> String {
    let text = c.to_string();
    match c {
        '\u{3000}' | '\u{FF01}'..='\u{FFDC}' => DecomposingNormalizerBorrowed::new_nfkd()
            .normalize(&text)
            .into_owned(),
        _ => text,
    }
}

/// Why a character is not of the `FreeformClass` where it stands (RFC 8264, 4.3).
fn problem(text: &[char], at: usize) -> Option<&'static str> {
    const INVISIBLE: &str = "must not have invisible or obsolete characters";
    let c = *text.get(at)?;
    let ignored = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(c);
    match c {
        // Halves of Hangul syllables that nothing was composed of, and fillers of lines.
        '\u{1100}'..='\u{11FF}'
        | '\u{A960}'..='\u{A97F}'
        | '\u{D7B0}'..='\u{D7FF}'
        | '\u{0640}'
        | '\u{07FA}'
        | '\u{302E}'
        | '\u{302F}'
        | '\u{3031}'..='\u{3035}'
        | '\u{303B}' => Some(INVISIBLE),
        _ if !fits(text, at, c) => Some("has a character where it has no meaning"),
        '\u{200C}' | '\u{200D}' => None,
        _ => match property::<GeneralCategory>(c) {
            GeneralCategory::Control => Some("must not have control characters"),
            _ if ignored => Some(INVISIBLE),
            GeneralCategory::Unassigned | GeneralCategory::PrivateUse => {
                Some("must not have characters that Unicode does not define")
            }
            GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator => Some(INVISIBLE),
            _ => None,
        },
    }
}

/// Whether a character may stand where it stands, of those that may not anywhere (RFC 5892, A).
fn fits(text: &[char], at: usize, c: char) -> bool {
    let before = at
        .checked_sub(1)
        .and_then(|before| text.get(before))
        .copied();
    let after = text.get(at + 1).copied();
    let is = |c: Option<char>, script| c.is_some_and(|c| property::<Script>(c) == script);
    let has = |digits: std::ops::RangeInclusive<char>| text.iter().any(|c| digits.contains(c));
    match c {
        '\u{200C}' | '\u{200D}' => {
            let virama = CanonicalCombiningClass::Virama;
            before.is_some_and(|c| property::<CanonicalCombiningClass>(c) == virama)
                || c == '\u{200C}' && joins(text, at)
        }
        '\u{00B7}' => (before, after) == (Some('l'), Some('l')),
        '\u{0375}' => is(after, Script::Greek),
        '\u{05F3}' | '\u{05F4}' => is(before, Script::Hebrew),
        '\u{30FB}' => text.iter().any(|&c| {
            [Script::Hiragana, Script::Katakana, Script::Han].contains(&property::<Script>(c))
        }),
        '\u{0660}'..='\u{0669}' => !has('\u{06F0}'..='\u{06F9}'),
        '\u{06F0}'..='\u{06F9}' => !has('\u{0660}'..='\u{0669}'),
        _ => true,
    }
}

/// Whether the letters around a place would be written as one there.
fn joins(text: &[char], at: usize) -> bool {
    let kind = |c: &char| property::<JoiningType>(*c);
    let seen = |kind: &JoiningType| *kind != JoiningType::Transparent;
    let before = text.iter().take(at).rev().map(kind).find(seen);
    let after = text.iter().skip(at + 1).map(kind).find(seen);
    matches!(
        before,
        Some(JoiningType::LeftJoining | JoiningType::DualJoining)
    ) && matches!(
        after,
        Some(JoiningType::RightJoining | JoiningType::DualJoining)
    )
}

fn property<P: EnumeratedProperty>(c: char) -> P {
    CodePointMapData::<P>::new().get(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_has_one_key() {
        for (one, other) in [
            ("Ada", "  aDA "),
            ("Am\u{e8}re", "ame\u{300}re"),
            ("\u{ff21}\u{ff44}\u{ff41}", "ada"),
            ("\u{ff76}\u{ff9e}", "\u{30ac}"),
            ("\u{212a}elvin", "kelvin"),
            ("ada\u{ff20}example.org", "ada@example.org"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        // A ligature is another text, and so is a letter of another script.
        assert_ne!(key("\u{fb01}"), key("fi"));
        assert_ne!(key("\u{430}da"), key("ada"));
    }

    #[test]
    fn what_is_prepared_stays_as_it_is() {
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            assert_eq!(key(&key(&text)), key(&text), "{c:?}");
            if let Ok(prepared) = password(&text) {
                assert_eq!(password(&prepared), Ok(prepared.clone()), "{c:?}");
            }
        }
    }

    #[test]
    fn the_same_password_is_the_same_bytes() {
        for (typed, compared) in [
            ("U\u{308}ni\u{308}", "\u{dc}n\u{ef}"),
            ("a\u{a0}b\u{3000}c d", "a b c d"),
            (
                " Case, blanks and \u{ff37}idth stay ",
                " Case, blanks and \u{ff37}idth stay ",
            ),
            // Examples of RFC 8265, 4.3, and what people type.
            ("\u{3c0}\u{df}\u{e5}", "\u{3c0}\u{df}\u{e5}"),
            ("Jack of \u{2666}s", "Jack of \u{2666}s"),
            ("foo\u{1680}bar", "foo bar"),
            ("\u{1f916}\u{1fae0}", "\u{1f916}\u{1fae0}"),
            ("col\u{b7}lega", "col\u{b7}lega"),
            (
                "\u{645}\u{6cc}\u{200c}\u{62e}",
                "\u{645}\u{6cc}\u{200c}\u{62e}",
            ),
            (
                "\u{915}\u{94d}\u{200d}\u{937}",
                "\u{915}\u{94d}\u{200d}\u{937}",
            ),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
        ] {
            assert_eq!(password(typed).as_deref(), Ok(compared), "{typed}");
        }
    }

    #[test]
    fn what_is_no_password_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("my cat is a \u{9}by", "control"),
            ("a\u{0}b", "control"),
            ("a\u{85}b", "control"),
            ("a\u{200b}b", "invisible"),
            ("a\u{ad}b", "invisible"),
            ("a\u{2028}b", "invisible"),
            ("a\u{feff}b", "invisible"),
            ("a\u{1100}b", "obsolete"),
            ("a\u{e000}b", "does not define"),
            ("a\u{378}b", "does not define"),
            ("a\u{200d}b", "no meaning"),
            ("a\u{b7}b", "no meaning"),
            ("\u{661}\u{6f1}", "no meaning"),
        ] {
            let refused = password(text).err().unwrap_or_default();
            assert!(refused.contains(reason), "{text:?}: {refused}");
        }
    }
}
