//! A page as a picture, for whoever recognises text in it.

use super::glyphs::Drawn;
use super::{bombs, open};
use axum::body::Bytes;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};
use hayro_interpret::{InterpreterCache, InterpreterSettings};
use sbd_sdk::{Error, Result};

/// The longest side of a picture, in pixels.
const LONGEST: f32 = 9_000.0;
/// The most pixels of a picture: A3 at 200 dots an inch has half of it.
const MOST_PIXELS: f32 = 16_000_000.0;
/// The most pixels of a picture on the page, which is unpacked to be drawn.
const LARGEST_PICTURE: u64 = 120_000_000;

/// Draws a page (from 1) as PNG, with so many dots an inch, or fewer where it is huge.
pub(crate) fn draw(bytes: Bytes, number: u32, dpi: u16) -> Result<Vec<u8>> {
    let pdf = open(bytes.to_vec()).map_err(|unread| Error::validation("page", unread.why))?;
    drop(bytes);
    let index = (number as usize).checked_sub(1);
    let page = index.and_then(|index| pdf.pages().get(index));
    let page = page.ok_or_else(|| Error::not_found("page"))?;
    if bombs::swells(page) {
        let why =
            format!("page {number} becomes far more than is drawn on a page: it is not drawn");
        return Err(Error::validation("page", why));
    }
    let settings = InterpreterSettings::default();
    let drawn = Drawn::of(page, &InterpreterCache::new(), &settings);
    if drawn.largest > LARGEST_PICTURE {
        let why = format!(
            "a picture on page {number} is too large to be drawn; save it with fewer pixels"
        );
        return Err(Error::validation("page", why));
    }
    let (width, height) = page.render_dimensions();
    let scale = scale(width, height, f32::from(dpi) / 72.0);
    let scale = scale.ok_or_else(|| Error::validation("page", "the page has no size"))?;
    let pixmap = hayro::render(
        page,
        &RenderCache::new(),
        &settings,
        &RenderSettings::default(),
        &PixmapSettings {
            x_scale: scale,
            y_scale: scale,
            bg_color: WHITE,
        },
    );
    pixmap.into_png().map_err(Error::internal)
}

/// How large a page is drawn.
fn scale(width: f32, height: f32, wanted: f32) -> Option<f32> {
    if !(width.is_finite() && height.is_finite() && width >= 1.0 && height >= 1.0) {
        return None;
    }
    let by_side = LONGEST / width.max(height);
    let by_pixels = (MOST_PIXELS / (width * height)).sqrt();
    let scale = wanted.min(by_side).min(by_pixels);
    // Less than a pixel wide, there is nothing to see.
    (scale * width.min(height) >= 1.0).then_some(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_any_size_are_pictures_of_a_bounded_one() {
        let a4 = scale(595.0, 842.0, 200.0 / 72.0);
        assert_eq!(a4, Some(200.0 / 72.0));
        for (width, height) in [(14_400.0, 14_400.0), (1.0e6, 800.0), (200_000.0, 200_000.0)] {
            if let Some(scale) = scale(width, height, 3.0) {
                assert!(width * scale <= LONGEST + 1.0 && height * scale <= LONGEST + 1.0);
                assert!(width * scale * height * scale <= MOST_PIXELS * 1.01);
            }
        }
        assert_eq!(scale(f32::NAN, 1.0, 1.0), None);
        assert_eq!(scale(0.0, 100.0, 1.0), None);
    }
}
