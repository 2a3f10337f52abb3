//! Pages whose content swells, known before it is unpacked.

use hayro::hayro_syntax::object::{Array, Object, Stream};
use hayro::hayro_syntax::page::Page;
use std::io::{self, Read as _};

/// The most that the content of a page may unpack to.
const LARGEST: u64 = 64 << 20;
/// What is packed smaller cannot unpack to more: no more than about a thousand bytes come of one.
const HARMLESS: usize = (LARGEST / 1032) as usize;

/// Whether the content of a page unpacks to more than is drawn on one.
pub(super) fn swells(page: &Page<'_>) -> bool {
    let contents = page.raw();
    if let Some(stream) = contents.get::<Stream<'_>>(b"Contents") {
        return unpacked(&stream) > LARGEST;
    }
    let Some(array) = contents.get::<Array<'_>>(b"Contents") else {
        return false;
    };
    let mut all = 0;
    for part in array.iter::<Object<'_>>() {
        if let Some(stream) = part.into_stream() {
            all += unpacked(&stream);
        }
        if all > LARGEST {
            return true;
        }
    }
    false
}

/// How much a stream unpacks to, at least, as far as that matters.
fn unpacked(stream: &Stream<'_>) -> u64 {
    let packed = stream.raw_data();
    if packed.len() <= HARMLESS {
        return packed.len() as u64;
    }
    let mut unpacked = flate2::bufread::ZlibDecoder::new(&*packed).take(LARGEST + 1);
    let counted = io::copy(&mut unpacked, &mut io::sink());
    counted.unwrap_or(0).max(packed.len() as u64)
}
