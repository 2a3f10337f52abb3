//! What a component's file says about itself, read without compiling it.

mod reuse;
mod spin;
mod toolchain;

pub use reuse::Reuse;
pub use toolchain::Toolchain;

use crate::instances::grants::{
    Needs, Permission, is_granted, is_handler, is_new_handler, needs_of,
};
use sbd_manifest::{Component as Declared, Limits};
use std::collections::BTreeSet;
use std::fmt;
use toolchain::Producers;
use wasmparser::{BinaryReaderError, Encoding, KnownCustom, Parser, Payload};

/// What a component imports, wants and offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The size of its file in bytes.
    pub bytes: usize,
    /// The interfaces it imports, in the order of their names.
    pub imports: BTreeSet<String>,
    /// What it exports, in the order of the names.
    pub exports: BTreeSet<String>,
    /// What made it.
    pub toolchain: Toolchain,
}

/// Why a file is no component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Something else altogether.
    #[error("it is no WebAssembly file; name the .wasm file that a build for wasm32-wasip2 makes")]
    NotWasm,
    /// A module, as other targets make it.
    #[error(
        "it is a core module, not a component; build it for wasm32-wasip2, or make a component of it: wasm-tools component new"
    )]
    CoreModule,
    /// It ends too early, or is damaged.
    #[error("it is damaged or only half there ({0}); build or copy it again")]
    Damaged(String),
}

/// Another host that components can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Fermyon Spin 4.1.
    Spin4_1,
}

// === impl Inspection ===

impl Inspection {
    /// Reads a component's file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(wasm: &[u8]) -> Result<Self, Unreadable> {
        if !wasm.starts_with(b"\0asm") {
            return Err(Unreadable::NotWasm);
        }
        let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
        let mut producers = Producers::default();
        // Components contain modules and components, whose imports are their own affair.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(damaged)? {
                Payload::Version { encoding, .. } if depth == 0 && encoding == Encoding::Module => {
                    return Err(Unreadable::CoreModule);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                // Whoever made a part has left its name there.
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(names) = section.as_known() {
                        producers.add(names).map_err(damaged)?;
                    }
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.insert(import.map_err(damaged)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.insert(export.map_err(damaged)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            bytes: wasm.len(),
            imports,
            exports,
            toolchain: producers.toolchain(),
        })
    }

    /// What it wants and must be granted.
    pub fn permissions(&self) -> BTreeSet<Permission> {
        let needs = self.imports.iter().filter_map(|import| needs_of(import));
        needs.filter_map(Needs::permission).collect()
    }

    /// What of it a manifest does not grant. Where it starts without, it is denied what it asks for.
    pub fn wishes(&self, declared: &Declared) -> BTreeSet<Permission> {
        let needs = self.imports.iter().filter_map(|import| needs_of(import));
        let open = needs.filter(|needs| !is_granted(*needs, declared));
        open.filter_map(Needs::permission).collect()
    }

    /// How many requests one of its instances may answer.
    pub fn reuse(&self, limits: &Limits) -> Reuse {
        if self.handlers().any(is_new_handler) {
            Reuse::of_new(limits)
        } else {
            Reuse::of_old(self.toolchain, limits)
        }
    }

    /// The imports that this host does not offer to anybody.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let imports = self.imports.iter().map(String::as_str);
        imports.filter(|import| needs_of(import).is_none())
    }

    /// The imports that this host does not serve, with what to do instead of calling them. It runs, and
    /// calls of them are refused.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let imports = self.imports.iter().map(String::as_str);
        imports.filter_map(|import| match needs_of(import)? {
            Needs::Instead(instead) => Some((import, instead)),
            _ => None,
        })
    }

    /// How it answers HTTP requests: the interfaces of that kind among its exports.
    pub fn handlers(&self) -> impl Iterator<Item = &str> {
        let exports = self.exports.iter().map(String::as_str);
        exports.filter(|export| is_handler(export))
    }

    /// What keeps it from running on another host; nothing: it does.
    pub fn obstacles(&self, target: Target) -> Vec<String> {
        let Target::Spin4_1 = target;
        let imports = self.imports.iter().filter(|import| !spin::links(import));
        let mut obstacles: Vec<String> = imports
            .map(|import| format!("{target} does not offer {import}"))
            .collect();
        let handlers: Vec<&str> = self.handlers().collect();
        match handlers.as_slice() {
            [one] if spin::calls(one) => {}
            [] => obstacles.push(format!(
                "it exports no HTTP handler, and {target} calls nothing else"
            )),
            [one] => obstacles.push(format!("{target} does not call {one}")),
            _ => obstacles.push(format!(
                "{target} takes one HTTP handler, and it exports {}",
                handlers.join(" and ")
            )),
        }
        obstacles
    }
}

fn damaged(error: BinaryReaderError) -> Unreadable {
    Unreadable::Damaged(error.to_string())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spin4_1 => f.write_str("Spin 4.1"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const NEITHER: &str = "(component
        (import \"wasi:cli/stdout@0.2.6\" (instance))
        (import \"sbd:platform/cache@0.1.0\" (instance))
        (import \"wasi:nn/graph@0.2.0\" (instance))
        (import \"fermyon:spin/redis@2.0.0\" (instance))
        (import \"fermyon:spin/sqlite@2.0.0\" (instance))
        (component (import \"wasi:http/client@0.3.0\" (instance)))
        (core module (import \"env\" \"f\" (func)))
    )";

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn its_own_imports_count_and_not_those_inside() {
        let inspection = Inspection::read(&component(NEITHER)).unwrap();
        assert_eq!(inspection.imports.len(), 5, "{inspection:?}");
        let wishes: Vec<&str> = inspection
            .permissions()
            .iter()
            .map(|permission| permission.grant)
            .collect();
        assert_eq!(wishes, ["cache", "sqlite_databases"]);
        let refused: Vec<&str> = inspection.refused().map(|(import, _)| import).collect();
        assert_eq!(refused, ["fermyon:spin/redis@2.0.0"]);
        assert_eq!(
            inspection.unknown().collect::<Vec<_>>(),
            ["wasi:nn/graph@0.2.0"]
        );
        assert_eq!(
            inspection.obstacles(Target::Spin4_1),
            [
                "Spin 4.1 does not offer sbd:platform/cache@0.1.0",
                "Spin 4.1 does not offer wasi:nn/graph@0.2.0",
                "it exports no HTTP handler, and Spin 4.1 calls nothing else",
            ]
        );
    }

    #[test]
    fn what_is_no_component_is_named_as_what_it_is() {
        let whole = component(NEITHER);
        assert_eq!(Inspection::read(b"MZ and so on"), Err(Unreadable::NotWasm));
        assert_eq!(Inspection::read(b""), Err(Unreadable::NotWasm));
        let module = component("(module)");
        assert_eq!(Inspection::read(&module), Err(Unreadable::CoreModule));
        for end in 4..whole.len() {
            // Where one section ends and the next has not begun, a shorter component ends too.
            match Inspection::read(&whole[..end]) {
                Ok(less) => assert!(less.imports.len() <= 5, "{end}"),
                Err(error) => assert!(matches!(error, Unreadable::Damaged(_)), "{end}: {error}"),
            }
        }
    }
}
