//! What the README shows is true.
//!
//! The first session is the fenced block behind the comment `<!-- first session -->`, and what goes on from
//! it stands behind others. A line that begins with `$ ` is a command for the shell; the lines below it are what it
//! answers. JSON is compared field by field as far as it is shown, and `…` stands for anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_tests::{Account, Application, Launch, PASSWORD, Server, guest, run};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const README: &str = include_str!("../../../README.md");
const BETWEEN: &str = "--- next command ---";

/// A command and the answer below it.
struct Step {
    command: String,
    answer: String,
}

/// The fenced block behind `<!-- MARK -->`.
fn block(mark: &str, language: &str) -> &'static str {
    let (_, block) = README
        .split_once(&format!("<!-- {mark} -->"))
        .unwrap_or_else(|| panic!("README.md has no `<!-- {mark} -->`"));
    let block = block
        .trim_start()
        .strip_prefix(&format!("```{language}\n"))
        .unwrap_or_else(|| panic!("no ```{language} block follows `{mark}`"));
    block.split_once("\n```").expect("the block has no end").0
}

fn session(mark: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block(mark, "sh").lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                answer: String::new(),
            }),
            (None, Some(step)) => step.answer.push_str(line),
            (None, None) => panic!("an answer without a command: {line}"),
        }
    }
    steps
}

#[tokio::test]
async fn the_first_session_and_what_goes_on_from_it() {
    let mut steps = session("first session");
    for mark in ["accounts", "workspaces", "knowledge"] {
        steps.extend(session(mark));
    }
    assert!(
        steps.iter().filter(|step| !step.answer.is_empty()).count() >= 12,
        "the README shows too little"
    );
    let server = Server::start().await;
    try_out(&server, &steps, &[]);
}

#[tokio::test]
async fn the_shop() {
    let server = Server::start().await;
    let data = server.data().display().to_string();
    let args = ["admin", "create", "root@example.com", "--data-dir", &data];
    let made = run(&args, &[], &format!("{PASSWORD}\n"));
    assert!(made.success, "{}", made.stderr);
    let root = Account::login(&server, "root@example.com").await;
    let ada = Account::register(&server, "ada").await;
    let mint = json!({"to": ada.id, "amount": 100});
    loop {
        let sent = root.post("/api/v1/wallet/mint", &mint);
        let sent = sent.header("idempotency-key", "mint").send().await.unwrap();
        // Whoever has just registered has an account soon.
        if sent.status() == 201 {
            break;
        }
        assert_eq!(sent.status(), 404);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let tokens = [("ADMIN", &*root.access), ("TOKEN", &*ada.access)];
    try_out(&server, &session("shop"), &tokens);
}

/// Does what is shown, in a folder of its own, and has it be answered so.
fn try_out(server: &Server, steps: &[Step], variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from("set -e\n");
    for step in steps {
        let command = step.command.replace("localhost:4747", server.address());
        script.push_str(&format!("{command}\nprintf '\\n{BETWEEN}\\n'\n"));
    }
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &script]).current_dir(&folder);
    let output = shell.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}\n{}", server.log());
    let answers: Vec<&str> = said.split(BETWEEN).map(str::trim).collect();
    assert_eq!(answers.len(), steps.len() + 1, "{said}");
    for (step, answer) in steps.iter().zip(answers) {
        agree(&step.answer, answer).unwrap_or_else(|difference| {
            panic!(
                "$ {}\nshown    {}\nanswered {answer}\n{difference}",
                step.command, step.answer
            )
        });
    }
}

/// Whether an answer is what was shown.
fn agree(shown: &str, answer: &str) -> Result<(), String> {
    match (serde_json::from_str(shown), serde_json::from_str(answer)) {
        (Ok(shown), Ok(answer)) => contains(&answer, &shown, "$"),
        _ if shown == answer || shown == "…" => Ok(()),
        _ => Err("they differ".to_owned()),
    }
}

fn contains(answer: &Value, shown: &Value, at: &str) -> Result<(), String> {
    match (shown, answer) {
        (Value::String(any), _) if any == "…" => match answer {
            Value::Null => Err(format!("{at} is missing")),
            _ => Ok(()),
        },
        (Value::Object(shown), Value::Object(_)) => shown
            .iter()
            .try_for_each(|(name, shown)| contains(&answer[name], shown, &format!("{at}.{name}"))),
        (Value::Array(shown), Value::Array(answer)) if shown.len() == answer.len() => {
            let mut pairs = shown.iter().zip(answer).enumerate();
            pairs
                .try_for_each(|(n, (shown, answer))| contains(answer, shown, &format!("{at}[{n}]")))
        }
        _ if shown == answer => Ok(()),
        _ => Err(format!("{at} is {answer}, not {shown}")),
    }
}

#[tokio::test]
async fn events_by_command() {
    let server = Launch::app(include_str!("apps/listener.toml"));
    let server = server.start().await;
    let refused = json!({"type": "thing.happened", "data": {"refuse": true}});
    let published = server.post("/publisher/publish", &json!([refused])).await;
    assert_eq!(published.status(), 204);
    // One for each who listens.
    let letters = || server.done(&["events", "letters", "default"]);
    server
        .wait_for("two letters", || letters().lines().count() == 3)
        .await;
    for line in block("events", "sh").lines() {
        let line = line.replace(" search ", " subscriber ");
        let args: Vec<&str> = line.split_whitespace().skip(1).collect();
        server.done(&args);
    }
}

