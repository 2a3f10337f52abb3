//! A mail: what its head says, then its text. Attachments are documents of their own, and named.

use super::{Read, html, text};
use crate::output::Output;
use document::{Content, Place, Reason, Unread};
use mail_parser::{Address, MessageParser, MimeHeaders, PartType};

pub(crate) fn read(bytes: &[u8], out: &mut Output) -> Read {
    let Some(mail) = MessageParser::default().parse(bytes) else {
        return Err(Unread::whole(
            Reason::Damaged,
            "it is no mail, or cut off in its head; save it again as a mail (EML)",
        ));
    };
    out.document.title = mail.subject().map(str::to_owned);
    let from = mail.from().map(people);
    if let Some(subject) = mail.subject() {
        let text = subject.to_owned();
        out.push(Place::Line(1), Content::Heading { level: 1, text });
    }
    let date = mail.date().map(|date| date.to_rfc822());
    for (name, value) in [
        ("From", from.clone()),
        ("To", mail.to().map(people)),
        ("Cc", mail.cc().map(people)),
        ("Date", date),
    ] {
        if let Some(value) = value {
            let text = format!("{name}: {value}");
            out.push(Place::Line(1), Content::Paragraph { text });
        }
    }
    out.document.author = from;
    for part in mail.text_bodies() {
        // The line the part begins at in the mail.
        let line = bytes.get(..part.offset_body as usize).map_or(1, |before| {
            before.iter().filter(|byte| **byte == b'\n').count() + 1
        });
        let place = Place::Line(u32::try_from(line).unwrap_or(u32::MAX));
        match &part.body {
            PartType::Html(page) => html::fragment(page, place, out),
            PartType::Text(body) => text::paragraphs(body, out),
            _ => {}
        }
    }
    for attachment in mail.attachments() {
        let name = attachment.attachment_name().unwrap_or("without a name");
        let why = format!(
            "the attachment `{name}` is a document of its own; upload it by itself to have it read"
        );
        out.unread(Unread::whole(Reason::Unsupported, why));
    }
    Ok(())
}

fn people(address: &Address<'_>) -> String {
    let mut people = String::new();
    for person in address.iter().take(50) {
        if !people.is_empty() {
            people.push_str(", ");
        }
        match (person.name(), person.address()) {
            (Some(name), Some(address)) => people.push_str(&format!("{name} <{address}>")),
            (name, address) => people.push_str(name.or(address).unwrap_or_default()),
        }
    }
    people
}
