//! The language of a text.

use document::{Block, Content};

/// How much text is looked at.
const LOOKED_AT: usize = 8 << 10;
/// Less tells nothing.
const LEAST: usize = 40;

/// The language most of these blocks are in, as ISO 639-1 names it.
pub(crate) fn of(blocks: &[Block]) -> Option<String> {
    let mut text = String::new();
    // From all over the document, so that a foreign title page decides nothing.
    let step = (blocks.len() / 64).max(1);
    for block in blocks.iter().step_by(step) {
        if let Content::Paragraph { text: more } | Content::ListItem { text: more, .. } =
            &block.content
        {
            take(more, &mut text);
        }
    }
    if text.len() < LEAST {
        for block in blocks.iter().step_by(step) {
            match &block.content {
                Content::Heading { text: more, .. } => take(more, &mut text),
                Content::Table(table) => {
                    let cells = table.header.iter().chain(table.rows.iter().flatten());
                    cells.take(200).for_each(|cell| take(cell, &mut text));
                }
                _ => {}
            }
        }
    }
    if text.len() < LEAST {
        return None;
    }
    let found = whatlang::detect(&text).filter(|found| found.is_reliable())?;
    short(found.lang()).map(str::to_owned)
}

/// A language in the form of ISO 639-1, as a document says it of itself (`en-GB`).
pub(crate) fn said(language: &str) -> Option<String> {
    let language = language.split(['-', '_']).next()?.trim();
    let is_short = language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_short.then(|| language.to_ascii_lowercase())
}

fn take(more: &str, text: &mut String) {
    let room = LOOKED_AT.saturating_sub(text.len());
    text.extend(more.chars().take(room.min(500)));
    text.push(' ');
}

fn short(language: whatlang::Lang) -> Option<&'static str> {
    Some(match language.code() {
        "eng" => "en",
        "deu" => "de",
        "fra" => "fr",
        "spa" => "es",
        "rus" => "ru",
        "ita" => "it",
        "por" => "pt",
        "nld" => "nl",
        "pol" => "pl",
        "ukr" => "uk",
        "bel" => "be",
        "bul" => "bg",
        "ces" => "cs",
        "slk" => "sk",
        "slv" => "sl",
        "hrv" => "hr",
        "srp" => "sr",
        "mkd" => "mk",
        "swe" => "sv",
        "dan" => "da",
        "nob" => "nb",
        "fin" => "fi",
        "est" => "et",
        "lav" => "lv",
        "lit" => "lt",
        "hun" => "hu",
        "ron" => "ro",
        "ell" => "el",
        "tur" => "tr",
        "aze" => "az",
        "uzb" => "uz",
        "tuk" => "tk",
        "kat" => "ka",
        "hye" => "hy",
        "heb" => "he",
        "yid" => "yi",
        "ara" => "ar",
        "pes" => "fa",
        "urd" => "ur",
        "hin" => "hi",
        "ben" => "bn",
        "mar" => "mr",
        "guj" => "gu",
        "pan" => "pa",
        "tam" => "ta",
        "tel" => "te",
        "kan" => "kn",
        "mal" => "ml",
        "ori" => "or",
        "sin" => "si",
        "nep" => "ne",
        "tha" => "th",
        "khm" => "km",
        "mya" => "my",
        "vie" => "vi",
        "ind" => "id",
        "jav" => "jv",
        "tgl" => "tl",
        "cmn" => "zh",
        "jpn" => "ja",
        "kor" => "ko",
        "amh" => "am",
        "aka" => "ak",
        "zul" => "zu",
        "sna" => "sn",
        "afr" => "af",
        "lat" => "la",
        "cat" => "ca",
        "epo" => "eo",
        "cym" => "cy",
        _ => return None,
    })
}
