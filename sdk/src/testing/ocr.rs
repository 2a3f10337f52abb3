//! `ocr` of a test: what [`super::App::on_image`] says that an image says.

use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::ocr::Error;
pub use crate::bindings::generated::sbd::platform::ocr::{Engine, Line};

/// What an image says, one line of text a line: by the image and the languages it is read in.
pub(crate) type Reading = dyn Fn(&[u8], &[String]) -> String;

pub(crate) async fn installed() -> Result<Option<Engine>, Error> {
    let world = granted("ocr");
    let reading = world.images.borrow();
    let engine = || Engine {
        name: "test".to_owned(),
        languages: ["eng", "deu", "fra", "spa", "rus"]
            .map(str::to_owned)
            .to_vec(),
    };
    Ok(reading.is_some().then(engine))
}

pub(crate) async fn recognise(image: Vec<u8>, languages: Vec<String>) -> Result<Vec<Line>, Error> {
    let Some(engine) = installed().await? else {
        let what = "no text can be recognised here, as Tesseract is not installed: install it";
        return Err(Error::NotInstalled(what.to_owned()));
    };
    if languages.is_empty() || languages.len() > 4 {
        return Err(Error::Invalid("an image has 1 to 4 languages".to_owned()));
    }
    if let Some(missing) = languages.iter().find(|one| !engine.languages.contains(one)) {
        return Err(Error::NotInstalled(format!(
            "the language `{missing}` is not installed"
        )));
    }
    let marks: [&[u8]; 5] = [b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"RIFF"];
    if !marks.iter().any(|mark| image.starts_with(mark)) {
        return Err(Error::Invalid(
            "this is no PNG, JPEG, TIFF or WebP".to_owned(),
        ));
    }
    let world = granted("ocr");
    let reading = world.images.borrow();
    let said = reading.as_ref().map(|reading| reading(&image, &languages));
    let lines = said.unwrap_or_default();
    let lines = lines.lines().zip(0..).map(|(text, line)| Line {
        text: text.to_owned(),
        place: (0, line * 20, 100, 20),
        confidence: 90.0,
    });
    Ok(lines.collect())
}
