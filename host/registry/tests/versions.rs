//! Deployed versions, and what a crash between two steps of a deployment leaves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_registry::{
    Actor, Error, KEPT, NewVersion, Registry, StoredWasm, Version, VersionState, Versions,
};
use sbd_storage::rusqlite::Connection;
use std::path::{Path, PathBuf};

async fn versions(data_dir: &Path) -> Versions {
    Registry::open(data_dir).await.unwrap().versions
}

fn new(component: &str, wasm: StoredWasm) -> NewVersion {
    NewVersion {
        component: component.to_owned(),
        wasm,
        manifest: format!("[component.{component}]\nsource = \"x.wasm\"\n"),
        by: Actor::Owner,
        note: "for a test".to_owned(),
    }
}

async fn deploy(versions: &Versions, component: &str, wasm: &[u8]) -> Version {
    let stored = versions.store(wasm.to_vec()).await.unwrap();
    versions.add_version(new(component, stored)).await.unwrap()
}

fn states(versions: &[Version]) -> Vec<(u32, VersionState)> {
    versions.iter().map(|v| (v.number, v.state)).collect()
}

fn file(data_dir: &Path, sha256: &str) -> PathBuf {
    data_dir.join("components").join(format!("{sha256}.wasm"))
}

fn files(data_dir: &Path) -> usize {
    std::fs::read_dir(data_dir.join("components")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn versions_last() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    assert_eq!(files(folder.path()), 0, "nothing was deployed");
    let one = deploy(&registry, "notes", b"one").await;
    assert_eq!(
        (one.number, one.state, one.bytes),
        (1, VersionState::Added, 3)
    );
    assert_eq!(one.deployed_by, "owner");
    assert_eq!(
        one.sha256,
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    );
    assert_eq!(registry.active().await.unwrap(), []);
    let active = registry.activate("notes", 1).await.unwrap();
    assert_eq!(active.state, VersionState::Active);
    deploy(&registry, "other", b"one").await;
    assert_eq!(files(folder.path()), 1, "the same bytes are one file");
    drop(registry);

    let registry = versions(folder.path()).await;
    assert_eq!(registry.damaged(), []);
    assert_eq!(
        registry.active().await.unwrap(),
        std::slice::from_ref(&active)
    );
    assert_eq!(registry.read(&active).await.unwrap(), b"one");
    assert_eq!(registry.versions("notes").await.unwrap(), [active]);
    assert_eq!(registry.versions("nobody").await.unwrap(), []);
}

#[tokio::test]
async fn one_version_is_active_at_a_time() {
    use VersionState::{Active, Added, RolledBack, Superseded};
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    for wasm in [b"1", b"2", b"3"] {
        deploy(&registry, "notes", wasm).await;
    }
    let now = async || states(&registry.versions("notes").await.unwrap());
    registry.activate("notes", 1).await.unwrap();
    registry.activate("notes", 3).await.unwrap();
    assert_eq!(now().await, [(3, Active), (2, Added), (1, Superseded)]);
    registry.activate("notes", 1).await.unwrap();
    registry.activate("notes", 1).await.unwrap();
    assert_eq!(now().await, [(3, RolledBack), (2, Added), (1, Active)]);
    let withdrawn = registry.withdraw("notes").await.unwrap().unwrap();
    assert_eq!((withdrawn.number, withdrawn.state), (1, RolledBack));
    assert_eq!(now().await, [(3, RolledBack), (2, Added), (1, RolledBack)]);
    assert_eq!(registry.active().await.unwrap(), []);
    assert_eq!(registry.withdraw("notes").await.unwrap(), None);
    registry.activate("notes", 2).await.unwrap();
    assert_eq!(now().await, [(3, RolledBack), (2, Active), (1, RolledBack)]);
}

#[tokio::test]
async fn what_was_left_is_not_what_was_before() {
    use VersionState::{Active, RolledBack, Superseded};
    let folder = tempfile::tempdir().unwrap();
    let versions = versions(folder.path()).await;
    for wasm in [b"one", b"two", b"thr"] {
        let version = deploy(&versions, "shop", wasm).await;
        versions.activate("shop", version.number).await.unwrap();
    }
    versions.activate("shop", 1).await.unwrap();
    let known = versions.versions("shop").await.unwrap();
    assert_eq!(
        states(&known),
        [(3, RolledBack), (2, RolledBack), (1, Active)]
    );
    let four = deploy(&versions, "shop", b"fou").await;
    versions.activate("shop", four.number).await.unwrap();
    let known = versions.versions("shop").await.unwrap();
    assert_eq!(states(&known)[3], (1, Superseded));
    versions.withdraw("shop").await.unwrap();
    let known = versions.versions("shop").await.unwrap();
    assert!(known.iter().all(|version| version.state == RolledBack));
}

#[tokio::test]
async fn the_last_ones_are_kept_and_the_active_one() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    let first = deploy(&registry, "notes", b"first").await;
    deploy(&registry, "other", b"second").await;
    registry.activate("notes", 1).await.unwrap();
    for n in 0..KEPT + 5 {
        let wasm = if n == 0 {
            b"second".to_vec()
        } else {
            vec![0; n as usize]
        };
        deploy(&registry, "notes", &wasm).await;
    }
    let kept = states(&registry.versions("notes").await.unwrap());
    let numbers: Vec<u32> = kept.iter().map(|(number, _)| *number).collect();
    let last = KEPT + 6;
    let mut expected: Vec<u32> = (last - KEPT + 1..=last).rev().collect();
    expected.push(1);
    assert_eq!(numbers, expected);
    assert!(file(folder.path(), &first.sha256).exists());
    // Those ten, the active one, and what the other component shares with a version that is gone.
    assert_eq!(files(folder.path()), KEPT as usize + 2);
    assert_eq!(registry.check().await.unwrap(), []);

    registry.withdraw("notes").await.unwrap();
    let next = deploy(&registry, "notes", b"next").await;
    assert_eq!(next.number, last + 1, "no number is given twice");
    assert!(!file(folder.path(), &first.sha256).exists());
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    deploy(&registry, "notes", b"1").await;
    deploy(&registry, "notes", b"2").await;
    let unknown = registry.activate("notes", 3).await.unwrap_err().to_string();
    assert_eq!(
        unknown,
        "there is no version 3 of the component `notes` here; there are 1, 2"
    );
    let unknown = registry.version("nots", 1).await.unwrap_err().to_string();
    assert!(unknown.ends_with("none was deployed"), "{unknown}");
}

