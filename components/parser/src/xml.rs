//! XML, piece by piece. Entities of a document's own are never expanded, and nothing is ever fetched.

use document::{Reason, Unread};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::io::BufRead;

/// A piece of XML. Names come without their prefix.
pub(crate) enum Node<'a> {
    Open(&'a str, &'a Attributes<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// How deep one is in an element that nobody reads.
#[derive(Default)]
pub(crate) struct Skipped(usize);

impl Skipped {
    /// The element that was just opened is left out, with all that is in it.
    pub(crate) fn begin(&mut self) {
        self.0 = 1;
    }

    /// Whether this piece is left out.
    pub(crate) fn takes(&mut self, node: &Node<'_>) -> bool {
        let is_within = self.0 > 0;
        match node {
            Node::Open(..) if is_within => self.0 += 1,
            Node::Close(_) if is_within => self.0 -= 1,
            _ => {}
        }
        is_within
    }
}

/// The attributes of an element.
pub(crate) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// The value of an attribute, whatever its prefix.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        // Without checks: they compare each attribute with all before it.
        let mut attributes = self.0.attributes();
        let attributes = attributes.with_checks(false).flatten();
        let mut named = attributes.filter(|attribute| attribute.key.local_name().as_ref() == name);
        let value = named
            .next()?
            .normalized_value(XmlVersion::Explicit1_0)
            .ok()?;
        Some(value.into_owned())
    }

    /// The same for an attribute that has this prefix.
    pub(crate) fn get_prefixed(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let attributes = attributes.with_checks(false).flatten();
        let mut named = attributes.filter(|attribute| attribute.key.as_ref() == name);
        let value = named
            .next()?
            .normalized_value(XmlVersion::Explicit1_0)
            .ok()?;
        Some(value.into_owned())
    }
}

/// Shows all pieces of an XML text; false stops.
///
/// What comes before something wrong has been shown when the error says so.
pub(crate) fn walk(
    source: impl BufRead,
    mut show: impl FnMut(Node<'_>) -> bool,
) -> Result<(), Unread> {
    let mut reader = Reader::from_reader(source);
    reader.config_mut().check_comments = false;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|_| damaged())?;
        let goes_on = match &event {
            Event::Start(element) => {
                let name = element.local_name();
                show(Node::Open(name.as_ref(), &Attributes(element)))
            }
            Event::Empty(element) => {
                let name = element.local_name();
                show(Node::Open(name.as_ref(), &Attributes(element)))
                    && show(Node::Close(name.as_ref()))
            }
            Event::End(element) => show(Node::Close(element.local_name().as_ref())),
            Event::Text(text) => show(Node::Text(&text.xml10_content())),
            Event::CData(text) => show(Node::Text(&text.xml10_content())),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character),
                    Ok(None) => match &*reference.xml10_content() {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        "nbsp" => Some(' '),
                        _ => None,
                    },
                    Err(_) => None,
                };
                match character {
                    Some(character) => show(Node::Text(character.encode_utf8(&mut [0; 4]))),
                    None => true,
                }
            }
            Event::Eof => return Ok(()),
            _ => true,
        };
        if !goes_on {
            return Ok(());
        }
    }
}

fn damaged() -> Unread {
    Unread::whole(
        Reason::Damaged,
        "a part of it is no valid XML; what is missing stands behind what was read: open and save it in the \
         program that made it",
    )
}
