//! `sbd up --watch`: what is saved is built and served, over and over. The development loop.
//!
//! Two things are watched: what components are built from, and what is served, the manifest and
//! the `.wasm` files. A build is a change of the second kind, whoever has started it.

use crate::settings::Settings;
use anyhow::{Context as _, bail};
use globset::{GlobBuilder, GlobMatcher};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use sbd_admin::{Actor, Admin};
use sbd_manifest::{App, Build, Component, LoadOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component as Part, Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Editors and compilers write in several steps; a change is over when nothing has happened for so
/// long.
const QUIET: Duration = Duration::from_millis(100);

/// An application whose files are watched.
pub(crate) struct Watch {
    manifest: PathBuf,
    watched: Watched,
    changed: UnboundedReceiver<PathBuf>,
    tell: UnboundedSender<PathBuf>,
    watcher: RecommendedWatcher,
}

/// What of an application is worth watching.
struct Watched {
    components: BTreeMap<String, Sources>,
    /// The manifest, and the files of the components.
    served: BTreeSet<PathBuf>,
}

/// What a component is built from, and how.
#[derive(PartialEq)]
struct Sources {
    build: Build,
    folder: PathBuf,
    patterns: Vec<Pattern>,
}

/// A pattern for files below a folder.
struct Pattern {
    base: PathBuf,
    glob: GlobMatcher,
}

// === impl Watch ===

impl Watch {
    /// Watches the application that `--app` names, and builds it a first time.
    ///
    /// # Errors
    /// There is no such application, or it cannot be built or watched.
    pub(crate) async fn begin(settings: &Settings) -> anyhow::Result<Self> {
        let manifest = settings.text("app");
        if manifest.is_empty() {
            bail!(
                "the application in the binary has no files to watch; name one with --app spin.toml"
            );
        }
        let manifest = PathBuf::from(manifest);
        let manifest = manifest.canonicalize().with_context(|| {
            format!(
                "cannot read {}; name a manifest with --app spin.toml",
                manifest.display()
            )
        })?;
        let watched = Watched::read(&manifest)?;
        let (tell, changed) = unbounded_channel();
        // From before the build: what is saved while it runs is built again.
        let before = watched.watcher(tell.clone())?;
        let all: Vec<&str> = watched.components.keys().map(String::as_str).collect();
        if !watched.build(&all).await {
            bail!("the application cannot be built; what was printed above says why");
        }
        // Once more, as there are folders now that the build has made.
        let watcher = watched.watcher(tell.clone())?;
        drop(before);
        Ok(Self {
            watcher,
            manifest,
            watched,
            changed,
            tell,
        })
    }

    /// Builds and serves what is saved, for as long as it is polled. What cannot be built or served
    /// is told in the log, and what was served goes on.
    pub(crate) async fn run(mut self, admin: Admin) {
        while let Some(first) = self.saved().await {
            let mut paths = BTreeSet::from([first]);
            while let Ok(Some(path)) = tokio::time::timeout(QUIET, self.saved()).await {
                paths.insert(path);
            }
            let mut stale: BTreeSet<String> = paths
                .iter()
                .flat_map(|path| self.watched.built_from(path))
                .map(str::to_owned)
                .collect();
            if paths.contains(&self.manifest) {
                stale.extend(self.reread());
            }
            let stale: Vec<&str> = stale.iter().map(String::as_str).collect();
            let served = &self.watched.served;
            let is_built = !stale.is_empty() && self.watched.build(&stale).await;
            if is_built || paths.iter().any(|path| served.contains(path)) {
                match admin.reload(&Actor::Owner).await {
                    Ok(changes) if changes.is_empty() => {}
                    Ok(changes) => {
                        let changed = [changes.added, changes.changed, changes.removed].concat();
                        tracing::info!("served anew: {}", changed.join(", "));
                    }
                    Err(error) => tracing::error!("what was saved is not served: {error}"),
                }
            }
        }
    }

    /// The next file that was saved and means something. What else happens in a watched folder, a
    /// database at work perhaps, must not put off what was saved before it.
    async fn saved(&mut self) -> Option<PathBuf> {
        loop {
            let path = self.changed.recv().await?;
            let watched = &self.watched;
            if watched.served.contains(&path) || watched.built_from(&path).next().is_some() {
                return Some(path);
            }
        }
    }

    /// Reads the manifest again; answers the components that are built in another way than before.
    /// One that is wrong leaves everything as it is: reloading it says what is wrong.
    fn reread(&mut self) -> Vec<String> {
        let Ok(now) = Watched::read(&self.manifest) else {
            return Vec::new();
        };
        match now.watcher(self.tell.clone()) {
            Ok(watcher) => self.watcher = watcher,
            Err(error) => tracing::error!("{error:#}"),
        }
        let before = std::mem::replace(&mut self.watched, now);
        let components = self.watched.components.iter();
        components
            .filter(|(id, sources)| before.components.get(*id) != Some(sources))
            .map(|(id, _)| id.clone())
            .collect()
    }
}

// === impl Watched ===

impl Watched {
    fn read(manifest: &Path) -> anyhow::Result<Self> {
        let app = App::load(manifest, &LoadOptions::default())?.app;
        let folder = manifest.parent().unwrap_or(Path::new("/"));
        let mut watched = Self {
            components: BTreeMap::new(),
            served: BTreeSet::from([manifest.to_owned()]),
        };
        for (id, component) in &app.components {
            watched.served.insert(plain(&component.source));
            if let Some(sources) = Sources::of(component, folder)? {
                watched.components.insert(id.to_string(), sources);
            }
        }
        Ok(watched)
    }

    /// The components that are built from a file.
    fn built_from(&self, path: &Path) -> impl Iterator<Item = &str> {
        let components = self.components.iter();
        components
            .filter(|(_, sources)| sources.include(path))
            .map(|(id, _)| id.as_str())
    }

    /// Builds components, one after the other; whether all of them were. One that is not says so.
    async fn build(&self, ids: &[&str]) -> bool {
        let mut all = true;
        for (id, sources) in &self.components {
            if !ids.contains(&id.as_str()) {
                continue;
            }
            if let Err(error) = sources.build(id).await {
                tracing::error!("component `{id}` is not built: {error:#}");
                all = false;
            }
        }
        all
    }

    /// Tells of every file that changes in a folder where something is watched.
    fn watcher(&self, tell: UnboundedSender<PathBuf>) -> anyhow::Result<RecommendedWatcher> {
        let changed = move |event: notify::Result<Event>| match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(event) => {
                for path in event.paths {
                    // Nobody listens any more when the server ends.
                    let _ = tell.send(path);
                }
            }
            Err(error) => tracing::warn!("a change may have been missed: {error}"),
        };
        let mut watcher = notify::recommended_watcher(changed).context("cannot watch files")?;
        for (folder, mode) in self.folders() {
            watcher
                .watch(&folder, mode)
                .with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        Ok(watcher)
    }

    /// The folders that have to be watched, those that there are.
    fn folders(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let mut folders = BTreeMap::new();
        for file in &self.served {
            if let Some(folder) = file.parent() {
                folders.insert(folder.to_owned(), RecursiveMode::NonRecursive);
            }
        }
        let sources = self.components.values();
        for pattern in sources.flat_map(|sources| &sources.patterns) {
            folders.insert(pattern.base.clone(), RecursiveMode::Recursive);
        }
        folders.retain(|folder, _| folder.is_dir());
        folders
    }
}

// === impl Sources ===

impl Sources {
    /// `None`: nothing says how it is built.
    fn of(component: &Component, folder: &Path) -> anyhow::Result<Option<Self>> {
        let Some(build) = &component.build else {
            return Ok(None);
        };
        // As in Spin, patterns are relative to where the build runs.
        let folder = match &build.workdir {
            Some(workdir) => plain(&folder.join(workdir)),
            None => folder.to_owned(),
        };
        let patterns = build.watch.iter().map(|pattern| {
            Pattern::new(&folder, pattern).with_context(|| {
                format!(
                    "component `{}` cannot be watched: `{pattern}` is no pattern of files",
                    component.id
                )
            })
        });
        Ok(Some(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
            build: build.clone(),
            folder,
        }))
    }

    fn include(&self, path: &Path) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// Runs the commands; what they print goes where the log goes.
    async fn build(&self, id: &str) -> anyhow::Result<()> {
        for command in &self.build.commands {
            tracing::info!(component = id, "building: {command}");
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(&self.folder);
            // A server that ends must not leave a compiler behind.
            shell.stdin(Stdio::null()).kill_on_drop(true);
            let status = shell.status().await;
            let status = status.with_context(|| format!("cannot run `{command}`"))?;
            if !status.success() {
                bail!("`{command}` ended with {status}");
            }
        }
        Ok(())
    }
}

