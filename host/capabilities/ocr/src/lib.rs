//! The ocr capability, `sbd:platform/ocr`: the text of images, by what is installed for it.
//!
//! An [`Engine`] reads; the one there is, is [`Tesseract`], in a process of its own for each image. One [`Reader`]
//! serves the process: images wait for their turn, and turns go round the tenants.

mod bindings;
mod engine;
mod error;
mod host;
mod image;
mod reader;
mod settings;
mod tesseract;
mod tsv;

pub use engine::{Engine, Installed, Line};
pub use error::Error;
pub use image::{LARGEST, LONGEST};
pub use reader::{OcrCtx, Reader};
pub use settings::Settings;
pub use tesseract::Tesseract;

use sbd_metering::Metered;
use wasmtime::component::{HasData, Linker};

/// Implemented by the data of a store whose components have images read.
pub trait OcrView: Send {
    /// Reading as this store's component sees it.
    fn ocr(&mut self) -> &mut OcrCtx;
}

struct Ocr;

impl HasData for Ocr {
    type Data<'a> = &'a mut OcrCtx;
}

/// Links `sbd:platform/ocr`.
///
/// # Errors
/// When the interface is already linked.
pub fn add_to_linker<T: OcrView + Metered>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::ocr::add_to_linker::<T, Ocr>(linker, T::ocr)
}
