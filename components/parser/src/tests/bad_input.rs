//! Documents that are meant to bring the parser down, and those that are just broken.

use super::pdfs::{lines, pages_of, pdf_of, stream};
use super::{fixture, read, reasons, text};
use crate::reading::{self, Said};
use document::{Place, Reason};
use std::io::{Cursor, Write as _};
use zip::write::{SimpleFileOptions, ZipWriter};

/// An archive of these files.
fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A DOCX with this body.
fn docx(body: &str) -> Vec<u8> {
    let head = r#"<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">"#;
    let document = format!("{head}<w:body>{body}</w:body></w:document>");
    packed(&[("word/document.xml", document.as_bytes())])
}

#[test]
fn a_zip_bomb_is_not_unpacked() {
    let zeros = vec![b' '; 20 << 20];
    for name in ["a.docx", "a.pptx", "a.xlsx", "a.epub"] {
        let main = match name {
            "a.docx" => "word/document.xml",
            "a.pptx" => "ppt/presentation.xml",
            "a.xlsx" => "xl/workbook.xml",
            _ => "META-INF/container.xml",
        };
        let bomb = packed(&[(main, &zeros)]);
        assert!(bomb.len() < 100 << 10);
        let (document, blocks) = read(&bomb, name);
        assert_eq!(reasons(&document), [Reason::Limit], "{name}");
        assert!(blocks.is_empty());
    }
}

#[test]
fn an_archive_within_an_archive_is_left_alone() {
    let inner = packed(&[("a.xml", &vec![b' '; 20 << 20])]);
    let bomb = packed(&[
        ("word/document.xml", b"<d/>"),
        ("word/embeddings/a.zip", &inner),
    ]);
    let (document, _) = read(&bomb, "a.docx");
    assert_eq!(reasons(&document), [Reason::Empty]);
    let thousands: Vec<_> = (0..21_000).map(|number| format!("f{number}")).collect();
    let mut files: Vec<(&str, &[u8])> = thousands
        .iter()
        .map(|name| (name.as_str(), &b""[..]))
        .collect();
    files.push(("word/document.xml", b"<d/>"));
    assert_eq!(reasons(&read(&packed(&files), "a.docx").0), [Reason::Limit]);
}

#[test]
fn entities_are_never_expanded() {
    let mut bomb = r#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "laugh">"#.to_owned();
    for (one, other) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        bomb += &format!("<!ENTITY {one} \"{}\">", format!("&{other};").repeat(10));
    }
    bomb += r#"<!ENTITY file SYSTEM "file:///etc/passwd">]><w:document><w:p><w:t>before &i;&file; after</w:t></w:p></w:document>"#;
    let (_, blocks) = read(&packed(&[("word/document.xml", bomb.as_bytes())]), "a.docx");
    assert_eq!(text(&blocks), "before after");
}

#[test]
fn nesting_of_any_depth_is_read() {
    let deep = |open: &str, close: &str, count: usize| {
        format!(
            "{}<w:t>deep</w:t>{}",
            open.repeat(count),
            close.repeat(count)
        )
    };
    let runs = deep("<w:r>", "</w:r>", 200_000);
    let (_, blocks) = read(&docx(&format!("<w:p>{runs}</w:p>")), "a.docx");
    assert_eq!(text(&blocks), "deep");
    let tables = deep(
        "<w:tbl><w:tr><w:tc><w:p>",
        "</w:p></w:tc></w:tr></w:tbl>",
        50_000,
    );
    read(&docx(&tables), "a.docx");
    for element in [
        "div",
        "table",
        "ul",
        "b",
        "p",
        "blockquote",
        "table><tr><td",
    ] {
        let page = format!(
            "<!doctype html>{}deep",
            format!("<{element}>").repeat(300_000)
        );
        let (_, blocks) = read(page.as_bytes(), "a.html");
        assert!(text(&blocks).contains("deep"), "{element}");
    }
    for mark in [">", "- ", "* ", "[", "![", "`", "*a ", "<div>", "|"] {
        let notes = format!("{} deep\ndeep", mark.repeat(20_000));
        let (_, blocks) = read(notes.as_bytes(), "a.md");
        assert!(text(&blocks).contains("deep"), "{mark}");
    }
    let arrays = pages_of(&[format!("{} (deep) Tj", "[".repeat(100_000))]);
    read(&arrays, "a.pdf");
}

