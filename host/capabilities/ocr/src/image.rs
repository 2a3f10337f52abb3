//! What an image is, by its head alone: nothing is unpacked in this process.

use crate::Error;
use imagesize::ImageType;

/// The largest image, in bytes.
pub const LARGEST: usize = 32 << 20;
/// The longest side, in pixels.
pub const LONGEST: usize = 10_000;

/// Checks that these bytes are an image that may be read.
pub(crate) fn check(image: &[u8]) -> Result<(), Error> {
    let invalid = |why: String| Err(Error::Invalid(why));
    if image.len() > LARGEST {
        return invalid(format!(
            "an image has at most 32 MiB; this one has {} bytes: draw it smaller",
            image.len()
        ));
    }
    // Whatever the engine would take for a list of files to read, or for anything else, never gets to it.
    let is_read = matches!(
        imagesize::image_type(image),
        Ok(ImageType::Png | ImageType::Jpeg | ImageType::Tiff | ImageType::Webp)
    );
    if !is_read {
        return invalid(
            "this is no PNG, JPEG, TIFF or WebP; save the image as one of them".to_owned(),
        );
    }
    match imagesize::blob_size(image) {
        Ok(size) if size.width == 0 || size.height == 0 => {
            invalid("the image has no pixels".to_owned())
        }
        Ok(size) if size.width > LONGEST || size.height > LONGEST => invalid(format!(
            "an image has at most {LONGEST} pixels a side; this one has {} by {}: draw it smaller",
            size.width, size.height
        )),
        Ok(_) => Ok(()),
        Err(_) => invalid("the image is cut off or damaged; save it anew".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        image.extend(width.to_be_bytes());
        image.extend(height.to_be_bytes());
        image.extend([8, 0, 0, 0, 0, 0, 0, 0, 0]);
        image
    }

    #[test]
    fn an_image_is_judged_by_its_head() {
        assert_eq!(check(&png(100, 100)), Ok(()));
        assert_eq!(check(&png(10_000, 10_000)), Ok(()));
        for image in [
            png(30_000, 10),
            png(10, 30_000),
            png(0, 10),
            png(u32::MAX, u32::MAX),
        ] {
            assert!(matches!(check(&image), Err(Error::Invalid(_))));
        }
        let bad: [&[u8]; 6] = [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"/etc/passwd\n/etc/hosts\n",
            b"GIF89a\x01\0\x01\0",
            b"II*\0",
            b"%PDF-1.7",
        ];
        for image in bad {
            assert!(matches!(check(image), Err(Error::Invalid(_))), "{image:?}");
        }
        assert!(matches!(
            check(&vec![0; LARGEST + 1]),
            Err(Error::Invalid(_))
        ));
    }
}
