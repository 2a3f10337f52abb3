//! From the manifest's text to an application: every check that needs more than one field.

use crate::app::{
    App, Build, Component, ComponentId, HttpTrigger, LoadOptions, Loaded, Route, Target, Variable,
};
use crate::document::Document;
use crate::error::{ManifestError, did_you_mean};
use crate::settings::{AppSettings, ComponentSettings};
use crate::template::{Template, check_variable_name};
use crate::{AllowedHosts, raw, route};
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
    let document = Document::new(text, file);
    let version: raw::Version = toml::from_str(text).map_err(|error| document.syntax(&error))?;
    if !is_version_two(version, &document) {
        document.verdict()?;
    }
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
    };
    for (id, component) in raw.component {
        reader.component(&id, component);
    }
    let triggers = reader.triggers(raw.trigger.http);
    let mut components = reader.components;
    if let Some(auth) = &raw.application.tool.sbd.auth
        && !components.contains_key(auth.get_ref().as_str())
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

fn is_version_two(raw: raw::Version, document: &Document<'_>) -> bool {
    let Some(version) = raw.spin_manifest_version else {
        document.missing("the version is missing; begin with spin_manifest_version = 2");
        return false;
    };
    if *version.get_ref() == Value::Integer(2) {
        return true;
    }
    document.problem(
        version.span(),
        "only manifests of version 2 are understood; write spin_manifest_version = 2",
    );
    false
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

struct Reader<'a> {
    document: &'a Document<'a>,
    folder: &'a Path,
    options: &'a LoadOptions,
    variables: &'a BTreeMap<String, Variable>,
    components: BTreeMap<ComponentId, Component>,
}

// === impl Reader ===

