//! From the manifest's text to an application: every check that needs more than one field.

use crate::app::{App, Build, Component, ComponentId, HttpTrigger, LoadOptions, Loaded, Variable};
use crate::document::Document;
use crate::error::{ManifestError, did_you_mean};
use crate::settings::{AppSettings, ComponentSettings};
use crate::template::{Template, check_variable_name};
use crate::{AllowedHosts, Files, Routes, raw};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::{Spanned, Value};

pub(crate) fn read(
    text: &str,
    file: &str,
    folder: &Path,
    options: &LoadOptions,
) -> Result<Loaded, ManifestError> {
    check_version(text, file)?;
    let document = Document::new(text, file);
    let raw: raw::Manifest = toml::from_str(text).map_err(|error| document.syntax(&error))?;
    if raw.application.name.get_ref().is_empty() {
        document.problem(
            raw.application.name.span(),
            "the application needs a name, like name = \"my-app\"",
        );
    }
    check_profile(options, &raw, &document);
    let variables = variables(raw.variables, &document);
    let mut reader = Reader {
        document: &document,
        folder,
        options,
        variables: &variables,
        components: BTreeMap::new(),
        wrong: BTreeSet::new(),
    };
    let mut own = Vec::new();
    for (id, component) in raw.component {
        let sbd = &component.tool.sbd;
        let features = sbd.features.values().map(|feature| &feature.routes);
        let classes = sbd.rate_limits.values().map(|class| &class.routes);
        let routes = features.chain(classes).flatten().cloned();
        own.extend(routes.map(|route| (id.get_ref().clone(), route)));
        reader.component(&id, component);
    }
    let triggers = reader.triggers(raw.trigger.http);
    for (id, route) in &own {
        check_own_route(id, route, &triggers, &document);
    }
    let (mut components, wrong) = (reader.components, reader.wrong);
    if let Some(auth) = &raw.application.tool.sbd.auth
        && !components.contains_key(auth.get_ref().as_str())
        && !wrong.contains(auth.get_ref())
    {
        let known = did_you_mean(auth.get_ref(), components.keys().map(ComponentId::as_str));
        document.problem(
            auth.span(),
            format!("there is no component `{}`{known}", auth.get_ref()),
        );
    }
    let settings = AppSettings::read(raw.application.tool.sbd, &document);
    let mut needed: BTreeSet<&str> = settings.auth.as_deref().into_iter().collect();
    needed.extend(triggers.iter().filter_map(HttpTrigger::component));
    leave_aside(&raw.trigger.others, &needed, &mut components, &document);
    if triggers.is_empty() {
        document.warning("there is no [[trigger.http]], so nothing is reached from outside");
    }
    let description =
        (!raw.application.description.is_empty()).then_some(raw.application.description);
    let (name, version) = (raw.application.name.into_inner(), raw.application.version);
    let warnings = document.verdict()?;
    Ok(Loaded {
        app: App {
            name,
            version,
            description,
            variables,
            triggers,
            components,
            settings,
        },
        warnings,
    })
}

/// A route of a feature that no request takes would switch nothing, and one of a rate would limit nothing.
fn check_own_route(
    id: &str,
    route: &Spanned<String>,
    triggers: &[HttpTrigger],
    document: &Document<'_>,
) {
    let text = route.get_ref();
    let path = text.strip_suffix("/...").unwrap_or(text);
    let routes = Routes::new(triggers);
    let taken = routes.find(if path.is_empty() { "/" } else { path });
    let owner = taken.and_then(|taken| triggers.get(taken.trigger)?.component());
    if owner != Some(id) {
        document.problem(
            route.span(),
            format!("`{text}` is not within a route of component `{id}`; write one that its [[trigger.http]] leads to"),
        );
    }
}

fn check_version(text: &str, file: &str) -> Result<(), ManifestError> {
    let document = Document::new(text, file);
    let raw: raw::Version = toml::from_str(text).map_err(|error| document.syntax(&error))?;
    match raw.spin_manifest_version {
        None => document.missing("the version is missing; begin with spin_manifest_version = 2"),
        Some(version) if *version.get_ref() != Value::Integer(2) => document.problem(
            version.span(),
            "only manifests of version 2 are understood; write spin_manifest_version = 2",
        ),
        Some(_) => {}
    }
    document.verdict().map(drop)
}

