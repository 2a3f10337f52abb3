//! The language of a text: that of most of it, where it has several.

use document::{Block, Content};
use std::collections::BTreeMap;

/// How many blocks are looked at, from all over the document.
const BLOCKS: usize = 100;
/// How much of each.
const LOOKED_AT: usize = 500;
/// Less tells nothing.
const LEAST: usize = 30;

/// The language most of these blocks are in, as ISO 639-1 names it.
pub(crate) fn of(blocks: &[Block]) -> Option<String> {
    let step = (blocks.len() / BLOCKS).max(1);
    let texts = || blocks.iter().step_by(step).map(text);
    let mut found = BTreeMap::new();
    for text in texts() {
        if let Some(language) = detect(&text) {
            *found.entry(language.code()).or_insert(0) += text.len();
        }
    }
    let most = found.into_iter().max_by_key(|(_, length)| *length);
    // Of many short texts none may tell, and all together do.
    let most = most.map(|(language, _)| language).or_else(|| {
        let all: Vec<_> = texts().collect();
        Some(detect(&all.join(" "))?.code())
    });
    short(most?).map(str::to_owned)
}

fn detect(text: &str) -> Option<whatlang::Lang> {
    if text.len() < LEAST {
        return None;
    }
    let found = whatlang::detect(text).filter(whatlang::Info::is_reliable)?;
    Some(found.lang())
}

/// The beginning of what a block says.
fn text(block: &Block) -> String {
    match &block.content {
        Content::Paragraph { text }
        | Content::ListItem { text, .. }
        | Content::Heading { text, .. } => text.chars().take(LOOKED_AT).collect(),
        Content::Table(table) => {
            let cells = table.header.iter().chain(table.rows.iter().flatten());
            let cells: Vec<_> = cells.take(50).map(String::as_str).collect();
            cells.join(" ").chars().take(LOOKED_AT).collect()
        }
        _ => String::new(),
    }
}

/// A language in the form of ISO 639-1, as a document says it of itself (`en-GB`).
pub(crate) fn said(language: &str) -> Option<String> {
    let language = language.split(['-', '_']).next()?.trim();
    let is_short = language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_short.then(|| language.to_ascii_lowercase())
}

fn short(language: &str) -> Option<&'static str> {
    Some(match language {
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
