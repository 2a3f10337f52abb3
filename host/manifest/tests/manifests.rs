//! Right manifests, and wrong ones with their whole messages: each `wrong/NAME.toml` has a
//! `wrong/NAME.txt`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_manifest::{App, Grant, LoadOptions, Route, Routes, Target};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn parse(text: &str) -> Result<sbd_manifest::Loaded, String> {
    App::parse(
        text,
        "spin.toml",
        Path::new("/app"),
        &LoadOptions::default(),
    )
    .map_err(|error| error.to_string())
}

#[test]
fn wrong_manifests_say_where_and_how_to_mend_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let said =
            parse(&std::fs::read_to_string(&path).unwrap()).expect_err(&path.display().to_string());
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, format!("{said}\n")).unwrap();
        }
        assert_eq!(
            format!("{said}\n"),
            std::fs::read_to_string(&expected).unwrap(),
            "{}",
            path.display()
        );
    }
    assert!(seen >= 12, "only {seen} wrong manifests");
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
            Grant::Documents,
            Grant::Cache,
            Grant::Passwords,
            Grant::Keys
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
fn an_application_that_knows_nothing_of_us() {
    let text = r#"
        spin_manifest_version = 2
        [application]
        name = "shop"
        version = "1.2.3"
        authors = ["A <a@example.com>"]
        [application.tool.other]
        anything = { goes = true }
        [variables]
        host = { default = "example.com" }
        api_key = { required = true, secret = true, description = "for the mail service" }
        [[trigger.http]]
        id = "front"
        route = "/..."
        component = "front"
        executor = { type = "http" }
        [[trigger.http]]
        route = { private = true }
        component = "inner"
        [[trigger.http]]
        route = "/robots.txt"
        static_response = { status_code = 200, headers = { content-type = "text/plain" }, body = "no" }
        [[trigger.http]]
        route = "/inline"
        component = { source = "inline.wasm" }
        [[trigger.redis]]
        address = "redis://localhost"
        channel = "c"
        component = "inner"
        [component.front]
        source = "front.wasm"
        allowed_outbound_hosts = ["https://{{ host }}", "http://inner.spin.internal"]
        key_value_stores = ["default"]
        sqlite_databases = ["default"]
        environment = { MODE = "live" }
        variables = { key = "{{ api_key }}", url = "https://{{ host }}/v1" }
        [component.front.build]
        command = ["cargo build", "cargo test"]
        workdir = "front"
        watch = ["src/**/*.rs"]
        [component.front.profile.debug]
        source = "front-debug.wasm"
        environment = { MODE = "debug" }
        [component.front.dependencies]
        "a:b/c" = { path = "c.wasm" }
        [component.inner]
        source = "inner.wasm"
        [component.inner.tool.sbd.limits]
        memory = "128MiB"
        request_timeout = "2m"
        concurrency = 4
    "#;
    let loaded = parse(text).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    let mut app = loaded.app;
    assert_eq!(app.triggers[1].route, Route::Private);
    assert_eq!(app.components["front"].source, Path::new("/app/front.wasm"));
    assert_eq!(
        app.components["inline-http3"].source,
        Path::new("/app/inline.wasm")
    );
    let limits = &app.components["inner"].settings.limits;
    assert_eq!(
        (
            limits.memory.bytes(),
            limits.request_timeout,
            limits.concurrency
        ),
        (128 << 20, Duration::from_secs(120), 4)
    );
    let missing = app
        .clone()
        .resolve(&BTreeMap::new())
        .unwrap_err()
        .to_string();
    assert!(missing.contains("set SPIN_VARIABLE_API_KEY"), "{missing}");
    let values = app
        .resolve(&BTreeMap::from([("api_key".to_owned(), "s3".to_owned())]))
        .unwrap();
    assert_eq!(values["front"]["key"], "s3");
    assert_eq!(values["front"]["url"], "https://example.com/v1");
    let hosts = &app.components["front"].allowed_outbound_hosts;
    assert!(hosts.allows("https", "example.com", 443) && hosts.allows_component("inner"));
    let debug = LoadOptions {
        profile: Some("debug".to_owned()),
    };
    let app = App::parse(text, "spin.toml", Path::new(""), &debug)
        .unwrap()
        .app;
    assert_eq!(app.components["front"].environment["MODE"], "debug");
}

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
}
