//! What `cargo metadata` says about this workspace.

use std::path::{Path, PathBuf};

use tinyjson::JsonValue;

use crate::process;

/// Host crates that a component may bring along: the query language runs over Spin's SQLite as well.
const PORTABLE: [&str; 1] = ["sbd-documents-query"];

/// The guests of tests that show how a component's own tests are written.
const TESTED: [&str; 2] = ["listener", "memos"];

/// The workspace: where it is, where its build results go, who its members are.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target_dir: PathBuf,
    members: Vec<Member>,
}

/// One package of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// What cargo knows it by alone: a dependency may have the same name.
    pub(crate) id: String,
    /// Its folder, relative to the workspace root.
    folder: PathBuf,
    /// File name of its WebAssembly module, if its library is a `cdylib`.
    wasm: Option<String>,
    /// Names of its binaries.
    binaries: Vec<String>,
}

/// What a member is built for; its folder decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Ships inside the binary: `components/*`.
    Component,
    /// What components have in common: it stands beside them, and builds no module of its own.
    Library,
    /// Loaded by tests alone: `tests/guests/*`, `tests/hostile/*`.
    TestGuest,
    /// This tool.
    Xtask,
    /// Everything else runs natively.
    Host,
}

impl Member {
    fn role(&self) -> Role {
        if self.folder.starts_with("components") {
            match self.wasm {
                Some(_) => Role::Component,
                None => Role::Library,
            }
        } else if self.folder.starts_with("tests/guests")
            || self.folder.starts_with("tests/hostile")
        {
            Role::TestGuest
        } else if self.folder.starts_with("xtask") {
            Role::Xtask
        } else {
            Role::Host
        }
    }

    fn is_tested_natively(&self) -> bool {
        TESTED.contains(&self.name.as_str())
    }

    /// File name of its WebAssembly module.
    pub(crate) fn wasm(&self) -> Option<&str> {
        self.wasm.as_deref()
    }
}

impl Workspace {
    /// Asks cargo. `CARGO_TARGET_DIR` and cargo's own configuration are honoured that way.
    pub(crate) fn read() -> Result<Self, String> {
        let mut metadata = process::cargo();
        metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
        Self::parse(&process::output(&mut metadata)?)
    }

    fn parse(json: &str) -> Result<Self, String> {
        let json: JsonValue = json
            .parse()
            .map_err(|error| format!("`cargo metadata` did not answer with JSON: {error}"))?;
        let root = PathBuf::from(text(&json, "workspace_root")?);
        let target_dir = PathBuf::from(text(&json, "target_directory")?);
        let members = list(&json, "packages")?
            .iter()
            .map(|package| Member::parse(package, &root))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            root,
            target_dir,
            members,
        })
    }

    fn with_role(&self, wanted: &[Role]) -> Vec<&Member> {
        self.members
            .iter()
            .filter(|member| wanted.contains(&member.role()))
            .collect()
    }

    /// The components that ship inside the binary.
    pub(crate) fn components(&self) -> Vec<&Member> {
        self.with_role(&[Role::Component])
    }

    /// The guests that only tests load.
    pub(crate) fn test_guests(&self) -> Vec<&Member> {
        self.with_role(&[Role::TestGuest])
    }

    /// The host crates that promise to build for the sandbox too.
    pub(crate) fn portable(&self) -> Vec<&Member> {
        let is_portable = |member: &&Member| PORTABLE.contains(&member.name.as_str());
        self.members.iter().filter(is_portable).collect()
    }

    /// Everything that is compiled natively in the release profile: the host, the tests, and the components and
    /// guests whose rules are tested without wasm.
    ///
    /// Every host call of cargo selects all of these, whatever it builds of them: cargo unites the features of the
    /// selected packages, so another selection would compile dependencies a second time.
    pub(crate) fn native(&self) -> Vec<&Member> {
        let roles = [Role::Host, Role::Component, Role::Library];
        let is_native =
            |member: &&Member| roles.contains(&member.role()) || member.is_tested_natively();
        self.members.iter().filter(is_native).collect()
    }

    /// What of it runs in the sandbox, and natively in tests alone.
    pub(crate) fn sandboxed(&self) -> impl Iterator<Item = &Member> {
        let native = self.native().into_iter();
        native.filter(|member| member.role() != Role::Host)
    }

    /// All that is compiled natively, with this tool: for what reads sources without running anything.
    pub(crate) fn native_and_xtask(&self) -> Vec<&Member> {
        let mut native = self.native();
        native.extend(self.with_role(&[Role::Xtask]));
        native
    }

    /// Whether some member builds a binary of this name.
    pub(crate) fn has_binary(&self, name: &str) -> bool {
        self.members
            .iter()
            .any(|member| member.binaries.iter().any(|binary| binary == name))
    }

    /// Where a guest's module is after a build.
    pub(crate) fn guest_dir(&self) -> PathBuf {
        self.target_dir
            .join(crate::wasm_target::NAME)
            .join(crate::guests::PROFILE)
    }

    /// Where a host binary is after a build.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.target_dir
            .join("release")
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

