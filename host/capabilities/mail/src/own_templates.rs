//! Templates that an operator gave a tenant in place of a component's own, as files
//! `mail/TENANT/templates/COMPONENT/NAME.LANGUAGE.toml` in the data directory.

use crate::files::{blocking, write};
use crate::{Error, Template, limits};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A template of an operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTemplate {
    /// The component whose mails it is for.
    pub component: String,
    /// What the component calls it.
    pub name: String,
    /// The template.
    pub template: Template,
}

/// What is in a file; its name says the language.
#[derive(serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    subject: String,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    html: Option<String>,
}

/// The folder of a tenant's.
fn folder(tenant: &Path) -> PathBuf {
    tenant.join("templates")
}

/// Those of a component and a name, below a tenant's folder. One that cannot be read is left out, and the
/// log says so: the component's own is there.
pub(crate) async fn of(tenant: &Path, component: &str, name: &str) -> Vec<Template> {
    let folder = folder(tenant).join(component);
    let name = name.to_owned();
    let reading = move || {
        let found = read(&folder, &name);
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "the operator's mail templates cannot be read; the component's own are used");
            Vec::new()
        })
    };
    blocking(reading).await.unwrap_or_default()
}

/// All of a tenant's, in the order of their names.
pub(crate) async fn all(tenant: &Path) -> Result<Vec<OwnTemplate>, Error> {
    let folder = folder(tenant);
    blocking(move || {
        let mut all = Vec::new();
        for path in entries(&folder)?.into_iter().filter(|path| path.is_dir()) {
            let component = file_name(&path);
            for path in entries(&path)? {
                let Some((name, language)) = parts(&path) else {
                    continue;
                };
                let template = content(&path, &language)?;
                all.push(OwnTemplate {
                    component: component.clone(),
                    name,
                    template,
                });
            }
        }
        Ok(all)
    })
    .await?
}

/// Writes one, in place of the one that is there.
pub(crate) async fn set(tenant: &Path, own: OwnTemplate) -> Result<(), Error> {
    own.template.check()?;
    let language = own.template.language.clone();
    let path = path(tenant, &own.component, &own.name, &language)?;
    let content = Content {
        subject: own.template.subject,
        text: own.template.text,
        html: own.template.html,
    };
    let content = toml::to_string(&content).map_err(|error| Error::Invalid(error.to_string()))?;
    blocking(move || write(&path, content.as_bytes()).map_err(|error| Error::file(&path, &error)))
        .await?
}

/// Removes one; says whether it was there.
pub(crate) async fn remove(
    tenant: &Path,
    component: &str,
    name: &str,
    language: &str,
) -> Result<bool, Error> {
    let path = path(tenant, component, name, language)?;
    blocking(move || match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file(&path, &error)),
    })
    .await?
}

fn path(tenant: &Path, component: &str, name: &str, language: &str) -> Result<PathBuf, Error> {
    limits::check_name(name)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(plain);
    if !is_plain(component) || !is_plain(language) {
        return Err(Error::Invalid(format!(
            "`{component}` is no component, or `{language}` no language; write them like `notifications` and `pt-BR`"
        )));
    }
    let name = format!("{name}.{language}.toml");
    Ok(folder(tenant).join(component).join(name))
}

fn read(folder: &Path, name: &str) -> Result<Vec<Template>, Error> {
    let mut templates = Vec::new();
    for path in entries(folder)? {
        match parts(&path) {
            Some((of, language)) if of == name => templates.push(content(&path, &language)?),
            _ => {}
        }
    }
    Ok(templates)
}

fn content(path: &Path, language: &str) -> Result<Template, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, &error))?;
    let content: Content = toml::from_str(&text)
        .map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))?;
    Ok(Template {
        language: language.to_owned(),
        subject: content.subject,
        text: content.text,
        html: content.html,
    })
}

/// Name and language in the name of a file; none of what is not one of these.
fn parts(path: &Path) -> Option<(String, String)> {
    let name = file_name(path);
    let (name, language) = name.strip_suffix(".toml")?.rsplit_once('.')?;
    (!name.is_empty()).then(|| (name.to_owned(), language.to_owned()))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::file(folder, &error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let paths = entries.map(|entry| Ok::<_, Error>(entry.map_err(failed)?.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}
