//! What is wrong with an application is found before it serves, and said with its mending.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Application, Output, guest, run};
use std::path::Path;

const NOTES: &str = r#"[[trigger.http]]
route = "/api/v1/notes/..."
component = "notes"
[component.notes]
source = "{guest:memos}"
"#;

fn sbd(command: &str, app: &Application) -> Output {
    let data = tempfile::tempdir().unwrap();
    let (app, data) = (
        app.manifest().display().to_string(),
        data.path().display().to_string(),
    );
    let addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let args = [
        &[command, "--app", &app, "--data-dir", &data],
        addresses.as_slice(),
    ]
    .concat();
    run(&args, &[], "")
}

/// What `check` and `up` alike refuse the application with.
fn refusal(app: &Application) -> String {
    let [checked, served] = ["check", "up"].map(|command| sbd(command, app));
    assert!(
        !checked.success && !served.success,
        "{checked:?} {served:?}"
    );
    assert!(checked.stderr.contains("sbd: "), "{}", checked.stderr);
    let sentence = |output: &Output| {
        output
            .stderr
            .split_once("sbd: ")
            .map(|(_, said)| said.to_owned())
    };
    assert_eq!(sentence(&checked), sentence(&served));
    assert!(!checked.stderr.contains("panicked"), "{}", checked.stderr);
    checked.stderr
}

/// An application of one component with this file.
fn with_source(bytes: &[u8]) -> Application {
    let app = Application::new(
        "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"odd\"\n[component.odd]\nsource = \"odd.wasm\"\n",
    );
    std::fs::write(app.folder().join("odd.wasm"), bytes).unwrap();
    app
}

#[test]
fn an_ungranted_import_names_the_line_that_grants_it() {
    let said = refusal(&Application::new(NOTES));
    assert!(
        said.contains("component `notes` imports sbd:platform/documents@0.1.0"),
        "{said}"
    );
    let lines = "[component.notes.tool.sbd]\ngrants = [\"documents\"]\n";
    assert!(said.contains(lines), "{said}");
    let mended = sbd("check", &Application::new(&format!("{NOTES}{lines}")));
    assert!(mended.success, "{mended:?}");
    assert!(
        mended.stdout.contains("notes: granted documents"),
        "{mended:?}"
    );
}

#[test]
fn outgoing_requests_and_stores_may_be_missing() {
    let bytes = std::fs::read(guest("spin-hello")).unwrap();
    let checked = sbd("check", &with_source(&bytes));
    assert!(checked.success, "{}", checked.stderr);
    for wish in ["allowed_outbound_hosts", "key_value_stores"] {
        let line = format!("would like {wish}, and is denied it");
        assert!(checked.stdout.contains(&line), "{}", checked.stdout);
    }
}

#[test]
fn a_component_must_export_exactly_one_handler() {
    let (new, old) = (
        "wasi:http/handler@0.3.0",
        "wasi:http/incoming-handler@0.2.0",
    );
    let said = refusal(&with_source(&component(&[new, old], &[])));
    assert!(
        said.contains(&format!("it exports {new} and {old}; export one of them")),
        "{said}"
    );
    let said = refusal(&with_source(&component(&[], &[])));
    assert!(
        said.contains("it exports no HTTP handler; export wasi:http/handler@0.3.0"),
        "{said}"
    );
}

#[test]
fn an_import_that_nobody_offers_is_named() {
    let said = refusal(&with_source(&component(&[], &["acme:crystal/ball@1.0.0"])));
    assert!(
        said.contains("it imports acme:crystal/ball@1.0.0, which this host does not offer"),
        "{said}"
    );
}

#[test]
fn what_is_no_component_is_refused() {
    let whole = std::fs::read(guest("probe")).unwrap();
    for (what, bytes) in [
        ("a core module", b"\0asm\x01\0\0\0".as_slice()),
        ("a truncated file", &whole[..whole.len() / 2]),
        ("a text", b"not wasm at all"),
        ("an empty file", b""),
    ] {
        let said = refusal(&with_source(bytes));
        assert!(
            said.contains("component `odd`") && said.contains("odd.wasm"),
            "{what}: {said}"
        );
    }
    let missing = with_source(b"");
    std::fs::remove_file(missing.folder().join("odd.wasm")).unwrap();
    let said = refusal(&missing);
    assert!(
        said.contains("component `odd`: cannot read") && said.contains("build it first"),
        "{said}"
    );
}

