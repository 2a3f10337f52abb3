//! Documents as others write them, in each format.

use super::{headings, items, read, read_fixture, tables, text};
use document::{Format, Place, Reason};

const PRICES: [[&str; 3]; 3] = [
    ["Green tea", "4.20", "120"],
    ["Black coffee", "6.80", "75"],
    ["Cocoa", "5.10", "12"],
];

fn assert_prices(table: &document::Table) {
    assert_eq!(table.header, ["Article", "Price", "Stock"]);
    assert_eq!(table.rows, PRICES);
}

#[test]
fn docx_has_headings_lists_tables_and_pages() {
    let (document, blocks) = read_fixture("report.docx");
    assert_eq!(document.format, Format::Docx);
    assert_eq!(document.title.as_deref(), Some("Report of the engine"));
    assert_eq!(document.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(document.language.as_deref(), Some("en"));
    assert_eq!(document.pages, Some(2));
    assert_eq!(
        headings(&blocks),
        [
            (1, "Report of the engine"),
            (1, "Purpose"),
            (2, "Parts"),
            (1, "Zusammenfassung")
        ]
    );
    assert_eq!(items(&blocks), [(0, "the mill"), (0, "the store")]);
    let tables = tables(&blocks);
    assert_prices(tables[0]);
    assert_eq!(tables[0].caption.as_deref(), Some("Prices of this year"));
    assert_eq!(text(&blocks).matches("Prices of this year").count(), 1);
    let last = blocks.last().unwrap();
    assert_eq!(last.place, Place::Page(2));
    assert!(last.content.to_string().contains("Größe"));
    assert!(last.content.to_string().contains("עברית und русский"));
    assert!(document.unread.is_empty(), "{:?}", document.unread);
}

#[test]
fn pptx_has_titles_levels_notes_and_tables_by_slide() {
    let (document, blocks) = read_fixture("slides.pptx");
    assert_eq!(document.pages, Some(3));
    assert_eq!(
        document.title.as_deref(),
        Some("The engine in three slides")
    );
    assert_eq!(
        headings(&blocks),
        [(1, "The engine"), (1, "Parts"), (1, "Prices")]
    );
    assert_eq!(
        items(&blocks)[..2],
        [(0, "the mill"), (1, "which computes")]
    );
    assert!(text(&blocks).contains("what we call a processor"));
    let table = blocks.last().unwrap();
    assert_eq!(table.place, Place::Slide(3));
    assert_prices(tables(&blocks)[0]);
}

#[test]
fn xlsx_has_tables_with_their_cells() {
    let (document, blocks) = read_fixture("stock.xlsx");
    assert_eq!(document.pages, Some(2));
    assert_eq!(document.author.as_deref(), Some("Ada Lovelace"));
    let places: Vec<_> = blocks.iter().map(|block| block.place.to_string()).collect();
    assert_eq!(
        places,
        [
            "sheet Prices, A1:C4",
            "sheet Prices, A6:B7",
            "sheet Notes, B7"
        ]
    );
    let tables = tables(&blocks);
    assert_eq!(tables[0].rows[0], ["Green tea", "4.2", "120"]);
    assert_eq!(tables[1].rows, [["2026-03-31", "Charles"]]);
    assert!(text(&blocks).contains("Cocoa is ordered in spring."));
}

#[test]
fn html_has_what_is_seen_and_nothing_else() {
    let (document, blocks) = read_fixture("page.html");
    assert_eq!(document.title.as_deref(), Some("The engine"));
    assert_eq!(document.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(headings(&blocks), [(1, "The engine"), (2, "Parts")]);
    assert_eq!(
        items(&blocks),
        [(0, "the mill"), (1, "which computes"), (0, "the store")]
    );
    let table = tables(&blocks)[0];
    assert_prices(table);
    assert_eq!(table.caption.as_deref(), Some("Prices"));
    let text = text(&blocks);
    assert!(text.contains("let a = 1;\n    let b = 2;"), "{text}");
    assert!(text.contains("Grüße & 終わり"));
    assert!(!text.contains("nobody") && !text.contains("red") && !text.contains("no</p>"));
}

#[test]
fn markdown_has_its_head_and_structure_by_line() {
    let (document, blocks) = read_fixture("notes.md");
    assert_eq!(document.title.as_deref(), Some("Notes on the engine"));
    assert_eq!(document.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(headings(&blocks), [(1, "The engine"), (2, "Parts")]);
    assert_eq!(blocks[0].place, Place::Line(6));
    assert_eq!(
        items(&blocks),
        [(0, "the mill"), (1, "which computes"), (0, "the store")]
    );
    assert_prices(tables(&blocks)[0]);
    assert!(text(&blocks).contains("```rust\nfn main() {}\n```"));
}

#[test]
fn csv_is_a_table_whatever_separates() {
    let (document, blocks) = read_fixture("prices.csv");
    assert_eq!(document.format, Format::Csv);
    assert_prices(tables(&blocks)[0]);
    let (_, blocks) = read(b"sep=|\na|b\n\"x|\ny\"|z\n", "a.csv");
    assert_eq!(tables(&blocks)[0].rows, [["x| y", "z"]]);
}

#[test]
fn text_is_paragraphs_by_line() {
    let (document, blocks) = read_fixture("notes.txt");
    assert_eq!(document.format, Format::Text);
    let places: Vec<_> = blocks.iter().map(|block| block.place.to_string()).collect();
    assert_eq!(places, ["line 1", "line 3", "line 5"]);
    assert!(text(&blocks).ends_with("The last paragraph has two lines."));
}

#[test]
fn epub_has_its_chapters_in_the_order_of_reading() {
    let (document, blocks) = read_fixture("book.epub");
    assert_eq!(document.title.as_deref(), Some("The engine, a novel"));
    assert_eq!(document.author.as_deref(), Some("Ada Lovelace"));
    assert_eq!(document.pages, Some(2));
    assert_eq!(headings(&blocks), [(1, "Of the mill"), (1, "Of the store")]);
    assert_eq!(blocks.last().unwrap().place, Place::Chapter(2));
}

#[test]
fn mail_has_its_head_and_names_its_attachments() {
    let (document, blocks) = read_fixture("mail.eml");
    assert_eq!(document.title.as_deref(), Some("Grüße aus London"));
    assert_eq!(
        document.author.as_deref(),
        Some("Ada Lovelace <ada@example.com>")
    );
    let text = text(&blocks);
    assert!(text.contains("To: Charles <charles@example.com>"));
    assert_eq!(text.matches("Dear Charles,").count(), 1);
    let attachment = &document.unread[0];
    assert_eq!(attachment.reason, Reason::Unsupported);
    assert!(attachment.why.contains("figures.csv"));
}

#[test]
fn a_wrong_extension_is_read_by_what_it_holds_and_said() {
    for (fixture, name, format) in [
        ("report.pdf", "report.docx", Format::Pdf),
        ("report.docx", "report.txt", Format::Docx),
        ("stock.xlsx", "stock.csv", Format::Xlsx),
        ("page.html", "page.md", Format::Html),
        ("mail.eml", "mail.txt", Format::Eml),
        ("notes.txt", "notes.pdf", Format::Text),
    ] {
        let (document, blocks) = read(&super::fixture(fixture), name);
        assert_eq!(document.format, format, "{fixture} as {name}");
        assert!(document.note.is_some() && !blocks.is_empty());
    }
    assert_eq!(read_fixture("notes.txt").0.note, None);
}

#[test]
fn languages_are_told() {
    let texts = [
        (
            "de",
            "Die Maschine webt algebraische Muster, so wie der Webstuhl Blumen und Blätter webt, und nichts davon ist Zauberei.",
        ),
        (
            "fr",
            "La machine tisse des motifs algébriques comme le métier à tisser tisse des fleurs et des feuilles.",
        ),
        (
            "ru",
            "Машина ткёт алгебраические узоры так же, как станок ткёт цветы и листья.",
        ),
        (
            "he",
            "המכונה אורגת דוגמאות אלגבריות כשם שהנול אורג פרחים ועלים בבד.",
        ),
    ];
    for (language, text) in texts {
        let (document, _) = read(text.as_bytes(), "a.txt");
        assert_eq!(document.language.as_deref(), Some(language));
    }
}
