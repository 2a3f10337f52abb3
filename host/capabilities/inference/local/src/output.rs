//! What a model writes, as pieces: text in whole characters, thoughts apart from it, calls of tools whole, and an end
//! at the texts at which it is to stop.

use crate::template::Calls;
use sbd_inference::model::{Piece, ToolCall};
use serde_json::Value;

const THOUGHT: (&str, &str) = ("<think>", "</think>");
const CALL: (&str, &str) = ("<tool_call>", "</tool_call>");

/// Takes tokens' bytes and gives pieces.
pub(crate) struct Output {
    state: State,
    /// The beginning of a character.
    bytes: Vec<u8>,
    /// What may still become a mark, or belongs to a call.
    held: String,
    stops: Vec<String>,
    calls: Option<Calls>,
    /// Whether nothing but blanks was written so far.
    is_beginning: bool,
    /// How many tools were called.
    called: usize,
    /// What begins the ids of calls.
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Thought,
    Call,
    Stopped,
}

impl Output {
    /// What `stops` at these texts; with `calls`, tools may be called in this way. `thinks` of an answer that begins
    /// within a thought.
    pub(crate) fn new(stops: Vec<String>, calls: Option<Calls>, thinks: bool) -> Self {
        Self {
            state: if thinks { State::Thought } else { State::Text },
            bytes: Vec::new(),
            held: String::new(),
            stops,
            calls,
            is_beginning: true,
            called: 0,
            id: uuid::Uuid::now_v7().simple().to_string(),
        }
    }

    /// Whether it has stopped at one of its texts.
    pub(crate) fn has_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// Whether tools were called.
    pub(crate) fn has_called(&self) -> bool {
        self.called > 0
    }

