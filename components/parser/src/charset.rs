//! Text from bytes, whatever charset they are in.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a text is looked at to guess its charset.
const LOOKED_AT: usize = 256 << 10;

/// The text of these bytes. Marks of byte order count most, then what the bytes themselves show, then what was said
/// of them. What is no character becomes U+FFFD.
pub(crate) fn decode(bytes: &[u8], said: Option<&str>) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return text.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !bytes.contains(&0)
    {
        return text.to_owned();
    }
    let said = said.and_then(|label| Encoding::for_label(label.as_bytes()));
    let encoding = wide(bytes).or(said.filter(|said| *said != UTF_8));
    let encoding = encoding.unwrap_or_else(|| guess(bytes));
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// Whether these bytes are text: hardly any of what they become is no character.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(16 << 10)];
    let text = decode(start, None);
    let all = text.chars().count();
    let strange = |character: &char| {
        *character == '\u{fffd}'
            || character.is_control() && !matches!(character, '\n' | '\r' | '\t' | '\u{c}')
    };
    text.chars().filter(strange).count() * 10 <= all
}

/// UTF-16 without a mark: every other byte of most of it is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(4 << 10) & !1];
    let zeros = |offset: usize| {
        let every_other = start.iter().skip(offset).step_by(2);
        every_other.filter(|byte| **byte == 0).count() * 10
    };
    let (even, odd, most) = (zeros(0), zeros(1), start.len() / 2 * 4);
    match () {
        () if start.is_empty() => None,
        () if odd > most && even < odd / 4 => Some(UTF_16LE),
        () if even > most && odd < even / 4 => Some(UTF_16BE),
        () => None,
    }
}

/// What these bytes look like.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let start = &bytes[..bytes.len().min(LOOKED_AT)];
    // Mostly UTF-8 with something wrong in it is UTF-8.
    let text = String::from_utf8_lossy(start);
    let wrong = text.chars().filter(|character| *character == '\u{fffd}');
    let right = text.chars().filter(|character| !character.is_ascii());
    let wrong = wrong.count();
    if right.count() > wrong * 4 {
        return UTF_8;
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
    detector.feed(start, true);
    detector.guess(None, chardetng::Utf8Detection::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_charset_it_is_in() {
        let text = "Grüße aus Köln, und noch ein paar Wörter mehr für die Häufigkeit.";
        let wide =
            |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
        let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(text);
        assert_eq!(decode(text.as_bytes(), Some("latin1")), text);
        assert_eq!(
            decode(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
            text
        );
        assert_eq!(decode(&[&b"\xff\xfe"[..], &little].concat(), None), text);
        assert_eq!(decode(&[&b"\xfe\xff"[..], &big].concat(), None), text);
        assert_eq!(decode(&little, None), text);
        assert_eq!(decode(&big, None), text);
        assert_eq!(decode(&latin, None), text);
        let russian = "Документы читаются в той кодировке, в которой они написаны.";
        let (old, _, _) = encoding_rs::KOI8_R.encode(russian);
        assert_eq!(decode(&old, None), russian);
        assert_eq!(decode(&old, Some("koi8-r")), russian);
    }

    #[test]
    fn a_wrong_byte_does_not_change_the_charset() {
        let text = decode(
            b"na\xc3\xafve caf\xc3\xa9 na\xc3\xafve caf\xc3\xa9 \xff \xc3\xa9",
            None,
        );
        assert_eq!(text, "naïve café naïve café \u{fffd} é");
    }

    #[test]
    fn what_is_no_text_is_told_from_text() {
        let noise: Vec<u8> = (0..4_000u32).map(|n| ((n * n * 31) >> 3) as u8).collect();
        assert!(!is_text(&noise));
        assert!(!is_text(&[0; 100]));
        assert!(is_text("plain\ttext\r\n".as_bytes()));
        assert!(is_text(b"one\0NUL in quite some text"));
    }
}
