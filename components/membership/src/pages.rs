//! Pages to be printed: A4 across, with the fonts that every reader of PDF has.
//!
//! Those have the letters of Western Europe; what else there is in a name is shown as `?`.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

/// How wide a page is, in points.
pub const WIDTH: f32 = 842.0;
const HEIGHT: f32 = 595.0;
/// What is left free at each side.
pub const MARGIN: f32 = 40.0;
/// Below this is the foot of a page.
const FOOT: f32 = 50.0;
/// The size of the text.
pub const SIZE: f32 = 8.0;
/// From one line to the next.
const LINE: f32 = 11.0;

/// A font of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Font {
    /// For most of it.
    Plain,
    /// For what stands above.
    Bold,
}

/// The pages, from above to below.
pub struct Pages {
    title: String,
    done: Vec<Content>,
    page: Content,
    /// Where the next line stands.
    y: f32,
}

// === impl Pages ===

impl Pages {
    /// None yet, of a document with this title.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            done: Vec::new(),
            page: Content::new(),
            y: HEIGHT - MARGIN,
        }
    }

    /// Whether no line fits on the page any more.
    pub fn is_full(&self) -> bool {
        self.y - LINE < FOOT
    }

    /// Goes on on the next page.
    pub fn turn(&mut self) {
        let full = std::mem::replace(&mut self.page, Content::new());
        self.done.push(full);
        self.y = HEIGHT - MARGIN;
    }

    /// Leaves half a line free.
    pub fn space(&mut self) {
        self.y -= LINE / 2.0;
    }

    /// A line of texts, each at its place, on the next page if this one is full.
    pub fn line(&mut self, texts: &[(f32, &str)], font: Font, size: f32) {
        if self.is_full() {
            self.turn();
        }
        self.y -= LINE.max(size * 1.4);
        for (x, text) in texts {
            self.text(*x, text, font, size);
        }
    }

    fn text(&mut self, x: f32, text: &str, font: Font, size: f32) {
        let y = self.y;
        self.page
            .begin_text()
            .set_font(font.name(), size)
            .next_line(x, y)
            .show(Str(&encoded(text)))
            .end_text();
    }

    /// What begins a part of the document; not at the very end of a page.
    pub fn title(&mut self, text: &str) {
        self.space();
        if self.y - 4.0 * LINE < FOOT {
            self.turn();
        }
        self.line(&[(MARGIN, text)], Font::Bold, 11.0);
    }

    /// A name, and what is to be said of it.
    pub fn fact(&mut self, name: &str, fact: &str) {
        self.line(&[(MARGIN, name), (110.0, fact)], Font::Plain, 9.0);
    }

    /// The names of columns, above a rule.
    pub fn columns(&mut self, at: &[f32], names: &[&str]) {
        let texts: Vec<_> = at.iter().copied().zip(names.iter().copied()).collect();
        self.line(&texts, Font::Bold, SIZE);
        self.y -= 3.0;
        let y = self.y;
        self.page
            .set_stroke_gray(0.6)
            .set_line_width(0.5)
            .move_to(MARGIN, y)
            .line_to(WIDTH - MARGIN, y)
            .stroke();
    }

    /// A row of a table; what has no room in its column is cut off.
    pub fn cells(&mut self, at: &[f32], cells: &[&str]) {
        let ends = at.iter().skip(1).copied().chain([WIDTH - MARGIN + 6.0]);
        let cut: Vec<_> = at
            .iter()
            .zip(ends)
            .zip(cells)
            .map(|((begin, end), text)| (*begin, cut(text, end - begin - 6.0)))
            .collect();
        let texts: Vec<_> = cut.iter().map(|(x, text)| (*x, text.as_str())).collect();
        self.line(&texts, Font::Plain, SIZE);
    }

    /// The document, with the number of each page at its foot.
    #[must_use]
    pub fn written(mut self, foot: &str) -> Vec<u8> {
        self.turn();
        let count = self.done.len();
        let mut pdf = Pdf::new();
        let mut next = 0;
        let mut reference = || {
            next += 1;
            Ref::new(next)
        };
        let (catalog, tree, info) = (reference(), reference(), reference());
        let fonts = [(Font::Plain, reference()), (Font::Bold, reference())];
        let pages: Vec<_> = self
            .done
            .iter()
            .map(|_| (reference(), reference()))
            .collect();
        pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
        pdf.document_info(info).title(TextStr(&self.title));
        for (font, at) in fonts {
            pdf.type1_font(at)
                .base_font(font.base())
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        let kids = pages.iter().map(|(page, _)| *page);
        pdf.pages(tree)
            .kids(kids)
            .count(i32::try_from(count).unwrap_or(i32::MAX));
        for (number, (mut content, (page, stream))) in self.done.into_iter().zip(pages).enumerate()
        {
            let foot = format!("{foot}    page {} of {count}", number + 1);
            content
                .begin_text()
                .set_font(Font::Plain.name(), 7.0)
                .next_line(MARGIN, 28.0)
                .show(Str(&encoded(&foot)))
                .end_text();
            let mut made = pdf.page(page);
            made.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
                .parent(tree)
                .contents(stream);
            let mut resources = made.resources();
            let mut named = resources.fonts();
            for (font, at) in fonts {
                named.pair(font.name(), at);
            }
            named.finish();
            resources.finish();
            made.finish();
            pdf.stream(stream, &content.finish());
        }
        pdf.finish()
    }
}

