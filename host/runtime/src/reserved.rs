//! Paths under `/-/` are between host and components; nobody outside reaches them.

use std::borrow::Cow;

/// Levels of percent-encoding that are followed; a path with more is refused unread. Honest
/// clients need one, and each level costs a pass over the path.
const DEEPEST: u32 = 8;

/// Does this path, as any server behind us might read it, lie under `/-/`?
pub fn is_reserved(path: &str) -> bool {
    !is_plain(path) && is_reserved_when_read_freely(path)
}

/// Whether every server would read a path as it is written: the common case.
pub(crate) fn has_one_reading(path: &str) -> bool {
    is_plain(path) && !path.contains("//") && !path.contains("/.") && !path.ends_with('/')
}

/// Whether nobody could read a path as one under `/-/` that is not written so.
fn is_plain(path: &str) -> bool {
    let mut bytes = path.bytes();
    // An ordinary first letter, and nothing in it that could be read otherwise.
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'-' | b'/' | b'.' | b'\\' | b'%'))
        && !path.contains("..")
        && !path.bytes().any(|b| b == b'%' || b == b'\\')
}

/// A path as the most forgiving server would read it; `None` if it is encoded without end.
pub(crate) fn read_freely(path: &str) -> Option<String> {
    let path = decode_all(path)?;
    let mut segments = Vec::new();
    for segment in path.split(|&b| b == b'/' || b == b'\\') {
        resolve(&mut segments, segment);
    }
    let mut read = String::new();
    for segment in segments {
        read.push('/');
        read.push_str(&String::from_utf8_lossy(segment));
    }
    Some(read)
}

/// Decoded until nothing changes.
fn decode_all(path: &str) -> Option<Cow<'_, [u8]>> {
    let mut path = Cow::Borrowed(path.as_bytes());
    let mut levels = 0;
    while let Some(decoded) = decode(&path) {
        levels += 1;
        if levels > DEEPEST {
            return None;
        }
        path = Cow::Owned(decoded);
    }
    Some(path)
}

/// Empty and dot segments lead nowhere, or back.
fn resolve<'a>(segments: &mut Vec<&'a [u8]>, segment: &'a [u8]) {
    match segment {
        b"" | b"." => {}
        b".." => {
            segments.pop();
        }
        segment => segments.push(segment),
    }
}

/// Decoded until nothing changes; backslashes as slashes, empty and dot segments resolved.
fn is_reserved_when_read_freely(path: &str) -> bool {
    let Some(path) = decode_all(path) else {
        return true;
    };
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|&b| b == b'/' || b == b'\\') {
        resolve(&mut segments, segment);
        // Refused even if a later `..` leads out again: who wants to go there has no need to.
        if segments.first() == Some(&b"-".as_slice()) {
            return true;
        }
    }
    false
}

/// One level of percent-encoding taken off; `None` if there is none.
fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => {
                digit(high).zip(digit(low)).map(|pair| (pair, after))
            }
            _ => None,
        };
        match escape {
            Some(((high, low), after)) => {
                decoded.push(high << 4 | low);
                rest = after;
            }
            None => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    (decoded.len() < path.len()).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_reaches_the_reserved_paths() {
        for path in [
            "/-/authenticate",
            "/-",
            "/-/",
            "//-/x",
            "/./-/x",
            "/.//-/x",
            "/%2D/x",
            "/%2d",
            "/%252D/x",
            "/%25252d/x",
            "/%2F-/x",
            "/-%2Fx",
            "/a/../-/x",
            "/a/%2e%2e/-/x",
            "/a%2F..%2F-/x",
            "/\\-\\x",
            "/%5C-/x",
            "/-/../a",
            "/..//-/x",
            "-/x",
            "/-/a/../../a",
        ] {
            assert!(is_reserved(path), "{path}");
        }
    }

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "",
            "*",
            "/a",
            "/a/-/b",
            "/-a",
            "/--",
            "/a/%2d/b",
            "/a-b/-",
            "/%",
            "/%2",
            "/%zz",
            "/a/../b",
            "/.well-known/jwks.json",
            "/api/v1/families/fam_1?x=/-/",
            "/%41/b",
            "/..",
        ] {
            assert!(!is_reserved(path), "{path}");
        }
    }

    #[test]
    fn a_path_is_read_as_freely_as_anybody_could() {
        for path in ["/a/b", "//a/./b/", "/a%2fb", "/%2561/b", "/x/../a\\b"] {
            assert_eq!(read_freely(path).as_deref(), Some("/a/b"), "{path}");
        }
    }

    #[test]
    fn encoding_without_end_is_refused() {
        let path = format!("/%{}2D/x", "25".repeat(4000));
        assert!(is_reserved(&path));
    }
}
