//! Charts as SVG, to stand in a page: bars and lines over time, without scripts and without anything from elsewhere.
//! Every text is escaped; colours are the page's own, where it has some.

use std::fmt::Write as _;

/// What a chart is drawn with: dark enough for text beside it, told apart without seeing colours by their order.
const COLOURS: [&str; 2] = ["#2563a8", "#c2571a"];
const WIDTH: i64 = 640;
/// Of a row of a bar chart, and of its bar.
const ROW: i64 = 30;
const BAR: i64 = 18;
/// Where the bars begin and end: before them stand their names, behind them their numbers.
const BARS: (i64, i64) = (180, 550);
/// Characters of a name that have room.
const NAME: usize = 22;
/// Where the lines begin and end, in width and in height.
const PLOT: ((i64, i64), (i64, i64)) = ((70, 620), (40, 220));
/// Rules across the lines.
const RULES: i64 = 4;

/// A name, and how much it has: a number from 0 up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Whose it is.
    pub name: String,
    /// How much.
    pub amount: i64,
}

/// Numbers from 0 up, one for each point of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What they are of.
    pub name: String,
    /// How much at each.
    pub amounts: Vec<i64>,
}

/// Bars below each other, each as long as it has much.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.amount).max().unwrap_or(0).max(1);
    let rows = i64::try_from(bars.len()).unwrap_or(i64::MAX).max(1);
    let mut svg = begin(title, 40 + rows.saturating_mul(ROW) + 10);
    if bars.is_empty() {
        text(&mut svg, (WIDTH / 2, 60), "middle", "nothing yet");
    }
    for (row, bar) in (0..).zip(bars) {
        let (from, to) = BARS;
        let top = 40 + row * ROW;
        let length = scaled(bar.amount, most, to - from);
        text(&mut svg, (from - 8, top + 14), "end", &shortened(&bar.name));
        let _ = write!(
            svg,
            r#"<rect x="{from}" y="{top}" width="{length}" height="{BAR}" fill="{}"/>"#,
            COLOURS[0]
        );
        let number = thousands(bar.amount);
        text(&mut svg, (from + length + 8, top + 14), "start", &number);
    }
    svg + "</svg>"
}

/// Lines over the same points of time, two of them at most, with the first, the middle and the last of these named.
pub fn lines(title: &str, times: &[String], lines: &[Line]) -> String {
    let amounts = || lines.iter().flat_map(|line| &line.amounts);
    let most = ceiling(amounts().copied().max().unwrap_or(0));
    let ((left, right), (top, bottom)) = PLOT;
    let mut svg = begin(title, 270);
    for rule in 0..=RULES {
        let height = bottom - (bottom - top) * rule / RULES;
        let _ = write!(
            svg,
            r##"<line x1="{left}" y1="{height}" x2="{right}" y2="{height}" stroke="#d0d4da"/>"##
        );
        let number = thousands(scaled(most, RULES, rule));
        text(&mut svg, (left - 8, height + 4), "end", &number);
    }
    let last = i64::try_from(times.len()).unwrap_or(1).max(1) - 1;
    let across = |point: i64| left + scaled(point, last.max(1), right - left);
    // Not beyond the edges.
    let mut named = vec![(0, "start"), (last / 2, "middle"), (last, "end")];
    named.dedup_by_key(|(point, _)| *point);
    for (point, anchor) in named {
        let time = usize::try_from(point)
            .ok()
            .and_then(|point| times.get(point));
        if let Some(time) = time {
            text(&mut svg, (across(point), bottom + 20), anchor, time);
        }
    }
    for (number, (line, colour)) in (0..).zip(lines.iter().zip(COLOURS)) {
        let points = (0..).zip(&line.amounts).map(|(point, amount)| {
            let height = bottom - scaled(*amount, most, bottom - top);
            format!("{},{height}", across(point))
        });
        let points = points.collect::<Vec<_>>().join(" ");
        let dashes = if number == 0 { "none" } else { "6 4" };
        let _ = write!(
            svg,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"#
        );
        let (x, y) = (left + number * 160, bottom + 42);
        let _ = write!(
            svg,
            r#"<line x1="{x}" y1="{}" x2="{}" y2="{}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"#,
            y - 4,
            x + 24,
            y - 4
        );
        text(&mut svg, (x + 32, y), "start", &shortened(&line.name));
    }
    svg + "</svg>"
}

