//! Texts that people write, as they are kept.

use sbd_sdk::{Error, Result, text};
use std::ops::RangeInclusive;

/// A line without the blanks around it; none where there is nothing left.
///
/// # Errors
/// `VALIDATION_ERROR` when it is longer, or has control characters.
pub fn line(field: &str, text: Option<&str>, most: usize) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let is_odd = |c: char| c.is_control() || is_hidden(c);
    if text.chars().count() > most || text.trim().chars().any(is_odd) {
        let message = format!(
            "at most {most} characters, none of them a control character, invisible, or one that turns the direction of others"
        );
        return Err(Error::validation(field, message));
    }
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A line that must be there.
///
/// # Errors
/// `VALIDATION_ERROR` when it is not, or as [`line()`].
pub fn some_line(field: &str, text: &str, most: usize) -> Result<String> {
    let message = format!("1 to {most} characters, none of them a control character");
    line(field, Some(text), most)?.ok_or_else(|| Error::validation(field, message))
}

/// A word of `a-z`, `0-9` and `_` that begins with a letter.
///
/// # Errors
/// `VALIDATION_ERROR` when it is another, or longer.
pub fn word(field: &str, text: &str, most: usize) -> Result<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && text.len() <= most && text.chars().all(is_part) {
        return Ok(text.to_owned());
    }
    let message =
        format!("a word of a-z, 0-9 and _ that begins with a letter, at most {most} of them");
    Err(Error::validation(field, message))
}

/// What is wrong with the name of something, which has so many characters; nothing, if it is right.
pub fn name_problem(name: &str, characters: RangeInclusive<usize>) -> Option<String> {
    let (least, most) = (*characters.start(), *characters.end());
    // As it was written: that is what the schema counts. Blanks alone are no name.
    let right = name.chars().count() <= most
        && name.trim().chars().count() >= least
        && !text::key(name).is_empty()
        && !name.trim().chars().any(|c| c.is_control() || is_hidden(c));
    (!right).then(|| format!("{least} to {most} characters, none of them a control character, invisible, or one that turns the direction of others"))
}

/// What is wrong with a text of several lines, which has so many characters at most.
pub fn prose_problem(text: &str, most: usize) -> Option<String> {
    let odd = |c: char| is_hidden(c) || c.is_control() && !matches!(c, '\n' | '\t');
    let right = text.chars().count() <= most && !text.trim().chars().any(odd);
    (!right).then(|| format!("at most {most} characters; line breaks and tabs are the only control characters, and none is invisible or turns the direction of others"))
}

/// Whether a character is not seen, or has others be seen elsewhere than they stand. What joins letters and
/// emoji, and says how one is drawn, is no such character.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
        | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn lines_are_trimmed_and_bounded() {
        assert_eq!(line("memo", Some(" x "), 3).unwrap().as_deref(), Some("x"));
        assert_eq!(line("memo", Some("  "), 3).unwrap(), None);
        assert!(line("memo", Some("äöü"), 3).is_ok());
        for wrong in ["a\nb", "\u{0}b", "abcd", "a\u{202e}b", "a\u{200b}"] {
            assert!(line("memo", Some(wrong), 3).is_err(), "{wrong:?}");
        }
        assert!(some_line("reason", " ", 3).is_err());
    }

    #[test]
    fn names_and_prose_are_bounded_as_written() {
        for (name, right) in [
            ("abc", true),
            (" abc ", true),
            ("ab", false),
            ("   ", false),
            ("äöü", true),
            ("abcdef", false),
            ("a\u{202e}b", false),
            ("a\nb", false),
        ] {
            assert_eq!(name_problem(name, 3..=5).is_none(), right, "{name:?}");
        }
        for (text, right) in [
            ("a\nb\tc", true),
            ("abcdef", false),
            ("a\u{0}b", false),
            ("a\u{200b}", false),
        ] {
            assert_eq!(prose_problem(text, 5).is_none(), right, "{text:?}");
        }
    }

    #[test]
    fn words_are_words() {
        assert_eq!(
            word("type", "pocket_money_2", 20).unwrap(),
            "pocket_money_2"
        );
        for wrong in ["", "Gift", "a b", "1st", "_x", "aaaaaaaaaaaaaaaaaaaaa"] {
            assert!(word("type", wrong, 20).is_err(), "{wrong}");
        }
    }
}
