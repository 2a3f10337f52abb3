//! What a program may do that reads an image: none of these needs Tesseract.
#![cfg(unix)]

use sbd_ocr::{Engine as _, Error, Settings, Tesseract};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A program that does as this script says.
fn program(script: &str) -> (TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    // It is asked what it is and has first of all.
    let asked =
        "case \"$1\" in --version) echo 'fake 1.0'; exit;; --list-langs) echo eng; exit;; esac";
    std::fs::write(&program, format!("#!/bin/sh\n{asked}\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = Settings {
        program,
        ..Settings::default()
    };
    (folder, settings)
}

async fn read(settings: Settings) -> Result<Vec<sbd_ocr::Line>, Error> {
    let tesseract = Tesseract::new(settings);
    tesseract
        .recognise(b"an image".to_vec(), vec!["eng".to_owned()])
        .await
}

/// What a script says of itself, as the one word that it reads.
async fn said(script: &str) -> String {
    let row = "printf 'head\\n5\\t1\\t1\\t1\\t1\\t1\\t0\\t0\\t1\\t1\\t99\\t%s\\n' \"$said\"";
    let (_folder, settings) = program(&format!("said=$({script})\n{row}"));
    let lines = read(settings).await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn it_sees_nothing_of_this_process() {
    // Cargo has set this for the test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let environment = said("/usr/bin/env | /usr/bin/tr '\\n' ' '").await;
    assert!(environment.contains("OMP_THREAD_LIMIT=1"), "{environment}");
    assert!(
        !environment.contains("CARGO") && !environment.contains("HOME="),
        "{environment}"
    );
    assert_eq!(said("ls -A | wc -l").await.trim(), "0");
    let folder = said("pwd").await;
    assert!(!PathBuf::from(&folder).exists(), "{folder} is left");
}

#[tokio::test]
async fn it_has_little_memory_and_can_write_no_file() {
    assert_eq!(said("ulimit -v").await, (1 << 20).to_string());
    assert_eq!(said("ulimit -f").await, "0");
    assert_eq!(said("ulimit -n").await, "32");
    assert_eq!(
        said("/bin/sh -c 'echo x > a' 2>/dev/null; test -s a && echo written || echo refused")
            .await,
        "refused"
    );
}

#[tokio::test]
async fn it_is_told_what_to_read_and_what_to_write() {
    assert_eq!(
        said("printf %s \"$*\"").await,
        "stdin stdout -l eng -c tessedit_page_number=0 tsv"
    );
    assert_eq!(said("cat").await, "an image");
}

/// Whether a process runs that was started with this argument.
fn runs(argument: &str) -> bool {
    let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|part| part == argument.as_bytes())
    })
}

async fn until(done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "it does not come to that");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_ends_with_whoever_waits_for_it() {
    let argument = format!("7{}.25", std::process::id());
    let (_folder, settings) = program(&format!("exec sleep {argument}"));
    let reading = tokio::spawn(read(settings));
    until(|| runs(&argument)).await;
    reading.abort();
    until(|| !runs(&argument)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_ends_when_it_takes_too_long() {
    let argument = format!("8{}.25", std::process::id());
    let (_folder, mut settings) = program(&format!("exec sleep {argument}"));
    settings.time = Duration::from_secs(2);
    let refused = read(settings).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable(_)), "{refused}");
    until(|| !runs(&argument)).await;
}

#[tokio::test]
async fn what_it_says_without_end_is_cut_off() {
    let (_folder, settings) = program("exec /usr/bin/yes");
    let read = read(settings).await;
    assert!(read.is_err() || read.is_ok_and(|lines| lines.is_empty()));
}

#[tokio::test]
async fn where_there_is_none_it_says_what_to_install() {
    for program in ["/nowhere/tesseract", "a-program-that-nobody-has"] {
        let settings = Settings {
            program: PathBuf::from(program),
            ..Settings::default()
        };
        let tesseract = Tesseract::new(settings.clone());
        assert_eq!(tesseract.installed().await.unwrap(), None);
        let refused = read(settings).await.unwrap_err();
        assert!(matches!(&refused, Error::NotInstalled(why) if why.contains("tesseract-ocr")));
    }
}
