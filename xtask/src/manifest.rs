//! The application's manifest: a head that is written by hand, and below it what each component's own manifest says.

use std::path::{Component, Path, PathBuf};

use crate::workspace::Workspace;

/// The name of every manifest.
pub(crate) const FILE: &str = "spin.toml";

/// Every folder in here that has a manifest is a component.
const COMPONENTS: &str = "components";

/// The component that stands first: what the others know of a user comes from it.
const FIRST: &str = "auth";

/// Where the head ends.
const LINE: &str = "# Below this line stands what components/*/spin.toml say. Change it there, then run `cargo xtask manifest`.\n";

/// Brings the manifest up to date. Returns whether it was not.
pub(crate) fn write(workspace: &Workspace) -> Result<bool, String> {
    let path = workspace.root.join(FILE);
    let new = assembled(&workspace.root)?;
    if read(&path)? == new {
        return Ok(false);
    }
    std::fs::write(&path, new)
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(true)
}

/// Refuses a manifest that is not up to date.
pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    if read(&workspace.root.join(FILE))? == assembled(&workspace.root)? {
        return Ok(());
    }
    Err(format!(
        "{FILE} is not what the components' own manifests say; run `cargo xtask manifest` and commit it"
    ))
}

fn assembled(root: &Path) -> Result<String, String> {
    let mut text = head(&read(&root.join(FILE))?)?.to_owned();
    for name in components(root)? {
        let folder = Path::new(COMPONENTS).join(&name);
        let own = read(&root.join(&folder).join(FILE))?;
        let part = part(&name, &folder, &own)
            .map_err(|error| format!("{}: {error}", folder.join(FILE).display()))?;
        text.push('\n');
        text.push_str(&part);
    }
    Ok(text)
}

/// The manifest up to the line that ends its head.
fn head(manifest: &str) -> Result<&str, String> {
    let end = manifest.find(LINE).ok_or_else(|| {
        format!("{FILE} has lost the line that ends its head; put it back:\n{LINE}")
    })?;
    Ok(&manifest[..end + LINE.len()])
}

/// The names of the components, in the order in which they stand in the manifest.
fn components(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join(COMPONENTS);
    let unreadable = |error| format!("{} cannot be read: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().join(FILE).is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_by_key(|name| (name != FIRST, name.clone()));
    Ok(names)
}

/// What the application takes over of a component's manifest: all but what that says of itself as an application.
/// Files are named from the root, and commands run in the component's folder, as they do without the others.
fn part(name: &str, folder: &Path, own: &str) -> Result<String, String> {
    let component = format!("[component.{name}]");
    let below = format!("[component.{name}.");
    // No two components have variables of the application of the same name.
    let variables = format!("[variables.{name}_");
    let build = format!("[component.{name}.build]");
    let own: Vec<&str> = own.lines().collect();
    let title = own.iter().take_while(|line| line.starts_with('#'));
    let mut lines: Vec<String> = title.map(|line| (*line).to_owned()).collect();
    for Table {
        above,
        header,
        body,
    } in tables(&own)
    {
        if header.starts_with("[application") {
            continue;
        }
        let is_own =
            header == component || header.starts_with(&below) || header.starts_with(&variables);
        if !is_own && !header.starts_with("[[trigger.") {
            return Err(format!(
                "`{header}` cannot be taken over; beside [application], [[trigger.http]] and {variables}NAME], all that \
                 a component says stands under {component}, which is called as its folder"
            ));
        }
        lines.extend(above.iter().map(|line| (*line).to_owned()));
        lines.push(header.to_owned());
        if header == build {
            if body.iter().any(|line| line.starts_with("workdir")) {
                return Err("leave `workdir` out: commands run in the component's folder".into());
            }
            lines.push(format!("workdir = \"{}\"", folder.display()));
        }
        if header == component && !body.iter().any(|line| source(line, folder).is_some()) {
            return Err(format!(
                "under {component} there is no line `source = \"FILE\"`"
            ));
        }
        lines.extend(
            body.iter()
                .map(|line| source(line, folder).unwrap_or_else(|| (*line).to_owned())),
        );
    }
    Ok(lines.join("\n") + "\n")
}

/// A table of a manifest, with the comments above it.
struct Table<'a> {
    above: &'a [&'a str],
    header: &'a str,
    body: &'a [&'a str],
}