#[test]
fn a_wrong_manifest_names_file_line_and_nearest_name() {
    let with = |table: &str| format!("{NOTES}[component.notes.tool.sbd{table}\n");
    for (manifest, line) in [
        (
            NOTES.replace("route", "rout"),
            "spin.toml:5:1: unknown key `rout` in [[trigger.http]]; did you mean `route`?",
        ),
        (
            NOTES.replace("= \"notes\"", "= \"note\""),
            "spin.toml:6:13: there is no component `note`; did you mean `notes`?",
        ),
        (
            with("]\ngrants = [\"documnets\"]"),
            "spin.toml:10:11: there is no capability `documnets` to grant; did you mean `documents`?",
        ),
        (
            with("]\ngrants = [\"documents\"]\n[component.notes.tool.sbd.colections.notes]"),
            "did you mean `collections`?",
        ),
        (
            with(".collections.notes]"),
            "spin.toml:9:39: collections need the capability documents",
        ),
        (
            with(".limits]\nmemory = \"plenty\""),
            "spin.toml:10:10: `plenty` is no size; write it like",
        ),
        (
            format!("[application.tool.sbd]\nauth = \"auth\"\n{NOTES}"),
            "spin.toml:5:8: there is no component `auth`",
        ),
        (format!("[[trigger.http]\n{NOTES}"), "spin.toml:4:"),
    ] {
        let said = refusal(&Application::new(&manifest));
        assert!(said.contains(line), "expected `{line}` in {said}");
    }
}

#[test]
fn a_manifest_that_is_not_there() {
    let app = Application::new("");
    std::fs::remove_file(app.manifest()).unwrap();
    let said = refusal(&app);
    assert!(said.contains("spin.toml"), "{said}");
}

#[test]
fn a_variable_without_a_value_says_how_to_give_it_one() {
    let manifest = format!(
        "{NOTES}[component.notes.variables]\nkey = \"{{{{ api_key }}}}\"\n[variables]\napi_key = {{ required = true }}\n"
    );
    let said = refusal(&Application::new(&manifest));
    assert!(said.contains("SPIN_VARIABLE_API_KEY"), "{said}");
}

/// A component of empty interfaces: what it exports and what it imports.
fn component(exports: &[&str], imports: &[&str]) -> Vec<u8> {
    let section = |id: u8, content: Vec<u8>| {
        [vec![id, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let named = |names: &[&str], after: &[u8]| {
        let mut content = vec![u8::try_from(names.len()).unwrap()];
        for name in names {
            content.extend([0, u8::try_from(name.len()).unwrap()]);
            content.extend_from_slice(name.as_bytes());
            content.extend_from_slice(after);
        }
        content
    };
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    // A type: an instance of nothing. Imports of that type. An instance of nothing. Exports of it.
    bytes.extend(section(7, vec![1, 0x42, 0]));
    bytes.extend(section(10, named(imports, &[5, 0])));
    bytes.extend(section(5, vec![1, 1, 0]));
    let instance = u8::try_from(imports.len()).unwrap();
    bytes.extend(section(11, named(exports, &[5, instance, 0])));
    bytes
}

#[test]
fn a_component_is_inspected_without_being_run() {
    let inspect = |path: &Path| {
        run(
            &["component", "inspect", &path.display().to_string()],
            &[],
            "",
        )
    };
    let notes = inspect(&guest("memos"));
    assert!(notes.success, "{}", notes.stderr);
    for words in [
        "wasi:http/handler@0.3.0",
        "documents                it keeps documents",
        "does not run on Spin 4.1:",
        "Spin 4.1 does not offer sbd:platform/documents@0.1.0",
    ] {
        assert!(notes.stdout.contains(words), "{words}: {}", notes.stdout);
    }
    let hello = inspect(&guest("spin-hello"));
    assert!(
        hello.stdout.contains("runs on Spin 4.1 too"),
        "{}",
        hello.stdout
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wasm");
    let whole = std::fs::read(guest("memos")).unwrap();
    for (bytes, words) in [
        (b"\0asm\x01\0\0\0".as_slice(), "core module"),
        (b"hello", "no WebAssembly file"),
        (&whole[..whole.len() / 2], "only half there"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let refused = inspect(&path);
        assert!(
            !refused.success && refused.stderr.contains(words),
            "{}",
            refused.stderr
        );
    }
    let missing = inspect(&folder.path().join("none.wasm"));
    assert!(missing.stderr.contains("cannot read"), "{}", missing.stderr);
}

#[test]
fn an_application_is_checked_for_another_host() {
    let check = |manifest: &str| {
        let app = Application::new(manifest);
        let manifest = app.manifest().display().to_string();
        run(
            &["check", "--target", "spin-4.1", "--app", &manifest],
            &[],
            "",
        )
    };
    let hello = check(
        "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"hello\"\n[component.hello]\nsource = \"{guest:spin-hello}\"\nallowed_outbound_hosts = [\"https://example.com\"]\nkey_value_stores = [\"default\"]\n",
    );
    assert!(
        hello.success && hello.stdout.contains("hello runs on Spin 4.1 too"),
        "{}{}",
        hello.stdout,
        hello.stderr
    );
    let notes = check(include_str!("apps/notes.toml"));
    assert!(
        !notes.success && notes.stdout.contains("notes does not run on Spin 4.1"),
        "{}",
        notes.stdout
    );
}
