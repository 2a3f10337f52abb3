//! Plain text: paragraphs between empty lines.

use super::Read;
use crate::charset;
use crate::flow::Flow;
use crate::output::Output;
use document::Place;

pub(crate) fn read(bytes: &[u8], charset: Option<&str>, out: &mut Output) -> Read {
    let text = charset::decode(bytes, charset);
    paragraphs(&text, out);
    Ok(())
}

/// The paragraphs of a text, each at the line where it begins.
pub(crate) fn paragraphs(text: &str, out: &mut Output) {
    let mut flow = Flow::new(out, Place::Line(1));
    for (line, number) in text.lines().zip(1..) {
        // A form feed is a page of its own.
        if line.trim().is_empty() || line.starts_with('\u{c}') {
            flow.end();
        }
        flow.place = Place::Line(number);
        flow.text(line);
        flow.text("\n");
        if flow.out.is_full() {
            break;
        }
    }
    flow.finish();
}
