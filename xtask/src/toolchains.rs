//! Guests of other toolchains, made for the tests alone of the sources under `tests/toolchains/`. What makes them is
//! got once, in the version that stands here; a guest is made again when its source or its recipe changes.
//!
//! A machine without node or python goes without: the tests name what they miss.

use std::path::{Path, PathBuf};
use std::process::Command;

use tinyjson::JsonValue;

use crate::process;
use crate::wasm_target;
use crate::workspace::Workspace;

/// A guest, and how it is made.
#[derive(Debug)]
struct Recipe {
    /// Its folder under `tests/toolchains/`, and the name of its file.
    name: &'static str,
    /// The files that it is made of.
    sources: &'static [&'static str],
    maker: Maker,
    /// The crate that carries its interfaces, and the world of them that it has.
    wit: (&'static str, &'static str),
    /// The newest release of WASI 0.2 that its maker knows.
    newest: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Maker {
    ComponentizeJs,
    ComponentizePy,
}

const RECIPES: [Recipe; 3] = [
    Recipe {
        name: "javascript",
        sources: &["guest.js", "build.mjs"],
        maker: Maker::ComponentizeJs,
        wit: ("wasip2", "wasi:http/proxy@0.2.10"),
        newest: Some(10),
    },
    Recipe {
        name: "python02",
        sources: &["app.py"],
        maker: Maker::ComponentizePy,
        wit: ("wasip2", "wasi:http/proxy@0.2.10"),
        newest: Some(10),
    },
    Recipe {
        name: "python03",
        sources: &["app.py"],
        maker: Maker::ComponentizePy,
        wit: ("wasip3", "wasi:http/service@0.3.0"),
        newest: None,
    },
];

/// Makes those that are not as their sources say. What a machine lacks is written down for the tests, beside the place
/// where the guest would be.
pub(crate) fn guests(workspace: &Workspace) -> Result<(), String> {
    for recipe in &RECIPES {
        let folder = workspace.root.join("tests/toolchains").join(recipe.name);
        let component = workspace.guest_dir().join(format!("{}.wasm", recipe.name));
        let missing = component.with_extension("missing");
        let made_of = component.with_extension("made-of");
        let wanted = recipe.written(&folder)?;
        if component.exists() && std::fs::read_to_string(&made_of).is_ok_and(|had| had == wanted) {
            continue;
        }
        let _ = std::fs::remove_file(&component);
        let tools = workspace
            .target_dir
            .join("toolchains")
            .join(recipe.maker.package().replace(['@', '/', '='], "-"));
        match recipe.maker.get(&tools) {
            Err(reason) => write(&missing, &format!("{}: {reason}", recipe.maker.program()))?,
            Ok(()) => {
                let scratch = tools.join(recipe.name);
                let wit = recipe.wit(&scratch)?;
                recipe.make(&folder, &tools, &scratch, &wit, &component)?;
                write(&made_of, &wanted)?;
                let _ = std::fs::remove_file(&missing);
            }
        }
    }
    Ok(())
}

impl Recipe {
    /// All that decides what comes out.
    fn written(&self, folder: &Path) -> Result<String, String> {
        let mut all = format!("{self:?} {}\n", self.maker.package());
        for source in self.sources {
            all.push_str(&read(&folder.join(source))?);
        }
        Ok(all)
    }

    /// The interfaces, in the folder that their makers want.
    fn wit(&self, scratch: &Path) -> Result<PathBuf, String> {
        let (package, world) = self.wit;
        let (from, to) = (crate_folder(package)?.join("wit/deps"), scratch.join("wit"));
        let _ = std::fs::remove_dir_all(scratch);
        make_folder(&to.join("deps"))?;
        write(
            &to.join("guest.wit"),
            &format!("package test:guest;\nworld guest {{ include {world}; }}\n"),
        )?;
        let files = std::fs::read_dir(&from).map_err(|error| about(&from, &error))?;
        for file in files {
            let file = file.map_err(|error| about(&from, &error))?;
            let mut text = read(&file.path())?;
            // Releases of 0.2 fit each other; only their names differ.
            if let Some(newest) = self.newest {
                for newer in newest + 1..newest + 30 {
                    text = text.replace(&format!("0.2.{newer}"), &format!("0.2.{newest}"));
                }
            }
            write(&to.join("deps").join(file.file_name()), &text)?;
        }
        Ok(to)
    }