/// A component without the profile falls back to its plain form; a profile that none has is a typo.
fn check_profile(options: &LoadOptions, raw: &raw::Manifest, document: &Document<'_>) {
    let Some(wanted) = &options.profile else {
        return;
    };
    let inline = raw.trigger.http.iter().filter_map(|trigger| {
        match trigger.get_ref().component.as_ref()?.get_ref() {
            raw::Reference::Inline(component) => Some(&**component),
            raw::Reference::Named(_) => None,
        }
    });
    let components = raw.component.values().chain(inline);
    let known: BTreeSet<&str> = components
        .flat_map(|component| component.profile.keys().map(String::as_str))
        .collect();
    if !known.contains(wanted.as_str()) {
        let near = did_you_mean(wanted, known);
        document.missing(format!("no component has a profile `{wanted}`{near}"));
    }
}

/// Triggers of other kinds, and the components that only they name: those export no HTTP handler.
fn leave_aside(
    others: &BTreeMap<String, Value>,
    needed: &BTreeSet<&str>,
    components: &mut BTreeMap<ComponentId, Component>,
    document: &Document<'_>,
) {
    for (kind, triggers) in others {
        document.warning(format!(
            "triggers of kind `{kind}` are left aside; only http is served"
        ));
        let named = triggers
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|trigger| trigger.get("component")?.as_str());
        for name in named.filter(|name| !needed.contains(name)) {
            if components.remove(name).is_some() {
                document.warning(format!(
                    "component `{name}` is left aside; no [[trigger.http]] names it"
                ));
            }
        }
    }
}

fn variables(
    raw: BTreeMap<Spanned<String>, raw::Variable>,
    document: &Document<'_>,
) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    for (name, variable) in raw {
        if let Err(message) = check_variable_name(name.get_ref()) {
            document.problem(name.span(), message);
        }
        if variable.required == variable.default.is_some() {
            document.problem(
                name.span(),
                format!(
                    "variable `{}` needs either `default` or `required = true`",
                    name.get_ref()
                ),
            );
        }
        variables.insert(
            name.into_inner(),
            Variable {
                default: variable.default,
                secret: variable.secret,
            },
        );
    }
    variables
}

/// What reading components and triggers needs, and the components so far.
pub(crate) struct Reader<'a> {
    pub(crate) document: &'a Document<'a>,
    folder: &'a Path,
    options: &'a LoadOptions,
    variables: &'a BTreeMap<String, Variable>,
    pub(crate) components: BTreeMap<ComponentId, Component>,
    /// Those that are declared and cannot be used, as a problem says already.
    pub(crate) wrong: BTreeSet<String>,
}

// === impl Reader ===

