//! Archives that a document is packed in, within bounds: whatever an archive says of itself, no more is unpacked.

use document::{Reason, Unread};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// The most files of an archive.
const MOST_FILES: usize = 20_000;
/// The most one file may unpack to.
const LARGEST: u64 = 128 << 20;
/// The most all files that are read may unpack to.
const LARGEST_IN_ALL: u64 = 256 << 20;
/// Text is hardly ever packed to less than a hundredth.
const MOST_RATIO: u64 = 250;
/// What unpacks to less than this may be packed as well as it likes.
const SMALL: u64 = 8 << 20;

/// An archive whose files were unpacked once already, to see that they may be.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Archive<'a> {
    /// Opens an archive, and looks at all of it that may be read.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Unread> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if zip.len() > MOST_FILES {
            let why = format!(
                "it is packed from more than {MOST_FILES} files, which no document is: it is not opened"
            );
            return Err(Unread::whole(Reason::Limit, why));
        }
        let mut in_all = 0;
        for number in 0..zip.len() {
            let mut file = match zip.by_index(number) {
                Ok(file) => file,
                Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                    return Err(encrypted());
                }
                // It is told when it is read.
                Err(_) => continue,
            };
            if !file.name().is_ok_and(|name| is_read(&name)) {
                continue;
            }
            let packed = file.compressed_size();
            let unpacked = io::copy(&mut (&mut file).take(LARGEST + 1), &mut io::sink());
            let unpacked = unpacked.unwrap_or(0);
            in_all += unpacked;
            let swells = unpacked > SMALL && unpacked / packed.max(1) > MOST_RATIO;
            if swells || unpacked > LARGEST || in_all > LARGEST_IN_ALL {
                let why = "it unpacks to far more than a document holds, as a bomb does: it is not opened";
                return Err(Unread::whole(Reason::Limit, why));
            }
        }
        Ok(Self { zip })
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// A file, to be read from its beginning; none: there is none.
    pub(crate) fn file<'s>(&'s mut self, name: &str) -> Option<impl BufRead + use<'s, 'a>> {
        let file = self.zip.by_name(name).ok()?;
        Some(BufReader::with_capacity(64 << 10, file.take(LARGEST)))
    }

    /// All of a file.
    pub(crate) fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(name)?.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Whether a file of this name is ever read: pictures and embedded files are not.
fn is_read(name: &str) -> bool {
    let extension = name.rsplit('.').next().unwrap_or_default();
    let read = [
        "xml", "rels", "html", "xhtml", "htm", "opf", "ncx", "vml", "bin",
    ];
    read.iter()
        .any(|known| known.eq_ignore_ascii_case(extension))
}

/// An archive that cannot be opened.
fn damaged(_: ZipError) -> Unread {
    Unread::whole(
        Reason::Damaged,
        "it is cut off or damaged; upload it again, or open and save it in the program that made it",
    )
}

/// A document with a password.
pub(crate) fn encrypted() -> Unread {
    Unread::whole(
        Reason::Encrypted,
        "it is encrypted with a password; remove the password and upload it again",
    )
}