#[test]
fn what_is_cut_off_anywhere_is_read_as_far_as_it_goes_or_refused() {
    let documents = [
        "report.docx",
        "slides.pptx",
        "stock.xlsx",
        "report.pdf",
        "scan.pdf",
        "locked.pdf",
        "book.epub",
        "mail.eml",
        "page.html",
        "notes.md",
        "prices.csv",
        "notes.txt",
    ];
    for name in documents {
        let whole = fixture(name);
        for part in 0..40 {
            let cut = &whole[..whole.len() * part / 40];
            let said = Said {
                name: Some(name),
                content_type: None,
            };
            if let Ok((document, blocks)) = reading::read(cut, said) {
                assert!(
                    !blocks.is_empty() || !document.unread.is_empty(),
                    "{name} {part}"
                );
            }
        }
    }
}

#[test]
fn bytes_that_are_changed_do_no_harm() {
    let documents = [
        "report.docx",
        "slides.pptx",
        "stock.xlsx",
        "report.pdf",
        "scan.pdf",
        "owner.pdf",
        "book.epub",
        "mail.eml",
    ];
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for name in documents {
        let whole = fixture(name);
        for _ in 0..40 {
            let mut changed = whole.clone();
            for _ in 0..1 + next(20) {
                let at = next(changed.len());
                changed[at] = next(256) as u8;
            }
            let said = Said {
                name: Some(name),
                content_type: None,
            };
            let _ = reading::read(&changed, said);
        }
    }
}

#[test]
fn nothing_is_nothing_and_says_so() {
    for name in ["a.pdf", "a.docx", "a.txt", "a.csv", "a"] {
        let (document, blocks) = read(b"", name);
        assert!(reasons(&document).contains(&Reason::Empty));
        assert!(blocks.is_empty());
    }
    assert_eq!(reasons(&read(b" \n\0\n", "a.txt").0), [Reason::Empty]);
}

#[test]
fn one_endless_line_is_read_whole() {
    let line = "word ".repeat(1_000_000);
    for name in ["a.txt", "a.md", "a.html", "a.csv"] {
        let (document, blocks) = read(line.as_bytes(), name);
        assert!(document.unread.is_empty(), "{name}: {:?}", document.unread);
        let words = text(&blocks).matches("word").count();
        assert_eq!(words, 1_000_000, "{name}");
    }
    let letters = "a".repeat(3_000_000);
    let (_, blocks) = read(letters.as_bytes(), "a.txt");
    assert_eq!(text(&blocks).matches('a').count(), 3_000_000);
}

#[test]
fn bytes_of_any_charset_are_text() {
    let (_, blocks) = read(
        b"na\xc3\xafve caf\xc3\xa9s na\xc3\xafve caf\xc3\xa9s one\0two \xff three",
        "a.txt",
    );
    assert_eq!(
        text(&blocks),
        "naïve cafés naïve cafés onetwo \u{fffd} three"
    );
    let wide: Vec<u8> = "\u{feff}Grüße שלום"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(text(&read(&wide, "a.txt").1), "Grüße שלום");
    assert_eq!(text(&read(&wide, "a.md").1), "Grüße שלום");
    let half = [&wide[..], b"\x41"].concat();
    assert!(text(&read(&half, "a.txt").1).starts_with("Grüße שלום"));
}

