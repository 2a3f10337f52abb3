//! Everything that a tenant has stored, as one archive of open formats.

use crate::Error;
use crate::audit::{ArchivedAnchor, ArchivedEntry};
use crate::stores::Archive;
use crate::vectors::{ArchivedConfig, ArchivedPoint};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sbd_blobs::{Blob, Stored};
use sbd_documents::{anchors, each_entry as each_recorded, has_entries, stored_collections};
use sbd_keyvalue::{each_entry, stored_buckets};
use sbd_storage::Database;
use sbd_storage::rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tar::{Builder, EntryType, Header};

/// What stands in the archive for whoever opens it.
const README: &str = "\
This is everything that a tenant of Second Brain has stored, as it was at one moment.

tenant.json                             the tenant: name, title, host names, and which features are on
documents/COMPONENT/COLLECTION.jsonl    the documents of a collection: JSON, one a line, by their ids
audit/pruned.jsonl                      the last entry, of each chain of those, that was deleted because its time was over
audit/entries.jsonl                     what components have recorded of what was done, one entry a line, each with its
                                        hash over the one before it of the same component and subject
keyvalue/STORE.jsonl                    the entries of a store, one a line: `key`, and the value as `text`
                                        if it is UTF-8, else as `base64`
vectors/COMPONENT/COLLECTION.jsonl      the points of a collection, one a line by their age, behind a line that says what they
                                        have: `dense` vectors, `sparse` ones by the numbers of terms, or both; as they were
                                        at a moment of their own
sqlite/COMPONENT/LABEL.db               a component's own database, as a file of SQLite 3; each of them as it
                                        was at a moment of its own
blobs/COMPONENT/NUMBER.json             what is known of a blob of a component: its name, what it is (`content_type`),
                                        how many bytes it has, their SHA-256, and when it was put
blobs/COMPONENT/NUMBER                  its content

Not in here: the tenant's keys, the sessions of those who were signed in, and what was only kept for
a while (caches, events that are to be delivered, queued work: where the tenant was it goes on): wherever
this is imported, everybody signs in anew, and fields that were encrypted with the tenant's keys are in here and open
nowhere but where they came from. Passwords are in here as they are stored, as hashes: keep this file as safe as the
server itself.
";

/// Characters that stand for themselves in the name of a file.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// All that a tenant has stored, and where.
pub(crate) struct TenantArchive {
    pub(crate) database: Database,
    /// The file with its vectors, if it is there.
    pub(crate) vectors: PathBuf,
    /// Where the databases of its components lie.
    pub(crate) databases: PathBuf,
    /// Where its blobs lie.
    pub(crate) blobs: PathBuf,
}

/// What an archive says of a blob before its content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchivedBlob {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// When it was put, RFC 3339. Where it is imported it is put anew.
    pub(crate) at: String,
}

