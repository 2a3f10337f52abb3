//! PDF: what is drawn on its pages, put together again to lines, columns, tables and paragraphs.
//!
//! A page goes through these, in this order: [`glyphs`] are what is drawn, with their places; ruled tables are taken
//! out by their lines ([`grid`]); what is left is put into the order it is read in ([`columns`]) as [`lines`], of
//! which those that stand in columns are tables too ([`aligned`]). When all pages are there, their lines become
//! headings, paragraphs and items ([`blocks`]).

mod aligned;
mod bidi;
mod blocks;
mod bombs;
mod columns;
mod draw;
mod glyphs;
mod grid;
mod lines;

pub(crate) use draw::draw;

use super::Read;
use crate::archive;
use crate::output::Output;
use document::{Place, Reason, Unread};
use glyphs::Drawn;
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::{InterpreterCache, InterpreterSettings};

/// The most pages that are looked at.
const MOST_PAGES: usize = 20_000;
/// The most that the pages of a document may unpack to, all together.
const LARGEST_IN_ALL: usize = 256 << 20;
/// After so many pages, fonts are forgotten: a document may have others on each page.
const PAGES_OF_CACHE: usize = 64;
/// Fewer characters on a page with a picture all over it are a stamp on a scan.
const FEW: usize = 20;

pub(crate) fn read(bytes: &[u8], out: &mut Output) -> Read {
    let pdf = open(bytes.to_vec())?;
    let metadata = pdf.metadata();
    let text = |text: &Option<Box<[u8]>>| text.as_deref().map(text_string);
    out.document.title = text(&metadata.title);
    out.document.author = text(&metadata.author);
    let pages = pdf.pages();
    out.document.pages = u32::try_from(pages.len()).ok();
    let settings = InterpreterSettings::default();
    let mut cache = InterpreterCache::new();
    let mut items = Vec::new();
    let mut unpacked = 0;
    for (index, (page, number)) in pages.iter().zip(1..).enumerate() {
        if index % PAGES_OF_CACHE == PAGES_OF_CACHE - 1 {
            cache = InterpreterCache::new();
        }
        if index % 8 == 0 && out.is_late() {
            break;
        }
        if bombs::swells(page) {
            let why = format!(
                "page {number} becomes far more than is drawn on a page, as a bomb does: it is not read"
            );
            out.unread(Unread::at(Place::Page(number), Reason::Limit, why));
            continue;
        }
        unpacked += page.page_stream().map_or(0, <[u8]>::len);
        if index >= MOST_PAGES || unpacked > LARGEST_IN_ALL {
            let why = format!(
                "the pages from {number} on are more than is read of one document; split it"
            );
            out.unread(Unread::whole(Reason::Limit, why));
            break;
        }
        let drawn = Drawn::of(page, &cache, &settings);
        if let Some(why) = unread(&drawn, number) {
            out.unread(Unread::at(Place::Page(number), Reason::Scanned, why));
        }
        items.extend(lines::of(drawn, number));
    }
    blocks::tell(items, out);
    Ok(())
}

/// Opens a PDF.
fn open(bytes: Vec<u8>) -> Result<Pdf, Unread> {
    Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(
            DecryptionError::PasswordProtected | DecryptionError::MissingIDEntry,
        ) => archive::encrypted(),
        LoadPdfError::Decryption(_) => Unread::whole(
            Reason::Encrypted,
            "it is encrypted in a way that is not read; save it without encryption and upload it again",
        ),
        LoadPdfError::Invalid => Unread::whole(
            Reason::Damaged,
            "it is cut off or damaged, and no page of it can be found; upload it again, or save it anew",
        ),
    })
}

/// Why a page that shows something has no text, or none that can be understood.
fn unread(drawn: &Drawn, number: u32) -> Option<String> {
    if drawn.characters() < FEW && drawn.is_covered() {
        return Some(format!(
            "page {number} is a scanned picture and holds no text; where Tesseract is installed it is recognised"
        ));
    }
    if drawn.unknown > FEW && drawn.unknown > drawn.characters() {
        return Some(format!(
            "the letters of page {number} have no meaning in the file, only shapes; where Tesseract is installed \
             they are recognised"
        ));
    }
    None
}

/// A text of the properties: UTF-16 or UTF-8 with their marks, else close to Latin 1.
fn text_string(bytes: &[u8]) -> String {
    match encoding_rs::Encoding::for_bom(bytes) {
        Some(_) => crate::charset::decode(bytes, None),
        None => encoding_rs::mem::decode_latin1(bytes).into_owned(),
    }
}
