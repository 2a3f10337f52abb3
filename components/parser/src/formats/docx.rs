//! DOCX: paragraphs by their styles, lists, tables, notes.

use super::{Read, office};
use crate::archive::Archive;
use crate::flow::{Flow, Kind};
use crate::output::Output;
use crate::xml::{self, Attributes, Node, Skipped};
use document::{Content, Place, Reason, Unread};
use std::collections::HashMap;

/// How often a style may be based on another.
const DEEPEST_STYLE: usize = 20;

pub(crate) fn read(bytes: &[u8], out: &mut Output) -> Read {
    let mut archive = Archive::open(bytes)?;
    office::properties(&mut archive, out);
    let main = office::main_file(&mut archive, "word/document.xml");
    let relations = office::relations(&mut archive, &main);
    let related = |kind: &str| {
        let mut files = relations.values();
        files
            .find(|relation| relation.kind == kind)
            .map(|relation| relation.file.clone())
    };
    let styles = related("styles").map_or_else(HashMap::new, |file| styles(&mut archive, &file));
    let Some(source) = archive.file(&main) else {
        return Err(Unread::whole(
            Reason::Damaged,
            "the text of this DOCX is missing; open and save it in the program that made it",
        ));
    };
    let mut text = Text::new(&styles, out);
    let mut end = xml::walk(source, |node| text.node(node));
    for notes in ["footnotes", "endnotes"] {
        if let Some(source) = related(notes).and_then(|file| archive.file(&file)) {
            text.part_ended();
            end = end.and(xml::walk(source, |node| text.node(node)));
        }
    }
    text.finish();
    end
}

/// What a style makes of a paragraph.
#[derive(Clone, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    is_list: bool,
}

fn styles(archive: &mut Archive<'_>, file: &str) -> HashMap<String, Style> {
    let mut styles = HashMap::new();
    let Some(source) = archive.file(file) else {
        return styles;
    };
    let mut open = None::<(String, Style)>;
    let _ = xml::walk(source, |node| {
        match (node, &mut open) {
            (Node::Open("style", element), _) => {
                open = element.get("styleId").map(|id| (id, Style::default()));
            }
            (Node::Open("name", element), Some((_, style))) => {
                style.name = element.get("val").unwrap_or_default().to_lowercase();
            }
            (Node::Open("basedOn", element), Some((_, style))) => {
                style.based_on = element.get("val");
            }
            (Node::Open("outlineLvl", element), Some((_, style))) => {
                style.outline = element.get("val").and_then(|level| level.parse().ok());
            }
            (Node::Open("numPr", _), Some((_, style))) => style.is_list = true,
            (Node::Close("style"), open) => styles.extend(open.take()),
            _ => {}
        }
        styles.len() < 10_000
    });
    styles
}

/// The level of a heading of this style (1 is the highest).
fn heading(style: &Style) -> Option<u8> {
    if let Some(level) = style.name.strip_prefix("heading ") {
        return level.parse().ok().filter(|level| (1..=9).contains(level));
    }
    match style.name.as_str() {
        "title" => Some(1),
        "subtitle" => Some(2),
        _ => style
            .outline
            .filter(|level| *level < 9)
            .map(|level| level + 1),
    }
}

/// A paragraph that is being read.
#[derive(Default)]
struct Paragraph {
    style: Option<String>,
    outline: Option<u8>,
    list: Option<u8>,
    is_none: bool,
    text: String,
}

struct Text<'s, 'o> {
    styles: &'s HashMap<String, Style>,
    flow: Flow<'o>,
    /// Those that are open, the innermost last: a text box stands within a paragraph.
    paragraphs: Vec<Paragraph>,
    skipped: Skipped,
    in_text: bool,
    in_properties: bool,
    columns: usize,
    number: u32,
    page: u32,
    /// At which page each block begins, by the number of its paragraph.
    pages: Vec<(u32, u32)>,
    caption: Option<String>,
}

impl<'s, 'o> Text<'s, 'o> {
    fn new(styles: &'s HashMap<String, Style>, out: &'o mut Output) -> Self {
        Self {
            styles,
            flow: Flow::new(out, Place::Paragraph(1)),
            paragraphs: Vec::new(),
            skipped: Skipped::default(),
            in_text: false,
            in_properties: false,
            columns: 1,
            number: 0,
            page: 1,
            pages: Vec::new(),
            caption: None,
        }
    }

    fn node(&mut self, node: Node<'_>) -> bool {
        if self.skipped.takes(&node) {
            return true;
        }
        match node {
            Node::Open(name, element) => self.open(name, element),
            Node::Close(name) => self.close(name),
            Node::Text(text) if self.in_text => self.text(text),
            Node::Text(_) => {}
        }
        !self.flow.out.is_full()
    }

