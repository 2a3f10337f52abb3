//! What is wrong with a manifest, where, and how to mend it.

use std::fmt;

/// A manifest that cannot be used. Prints every problem with file, line, the line itself and a fix.
#[derive(Debug)]
pub struct ManifestError {
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) place: Option<Place>,
}

/// A place in a file.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    pub(crate) text: String,
}

// === impl Problem ===

impl Problem {
    /// In the order of the file, whatever order they were found in.
    pub(crate) fn order(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }
}

// === impl ManifestError ===

impl ManifestError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// A problem that has no place in the file.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self::new(vec![Problem {
            message: message.into(),
            place: None,
        }])
    }
}

impl std::error::Error for ManifestError {}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return f.write_str(&self.message);
        };
        writeln!(
            f,
            "{}:{}:{}: {}",
            place.file, place.line, place.column, self.message
        )?;
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", place.text)?;
        // Tabs stay tabs, so that the caret stands where the eye expects it.
        let before = place.text.chars().take(place.column.saturating_sub(1));
        let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
        write!(f, "{margin} | {indent}^")
    }
}

/// `; did you mean ...?` with the nearest of the known words, or a list of them.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let scored = known
        .iter()
        .map(|word| (strsim::jaro_winkler(wrong, word), *word));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, nearest)) if score > 0.75 => format!("; did you mean `{nearest}`?"),
        Some(_) => format!("; known here: {}", known.join(", ")),
        None => String::new(),
    }
}
