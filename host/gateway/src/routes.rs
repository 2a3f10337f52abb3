//! The routes of the manifest, with all that a request needs of one made in advance.

use crate::error::GatewayError;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sbd_manifest::{App, ComponentSettings, Target as Declared};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which route a path belongs to.
pub(crate) struct Routes {
    matcher: sbd_manifest::Routes,
    /// By trigger; `None` for private ones, which the matcher never answers.
    routes: Vec<Option<Route>>,
    documented: Vec<Arc<str>>,
}

/// One public route.
pub(crate) struct Route {
    pub(crate) pattern: Arc<str>,
    pub(crate) pattern_header: HeaderValue,
    /// The pattern without its trailing `/...`.
    pub(crate) prefix_header: HeaderValue,
    pub(crate) target: Target,
}

/// What answers on a route.
pub(crate) enum Target {
    Component {
        id: Arc<str>,
        limits: Limits,
        spin_headers: bool,
    },
    Static(StaticResponse),
}

/// What a request to a component may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the request's head: its address and headers.
    pub(crate) headers: u64,
    /// Bytes of the request's body.
    pub(crate) body: u64,
}

/// An answer that the manifest holds.
pub(crate) struct StaticResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A path on its route.
pub(crate) struct Matched<'a> {
    pub(crate) route: &'a Route,
    /// What `/...` stands for, with its leading slash; else empty.
    pub(crate) rest: &'a str,
    /// What `:name` stands for.
    pub(crate) params: Vec<(&'a str, &'a str)>,
}

// === impl Routes ===

impl Routes {
    pub(crate) fn new(app: &App) -> Result<Self, GatewayError> {
        let mut components: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        let mut routes = Vec::with_capacity(app.triggers.len());
        for trigger in &app.triggers {
            let sbd_manifest::Route::Public(pattern) = &trigger.route else {
                routes.push(None);
                continue;
            };
            let target = match &trigger.target {
                Declared::Component(id) => {
                    let id = id.as_str();
                    Target::Component {
                        id: Arc::clone(components.entry(id).or_insert_with(|| Arc::from(id))),
                        limits: Limits::of(app, id),
                        spin_headers: setting(app, id, |settings| settings.spin_headers),
                    }
                }
                Declared::Static {
                    status,
                    headers,
                    body,
                } => {
                    let answer = StaticResponse::new(*status, headers, body);
                    Target::Static(answer.map_err(|reason| GatewayError::StaticResponse {
                        route: pattern.clone(),
                        reason,
                    })?)
                }
            };
            routes.push(Some(Route::new(pattern, target)));
        }
        Ok(Self {
            matcher: sbd_manifest::Routes::new(&app.triggers),
            documented: components
                .into_iter()
                .filter(|(id, _)| setting(app, id, |settings| settings.openapi))
                .map(|(_, id)| id)
                .collect(),
            routes,
        })
    }

    /// The most exact route for a path.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<Matched<'a>> {
        let found = self.matcher.find(path)?;
        Some(Matched {
            route: self.routes.get(found.trigger)?.as_ref()?,
            rest: found.rest,
            params: found.params,
        })
    }

    /// Does a path lead to this component?
    pub(crate) fn leads_to(&self, path: &str, component: &str) -> bool {
        self.find(path).is_some_and(|matched| {
            matches!(&matched.route.target, Target::Component { id, .. } if &**id == component)
        })
    }

    /// Is this path written in the manifest, alone or with `/...` behind it?
    pub(crate) fn names(&self, path: &str) -> bool {
        self.routes
            .iter()
            .flatten()
            .any(|route| prefix(&route.pattern) == path)
    }

    /// The components that have a public route and describe it, each once.
    pub(crate) fn documented(&self) -> impl Iterator<Item = &Arc<str>> {
        self.documented.iter()
    }

    /// Public routes and their components, in the manifest's order.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes
            .iter()
            .flatten()
            .filter_map(|route| match &route.target {
                Target::Component { id, .. } => Some((&*route.pattern, &**id)),
                Target::Static(_) => None,
            })
    }
}

// === impl Route ===

impl Route {
    fn new(pattern: &str, target: Target) -> Self {
        // The manifest lets no character into a route that a header could not carry, except
        // those beyond ASCII; a guest then misses these headers rather than the request.
        let header = |text: &str| {
            HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        Self {
            pattern: Arc::from(pattern),
            pattern_header: header(pattern),
            prefix_header: header(prefix(pattern)),
            target,
        }
    }
}

fn prefix(pattern: &str) -> &str {
    pattern.strip_suffix("/...").unwrap_or(pattern)
}

// === impl Limits ===

impl Limits {
    /// The limits of a component that are kept before it is reached.
    pub(crate) fn of(app: &App, component: &str) -> Self {
        let declared = app
            .components
            .get(component)
            .map(|component| component.settings.limits.clone())
            .unwrap_or_default();
        Self {
            headers: declared.request_headers.bytes(),
            body: declared.request_body.bytes(),
        }
    }
}

fn setting(app: &App, component: &str, read: impl Fn(&ComponentSettings) -> bool) -> bool {
    let declared = app.components.get(component);
    declared.is_some_and(|component| read(&component.settings))
}

// === impl StaticResponse ===

impl StaticResponse {
    fn new(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Result<Self, String> {
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let parsed = HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::try_from(value).ok());
            let (name, value) = parsed.ok_or_else(|| format!("`{name}: {value}` is no header"))?;
            map.insert(name, value);
        }
        Ok(Self {
            status: StatusCode::from_u16(status).map_err(|error| error.to_string())?,
            headers: map,
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }
}
