//! PPTX: slide by slide, the title first, then what stands on it, then the speaker's notes.

use super::Read;
use super::office::{self, Relation};
use crate::archive::Archive;
use crate::flow::{Flow, Kind};
use crate::output::Output;
use crate::xml::{self, Attributes, Node, Skipped};
use document::{Place, Reason, Unread};
use std::collections::HashMap;

pub(crate) fn read(bytes: &[u8], out: &mut Output) -> Read {
    let mut archive = Archive::open(bytes)?;
    office::properties(&mut archive, out);
    let main = office::main_file(&mut archive, "ppt/presentation.xml");
    let relations = office::relations(&mut archive, &main);
    let slides = order(&mut archive, &main, &relations);
    if slides.is_empty() {
        return Err(Unread::whole(
            Reason::Damaged,
            "the slides of this PPTX are missing; open and save it in the program that made it",
        ));
    }
    out.document.pages = u32::try_from(slides.len()).ok();
    for (file, number) in slides.iter().zip(1..) {
        if out.is_late() {
            break;
        }
        slide(&mut archive, file, number, out);
    }
    Ok(())
}

/// The slides, in the order they are shown in.
fn order(
    archive: &mut Archive<'_>,
    main: &str,
    relations: &HashMap<String, Relation>,
) -> Vec<String> {
    let mut slides = Vec::new();
    if let Some(source) = archive.file(main) {
        let _ = xml::walk(source, |node| {
            if let Node::Open("sldId", element) = node
                && let Some(id) = element.get_prefixed("r:id")
                && let Some(slide) = relations.get(&id)
            {
                slides.push(slide.file.clone());
            }
            slides.len() < 10_000
        });
    }
    slides
}

fn slide(archive: &mut Archive<'_>, file: &str, number: u32, out: &mut Output) {
    let place = Place::Slide(number);
    let mut shapes = Shapes::default();
    let read = archive
        .file(file)
        .map(|source| xml::walk(source, |node| shapes.node(node)));
    if !matches!(read, Some(Ok(()))) {
        let why = format!(
            "a part of slide {number} is damaged; open and save it in the program that made it"
        );
        out.unread(Unread::at(place.clone(), Reason::Damaged, why));
    }
    if shapes.is_empty() && shapes.pictures > 0 {
        let why = format!(
            "slide {number} holds only pictures; save the slides as PDF to have their text recognised"
        );
        out.unread(Unread::at(place.clone(), Reason::Unsupported, why));
    }
    if shapes.drawings > 0 {
        let why = format!("a chart or diagram of slide {number} is not read");
        out.unread(Unread::at(place.clone(), Reason::Unsupported, why));
    }
    shapes.tell(place.clone(), out);
    let relations = office::relations(archive, file);
    let notes = relations
        .values()
        .find(|relation| relation.kind == "notesSlide");
    if let Some(source) = notes.and_then(|notes| archive.file(&notes.file)) {
        let mut notes = Shapes::default();
        let _ = xml::walk(source, |node| notes.node(node));
        // Beside the notes, it has the number of the slide and a picture of it.
        notes
            .shapes
            .retain(|shape| shape.kind.as_deref() == Some("body"));
        notes.tell(place, out);
    }
}

/// What stands on a slide.
#[derive(Default)]
struct Shapes {
    shapes: Vec<Shape>,
    open: Option<Shape>,
    table: Option<Vec<Vec<String>>>,
    in_text: bool,
    skipped: Skipped,
    pictures: usize,
    drawings: usize,
}

#[derive(Default)]
struct Shape {
    /// What the layout has it for: `title`, `body`, `sldNum`.
    kind: Option<String>,
    paragraphs: Vec<Line>,
    table: Option<Vec<Vec<String>>>,
}

#[derive(Default)]
struct Line {
    depth: u8,
    is_item: bool,
    text: String,
}

