//! HTML as it is written: tags are followed as they come, so that no nesting is too deep and no tag is missed that was
//! never closed.

use super::Read;
use crate::flow::{Flow, Kind};
use crate::output::Output;
use crate::{charset, language};
use document::Place;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

pub(crate) fn read(bytes: &[u8], said: Option<&str>, out: &mut Output) -> Read {
    let declared = declared_charset(bytes);
    let text = charset::decode(bytes, said.or(declared.as_deref()));
    page(&text, &mut |paragraph| Place::Paragraph(paragraph), out);
    Ok(())
}

/// HTML within something else, all of it at one place.
pub(crate) fn fragment(text: &str, place: Place, out: &mut Output) {
    page(text, &mut |_| place.clone(), out);
}

/// A whole page; `place` says where the paragraph of a number is.
pub(crate) fn page(text: &str, place: &mut dyn FnMut(u32) -> Place, out: &mut Output) {
    let first = place(1);
    let layout = layout_tables(text);
    let sink = Sink(RefCell::new(Page {
        flow: Flow::new(out, first),
        place,
        paragraphs: 0,
        lists: 0,
        pre: 0,
        skipped: None,
        title: None,
        tables: 0,
        layout,
        open_layout: Vec::new(),
        columns: 1,
    }));
    feed(text, &sink);
    let page = sink.0.into_inner();
    let title = page.title;
    page.flow.finish();
    if let Some(title) = title.map(|title| crate::output::clean(&title, false))
        && out.document.title.is_none()
        && !title.is_empty()
    {
        out.document.title = Some(title);
    }
}

fn feed<S>(text: &str, sink: &S)
where
    for<'s> &'s S: TokenSink,
{
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    // In pieces: the text is copied, and nobody needs a second whole one.
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(64 << 10);
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        input.push_back(StrTendril::from(&rest[..end]));
        let _ = tokenizer.feed(&input);
        rest = &rest[end..];
    }
    tokenizer.end();
}

/// A page that is being read.
struct Page<'o, 'p> {
    flow: Flow<'o>,
    place: &'p mut dyn FnMut(u32) -> Place,
    paragraphs: u32,
    lists: u8,
    pre: usize,
    /// The element whose content nobody reads, and how many of its name are open.
    skipped: Option<(String, usize)>,
    title: Option<String>,
    /// How many tables have begun.
    tables: usize,
    /// Which of them only lay out a page.
    layout: Vec<bool>,
    /// Which of those that are open do.
    open_layout: Vec<bool>,
    columns: usize,
}

struct Sink<'o, 'p>(RefCell<Page<'o, 'p>>);

impl TokenSink for &Sink<'_, '_> {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return page.tag(&tag),
            Token::CharacterTokens(text) => page.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        // So that CDATA of XHTML is text.
        true
    }
}

