//! Manifests and what becomes of them: each `wrong/NAME.toml` has the whole message in
//! `wrong/NAME.txt`, each `right/NAME.toml` its meaning in `right/NAME.txt`. `UPDATE_EXPECTED=1`
//! writes the texts anew, for eyes to check.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_manifest::{App, ComponentSettings, Grant, LoadOptions, Routes, Target};
use std::collections::BTreeMap;
use std::path::Path;

fn parse(text: &str) -> Result<sbd_manifest::Loaded, String> {
    App::parse(
        text,
        "spin.toml",
        Path::new("/app"),
        &LoadOptions::default(),
    )
    .map_err(|error| error.to_string())
}

/// Compares what every manifest of a folder gives with the text beside it.
fn each_gives_its_text(folder: &str, given: impl Fn(&str) -> String) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let given = given(&std::fs::read_to_string(&path).unwrap());
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &given).unwrap();
        }
        assert_eq!(
            given,
            std::fs::read_to_string(&expected).unwrap(),
            "{}",
            path.display()
        );
    }
    seen
}

#[test]
fn wrong_manifests_say_where_and_how_to_mend_them() {
    let seen = each_gives_its_text("wrong", |text| {
        format!("{}\n", parse(text).expect_err(text))
    });
    assert!(seen >= 50, "only {seen} wrong manifests");
}

#[test]
fn right_manifests_mean_what_they_say() {
    let seen = each_gives_its_text("right", |text| {
        let loaded = parse(text).unwrap();
        let mut said: String = loaded
            .warnings
            .iter()
            .map(|warning| format!("{warning}\n"))
            .collect();
        said.push_str(&summary(&loaded.app));
        said
    });
    assert!(seen >= 3, "only {seen} right manifests");
}

/// What an application is, without what it is by default.
fn summary(app: &App) -> String {
    let mut lines = vec![format!(
        "{} {:?} {:?}",
        app.name, app.version, app.description
    )];
    lines.push(format!("{:?}", app.settings));
    for (name, variable) in &app.variables {
        lines.push(format!("variable {name}: {variable:?}"));
    }
    for trigger in &app.triggers {
        let (id, route) = (trigger.id.as_deref().unwrap_or("-"), &trigger.route);
        lines.push(format!("trigger {id}: {route:?} to {:?}", trigger.target));
    }
    let plain = ComponentSettings::default();
    for (id, component) in &app.components {
        lines.push(format!("component {id}: {}", component.source.display()));
        let settings = &component.settings;
        let parts = [
            (
                component.key_value_stores.is_empty(),
                format!("{:?}", component.key_value_stores),
            ),
            (
                component.sqlite_databases.is_empty(),
                format!("databases {:?}", component.sqlite_databases),
            ),
            (component.files.is_empty(), format!("{:?}", component.files)),
            (
                component.environment.is_empty(),
                format!("{:?}", component.environment),
            ),
            (
                component.variables.is_empty(),
                format!("{:?}", component.variables),
            ),
            (component.build.is_none(), format!("{:?}", component.build)),
            (settings.grants.is_empty(), format!("{:?}", settings.grants)),
            (
                settings.collections.is_empty(),
                format!("{:#?}", settings.collections),
            ),
            (settings.limits == plain.limits, settings.limits.to_string()),
            (
                settings.enabled,
                "off where nobody switches it on".to_owned(),
            ),
            (
                settings.features.is_empty(),
                format!("{:?}", settings.features),
            ),
            (
                settings.rate_limits.is_empty(),
                format!("{:?}", settings.rate_limits),
            ),
            (
                settings.metrics.is_empty(),
                format!("{:?}", settings.metrics),
            ),
            (
                settings.audit_keep_days.is_none(),
                format!("keeps its audit for {:?} days", settings.audit_keep_days),
            ),
            (settings.openapi, "no openapi".to_owned()),
            (settings.spin_headers, "no spin headers".to_owned()),
        ];
        lines.extend(
            parts
                .into_iter()
                .filter(|(default, _)| !default)
                .map(|(_, said)| format!("  {said}")),
        );
    }
    lines.push(String::new());
    lines.join("\n")
}

#[test]
fn a_profile_changes_what_it_names() {
    let text = include_str!("right/shop.toml");
    let with = |profile: &str| {
        let profile = Some(profile.to_owned());
        App::parse(text, "spin.toml", Path::new(""), &LoadOptions { profile })
    };
    let app = with("debug").unwrap().app;
    let prices = &app.components["prices"];
    assert_eq!(prices.source, Path::new("prices-debug.wasm"));
    assert_eq!(prices.environment["LOG"], "debug");
    let build = prices.build.as_ref().unwrap();
    assert_eq!(build.commands, ["npm run build-debug"]);
    assert_eq!(build.workdir.as_deref(), Some(Path::new("prices")));
    assert_eq!(build.watch, ["src/**/*.ts"]);
    assert_eq!(app.components["api"].source, Path::new("api.wasm"));
    assert_eq!(
        with("deubg").unwrap_err().to_string(),
        "spin.toml: no component has a profile `deubg`; did you mean `debug`?"
    );
}

