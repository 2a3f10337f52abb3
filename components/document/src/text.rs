//! Blocks as text: Markdown, so that a reader and a language model both see what is a heading and what a table.

use crate::{Content, Table};
use std::fmt::{self, Write as _};

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heading { level, text } => {
                for _ in 0..(*level).clamp(1, 6) {
                    f.write_char('#')?;
                }
                write!(f, " {text}")
            }
            Self::Paragraph { text } => f.write_str(text),
            Self::ListItem { depth, text } => {
                for _ in 0..*depth {
                    f.write_str("  ")?;
                }
                write!(f, "- {text}")
            }
            Self::Table(table) => table.fmt(f),
            Self::Code { language, text } => {
                let language = language.as_deref().unwrap_or_default();
                write!(f, "```{language}\n{text}\n```")
            }
        }
    }
}

impl Table {
    /// How many columns it has.
    pub fn columns(&self) -> usize {
        let rows = self.rows.iter().map(Vec::len);
        rows.chain([self.header.len()]).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(caption) = &self.caption {
            write!(f, "{caption}\n\n")?;
        }
        let columns = self.columns();
        row(f, &self.header, columns)?;
        f.write_str("\n|")?;
        for _ in 0..columns {
            f.write_str(" --- |")?;
        }
        for cells in &self.rows {
            f.write_char('\n')?;
            row(f, cells, columns)?;
        }
        Ok(())
    }
}

/// A row in one line, whatever its cells hold.
fn row(f: &mut fmt::Formatter<'_>, cells: &[String], columns: usize) -> fmt::Result {
    f.write_char('|')?;
    for column in 0..columns {
        f.write_char(' ')?;
        for character in cells.get(column).map_or("", String::as_str).chars() {
            match character {
                '|' => f.write_str("\\|")?,
                '\n' | '\r' => f.write_char(' ')?,
                character => f.write_char(character)?,
            }
        }
        f.write_str(" |")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_line_a_row_whatever_its_cells_hold() {
        let table = Table {
            caption: Some("Prices".to_owned()),
            header: vec!["What".to_owned(), "Price".to_owned()],
            rows: vec![vec!["tea|coffee\nor milk".to_owned()]],
            continued: false,
        };
        assert_eq!(
            Content::Table(table).to_string(),
            "Prices\n\n| What | Price |\n| --- | --- |\n| tea\\|coffee or milk |  |"
        );
    }

    #[test]
    fn headings_lists_and_code_are_written_as_markdown_has_them() {
        let text = |text: &str| text.to_owned();
        let heading = Content::Heading {
            level: 2,
            text: text("Tea"),
        };
        let item = Content::ListItem {
            depth: 1,
            text: text("green"),
        };
        let code = Content::Code {
            language: Some(text("rust")),
            text: text("fn main() {}"),
        };
        assert_eq!(heading.to_string(), "## Tea");
        assert_eq!(item.to_string(), "  - green");
        assert_eq!(code.to_string(), "```rust\nfn main() {}\n```");
    }
}
