//! What Tesseract writes as `tsv`: a row for each word, with its place.

use crate::engine::Line;

/// The lines of a page.
pub(crate) fn lines(tsv: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut open = None;
    let mut words = 0u16;
    for row in tsv.lines().skip(1) {
        let Some(word) = Word::of(row) else { continue };
        let text = word.text.trim();
        if text.is_empty() {
            continue;
        }
        match lines.last_mut().filter(|_| open == Some(word.line)) {
            Some(line) => {
                line.text.push(' ');
                line.text.push_str(text);
                line.place = around(line.place, word.place);
                words = words.saturating_add(1);
                line.confidence += (word.confidence - line.confidence) / f32::from(words);
            }
            None => {
                (open, words) = (Some(word.line), 1);
                lines.push(Line {
                    text: text.to_owned(),
                    place: word.place,
                    confidence: word.confidence,
                });
            }
        }
    }
    lines
}

struct Word<'a> {
    /// Block, paragraph and line.
    line: (u32, u32, u32),
    place: (u32, u32, u32, u32),
    confidence: f32,
    text: &'a str,
}

impl<'a> Word<'a> {
    /// A row that is a word.
    fn of(row: &'a str) -> Option<Self> {
        let mut columns = row.splitn(12, '\t');
        let mut number = || columns.next()?.parse::<u32>().ok();
        let level = number()?;
        let _page = number()?;
        let line = (number()?, number()?, number()?);
        let _word = number()?;
        let place = (number()?, number()?, number()?, number()?);
        let confidence = columns.next()?.parse::<f32>().ok()?;
        let text = columns.next()?;
        let confidence = confidence.clamp(0.0, 100.0);
        (level == 5).then_some(Self {
            line,
            place,
            confidence,
            text,
        })
    }
}

/// What holds both of two places.
fn around(one: (u32, u32, u32, u32), other: (u32, u32, u32, u32)) -> (u32, u32, u32, u32) {
    let right = one
        .0
        .saturating_add(one.2)
        .max(other.0.saturating_add(other.2));
    let bottom = one
        .1
        .saturating_add(one.3)
        .max(other.1.saturating_add(other.3));
    let (left, top) = (one.0.min(other.0), one.1.min(other.1));
    (left, top, right - left, bottom - top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_line_are_put_together() {
        let tsv = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
                   1\t1\t0\t0\t0\t0\t0\t0\t800\t600\t-1\t\n\
                   4\t1\t1\t1\t1\t0\t10\t10\t100\t20\t-1\t\n\
                   5\t1\t1\t1\t1\t1\t10\t12\t40\t18\t90.5\tGood\n\
                   5\t1\t1\t1\t1\t2\t60\t10\t50\t20\t80.5\tmorning\n\
                   5\t1\t1\t1\t2\t1\t10\t40\t40\t18\t70\tAda\n\
                   5\t1\t1\t1\t2\t2\t60\t40\t40\t18\t95\t \n\
                   5\tbroken\n";
        let lines = lines(tsv);
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines.first(),
            Some(&Line {
                text: "Good morning".to_owned(),
                place: (10, 10, 100, 20),
                confidence: 85.5
            })
        );
    }
}