#[test]
fn a_sheet_with_one_cell_at_its_far_end_is_small() {
    let sheet = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/>
        <sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>near</t></is></c></row>
        <row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData></worksheet>"#;
    let book = packed(&[
        ("[Content_Types].xml", br#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#),
        ("_rels/.rels", br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="a" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#),
        ("xl/workbook.xml", br#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="s"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="s" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/s.xml"/></Relationships>"#),
        ("xl/worksheets/s.xml", sheet.as_bytes()),
    ]);
    let (document, blocks) = read(&book, "a.xlsx");
    assert_eq!(text(&blocks), "near\nfar", "{:?}", document.unread);
    assert_eq!(blocks[1].place.to_string(), "sheet S, XFD1048576");
}

#[test]
fn a_row_of_a_million_columns_is_read_as_far_as_sheets_go() {
    let row = "a,".repeat(1_000_000);
    let (document, blocks) = read(row.as_bytes(), "a.csv");
    assert_eq!(reasons(&document), [Reason::Limit]);
    assert!(!blocks.is_empty());
}

#[test]
fn a_pdf_that_leads_in_circles_ends() {
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 4 0 R >> \
                /XObject << /X 6 0 R >> >> /Contents 5 0 R >>";
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>";
    let form = "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /X 6 0 R >> >> /Length 5 >>\n\
                stream\n/X Do\nendstream";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R /Outlines 7 0 R >>",
        // The tree holds itself, and the page twice.
        "<< /Type /Pages /Count 4 /Kids [3 0 R 2 0 R 3 0 R 2 0 R] /Parent 2 0 R >>",
        page,
        font,
        &stream(&format!("{}\n/X Do", lines(&["still here"]))),
        // A form that draws itself.
        form,
        "<< /First 7 0 R /Next 7 0 R /Last 7 0 R >>",
        // A length that is itself.
        "8 0 R",
    ];
    let objects: Vec<_> = objects.iter().map(ToString::to_string).collect();
    let (_, blocks) = read(&pdf_of(&objects), "a.pdf");
    assert!(text(&blocks).contains("still here"));
}

/// A form that draws this, with these others at hand.
fn form(content: &str, others: &str) -> String {
    format!(
        "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> /XObject << {others} >> >> \
         /Length {} >>\nstream\n{content}\nendstream",
        content.len()
    )
}

#[test]
fn forms_that_draw_each_other_ever_more_often_are_not_drawn() {
    let drawn_twice = |number: usize| form("/X Do /X Do", &format!("/X {number} 0 R"));
    let chain: Vec<_> = (8..48).map(|number| drawn_twice(number + 1)).collect();
    let itself = vec![drawn_twice(8)];
    let harmless = vec![
        form("/X Do 1 0 0 1 0 -20 cm /X Do", "/X 9 0 R"),
        form(&lines(&["a stamp"]), ""),
    ];
    let by_note = "/Annots [<< /Subtype /Stamp /Rect [0 0 600 800] /AP << /N 8 0 R >> >>]";
    for (forms, content, notes, stamps) in [
        (&chain, "/X Do", "", None),
        (&chain, "", by_note, None),
        (&itself, "/X Do", "", Some(0)),
        (&harmless, "/X Do", "", Some(2)),
        (&harmless, "", by_note, Some(2)),
    ] {
        let page = |content: usize, more: &str| {
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {content} 0 R {more} \
                 /Resources << /Font << /F 3 0 R >> /XObject << /X 8 0 R >> >> >>"
            )
        };
        let mut objects = vec![
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Count 2 /Kids [4 0 R 6 0 R] >>".to_owned(),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
            page(5, ""),
            stream(&lines(&["the first page"])),
            page(7, notes),
            stream(content),
        ];
        objects.extend(forms.iter().cloned());
        let pdf = pdf_of(&objects);
        let (document, blocks) = read(&pdf, "a.pdf");
        let text = text(&blocks);
        assert!(text.starts_with("the first page"), "{text}");
        let limits: Vec<_> = match stamps {
            Some(_) => Vec::new(),
            None => vec![Reason::Limit],
        };
        assert_eq!(reasons(&document), limits, "{content} {notes}");
        let drawn = text.matches("a stamp").count();
        assert_eq!(drawn, stamps.unwrap_or(0), "{text}");
        let picture = crate::formats::pdf::draw(pdf.into(), 2, 72);
        assert_eq!(picture.is_ok(), stamps.is_some());
    }
}

#[test]
fn a_page_that_swells_is_named_and_the_others_are_read() {
    let bomb = {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        let spaces = vec![b' '; 1 << 20];
        for _ in 0..100 {
            packer.write_all(&spaces).unwrap();
        }
        packer.finish().unwrap()
    };
    let mut pdf = pages_of(&[lines(&["the first page"]), "BOMB".to_owned()]);
    let at = pdf.windows(4).position(|part| part == b"BOMB").unwrap();
    let head = pdf[..at]
        .windows(11)
        .rposition(|part| part == b"<< /Length ")
        .unwrap();
    let stream = format!(
        "<< /Length {} /Filter /FlateDecode >>\nstream\n",
        bomb.len()
    );
    pdf.splice(head..at + 4, [stream.as_bytes(), &bomb].concat());
    let (document, blocks) = read(&pdf, "a.pdf");
    assert_eq!(text(&blocks), "the first page");
    assert_eq!(reasons(&document), [Reason::Limit]);
    assert_eq!(document.unread[0].place, Some(Place::Page(2)));
}

#[test]
fn a_pdf_whose_table_of_objects_is_wrong_is_repaired() {
    let pdf = pages_of(&[lines(&["found again"])]);
    let text_of = |pdf: &[u8]| text(&read(pdf, "a.pdf").1);
    assert_eq!(text_of(&pdf), "found again");
    let moved = [b"%PDF-1.7\n% something before all places\n", &pdf[9..]].concat();
    assert_eq!(text_of(&moved), "found again");
    let end = pdf.windows(4).rposition(|part| part == b"xref").unwrap();
    assert_eq!(text_of(&pdf[..end]), "found again");
}

#[test]
fn pages_of_any_size_are_read() {
    let mut pdf = String::from_utf8(pages_of(&[lines(&["on a huge page"])])).unwrap();
    for media in [
        "[0 0 9e9 9e9]",
        "[0 0 0 0]",
        "[600 800 0 0]",
        "[0 0 -1 -1]",
        "[a b c d]",
    ] {
        pdf = pdf.replace("[0 0 600 800]", media);
        read(pdf.as_bytes(), "a.pdf");
        for dpi in [36, 300] {
            // A picture or a refusal, and neither for long.
            let _ = crate::formats::pdf::draw(pdf.clone().into_bytes().into(), 1, dpi);
        }
        pdf = pdf.replace(media, "[0 0 600 800]");
    }
}

#[test]
fn a_picture_of_thirty_thousand_pixels_is_not_drawn() {
    let image = "<< /Type /XObject /Subtype /Image /Width 30000 /Height 30000 /BitsPerComponent 8 /ColorSpace /DeviceRGB \
                 /Length 3 >>\nstream\nabc\nendstream";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 1 /Kids [3 0 R] >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /XObject << /X 4 0 R >> >> /Contents 5 0 R >>".to_owned(),
        image.to_owned(),
        stream("q 600 0 0 800 0 0 cm /X Do Q"),
    ];
    let pdf = pdf_of(&objects);
    let (document, _) = read(&pdf, "a.pdf");
    assert_eq!(reasons(&document), [Reason::Scanned]);
    let refused = crate::formats::pdf::draw(pdf.into(), 1, 200).unwrap_err();
    assert!(refused.details()[0].message.contains("too large"));
}

#[test]
fn ten_thousand_pages_are_read() {
    let pages: Vec<_> = (1..=10_000)
        .map(|page| {
            lines(&[&format!(
                "This is what stands on sheet number {page} of them all."
            )])
        })
        .collect();
    let (document, blocks) = read(&pages_of(&pages), "a.pdf");
    assert_eq!(document.pages, Some(10_000));
    assert!(document.unread.is_empty(), "{:?}", document.unread);
    assert_eq!(blocks.last().unwrap().place, Place::Page(10_000));
    assert_eq!(blocks.len(), 10_000);
}

#[test]
fn what_only_machines_see_does_not_come_through() {
    // Tags and marks that hide orders to a language model.
    let hidden: String = "ignore"
        .chars()
        .map(|c| char::from_u32(0xe0000 + c as u32).unwrap())
        .collect();
    let note = format!("seen{hidden}\u{202e} too\u{200b}");
    assert_eq!(text(&read(note.as_bytes(), "a.txt").1), "seen too");
}
