//! What the vault promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sbd_vault::{Error, FileKeyring, Key, MAX_CONTEXT_BYTES, MAX_PLAIN_BYTES, Opened, VaultCtx};
use std::path::Path;
use std::sync::Arc;

const PURPOSE: &str = "totp";
const CONTEXT: &str = "usr_1";
const SECRET: &[u8] = b"JBSWY3DPEHPK3PXP";

fn keyring(folder: &Path) -> Arc<FileKeyring> {
    Arc::new(FileKeyring::open(folder.to_owned(), ()).unwrap())
}

fn ctx(keyring: &Arc<FileKeyring>, tenant: &str, component: &str) -> VaultCtx {
    VaultCtx::new(keyring.clone(), tenant.into(), component.into())
}

async fn sealed(ctx: &VaultCtx) -> String {
    let sealed = ctx.encrypt(PURPOSE, CONTEXT, SECRET.to_vec()).await;
    sealed.unwrap()
}

async fn opened(ctx: &VaultCtx, sealed: &str) -> Opened {
    ctx.decrypt(PURPOSE, CONTEXT, sealed).await.unwrap()
}

#[tokio::test]
async fn what_is_sealed_opens_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = ctx(&keyring(folder.path()), "acme", "auth");
    let sealed = sealed(&ctx).await;
    assert_eq!(opened(&ctx, &sealed).await, Opened::Plain(SECRET.to_vec()));
    assert_ne!(self::sealed(&ctx).await, sealed, "another one each time");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    assert!(sealed.chars().all(allowed), "{sealed}");
    assert!(!sealed.contains("JBSWY3DP"));
    for plain in [Vec::new(), vec![7; MAX_PLAIN_BYTES]] {
        let sealed = ctx.encrypt(PURPOSE, CONTEXT, plain.clone()).await.unwrap();
        assert!(sealed.len() <= 200 + plain.len() * 4 / 3);
        assert_eq!(opened(&ctx, &sealed).await, Opened::Plain(plain));
    }
}

#[tokio::test]
async fn it_belongs_to_whom_it_was_sealed_for() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = keyring(folder.path());
    let auth = ctx(&keyring, "acme", "auth");
    let sealed = sealed(&auth).await;
    for (component, purpose, context) in [
        ("notes", PURPOSE, CONTEXT),
        ("auth", "other", CONTEXT),
        ("auth", PURPOSE, "usr_2"),
        ("auth", PURPOSE, ""),
        // Not by moving a border either.
        ("aut", "htotp", CONTEXT),
        ("auth", "totpu", "sr_1"),
    ] {
        let other = ctx(&keyring, "acme", component);
        let opened = other.decrypt(purpose, context, &sealed).await.unwrap();
        assert_eq!(opened, Opened::Forged, "{component} {purpose} {context}");
    }
    let other = ctx(&keyring, "other", "auth");
    assert_eq!(opened(&other, &sealed).await, Opened::UnknownKey);
    // Nor with the same keys under another name.
    std::fs::copy(
        folder.path().join("acme.json"),
        folder.path().join("copy.json"),
    )
    .unwrap();
    let copy = ctx(&self::keyring(folder.path()), "copy", "auth");
    assert_eq!(opened(&copy, &sealed).await, Opened::Forged);
}

#[tokio::test]
async fn whatever_is_altered_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = ctx(&keyring(folder.path()), "acme", "auth");
    let sealed = sealed(&ctx).await;
    for at in 0..sealed.len() {
        let mut altered = sealed.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        let opened = opened(&ctx, &altered).await;
        assert!(!matches!(opened, Opened::Plain(_)), "{altered}");
    }
    for cut in 0..sealed.len() {
        let opened = opened(&ctx, &sealed[..cut]).await;
        assert!(!matches!(opened, Opened::Plain(_)), "{cut}");
    }
    for nonsense in [
        "",
        "v1",
        "v1..",
        "v2.key_1.AAAA",
        "v1.\u{1F600}.AAAA",
        &"x".repeat(100_000),
    ] {
        let opened = opened(&ctx, nonsense).await;
        assert!(!matches!(opened, Opened::Plain(_)), "{nonsense}");
    }
}

#[tokio::test]
async fn what_was_sealed_with_an_old_key_opens_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = keyring(folder.path());
    let ctx = ctx(&keyring, "acme", "auth");
    let mut all = vec![sealed(&ctx).await];
    for _ in 0..3 {
        keyring.rotate("acme").await.unwrap();
        all.push(sealed(&ctx).await);
    }
    let again = self::ctx(&self::keyring(folder.path()), "acme", "auth");
    for sealed in &all {
        assert_eq!(opened(&again, sealed).await, Opened::Plain(SECRET.to_vec()));
    }
    let key = |sealed: &String| sealed.split('.').nth(1).unwrap().to_owned();
    let mut keys: Vec<_> = all.iter().map(key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 4, "each with another key");
}

#[tokio::test]
async fn a_tenant_that_is_gone_left_nothing_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = keyring(folder.path());
    let ctx = ctx(&keyring, "acme", "auth");
    let sealed = sealed(&ctx).await;
    let (path, _) = keyring.remove("acme").await.unwrap().unwrap();
    assert!(!path.exists());
    assert_eq!(opened(&ctx, &sealed).await, Opened::UnknownKey);
}

#[tokio::test]
async fn out_of_bounds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = ctx(&keyring(folder.path()), "acme", "auth");
    let long = "x".repeat(MAX_CONTEXT_BYTES + 1);
    for (purpose, context, bytes) in [
        ("", CONTEXT, 1),
        ("Totp", CONTEXT, 1),
        ("a b", CONTEXT, 1),
        (&"a".repeat(65), CONTEXT, 1),
        (PURPOSE, &*long, 1),
        (PURPOSE, CONTEXT, MAX_PLAIN_BYTES + 1),
    ] {
        let refused = ctx.encrypt(purpose, context, vec![0; bytes]).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{purpose}");
        if bytes == 1 {
            let refused = ctx.decrypt(purpose, context, "v1.x.AAAA").await;
            assert!(matches!(refused, Err(Error::Invalid(_))), "{purpose}");
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_not_overwritten_and_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.json");
    let secret = "c2VjcmV0";
    for content in [
        secret.to_owned(),
        format!(r#"{{"current":{{"kid":"k","secret":"{secret}"}},"former":[]}}"#),
    ] {
        std::fs::write(&path, &content).unwrap();
        let ctx = ctx(&keyring(folder.path()), "acme", "auth");
        let refused = ctx.encrypt(PURPOSE, CONTEXT, SECRET.to_vec()).await;
        let refused = refused.unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains(secret));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        sbd_keyring::check::<Key>(folder.path()).unwrap_err();
    }
}
