//! The application to serve: the one in the binary, or the one that `--app` names; with what was
//! deployed to this data directory in place of components of the same names.

use crate::bundle;
use crate::data_dir::DataDir;
use crate::settings::{Environment, Settings};
use anyhow::bail;
use sbd_dispatch::Dispatch;
use sbd_features::Switches;
use sbd_inference::Models;
use sbd_manifest::{App, ByteSize, LoadOptions, Loaded};
use sbd_registry::{Version, Versions};
use sbd_runtime::{Definition, ReadSource};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a tenant's database is looked through when it is opened after a crash: some gigabytes, at the
/// cost of a late answer to the tenant's first request.
const LOOK: Duration = Duration::from_secs(2);

/// Where the application comes from, to be read whenever it may have changed.
#[derive(Clone)]
pub(crate) struct Origin {
    /// A manifest; `None`: the one in the binary.
    manifest: Option<PathBuf>,
    /// Values given for its variables, by `[variables]` and by the environment.
    given: BTreeMap<String, String>,
    environment: Environment,
}

// === impl Origin ===

impl Origin {
    pub(crate) fn new(settings: &Settings, environment: &Environment) -> Self {
        let path = settings.text("app");
        Self {
            manifest: (!path.is_empty()).then(|| PathBuf::from(path)),
            given: settings.variables.clone(),
            environment: environment.clone(),
        }
    }

    /// Reads the manifest, puts what was deployed into it, and resolves its variables.
    ///
    /// # Errors
    /// A wrong manifest, with file, line and fix; a required variable without a value.
    pub(crate) fn read(
        &self,
        versions: &Versions,
        active: &[Version],
    ) -> anyhow::Result<Definition> {
        let Loaded { mut app, warnings } = self.load()?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let mut deployed = HashMap::new();
        // Routes go before others come: one that a component gives up is free for the next.
        for version in active.iter().filter(|version| !version.manifest.is_empty()) {
            app.release_routes(&version.component);
        }
        for version in active {
            let path = versions.path(version);
            adopt(&mut app, version, &path)?;
            deployed.insert(path, version.clone());
        }
        let values = self.values(&app);
        let variables = app.resolve(&values)?;
        let variables = variables
            .into_iter()
            .map(|(id, values)| (id.to_string(), values))
            .collect();
        Ok(Definition {
            app: Arc::new(app),
            read_source: self.reader(versions.clone(), deployed),
            variables,
        })
    }

    /// The manifest alone.
    ///
    /// # Errors
    /// Everything that is wrong with it, with lines and fixes.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let options = LoadOptions::default();
        match &self.manifest {
            Some(path) => Ok(App::load(path, &options)?),
            None => {
                let Some(text) = bundle::manifest() else {
                    bail!(
                        "this binary carries no application: build it with `cargo xtask build`, or name a manifest with --app spin.toml"
                    );
                };
                Ok(App::parse(text, "spin.toml", Path::new(""), &options)?)
            }
        }
    }

    fn reader(&self, versions: Versions, deployed: HashMap<PathBuf, Version>) -> ReadSource {
        let is_bundle = self.manifest.is_none();
        Box::new(move |source| match deployed.get(source) {
            Some(version) => versions.read_now(version).map_err(io::Error::other),
            None if is_bundle => bundle::read(source),
            None => std::fs::read(source),
        })
    }

    /// Values for the application's variables: the environment (as Spin names them), then the file's
    /// `[variables]`.
    fn values(&self, app: &App) -> BTreeMap<String, String> {
        let mut values = self.given.clone();
        for name in app.variables.keys() {
            let variable = format!("SPIN_VARIABLE_{}", name.to_uppercase());
            if let Some(value) = self.environment.get(&variable) {
                values.insert(name.clone(), value.clone());
            }
        }
        values
    }
}

/// Puts a deployed version in place of the component of its name.
fn adopt(app: &mut App, version: &Version, path: &Path) -> anyhow::Result<()> {
    let id = version.component.as_str();
    if version.manifest.is_empty() {
        let Some((key, component)) = app.components.get_key_value(id) else {
            bail!(
                "version {} of component `{id}` was deployed without a manifest, and the application declares no such component any more; withdraw it: sbd component withdraw {id}",
                version.number
            );
        };
        let (key, mut component) = (key.clone(), component.clone());
        component.source = path.to_owned();
        app.components.insert(key, component);
        return Ok(());
    }
    let file = match version.number {
        0 => format!("the manifest of {id}"),
        number => format!("the manifest of {id} (version {number})"),
    };
    let own = App::parse(
        &version.manifest,
        &file,
        Path::new(""),
        &LoadOptions::default(),
    )?;
    for warning in &own.warnings {
        tracing::warn!("{warning}");
    }
    Ok(app.adopt(&own.app, id, path.to_owned())?)
}

/// What the runtime needs besides the application.
///
/// # Errors
/// When a setting is wrong.
pub(crate) fn runtime_settings(
    settings: &Settings,
    data_dir: &DataDir,
    switches: Switches,
    models: Models,
    dispatch: &Dispatch,
) -> anyhow::Result<sbd_runtime::Settings> {
    let memory: ByteSize = settings.parse("vectors_memory")?;
    Ok(sbd_runtime::Settings {
        data_dir: data_dir.path().to_owned(),
        storage: storage_options(settings, data_dir)?,
        vectors: sbd_vectors::Settings {
            memory: usize::try_from(memory.bytes()).unwrap_or(usize::MAX),
            ..Default::default()
        },
        passwords: sbd_passwords::Settings {
            algorithm: settings.parse("password_algorithm")?,
            ..Default::default()
        },
        keys: sbd_keys::Settings {
            algorithm: settings.parse("token_algorithm")?,
        },
        mail: mail_settings(settings)?,
        models: Arc::new(models),
        switches,
        publishing: dispatch.publishing(),
        enqueuing: dispatch.enqueuing(),
        tenant_idle: settings.duration("tenant_idle")?,
        resolver: None,
    })
}

/// Through which server mails go, and from whom.
///
/// # Errors
/// When a setting is wrong, or there is a server and nobody to send from.
pub(crate) fn mail_settings(settings: &Settings) -> anyhow::Result<sbd_mail::Settings> {
    let server = match settings.text("mail_url") {
        "" => None,
        _ => Some(settings.parse("mail_url")?),
    };
    let from = match settings.text("mail_from") {
        "" if server.is_some() => bail!(
            "setting `mail_url` names a mail server, and nobody to send from: set `mail_from`, like `Second Brain <brain@example.org>`"
        ),
        "" => sbd_mail::Sender::default(),
        _ => settings.parse("mail_from")?,
    };
    Ok(sbd_mail::Settings {
        server,
        from,
        per_hour: settings.parse("mail_per_hour")?,
    })
}

fn storage_options(
    settings: &Settings,
    data_dir: &DataDir,
) -> anyhow::Result<sbd_runtime::StorageOptions> {
    let mut options = sbd_runtime::StorageOptions::default();
    if !settings.text("tenant_storage").is_empty() {
        let size: ByteSize = settings.parse("tenant_storage")?;
        options.max_bytes = Some(size.bytes());
    }
    options.check = data_dir.was_left_open().then_some(LOOK);
    Ok(options)
}
