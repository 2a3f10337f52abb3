//! What an archive holds, put into the stores of a tenant. It knows traits alone, so that an archive of
//! one kind of store fills another.
//!
//! An archive may come from anybody: what is not in its form, too large, or more than a component may
//! keep is refused, with the name of the entry.

use crate::Error;
use crate::archive::ArchivedBlob;
use crate::audit::{ArchivedAnchor, ArchivedEntry};
use crate::stores::Stores;
use crate::vectors::{ArchivedConfig, ArchivedPoint};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use sbd_blobs::limits::{MAX_PIECE_BYTES, check_content_type, check_name};
use sbd_documents::CollectionDeclaration;
use sbd_storage::Quota;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::sync::Arc;
use tar::{Archive, EntryType};
use tokio::runtime::Handle;

/// Longest line: a document is at most 1 MiB, a value in base64 or with every byte escaped some more.
const LONGEST_LINE: u64 = 8 << 20;
/// Entries, and about how many bytes, that are written at once.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// Largest `tenant.json`: a feature can name a thousand users, and there can be hundreds.
const LARGEST_ABOUT: u64 = 16 << 20;
/// Largest that is said of a blob before its content: a name with every byte escaped, and some more.
const LARGEST_KNOWN: u64 = 16 << 10;
/// Longest name of a component, a collection or a store.
const LONGEST_NAME: usize = 200;
/// How every archive ends. One that was cut between two entries does not.
const END: [u8; 1024] = [0; 1024];

/// What components and stores may keep, by their names. Who is not named may keep as much as there is
/// room for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) components: HashMap<String, Quota>,
    pub(crate) buckets: BTreeMap<String, u64>,
    /// Bytes of each of a component's databases.
    pub(crate) databases: HashMap<String, u64>,
}

/// A tenant as its archive tells of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedTenant {
    /// Its name.
    pub name: String,
    /// What people called it.
    pub title: String,
    /// The host names that led to it.
    pub hosts: Vec<String>,
    /// RFC 3339.
    pub created_at: String,
    /// What was decided about its features, as it was written.
    pub features: BTreeMap<String, serde_json::Value>,
}

/// Where an entry belongs.
enum Place {
    /// It says something about the others.
    About,
    Collection {
        component: String,
        collection: String,
    },
    Bucket(String),
    /// What components have recorded of what was done.
    Audit,
    /// Where what they have recorded begins.
    Pruned,
    /// Points that are found by likeness.
    Vectors {
        component: String,
        collection: String,
    },
    Database {
        component: String,
        label: String,
    },
    /// What is known of a blob.
    Known {
        component: String,
        number: String,
    },
    /// The blob itself, right behind it.
    Blob {
        component: String,
        number: String,
    },
}

/// A value of a store, on its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    text: Option<String>,
    base64: Option<String>,
}

/// Lines of an entry, none of them too long.
struct Lines<R> {
    lines: BufReader<R>,
    line: String,
}

/// Why an entry could not be taken.
enum Fault {
    /// The archive is to blame.
    Theirs(String),
    Ours(Error),
}

// === impl ArchivedTenant ===

impl ArchivedTenant {
    /// Reads what an archive says of its tenant. Blocks.
    ///
    /// # Errors
    /// [`Error::Archive`].
    pub fn read(mut archive: &File) -> Result<Self, Error> {
        begin(archive)?;
        let mut entries = Archive::new(&mut archive);
        for entry in entries.entries().map_err(|error| unreadable(&error))? {
            let entry = entry.map_err(|error| unreadable(&error))?;
            if &*entry.path_bytes() == b"tenant.json" {
                let about = serde_json::from_reader(entry.take(LARGEST_ABOUT));
                return about.map_err(|error| refused("tenant.json", error));
            }
        }
        Err(Error::Archive("it has no tenant.json".to_owned()))
    }
}

