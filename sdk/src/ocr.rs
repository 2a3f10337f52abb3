//! The text of images, read by the host's Tesseract where it is installed.

use crate::Error;
use crate::bindings::ocr as host;
use http::StatusCode;

pub use host::{Engine, Line};

/// What reads here; none where nothing is installed.
///
/// # Errors
/// `OVERLOADED` when what is installed cannot be asked now.
pub async fn installed() -> crate::Result<Option<Engine>> {
    host::installed().await.map_err(refused)
}

/// The lines of one image (PNG, JPEG, TIFF or WebP; 32 MiB and 10 000 pixels a side at most), top to bottom.
/// `languages` are 1 to 4 of the engine's.
///
/// # Errors
/// `VALIDATION_ERROR` for an image that cannot be read, `NOT_INSTALLED` where the engine or a language is not there,
/// with what to install, `OVERLOADED` when too many images wait or this one takes too long.
pub async fn recognise(image: Vec<u8>, languages: &[&str]) -> crate::Result<Vec<Line>> {
    let languages = languages.iter().map(|language| (*language).to_owned());
    host::recognise(image, languages.collect())
        .await
        .map_err(refused)
}

fn refused(error: host::Error) -> Error {
    match error {
        host::Error::Invalid(why) => Error::validation("image", why),
        host::Error::NotInstalled(what) => {
            Error::new(StatusCode::NOT_IMPLEMENTED, "NOT_INSTALLED", what)
        }
        host::Error::Unavailable(why) => Error::overloaded(why, 60),
        host::Error::Limit(cause) | host::Error::Other(cause) => Error::internal(cause),
    }
}
