//! The manifest as TOML holds it: Spin's schema, field by field. Nothing is checked here beyond
//! names and types.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use toml::{Spanned, Value};

/// A table that we read past: its names are Spin's, its meaning nothing to us.
pub(crate) type Ignored = BTreeMap<String, Value>;

/// Read first: whoever has an old manifest should hear that, and not of its first old key.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) spin_manifest_version: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(rename = "spin_manifest_version")]
    _version: i64,
    pub(crate) application: Application,
    #[serde(default)]
    pub(crate) variables: BTreeMap<Spanned<String>, Variable>,
    #[serde(default)]
    pub(crate) trigger: Triggers,
    #[serde(default)]
    pub(crate) component: BTreeMap<Spanned<String>, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Application {
    pub(crate) name: Spanned<String>,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
    #[serde(default, rename = "targets")]
    _targets: Vec<Value>,
    #[serde(default, rename = "trigger")]
    _trigger: Ignored,
    #[serde(default)]
    pub(crate) tool: AppTools,
}

/// Other tools' tables beside ours are theirs.
#[derive(Default, Deserialize)]
pub(crate) struct AppTools {
    #[serde(default)]
    pub(crate) sbd: AppSettings,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppSettings {
    pub(crate) auth: Option<Spanned<String>>,
    pub(crate) cors: Option<Cors>,
    pub(crate) rate_limit: Option<RateLimit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cors {
    pub(crate) origins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) credentials: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimit {
    pub(crate) per_second: Spanned<u64>,
    pub(crate) burst: Spanned<u64>,
    pub(crate) at_once: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    #[serde(default)]
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) secret: bool,
    #[serde(default, rename = "description")]
    _description: Option<String>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Triggers {
    #[serde(default)]
    pub(crate) http: Vec<Spanned<HttpTrigger>>,
    #[serde(flatten)]
    pub(crate) others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTrigger {
    pub(crate) id: Option<String>,
    pub(crate) route: Spanned<Route>,
    pub(crate) component: Option<Spanned<Reference>>,
    pub(crate) static_response: Option<Spanned<StaticResponse>>,
    pub(crate) executor: Option<Spanned<Executor>>,
    pub(crate) dependencies: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a path like \"/api/...\" or { private = true }"
)]
pub(crate) enum Route {
    Public(String),
    Private { private: bool },
}

pub(crate) enum Reference {
    Named(String),
    Inline(Box<Component>),
}

/// By hand, because an untagged enum would lose the places in the file.
impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Reference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a component, or a component as a table")
            }

            fn visit_str<E>(self, name: &str) -> Result<Reference, E> {
                Ok(Reference::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Reference, A::Error> {
                Component::deserialize(MapAccessDeserializer::new(table))
                    .map(|inline| Reference::Inline(Box::new(inline)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StaticResponse {
    #[serde(default = "ok")]
    pub(crate) status_code: u16,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
}

fn ok() -> u16 {
    200
}

#[derive(Deserialize)]
pub(crate) struct Executor {
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Component {
    pub(crate) source: Spanned<Source>,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) files: Vec<Spanned<Value>>,
    #[serde(default)]
    pub(crate) exclude_files: Vec<Spanned<String>>,
    pub(crate) allowed_http_hosts: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) key_value_stores: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) sqlite_databases: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) ai_models: Vec<String>,
    #[serde(default, rename = "targets")]
    _targets: Vec<Value>,
    pub(crate) build: Option<Build>,
    #[serde(default)]
    pub(crate) tool: ComponentTools,
    pub(crate) dependencies_inherit_configuration: Option<Spanned<bool>>,
    /// Spin plugs dependencies; here the host offers what our shim would.
    #[serde(default)]
    pub(crate) dependencies: Ignored,
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, Profile>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the path of a .wasm file")]
pub(crate) enum Source {
    Path(PathBuf),
    Elsewhere(
        #[expect(dead_code, reason = "read past, so that the message can name the fix")] Ignored,
    ),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    pub(crate) command: Commands,
    pub(crate) workdir: Option<PathBuf>,
    #[serde(default)]
    pub(crate) watch: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a command or a list of commands")]
pub(crate) enum Commands {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) source: Option<Spanned<Source>>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) dependencies: Ignored,
    pub(crate) build: Option<ProfileBuild>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileBuild {
    pub(crate) command: Commands,
}

#[derive(Default, Deserialize)]
pub(crate) struct ComponentTools {
    #[serde(default)]
    pub(crate) sbd: ComponentSettings,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentSettings {
    #[serde(default)]
    pub(crate) grants: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) listens_to: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) collections: BTreeMap<Spanned<String>, Collection>,
    #[serde(default)]
    pub(crate) limits: crate::limits::Raw,
    pub(crate) openapi: Option<bool>,
    pub(crate) spin_headers: Option<bool>,
    pub(crate) enabled: Option<bool>,
    #[serde(default)]
    pub(crate) features: BTreeMap<Spanned<String>, Feature>,
    #[serde(default)]
    pub(crate) rate_limits: BTreeMap<Spanned<String>, RateClass>,
    #[serde(default)]
    pub(crate) metrics: BTreeMap<Spanned<String>, Metric>,
    #[serde(default)]
    pub(crate) audit: Audit,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) keep_days: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) help: Spanned<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<Spanned<String>, Spanned<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feature {
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) default: Option<bool>,
    #[serde(default)]
    pub(crate) routes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) granted_by: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateClass {
    pub(crate) routes: Vec<Spanned<String>>,
    pub(crate) per_minute: Spanned<u64>,
    pub(crate) burst: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collection {
    #[serde(default)]
    pub(crate) indexes: Vec<Index>,
    pub(crate) export: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    pub(crate) name: Spanned<String>,
    pub(crate) fields: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(crate) unique: bool,
    #[serde(default)]
    pub(crate) sparse: bool,
    pub(crate) ttl_seconds: Option<u64>,
}
