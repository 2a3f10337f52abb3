//! The same documents as another program reads them: no word that it finds is missing here.

use super::{fixture, read_fixture, text};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// The fixtures, and words that the other program adds, or shows though nobody sees them.
const DOCUMENTS: [(&str, &[&str]); 7] = [
    ("report.docx", &[]),
    ("slides.pptx", &["notes"]),
    // Numbers are decimal, days have hours, and what is empty is not a number.
    (
        "stock.xlsx",
        &["nan", "unnamed", "120.0", "75.0", "12.0", "00", "0", "1"],
    ),
    // It does not know bullets.
    ("report.pdf", &["cid", "127"]),
    ("page.html", &["nobody", "sees", "this"]),
    ("book.epub", &["title", "authors", "language", "en"]),
    ("prices.csv", &[]),
];

#[test]
fn no_word_is_missing() {
    let markitdown = match program() {
        Ok(markitdown) => markitdown,
        Err(missing) => {
            // libtest swallows what `println!` prints in a test that passes.
            let mut out = std::io::stdout();
            writeln!(out, "SKIPPED-PEER: markitdown: {}", missing.trim()).unwrap();
            return;
        }
    };
    for (name, added) in DOCUMENTS {
        let file = std::env::temp_dir().join(format!("parser-{}-{name}", std::process::id()));
        std::fs::write(&file, fixture(name)).unwrap();
        let output = Command::new(&markitdown).arg(&file).output().unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (document, blocks) = read_fixture(name);
        let title = document.title.unwrap_or_default();
        let places: Vec<_> = blocks.iter().map(|block| block.place.to_string()).collect();
        let ours = words(&format!(
            "{title} {} {} {}",
            document.author.unwrap_or_default(),
            places.join(" "),
            text(&blocks)
        ));
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<_> = theirs
            .lines()
            .filter(|line| !line.starts_with("<!--"))
            .collect();
        let theirs = words(&theirs.join("\n"));
        assert!(theirs.len() > 5, "{name}: {theirs:?}");
        for word in theirs {
            assert!(
                ours.contains(&word) || added.contains(&word.as_str()),
                "{name} lacks `{word}`"
            );
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|character: char| {
        !(character.is_alphanumeric() || character == '.' || character == '-')
    });
    let words = words.map(|word| word.trim_matches(['.', '-']).to_lowercase());
    words.filter(|word| !word.is_empty()).collect()
}

/// The other program, which `cargo xtask test` gets.
fn program() -> Result<PathBuf, String> {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.ancestors().nth(3).unwrap().join("peers/markitdown");
    if folder.join("complete").exists() {
        return Ok(folder.join("bin/markitdown"));
    }
    let lacks = std::fs::read_to_string(folder.with_extension("missing"));
    Err(lacks.unwrap_or_else(|_| "run `cargo xtask test`, which gets it".to_owned()))
}
