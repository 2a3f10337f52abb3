//! What Fermyon Spin 4.1 links and calls (its `wit/world.wit`, `spin:up/platform@4.1.0`, and
//! `crates/http/src/trigger.rs`).

/// Interfaces by the start of their names, with the versions that are linked: `0.2` stands for every
/// release of it, since those are compatible; a pre-release fits itself alone.
const LINKED: &[(&str, &[&str])] = &[
    ("wasi:cli/", &["0.2", "0.3", RC]),
    ("wasi:clocks/", &["0.2", "0.3", RC]),
    ("wasi:random/", &["0.2", "0.3", RC]),
    ("wasi:filesystem/", &["0.2", "0.3", RC]),
    ("wasi:sockets/", &["0.2", "0.3", RC]),
    ("wasi:io/", &["0.2"]),
    ("wasi:http/types@", &["0.2", "0.3", RC]),
    ("wasi:http/outgoing-handler@", &["0.2"]),
    ("wasi:http/client@", &["0.3", RC]),
    ("wasi:keyvalue/", &["0.2.0-draft2"]),
    ("wasi:config/store@", &["0.2.0-draft-2024-09-27"]),
    ("fermyon:spin/", &["2.0.0"]),
    ("spin:key-value/", &["3.0"]),
    ("spin:mqtt/", &["3.0"]),
    ("spin:mysql/", &["3.0"]),
    ("spin:postgres/", &["3.0", "4.0", "4.1", "4.2"]),
    ("spin:redis/", &["3.0"]),
    ("spin:sqlite/", &["3.0", "3.1"]),
    ("spin:variables/", &["3.0"]),
];

/// Interfaces of Spin 1, which have no version.
const UNVERSIONED: &[&str] = &[
    "config",
    "http",
    "http-types",
    "key-value",
    "llm",
    "mysql",
    "postgres",
    "rdbms-types",
    "redis",
    "redis-types",
    "sqlite",
];

/// Handlers of HTTP requests that are called.
const CALLED: &[(&str, &[&str])] = &[
    ("wasi:http/incoming-handler@", &["0.2"]),
    ("wasi:http/handler@", &["0.3", RC]),
];

/// The release candidate of WASI 0.3 that is linked beside it.
const RC: &str = "0.3.0-rc-2026-03-15";

/// Whether an import finds what it needs.
pub(crate) fn links(import: &str) -> bool {
    let of_spin_1 = import.strip_prefix("fermyon:spin/");
    fits(LINKED, import) || of_spin_1.is_some_and(|name| UNVERSIONED.contains(&name))
}

/// Whether an exported handler of HTTP requests is called.
pub(crate) fn calls(handler: &str) -> bool {
    fits(CALLED, handler)
}

fn fits(table: &[(&str, &[&str])], interface: &str) -> bool {
    let Some((_, version)) = interface.rsplit_once('@') else {
        return false;
    };
    let versions = table.iter().find(|(start, _)| interface.starts_with(start));
    versions.is_some_and(|(_, versions)| versions.iter().any(|there| is_of(version, there)))
}

fn is_of(version: &str, there: &str) -> bool {
    let release = !version.contains('-');
    let rest = version.strip_prefix(there);
    version == there || release && rest.is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compatible_and_others_fit_themselves() {
        for linked in [
            "wasi:cli/stdout@0.2.0",
            "wasi:cli/stdout@0.2.12",
            "wasi:http/client@0.3.0",
            "wasi:http/client@0.3.0-rc-2026-03-15",
            "wasi:keyvalue/store@0.2.0-draft2",
            "spin:sqlite/sqlite@3.0.0",
            "spin:sqlite/sqlite@3.1.0",
            "fermyon:spin/sqlite@2.0.0",
            "fermyon:spin/redis",
        ] {
            assert!(links(linked), "{linked}");
        }
        for missing in [
            "wasi:http/client@0.3.0-rc-2026-01-06",
            "wasi:http/client@0.2.0",
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:keyvalue/store@0.2.0",
            "wasi:cli/stdout@0.21.0",
            "spin:sqlite/sqlite@4.0.0",
            "sbd:platform/documents@0.1.0",
            "wasi:cli/stdout",
        ] {
            assert!(!links(missing), "{missing}");
        }
        assert!(calls("wasi:http/handler@0.3.1"));
        assert!(!calls("wasi:http/handler@0.3.0-rc-2026-01-06"));
    }
}