impl Shapes {
    fn is_empty(&self) -> bool {
        let is_empty = |shape: &Shape| {
            shape.table.is_none()
                && shape
                    .paragraphs
                    .iter()
                    .all(|line| line.text.trim().is_empty())
        };
        self.shapes.iter().all(is_empty)
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
        true
    }

    fn open(&mut self, name: &str, element: &Attributes<'_>) {
        match name {
            "Fallback" => self.skipped.begin(),
            "sp" => self.open = Some(Shape::default()),
            "ph" => {
                let kind = element.get("type").unwrap_or_else(|| "body".to_owned());
                if let Some(shape) = &mut self.open {
                    shape.kind = Some(kind);
                }
            }
            "pic" => self.pictures += 1,
            "chart" | "relIds" => self.drawings += 1,
            "tbl" => self.table = Some(Vec::new()),
            "tr" => {
                if let Some(rows) = &mut self.table {
                    rows.push(Vec::new());
                }
            }
            "tc" => {
                // Cells that another one covers are there as well, and empty.
                if let Some(row) = self.table.as_mut().and_then(|rows| rows.last_mut()) {
                    row.push(String::new());
                }
            }
            "p" if self.table.is_none() => {
                if let Some(shape) = &mut self.open {
                    let is_item = shape.kind.as_deref().is_some_and(|kind| kind == "body");
                    shape.paragraphs.push(Line {
                        is_item,
                        ..Line::default()
                    });
                }
            }
            "pPr" => {
                let depth = element.get("lvl").and_then(|level| level.parse().ok());
                if let Some(line) = self.line() {
                    line.depth = depth.unwrap_or(0);
                }
            }
            "buNone" => {
                if let Some(line) = self.line() {
                    line.is_item = false;
                }
            }
            "buChar" | "buAutoNum" => {
                if let Some(line) = self.line() {
                    line.is_item = true;
                }
            }
            "t" => self.in_text = true,
            "br" => self.text("\n"),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "p" if self.table.is_some() => self.text(" "),
            "sp" => self.shapes.extend(self.open.take()),
            "tbl" => {
                let table = self.table.take();
                self.shapes.push(Shape {
                    table,
                    ..Shape::default()
                });
            }
            _ => {}
        }
    }

    fn line(&mut self) -> Option<&mut Line> {
        self.open
            .as_mut()
            .and_then(|shape| shape.paragraphs.last_mut())
    }

    fn text(&mut self, text: &str) {
        let cell = self
            .table
            .as_mut()
            .map(|rows| rows.last_mut().and_then(|row| row.last_mut()));
        match cell {
            Some(Some(cell)) => cell.push_str(text),
            Some(None) => {}
            None => {
                if let Some(line) = self.line() {
                    line.text.push_str(text);
                }
            }
        }
    }

    fn tell(mut self, place: Place, out: &mut Output) {
        self.shapes.extend(self.open.take());
        let is_title = |shape: &Shape| matches!(shape.kind.as_deref(), Some("title" | "ctrTitle"));
        self.shapes.sort_by_key(|shape| !is_title(shape));
        let mut flow = Flow::new(out, place);
        for shape in self.shapes {
            if matches!(shape.kind.as_deref(), Some("sldNum" | "dt" | "ftr" | "hdr")) {
                continue;
            }
            let title = is_title(&shape);
            let subtitle = shape.kind.as_deref() == Some("subTitle");
            for line in shape.paragraphs {
                flow.begin(match line.is_item {
                    _ if title => Kind::Heading(1),
                    _ if subtitle => Kind::Paragraph,
                    true => Kind::ListItem(line.depth),
                    false => Kind::Paragraph,
                });
                flow.text(&line.text);
            }
            if let Some(rows) = shape.table {
                flow.begin_table(None);
                for row in rows {
                    flow.begin_row();
                    for cell in row {
                        flow.begin_cell();
                        flow.text(&cell);
                        flow.end_cell(1);
                    }
                }
                flow.end_table();
            }
        }
        flow.finish();
    }
}