/// A crash before the row: the file, or a part of it, is there and nobody knows it.
#[tokio::test]
async fn a_crash_before_the_row_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    let kept = deploy(&registry, "notes", b"kept").await;
    registry.store(b"orphan".to_vec()).await.unwrap();
    drop(registry);
    let components = folder.path().join("components");
    std::fs::write(components.join("0123.wasm.partial"), b"half").unwrap();
    std::fs::write(components.join("README"), b"not ours").unwrap();
    assert_eq!(files(folder.path()), 4);

    let registry = versions(folder.path()).await;
    assert_eq!(registry.damaged(), []);
    assert_eq!(files(folder.path()), 2, "what is not ours is left alone");
    assert_eq!(registry.read(&kept).await.unwrap(), b"kept");
}

/// A crash between row and activation: the version is there and does not serve.
#[tokio::test]
async fn a_crash_before_the_activation_leaves_the_old_version_serving() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    deploy(&registry, "notes", b"old").await;
    registry.activate("notes", 1).await.unwrap();
    deploy(&registry, "notes", b"new").await;
    drop(registry);
    let registry = versions(folder.path()).await;
    let active = registry.active().await.unwrap();
    assert_eq!(states(&active), [(1, VersionState::Active)]);
    registry.activate("notes", 2).await.unwrap();
}