#[test]
fn a_file_is_read_relative_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spin.toml");
    let missing = App::load(&path, &LoadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(missing.contains("--app"), "{missing}");
    std::fs::write(&path, include_str!("right/hello.toml")).unwrap();
    let app = App::load(&path, &LoadOptions::default()).unwrap().app;
    assert_eq!(
        app.components["hello"].source,
        folder
            .path()
            .join("target/wasm32-wasip2/release/hello.wasm")
    );
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(App::load(&path, &LoadOptions::default()).is_err());
}

#[test]
fn our_own_manifest_is_right() {
    let text = include_str!("../../../spin.toml");
    let app = parse(text).unwrap().app;
    assert_eq!(app.settings.auth.as_deref(), Some("auth"));
    let auth = &app.components["auth"];
    assert_eq!(
        auth.settings.grants,
        [
            Grant::Audit,
            Grant::Documents,
            Grant::Cache,
            Grant::Passwords,
            Grant::Keys,
            Grant::Vault,
            Grant::Mail,
            Grant::Tasks
        ]
    );
    let routes = Routes::new(&app.triggers);
    let target = |path: &str| &app.triggers[routes.find(path).unwrap().trigger].target;
    assert_eq!(
        *target("/api/v1/families/fam_1/members"),
        Target::Component(app.components["family"].id.clone())
    );
    assert!(routes.find("/api/v2/families").is_none());
}

#[test]
fn variables_come_from_outside_or_from_their_defaults() {
    let mut app = parse(include_str!("right/shop.toml")).unwrap().app;
    let missing = app
        .clone()
        .resolve(&BTreeMap::new())
        .unwrap_err()
        .to_string();
    assert!(missing.contains("set SPIN_VARIABLE_API_TOKEN"), "{missing}");
    let given = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let wrong = given(&[("api_token", "s3"), ("analytics", "hunter2")]);
    let wrong = app.clone().resolve(&wrong).unwrap_err().to_string();
    assert!(
        wrong.contains("component `prices`") && !wrong.contains("hunter2"),
        "{wrong}"
    );
    let values = app.resolve(&given(&[("api_token", "s3")])).unwrap();
    assert_eq!(values["prices"]["token"], "s3");
    assert_eq!(values["prices"]["url"], "https://api.example.com/v1");
    assert!(values["api"].is_empty());
    let hosts = &app.components["prices"].allowed_outbound_hosts;
    assert!(
        hosts.allows("https", "api.example.com", 443) && hosts.allows("http", "10.9.8.7", 8080)
    );
    assert!(!hosts.allows_component("stock"));
    assert!(
        app.components["api"]
            .allowed_outbound_hosts
            .allows_component("stock")
    );
}

const MANIFESTS: &[&str] = &[
    include_str!("../../../spin.toml"),
    include_str!("right/hello.toml"),
    include_str!("right/shop.toml"),
    include_str!("right/limits.toml"),
];

const SCRAPS: &[&str] = &[
    "",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "{{",
    "}}",
    "=",
    ",",
    "\n",
    "\t",
    "#",
    "..",
    "/...",
    ":",
    "*",
    "-1",
    "99999999999999999999",
    "true",
    "[component.a]",
    "[[trigger.http]]",
    "é",
    "\u{0}",
];

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_route_and_no_path_make_it_panic(route in "[/a:.*]{0,12}", path in "[/a:.%]{0,12}") {
        let text = format!("spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = {route:?}\nstatic_response = {{ body = \"\" }}\n");
        if let Ok(loaded) = parse(&text) {
            let _ = Routes::new(&loaded.app.triggers).find(&path);
        }
    }

    /// Manifests as they look while somebody types: a piece gone, a scrap in its place.
    #[test]
    fn no_half_written_manifest_makes_it_panic(
        which in 0..MANIFESTS.len(),
        from in 0..4000_usize,
        length in 0..60_usize,
        scrap in 0..SCRAPS.len(),
    ) {
        let text: Vec<char> = MANIFESTS[which].chars().collect();
        let from = from % text.len();
        let to = (from + length).min(text.len());
        let mut typed: String = text[..from].iter().collect();
        typed.push_str(SCRAPS[scrap]);
        typed.extend(&text[to..]);
        match parse(&typed) {
            Ok(loaded) => drop(Routes::new(&loaded.app.triggers).find("/api/prices/7/")),
            Err(said) => proptest::prop_assert!(!said.is_empty()),
        }
    }
}
