//! Backups: whole, or noticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use sbd_backup::{
    Backup, Error, Key, Manifest, NewFile, check_databases, contents, extract, restore,
};
use sbd_registry::{NewTenant, Registry};
use sbd_storage::{Database, Options};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LOCK: &str = "sbd.lock";

/// A data directory with two tenants, one of them in use, and things that no backup takes.
async fn data() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let registry = Registry::open(data).await.unwrap();
    let acme = NewTenant {
        name: "acme".to_owned(),
        ..NewTenant::default()
    };
    registry.tenants.create(acme).await.unwrap();
    registry.versions.store(b"wasm".to_vec()).await.unwrap();
    let database = Database::open(&data.join("tenants/default.db"), &Options::default()).unwrap();
    let fill = "CREATE TABLE t (v); INSERT INTO t VALUES ('kept')";
    let filling = database.write(move |c| Ok::<_, sbd_storage::Error>(c.execute_batch(fill)?));
    filling.await.unwrap();
    let vectors = data.join("tenants/acme.vectors.db");
    drop(Database::open(&vectors, &Options::default()).unwrap());
    for (path, content) in [
        ("keyring/tenants/default.json", "{}"),
        ("keyring/tenants/.0123", "temporary"),
        ("tenants/acme/a.txt", "acme's"),
        ("tenants/acme.sqlite/notes/default.db", ""),
        ("mail/acme/templates/notifications/notice.pt-BR.toml", ""),
        ("mail/acme/0123.eml", "a mail"),
        ("mail/acme/.0124", "half a mail"),
        ("tenants/ghost.db", "of a tenant that nobody knows"),
        ("compiled/x.cwasm", "machine code"),
        ("format", "1\n"),
        ("sbd.sock", ""),
        (LOCK, ""),
    ] {
        let path = data.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    (folder, database)
}

fn back_up(data: &Path, to: &Path, key: Option<&Key>) -> Manifest {
    let file = NewFile::begin(to, key).unwrap();
    let backup = Backup::begin(data, data, "1.2.3", file).unwrap();
    let (file, manifest) = backup.finish().unwrap();
    assert_eq!(file.finish().unwrap(), fs::metadata(to).unwrap().len());
    manifest
}

fn key() -> Key {
    Key::new(b"0123456789abcdef0123456789abcdef\n").unwrap()
}

fn extracted(backup: &Path, key: Option<&Key>) -> Result<(TempDir, Manifest), Error> {
    let folder = tempfile::tempdir().unwrap();
    let manifest = extract(backup, key, folder.path())?;
    check_databases(folder.path(), &manifest)?;
    Ok((folder, manifest))
}

/// Every file below a folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(tree(&path)),
            false => _ = found.insert(path.clone(), fs::read(&path).unwrap()),
        }
    }
    found
}