    fn open(&mut self, name: &str, element: &Attributes<'_>) {
        match name {
            // What was deleted, and what is there once more for older programs.
            "del" | "moveFrom" | "Fallback" | "instrText" | "delText" => self.skipped.begin(),
            // The notes that only draw a line.
            "footnote" | "endnote" if element.get("type").is_some_and(|kind| kind != "normal") => {
                self.skipped.begin();
            }
            "p" => {
                self.number = self.number.saturating_add(1);
                if !self.flow.in_table() {
                    self.flow.place = Place::Paragraph(self.number);
                }
                self.paragraphs.push(Paragraph::default());
                if self.paragraphs.len() > 100 {
                    self.skipped.begin();
                }
            }
            "pPr" => self.in_properties = true,
            "t" => self.in_text = true,
            "tab" if !self.in_properties => self.text("\t"),
            "br" | "cr" => {
                self.text("\n");
                if element.get("type").as_deref() == Some("page") {
                    self.turn();
                }
            }
            "lastRenderedPageBreak" => self.turn(),
            "noBreakHyphen" => self.text("-"),
            "tbl" => {
                let caption = self.caption.take();
                if caption.is_some() && !self.flow.in_table() {
                    self.flow.out.take_last();
                }
                self.flow.place = Place::Paragraph(self.number.saturating_add(1));
                self.mark_page();
                self.flow.begin_table(caption);
            }
            "tr" => self.flow.begin_row(),
            "tc" => {
                self.columns = 1;
                self.flow.begin_cell();
            }
            "gridSpan" => {
                let columns = element.get("val").and_then(|columns| columns.parse().ok());
                self.columns = columns.unwrap_or(1);
            }
            name => {
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    match name {
                        "pStyle" => paragraph.style = element.get("val"),
                        "outlineLvl" => {
                            let level = element.get("val").and_then(|level| level.parse().ok());
                            paragraph.outline = level;
                        }
                        "ilvl" => {
                            let depth = element.get("val").and_then(|depth| depth.parse().ok());
                            paragraph.list = depth;
                        }
                        "numId" => {
                            paragraph.is_none = element.get("val").as_deref() == Some("0");
                            paragraph.list = paragraph.list.or(Some(0));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" => self.end_paragraph(),
            "pPr" => self.in_properties = false,
            "t" => self.in_text = false,
            "tc" => self.flow.end_cell(self.columns),
            "tr" => self.flow.end_row(),
            "tbl" => {
                self.flow.end_table();
                self.caption = None;
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    fn turn(&mut self) {
        self.page = self.page.saturating_add(1);
    }

    fn mark_page(&mut self) {
        if let Place::Paragraph(number) = self.flow.place {
            self.pages.push((number, self.page));
        }
    }

    fn end_paragraph(&mut self) {
        let Some(paragraph) = self.paragraphs.pop() else {
            return;
        };
        if self.flow.in_table() {
            self.flow.text(&paragraph.text);
            self.flow.text(" ");
            return;
        }
        self.mark_page();
        let mut style = paragraph.style.as_ref().and_then(|id| self.styles.get(id));
        let is_caption = style.is_some_and(|style| style.name == "caption");
        let is_code = style.is_some_and(|style| {
            style.name.contains("preformatted") || style.name.contains("code")
        });
        let (mut level, mut is_list) = (
            paragraph
                .outline
                .filter(|level| *level < 9)
                .map(|level| level + 1),
            false,
        );
        for _ in 0..DEEPEST_STYLE {
            let Some(known) = style else { break };
            level = level.or_else(|| heading(known));
            is_list |=
                known.is_list || known.name.starts_with("list ") && known.name != "list paragraph";
            style = known.based_on.as_ref().and_then(|id| self.styles.get(id));
        }
        let depth = paragraph.list.filter(|_| !paragraph.is_none);
        let kind = match (level, depth) {
            (Some(level), _) => Kind::Heading(level.min(6)),
            (None, Some(depth)) => Kind::ListItem(depth.min(8)),
            (None, None) if is_list && !paragraph.is_none => Kind::ListItem(0),
            _ if is_code => Kind::Code(None),
            _ => Kind::Paragraph,
        };
        let text = paragraph.text;
        if is_caption && !text.trim().is_empty() && caption_of_last(&text, self.flow.out) {
            return;
        }
        // The caption of what comes next, if that is a table: it is taken back then.
        self.caption = Some(text.clone()).filter(|text| is_caption && !text.trim().is_empty());
        self.flow.begin(kind);
        self.flow.text(&text);
        self.flow.end();
    }

    fn part_ended(&mut self) {
        self.paragraphs.clear();
        self.skipped = Skipped::default();
        self.in_text = false;
    }

    /// Where the program that saved it said where pages end, blocks are at pages.
    fn finish(self) {
        let (pages, last) = (self.pages, self.page);
        let out = self.flow.finish();
        if last < 2 {
            return;
        }
        out.document.pages = Some(last);
        for place in out.places() {
            if let Place::Paragraph(number) = place {
                let at = pages.partition_point(|(paragraph, _)| paragraph <= number);
                let page = at.checked_sub(1).and_then(|at| pages.get(at));
                *place = Place::Page(page.map_or(1, |(_, page)| *page));
            }
        }
    }
}

/// Makes a text the caption of the table that came last, if one did and has none.
fn caption_of_last(text: &str, out: &mut Output) -> bool {
    match out.last().map(|block| &mut block.content) {
        Some(Content::Table(table)) if table.caption.is_none() && !table.continued => {
            table.caption = Some(crate::output::clean(text, false));
            true
        }
        _ => false,
    }
}