/// What is text in HTML and SVG, and cannot be anything else.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // XML has no place for them.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// A number as people read it: `1 234 567`.
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

fn begin(title: &str, height: i64) -> String {
    let title = escaped(title);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}" font-family="sans-serif" font-size="13" fill="currentColor"><text x="0" y="20" font-size="15" font-weight="bold">{title}</text>"##
    )
}

fn text(svg: &mut String, (x, y): (i64, i64), anchor: &str, text: &str) {
    let _ = write!(
        svg,
        r#"<text x="{x}" y="{y}" text-anchor="{anchor}">{}</text>"#,
        escaped(text)
    );
}

/// `amount` of `most`, as so much of `length`; never more, nor below zero.
fn scaled(amount: i64, most: i64, length: i64) -> i64 {
    let part = i128::from(amount.max(0)) * i128::from(length) / i128::from(most.max(1));
    i64::try_from(part).unwrap_or(length)
}

/// The first number from this one up of which a quarter is a whole number that people like to read: 4, 8, 20, 40, 80 ...
fn ceiling(most: i64) -> i64 {
    let mut step: i64 = 1;
    loop {
        for nice in [4, 8, 20] {
            let ceiling = step.saturating_mul(nice);
            if ceiling >= most {
                return ceiling;
            }
        }
        step = step.saturating_mul(10);
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    let begin: String = name.chars().take(NAME - 1).collect();
    format!("{begin}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, amount: i64) -> Bar {
        Bar {
            name: name.to_owned(),
            amount,
        }
    }

    #[test]
    fn bars_are_as_long_as_they_have_much() {
        let svg = bars(
            "Spending",
            &[bar("ada", 200), bar("bob", 50), bar("eve", 0)],
        );
        let widths: Vec<_> = svg
            .split("<rect ")
            .skip(1)
            .map(|rect| rect.split('"').nth(5).unwrap_or_default())
            .collect();
        assert_eq!(widths, ["370", "92", "0"]);
        assert!(bars("Spending", &[]).contains("nothing yet"));
    }

    #[test]
    fn lines_end_where_their_numbers_say() {
        let times = ["1.1.", "2.1.", "3.1."].map(str::to_owned);
        let line = Line {
            name: "spent".to_owned(),
            amounts: vec![0, 4, 2],
        };
        let svg = lines("Over time", &times, &[line]);
        assert!(svg.contains("points=\"70,220 345,40 620,130\""), "{svg}");
        for time in times {
            assert!(svg.contains(&time), "{svg}");
        }
        // Nothing, one point, and as much as there can be.
        lines("Over time", &[], &[]);
        let line = Line {
            name: "spent".to_owned(),
            amounts: vec![i64::MAX],
        };
        let svg = lines("Over time", &["1.1.".to_owned()], &[line]);
        assert!(
            svg.contains("points=\"70,40\"") || svg.contains("points=\"70,"),
            "{svg}"
        );
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let name = "</text><script>\"'&\u{0}";
        let line = Line {
            name: name.to_owned(),
            amounts: vec![1],
        };
        let drawn = bars(name, &[bar(name, 1)]) + &lines(name, &[name.to_owned()], &[line]);
        assert!(
            !drawn.contains("<script") && !drawn.contains('\u{0}'),
            "{drawn}"
        );
        assert!(drawn.contains("&lt;/text&gt;&lt;script"), "{drawn}");
        let long = bars("x", &[bar(&"ä".repeat(100), 1)]);
        assert!(long.contains(&format!(">{}…<", "ä".repeat(21))), "{long}");
    }

    #[test]
    fn numbers_are_read_by_people() {
        let number = |number| thousands(number).replace('\u{202f}', " ");
        assert_eq!(
            [number(0), number(999), number(1000)],
            ["0", "999", "1 000"]
        );
        assert_eq!(number(-1_234_567), "-1 234 567");
        for (most, expected) in [(0, 4), (4, 4), (5, 8), (9, 20), (21, 40), (1000, 2000)] {
            assert_eq!(ceiling(most), expected, "{most}");
        }
    }
}
