//! Which toolchain made a component, as the `producers` sections of its file name it.

use std::collections::BTreeSet;
use std::fmt;
use wasmparser::{BinaryReaderError, ProducersSectionReader};

/// A toolchain that makes components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Toolchain {
    /// Rust's own compiler, and nothing beside it but C that it links.
    Rust,
    /// componentize-py.
    ComponentizePy,
    /// ComponentizeJS.
    ComponentizeJs,
    /// Another, or one that leaves no name.
    Unknown,
}

/// What has had a hand in a component, itself and all that it is made of.
#[derive(Debug, Default)]
pub(super) struct Producers(BTreeSet<String>);

/// ComponentizeJS signs the components that it makes.
const COMPONENTIZE_JS: &str = "ComponentizeJS";

/// With this componentize-py takes the picture of an interpreter that has started.
const COMPONENTIZE_PY: &str = "component-init-transform";

/// These tell Rust.
const RUST: &[&str] = &["Rust", "rustc", "wit-bindgen-rust"];

/// These are found in what Rust makes too: the C of its standard library and of what is linked to it,
/// and what makes components of modules.
const BESIDE_RUST: &[&str] = &[
    "C11",
    "C17",
    "C99",
    "clang",
    "wit-bindgen-c",
    "wit-component",
    "cargo-component",
];

// === impl Producers ===

impl Producers {
    /// Adds what one section names.
    pub(super) fn add(
        &mut self,
        section: ProducersSectionReader<'_>,
    ) -> Result<(), BinaryReaderError> {
        for field in section {
            for value in field?.values {
                self.0.insert(value?.name.to_owned());
            }
        }
        Ok(())
    }

    pub(super) fn toolchain(&self) -> Toolchain {
        let named = |name: &str| self.0.contains(name);
        let is_rust =
            |name: &String| RUST.contains(&name.as_str()) || BESIDE_RUST.contains(&name.as_str());
        if named(COMPONENTIZE_JS) {
            Toolchain::ComponentizeJs
        } else if named(COMPONENTIZE_PY) {
            Toolchain::ComponentizePy
        } else if RUST.iter().any(|name| named(name)) && self.0.iter().all(is_rust) {
            Toolchain::Rust
        } else {
            Toolchain::Unknown
        }
    }
}

// === impl Toolchain ===

impl Toolchain {
    /// Whether an instance of WASI 0.2 that it made can answer a second request when the first is done.
    /// `tests/end-to-end/tests/toolchains.rs` has tried it.
    pub(crate) fn bears_reuse(self) -> bool {
        matches!(self, Self::Rust | Self::ComponentizePy)
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::ComponentizePy => "componentize-py",
            Self::ComponentizeJs => "ComponentizeJS",
            Self::Unknown => "an unknown toolchain",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(names: &[&str]) -> Toolchain {
        Producers(names.iter().map(ToString::to_string).collect()).toolchain()
    }

    #[test]
    fn engines_are_told_from_what_they_are_written_in() {
        let engine = ["clang", "rustc", "Rust", "C_plus_plus_14"];
        assert_eq!(toolchain(&engine), Toolchain::Unknown);
        let js = [engine.as_slice(), &["ComponentizeJS", "JavaScript"]].concat();
        assert_eq!(toolchain(&js), Toolchain::ComponentizeJs);
        let py = ["Rust", "rustc", "wit-component", "component-init-transform"];
        assert_eq!(toolchain(&py), Toolchain::ComponentizePy);
    }

    #[test]
    fn rust_is_known_with_and_without_its_symbols() {
        let whole = [
            "Rust",
            "rustc",
            "C11",
            "clang",
            "wit-bindgen-rust",
            "wit-component",
        ];
        assert_eq!(toolchain(&whole), Toolchain::Rust);
        assert_eq!(
            toolchain(&["wit-component", "wit-bindgen-rust"]),
            Toolchain::Rust
        );
        assert_eq!(toolchain(&["wit-component"]), Toolchain::Unknown);
        assert_eq!(toolchain(&["clang", "C11"]), Toolchain::Unknown);
        assert_eq!(toolchain(&["Rust", "rustc", "TinyGo"]), Toolchain::Unknown);
        assert_eq!(toolchain(&[]), Toolchain::Unknown);
    }
}
