//! Our own settings, from `[application.tool.sbd]` and `[component.X.tool.sbd]`.

use crate::collection::{Collection, is_name};
use crate::document::Document;
use crate::limits::count;
use crate::{ComponentId, Grant, Limits, Metric, raw, route};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// `[application.tool.sbd]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// The component that answers `POST /-/authenticate`. `None`: every request is anonymous.
    pub auth: Option<String>,
    /// Who may call the API from a browser. `None`: pages of this very origin.
    pub cors: Option<Cors>,
    /// Requests per caller. `None`: the host's default.
    pub rate_limit: Option<RateLimit>,
}

/// Which other origins a browser may call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins like `https://app.example.com`, or `*` alone.
    pub origins: Vec<String>,
    /// Whether cookies may come along; not with `*`.
    pub credentials: bool,
}

/// Requests per user, or per address of the anonymous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run; at least 1.
    pub per_second: u32,
    /// In a moment; at least 1.
    pub burst: u32,
    /// Under way at the same time, the others wait; at least 1. If the manifest does not say, as many as
    /// `burst`.
    pub at_once: u32,
}

/// `[component.X.tool.sbd]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentSettings {
    /// Capabilities of the platform that the component may use.
    pub grants: Vec<Grant>,
    /// The components whose events it may hear, beside its own.
    pub listens_to: BTreeSet<String>,
    /// Its document collections, by name.
    pub collections: BTreeMap<String, Collection>,
    /// What it may cost.
    pub limits: Limits,
    /// Whether the host asks it for `GET /-/openapi.json`. Default true.
    pub openapi: bool,
    /// Whether requests carry Spin's own headers (`spin-path-info`, `spin-full-url`, ...). Default
    /// true, because components of others may read them; seven headers cost a small component
    /// about a tenth of a request.
    pub spin_headers: bool,
    /// Whether it is on in a tenant where no operator has switched it. Default true.
    pub enabled: bool,
    /// The features it declares, by their short names.
    pub features: BTreeMap<String, Feature>,
    /// Routes of its with a rate of their own, by the class' name.
    pub rate_limits: BTreeMap<String, RateClass>,
    /// The counters it declares, by their names.
    pub metrics: BTreeMap<String, Metric>,
    /// `[component.X.tool.sbd.audit]`: for so many days it keeps what it has recorded of what was done. `None`: for
    /// good.
    pub audit_keep_days: Option<u32>,
}

/// `[component.X.tool.sbd.features.NAME]`: a part of a component that can be switched off by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// What it is for; may be empty.
    pub description: String,
    /// Whether it is on where no operator has switched it. Default true.
    pub default: bool,
    /// Routes of the component that are there only while it is on.
    pub routes: Vec<String>,
    /// Components that may have it be on for some users, who have bought it. Default none.
    pub granted_by: Vec<String>,
}

/// `[component.X.tool.sbd.rate_limits.NAME]`: a class of routes that somebody may ask less often than others, beside
/// what [`RateLimit`] says of all. One user, or one address of the anonymous, has so much for all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateClass {
    /// Routes of the component.
    pub routes: Vec<String>,
    /// In the long run; at least 1.
    pub per_minute: u32,
    /// In a moment; at least 1. If the manifest does not say, as many as `per_minute`.
    pub burst: u32,
}

/// What answers call the rates that hold for everything.
const RATES: [&str; 3] = ["user", "address", "program"];

// === impl AppSettings ===

impl AppSettings {
    pub(crate) fn read(raw: raw::AppSettings, document: &Document<'_>) -> Self {
        let cors = raw.cors.map(|raw| {
            for origin in &raw.origins {
                check_origin(origin, document);
                if origin.get_ref() == "*" && raw.origins.len() > 1 {
                    document.problem(
                        origin.span(),
                        "`*` already means every origin; remove it or the others",
                    );
                }
                if origin.get_ref() == "*" && raw.credentials {
                    document.problem(
                        origin.span(),
                        "browsers refuse `credentials` with origin `*`; list the origins",
                    );
                }
            }
            Cors {
                origins: raw.origins.into_iter().map(Spanned::into_inner).collect(),
                credentials: raw.credentials,
            }
        });
        let rate_limit = raw.rate_limit.map(|raw| {
            let number = |raw| number(raw, document);
            RateLimit {
                per_second: number(&raw.per_second),
                burst: number(&raw.burst),
                at_once: number(raw.at_once.as_ref().unwrap_or(&raw.burst)),
            }
        });
        Self {
            auth: raw.auth.map(Spanned::into_inner),
            cors,
            rate_limit,
        }
    }
}

fn number(raw: &Spanned<u64>, document: &Document<'_>) -> u32 {
    u32::try_from(count(raw, document)).unwrap_or(u32::MAX)
}