impl Archive for TenantArchive {
    fn export<'a>(
        &'a self,
        folder: &'a Path,
        about: serde_json::Value,
        stay: HashSet<(String, String)>,
    ) -> BoxFuture<'a, Result<File, Error>> {
        let (folder, databases) = (folder.to_owned(), self.databases.clone());
        let (vectors, blobs) = (self.vectors.clone(), self.blobs.clone());
        Box::pin(async move {
            let write = move |connection: &Connection| {
                let beside = (vectors.as_path(), databases.as_path(), blobs.as_path());
                Writing::write(connection, beside, &folder, &about, &stay)
            };
            let archive = self.database.read(write).await;
            archive.map_err(|error: Failed| Error::capability("storage", &error))
        })
    }
}

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Storage(#[from] sbd_storage::Error),
    #[error("{0}")]
    Documents(#[from] sbd_documents::Error),
    #[error("{0}")]
    Vectors(#[from] sbd_vectors::Error),
    #[error("{0}")]
    Keyvalue(#[from] sbd_keyvalue::Error),
    #[error("{0}")]
    Blobs(#[from] sbd_blobs::Error),
    #[error("the archive cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl From<sbd_storage::rusqlite::Error> for Failed {
    fn from(error: sbd_storage::rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

struct Writing<'a> {
    tar: Builder<BufWriter<File>>,
    /// Where files without a name are made.
    folder: &'a Path,
    made_at: u64,
}

// === impl Writing ===

impl<'a> Writing<'a> {
    fn write(
        connection: &Connection,
        (vectors, databases, blobs): (&Path, &Path, &Path),
        folder: &'a Path,
        about: &serde_json::Value,
        stay: &HashSet<(String, String)>,
    ) -> Result<File, Failed> {
        // One view of the database from the first row to the last.
        let moment = connection.unchecked_transaction()?;
        let links = tempfile::tempdir_in(folder)?;
        // What is deleted from now on is still there to be read.
        sbd_blobs::link(&moment, blobs, links.path())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut archive = Self {
            tar: Builder::new(BufWriter::new(tempfile::tempfile_in(folder)?)),
            folder,
            made_at: now.map_or(0, |now| now.as_secs()),
        };
        archive.add("README.txt", README.as_bytes())?;
        archive.add("tenant.json", format!("{about:#}\n").as_bytes())?;
        archive.add_documents(&moment, stay)?;
        archive.add_audit(&moment)?;
        archive.add_values(&moment)?;
        archive.add_blobs(&moment, links.path())?;
        drop(moment);
        archive.add_vectors(vectors)?;
        archive.add_databases(databases)?;
        let written = archive.tar.into_inner()?;
        let mut file = written
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    fn add_documents(
        &mut self,
        connection: &Connection,
        stay: &HashSet<(String, String)>,
    ) -> Result<(), Failed> {
        for stored in stored_collections(connection)? {
            if stay.contains(&(stored.component.clone(), stored.collection.clone())) {
                continue;
            }
            let path = format!(
                "documents/{}/{}.jsonl",
                file_name(&stored.component),
                file_name(&stored.collection)
            );
            self.add_lines(&path, |lines| {
                stored.each(connection, |document| Ok(writeln!(lines, "{document}")?))
            })?;
        }
        Ok(())
    }

    fn add_audit(&mut self, connection: &Connection) -> Result<(), Failed> {
        if !has_entries(connection)? {
            return Ok(());
        }
        // Before the entries, which follow from them.
        let pruned = anchors(connection)?;
        if !pruned.is_empty() {
            self.add_lines("audit/pruned.jsonl", |lines| {
                pruned.into_iter().try_for_each(|anchor| {
                    let line = serde_json::to_string(&ArchivedAnchor::new(anchor));
                    Ok(writeln!(lines, "{}", line.map_err(io::Error::from)?)?)
                })
            })?;
        }
        self.add_lines("audit/entries.jsonl", |lines| {
            each_recorded(connection, |entry, hash| {
                let line = ArchivedEntry::new(entry, &hash);
                let line = serde_json::to_string(&line).map_err(io::Error::from)?;
                Ok(writeln!(lines, "{line}")?)
            })
        })
    }

    fn add_values(&mut self, connection: &Connection) -> Result<(), Failed> {
        for bucket in stored_buckets(connection)? {
            let path = format!("keyvalue/{}.jsonl", file_name(&bucket));
            self.add_lines(&path, |lines| {
                each_entry(connection, &bucket, |key, value| {
                    let line = match String::from_utf8(value) {
                        Ok(text) => json!({"key": key, "text": text}),
                        Err(bytes) => {
                            json!({"key": key, "base64": STANDARD.encode(bytes.as_bytes())})
                        }
                    };
                    Ok(writeln!(lines, "{line}")?)
                })
            })?;
        }
        Ok(())
    }

    fn add_blobs(&mut self, connection: &Connection, links: &Path) -> Result<(), Failed> {
        let mut number = 0_u64;
        sbd_blobs::each(connection, |stored| {
            let Stored {
                component,
                blob,
                file,
            } = stored;
            let content = match File::open(links.join(file)) {
                // Deleted just when this began.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                content => content?,
            };
            let length = content.metadata()?.len();
            if length != blob.size {
                return Err(sbd_blobs::Error::Lost(blob.name).into());
            }
            number += 1;
            let path = format!("blobs/{}/{number}", file_name(&component));
            let known = serde_json::to_vec(&ArchivedBlob::new(blob)).map_err(io::Error::from)?;
            self.add(&format!("{path}.json"), &known)?;
            self.add_from(&path, length, content)
        })
    }

    fn add_vectors(&mut self, vectors: &Path) -> Result<(), Failed> {
        if !vectors.exists() {
            return Ok(());
        }
        let connection = sbd_storage::look_at(vectors)?;
        let moment = connection.unchecked_transaction()?;
        for stored in sbd_vectors::stored(&moment)? {
            let described = stored.described();
            let path = format!(
                "vectors/{}/{}.jsonl",
                file_name(&stored.component),
                file_name(&described.name)
            );
            self.add_lines(&path, |lines| {
                let config = serde_json::to_string(&ArchivedConfig::new(described.config));
                writeln!(lines, "{}", config.map_err(io::Error::from)?)?;
                stored.each(&moment, |point| {
                    let line = ArchivedPoint::new(point);
                    let line = line.and_then(|point| serde_json::to_string(&point));
                    Ok::<_, Failed>(writeln!(lines, "{}", line.map_err(io::Error::from)?)?)
                })
            })?;
        }
        Ok(())
    }

    fn add_databases(&mut self, databases: &Path) -> Result<(), Failed> {
        for stored in sbd_sqlite::stored(databases)? {
            let path = format!(
                "sqlite/{}/{}.db",
                file_name(&stored.component),
                file_name(&stored.label)
            );
            // SQLite writes to a file with a name only.
            let copy = tempfile::NamedTempFile::new_in(self.folder)?;
            sbd_sqlite::copy(&stored.path, copy.path())?;
            let written = File::open(copy.path())?;
            self.add_from(&path, written.metadata()?.len(), written)?;
        }
        Ok(())
    }

    /// Adds a file of lines. How long it is stands before it in an archive, so it is written apart
    /// first.
    fn add_lines(
        &mut self,
        path: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let mut lines = BufWriter::new(tempfile::tempfile_in(self.folder)?);
        write(&mut lines)?;
        let mut lines = lines.into_inner().map_err(io::IntoInnerError::into_error)?;
        let length = lines.stream_position()?;
        lines.seek(SeekFrom::Start(0))?;
        self.add_from(path, length, lines)
    }

    fn add(&mut self, path: &str, content: &[u8]) -> Result<(), Failed> {
        self.add_from(path, content.len() as u64, content)
    }

    fn add_from(&mut self, path: &str, length: u64, content: impl io::Read) -> Result<(), Failed> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_mtime(self.made_at);
        header.set_size(length);
        Ok(self.tar.append_data(&mut header, path, content)?)
    }
}

// === impl ArchivedBlob ===

impl ArchivedBlob {
    fn new(blob: Blob) -> Self {
        Self {
            name: blob.name,
            content_type: blob.content_type,
            bytes: blob.size,
            sha256: blob.sha256,
            at: format!("{:.3}", blob.at),
        }
    }
}

/// A name as that of a file, on any system.
pub(crate) fn file_name(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}