    /// Takes what a token writes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.bytes.extend_from_slice(bytes);
        let mut from = 0;
        while from < self.bytes.len() {
            match std::str::from_utf8(&self.bytes[from..]) {
                Ok(text) => {
                    self.held += text;
                    from = self.bytes.len();
                }
                Err(error) => {
                    let whole = from + error.valid_up_to();
                    self.held += &String::from_utf8_lossy(&self.bytes[from..whole]);
                    from = whole;
                    let Some(broken) = error.error_len() else {
                        break;
                    };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    from += broken;
                }
            }
        }
        self.bytes.drain(..from);
        let mut pieces = Vec::new();
        while self.advance(&mut pieces) {}
        pieces
    }

    /// Nothing follows: what was held is what it looks like.
    pub(crate) fn end(&mut self) -> Vec<Piece> {
        if !self.bytes.is_empty() && self.state != State::Stopped {
            self.held.push(char::REPLACEMENT_CHARACTER);
        }
        let held = std::mem::take(&mut self.held);
        let mut pieces = Vec::new();
        match self.state {
            State::Text => self.text(held, &mut pieces),
            State::Thought if !held.is_empty() => pieces.push(Piece::Thought(held)),
            State::Call => match self.call(&held) {
                Some(call) => pieces.push(call),
                None => pieces.push(Piece::Text(match self.calls {
                    Some(Calls::Tagged) => format!("{}{held}", CALL.0),
                    _ => held,
                })),
            },
            State::Thought | State::Stopped => {}
        }
        pieces
    }

    /// Goes up to the next mark; whether there was one.
    fn advance(&mut self, pieces: &mut Vec<Piece>) -> bool {
        match self.state {
            State::Stopped => {
                self.held.clear();
                false
            }
            State::Text => self.advance_text(pieces),
            State::Thought => {
                let Some(at) = self.held.find(THOUGHT.1) else {
                    let whole = self.held.len() - partial(&self.held, [THOUGHT.1]);
                    if whole > 0 {
                        pieces.push(Piece::Thought(self.held.drain(..whole).collect()));
                    }
                    return false;
                };
                if at > 0 {
                    pieces.push(Piece::Thought(self.held[..at].to_owned()));
                }
                self.held.drain(..at + THOUGHT.1.len());
                self.state = State::Text;
                // A second thought is text.
                self.is_beginning = true;
                true
            }
            State::Call if self.calls == Some(Calls::Tagged) => {
                let Some(at) = self.held.find(CALL.1) else {
                    return false;
                };
                let held = self.held[..at].to_owned();
                self.held.drain(..at + CALL.1.len());
                match self.call(&held) {
                    Some(call) => pieces.push(call),
                    None => self.text(format!("{}{held}{}", CALL.0, CALL.1), pieces),
                }
                self.state = State::Text;
                true
            }
            // The whole answer is the call.
            State::Call => false,
        }
    }

    fn advance_text(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.is_beginning {
            self.held
                .drain(..self.held.len() - self.held.trim_start().len());
            if self.calls == Some(Calls::Bare) && self.held.starts_with('{') {
                self.state = State::Call;
                return true;
            }
        }
        let mut marks: Vec<&str> = self.stops.iter().map(String::as_str).collect();
        if self.is_beginning {
            marks.push(THOUGHT.0);
        }
        if self.calls == Some(Calls::Tagged) {
            marks.push(CALL.0);
        }
        let found = marks
            .iter()
            .filter_map(|mark| Some((self.held.find(mark)?, *mark)))
            .min_by_key(|(at, _)| *at);
        let Some((at, mark)) = found else {
            let whole = self.held.len() - partial(&self.held, marks);
            let text: String = self.held.drain(..whole).collect();
            self.text(text, pieces);
            return false;
        };
        let next = match mark {
            mark if self.stops.iter().any(|stop| stop == mark) => State::Stopped,
            mark if mark == CALL.0 => State::Call,
            // Only what comes first is a thought; later it is text about thoughts.
            _ if self.held[..at].trim().is_empty() => State::Thought,
            _ => State::Text,
        };
        let until = if next == State::Text {
            at + mark.len()
        } else {
            at
        };
        let length = mark.len();
        let text: String = self.held.drain(..until).collect();
        if next != State::Text {
            self.held.drain(..length);
        }
        self.text(text, pieces);
        self.state = next;
        true
    }

    fn text(&mut self, text: String, pieces: &mut Vec<Piece>) {
        // Between calls there is nothing but line breaks.
        if text.is_empty() || (self.called > 0 && text.trim().is_empty()) {
            return;
        }
        self.is_beginning = false;
        pieces.push(Piece::Text(text));
    }

    fn call(&mut self, text: &str) -> Option<Piece> {
        let mut call: Value = serde_json::from_str(text.trim()).ok()?;
        let name = call.get("name")?.as_str()?.to_owned();
        let arguments = ["arguments", "parameters"]
            .into_iter()
            .find_map(|key| call.get_mut(key).map(Value::take))?;
        let arguments = match arguments {
            // Some write the arguments as a text that is JSON.
            Value::String(text) if serde_json::from_str::<Value>(&text).is_ok() => text,
            other => other.to_string(),
        };
        self.called += 1;
        Some(Piece::Call(ToolCall {
            id: format!("call_{}_{}", self.id, self.called),
            name,
            arguments,
        }))
    }
}