impl Page<'_, '_> {
    fn text(&mut self, text: &str) {
        if self.skipped.is_some() {
            if let Some(title) = &mut self.title
                && self
                    .skipped
                    .as_ref()
                    .is_some_and(|(name, _)| name == "title")
                && title.len() < 1_000
            {
                title.push_str(text);
            }
            return;
        }
        self.flow.text(text);
    }

    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = &*tag.name;
        let opens = tag.kind == TagKind::StartTag;
        if let Some((skipped, open)) = &mut self.skipped {
            if skipped == name && !tag.self_closing {
                *open = if opens { *open + 1 } else { *open - 1 };
                if *open == 0 {
                    self.skipped = None;
                }
            }
            return TokenSinkResult::Continue;
        }
        if opens {
            self.open(name, tag)
        } else {
            self.close(name);
            TokenSinkResult::Continue
        }
    }

    fn open(&mut self, name: &str, tag: &Tag) -> TokenSinkResult<()> {
        let raw = match name {
            "script" => Some(RawKind::ScriptData),
            "style" | "noframes" | "xmp" | "iframe" | "noembed" => Some(RawKind::Rawtext),
            "title" | "textarea" => Some(RawKind::Rcdata),
            _ => None,
        };
        let is_hidden = attribute(tag, "hidden").is_some();
        if !tag.self_closing
            && (raw.is_some()
                || matches!(name, "template" | "svg" | "object")
                || is_hidden && !VOID.contains(&name))
        {
            if name == "title" && self.title.is_none() {
                self.title = Some(String::new());
            }
            self.skipped = Some((name.to_owned(), 1));
            return raw.map_or(TokenSinkResult::Continue, TokenSinkResult::RawData);
        }
        match name {
            "html" => {
                if let Some(said) = attribute(tag, "lang").as_deref().and_then(language::said) {
                    self.flow.out.document.language = Some(said);
                }
            }
            "meta" => {
                let is_author =
                    attribute(tag, "name").is_some_and(|name| name.eq_ignore_ascii_case("author"));
                if is_author {
                    self.flow.out.document.author = attribute(tag, "content");
                }
            }
            "br" => self.flow.text("\n"),
            "hr" => self.flow.end(),
            "img" | "area" => {
                if let Some(alternative) = attribute(tag, "alt") {
                    self.flow.text(&alternative);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.as_bytes().get(1).map_or(1, |digit| digit - b'0');
                self.begin(Kind::Heading(level));
            }
            "ul" | "ol" | "dl" => {
                self.flow.end();
                self.lists = self.lists.saturating_add(1);
            }
            "li" | "dt" | "dd" => self.begin(Kind::ListItem(self.lists.saturating_sub(1))),
            "pre" | "listing" => {
                self.pre += 1;
                self.begin(Kind::Code(None));
            }
            "table" => {
                let is_layout = self.layout.get(self.tables).copied().unwrap_or(true);
                self.tables += 1;
                self.open_layout.push(is_layout);
                match is_layout {
                    true => self.flow.end(),
                    false => {
                        self.next();
                        self.flow.begin_table(None);
                    }
                }
            }
            "caption" if self.is_data() => self.flow.caption(true),
            "tr" if self.is_data() => self.flow.begin_row(),
            "td" | "th" if self.is_data() => {
                self.flow.end_cell(self.columns);
                let columns = attribute(tag, "colspan").and_then(|columns| columns.parse().ok());
                self.columns = columns.unwrap_or(1);
                self.flow.begin_cell();
            }
            name if is_block(name) && self.pre == 0 => self.begin(Kind::Paragraph),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn close(&mut self, name: &str) {
        match name {
            "ul" | "ol" | "dl" => {
                self.flow.end();
                self.lists = self.lists.saturating_sub(1);
            }
            "pre" | "listing" => {
                self.pre = self.pre.saturating_sub(1);
                self.flow.end();
            }
            "table" => match self.open_layout.pop() {
                Some(false) => self.flow.end_table(),
                _ => self.flow.end(),
            },
            "caption" if self.is_data() => self.flow.caption(false),
            "tr" if self.is_data() => self.flow.end_row(),
            "td" | "th" if self.is_data() => {
                self.flow.end_cell(std::mem::replace(&mut self.columns, 1));
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "li" | "dt" | "dd" => self.flow.end(),
            name if is_block(name) && self.pre == 0 => self.flow.end(),
            _ => {}
        }
    }

    /// Whether what is read belongs to a table that is one.
    fn is_data(&self) -> bool {
        self.open_layout.last() == Some(&false)
    }

    fn begin(&mut self, kind: Kind) {
        self.flow.begin(kind);
        if !self.flow.in_table() {
            self.next();
        }
    }

    fn next(&mut self) {
        self.paragraphs = self.paragraphs.saturating_add(1);
        self.flow.place = (self.place)(self.paragraphs);
    }
}

/// Elements that have no end.
const VOID: [&str; 9] = [
    "br", "hr", "img", "input", "meta", "link", "area", "wbr", "source",
];

/// Whether an element stands by itself, between what is before and behind.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "aside"
            | "nav"
            | "address"
            | "blockquote"
            | "figure"
            | "figcaption"
            | "form"
            | "fieldset"
            | "legend"
            | "details"
            | "summary"
            | "body"
            | "center"
            | "option"
            | "td"
            | "th"
            | "tr"
            | "caption"
            | "hgroup"
            | "dialog"
            | "menu"
            | "search"
            | "button"
    )
}

fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let mut attributes = tag.attrs.iter();
    let found = attributes.find(|attribute| &*attribute.name.local == name)?;
    Some(found.value.to_string())
}

/// Which tables only lay out a page: those that hold tables, headings or lists, or are one column wide.
fn layout_tables(text: &str) -> Vec<bool> {
    let finder = Finder(RefCell::default());
    if text.contains("<table") || text.contains("<TABLE") {
        feed(text, &finder);
    }
    let mut found = finder.0.into_inner();
    while let Some(open) = found.open.pop() {
        found.close(&open);
    }
    found.layout
}

#[derive(Default)]
struct Found {
    open: Vec<Table>,
    layout: Vec<bool>,
}

struct Table {
    number: usize,
    lays_out: bool,
    cells: usize,
    widest: usize,
}

impl Found {
    fn close(&mut self, table: &Table) {
        if let Some(layout) = self.layout.get_mut(table.number) {
            *layout = table.lays_out || table.widest.max(table.cells) < 2;
        }
    }
}

struct Finder(RefCell<Found>);

impl TokenSink for &Finder {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut found = self.0.borrow_mut();
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        let name = &*tag.name;
        if tag.kind == TagKind::EndTag {
            if name == "table"
                && let Some(table) = found.open.pop()
            {
                found.close(&table);
            }
            return TokenSinkResult::Continue;
        }
        match name {
            "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "noframes" | "xmp" | "iframe" | "noembed" => {
                return TokenSinkResult::RawData(RawKind::Rawtext);
            }
            "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
            _ => {}
        }
        let is_table = name == "table";
        if let Some(table) = found.open.last_mut() {
            match name {
                "tr" => {
                    table.widest = table.widest.max(table.cells);
                    table.cells = 0;
                }
                "td" | "th" => table.cells += 1,
                "table" | "h1" | "h2" | "h3" | "ul" | "ol" => table.lays_out = true,
                _ => {}
            }
        }
        if is_table {
            let number = found.layout.len();
            found.layout.push(true);
            found.open.push(Table {
                number,
                lays_out: false,
                cells: 0,
                widest: 0,
            });
        }
        TokenSinkResult::Continue
    }
}

/// The charset that the first bytes of a page name.
fn declared_charset(bytes: &[u8]) -> Option<String> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).to_ascii_lowercase();
    let named = start
        .split_once("charset=")
        .or_else(|| start.split_once("encoding="))?;
    let label = named.1.trim_start_matches(['"', '\'', ' ']);
    let label = label.split(['"', '\'', ' ', ';', '>', '/', '?']).next()?;
    Some(label.to_owned())
}