fn tables<'a>(lines: &'a [&'a str]) -> Vec<Table<'a>> {
    let is_above = |line: &&&str| line.is_empty() || line.starts_with('#');
    let begins = |header: usize| header - lines[..header].iter().rev().take_while(is_above).count();
    let headers: Vec<usize> = (0..lines.len())
        .filter(|&line| lines[line].starts_with('['))
        .collect();
    let ends = headers.iter().skip(1).map(|&next| begins(next));
    let ends = ends.chain([lines.len()]);
    let table = |(&header, end)| Table {
        above: &lines[begins(header)..header],
        header: lines[header],
        body: &lines[header + 1..end],
    };
    headers.iter().zip(ends).map(table).collect()
}

/// A line that names a component's file, as it is written in the root.
fn source(line: &str, folder: &Path) -> Option<String> {
    let file = line.strip_prefix("source = \"")?.strip_suffix('"')?;
    let file = plain(&folder.join(file));
    Some(format!("source = \"{}\"", file.display()))
}

/// A path without `..`, where there is something to go back from.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if plain.pop() => {}
            part => plain.push(part),
        }
    }
    plain
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{assembled, components, head, part};
    use std::path::Path;

    const NOTES: &str = r##"# What people write down.
spin_manifest_version = 2

[application]
name = "notes"

# Alone it asks nobody.
[application.tool.sbd]
rate_limit = { per_second = 1, burst = 1 }

# Where it is.
[[trigger.http]]
route = "/notes/..."
component = "notes"

[component.notes]
source = "../../target/notes.wasm"
[component.notes.build]
command = "make"

[component.notes.tool.sbd.collections.notes]
indexes = [
    # By whom.
    { name = "by_owner", fields = ["owner"] },
]
# The end.
"##;

    fn notes(own: &str) -> Result<String, String> {
        part("notes", Path::new("components/notes"), own)
    }

    #[test]
    fn takes_over_all_but_the_application() {
        let expected = r##"# What people write down.

# Where it is.
[[trigger.http]]
route = "/notes/..."
component = "notes"

[component.notes]
source = "target/notes.wasm"
[component.notes.build]
workdir = "components/notes"
command = "make"

[component.notes.tool.sbd.collections.notes]
indexes = [
    # By whom.
    { name = "by_owner", fields = ["owner"] },
]
# The end.
"##;
        assert_eq!(notes(NOTES).unwrap(), expected);
    }

    #[test]
    fn refuses_what_it_would_get_wrong() {
        for (old, new, reason) in [
            (
                "[component.notes]",
                "[component.other]",
                "called as its folder",
            ),
            (
                "[[trigger.http]]",
                "[variables]",
                "`[variables]` cannot be taken over",
            ),
            (
                "[[trigger.http]]",
                "[variables.others_page]",
                "`[variables.others_page]` cannot be taken over",
            ),
            ("command", "workdir = \"x\"\ncommand", "leave `workdir` out"),
            ("notes.wasm\"", "notes.wasm\" # built", "no line `source"),
        ] {
            let said = notes(&NOTES.replace(old, new)).unwrap_err();
            assert!(said.contains(reason), "{new}: {said}");
        }
        assert!(head("[application]\n").unwrap_err().contains("put it back"));
    }

    #[test]
    fn finds_every_component_and_auth_first() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let names = components(&root).unwrap();
        assert_eq!(names.first().map(String::as_str), Some("auth"));
        assert!(names[1..].is_sorted(), "{names:?}");
        let assembled = assembled(&root).unwrap();
        for name in names {
            assert!(assembled.contains(&format!("\n[component.{name}]\n")));
        }
    }
}