    fn make(
        &self,
        folder: &Path,
        tools: &Path,
        scratch: &Path,
        wit: &Path,
        component: &Path,
    ) -> Result<(), String> {
        match self.maker {
            Maker::ComponentizeJs => {
                let mut node = Command::new("node");
                node.arg(folder.join("build.mjs")).arg(tools);
                node.arg(folder.join("guest.js")).arg(wit).arg(component);
                process::output(&mut node)?;
            }
            Maker::ComponentizePy => {
                let program = tools.join("bin/componentize-py");
                let call = || {
                    let mut call = Command::new(&program);
                    call.arg("-d").arg(wit).args(["-w", "guest"]);
                    call
                };
                let bindings = scratch.join("bindings");
                process::output(call().arg("bindings").arg(&bindings))?;
                let mut make = call();
                make.arg("componentize").arg("app").arg("-o").arg(component);
                // Python leaves files beside what it reads.
                let copy = scratch.join("source");
                make_folder(&copy)?;
                for source in self.sources {
                    write(&copy.join(source), &read(&folder.join(source))?)?;
                }
                process::output(make.arg("-p").arg(&copy).arg("-p").arg(&bindings))?;
            }
        }
        Ok(())
    }
}

impl Maker {
    /// What runs it.
    fn program(self) -> &'static str {
        match self {
            Self::ComponentizeJs => "node",
            Self::ComponentizePy => "python3",
        }
    }

    /// Its package and version, as its package manager writes them.
    fn package(self) -> &'static str {
        match self {
            Self::ComponentizeJs => "@bytecodealliance/componentize-js@0.23.0",
            Self::ComponentizePy => "componentize-py==0.25.1",
        }
    }

    /// Gets it, unless it is there.
    fn get(self, tools: &Path) -> Result<(), String> {
        process::output(Command::new(self.program()).arg("--version"))?;
        let whole = tools.join("complete");
        if whole.exists() {
            return Ok(());
        }
        // What an attempt left behind that broke off.
        let _ = std::fs::remove_dir_all(tools);
        make_folder(tools)?;
        match self {
            Self::ComponentizeJs => {
                let mut npm = Command::new("npm");
                npm.args(["install", "--no-audit", "--no-fund", "--prefix"]);
                process::output(npm.arg(tools).arg(self.package()))?;
            }
            Self::ComponentizePy => {
                process::output(Command::new("python3").args(["-m", "venv"]).arg(tools))?;
                let mut pip = Command::new(tools.join("bin/pip"));
                process::output(pip.args(["install", "--quiet", self.package()]))?;
            }
        }
        write(&whole, self.package())
    }
}

/// Where the sources of a crate are that a member depends on.
fn crate_folder(name: &str) -> Result<PathBuf, String> {
    let mut metadata = process::cargo();
    metadata.args(["metadata", "--format-version", "1"]);
    // Without it cargo would get what other machines need.
    metadata.args(["--filter-platform", wasm_target::NAME]);
    let json: JsonValue = process::output(&mut metadata)?
        .parse()
        .map_err(|error| format!("`cargo metadata` did not answer with JSON: {error}"))?;
    let text = |value: &JsonValue, key: &str| {
        let object = value.get::<std::collections::HashMap<String, JsonValue>>();
        object.and_then(|object| object.get(key)?.get::<String>().cloned())
    };
    let packages = json.get::<std::collections::HashMap<String, JsonValue>>();
    let packages = packages.and_then(|all| all.get("packages")?.get::<Vec<JsonValue>>());
    let mut packages = packages.into_iter().flatten();
    let found = packages.find(|package| text(package, "name").as_deref() == Some(name));
    let manifest = found.and_then(|package| text(package, "manifest_path"));
    let folder = manifest.and_then(|manifest| Some(Path::new(&manifest).parent()?.to_owned()));
    folder.ok_or_else(|| {
        format!("no member depends on the crate `{name}`, whose interfaces are wanted")
    })
}

fn make_folder(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path).map_err(|error| about(path, &error))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| about(path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| about(path, &error))
}

fn about(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