// === impl Font ===

impl Font {
    fn name(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"F1"),
            Self::Bold => Name(b"F2"),
        }
    }

    fn base(self) -> Name<'static> {
        match self {
            Self::Plain => Name(b"Helvetica"),
            Self::Bold => Name(b"Helvetica-Bold"),
        }
    }
}

/// A text in the encoding of the fonts: Latin-1, and a few signs in the place of its control characters.
fn encoded(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(c)).unwrap_or(b'?'),
        '€' => 0x80,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '–' => 0x96,
        '—' => 0x97,
        _ => b'?',
    };
    text.chars().map(byte).collect()
}

/// How wide a text is, in the plain font.
fn width(text: &str) -> f32 {
    let units = text.chars().map(|c| f32::from(units(c)));
    units.sum::<f32>() * SIZE / 1000.0
}

/// The widths of Helvetica's characters, in thousandths of its size, as Adobe's metrics have them; rounded up
/// where there are too many to list.
fn units(c: char) -> u16 {
    match c {
        'i' | 'j' | 'l' | '\'' => 222,
        ' ' | '!' | ',' | '.' | '/' | ':' | ';' | 'I' | 'f' | 't' | '[' | ']' | '\\' => 278,
        '(' | ')' | '-' | 'r' | '`' => 333,
        '{' | '}' => 334,
        '|' => 260,
        '"' => 355,
        '*' => 389,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' => 500,
        '0'..='9'
        | 'a'
        | 'b'
        | 'd'
        | 'e'
        | 'g'
        | 'h'
        | 'n'
        | 'o'
        | 'p'
        | 'q'
        | 'u'
        | 'L'
        | '_'
        | '#'
        | '$'
        | '?' => 556,
        '+' | '<' | '=' | '>' | '~' => 584,
        'F' | 'T' | 'Z' => 611,
        'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' | '&' => 667,
        'C' | 'D' | 'H' | 'N' | 'R' | 'U' | 'w' => 722,
        'G' | 'O' | 'Q' => 778,
        'm' | 'M' => 833,
        '%' => 889,
        'W' => 944,
        _ => 1015,
    }
}

/// As much of a text as there is room for.
fn cut(text: &str, room: f32) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept) + width("…") > room {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// A text in lines that fit, broken at spaces; a word that is too long is broken where it must be. One line at least.
pub fn wrapped(text: &str, room: f32) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let mut word = word;
        let joined = |line: &str| match line {
            "" => word.to_owned(),
            line => format!("{line} {word}"),
        };
        if width(&joined(&line)) <= room {
            line = joined(&line);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > room {
            let fits = word.char_indices().map(|(at, c)| at + c.len_utf8());
            let fits = fits.take_while(|end| width(&word[..*end]) <= room).last();
            let end = fits.unwrap_or(word.len());
            lines.push(word[..end].to_owned());
            word = &word[end..];
        }
        word.clone_into(&mut line);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_where_they_stand() {
        let lines = wrapped("from usr_1 to usr_2, amount 100", 60.0);
        assert!(
            lines.len() > 1 && lines.iter().all(|line| width(line) <= 60.0),
            "{lines:?}"
        );
        assert_eq!(lines.join(" "), "from usr_1 to usr_2, amount 100");
        let word = "x".repeat(100);
        let lines = wrapped(&word, 60.0);
        assert!(lines.iter().all(|line| width(line) <= 60.0));
        assert_eq!(lines.concat(), word);
        assert_eq!(wrapped("", 60.0), [""]);
        let short = cut(&word, 60.0);
        assert!(short.ends_with('…') && width(&short) <= 60.0);
        assert_eq!(cut("ada", 60.0), "ada");
    }
}
