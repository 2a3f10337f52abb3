//! What a component imports, held against what the manifest grants it.
//!
//! Of `sbd:platform` only granted interfaces are linked. An import that is not granted is found before
//! linking, so that the message can name the line to add instead of a mismatch deep in the linker.
//! Standard interfaces are always linked, and deny what was not granted when it is asked for: many
//! toolchains import all there is, whether or not it is ever used. So are those of Spin; stores and
//! databases are granted one by one, by name, and decided about when they are opened.

use crate::Error;
use crate::instances::instance::State;
use crate::instances::{capabilities, refusals};
use sbd_manifest::{Component as Declared, Grant};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{p2, p3};

/// What a component must have been granted for an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Every component has it: it reaches nothing outside the sandbox. Sockets are there as interfaces
    /// and empty, files and the environment hold what the manifest says.
    Nothing,
    /// Some host in `allowed_outbound_hosts`.
    OutboundHosts,
    /// A store in `key_value_stores`. Which one, if any, is decided when it is opened.
    KeyValueStores,
    /// A database in `sqlite_databases`. Likewise.
    SqliteDatabases,
    /// A word in `grants`.
    Grant(Grant),
    /// It is of Spin and not served: what to do instead. Calls of it are refused.
    Instead(&'static str),
}

/// What a component wants and must be granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// What to grant, as a manifest names it.
    pub grant: &'static str,
    /// What that lets it do.
    pub meaning: &'static str,
    /// Whether a component that wants it does not start without it.
    pub is_needed: bool,
}

/// Imports by the start of their names. The first that fits counts.
const IMPORTS: &[(&str, Needs)] = &[
    ("wasi:http/types@", Needs::Nothing),
    ("wasi:http/client@", Needs::OutboundHosts),
    ("wasi:http/outgoing-handler@", Needs::OutboundHosts),
    ("wasi:cli/", Needs::Nothing),
    ("wasi:clocks/", Needs::Nothing),
    ("wasi:random/", Needs::Nothing),
    ("wasi:io/", Needs::Nothing),
    ("wasi:filesystem/", Needs::Nothing),
    ("wasi:sockets/", Needs::Nothing),
    ("wasi:config/", Needs::Nothing),
    ("spin:variables/", Needs::Nothing),
    ("fermyon:spin/variables@2", Needs::Nothing),
    ("wasi:keyvalue/", Needs::KeyValueStores),
    ("spin:key-value/", Needs::KeyValueStores),
    ("fermyon:spin/key-value@2", Needs::KeyValueStores),
    ("spin:sqlite/", Needs::SqliteDatabases),
    ("fermyon:spin/sqlite@2", Needs::SqliteDatabases),
];

/// What an import needs; `None`: this host does not offer it.
pub(crate) fn needs_of(import: &str) -> Option<Needs> {
    if let Some(instead) = refusals::instead_of(import) {
        return Some(Needs::Instead(instead));
    }
    let found = IMPORTS.iter().find(|(start, _)| import.starts_with(start));
    found.map(|(_, needs)| *needs).or_else(|| {
        let mut capabilities = capabilities::ALL.iter();
        let granted = capabilities.find(|granted| import.starts_with(granted.import));
        granted.map(|capability| Needs::Grant(capability.grant))
    })
}

// === impl Needs ===

impl Needs {
    /// What is to be granted, and what that means.
    pub(crate) fn permission(self) -> Option<Permission> {
        let (grant, meaning) = match self {
            Self::Nothing | Self::Instead(_) => return None,
            Self::OutboundHosts => (
                "allowed_outbound_hosts",
                "calls the hosts and components that the manifest lists",
            ),
            Self::KeyValueStores => (
                "key_value_stores",
                "keeps values in the tenant's stores that the manifest lists",
            ),
            Self::SqliteDatabases => (
                "sqlite_databases",
                "keeps SQLite databases of its own, tenant by tenant",
            ),
            Self::Grant(grant) => (grant.word(), capabilities::of(grant)?.meaning),
        };
        Some(Permission {
            grant,
            meaning,
            is_needed: matches!(self, Self::Grant(_)),
        })
    }
}

