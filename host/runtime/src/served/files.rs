//! The files that a component may read. They are copied to a folder of their own when the component is
//! loaded: a version goes on with what it was loaded with, and nothing that is put beside them later is
//! in its reach.

use globset::{GlobBuilder, GlobMatcher};
use sbd_manifest::{Files, Mounted};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Files of a component, ready to be read.
pub(crate) struct LaidOut {
    folder: TempDir,
    digest: blake3::Hash,
}

/// Files by the paths under which the component finds them, without the leading slash.
type Found = BTreeMap<PathBuf, PathBuf>;

// === impl LaidOut ===

impl LaidOut {
    /// Lays out what a manifest names, below `folder`; `before`: what is laid out already, which is as good if the files
    /// are the same.
    pub(crate) fn of(
        files: &Files,
        folder: &Path,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, String> {
        let found = find(files)?;
        let digest = digest(&found).map_err(|error| error.to_string())?;
        if let Some(before) = before
            && before.digest == digest
        {
            return Ok(Arc::clone(before));
        }
        let folder = lay_out(&found, folder).map_err(|error| error.to_string())?;
        Ok(Arc::new(Self { folder, digest }))
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what a process that did not come to its end has left there.
pub(crate) fn clear(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn lay_out(found: &Found, folder: &Path) -> io::Result<TempDir> {
    std::fs::create_dir_all(folder)?;
    let folder = tempfile::tempdir_in(folder)?;
    for (inside, file) in found {
        let to = folder.path().join(inside);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(file, to)?;
    }
    Ok(folder)
}

fn digest(found: &Found) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    for (inside, file) in found {
        let content = blake3::Hasher::new()
            .update_reader(std::fs::File::open(file)?)?
            .finalize();
        // Of a fixed length each, so that nothing moves from one to the next.
        hasher.update(blake3::hash(inside.as_os_str().as_encoded_bytes()).as_bytes());
        hasher.update(content.as_bytes());
    }
    Ok(hasher.finalize())
}

fn find(files: &Files) -> Result<Found, String> {
    let root = match files.folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => &files.folder,
    };
    let unreadable =
        |path: &Path, error: io::Error| format!("`files`: cannot read {}: {error}", path.display());
    let whole = root
        .canonicalize()
        .map_err(|error| unreadable(root, error))?;
    let excluded = files.excluded.iter().map(|pattern| matcher(pattern, false));
    let excluded: Vec<GlobMatcher> = excluded.collect::<Result<_, _>>()?;
    let mut found = Found::new();
    for mounted in &files.mounted {
        let named = match mounted {
            Mounted::Pattern(pattern) => pattern,
            Mounted::At { source, .. } => source,
        };
        let named = plain(named);
        let (start, pattern) = split(&whole, &named);
        let pattern = pattern.map(|pattern| matcher(&pattern, true)).transpose()?;
        let mut below = Vec::new();
        match walk(&start, &mut below) {
            // Nothing below it matches a pattern, either.
            Err(error) if error.kind() == io::ErrorKind::NotFound && pattern.is_some() => {}
            walked => walked.map_err(|error| unreadable(&start, error))?,
        }
        for file in below {
            let real = file
                .canonicalize()
                .map_err(|error| unreadable(&file, error))?;
            if !real.starts_with(&whole) {
                return Err(format!(
                    "`files`: {} leads out of the application's folder; copy the file there",
                    file.display()
                ));
            }
            let own = file.strip_prefix(&whole).unwrap_or(&file);
            if pattern
                .as_ref()
                .is_some_and(|pattern| !pattern.is_match(own))
                || excluded.iter().any(|pattern| pattern.is_match(own))
            {
                continue;
            }
            let inside = match mounted {
                Mounted::Pattern(_) => own.to_owned(),
                Mounted::At { destination, .. } => {
                    let destination = Path::new(destination.trim_matches('/'));
                    match file.strip_prefix(&start) {
                        // A folder's; a file itself is found under the destination's own name.
                        Ok(rest) if !rest.as_os_str().is_empty() => destination.join(rest),
                        _ => destination.to_owned(),
                    }
                }
            };
            found.insert(inside, file);
        }
    }
    Ok(found)
}

/// Where to look, and what to look for there if it is a pattern.
fn split(whole: &Path, named: &str) -> (PathBuf, Option<String>) {
    let is_pattern = |part: &&str| part.contains(['*', '?', '[', '{']);
    if whole.join(named).exists() || !named.split('/').any(|part| is_pattern(&part)) {
        return (whole.join(named), None);
    }
    let before: Vec<&str> = named
        .split('/')
        .take_while(|part| !is_pattern(part))
        .collect();
    (whole.join(before.join("/")), Some(named.to_owned()))
}

/// Without the parts that lead nowhere.
fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

fn matcher(pattern: &str, by_folders: bool) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(&plain(pattern))
        .literal_separator(by_folders)
        .build();
    let glob = glob.map_err(|error| format!("`files`: {error}"))?;
    Ok(glob.compile_matcher())
}

/// Every file below a path, or the path itself if it is one. Folders that are linked are not entered.
fn walk(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if std::fs::metadata(&path)?.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_manifest::{App, LoadOptions};

    /// An application's folder with these files.
    fn folder(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        folder
    }

    fn files(folder: &Path, lines: &str) -> Files {
        let text = format!(
            "spin_manifest_version = 2\n[application]\nname = \"a\"\n[component.a]\nsource = \"a.wasm\"\n{lines}"
        );
        let loaded = App::parse(&text, "spin.toml", folder, &LoadOptions::default());
        loaded.unwrap().app.components["a"].files.clone()
    }

    fn names(folder: &Path, lines: &str) -> Vec<String> {
        let found = find(&files(folder, lines)).unwrap();
        found
            .keys()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn every_form_finds_its_files() {
        let app = folder(&[
            "a.txt",
            "img/a.png",
            "img/b.jpg",
            "img/deep/c.png",
            "x/y.css",
        ]);
        for (lines, found) in [
            ("files = [\"a.txt\"]", ["a.txt"].as_slice()),
            ("files = [\"./img/*.png\"]", &["img/a.png"]),
            (
                "files = [\"img/**/*.png\"]",
                &["img/a.png", "img/deep/c.png"],
            ),
            (
                "files = [\"img\"]",
                &["img/a.png", "img/b.jpg", "img/deep/c.png"],
            ),
            (
                "files = [\"img/**/*\"]\nexclude_files = [\"*.jpg\"]",
                &["img/a.png", "img/deep/c.png"],
            ),
            (
                "files = [{ source = \"img\", destination = \"/pictures\" }, \"nothing/*\"]",
                &["pictures/a.png", "pictures/b.jpg", "pictures/deep/c.png"],
            ),
            (
                "files = [{ source = \"x\", destination = \"/\" }]",
                &["y.css"],
            ),
            (
                "files = [{ source = \"a.txt\", destination = \"b/c.txt\" }]",
                &["b/c.txt"],
            ),
        ] {
            assert_eq!(names(app.path(), lines), found, "{lines}");
        }
        let missing = find(&files(app.path(), "files = [\"b.txt\"]")).unwrap_err();
        assert!(missing.contains("b.txt"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_outside_the_folder_is_found() {
        let outside = folder(&["secret.txt", "more/secret.txt"]);
        let app = folder(&["img/a.png"]);
        let link = |to: &str, from: &str| {
            std::os::unix::fs::symlink(outside.path().join(to), app.path().join(from)).unwrap();
        };
        link("secret.txt", "img/b.png");
        link("more", "more");
        let refused = find(&files(app.path(), "files = [\"img/*\"]")).unwrap_err();
        assert!(refused.contains("leads out of"), "{refused}");
        let refused = find(&files(app.path(), "files = [\"more/*\"]")).unwrap_err();
        assert!(refused.contains("leads out of"), "{refused}");
    }

    #[test]
    fn what_is_laid_out_stays_and_is_laid_out_anew_when_it_changes() {
        let app = folder(&["a.txt"]);
        let declared = files(app.path(), "files = [\"*.txt\"]");
        let data = tempfile::tempdir().unwrap();
        let data = data.path().join("files");
        clear(&data).unwrap();
        let one = LaidOut::of(&declared, &data, None).unwrap();
        let same = LaidOut::of(&declared, &data, Some(&one)).unwrap();
        assert!(Arc::ptr_eq(&one, &same));
        std::fs::write(app.path().join("a.txt"), "changed").unwrap();
        let two = LaidOut::of(&declared, &data, Some(&one)).unwrap();
        let read =
            |laid_out: &LaidOut| std::fs::read_to_string(laid_out.folder().join("a.txt")).unwrap();
        assert_eq!((read(&one), read(&two)), ("a.txt".into(), "changed".into()));
        clear(&data).unwrap();
        assert!(!data.exists());
    }
}