fn check_origin(origin: &Spanned<String>, document: &Document<'_>) {
    let text = origin.get_ref();
    let host = text
        .split_once("://")
        .map(|(_, host)| host)
        .unwrap_or_default();
    if text != "*" && (host.is_empty() || host.contains('/')) {
        document.problem(
            origin.span(),
            format!(
                "`{text}` is no origin; write it like \"https://app.example.com\", without a path"
            ),
        );
    }
}

// === impl ComponentSettings ===

impl Default for ComponentSettings {
    fn default() -> Self {
        Self {
            grants: Vec::new(),
            listens_to: BTreeSet::new(),
            collections: BTreeMap::new(),
            limits: Limits::default(),
            openapi: true,
            spin_headers: true,
            enabled: true,
            features: BTreeMap::new(),
            rate_limits: BTreeMap::new(),
            metrics: BTreeMap::new(),
            audit_keep_days: None,
        }
    }
}

impl ComponentSettings {
    pub(crate) fn read(raw: raw::ComponentSettings, document: &Document<'_>) -> Self {
        let mut grants = Vec::new();
        for grant in raw.grants {
            match grant.get_ref().parse() {
                Ok(parsed) if grants.contains(&parsed) => document.problem(
                    grant.span(),
                    format!("`{parsed}` is granted twice; remove one"),
                ),
                Ok(parsed) => grants.push(parsed),
                Err(message) => document.problem(grant.span(), message),
            }
        }
        let mut listens_to = BTreeSet::new();
        for component in raw.listens_to {
            if let Err(message) = ComponentId::new(component.get_ref()) {
                document.problem(component.span(), message);
            }
            listens_to.insert(component.into_inner());
        }
        let mut collections = BTreeMap::new();
        if let Some(name) = raw.collections.keys().next()
            && !grants.contains(&Grant::Documents)
        {
            document.problem(
                name.span(),
                "collections need the capability documents; add \"documents\" to `grants`",
            );
        }
        for (name, raw) in raw.collections {
            if !is_name(name.get_ref()) {
                document.problem(
                    name.span(),
                    format!(
                        "`{}` is no collection name; use 1 to 64 lower-case letters, digits and _",
                        name.get_ref()
                    ),
                );
            }
            collections.insert(name.into_inner(), Collection::read(raw, document));
        }
        let metrics = Metric::read_all(raw.metrics, &grants, document);
        Self {
            metrics,
            grants,
            listens_to,
            collections,
            limits: Limits::read(raw.limits, document),
            openapi: raw.openapi.unwrap_or(true),
            spin_headers: raw.spin_headers.unwrap_or(true),
            enabled: raw.enabled.unwrap_or(true),
            features: raw
                .features
                .into_iter()
                .map(|(name, raw)| Feature::read(name, raw, document))
                .collect(),
            rate_limits: raw
                .rate_limits
                .into_iter()
                .map(|(name, raw)| RateClass::read(name, raw, document))
                .collect(),
            audit_keep_days: raw.audit.keep_days.map(|raw| number(&raw, document)),
        }
    }
}

// === impl Feature ===

impl Feature {
    fn read(name: Spanned<String>, raw: raw::Feature, document: &Document<'_>) -> (String, Self) {
        if !is_name(name.get_ref()) {
            document.problem(
                name.span(),
                format!(
                    "`{}` is no name of a feature; use 1 to 64 lower-case letters, digits and _",
                    name.get_ref()
                ),
            );
        }
        for route in &raw.routes {
            if let Err(message) = route::check(route.get_ref()) {
                document.problem(route.span(), message);
            }
        }
        let feature = Self {
            description: raw.description,
            default: raw.default.unwrap_or(true),
            routes: raw.routes.into_iter().map(Spanned::into_inner).collect(),
            granted_by: raw.granted_by,
        };
        (name.into_inner(), feature)
    }
}

// === impl RateClass ===

impl RateClass {
    fn read(name: Spanned<String>, raw: raw::RateClass, document: &Document<'_>) -> (String, Self) {
        let text = name.get_ref();
        if !is_name(text) || RATES.contains(&text.as_str()) {
            document.problem(
                name.span(),
                format!(
                    "`{text}` is no name of a rate; use 1 to 64 lower-case letters, digits and _, and none of {}",
                    RATES.join(", ")
                ),
            );
        }
        if raw.routes.is_empty() {
            document.problem(
                name.span(),
                format!("`{text}` has no routes; write some it holds for, or remove it"),
            );
        }
        for route in &raw.routes {
            if let Err(message) = route::check(route.get_ref()) {
                document.problem(route.span(), message);
            }
        }
        let per_minute = number(&raw.per_minute, document);
        let class = Self {
            routes: raw.routes.into_iter().map(Spanned::into_inner).collect(),
            per_minute,
            burst: raw.burst.map_or(per_minute, |raw| number(&raw, document)),
        };
        (name.into_inner(), class)
    }
}