/// Checks a component's imports and links what it was granted.
///
/// # Errors
/// An import that is not granted or not offered; no HTTP handler among the exports, or two.
pub(crate) fn link(
    engine: &Engine,
    declared: &Declared,
    component: &Component,
) -> Result<ProxyPre<State>, Error> {
    check_imports(engine, declared, component)?;
    let id = declared.id.as_str();
    let linker = linker(engine, declared, component)
        .map_err(|error| Error::not_runnable(id, format!("{error:#}")))?;
    let pre = linker.instantiate_pre(component).map_err(|error| {
        Error::not_runnable(id, format!("its imports do not fit this host: {error:#}"))
    })?;
    let ty = component.component_type();
    let handlers: Vec<&str> = ty
        .exports(engine)
        .map(|(name, _)| name)
        .filter(|name| is_handler(name))
        .collect();
    let proxy = match handlers.as_slice() {
        [one] if is_new_handler(one) => p3::bindings::ServicePre::new(pre).map(ProxyPre::P3),
        [_] => p2::bindings::ProxyPre::new(pre).map(ProxyPre::P2),
        [] => {
            return Err(Error::not_runnable(
                id,
                "it exports no HTTP handler; export wasi:http/handler@0.3.0 or wasi:http/incoming-handler@0.2.x",
            ));
        }
        several => {
            let several = several.join(" and ");
            return Err(Error::not_runnable(
                id,
                format!("it exports {several}; export one of them"),
            ));
        }
    };
    proxy.map_err(|error| {
        Error::not_runnable(
            id,
            format!("its HTTP handler does not fit this host: {error:#}"),
        )
    })
}

pub(crate) fn is_handler(export: &str) -> bool {
    is_new_handler(export) || export.starts_with("wasi:http/incoming-handler@")
}

/// The one of WASI 0.3.
pub(crate) fn is_new_handler(export: &str) -> bool {
    export.starts_with("wasi:http/handler@")
}

/// Whether a component speaks to this host in particular.
pub(crate) fn wants_the_platform(engine: &Engine, component: &Component) -> bool {
    let ty = component.component_type();
    ty.imports(engine)
        .any(|(import, _)| import.starts_with("sbd:platform/"))
}

fn check_imports(engine: &Engine, declared: &Declared, component: &Component) -> Result<(), Error> {
    for (import, _) in component.component_type().imports(engine) {
        let Some(needs) = needs_of(import) else {
            return Err(Error::not_runnable(
                declared.id.as_str(),
                format!("it imports {import}, which this host does not offer; build it without"),
            ));
        };
        if let Needs::Grant(grant) = needs
            && !is_granted(needs, declared)
        {
            return Err(Error::NotGranted {
                component: declared.id.to_string(),
                import: import.to_owned(),
                line: line_to_add(grant, declared),
            });
        }
    }
    Ok(())
}

/// Whether the manifest grants what an import needs.
pub(crate) fn is_granted(needs: Needs, declared: &Declared) -> bool {
    match needs {
        Needs::Nothing | Needs::Instead(_) => true,
        Needs::OutboundHosts => !declared.allowed_outbound_hosts.is_empty(),
        Needs::KeyValueStores => !declared.key_value_stores.is_empty(),
        Needs::SqliteDatabases => !declared.sqlite_databases.is_empty(),
        Needs::Grant(grant) => declared.settings.grants.contains(&grant),
    }
}

fn line_to_add(grant: Grant, declared: &Declared) -> String {
    let id = &declared.id;
    let grants = declared.settings.grants.iter().chain([&grant]);
    let grants: Vec<String> = grants.map(|word| format!("\"{word}\"")).collect();
    format!(
        "[component.{id}.tool.sbd]\ngrants = [{}]",
        grants.join(", ")
    )
}

fn linker(
    engine: &Engine,
    declared: &Declared,
    component: &Component,
) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    super::logs::add_to_linker(&mut linker)?;
    super::http::add_types_to_linker(&mut linker)?;
    sbd_config::add_to_linker(&mut linker)?;
    super::http::add_client_to_linker(&mut linker)?;
    sbd_keyvalue::add_to_linker(&mut linker)?;
    sbd_sqlite::add_to_linker(&mut linker)?;
    refusals::add_to_linker(&mut linker, engine, component)?;
    for capability in capabilities::ALL {
        if is_granted(Needs::Grant(capability.grant), declared) {
            (capability.link)(&mut linker)?;
        }
    }
    Ok(linker)
}
