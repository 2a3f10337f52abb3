//! What a document is: by what it holds first, by its name and declared type only where that leaves a choice.

use crate::charset;
use document::Format;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is read.
    Read(Format),
    /// It is a document with a password, most likely of this format.
    Encrypted(Format),
    /// It is not read; the text says what to do.
    Unread(&'static str),
}

/// What a name and a declared content type promise.
pub(crate) fn promised(name: Option<&str>, content_type: Option<&str>) -> Option<Format> {
    let extension = name.and_then(|name| name.rsplit_once('.'));
    let by_name = extension.and_then(|(_, extension)| Format::of_extension(extension));
    by_name.or_else(|| {
        let essence = content_type?.split(';').next()?.trim().to_ascii_lowercase();
        let mut formats = Format::ALL.into_iter();
        formats.find(|format| format.content_type() == essence)
    })
}

/// What these bytes are.
pub(crate) fn of(bytes: &[u8], promised: Option<Format>) -> Kind {
    let start = &bytes[..bytes.len().min(1024)];
    if find(start, b"%PDF-").is_some() {
        return Kind::Read(Format::Pdf);
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return packed(bytes, promised);
    }
    if start.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return old_office(bytes, promised);
    }
    if start.starts_with(b"{\\rtf") {
        return Kind::Unread("RTF is not read; save it as DOCX or PDF and upload that");
    }
    if PICTURES.iter().any(|mark| start.starts_with(mark)) {
        return Kind::Unread(
            "pictures are not read; put them into a PDF to have their text recognised",
        );
    }
    if !charset::is_text(bytes) {
        return Kind::Unread(
            "this is neither text nor PDF, DOCX, PPTX, XLSX, HTML, Markdown, CSV, EPUB or EML; save it as one of \
             them and upload that",
        );
    }
    Kind::Read(text(start, promised))
}

/// How pictures begin: PNG, JPEG, GIF, TIFF, WebP.
const PICTURES: [&[u8]; 6] = [
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"RIFF",
];

/// An archive: its files have names that tell.
fn packed(bytes: &[u8], promised: Option<Format>) -> Kind {
    let packed = [Format::Docx, Format::Pptx, Format::Xlsx, Format::Epub];
    let promised = promised.filter(|promised| packed.contains(promised));
    // The names stand in the list at the end; where that is cut off, before each file.
    let marks: [(&[u8], Format); 5] = [
        (b"word/document", Format::Docx),
        (b"ppt/presentation", Format::Pptx),
        (b"xl/workbook", Format::Xlsx),
        (b"application/epub+zip", Format::Epub),
        (b"META-INF/container.xml", Format::Epub),
    ];
    let start = &bytes[..bytes.len().min(64 << 10)];
    let end = &bytes[bytes.len().saturating_sub(1 << 20)..];
    let found = marks
        .iter()
        .find(|(mark, _)| find(end, mark).or(find(start, mark)).is_some());
    let found = found.map(|(_, format)| *format).or(promised);
    found.map_or(
        Kind::Unread("an archive is not read; unpack it and upload the documents in it"),
        Kind::Read,
    )
}

/// The container of old office documents, which those with a password are in as well.
fn old_office(bytes: &[u8], promised: Option<Format>) -> Kind {
    let wide: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    match find(bytes, &wide) {
        Some(_) => Kind::Encrypted(promised.unwrap_or(Format::Docx)),
        None => Kind::Unread(
            "old office formats (DOC, XLS, PPT, MSG) are not read; save it as DOCX, XLSX, PPTX or PDF and upload that",
        ),
    }
}

/// What kind of text it is.
fn text(start: &[u8], promised: Option<Format>) -> Format {
    let text = charset::decode(start, None).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if is_html(text) {
        return Format::Html;
    }
    if is_mail(text) {
        return Format::Eml;
    }
    let written = [Format::Markdown, Format::Csv, Format::Html, Format::Text];
    let promised = promised.filter(|promised| written.contains(promised));
    promised.unwrap_or(Format::Text)
}

fn is_html(text: &str) -> bool {
    let mut text = text;
    // What may stand before: an XML declaration, comments.
    loop {
        let rest = match text {
            text if text.starts_with("<?") => text.split_once("?>"),
            text if text.starts_with("<!--") => text.split_once("-->"),
            _ => None,
        };
        match rest {
            Some((_, rest)) => text = rest.trim_start(),
            None => break,
        }
    }
    ["<!doctype html", "<html", "<head", "<body"]
        .iter()
        .any(|mark| text.starts_with(mark))
}

/// A mail begins with its head: lines with names, two of which are those of a mail.
fn is_mail(text: &str) -> bool {
    let mut known = 0;
    for line in text.lines().take(60) {
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else {
            break;
        };
        if name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return false;
        }
        let of_mails = [
            "from",
            "to",
            "subject",
            "date",
            "received",
            "message-id",
            "mime-version",
            "return-path",
            "delivered-to",
            "dkim-signature",
        ];
        known += usize::from(of_mails.contains(&name));
    }
    known >= 2
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    while let Some(found) = bytes.get(from..)?.iter().position(|byte| byte == first) {
        let at = from + found;
        if bytes.get(at..at + wanted.len()) == Some(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_holds_counts_before_its_name() {
        let cases: [(&[u8], Option<Format>, Format); 10] = [
            (b"%PDF-1.7\n", Some(Format::Docx), Format::Pdf),
            (b"\n\n%PDF-1.4", None, Format::Pdf),
            (b"<!DOCTYPE html><p>a", Some(Format::Markdown), Format::Html),
            (
                b"<?xml version='1.0'?>\n<!-- c --><html>",
                None,
                Format::Html,
            ),
            (
                b"From: a@example.com\r\nTo: b\r\nSubject: c\r\n\r\nd",
                Some(Format::Text),
                Format::Eml,
            ),
            (b"Note: this is\nTo: do: nothing", None, Format::Text),
            (b"# Title", Some(Format::Markdown), Format::Markdown),
            (b"a,b", Some(Format::Csv), Format::Csv),
            (b"just text", Some(Format::Pdf), Format::Text),
            (b"<p>a", Some(Format::Html), Format::Html),
        ];
        for (bytes, promised, format) in cases {
            let found = of(bytes, promised);
            assert_eq!(
                found,
                Kind::Read(format),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn what_is_not_read_says_what_to_do() {
        let cases: [&[u8]; 5] = [
            b"\x89PNG\r\n\x1a\n",
            b"{\\rtf1 a}",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old",
            b"PK\x03\x04 an archive of photos",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
        ];
        for bytes in cases {
            assert!(matches!(of(bytes, None), Kind::Unread(_)));
        }
    }

    #[test]
    fn a_name_or_a_declared_type_promises_a_format() {
        assert_eq!(promised(Some("a.b.PDF"), None), Some(Format::Pdf));
        assert_eq!(
            promised(Some("a"), Some("text/csv; charset=x")),
            Some(Format::Csv)
        );
        assert_eq!(promised(Some("a.xyz"), None), None);
    }
}
