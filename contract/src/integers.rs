//! Whole numbers that no reader keeps: JSON has no bounds, and whoever reads one of 20 digits and more
//! into 64 bits takes it for the nearest floating-point number, without a word.

use std::fmt;

/// A whole number in a JSON text that 64 bits do not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// Where it is, outermost first.
    place: Vec<Place>,
    /// Whether it is below all that fit, rather than above.
    negative: bool,
    /// Its first digits.
    digits: String,
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Field(String),
    Element(usize),
}

/// Digits that are repeated in a refusal.
const SHOWN: usize = 40;
/// Digits that always fit.
const FITS: usize = 18;

// === impl Oversized ===

impl Oversized {
    /// The first such number in a text that is JSON.
    pub fn find(text: &str) -> Option<Self> {
        // Nearly every text has none, and most not even so many digits in a row.
        let mut digits = 0;
        let is_long = |byte: u8| {
            digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
            digits > FITS
        };
        text.bytes().any(is_long).then(|| search(text)).flatten()
    }

    /// The field that it is in, like `members[2].age`.
    pub fn field(&self) -> String {
        let mut field = String::new();
        for place in &self.place {
            match place {
                Place::Element(at) => field.push_str(&format!("[{at}]")),
                Place::Field(name) if field.is_empty() => field.push_str(name),
                Place::Field(name) => field.push_str(&format!(".{name}")),
            }
        }
        field
    }
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, bound) = match self.negative {
            true => ("-", i64::MIN.to_string()),
            false => ("", i64::MAX.to_string()),
        };
        let digits: String = self.digits.chars().take(SHOWN).collect();
        let rest = if self.digits.len() > SHOWN { "…" } else { "" };
        write!(
            f,
            "{sign}{digits}{rest} is beyond {bound}; write it as a text"
        )
    }
}

fn search(text: &str) -> Option<Oversized> {
    let mut place: Vec<Place> = Vec::new();
    // Where an object's next text is the name of a field.
    let mut named = false;
    let mut rest = text;
    while let Some(byte) = rest.bytes().next() {
        let mut length = 1;
        match byte {
            b'{' => {
                place.push(Place::Field(String::new()));
                named = true;
            }
            b'[' => place.push(Place::Element(0)),
            b'}' | b']' => drop(place.pop()),
            b':' => named = false,
            b',' => match place.last_mut() {
                Some(Place::Element(at)) => *at += 1,
                _ => named = true,
            },
            b'"' => {
                length = text_length(rest);
                if let (true, Some(Place::Field(name))) = (named, place.last_mut()) {
                    let token = rest.get(..length).unwrap_or_default();
                    *name = serde_json::from_str(token).unwrap_or_default();
                }
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |c: char| matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
                length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let number = rest.get(..length).unwrap_or_default();
                let digits = number.trim_start_matches('-');
                let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
                if is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return Some(Oversized {
                        place,
                        negative: byte == b'-',
                        digits: digits.chars().take(SHOWN + 1).collect(),
                    });
                }
            }
            // The rest of a character that is none of these.
            _ => length = rest.chars().next().map_or(1, char::len_utf8),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    None
}

/// The length of the text that stands at the beginning, with its quotes.
fn text_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => byte == b'"',
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, String)> {
        let found = Oversized::find(text)?;
        Some((found.field(), found.to_string()))
    }

    #[test]
    fn what_64_bits_do_not_hold_is_found_where_it_is() {
        for (text, place, says) in [
            (
                r#"{"a":1,"n":123456789012345678901234567890}"#,
                "n",
                "123456789012345678901234567890 is beyond 9223372036854775807",
            ),
            (
                r#"{"a":{"ö\"\\ x":[{},[1],"1",-9223372036854775809]}}"#,
                "a.ö\"\\ x[3]",
                "-9223372036854775809 is beyond -9223372036854775808",
            ),
            ("18446744073709551616", "", "18446744073709551616 is beyond"),
            (
                r#"{"a":"b","c": [ 00000000000000000000000001e9, 99999999999999999999 ]}"#,
                "c[1]",
                "9999",
            ),
        ] {
            let (at, said) = found(text).unwrap_or_default();
            assert_eq!(at, place, "{text}");
            assert!(said.starts_with(says), "{text}: {said}");
        }
        let long = "9".repeat(1_000_000);
        assert!(found(&long).is_some_and(|(_, said)| said.len() < 200));
    }

    #[test]
    fn what_is_kept_or_is_no_whole_number_is_let_pass() {
        for text in [
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "1.2345678901234567890123456789",
            "123456789012345678901234567890e-3",
            "123456789012345678901234567890.5",
            r#""123456789012345678901234567890""#,
            r#"{"123456789012345678901234567890":"\"123456789012345678901234567890"}"#,
            "",
            "\"",
            "{\"a\\",
            "-",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    /// Whatever of these are whole: found exactly when serde_json would take them for a float.
    #[test]
    fn it_is_what_a_reader_would_round() {
        for digits in 1..40 {
            for first in ["1", "9", "-1", "-9"] {
                let text = format!("{first}{}", "7".repeat(digits));
                let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                assert_eq!(found(&text).is_some(), read.is_f64(), "{text}");
            }
        }
    }
}