#[tokio::test]
async fn damaged_versions_are_reported_and_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    let mut deployed = Vec::new();
    for wasm in ["missing", "shorter", "altered", "altered too", "whole"] {
        deployed.push(deploy(&registry, "notes", wasm.as_bytes()).await);
    }
    registry.activate("notes", 3).await.unwrap();
    drop(registry);
    let path = |n: usize| file(folder.path(), &deployed[n].sha256);
    std::fs::remove_file(path(0)).unwrap();
    std::fs::write(path(1), b"short").unwrap();
    std::fs::write(path(2), b"ALTERED").unwrap();
    std::fs::write(path(3), b"ALTERED TOO").unwrap();

    let numbers = |damaged: &[Error]| -> Vec<u32> {
        let number = |error: &Error| match error {
            Error::Damaged { number, .. } => *number,
            other => unreachable!("{other}"),
        };
        damaged.iter().map(number).collect()
    };
    let registry = versions(folder.path()).await;
    // Of those that do not serve, only what is seen at first sight; the rest by a check, or by use.
    assert_eq!(numbers(registry.damaged()), [3, 2, 1]);
    assert_eq!(numbers(&registry.check().await.unwrap()), [4, 3, 2, 1]);
    let said = registry.damaged()[2].to_string();
    assert!(
        said.starts_with("version 1 of the component `notes` cannot be served: its file ")
            && said.ends_with(".wasm is missing; deploy it again, or activate another version"),
        "{said}"
    );
    for number in 1..=4 {
        let refused = registry.activate("notes", number).await;
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{number}");
    }
    let active = registry.active().await.unwrap();
    assert_eq!(
        states(&active),
        [(3, VersionState::Active)],
        "nothing was switched"
    );
    registry.activate("notes", 5).await.unwrap();

    // The same bytes again mend what is damaged.
    registry.store(b"altered".to_vec()).await.unwrap();
    registry.activate("notes", 3).await.unwrap();
}

/// A file that was stored stays until its row is there, whoever deploys meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deployments_do_not_take_each_others_files() {
    let folder = tempfile::tempdir().unwrap();
    let registry = versions(folder.path()).await;
    let held = registry.store(b"held".to_vec()).await.unwrap();
    let dropped = registry.store(b"dropped".to_vec()).await.unwrap();
    let dropped_path = file(folder.path(), dropped.sha256());
    drop(dropped);
    let tasks: Vec<_> = (0..32_u8)
        .map(|n| {
            let registry = registry.clone();
            // Every second one deploys the same bytes to another component.
            let (component, wasm) = (format!("c{}", n % 4), vec![n / 2; 100]);
            tokio::spawn(async move { deploy(&registry, &component, &wasm).await })
        })
        .collect();
    for task in tasks {
        let version = task.await.unwrap();
        assert_eq!(registry.read(&version).await.unwrap().len(), 100);
    }
    assert!(!dropped_path.exists(), "nobody wanted it any more");
    let version = registry.add_version(new("held", held)).await.unwrap();
    assert_eq!(registry.read(&version).await.unwrap(), b"held");
    assert_eq!(registry.check().await.unwrap(), []);
    for n in 0..4 {
        let numbers = states(&registry.versions(&format!("c{n}")).await.unwrap());
        assert_eq!(numbers.len(), 8);
        assert_eq!(numbers[0].0, 8, "each number once");
    }
}

/// A state that a later sbd wrote is not guessed at.
#[tokio::test]
async fn an_unknown_state_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    deploy(&versions(folder.path()).await, "notes", b"1").await;
    Connection::open(folder.path().join("host.db"))
        .unwrap()
        .execute("UPDATE versions SET state = 'frozen'", [])
        .unwrap();
    let error = Registry::open(folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("`frozen`"), "{error}");
}