impl Reader<'_> {
    pub(crate) fn component(&mut self, id: &Spanned<String>, mut raw: raw::Component) {
        let document = self.document;
        let name = match ComponentId::new(id.get_ref()) {
            Ok(name) => name,
            Err(message) => {
                self.wrong.insert(id.get_ref().clone());
                return document.problem(id.span(), message);
            }
        };
        let profile = self
            .options
            .profile
            .as_ref()
            .and_then(|name| raw.profile.remove(name));
        if let Some(profile) = profile {
            raw.source = profile.source.unwrap_or(raw.source);
            raw.environment.extend(profile.environment);
            raw.dependencies.extend(profile.dependencies);
            if let Some(build) = profile.build {
                // A profile has another command, not another place to run it.
                let (workdir, watch) = match raw.build {
                    Some(plain) => (plain.workdir, plain.watch),
                    None => (None, Vec::new()),
                };
                raw.build = Some(raw::Build {
                    command: build.command,
                    workdir,
                    watch,
                });
            }
        }
        if let Some(old) = &raw.allowed_http_hosts {
            document.problem(old.span(), "`allowed_http_hosts` is of manifest version 1; write allowed_outbound_hosts = [\"https://example.com\"]");
        }
        self.without_effect(&name, &raw);
        let Some(source) = self.source(raw.source) else {
            self.wrong.insert(id.get_ref().clone());
            return;
        };
        let component = Component {
            source,
            allowed_outbound_hosts: self.allowed_hosts(raw.allowed_outbound_hosts),
            key_value_stores: self.labels(raw.key_value_stores, "store"),
            sqlite_databases: self.labels(raw.sqlite_databases, "database"),
            files: Files::read(raw.files, raw.exclude_files, self.folder, document),
            environment: raw.environment,
            variables: self.templates(raw.variables),
            build: raw.build.map(|build| Build {
                commands: match build.command {
                    raw::Commands::One(command) => vec![command],
                    raw::Commands::Several(commands) => commands,
                },
                workdir: build.workdir,
                watch: build.watch,
            }),
            settings: ComponentSettings::read(raw.tool.sbd, document),
            id: name.clone(),
        };
        self.components.insert(name, component);
    }

    /// What Spin would honour and this host does not.
    fn without_effect(&self, id: &ComponentId, raw: &raw::Component) {
        if !raw.ai_models.is_empty() {
            self.document.warning(format!(
                "component `{id}`: `ai_models` has no effect here; every model is refused when the component asks for it"
            ));
        }
        // What the host offers itself needs no plug.
        for name in raw
            .dependencies
            .keys()
            .filter(|name| !name.starts_with("sbd:"))
        {
            self.document.warning(format!(
                "component `{id}`: dependency `{name}` is not composed here; compose it into the component, as with `wac plug`"
            ));
        }
        let inherits = |dependency: &Value| dependency.get("inherit_configuration").is_some();
        if let Some(all) = &raw.dependencies_inherit_configuration
            && raw.dependencies.values().any(inherits)
        {
            self.document.problem(all.span(), "`dependencies_inherit_configuration` and a dependency's own `inherit_configuration` exclude each other; keep one of them");
        }
    }

    fn labels(&self, raw: Vec<Spanned<String>>, what: &str) -> BTreeSet<String> {
        for label in &raw {
            let name = label.get_ref();
            let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(word) {
                self.document.problem(
                    label.span(),
                    format!("`{name}` is no name of a {what}; use words joined by hyphens or underscores, like \"default\""),
                );
            }
        }
        raw.into_iter().map(Spanned::into_inner).collect()
    }

    fn source(&self, raw: Spanned<raw::Source>) -> Option<PathBuf> {
        let span = raw.span();
        match raw.into_inner() {
            raw::Source::Path(path) => Some(self.folder.join(path)),
            raw::Source::Elsewhere(_) => {
                self.document.problem(span, "a source with a `url` or from a registry is not fetched; download the component, say with `curl -O`, and write source = \"NAME.wasm\"");
                None
            }
        }
    }

    fn allowed_hosts(&self, raw: Vec<Spanned<String>>) -> AllowedHosts {
        let defaults: BTreeMap<String, String> = self
            .variables
            .iter()
            .filter_map(|(name, variable)| Some((name.clone(), variable.default.clone()?)))
            .collect();
        let mut hosts = AllowedHosts::default();
        for entry in raw {
            if let Err(message) = hosts.add(entry.get_ref()) {
                self.document.problem(entry.span(), message);
                continue;
            }
            let Ok(template) = Template::parse(entry.get_ref()) else {
                continue;
            };
            self.check_variables(&template, entry.span());
            // What defaults make of it can be checked now; other values when they are there.
            let mut alone = AllowedHosts::default();
            if template.variables().all(|name| defaults.contains_key(name))
                && alone.add(entry.get_ref()).is_ok()
                && let Err(message) = alone.resolve(&defaults)
            {
                self.document.problem(entry.span(), message);
            }
        }
        hosts
    }

    fn templates(&self, raw: BTreeMap<String, Spanned<String>>) -> BTreeMap<String, Template> {
        let mut templates = BTreeMap::new();
        for (name, text) in raw {
            if let Err(message) = check_variable_name(&name) {
                self.document.problem(text.span(), message);
            }
            match Template::parse(text.get_ref()) {
                Ok(template) => {
                    self.check_variables(&template, text.span());
                    templates.insert(name, template);
                }
                Err(message) => self.document.problem(text.span(), message),
            }
        }
        templates
    }

    fn check_variables(&self, template: &Template, span: Range<usize>) {
        for name in template
            .variables()
            .filter(|name| !self.variables.contains_key(*name))
        {
            let message = format!(
                "variable `{name}` is not declared; add to the manifest: [variables] {name} = {{ required = true }}"
            );
            self.document.problem(span.clone(), message);
        }
    }
}
