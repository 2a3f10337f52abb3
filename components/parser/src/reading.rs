//! Reading a document, whatever it is.

use crate::formats::{csv, docx, eml, epub, html, markdown, pdf, pptx, text, xlsx};
use crate::kind::{self, Kind};
use crate::output::Output;
use crate::{archive, language};
use document::{Block, Content, Document, Format, Reason, Unread};

/// What is said of a document beside what it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said<'a> {
    /// What its file is called.
    pub(crate) name: Option<&'a str>,
    /// What it is, by whoever sent it.
    pub(crate) content_type: Option<&'a str>,
}

/// Reads a document. What cannot be read of it is named in what comes back.
///
/// # Errors
/// Where it is nothing that is read; the text says what to do.
pub(crate) fn read(bytes: &[u8], said: Said<'_>) -> Result<(Document, Vec<Block>), &'static str> {
    let promised = kind::promised(said.name, said.content_type);
    let format = match kind::of(bytes, promised) {
        Kind::Read(format) => format,
        Kind::Encrypted(format) => {
            let mut out = Output::new(Document::new(format));
            out.unread(archive::encrypted());
            return Ok(out.finish());
        }
        Kind::Unread(why) => return Err(why),
    };
    let mut out = Output::new(Document::new(format));
    if let Some(promised) = promised.filter(|promised| *promised != format) {
        let note = format!(
            "it is {format}, though its name or type says {promised}; it was read as what it is"
        );
        out.document.note = Some(note);
    }
    let charset = said.content_type.and_then(charset_of);
    let read = match format {
        Format::Pdf => pdf::read(bytes, &mut out),
        Format::Docx => docx::read(bytes, &mut out),
        Format::Pptx => pptx::read(bytes, &mut out),
        Format::Xlsx => xlsx::read(bytes, &mut out),
        Format::Html => html::read(bytes, charset, &mut out),
        Format::Markdown => markdown::read(bytes, charset, &mut out),
        Format::Csv => csv::read(bytes, charset, &mut out),
        Format::Epub => epub::read(bytes, &mut out),
        Format::Eml => eml::read(bytes, &mut out),
        _ => text::read(bytes, charset, &mut out),
    };
    if let Err(unread) = read {
        out.unread(unread);
    }
    if bytes.is_empty() {
        out.unread(Unread::whole(
            Reason::Empty,
            "it is empty; nothing was uploaded",
        ));
    }
    complete(&mut out);
    Ok(out.finish())
}

/// What the blocks say of the document that it does not say itself.
fn complete(out: &mut Output) {
    let first_heading = out
        .blocks()
        .iter()
        .take(20)
        .find_map(|block| match &block.content {
            Content::Heading { text, level: 1..=2 } => Some(text.clone()),
            _ => None,
        });
    let language = language::of(out.blocks());
    let document = &mut out.document;
    for property in [&mut document.title, &mut document.author] {
        *property = property
            .take()
            .map(|text| crate::output::clean(&text, false))
            .filter(|text| !text.is_empty())
            .map(|text| text.chars().take(300).collect());
    }
    document.title = document.title.take().or(first_heading);
    document.language = language.or(document.language.take());
}

fn charset_of(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    let mut parameters = parameters.filter_map(|parameter| parameter.trim().split_once('='));
    let (_, charset) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("charset"))?;
    Some(charset.trim_matches('"'))
}
