//! What lies on the disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_keyring::{Error, HostSecret};
use sbd_keys::{FileKeyring, Key, KeysCtx, Settings};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

fn keyring(folder: &Path) -> FileKeyring {
    FileKeyring::open(folder.to_owned(), Settings::default()).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn only_the_owner_reads_keys() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("deep/keyring");
    let keyring = keyring(&keys);
    assert!(!keys.exists(), "made on first use");
    KeysCtx::new(Arc::new(keyring), "acme".into())
        .sign("access", "{}", 1)
        .await
        .unwrap();
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&keys.join("acme.json")), 0o600);
    self::keyring(&keys).rotate("acme").await.unwrap();
    assert_eq!(mode(&keys.join("acme.json")), 0o600);
    assert_eq!(names(&keys), ["acme.json"], "nothing is left behind");
}

#[tokio::test]
async fn a_tenant_cannot_name_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = keyring(folder.path());
    for tenant in ["", "..", "../x", "a/b", "A", "a.b", "a\0", &"a".repeat(64)] {
        let refused = keyring.rotate(tenant).await;
        assert!(matches!(refused, Err(Error::Name(_))), "{tenant:?}");
        let refused = HostSecret::load_or_create(folder.path(), tenant);
        assert!(matches!(refused, Err(Error::Name(_))), "{tenant:?}");
    }
    keyring.rotate(&"a".repeat(63)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_not_overwritten_and_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.json");
    let secret = "c2VjcmV0";
    for content in [
        String::new(),
        secret.to_owned(),
        format!(r#"{{"current":"{secret}","former":[]}}"#),
        format!(
            r#"{{"current":{{"kid":"k","algorithm":"EdDSA","private":"{secret}"}},"former":[]}}"#
        ),
    ] {
        std::fs::write(&path, &content).unwrap();
        let ctx = KeysCtx::new(Arc::new(keyring(folder.path())), "acme".into());
        let error = ctx.jwks().await.unwrap_err();
        let damaged = matches!(error, sbd_keys::Error::Keyring(Error::Damaged { .. }));
        assert!(damaged, "{error}");
        assert!(!format!("{error} {error:?}").contains(secret));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = FileKeyring::open(folder.path().join("file"), Settings::default());
    assert!(matches!(refused, Err(Error::File { .. })));
}

/// Keyrings of several processes: all must end with the same key.
#[tokio::test]
async fn tenants_first_used_at_once_have_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let ctx = KeysCtx::new(Arc::new(keyring(folder.path())), "acme".into());
        racing.spawn(async move { ctx.jwks().await.unwrap() });
    }
    let mut sets = racing.join_all().await;
    sets.dedup();
    assert_eq!(sets.len(), 1);
}

#[test]
fn secrets_made_at_once_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("host");
    let racing: Vec<_> = (0..8)
        .map(|_| {
            let folder = folder.clone();
            std::thread::spawn(move || HostSecret::load_or_create(&folder, "caller").unwrap())
        })
        .collect();
    let secrets: Vec<[u8; 32]> = racing
        .into_iter()
        .map(|racer| *racer.join().unwrap().bytes())
        .collect();
    let again = HostSecret::load_or_create(&folder, "caller").unwrap();
    assert!(secrets.iter().all(|secret| secret == again.bytes()));
    assert_ne!(again.bytes(), &[0; 32]);
    let other = HostSecret::load_or_create(&folder, "other").unwrap();
    assert_ne!(again.bytes(), other.bytes());
    assert_eq!(mode(&folder.join("caller.key")), 0o600);
    assert_eq!(names(&folder).len(), 2, "nothing is left behind");
    assert_eq!(format!("{again:?}"), "HostSecret([redacted])");
}

#[test]
fn a_damaged_secret_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("caller.key"), [7; 31]).unwrap();
    let error = HostSecret::load_or_create(folder.path(), "caller").unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("7, 7"));
}

#[tokio::test]
async fn a_keyring_is_checked_and_tidied_without_a_change_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let tenants = folder.path().join("tenants");
    sbd_keyring::check::<Key>(&tenants).unwrap();
    keyring(&tenants).rotate("acme").await.unwrap();
    let host = folder.path().join("host");
    HostSecret::load_or_create(&host, "caller").unwrap();
    let path = tenants.join("acme.json");
    let whole = std::fs::read(&path).unwrap();
    sbd_keyring::check::<Key>(&tenants).unwrap();
    HostSecret::check(&host).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    for wrong in [b"".as_slice(), b"{}", &whole[..whole.len() / 2]] {
        std::fs::write(&path, wrong).unwrap();
        let refused = sbd_keyring::check::<Key>(&tenants).unwrap_err();
        assert!(refused.to_string().contains("acme.json"), "{refused}");
    }
    std::fs::write(host.join("caller.key"), "short").unwrap();
    HostSecret::check(&host).unwrap_err();

    let left = tenants.join(format!(".{}", "0123456789abcdef".repeat(2)));
    std::fs::write(&left, "half").unwrap();
    std::fs::write(tenants.join(".mine"), "").unwrap();
    sbd_keyring::tidy([&*tenants, &*host]).unwrap();
    let mut names = names(&tenants);
    names.sort();
    assert_eq!(names, [".mine", "acme.json"]);
}
