//! What a component may ask for at most, as `wit/blobs.wit` promises.

use crate::Error;
use std::time::Duration;

/// Longest name in bytes.
pub const MAX_NAME_BYTES: usize = 512;
/// Longest content type in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 255;
/// Largest piece in bytes (1 MiB).
pub const MAX_PIECE_BYTES: usize = 1 << 20;
/// Most blobs on a page.
pub const MAX_PAGE: u32 = 1000;
/// Most blobs that a component puts at once.
pub const MAX_BEGUN: usize = 256;
/// What was begun is forgotten so long after its last piece.
pub const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Refuses what is no name.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.split('/').all(is_part) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a name has 1 to {MAX_NAME_BYTES} bytes, parts with `/` between, none of them empty, `.` or `..`; choose another"
    )))
}

/// Refuses what no header could hold.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_content_type(content_type: &str) -> Result<(), Error> {
    let is_right = (1..=MAX_CONTENT_TYPE_BYTES).contains(&content_type.len())
        && content_type
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte));
    match is_right {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "a content type has 1 to {MAX_CONTENT_TYPE_BYTES} visible ASCII characters, as in the header `Content-Type`; say `application/octet-stream` if it is not known"
        ))),
    }
}

/// Refuses an empty or too large piece.
pub(crate) fn check_piece(length: usize) -> Result<(), Error> {
    match (1..=MAX_PIECE_BYTES).contains(&length) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "a piece has 1 to {MAX_PIECE_BYTES} bytes, this one has {length}; split it"
        ))),
    }
}

/// Refuses a page that is none.
pub(crate) fn check_page(limit: u32) -> Result<(), Error> {
    match (1..=MAX_PAGE).contains(&limit) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "a page has 1 to {MAX_PAGE} blobs, not {limit}"
        ))),
    }
}

/// Refuses to take all for some.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    match prefix {
        "" => Err(Error::Invalid(
            "all whose names begin with nothing would be all there are; say how the names begin"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}