/// Fills stores that nobody uses yet. Blocks; on a thread that may wait.
///
/// # Errors
/// [`Error::Archive`] when the archive is to blame, any other when it is not. Then the stores hold a part.
pub(crate) fn fill(stores: &Stores, mut archive: &File, allowed: &Allowed) -> Result<(), Error> {
    begin(archive)?;
    let mut entries = Archive::new(&mut archive);
    let mut seen = HashSet::new();
    // The blob whose content has to follow.
    let mut expected = None;
    for entry in entries.entries().map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let is_file = entry.header().entry_type() == EntryType::Regular;
        let place = Place::of(&path).filter(|_| is_file);
        let Some(place) = place.filter(|_| seen.insert(path.clone())) else {
            let path: String = path.escape_debug().take(100).collect();
            return Err(Error::Archive(format!(
                "`{path}` has no place in the archive of a tenant"
            )));
        };
        let known = expected.take();
        match (&place, known) {
            (Place::Blob { component, number }, Some((of, is, known)))
                if (component, number) == (&of, &is) =>
            {
                blob(stores, component, known, entry, allowed).map_err(|error| error.at(&path))?;
                continue;
            }
            (Place::Blob { .. }, _) | (_, Some(_)) => {
                return Err(refused(
                    &path,
                    "the content of a blob stands behind what is known of it, and nothing else does",
                ));
            }
            (_, None) => {}
        }
        if let Place::Known { component, number } = place {
            let known = serde_json::from_reader(entry.take(LARGEST_KNOWN));
            let known: ArchivedBlob = known.map_err(|error| refused(&path, error))?;
            expected = Some((component, number, known));
            continue;
        }
        if let Place::Database { component, label } = &place {
            let most = allowed.databases.get(component).copied();
            sbd_sqlite::place(&stores.databases, component, label, entry, most)
                .map_err(|error| refused(&path, error))?;
            continue;
        }
        let lines = Lines {
            lines: BufReader::new(entry),
            line: String::new(),
        };
        match place {
            Place::About | Place::Database { .. } | Place::Known { .. } | Place::Blob { .. } => {}
            Place::Collection {
                component,
                collection,
            } => documents(stores, &component.into(), collection, lines, allowed)
                .map_err(|error| error.at(&path))?,
            Place::Vectors {
                component,
                collection,
            } => vectors(stores, &component, &collection, lines, allowed)
                .map_err(|error| error.at(&path))?,
            Place::Audit => {
                audit(stores, lines, allowed).map_err(|error| error.at(&path))?;
            }
            Place::Pruned => pruned(stores, lines).map_err(|error| error.at(&path))?,
            Place::Bucket(bucket) => {
                values(stores, &bucket, lines, allowed).map_err(|error| error.at(&path))?;
            }
        }
    }
    match expected {
        None => Ok(()),
        Some((_, _, known)) => Err(Error::Archive(format!(
            "the content of the blob `{}` is not in it",
            known.name.escape_debug()
        ))),
    }
}

/// Refuses what is not whole, and goes to the beginning.
fn begin(mut archive: &File) -> Result<(), Error> {
    let mut end = END;
    let tail = i64::try_from(end.len()).unwrap_or_default();
    let read = archive
        .seek(SeekFrom::End(-tail))
        .and_then(|_| archive.read_exact(&mut end))
        .and_then(|()| archive.rewind());
    match read {
        Ok(()) if end == END => Ok(()),
        _ => Err(Error::Archive(
            "it is no tar archive, or was cut short".to_owned(),
        )),
    }
}