/// Of the blobs, those that the copy of the database names, whatever else lies there.
#[tokio::test(flavor = "multi_thread")]
async fn blobs_come_back_with_the_database_that_names_them() {
    use sbd_blobs::{Backend as _, Files};

    let (data, database) = data().await;
    let blobs = data.path().join("tenants/default.blobs");
    let files = Files::open(database, blobs.clone(), None).await.unwrap();
    let component = std::sync::Arc::from("notes");
    let begin = |name: &str| files.begin(&component, name.to_owned(), "x".to_owned());
    let id = begin("a").await.unwrap();
    let kept = id.clone();
    let content = vec![7; 1000];
    files
        .append(&component, id.clone(), content.clone())
        .await
        .unwrap();
    files.finish(&component, id).await.unwrap();
    // Begun, and renamed but not yet named.
    begin("b").await.unwrap();
    fs::write(blobs.join("0123"), "of nobody").unwrap();
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("one.backup");
    let manifest = back_up(data.path(), &to, None);
    let parts = manifest.parts.iter().map(|part| part.path.as_str());
    let parts: Vec<_> = parts.filter(|path| path.contains(".blobs/")).collect();
    assert_eq!(parts, [format!("tenants/default.blobs/{kept}")]);

    let (restored, _) = extracted(&to, None).unwrap();
    let tenants = restored.path().join("tenants");
    let database = Database::open(&tenants.join("default.db"), &Options::default()).unwrap();
    let files = Files::open(database, tenants.join("default.blobs"), None)
        .await
        .unwrap();
    let read = files.read(&component, "a".to_owned(), 0, 2000, None).await;
    assert_eq!(read.unwrap(), content);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_counts_comes_back() {
    let (data, _database) = data().await;
    let out = tempfile::tempdir().unwrap();
    for key in [None, Some(key())] {
        let to = out.path().join("one.backup");
        let manifest = back_up(data.path(), &to, key.as_ref());
        let paths: Vec<_> = manifest
            .parts
            .iter()
            .map(|part| part.path.as_str())
            .collect();
        assert_eq!(manifest.tenants, ["acme", "default"]);
        assert!(paths[2].starts_with("components/"), "{paths:?}");
        assert_eq!(
            [&paths[..2], &paths[3..]].concat(),
            [
                "host.db",
                "format",
                "tenants/acme.sqlite/notes/default.db",
                "tenants/acme.vectors.db",
                "tenants/acme/a.txt",
                "tenants/default.db",
                "keyring/tenants/default.json",
                "mail/acme/0123.eml",
                "mail/acme/templates/notifications/notice.pt-BR.toml",
            ]
        );
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let new = out.path().join("data");
        fs::create_dir(&new).unwrap();
        fs::write(new.join(LOCK), "").unwrap();
        assert_eq!(restore(&to, key.as_ref(), &new, LOCK).unwrap(), manifest);
        let database = Database::open(&new.join("tenants/default.db"), &Options::default());
        let database = database.unwrap();
        let read = database.read(|c| {
            Ok::<_, sbd_storage::Error>(c.query_row("SELECT v FROM t", [], |row| row.get(0))?)
        });
        let read: String = read.await.unwrap();
        assert_eq!(read, "kept");
        let registry = Registry::open(&new).await.unwrap();
        assert!(registry.tenants.get("acme").is_some());
        // What is there is never replaced.
        let before = tree(&new);
        let refused = restore(&to, key.as_ref(), &new, LOCK)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("host.db") && refused.contains("tenants"),
            "{refused}"
        );
        assert_eq!(tree(&new), before);
        drop(registry);
        fs::remove_dir_all(&new).unwrap();
        // And no backup either.
        assert!(NewFile::begin(&to, None).is_err());
        fs::remove_file(&to).unwrap();
    }
    assert_eq!(
        fs::read_dir(out.path()).unwrap().count(),
        0,
        "something was left behind"
    );
}

#[tokio::test]
async fn every_flipped_bit_and_every_cut_is_noticed() {
    let (data, _database) = data().await;
    let out = tempfile::tempdir().unwrap();
    for key in [None, Some(key())] {
        let to = out.path().join("one.backup");
        back_up(data.path(), &to, key.as_ref());
        let whole = fs::read(&to).unwrap();
        let altered = out.path().join("altered.backup");
        // In steps that meet headers, padding, contents; the ends, where the footer is, in small ones.
        let ends = (0..600).chain(whole.len() - 200..whole.len()).step_by(5);
        let places = ends.chain((600..whole.len() - 200).step_by(421));
        for place in places {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            fs::write(&altered, bytes).unwrap();
            let read = extracted(&altered, key.as_ref());
            assert!(read.is_err(), "a flipped bit at {place} of {}", whole.len());
        }
        let lengths = (1..2000).map(|cut| whole.len() - cut);
        for length in lengths
            .step_by(37)
            .chain([0, 1, 16, 511, 512, whole.len() / 2])
        {
            fs::write(&altered, &whole[..length]).unwrap();
            let read = extracted(&altered, key.as_ref());
            assert!(read.is_err(), "cut to {length} of {}", whole.len());
        }
        fs::write(&altered, [&whole[..], b"\0"].concat()).unwrap();
        assert!(
            extracted(&altered, key.as_ref()).is_err(),
            "something follows"
        );
        fs::write(&altered, &whole).unwrap();
        extracted(&altered, key.as_ref()).unwrap();
        // What could not be restored leaves nothing.
        let new = out.path().join("new");
        fs::create_dir(&new).unwrap();
        fs::write(&altered, &whole[..whole.len() - 1]).unwrap();
        restore(&altered, key.as_ref(), &new, LOCK).unwrap_err();
        assert_eq!(fs::read_dir(&new).unwrap().count(), 0);
        fs::remove_dir(&new).unwrap();
        fs::remove_file(&to).unwrap();
    }
}

