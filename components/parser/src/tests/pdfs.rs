//! PDFs: structure from what is drawn, and pages as pictures.

use super::{fixture, headings, items, read, read_fixture, reasons, tables, text};
use crate::formats::pdf;
use document::{Place, Reason};

#[test]
fn pdf_has_headings_tables_lists_and_columns() {
    let (document, blocks) = read_fixture("report.pdf");
    assert_eq!(document.title.as_deref(), Some("Report of the engine"));
    assert_eq!(document.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(document.pages, Some(2));
    assert_eq!(document.language.as_deref(), Some("en"));
    assert_eq!(
        headings(&blocks),
        [
            (1, "Report of the engine"),
            (2, "Purpose"),
            (2, "Prices"),
            (2, "Parts")
        ],
        "{}",
        text(&blocks)
    );
    let tables = tables(&blocks);
    assert_eq!(tables.len(), 2, "{}", text(&blocks));
    assert_eq!(tables[0].header, ["Article", "Price", "Stock"]);
    assert_eq!(tables[0].rows[1], ["Black coffee", "6.80", "75"]);
    assert_eq!(tables[1].header, ["City", "Country", "Inhabitants"]);
    assert_eq!(tables[1].rows[2], ["Porto", "Portugal", "231800"]);
    assert_eq!(items(&blocks), [(0, "the mill"), (0, "the store")]);
    // The left column is read before the right one, and a sentence goes on from one to the other.
    let columns: Vec<_> = blocks
        .iter()
        .filter(|block| block.place > Place::Page(1))
        .collect();
    let text = columns
        .iter()
        .map(|block| block.content.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let mut from = 0;
    for number in 1..=60 {
        let sentence = format!("Left and right, sentence {number} belongs to a column of prose.");
        from += text[from..]
            .find(&sentence)
            .unwrap_or_else(|| panic!("{number} in {text}"));
    }
    assert!(document.unread.is_empty(), "{:?}", document.unread);
}

#[test]
fn a_scanned_page_is_named_and_the_others_are_read() {
    let (document, blocks) = read_fixture("scan.pdf");
    assert_eq!(text(&blocks), "The first page has text of its own.");
    let unread = &document.unread[0];
    assert_eq!(unread.place, Some(Place::Page(2)));
    assert_eq!(unread.reason, Reason::Scanned);
    assert_eq!(document.unread.len(), 1);
}

#[test]
fn a_password_is_told_and_one_that_only_forbids_printing_is_none() {
    let (document, blocks) = read_fixture("locked.pdf");
    assert_eq!(reasons(&document), [Reason::Encrypted]);
    assert!(blocks.is_empty());
    let (document, blocks) = read_fixture("owner.pdf");
    assert!(document.unread.is_empty());
    assert_eq!(text(&blocks), text(&read_fixture("report.pdf").1));
}

#[test]
fn a_page_is_drawn_as_large_as_is_wished() {
    let picture = pdf::draw(fixture("scan.pdf").into(), 2, 100).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    let side = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), (826, 1169));
    // There is something on it.
    assert!(picture.len() > 5_000);
    let missing = pdf::draw(fixture("scan.pdf").into(), 3, 100).unwrap_err();
    assert_eq!(missing.status(), 404);
    let locked = pdf::draw(fixture("locked.pdf").into(), 1, 100).unwrap_err();
    assert!(locked.details()[0].message.contains("password"));
}

/// A PDF of these objects, numbered from 1; the first is the catalog.
pub(super) fn pdf_of(objects: &[String]) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push(pdf.len());
        pdf.extend(format!("{number} 0 obj\n{object}\nendobj\n").bytes());
    }
    let start = pdf.len();
    pdf.extend(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).bytes());
    for place in places {
        pdf.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let size = objects.len() + 1;
    pdf.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes(),
    );
    pdf
}

/// A stream as an object.
pub(super) fn stream(content: &str) -> String {
    format!(
        "<< /Length {} >>\nstream\n{content}\nendstream",
        content.len()
    )
}

/// A PDF with one page for each of these contents.
pub(super) fn pages_of(contents: &[String]) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        String::new(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut kids = String::new();
    for content in contents {
        let page = objects.len() + 1;
        kids.push_str(&format!("{page} 0 R "));
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >> \
             /Contents {} 0 R >>",
            page + 1
        ));
        objects.push(stream(content));
    }
    objects[1] = format!(
        "<< /Type /Pages /Count {} /Kids [{kids}] >>",
        contents.len()
    );
    pdf_of(&objects)
}

/// What draws these lines, from the top.
pub(super) fn lines(lines: &[&str]) -> String {
    let mut content = "BT /F 11 Tf 14 TL 72 720 Td\n".to_owned();
    for line in lines {
        content.push_str(&format!("({line}) Tj T*\n"));
    }
    content + "ET"
}

#[test]
fn what_stands_at_the_head_of_all_pages_is_told_once() {
    let page = |number: usize| {
        let number = format!("page {number} of 9");
        let own = format!("Something that stands on {number} alone, and is a sentence.");
        lines(&[
            "ACME confidential",
            &own,
            "And another one.",
            "Third line.",
            "Fourth line.",
            &number,
        ])
    };
    let pages: Vec<_> = (1..10).map(page).collect();
    let (document, blocks) = read(&pages_of(&pages), "a.pdf");
    assert_eq!(document.pages, Some(9));
    let text = text(&blocks);
    assert_eq!(text.matches("ACME confidential").count(), 1, "{text}");
    assert_eq!(text.matches("stands on").count(), 9, "{text}");
    assert_eq!(text.matches("Fourth line.").count(), 9, "{text}");
}

#[test]
fn text_from_right_to_left_is_in_the_order_it_is_read_in() {
    // Hebrew as most programs write it: glyph by glyph from left to right, with its meaning beside.
    let word = "שלום עולם";
    let visual: Vec<char> = word.chars().rev().collect();
    let codes: String = (0..visual.len())
        .map(|code| format!("{:02x}", code + 65))
        .collect();
    let meanings: String = visual
        .iter()
        .enumerate()
        .map(|(code, letter)| format!("<{:02x}> <{:04x}>\n", code + 65, *letter as u32))
        .collect();
    let map = format!(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /a def\n\
         1 begincodespacerange <00> <ff> endcodespacerange\n{} beginbfchar\n{meanings}endbfchar\nendcmap end end",
        visual.len()
    );
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 1 /Kids [4 0 R] >>".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >> /Contents 5 0 R >>"
            .to_owned(),
        stream(&format!("BT /F 12 Tf 72 700 Td <{codes}> Tj ET")),
        stream(&map),
    ];
    let (_, blocks) = read(&pdf_of(&objects), "a.pdf");
    assert_eq!(text(&blocks), word);
}
