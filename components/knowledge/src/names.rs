//! What files are called, and what their names say of them.

use crate::model::MAX_NAME;
use document::Format;
use sbd_sdk::{Error, Result};

/// The name of a file without the folders it comes from, and without what could mislead.
///
/// # Errors
/// `VALIDATION_ERROR` when nothing is left.
pub(crate) fn clean(name: &str) -> Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    // Marks that turn the direction of writing make `exe` of `txt`, for whoever reads.
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let seen: String = last
        .chars()
        .filter(|c| !c.is_control() && !turns(*c))
        .collect();
    let seen = seen.trim().trim_start_matches('.');
    let name = match seen.chars().count() {
        0 => {
            return Err(Error::validation(
                "name",
                "the name of a file, like `report.pdf`",
            ));
        }
        length if length > MAX_NAME => shortened(seen),
        _ => seen.to_owned(),
    };
    Ok(name)
}

/// What a file is, by its extension, else by the content type it came with.
///
/// # Errors
/// 415 when it is nothing that is read.
pub(crate) fn format(name: &str, content_type: Option<&str>) -> Result<Format> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let by_name = extension.and_then(Format::of_extension);
    let by_type = || {
        let essence = content_type?.split(';').next()?.trim().to_ascii_lowercase();
        let mut formats = Format::ALL.into_iter();
        formats.find(|format| format.content_type() == essence)
    };
    by_name.or_else(by_type).ok_or_else(|| {
        let names = Format::ALL.map(Format::name);
        Error::unsupported_media_type(&format!(
            "{}, with the extension of one in its name",
            names.join(", ")
        ))
    })
}

/// The middle of a long name is left out, not the extension.
fn shortened(name: &str) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let extension: String = extension.chars().take(20).collect();
    let room = MAX_NAME - extension.chars().count() - 1;
    let stem: String = stem.chars().take(room).collect();
    match extension.is_empty() {
        true => stem,
        false => format!("{stem}.{extension}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_and_says_what_it_is() {
        let long = format!("{}.pdf", "ä".repeat(300));
        for (name, expected) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd.txt", "passwd.txt"),
            ("C:\\Users\\ada\\Notes.md", "Notes.md"),
            (" a\u{0}b\r\nc.txt ", "abc.txt"),
            ("fdp.\u{202e}txt", "fdp.txt"),
            (".htaccess.txt", "htaccess.txt"),
            (&long, &format!("{}.pdf", "ä".repeat(196))),
        ] {
            assert_eq!(clean(name).unwrap(), expected, "{name:?}");
        }
        for nothing in ["", " ", "/", "a/", "\u{0}", "...", "\u{202e}"] {
            assert_eq!(clean(nothing).unwrap_err().code(), "VALIDATION_ERROR");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_with_what_is() {
        assert_eq!(format("a.PDF", None).unwrap(), Format::Pdf);
        assert_eq!(
            format("a", Some("Text/Markdown; charset=utf-8")).unwrap(),
            Format::Markdown
        );
        // The name is what people see.
        assert_eq!(format("a.csv", Some("text/plain")).unwrap(), Format::Csv);
        for (name, kind) in [
            ("a.exe", None),
            ("a", None),
            ("a.zip", Some("application/zip")),
            ("a", Some("nonsense")),
        ] {
            let refused = format(name, kind).unwrap_err();
            assert_eq!(refused.status(), 415);
            assert!(refused.message().contains("DOCX"));
        }
    }
}
