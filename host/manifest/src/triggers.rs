//! The HTTP triggers of a manifest: routes, and what answers on them.

use crate::app::{ComponentId, HttpTrigger, Route, Target};
use crate::error::did_you_mean;
use crate::read::Reader;
use crate::{raw, route};
use std::collections::BTreeSet;
use toml::Spanned;

// === impl Reader ===

impl Reader<'_> {
    pub(crate) fn triggers(&mut self, raw: Vec<Spanned<raw::HttpTrigger>>) -> Vec<HttpTrigger> {
        let mut triggers = Vec::new();
        let mut routes: Vec<(String, usize)> = Vec::new();
        let mut ids = TriggerIds::new(&raw);
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
                None if self.wrong.contains(&name) => None,
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
    fn new(raw: &[Spanned<raw::HttpTrigger>]) -> Self {
        let given = raw
            .iter()
            .filter_map(|trigger| trigger.get_ref().id.clone());
        Self {
            taken: given.collect(),
            number: 1,
        }
    }

    fn id_of(&mut self, trigger: &raw::HttpTrigger) -> String {
        if let Some(id) = &trigger.id {
            return id.clone();
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
