//! The formats, one each. Each tells what it reads to the `Output`, and returns why it reads no more.

pub(crate) mod csv;
pub(crate) mod docx;
pub(crate) mod eml;
pub(crate) mod epub;
pub(crate) mod html;
pub(crate) mod markdown;
mod office;
pub(crate) mod pdf;
pub(crate) mod pptx;
pub(crate) mod text;
pub(crate) mod xlsx;

use document::Unread;

/// Whether all was read, or why not.
pub(crate) type Read = Result<(), Unread>;
