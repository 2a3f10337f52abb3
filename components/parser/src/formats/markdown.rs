//! Markdown, with tables, footnotes and a head in YAML.

use super::{Read, html};
use crate::charset;
use crate::flow::{Flow, Kind};
use crate::output::Output;
use document::Place;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Deeper, lists and quotes are read as the text they are: the reader of Markdown looks at each level for each line.
const DEEPEST: usize = 200;

pub(crate) fn read(bytes: &[u8], charset: Option<&str>, out: &mut Output) -> Read {
    let text = charset::decode(bytes, charset);
    if text.lines().any(|line| depth(line) > DEEPEST) {
        super::text::paragraphs(&text, out);
        return Ok(());
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut lines = Lines::of(&text);
    let mut flow = Flow::new(out, Place::Line(1));
    let (mut lists, mut head, mut markup) = (0u8, None::<String>, String::new());
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        if flow.out.is_full() {
            break;
        }
        flow.place = Place::Line(lines.at(range.start));
        match event {
            Event::Start(tag) => match tag {
                Tag::Heading { level, .. } => flow.begin(Kind::Heading(level as u8)),
                Tag::Paragraph if lists == 0 => flow.begin(Kind::Paragraph),
                Tag::Paragraph => flow.text(" "),
                Tag::List(_) => lists = lists.saturating_add(1),
                Tag::Item => flow.begin(Kind::ListItem(lists.saturating_sub(1))),
                Tag::CodeBlock(kind) => {
                    let language = match &kind {
                        CodeBlockKind::Fenced(said) => said.split([' ', ',']).next(),
                        CodeBlockKind::Indented => None,
                    };
                    let language = language.filter(|said| !said.is_empty());
                    flow.begin(Kind::Code(language.map(str::to_owned)));
                }
                Tag::Table(_) => flow.begin_table(None),
                Tag::TableHead | Tag::TableRow => flow.begin_row(),
                Tag::TableCell => flow.begin_cell(),
                Tag::MetadataBlock(_) => head = Some(String::new()),
                Tag::FootnoteDefinition(_) => flow.begin(Kind::Paragraph),
                _ => {}
            },
            Event::End(tag) => match tag {
                TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Item => flow.end(),
                TagEnd::Paragraph if lists == 0 => flow.end(),
                TagEnd::List(_) => {
                    flow.end();
                    lists = lists.saturating_sub(1);
                }
                TagEnd::TableCell => flow.end_cell(1),
                TagEnd::TableHead | TagEnd::TableRow => flow.end_row(),
                TagEnd::Table => flow.end_table(),
                TagEnd::MetadataBlock(_) => {
                    if let Some(head) = head.take() {
                        properties(&head, flow.out);
                    }
                }
                TagEnd::HtmlBlock => {
                    flow.end();
                    let place = flow.place.clone();
                    html::fragment(&std::mem::take(&mut markup), place, flow.out);
                }
                _ => {}
            },
            Event::Text(text) => match &mut head {
                Some(head) => head.push_str(&text),
                None => flow.text(&text),
            },
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                flow.text(&text);
            }
            Event::Html(text) => markup.push_str(&text),
            Event::SoftBreak | Event::HardBreak => flow.text("\n"),
            Event::Rule => flow.end(),
            Event::TaskListMarker(done) => flow.text(if done { "[x] " } else { "[ ] " }),
            Event::InlineHtml(_) | Event::FootnoteReference(_) => {}
        }
    }
    flow.finish();
    Ok(())
}

/// How many quotes and bullets a line begins with.
fn depth(line: &str) -> usize {
    let marks = line.bytes().take_while(|byte| b" \t>-*+".contains(byte));
    marks.filter(|byte| !byte.is_ascii_whitespace()).count()
}

/// What the head says: `title: ...`, one line each.
fn properties(head: &str, out: &mut Output) {
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        let property = match name.trim() {
            "title" => &mut out.document.title,
            "author" => &mut out.document.author,
            "lang" | "language" => {
                out.document.language = crate::language::said(value);
                continue;
            }
            _ => continue,
        };
        *property = Some(value.to_owned()).filter(|value| !value.is_empty());
    }
}

/// Which line a byte is in, where bytes come in order.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            counted: 0,
            line: 1,
        }
    }

    fn at(&mut self, byte: usize) -> u32 {
        if let Some(between) = self.text.get(self.counted..byte) {
            let lines = between.iter().filter(|byte| **byte == b'\n').count();
            self.line = self
                .line
                .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.counted = byte;
        }
        self.line
    }
}