fn documents(
    stores: &Stores,
    component: &Arc<str>,
    collection: String,
    mut lines: Lines<impl Read>,
    allowed: &Allowed,
) -> Result<(), Fault> {
    // Indexes are made when the component is first used; what they forbid is told then.
    let declared = [CollectionDeclaration {
        name: collection.clone(),
        indexes: Vec::new(),
    }];
    let runtime = Handle::current();
    let backend = &stores.documents;
    runtime.block_on(backend.configure(component, &declared))?;
    if let Some(quota) = allowed.components.get(&**component) {
        runtime.block_on(backend.allow(component, *quota))?;
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut more = true;
    while more {
        match lines.next()? {
            Some(line) => {
                bytes += line.len();
                batch.push(line.to_owned());
            }
            None => more = false,
        }
        if !batch.is_empty() && (!more || batch.len() >= BATCH || bytes >= BATCH_BYTES) {
            let documents = std::mem::take(&mut batch);
            runtime.block_on(backend.insert(component, collection.clone(), documents))?;
            bytes = 0;
        }
    }
    Ok(())
}

fn vectors(
    stores: &Stores,
    component: &str,
    collection: &str,
    mut lines: Lines<impl Read>,
    allowed: &Allowed,
) -> Result<(), Fault> {
    let runtime = Handle::current();
    let backend = &stores.vectors;
    let about = lines.next()?.unwrap_or_default();
    let config: ArchivedConfig = serde_json::from_str(about).map_err(Fault::theirs)?;
    let config = config.into_config().map_err(Fault::theirs)?;
    runtime.block_on(backend.create(component, collection.to_owned(), config))?;
    if let Some(quota) = allowed.components.get(component) {
        runtime.block_on(backend.allow(component, quota.bytes))?;
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut more = true;
    while more {
        match lines.next()? {
            Some(line) => {
                let point: ArchivedPoint = serde_json::from_str(line).map_err(Fault::theirs)?;
                bytes += line.len();
                batch.push(point.into_point());
            }
            None => more = false,
        }
        if !batch.is_empty() && (!more || batch.len() >= BATCH || bytes >= BATCH_BYTES) {
            let points = std::mem::take(&mut batch);
            runtime.block_on(backend.upsert(component, collection.to_owned(), points))?;
            bytes = 0;
        }
    }
    Ok(())
}

/// What was recorded goes on as it was: whoever has altered it is found here.
fn audit(stores: &Stores, mut lines: Lines<impl Read>, allowed: &Allowed) -> Result<(), Fault> {
    let runtime = Handle::current();
    let backend = &stores.documents;
    for (component, quota) in &allowed.components {
        runtime.block_on(backend.allow(component, *quota))?;
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut more = true;
    while more {
        match lines.next()? {
            Some(line) => {
                bytes += line.len();
                let entry: ArchivedEntry = serde_json::from_str(line).map_err(Fault::theirs)?;
                batch.push(entry.into_entry());
            }
            None => more = false,
        }
        if !batch.is_empty() && (!more || batch.len() >= BATCH || bytes >= BATCH_BYTES) {
            runtime.block_on(backend.adopt(std::mem::take(&mut batch)))?;
            bytes = 0;
        }
    }
    Ok(())
}

fn pruned(stores: &Stores, mut lines: Lines<impl Read>) -> Result<(), Fault> {
    let mut anchors = Vec::new();
    while let Some(line) = lines.next()? {
        let anchor: ArchivedAnchor = serde_json::from_str(line).map_err(Fault::theirs)?;
        anchors.push(anchor.into_anchor());
    }
    Ok(Handle::current().block_on(stores.documents.begin_behind(anchors))?)
}

fn values(
    stores: &Stores,
    bucket: &str,
    mut lines: Lines<impl Read>,
    allowed: &Allowed,
) -> Result<(), Fault> {
    let runtime = Handle::current();
    let backend = &stores.keyvalue;
    if let Some(bytes) = allowed.buckets.get(bucket) {
        runtime.block_on(backend.allow(bucket, *bytes))?;
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut more = true;
    while more {
        match lines.next()? {
            Some(line) => {
                let pair = Line::read(line)?;
                bytes += line.len();
                batch.push(pair);
            }
            None => more = false,
        }
        if !batch.is_empty() && (!more || batch.len() >= BATCH || bytes >= BATCH_BYTES) {
            sbd_keyvalue::check_pairs(&batch)?;
            runtime.block_on(backend.set_many(bucket, std::mem::take(&mut batch)))?;
            bytes = 0;
        }
    }
    Ok(())
}

/// Puts a blob as its component would, piece by piece.
fn blob(
    stores: &Stores,
    component: &str,
    known: ArchivedBlob,
    mut content: impl Read,
    allowed: &Allowed,
) -> Result<(), Fault> {
    let runtime = Handle::current();
    let (backend, component) = (&stores.blobs, &Arc::<str>::from(component));
    if let Some(quota) = allowed.components.get(&**component) {
        runtime.block_on(stores.documents.allow(component, *quota))?;
    }
    check_name(&known.name)?;
    check_content_type(&known.content_type)?;
    if runtime
        .block_on(backend.head(component, known.name.clone()))?
        .is_some()
    {
        return Err(Fault::theirs("a blob of this name was in it before"));
    }
    let begun = backend.begin(component, known.name, known.content_type);
    let id = runtime.block_on(begun)?;
    loop {
        let mut piece = Vec::new();
        let mut most = content.by_ref().take(MAX_PIECE_BYTES as u64);
        most.read_to_end(&mut piece).map_err(Fault::theirs)?;
        if piece.is_empty() {
            break;
        }
        runtime.block_on(backend.append(component, id.clone(), piece))?;
    }
    let blob = runtime.block_on(backend.finish(component, id))?;
    match (blob.size, blob.sha256) == (known.bytes, known.sha256) {
        true => Ok(()),
        false => Err(Fault::theirs(
            "it is not what is known of it: bytes or SHA-256 differ",
        )),
    }
}

fn unreadable(error: &io::Error) -> Error {
    Error::Archive(format!("it cannot be read ({error})"))
}

fn refused(entry: &str, reason: impl std::fmt::Display) -> Error {
    Error::Archive(format!("{entry}: {reason}"))
}

// === impl Place ===

impl Place {
    fn of(path: &str) -> Option<Self> {
        if matches!(path, "README.txt" | "tenant.json") {
            return Some(Self::About);
        }
        if let Some(database) = path.strip_suffix(".db") {
            return match database.split('/').collect::<Vec<_>>()[..] {
                ["sqlite", component, label] => Some(Self::Database {
                    component: name(component)?,
                    label: name(label)?,
                }),
                _ => None,
            };
        }
        if let Some(blob) = path.strip_prefix("blobs/") {
            let (component, number) = blob.split_once('/')?;
            let component = name(component)?;
            let (number, is_known) = match number.strip_suffix(".json") {
                Some(number) => (number, true),
                None => (number, false),
            };
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_number.then(|| number.to_owned())?;
            return Some(match is_known {
                true => Self::Known { component, number },
                false => Self::Blob { component, number },
            });
        }
        let place = path.strip_suffix(".jsonl")?;
        match place.split('/').collect::<Vec<_>>()[..] {
            ["documents", component, collection] => Some(Self::Collection {
                component: name(component)?,
                collection: name(collection)?,
            }),
            ["vectors", component, collection] => Some(Self::Vectors {
                component: name(component)?,
                collection: name(collection)?,
            }),
            ["keyvalue", bucket] => name(bucket).map(Self::Bucket),
            ["audit", "entries"] => Some(Self::Audit),
            ["audit", "pruned"] => Some(Self::Pruned),
            _ => None,
        }
    }
}

/// A name that is written as an archive writes it, and no other way: or one could be in it twice.
fn name(written: &str) -> Option<String> {
    let name = percent_decode_str(written).decode_utf8().ok()?;
    let is_name = (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control);
    (is_name && crate::archive::file_name(&name) == written).then(|| name.into_owned())
}

// === impl Line ===

impl Line {
    fn read(line: &str) -> Result<(String, Vec<u8>), Fault> {
        let line: Self = serde_json::from_str(line).map_err(Fault::theirs)?;
        let value = match (line.text, line.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => STANDARD.decode(text).map_err(Fault::theirs)?,
            _ => return Err(Fault::theirs("a value is either `text` or `base64`")),
        };
        Ok((line.key, value))
    }
}

// === impl Lines ===

impl<R: Read> Lines<R> {
    fn next(&mut self) -> Result<Option<&str>, Fault> {
        self.line.clear();
        let mut line = self.lines.by_ref().take(LONGEST_LINE);
        let read = line.read_line(&mut self.line).map_err(Fault::theirs)?;
        if read as u64 == LONGEST_LINE {
            return Err(Fault::theirs(format!(
                "a line is longer than {LONGEST_LINE} bytes"
            )));
        }
        Ok((read > 0).then(|| self.line.trim_end_matches('\n')))
    }
}

// === impl Fault ===

impl Fault {
    fn theirs(reason: impl ToString) -> Self {
        Self::Theirs(reason.to_string())
    }

    fn at(self, path: &str) -> Error {
        match self {
            Self::Theirs(reason) => refused(path, reason),
            Self::Ours(error) => error,
        }
    }
}

impl From<sbd_documents::Error> for Fault {
    fn from(error: sbd_documents::Error) -> Self {
        match error {
            sbd_documents::Error::Unavailable(_) => {
                Self::Ours(Error::capability("documents", &error))
            }
            error => Self::theirs(error),
        }
    }
}

impl From<sbd_blobs::Error> for Fault {
    fn from(error: sbd_blobs::Error) -> Self {
        use sbd_blobs::Error::{Invalid, Storage};
        match error {
            Storage(sbd_storage::Error::Quota(_)) | Invalid(_) => Self::theirs(error),
            error => Self::Ours(Error::capability("blobs", &error)),
        }
    }
}

impl From<sbd_vectors::Error> for Fault {
    fn from(error: sbd_vectors::Error) -> Self {
        match error {
            sbd_vectors::Error::Refused(_) | sbd_vectors::Error::Quota(_) => Self::theirs(error),
            error => Self::Ours(Error::capability("vectors", &error)),
        }
    }
}

impl From<sbd_keyvalue::Error> for Fault {
    fn from(error: sbd_keyvalue::Error) -> Self {
        match error {
            sbd_keyvalue::Error::Storage(sbd_storage::Error::Quota(_))
            | sbd_keyvalue::Error::Invalid(_) => Self::theirs(error),
            error => Self::Ours(Error::capability("keyvalue", &error)),
        }
    }
}
