//! An application as the host runs it.

use crate::error::ManifestError;
use crate::settings::{AppSettings, ComponentSettings};
use crate::template::Template;
use crate::{AllowedHosts, Files, read};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its variables, by name.
    pub variables: BTreeMap<String, Variable>,
    /// Its HTTP triggers, in the order of the file.
    pub triggers: Vec<HttpTrigger>,
    /// Its components.
    pub components: BTreeMap<ComponentId, Component>,
    /// `[application.tool.sbd]`.
    pub settings: AppSettings,
}

/// How to read a manifest.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The `[component.X.profile.NAME]` to use where a component has it.
    pub profile: Option<String>,
}

/// A manifest that has been read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The application.
    pub app: App,
    /// What was left aside.
    pub warnings: Vec<Warning>,
}

/// Something in the manifest that has no effect here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub(crate) String);

/// A variable of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its value when nobody gives one; `None`: one must be given.
    pub default: Option<String>,
    /// Whether its value must never be shown.
    pub secret: bool,
}

/// Something that answers requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTrigger {
    /// Its name, if it has one.
    pub id: Option<String>,
    /// On which paths.
    pub route: Route,
    /// What answers.
    pub target: Target,
}

/// The paths of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A route like `/api/...` or `/users/:id`.
    Public(String),
    /// None: only other components reach it.
    Private,
}

/// What answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A component.
    Component(ComponentId),
    /// An answer that stands in the manifest.
    Static {
        /// Its status, 100 to 599.
        status: u16,
        /// Its headers.
        headers: BTreeMap<String, String>,
        /// Its body.
        body: String,
    },
}

/// The name of a component: lower-case words joined by hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId(String);

/// A component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub id: ComponentId,
    /// Its `.wasm` file.
    pub source: PathBuf,
    /// Where it may send requests.
    pub allowed_outbound_hosts: AllowedHosts,
    /// The key-value stores it may open.
    pub key_value_stores: BTreeSet<String>,
    /// The SQLite databases it may open.
    pub sqlite_databases: BTreeSet<String>,
    /// The files it may read.
    pub files: Files,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Its variables, by name.
    pub variables: BTreeMap<String, Template>,
    /// How it is built.
    pub build: Option<Build>,
    /// `[component.X.tool.sbd]`.
    pub settings: ComponentSettings,
}

/// How a component is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The commands, one after the other.
    pub commands: Vec<String>,
    /// Where they run.
    pub workdir: Option<PathBuf>,
    /// The files that, when changed, make it worth building again.
    pub watch: Vec<String>,
}

// === impl App ===

impl App {
    /// Reads a manifest file. Sources are relative to its folder.
    ///
    /// # Errors
    /// Everything that is wrong with it, with lines and fixes.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, ManifestError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ManifestError::plain(format!(
                "cannot read {}: {error}; name a manifest with --app spin.toml",
                path.display()
            ))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &path.display().to_string(), folder, options)
    }

    /// Reads a manifest's text. `file` is its name in messages; sources are relative to `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with lines and fixes.
    pub fn parse(
        text: &str,
        file: &str,
        folder: &Path,
        options: &LoadOptions,
    ) -> Result<Loaded, ManifestError> {
        read::read(text, file, folder, options)
    }

    /// The values of every component's variables, given values for the application's. Also puts
    /// them into `allowed_outbound_hosts`.
    ///
    /// # Errors
    /// A required variable without a value; names the environment variable to set.
    pub fn resolve(
        &mut self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<ComponentId, BTreeMap<String, String>>, ManifestError> {
        let mut values = BTreeMap::new();
        for (name, variable) in &self.variables {
            let value = given
                .get(name)
                .or(variable.default.as_ref())
                .ok_or_else(|| {
                    let upper = name.to_uppercase();
                    ManifestError::plain(format!(
                        "variable `{name}` is required and has no value; set SPIN_VARIABLE_{upper}"
                    ))
                })?;
            values.insert(name.clone(), value.clone());
        }
        let mut resolved = BTreeMap::new();
        for (id, component) in &mut self.components {
            let said =
                |message: String| ManifestError::plain(format!("component `{id}`: {message}"));
            component.allowed_outbound_hosts = component
                .allowed_outbound_hosts
                .resolve(&values)
                .map_err(said)?;
            let mut own = BTreeMap::new();
            for (name, template) in &component.variables {
                let missing = |variable| said(format!("variable `{variable}` has no value"));
                own.insert(name.clone(), template.resolve(&values).map_err(missing)?);
            }
            resolved.insert(id.clone(), own);
        }
        Ok(resolved)
    }
}

// === impl HttpTrigger ===

impl HttpTrigger {
    /// The component that answers, if one does.
    pub fn component(&self) -> Option<&str> {
        match &self.target {
            Target::Component(id) => Some(id.as_str()),
            Target::Static { .. } => None,
        }
    }
}

// === impl ComponentId ===

impl ComponentId {
    /// A name.
    ///
    /// # Errors
    /// When it is not lower-case words of letters and digits, joined by single hyphens.
    pub fn new(name: &str) -> Result<Self, String> {
        let word_is_right = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if name.len() <= 63 && name.split('-').all(word_is_right) {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "`{name}` is no component name; use lower-case words joined by hyphens, like my-component"
            ))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ComponentId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Warning ===

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