#[tokio::test]
async fn a_sealed_backup_opens_with_its_key_alone() {
    let (data, _database) = data().await;
    let out = tempfile::tempdir().unwrap();
    let (sealed, plain) = (out.path().join("sealed"), out.path().join("plain"));
    back_up(data.path(), &sealed, Some(&key()));
    back_up(data.path(), &plain, None);
    let bytes = fs::read(&sealed).unwrap();
    for secret in [&b"host.db"[..], b"kept", b"default", b"SQLite"] {
        let shows = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
        assert!(!shows(&bytes) && shows(&fs::read(&plain).unwrap()));
    }
    let other = Key::new(&[7; 32]).unwrap();
    let said = |read: Result<(TempDir, Manifest), Error>| read.unwrap_err().to_string();
    assert!(said(extracted(&sealed, Some(&other))).contains("another key"));
    assert!(said(extracted(&sealed, None)).contains("--key-file"));
    // Or whoever can write a file could pass off a forged one.
    assert!(said(extracted(&plain, Some(&key()))).contains("not sealed"));
    assert!(
        contents(&sealed)
            .unwrap_err()
            .to_string()
            .contains("sealed")
    );
    assert_eq!(contents(&plain).unwrap().tenants, ["acme", "default"]);
    assert!(
        Key::new(b"hunter2\n")
            .unwrap_err()
            .to_string()
            .contains("too short")
    );
    assert!(!format!("{:?}", key()).contains("0123"));
}

/// An archive with a right footer, as somebody who knows the form can make one.
fn forged(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        let name = &mut header.as_gnu_mut().unwrap().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    let mut bytes = tar.into_inner().unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    write!(bytes, "\nsha256 {hash}\n").unwrap();
    bytes
}

#[test]
fn forged_backups_write_nowhere_else() {
    use tar::EntryType::{Link, Regular, Symlink};
    let out = tempfile::tempdir().unwrap();
    let backup = out.path().join("forged");
    let newer = br#"{"format": 2, "version": "9.0.0", "other": []}"#;
    for (entries, reason) in [
        (&[("../escaped", Regular, &b"x"[..])][..], "no place"),
        (&[("tenants/../../escaped", Regular, b"x")], "no place"),
        (&[("/etc/escaped", Regular, b"x")], "no place"),
        (&[("tenants/.hidden", Regular, b"x")], "no place"),
        (&[("compiled/x.cwasm", Regular, b"x")], "no place"),
        (&[("tenants/link", Symlink, b"")], "no place"),
        (&[("tenants/link", Link, b"")], "no place"),
        (&[("host.db", Regular, b"x")], "no manifest"),
        (
            &[("host.db", Regular, b"x"), ("host.db", Regular, b"y")],
            "host.db",
        ),
        (&[("backup.json", Regular, b"{}")], "manifest"),
        (&[("backup.json", Regular, newer)], "9.0.0"),
    ] {
        fs::write(&backup, forged(entries)).unwrap();
        let into = tempfile::tempdir_in(out.path()).unwrap();
        let refused = extract(&backup, None, into.path()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{entries:?}: {refused}");
    }
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_damaged_database_is_not_backed_up() {
    let (data, database) = data().await;
    drop(database);
    let path = data.path().join("tenants/default.db");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let backup = Backup::begin(data.path(), data.path(), "1.2.3", Vec::new()).unwrap();
    let refused = backup.finish().err().unwrap().to_string();
    assert!(refused.contains("default.db is damaged"), "{refused}");
}
