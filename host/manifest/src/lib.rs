//! `spin.toml` read into a typed application.
//!
//! The schema is Spin's manifest version 2; our own settings stand only under
//! `[application.tool.sbd]` and `[component.X.tool.sbd]`, which Spin leaves alone. Everything is
//! decoded once: past this crate there are no optional numbers, only values with defaults.

mod app;
mod collection;
mod deployed;
mod document;
mod error;
mod files;
mod grant;
mod hosts;
mod limits;
mod metric;
mod raw;
mod read;
mod route;
mod settings;
mod template;
mod triggers;
mod units;

pub use app::{
    App, Build, Component, ComponentId, HttpTrigger, LoadOptions, Loaded, Route, Target, Variable,
    Warning,
};
pub use collection::{Collection, Direction, Index, IndexField};
pub use error::ManifestError;
pub use files::{Files, Mounted};
pub use grant::Grant;
pub use hosts::AllowedHosts;
pub use limits::Limits;
pub use metric::Metric;
pub use route::{RouteMatch, Routes, check as check_route, same as same_route};
pub use settings::{AppSettings, ComponentSettings, Cors, Feature, RateClass, RateLimit};
pub use template::Template;
pub use units::{ByteSize, parse_duration};