/// How many bytes at the end may be the beginning of one of these marks.
fn partial<'a>(text: &str, marks: impl IntoIterator<Item = &'a str>) -> usize {
    let longest = |mark: &str| {
        let mut lengths = (1..mark.len())
            .rev()
            .filter(|length| mark.is_char_boundary(*length));
        lengths
            .find(|length| text.ends_with(&mark[..*length]))
            .unwrap_or(0)
    };
    marks.into_iter().map(longest).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test fails by panicking")]

    use super::{Calls, Output, Piece};

    fn all(mut output: Output, parts: &[&[u8]]) -> (String, String, Vec<(String, String)>) {
        let mut pieces: Vec<Piece> = parts.iter().flat_map(|part| output.push(part)).collect();
        pieces.extend(output.end());
        let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Text(it) => text += &it,
                Piece::Thought(it) => thought += &it,
                Piece::Call(call) => calls.push((call.name, call.arguments)),
                other => panic!("{other:?}"),
            }
        }
        (text, thought, calls)
    }

    fn bytewise(output: Output, text: &str) -> (String, String, Vec<(String, String)>) {
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        all(output, &bytes)
    }

    #[test]
    fn characters_come_whole_and_broken_ones_are_replaced() {
        let mut output = Output::new(Vec::new(), None, false);
        assert!(output.push(&"é".as_bytes()[..1]).is_empty());
        assert_eq!(
            output.push(&"é".as_bytes()[1..]),
            [Piece::Text("é".to_owned())]
        );
        assert_eq!(
            output.push(b"a\xffb"),
            [Piece::Text("a\u{fffd}b".to_owned())]
        );
        output.push(&"茶".as_bytes()[..2]);
        assert_eq!(output.end(), [Piece::Text("\u{fffd}".to_owned())]);
    }

    #[test]
    fn it_stops_at_a_text_across_tokens_and_holds_back_no_more_than_its_beginning() {
        let stopping = || Output::new(vec!["END".to_owned(), "\n\n".to_owned()], None, false);
        assert_eq!(bytewise(stopping(), "one ENtwo END three").0, "one ENtwo ");
        assert_eq!(bytewise(stopping(), "one\n\ntwo").0, "one");
        assert_eq!(bytewise(stopping(), "to the EN").0, "to the EN");
        let mut output = stopping();
        assert_eq!(output.push(b"one EN"), [Piece::Text("one ".to_owned())]);
        assert!(output.push(b"D").is_empty());
        assert!(output.has_stopped());
        assert!(output.end().is_empty());
    }

    #[test]
    fn thoughts_are_apart_from_the_text() {
        let (text, thought, _) = bytewise(
            Output::new(Vec::new(), None, false),
            "<think>\nhm <b>\n</think>\n\nYes <think>",
        );
        assert_eq!(
            (text.as_str(), thought.as_str()),
            ("Yes <think>", "\nhm <b>\n")
        );
        let (text, thought, _) = bytewise(Output::new(Vec::new(), None, true), "hm</think>Yes");
        assert_eq!((text.as_str(), thought.as_str()), ("Yes", "hm"));
        let (text, thought, _) = bytewise(Output::new(Vec::new(), None, true), "never ends</thi");
        assert_eq!((text.as_str(), thought.as_str()), ("", "never ends</thi"));
        let (text, thought, _) = bytewise(Output::new(Vec::new(), None, false), "Write <think> so");
        assert_eq!((text.as_str(), thought.as_str()), ("Write <think> so", ""));
    }

    #[test]
    fn calls_come_whole_and_what_is_none_is_text() {
        let tagged = || Output::new(Vec::new(), Some(Calls::Tagged), false);
        let written = "Let me see.\n<tool_call>\n{\"name\": \"tea\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>{\"name\":\"cup\",\"arguments\":\"{}\"}</tool_call>";
        let (text, _, calls) = bytewise(tagged(), written);
        assert_eq!(text, "Let me see.\n");
        assert_eq!(
            calls,
            [
                ("tea".to_owned(), r#"{"a":1}"#.to_owned()),
                ("cup".to_owned(), "{}".to_owned())
            ]
        );
        let (text, _, calls) = bytewise(tagged(), "<tool_call>nonsense</tool_call> so");
        assert_eq!(
            (text.as_str(), calls.len()),
            ("<tool_call>nonsense</tool_call> so", 0)
        );
        let bare = || Output::new(Vec::new(), Some(Calls::Bare), false);
        let (text, _, calls) = bytewise(bare(), "\n{\"name\": \"tea\", \"parameters\": {}}");
        assert_eq!(
            (text.as_str(), calls),
            ("", vec![("tea".to_owned(), "{}".to_owned())])
        );
        let (text, _, calls) = bytewise(bare(), "{\"tea\": 1}");
        assert_eq!((text.as_str(), calls.len()), ("{\"tea\": 1}", 0));
    }
}
