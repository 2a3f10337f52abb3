//! The application to serve: the one in the binary, or the one that `--app` names.

use crate::bundle;
use crate::settings::{Environment, Settings};
use anyhow::{Context as _, bail};
use sbd_manifest::{App, ByteSize, LoadOptions};
use sbd_runtime::{ReadSource, Runtime};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// A manifest that has been read, and where its components are.
pub(crate) struct Application {
    pub(crate) app: Arc<App>,
    read_source: ReadSource,
    variables: HashMap<String, BTreeMap<String, String>>,
}

// === impl Application ===

impl Application {
    /// Reads the manifest and resolves its variables.
    ///
    /// # Errors
    /// A wrong manifest, with file, line and fix; a required variable without a value.
    pub(crate) fn read(settings: &Settings, environment: &Environment) -> anyhow::Result<Self> {
        let options = LoadOptions::default();
        let path = settings.text("app");
        let (loaded, read_source): (_, ReadSource) = if path.is_empty() {
            let Some(text) = bundle::manifest() else {
                bail!(
                    "this binary carries no application: build it with `cargo xtask build`, or name a manifest with --app spin.toml"
                );
            };
            (
                App::parse(text, "spin.toml", Path::new(""), &options)?,
                Box::new(bundle::read),
            )
        } else {
            (
                App::load(Path::new(path), &options)?,
                Box::new(|source| std::fs::read(source)),
            )
        };
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let mut app = loaded.app;
        let values = variable_values(&app, settings, environment);
        let variables = app.resolve(&values)?;
        let variables = variables
            .into_iter()
            .map(|(id, values)| (id.to_string(), values))
            .collect();
        Ok(Self {
            app: Arc::new(app),
            read_source,
            variables,
        })
    }

    /// Loads every component: compiles, checks grants, links.
    ///
    /// # Errors
    /// The first component that cannot run here, with what to do about it.
    pub(crate) async fn start(
        self,
        settings: &Settings,
        data_dir: &Path,
    ) -> anyhow::Result<Runtime> {
        let runtime = sbd_runtime::Settings {
            data_dir: data_dir.to_owned(),
            read_source: self.read_source,
            variables: self.variables,
            storage: storage_options(settings)?,
            passwords: sbd_passwords::Settings {
                algorithm: settings.parse("password_algorithm")?,
                ..Default::default()
            },
            keys: sbd_keys::Settings {
                algorithm: settings.parse("token_algorithm")?,
            },
            tenant_idle: settings.duration("tenant_idle")?,
            resolver: None,
        };
        Ok(Runtime::start(self.app, runtime).await?)
    }
}

fn storage_options(settings: &Settings) -> anyhow::Result<sbd_runtime::StorageOptions> {
    let mut options = sbd_runtime::StorageOptions::default();
    if !settings.text("tenant_storage").is_empty() {
        let size: ByteSize = settings.parse("tenant_storage")?;
        options.max_bytes = Some(size.bytes());
    }
    Ok(options)
}

/// Values given for the application's variables: the environment (as Spin names them), then the
/// file's `[variables]`.
fn variable_values(
    app: &App,
    settings: &Settings,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let mut values = settings.variables.clone();
    for name in app.variables.keys() {
        if let Some(value) = environment.get(&format!("SPIN_VARIABLE_{}", name.to_uppercase())) {
            values.insert(name.clone(), value.clone());
        }
    }
    values
}

/// Makes the data directory, readable by its owner only.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_data_dir(path: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| {
        format!(
            "cannot make the data directory {}; choose another with --data-dir",
            path.display()
        )
    })
}