// === impl Pattern ===

impl Pattern {
    /// Splits off the folders that stand before the first wildcard: only these are watched.
    fn new(folder: &Path, pattern: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        let is_plain = |part: &&&str| !part.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let folders = parts.iter().take_while(is_plain).count();
        // The last part is a file, or matches some.
        let (before, after) = parts.split_at(folders.min(parts.len().saturating_sub(1)));
        let glob = GlobBuilder::new(&after.join("/"))
            .literal_separator(true)
            .build()?;
        Ok(Self {
            base: plain(&folder.join(before.join("/"))),
            glob: glob.compile_matcher(),
        })
    }

    /// What tools make below a source folder, a build among them, is no source.
    fn matches(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.base) else {
            return false;
        };
        let is_made = |part: Part<'_>| {
            let name = part.as_os_str().as_encoded_bytes();
            name.starts_with(b".") || matches!(name, b"target" | b"node_modules")
        };
        self.glob.is_match(below) && !below.components().any(is_made)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base && self.glob.glob() == other.glob.glob()
    }
}

/// A path without `.` and `..`, as events name it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Part::CurDir => {}
            Part::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn patterns_watch_no_more_than_they_match() {
        let matches = |pattern: &str, path: &str| {
            let pattern = Pattern::new(Path::new("/app/notes"), pattern).unwrap();
            let is_below = Path::new(path).starts_with(&pattern.base);
            let matches = pattern.matches(Path::new(path));
            assert!(is_below || !matches);
            matches
        };
        assert!(matches("src/**/*.rs", "/app/notes/src/lib.rs"));
        assert!(matches("src/**/*.rs", "/app/notes/src/api/mod.rs"));
        assert!(!matches("src/**/*.rs", "/app/notes/src/api/mod.txt"));
        assert!(!matches("src/**/*.rs", "/app/other/src/lib.rs"));
        assert!(!matches(
            "**/*.rs",
            "/app/notes/target/debug/build/out/made.rs"
        ));
        assert!(!matches("**/*.rs", "/app/notes/.git/x.rs"));
        assert!(matches("Cargo.toml", "/app/notes/Cargo.toml"));
        assert!(!matches("Cargo.toml", "/app/notes/src/Cargo.toml"));
        assert!(!matches("src/*.rs", "/app/notes/src/api/mod.rs"));
        assert!(matches("../sdk/src/*.rs", "/app/sdk/src/lib.rs"));
        let base = |pattern: &str| Pattern::new(Path::new("/app"), pattern).unwrap().base;
        assert_eq!(base("a/b/**/*.rs"), Path::new("/app/a/b"));
        assert_eq!(base("../sdk/lib.rs"), Path::new("/sdk"));
        assert_eq!(base("**/*.rs"), Path::new("/app"));
        assert!(Pattern::new(Path::new("/app"), "src/[").is_err());
    }
}