impl Reader<'_> {
    fn component(&mut self, id: &Spanned<String>, mut raw: raw::Component) {
        let document = self.document;
        let name = match ComponentId::new(id.get_ref()) {
            Ok(name) => name,
            Err(message) => return document.problem(id.span(), message),
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
        if let Some(file) = raw.files.first() {
            document.problem(
                file.span(),
                "`files` is not served here yet; put the files into the component",
            );
        }
        self.without_effect(&name, &raw);
        let Some(source) = self.source(raw.source) else {
            return;
        };
        let component = Component {
            source,
            allowed_outbound_hosts: self.allowed_hosts(raw.allowed_outbound_hosts),
            key_value_stores: self.stores(raw.key_value_stores),
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
        for (key, labels) in [
            ("sqlite_databases", &raw.sqlite_databases),
            ("ai_models", &raw.ai_models),
        ] {
            if !labels.is_empty() {
                self.document.warning(format!(
                    "component `{id}`: `{key}` has no effect here; the component runs if it imports nothing of it"
                ));
            }
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

    fn stores(&self, raw: Vec<Spanned<String>>) -> BTreeSet<String> {
        for store in &raw {
            let name = store.get_ref();
            let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(word) {
                self.document.problem(
                    store.span(),
                    format!("`{name}` is no name of a store; use words joined by hyphens or underscores, like \"default\""),
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
                self.document.problem(span, "sources from elsewhere are not fetched; download the component and write source = \"NAME.wasm\"");
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

    fn triggers(&mut self, raw: Vec<Spanned<raw::HttpTrigger>>) -> Vec<HttpTrigger> {
        let mut triggers = Vec::new();
        let mut routes: Vec<(String, usize)> = Vec::new();
        let mut ids = TriggerIds::new(&raw, self.document);
        for trigger in raw {
            let span = trigger.span();
            let trigger = trigger.into_inner();
            let id = ids.id_of(&trigger);
            if let Some(dependencies) = &trigger.dependencies {
                self.document.problem(
                    dependencies.span(),
                    "middleware is not supported yet; remove `dependencies` from the trigger",
                );
            }
            if let Some(executor) = &trigger.executor
                && !matches!(executor.get_ref().kind.as_str(), "http" | "spin")
            {
                self.document.problem(
                    executor.span(),
                    "only executors of type \"http\" are supported; build a wasi:http component and remove `executor`",
                );
            }
            let route_span = trigger.route.span();
            let route = self.route(trigger.route, &mut routes);
            let target = match (trigger.component, trigger.static_response) {
                (Some(component), None) => self.reference(component, &id),
                (None, Some(answer)) => self.static_response(answer),
                _ => {
                    let begin = span.start.min(route_span.start);
                    self.document.problem(
                        begin..span.end,
                        "a trigger has either `component` or `static_response`",
                    );
                    None
                }
            };
            if let (Some(route), Some(target)) = (route, target) {
                triggers.push(HttpTrigger {
                    id: trigger.id.map(Spanned::into_inner),
                    route,
                    target,
                });
            }
        }
        triggers
    }

    fn route(&self, raw: Spanned<raw::Route>, routes: &mut Vec<(String, usize)>) -> Option<Route> {
        let span = raw.span();
        let text = match raw.into_inner() {
            raw::Route::Public(text) => text,
            raw::Route::Private { private: true } => return Some(Route::Private),
            raw::Route::Private { private: false } => {
                self.document
                    .problem(span, "write a path like \"/api/...\" or { private = true }");
                return None;
            }
        };
        if let Err(message) = route::check(&text) {
            self.document.problem(span, message);
            return None;
        }
        if text == "/-" || text.starts_with("/-/") {
            self.document.warning(format!(
                "route `{text}` is never reached; paths under /-/ are the host's own"
            ));
        }
        if let Some((other, place)) = routes.iter().find(|(other, _)| route::same(other, &text)) {
            let place = self.document.position(*place);
            self.document.problem(
                span,
                format!("route `{text}` is the same as `{other}` at {place}; change one of them"),
            );
            return None;
        }
        routes.push((text.clone(), span.start));
        Some(Route::Public(text))
    }

    fn reference(&mut self, raw: Spanned<raw::Reference>, trigger: &str) -> Option<Target> {
        let span = raw.span();
        match raw.into_inner() {
            raw::Reference::Named(name) => match self.components.get_key_value(name.as_str()) {
                Some((id, _)) => Some(Target::Component(id.clone())),
                None => {
                    let mut known =
                        did_you_mean(&name, self.components.keys().map(ComponentId::as_str));
                    if known.is_empty() {
                        known = format!("; declare it as [component.{name}]");
                    }
                    self.document
                        .problem(span, format!("there is no component `{name}`{known}"));
                    None
                }
            },
            raw::Reference::Inline(component) => {
                let id = self.inline_id(trigger);
                self.component(&Spanned::new(span, id.clone()), *component);
                ComponentId::new(&id).ok().map(Target::Component)
            }
        }
    }

    /// Spin's name for an inline component, under which others can reach it: after its trigger, or
    /// by number where that is no free name.
    fn inline_id(&self, trigger: &str) -> String {
        let natural = format!("{trigger}-component");
        if ComponentId::new(&natural).is_ok() && !self.components.contains_key(natural.as_str()) {
            return natural;
        }
        let mut number = 1;
        loop {
            let id = format!("inline-component{number}");
            if !self.components.contains_key(id.as_str()) {
                return id;
            }
            number += 1;
        }
    }

    fn static_response(&self, raw: Spanned<raw::StaticResponse>) -> Option<Target> {
        let span = raw.span();
        let raw = raw.into_inner();
        if !(200..=599).contains(&raw.status_code) {
            self.document.problem(
                span,
                format!(
                    "{} is no status of an answer; use 200 to 599",
                    raw.status_code
                ),
            );
            return None;
        }
        Some(Target::Static {
            status: raw.status_code,
            headers: raw.headers,
            body: raw.body,
        })
    }
}

/// Spin's names for triggers that have none: after their component, or by number.
struct TriggerIds {
    taken: BTreeSet<String>,
    number: usize,
}

// === impl TriggerIds ===

impl TriggerIds {
    fn new(raw: &[Spanned<raw::HttpTrigger>], document: &Document<'_>) -> Self {
        let mut taken = BTreeSet::new();
        for id in raw
            .iter()
            .filter_map(|trigger| trigger.get_ref().id.as_ref())
        {
            if !taken.insert(id.get_ref().clone()) {
                document.problem(
                    id.span(),
                    format!("two triggers are called `{}`; rename one", id.get_ref()),
                );
            }
        }
        Self { taken, number: 1 }
    }

    fn id_of(&mut self, trigger: &raw::HttpTrigger) -> String {
        if let Some(id) = &trigger.id {
            return id.get_ref().clone();
        }
        if let Some(raw::Reference::Named(component)) =
            trigger.component.as_ref().map(Spanned::get_ref)
        {
            let natural = format!("{component}-http-trigger");
            if self.taken.insert(natural.clone()) {
                return natural;
            }
        }
        loop {
            let id = format!("http-trigger{}", self.number);
            if self.taken.insert(id.clone()) {
                return id;
            }
            self.number += 1;
        }
    }
}
