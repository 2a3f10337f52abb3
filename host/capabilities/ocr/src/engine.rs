//! What reads images: the contract of every backend.

use crate::Error;
use futures::future::BoxFuture;
use std::fmt;

/// Reads images; the suite in `tests/conformance` says what each method must do. Whoever drops an answer stops the
/// work.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// What there is; none where nothing is installed.
    fn installed(&self) -> BoxFuture<'_, Result<Option<Installed>, Error>>;

    /// The lines of an image that has been looked at, top to bottom. The languages are the engine's.
    fn recognise(
        &self,
        image: Vec<u8>,
        languages: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Line>, Error>>;
}

/// An engine that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Name and version.
    pub name: String,
    /// The languages it has, as it names them.
    pub languages: Vec<String>,
}

/// A line of text.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// Where it is, in pixels: left, top, width, height.
    pub place: (u32, u32, u32, u32),
    /// How sure the engine is, 0 to 100.
    pub confidence: f32,
}
