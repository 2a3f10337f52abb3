//! Pages that are pictures of text: drawn by the parser and read by `ocr`, where something is installed that reads.

use crate::model::Document;
use axum::extract::Request;
use document::{Block, Content, Document as Head, Place, Reason, Unread};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use sbd_sdk::ocr::{self, Engine, Line};
use sbd_sdk::{Error, Result, blobs, call};

/// Pages of a document that are read so at most: each takes seconds.
const MOST_PAGES: usize = 200;
/// Dots an inch of what is drawn.
const DPI: u32 = 200;
/// Bytes of a drawn page at most.
const LARGEST: usize = 32 << 20;
/// Languages that a page is looked at in at most.
const MOST_LANGUAGES: usize = 4;
/// How sure a line must be that is kept.
const SURE: f32 = 40.0;
/// What languages are called here, and by those who read.
const LANGUAGES: [(&str, &str); 5] = [
    ("en", "eng"),
    ("de", "deu"),
    ("fr", "fra"),
    ("es", "spa"),
    ("ru", "rus"),
];

/// Reads those pages that hold no text. What is found stands in its place among the blocks; what is not stays named.
pub(crate) async fn read(
    document: &Document,
    head: &mut Head,
    blocks: &mut Vec<Block>,
    language: Option<&str>,
) -> Result<()> {
    let pages: Vec<u32> = head.unread.iter().filter_map(scanned).collect();
    if pages.is_empty() {
        return Ok(());
    }
    let Some(engine) = ocr::installed().await? else {
        return Ok(());
    };
    let languages = languages(&engine, language);
    for page in pages.into_iter().take(MOST_PAGES) {
        match recognised(document, page, &languages).await {
            Ok(found) => {
                // A page on which nothing is written stays named.
                if !found.is_empty() {
                    head.unread.retain(|unread| scanned(unread) != Some(page));
                }
                insert(blocks, page, found);
            }
            Err(error) if error.status() == 503 => return Err(error),
            Err(error) => {
                eprintln!("page {page} of {}: {error:?}", document.id);
            }
        }
    }
    head.blocks = blocks.len();
    Ok(())
}

/// The page that holds no text, if that is what is said.
fn scanned(unread: &Unread) -> Option<u32> {
    match (unread.reason, &unread.place) {
        (Reason::Scanned, Some(Place::Page(page))) => Some(*page),
        _ => None,
    }
}

/// The language of the library first, then what is installed.
fn languages<'a>(engine: &'a Engine, language: Option<&str>) -> Vec<&'a str> {
    let known = LANGUAGES.iter().find(|(tag, _)| Some(*tag) == language);
    let first = known.map(|(_, name)| *name);
    let mut names: Vec<&str> = engine.languages.iter().map(String::as_str).collect();
    names.retain(|name| *name != "osd");
    let usual = |name: &&str| LANGUAGES.iter().any(|(_, usual)| usual == name);
    names.sort_by_key(|name| (Some(*name) != first, !usual(name)));
    let many = if first.is_some() { 2 } else { MOST_LANGUAGES };
    names.truncate(many);
    names
}

/// What is written on a page.
async fn recognised(document: &Document, page: u32, languages: &[&str]) -> Result<Vec<Content>> {
    let content = blobs::stream(&document.original(), ..).await?;
    let (_, body) = content.ok_or_else(|| Error::not_found("document"))?;
    let request = Request::post(format!("/draw?page={page}&dpi={DPI}"))
        .header(CONTENT_TYPE, &document.content_type)
        .body(body)
        .map_err(Error::internal)?;
    let response = call("parser", request).await?;
    let status = response.status();
    if !status.is_success() {
        return Err(Error::internal(format_args!(
            "the page is not drawn: {status}"
        )));
    }
    let picture = Limited::new(response.into_body(), LARGEST).collect().await;
    let picture = picture.map_err(Error::internal)?.to_bytes();
    let lines = ocr::recognise(picture.to_vec(), languages).await?;
    Ok(paragraphs(&lines))
}

/// Lines as paragraphs: where there is room for a line between two, one ends.
fn paragraphs(lines: &[Line]) -> Vec<Content> {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut below = None;
    for line in lines.iter().filter(|line| line.confidence >= SURE) {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        let (_, top, _, height) = line.place;
        let goes_on = below.is_some_and(|below| top < below + height);
        below = Some(top + height);
        match paragraphs.last_mut().filter(|_| goes_on) {
            Some(paragraph) => {
                paragraph.push(' ');
                paragraph.push_str(text);
            }
            None => paragraphs.push(text.to_owned()),
        }
    }
    let contents = paragraphs
        .into_iter()
        .map(|text| Content::Paragraph { text });
    contents.collect()
}

/// Puts what is on a page behind the pages before it.
fn insert(blocks: &mut Vec<Block>, page: u32, found: Vec<Content>) {
    let is_behind = |block: &Block| matches!(block.place, Place::Page(number) if number > page);
    let at = blocks.iter().position(is_behind).unwrap_or(blocks.len());
    let found = found.into_iter().map(|content| Block {
        place: Place::Page(page),
        content,
    });
    blocks.splice(at..at, found);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{DOCUMENTS, app, search, texts, upload};
    use serde_json::json;

    #[test]
    fn pictures_of_text_are_read_where_something_reads() {
        let app = app();
        let ada = app.signed_in("usr_1");
        app.on_image(|_, languages| {
            assert!(languages.len() <= MOST_LANGUAGES);
            "Tulips are yellow\nin the spring.".to_owned()
        });
        let id = upload(
            &app,
            &ada,
            "a.md",
            "Roses bloom.\u{c}SCANNED\u{c}Asters too.",
        );
        let document = ada.get(&format!("{DOCUMENTS}/{id}"));
        assert_eq!(
            (&document["state"], &document["unread"]),
            (&json!("ready"), &json!([]))
        );
        let found = search(&ada, json!({"query": "tulips"}));
        assert_eq!(texts(&found), ["Tulips are yellow in the spring."]);
        assert_eq!(found["items"][0]["page"], 2);
        let text = ada.get(&format!("{DOCUMENTS}/{id}/text"));
        let text = String::from_utf8(text.bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            "Roses bloom.\n\nTulips are yellow in the spring.\n\nAsters too."
        );
    }

    #[test]
    fn a_library_says_in_which_language_to_look() {
        let engine = |names: &[&str]| Engine {
            name: "test".to_owned(),
            languages: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let all = engine(&["afr", "deu", "eng", "fra", "osd", "rus", "spa"]);
        assert_eq!(languages(&all, Some("de")), ["deu", "eng"]);
        assert_eq!(languages(&all, None), ["deu", "eng", "fra", "rus"]);
        assert_eq!(languages(&engine(&["eng", "osd"]), Some("de")), ["eng"]);
    }

    #[test]
    fn lines_that_are_far_apart_are_paragraphs() {
        let line = |text: &str, top: u32, confidence: f32| Line {
            text: text.to_owned(),
            place: (0, top, 100, 20),
            confidence,
        };
        let lines = [
            line("One", 0, 90.0),
            line("two.", 24, 90.0),
            line("~~", 30, 5.0),
            line("Three.", 100, 90.0),
        ];
        let texts: Vec<_> = paragraphs(&lines).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["One two.", "Three."]);
    }
}
