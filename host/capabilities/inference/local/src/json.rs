//! Follows a JSON object as it is written, so that a model can be held to writing one.

/// How deep arrays and objects may lie in each other.
const DEPTH: usize = 32;
/// Blanks between two signs: enough to indent, too few to go on for ever.
const BLANKS: u8 = 24;

/// A JSON object that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acceptor {
    open: Vec<Container>,
    at: At,
    blanks: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// Before the object.
    Start,
    /// Where a value must stand, or, at first, where an array may end.
    Value {
        may_end: bool,
    },
    /// Where a key must stand, or, at first, where an object may end.
    Key {
        may_end: bool,
    },
    Colon,
    /// Behind a value.
    Comma,
    Text {
        is_key: bool,
        escape: Escape,
    },
    Number(Number),
    Word {
        rest: &'static [u8],
    },
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// So many digits are to come.
    Digits(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Acceptor {
    pub(crate) fn object() -> Self {
        Self {
            open: Vec::new(),
            at: At::Start,
            blanks: 0,
        }
    }

    /// Whether the object is whole.
    pub(crate) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Whether these bytes may follow.
    pub(crate) fn takes(&self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && self.clone().follow(bytes)
    }

    /// Goes on by these bytes; whether they may follow.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.step(*byte))
    }

    fn step(&mut self, byte: u8) -> bool {
        if let At::Text { is_key, escape } = self.at {
            return self.text(byte, is_key, escape);
        }
        if let At::Number(number) = self.at {
            match number.next(byte) {
                Some(next) => {
                    self.at = At::Number(next);
                    return true;
                }
                // What ends it is read as what follows a value.
                None if number.may_end() => self.at = At::Comma,
                None => return false,
            }
        }
        if let At::Word { rest } = self.at {
            self.at = match rest {
                [next, rest @ ..] if *next == byte && rest.is_empty() => At::Comma,
                [next, rest @ ..] if *next == byte => At::Word { rest },
                _ => return false,
            };
            return true;
        }
        if matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
            self.blanks += 1;
            return self.blanks <= BLANKS && !matches!(self.at, At::Start | At::Done);
        }
        self.blanks = 0;
        match (&self.at, byte) {
            (At::Start, b'{') => self.enter(Container::Object),
            (At::Value { may_end: true }, b']') => self.leave(Container::Array),
            (At::Value { .. }, _) => self.value(byte),
            (At::Key { may_end: true }, b'}') => self.leave(Container::Object),
            (At::Key { .. }, b'"') => self.go(At::Text {
                is_key: true,
                escape: Escape::None,
            }),
            (At::Colon, b':') => self.go(At::Value { may_end: false }),
            (At::Comma, b'}') => self.leave(Container::Object),
            (At::Comma, b']') => self.leave(Container::Array),
            (At::Comma, b',') => match self.open.last() {
                Some(Container::Object) => self.go(At::Key { may_end: false }),
                Some(Container::Array) => self.go(At::Value { may_end: false }),
                None => false,
            },
            _ => false,
        }
    }

    fn value(&mut self, byte: u8) -> bool {
        match byte {
            b'{' => self.enter(Container::Object),
            b'[' => self.enter(Container::Array),
            b'"' => self.go(At::Text {
                is_key: false,
                escape: Escape::None,
            }),
            b't' => self.go(At::Word { rest: b"rue" }),
            b'f' => self.go(At::Word { rest: b"alse" }),
            b'n' => self.go(At::Word { rest: b"ull" }),
            b'-' => self.go(At::Number(Number::Minus)),
            b'0' => self.go(At::Number(Number::Zero)),
            b'1'..=b'9' => self.go(At::Number(Number::Whole)),
            _ => false,
        }
    }

    fn text(&mut self, byte: u8, is_key: bool, escape: Escape) -> bool {
        let escape = match (escape, byte) {
            (Escape::None, b'"') => {
                return self.go(if is_key { At::Colon } else { At::Comma });
            }
            (Escape::None, b'\\') => Escape::Begun,
            (Escape::None, 0x20..) => Escape::None,
            (Escape::Begun, b'u') => Escape::Digits(4),
            (Escape::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Escape::None,
            (Escape::Digits(1), _) if byte.is_ascii_hexdigit() => Escape::None,
            (Escape::Digits(left), _) if byte.is_ascii_hexdigit() => Escape::Digits(left - 1),
            _ => return false,
        };
        self.go(At::Text { is_key, escape })
    }

    fn enter(&mut self, container: Container) -> bool {
        self.open.push(container);
        self.at = match container {
            Container::Object => At::Key { may_end: true },
            Container::Array => At::Value { may_end: true },
        };
        self.open.len() <= DEPTH
    }

    fn leave(&mut self, container: Container) -> bool {
        if self.open.pop() != Some(container) {
            return false;
        }
        self.go(if self.open.is_empty() {
            At::Done
        } else {
            At::Comma
        })
    }

    fn go(&mut self, at: At) -> bool {
        self.at = at;
        true
    }
}

impl Number {
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus | Self::Whole, b'0'..=b'9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::Sign),
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Power
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Acceptor;

    fn ends(text: &str) -> Option<bool> {
        let mut acceptor = Acceptor::object();
        acceptor.follow(text.as_bytes()).then(|| acceptor.is_done())
    }

    #[test]
    fn objects_are_whole_where_a_parser_says_so() {
        let whole = [
            "{}",
            r#"{"a":1}"#,
            r#"{ "a" : [ -0.5e+3, 10, 0, "x\u00e4\n", true, false, null, {}, [] ] }"#,
            "{\n  \"чай\": {\"b\": \"ö\"}\n}",
        ];
        for text in whole {
            assert_eq!(ends(text), Some(true), "{text}");
            assert!(
                serde_json::from_str::<serde_json::Value>(text).is_ok(),
                "{text}"
            );
            for (at, _) in text.char_indices().skip(1) {
                assert_eq!(ends(&text[..at]), Some(false), "{}", &text[..at]);
            }
        }
    }

    #[test]
    fn what_no_parser_takes_is_not_begun() {
        let broken = [
            "[]",
            " {}",
            "{,",
            "{1",
            r#"{"a" 1"#,
            r#"{"a":01"#,
            r#"{"a":.5"#,
            r#"{"a":-}"#,
            r#"{"a":1.}"#,
            r#"{"a":tru,"#,
            r#"{"a":[1}"#,
            r#"{"a":[,"#,
            r#"{"a":1,}"#,
            "{\"a\n",
            r#"{"\x"#,
            r#"{"\u00g"#,
            "{}{",
            "{} ",
        ];
        for text in broken {
            assert_eq!(ends(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_goes_on_for_ever() {
        assert_eq!(ends(&format!("{{{}", " ".repeat(1000))), None);
        assert_eq!(ends(&format!(r#"{{"a":{}"#, "[".repeat(1000))), None);
    }
}
