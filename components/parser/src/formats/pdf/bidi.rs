//! From the order that letters stand in on a line to the order they are read in: Hebrew, Arabic and their kin run from
//! right to left, with numbers and foreign words the other way.

/// How a letter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Left,
    Right,
    Number,
    Neither,
}

/// Puts units (letters, spaces), as they stand from left to right, into the order they are read in.
pub(super) fn reorder<T: AsRef<str>>(units: &mut [T]) {
    let runs: Vec<_> = units.iter().map(|unit| run(unit.as_ref())).collect();
    let count = |wanted: Run| runs.iter().filter(|run| **run == wanted).count();
    let (left, right) = (count(Run::Left), count(Run::Right));
    if right == 0 {
        return;
    }
    if right >= left {
        units.reverse();
        let mut runs = runs;
        runs.reverse();
        // What runs the other way within is turned back.
        for span in spans(&runs, |run| matches!(run, Run::Left | Run::Number)) {
            units[span].reverse();
        }
    } else {
        for span in spans(&runs, |run| run == Run::Right) {
            units[span].reverse();
        }
    }
}

/// Whether most of a text runs from right to left.
pub(super) fn is_right_to_left(text: &str) -> bool {
    let right = text
        .chars()
        .filter(|character| is_right(*character))
        .count();
    let left = text
        .chars()
        .filter(|character| character.is_alphabetic())
        .count();
    right * 2 > left
}

/// The longest stretches that begin and end with what is wanted, and hold nothing else but what runs neither way.
fn spans(runs: &[Run], wanted: impl Fn(Run) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    let mut open = None::<std::ops::Range<usize>>;
    for (at, run) in runs.iter().enumerate() {
        if wanted(*run) {
            open = Some(open.map_or(at, |span| span.start)..at + 1);
        } else if *run != Run::Neither {
            spans.extend(open.take());
        }
    }
    spans.extend(open);
    spans
}

fn run(text: &str) -> Run {
    let Some(first) = text.chars().find(|character| !character.is_whitespace()) else {
        return Run::Neither;
    };
    match first {
        first if is_right(first) => Run::Right,
        first if first.is_numeric() => Run::Number,
        first if first.is_alphabetic() => Run::Left,
        _ => Run::Neither,
    }
}

/// Hebrew, Arabic, Syriac, Thaana, N'Ko, Samaritan, Mandaic, and their presentation forms.
fn is_right(character: char) -> bool {
    matches!(character,
        '\u{591}'..='\u{65f}' | '\u{66d}'..='\u{6ef}' | '\u{6fa}'..='\u{8ff}'
        | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let mut units: Vec<_> = line.chars().map(String::from).collect();
        reorder(&mut units);
        units.concat()
    }

    #[test]
    fn what_stands_reversed_is_read_forwards() {
        let logical = "שלום עולם";
        let visual: String = logical.chars().rev().collect();
        assert_eq!(read(&visual), logical);
    }

    #[test]
    fn numbers_and_foreign_words_stay_as_they_are() {
        assert_eq!(read("2026 תנש Rust לע"), "על Rust שנת 2026");
        assert_eq!(read("plain text 12"), "plain text 12");
        assert_eq!(
            read("in a sentence םולש stands"),
            "in a sentence שלום stands"
        );
    }
}
