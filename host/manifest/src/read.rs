//! From the manifest's text to an application: every check that needs more than one field.

use crate::app::{
    App, Build, Component, ComponentId, HttpTrigger, LoadOptions, Loaded, Route, Target, Variable,
    Warning,
};
use crate::document::Document;
use crate::error::{ManifestError, did_you_mean};
use crate::settings::{AppSettings, ComponentSettings};
use crate::template::{Template, check_variable_name};
use crate::{AllowedHosts, raw, route};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

pub(crate) fn read(
    text: &str,
    file: &str,
    folder: &Path,
    options: &LoadOptions,
) -> Result<Loaded, ManifestError> {
    let document = Document::new(text, file);
    let raw: raw::Manifest = toml::from_str(text).map_err(|error| document.syntax(&error))?;
    if *raw.spin_manifest_version.get_ref() != 2 {
        document.problem(
            raw.spin_manifest_version.span(),
            "only manifests of version 2 are understood; write spin_manifest_version = 2",
        );
    }
    if raw.application.name.get_ref().is_empty() {
        document.problem(raw.application.name.span(), "the application needs a name");
    }
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
    let components = reader.components;
    if let Some(auth) = &raw.application.tool.sbd.auth
        && !components.contains_key(auth.get_ref().as_str())
    {
        let known = did_you_mean(auth.get_ref(), components.keys().map(ComponentId::as_str));
        document.problem(
            auth.span(),
            format!("there is no component `{}`{known}", auth.get_ref()),
        );
    }
    let kinds = raw.trigger.others.keys();
    let warnings = kinds
        .map(|kind| {
            Warning(format!(
                "{file}: triggers of kind `{kind}` are left aside; only http is served"
            ))
        })
        .collect();
    let settings = AppSettings::read(raw.application.tool.sbd, &document);
    let description =
        (!raw.application.description.is_empty()).then_some(raw.application.description);
    let (name, version) = (raw.application.name.into_inner(), raw.application.version);
    document.verdict()?;
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
            raw.build = profile.build.or(raw.build);
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
        let Some(source) = self.source(raw.source) else {
            return;
        };
        let component = Component {
            source,
            allowed_outbound_hosts: self.allowed_hosts(raw.allowed_outbound_hosts),
            key_value_stores: raw.key_value_stores.into_iter().collect(),
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
        let mut hosts = AllowedHosts::default();
        for entry in raw {
            if let Err(message) = hosts.add(entry.get_ref()) {
                self.document.problem(entry.span(), message);
            }
            if let Ok(template) = Template::parse(entry.get_ref()) {
                self.check_variables(&template, entry.span());
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
        for (number, trigger) in raw.into_iter().enumerate() {
            let span = trigger.span();
            let trigger = trigger.into_inner();
            if let Some(dependencies) = &trigger.dependencies {
                self.document.problem(
                    dependencies.span(),
                    "middleware is not supported yet; remove `dependencies` from the trigger",
                );
            }
            if let Some(executor) = &trigger.executor
                && executor.get_ref().kind != "http"
            {
                self.document.problem(
                    executor.span(),
                    "only executors of type \"http\" are supported; remove `executor`",
                );
            }
            let route_span = trigger.route.span();
            let route = self.route(trigger.route, &mut routes);
            let target = match (trigger.component, trigger.static_response) {
                (Some(component), None) => self.reference(component, number),
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
                    id: trigger.id,
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

    fn reference(&mut self, raw: Spanned<raw::Reference>, number: usize) -> Option<Target> {
        let span = raw.span();
        match raw.into_inner() {
            raw::Reference::Named(name) => match self.components.get_key_value(name.as_str()) {
                Some((id, _)) => Some(Target::Component(id.clone())),
                None => {
                    let known =
                        did_you_mean(&name, self.components.keys().map(ComponentId::as_str));
                    self.document
                        .problem(span, format!("there is no component `{name}`{known}"));
                    None
                }
            },
            raw::Reference::Inline(component) => {
                // Spin names inline components after their trigger.
                let name = Spanned::new(span, format!("inline-http{number}"));
                self.component(&name, *component);
                ComponentId::new(name.get_ref()).ok().map(Target::Component)
            }
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