#[tokio::test]
async fn tenants_by_command() {
    let server = Server::start().await;
    let data_dir = server.data().display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("acme.tar").display().to_string();
    for line in block("tenants", "sh").lines() {
        let line = line.replace("acme.tar", &archive);
        let mut args: Vec<&str> = line.split_whitespace().skip(1).collect();
        args.extend(["--data-dir", &data_dir]);
        let output = run(&args, &[], "Correct-horse-7\n");
        assert!(output.success, "{line}: {}", output.stderr);
    }
}

#[tokio::test]
async fn backups_by_command() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    for line in block("backups", "sh").lines() {
        let args = line.split_whitespace().skip(1);
        let args = args.map(|arg| match arg {
            "everything.backup" | "new-home" => place(arg),
            arg => arg.to_owned(),
        });
        let args: Vec<String> = args.collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match args.contains(&"--data-dir") {
            true => assert!(run(&args, &[], "").success, "{line}"),
            false => _ = server.done(&args),
        }
    }
    assert!(folder.path().join("new-home/host.db").exists());
}

#[tokio::test]
async fn mail_templates_by_command() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notice.toml").display().to_string();
    std::fs::write(&file, block("template", "toml")).unwrap();
    let mut said = String::new();
    for line in block("mail", "sh").lines() {
        let args = line.split_whitespace().skip(1);
        let args = args.map(|arg| if arg == "notice.toml" { &file } else { arg });
        said.push_str(&server.done(&args.collect::<Vec<_>>()));
    }
    // It is shown as it can be set again.
    assert!(said.contains("subject = \"{{ title }}\""), "{said}");
    let list = server.done(&["mail", "templates", "list", "default"]);
    assert_eq!(list.lines().count(), 1, "{list}");
    std::fs::write(&file, "subject = \"{{ title\"\ntext = \"\"\n").unwrap();
    let set = [
        "mail",
        "templates",
        "set",
        "default",
        "notifications/notice",
    ];
    let wrong = server.refused(&[&set[..], &["en", "--from", &file]].concat());
    assert!(wrong.contains("in the subject of the template"), "{wrong}");
}

#[tokio::test]
async fn changes_by_command() {
    let server = Server::start().await;
    let family = guest("family").display().to_string();
    for line in block("changes", "sh").lines() {
        let args: Vec<&str> = line.split_whitespace().skip(1).collect();
        let args = args.iter().map(|&arg| match arg {
            "family.wasm" => family.as_str(),
            arg => arg,
        });
        server.done(&args.collect::<Vec<_>>());
    }
}

#[test]
fn the_settings_are_settings() {
    let served = r#"
        {component:auth}
        [[trigger.http]]
        route = "/api/v1/notes/..."
        component = "notes"
        [component.notes]
        source = "{guest:memos}"
    "#;
    let app = Application::new(&format!("{served}\n{}\n", block("settings", "toml")));
    let manifest = app.manifest().display().to_string();
    let output = run(&["check", "--app", &manifest], &[], "");
    assert!(output.success, "{}", output.stderr);
    // The limits that are shown are the defaults: `auth` has no others.
    let limits = output
        .stdout
        .split("component    ")
        .skip(1)
        .map(|component| {
            let lines = component.lines().skip(1);
            let lines = lines.take_while(|line| line.starts_with(' '));
            // Why an instance is reused so often is another matter.
            lines
                .filter(|line| !line.contains("one instance"))
                .collect()
        });
    let limits: Vec<Vec<&str>> = limits.collect();
    assert_eq!(limits.len(), 2, "{}", output.stdout);
    assert_eq!(limits[0], limits[1], "{}", output.stdout);
    assert!(
        limits[0].concat().contains("memory             64MiB"),
        "{}",
        output.stdout
    );
}

#[test]
fn the_settings_of_the_server_are_settings() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = ["knowledge settings", "models settings"].map(|mark| block(mark, "toml"));
    std::fs::write(folder.path().join("sbd.toml"), blocks.join("\n")).unwrap();
    let data_dir = folder.path().display().to_string();
    let explained = run(&["config", "explain", "--data-dir", &data_dir], &[], "");
    assert!(explained.success, "{}", explained.stderr);
    assert!(explained.stdout.contains("10GiB"), "{}", explained.stdout);
}

#[test]
fn the_comparison_sees_differences() {
    assert!(
        agree(
            r#"{"a":"…","b":[{"c":1}]}"#,
            r#"{"a":"x","b":[{"c":1,"d":2}],"e":3}"#
        )
        .is_ok()
    );
    for (shown, answer) in [
        (r#"{"a":"…"}"#, "{}"),
        (r#"{"a":1}"#, r#"{"a":2}"#),
        (r#"{"a":[]}"#, r#"{"a":[1]}"#),
        ("{}", "text"),
        ("", r#"{"error":{}}"#),
    ] {
        assert!(agree(shown, answer).is_err(), "{shown} {answer}");
    }
}