impl Member {
    fn parse(package: &JsonValue, root: &Path) -> Result<Self, String> {
        let name = text(package, "name")?.to_owned();
        let manifest = Path::new(text(package, "manifest_path")?);
        let folder = manifest
            .parent()
            .and_then(|folder| folder.strip_prefix(root).ok())
            .unwrap_or(manifest);
        let (mut wasm, mut binaries) = (None, Vec::new());
        for target in list(package, "targets")? {
            let target_name = text(target, "name")?;
            for kind in list(target, "kind")? {
                match kind.get::<String>().map(String::as_str) {
                    Some("cdylib") => {
                        wasm = Some(format!("{}.wasm", target_name.replace('-', "_")))
                    }
                    Some("bin") => binaries.push(target_name.to_owned()),
                    _ => {}
                }
            }
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            id: text(package, "id")?.to_owned(),
            name,
            wasm,
            binaries,
        })
    }
}

/// The value of `key` in a JSON object.
fn field<'a>(json: &'a JsonValue, key: &str) -> Option<&'a JsonValue> {
    json.get::<std::collections::HashMap<String, JsonValue>>()?
        .get(key)
}

fn text<'a>(json: &'a JsonValue, key: &str) -> Result<&'a str, String> {
    field(json, key)
        .and_then(|value| value.get::<String>())
        .map(String::as_str)
        .ok_or_else(|| format!("`cargo metadata` names no `{key}`; is cargo older than 1.95?"))
}

fn list<'a>(json: &'a JsonValue, key: &str) -> Result<&'a Vec<JsonValue>, String> {
    field(json, key)
        .and_then(|value| value.get::<Vec<JsonValue>>())
        .ok_or_else(|| format!("`cargo metadata` names no `{key}`; is cargo older than 1.95?"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Member, Workspace};

    const METADATA: &str = r#"{
        "workspace_root": "/w s/second-brain", "target_directory": "/elsewhere/target",
        "packages": [
            {"name": "sbd", "id": "sbd@1", "manifest_path": "/w s/second-brain/host/sbd/Cargo.toml",
             "targets": [{"name": "sbd", "kind": ["bin"]}, {"name": "build-script-build", "kind": ["custom-build"]}]},
            {"name": "auth", "id": "auth@1", "manifest_path": "/w s/second-brain/components/auth/Cargo.toml",
             "targets": [{"name": "auth", "kind": ["cdylib"]}]},
            {"name": "membership", "id": "membership@1", "manifest_path": "/w s/second-brain/components/membership/Cargo.toml",
             "targets": [{"name": "membership", "kind": ["lib"]}]},
            {"name": "deep-stack", "id": "deep-stack@1", "manifest_path": "/w s/second-brain/tests/hostile/deep-stack/Cargo.toml",
             "targets": [{"name": "deep_stack", "kind": ["cdylib"]}]},
            {"name": "sbd-bench", "id": "sbd-bench@1", "manifest_path": "/w s/second-brain/tests/bench/Cargo.toml",
             "targets": [{"name": "sbd-bench", "kind": ["bin"]}]},
            {"name": "xtask", "id": "xtask@1", "manifest_path": "/w s/second-brain/xtask/Cargo.toml",
             "targets": [{"name": "xtask", "kind": ["bin"]}]}
        ]}"#;

    fn names(members: &[&Member]) -> Vec<String> {
        members.iter().map(|member| member.name.clone()).collect()
    }

    #[test]
    fn sorts_members_by_their_folder() {
        let workspace = Workspace::parse(METADATA).unwrap();
        assert_eq!(names(&workspace.components()), ["auth"]);
        assert_eq!(names(&workspace.test_guests()), ["deep-stack"]);
        assert_eq!(
            names(&workspace.native()),
            ["sbd", "auth", "membership", "sbd-bench"]
        );
        assert_eq!(
            names(&workspace.native_and_xtask()),
            ["sbd", "auth", "membership", "sbd-bench", "xtask"]
        );
    }

    #[test]
    fn knows_files_by_target_and_target_directory() {
        let workspace = Workspace::parse(METADATA).unwrap();
        assert_eq!(workspace.components()[0].wasm(), Some("auth.wasm"));
        assert_eq!(workspace.test_guests()[0].wasm(), Some("deep_stack.wasm"));
        assert_eq!(workspace.native()[0].wasm(), None);
        assert!(workspace.has_binary("sbd-bench"));
        assert!(!workspace.has_binary("auth"));
        assert!(workspace.guest_dir().starts_with("/elsewhere/target"));
    }

    #[test]
    fn says_what_is_missing() {
        assert!(Workspace::parse("{").unwrap_err().contains("JSON"));
        assert!(
            Workspace::parse(r#"{"workspace_root": "/w"}"#)
                .unwrap_err()
                .contains("target_directory")
        );
    }
}
