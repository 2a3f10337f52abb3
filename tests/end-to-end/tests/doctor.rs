//! `sbd doctor`, over what it is to find: each thing in its line, with the way out, and a failure if
//! something is wrong. And that `sbd up` says the same of what keeps it from starting.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Launch, Output, Server, Versioned, run};
use std::net::TcpListener;
use std::path::Path;

/// An address that nobody uses just now.
fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn sbd(command: &str, data_dir: &Path, more: &[&str], environment: &[(&str, &str)]) -> Output {
    let data_dir = data_dir.display().to_string();
    let args = [&[command, "--data-dir", &data_dir], more].concat();
    let environment: Vec<(&str, &str)> = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .into_iter()
        .flat_map(|name| [(name, "")])
        .chain(environment.iter().copied())
        .collect();
    run(&args, &environment, "")
}

/// The line about a thing.
#[track_caller]
fn line<'a>(output: &'a Output, about: &str) -> &'a str {
    let line = output
        .stdout
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(about));
    line.unwrap_or_else(|| panic!("no `{about}`: {output:?}"))
}

#[track_caller]
fn assert_line(output: &Output, verdict: &str, about: &str, says: &str) {
    let line = line(output, about);
    assert!(line.starts_with(verdict) && line.contains(says), "{line}");
}

#[test]
fn where_nothing_runs_it_says_what_a_start_would_meet() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let addresses = [free(), free()];
    let listen = ["--listen", &addresses[0], "--admin-listen", &addresses[1]];
    let well = sbd("doctor", &data, &listen, &[]);
    assert!(well.success, "{well:?}");
    assert_line(&well, "ok", "data", "is made by `sbd up`");
    assert_line(&well, "ok", "version", "no server runs here");
    assert_line(&well, "ok", "listen", "is free");
    assert_line(&well, "ok", "admin_listen", "is free");
    assert_line(&well, "ok", "clock", "it is 20");
    assert_line(&well, "ok", "mail", "mails become files");
    assert_line(&well, "ok", "application", "components 10");
    assert!(!data.exists(), "it leaves no trace");

    let proxy = [("https_proxy", "http://proxy:3128")];
    let told = sbd("doctor", &data, &listen, &proxy);
    assert!(told.success, "{told:?}");
    assert_line(&told, "warning", "proxy", "HTTPS_PROXY is set and not used");

    let server = format!("smtp://ada:hunter22@{}?tls=none", free());
    let nobody = [("SBD_MAIL_URL", server.as_str())];
    let told = sbd("doctor", &data, &listen, &nobody);
    assert_line(&told, "wrong", "mail", "set `mail_from`");
    let gone = [nobody[0], ("SBD_MAIL_FROM", "Brain <brain@example.org>")];
    let told = sbd("doctor", &data, &listen, &gone);
    assert_line(&told, "wrong", "mail", "does not take it");
    assert!(!told.stdout.contains("hunter22"), "{told:?}");

    let taken = TcpListener::bind(&addresses[0]).unwrap();
    let wrong = sbd("doctor", &data, &listen, &[]);
    assert!(!wrong.success && wrong.stderr.contains("one thing is wrong"));
    let who = format!("(process {}); stop it", std::process::id());
    assert_line(&wrong, "wrong", "listen", &who);
    let up = sbd("up", &data, &listen, &[]);
    assert!(
        !up.success
            && up
                .stderr
                .contains("(setting `listen`); choose another address")
    );
    drop(taken);

    let missing = ["--app", "/no/such/spin.toml"];
    let wrong = sbd("doctor", &data, &[&listen[..], &missing].concat(), &[]);
    assert_line(
        &wrong,
        "wrong",
        "application",
        "cannot read /no/such/spin.toml",
    );
    let wrong = sbd("doctor", &data, &listen, &[("SBD_LISEN", "x")]);
    assert!(!wrong.success);
    assert_line(&wrong, "wrong", "settings", "did you mean SBD_LISTEN?");
}

#[test]
fn a_data_directory_that_does_not_do_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let addresses = [free(), free()];
    let listen = ["--listen", &addresses[0], "--admin-listen", &addresses[1]];
    let wrong = sbd("doctor", &file, &listen, &[]);
    assert!(!wrong.success);
    assert_line(&wrong, "wrong", "data", "file is no folder; move it away");
    let up = sbd("up", &file, &listen, &[]);
    assert!(
        up.stderr.contains("file") && up.stderr.contains("--data-dir"),
        "{up:?}"
    );

    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&data, mode).unwrap();
    let told = sbd("doctor", &data, &listen, &[]);
    assert!(told.success);
    assert_line(&told, "warning", "data", "chmod 700");

    // What cannot be opened is named, as another user's file would be.
    std::fs::write(data.join("format"), "1").unwrap();
    std::fs::create_dir(data.join("host.db")).unwrap();
    let up = sbd("up", &data, &listen, &[]);
    assert!(!up.success);
    for says in ["data/host.db: ", "move away what is in its place"] {
        assert!(up.stderr.contains(says), "{up:?}");
    }
}

#[tokio::test]
async fn beside_a_running_server_it_knows_its_ports() {
    let server: Server = Launch::app(Versioned::manifest()).start().await;
    let admin = server.admin_url.trim_start_matches("http://");
    let listen = ["--listen", server.address(), "--admin-listen", admin];
    let well = sbd("doctor", server.data(), &listen, &[]);
    assert!(well.success, "{well:?}");
    assert_line(&well, "ok", "version", "and so is the running server");
    for name in ["listen", "admin_listen"] {
        assert_line(&well, "ok", name, "is where the running server listens");
    }
    let (one, other) = (free(), free());
    let elsewhere = ["--listen", &one, "--admin-listen", &other];
    let told = sbd("doctor", server.data(), &elsewhere, &[]);
    assert_line(
        &told,
        "warning",
        "listen",
        "the running server listens elsewhere",
    );
    let second = sbd("up", server.data(), &elsewhere, &[]);
    assert!(!second.success);
    assert!(
        second
            .stderr
            .contains("another sbd uses the data directory")
    );
}
