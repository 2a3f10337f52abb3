//! What every engine must do.

use sbd_ocr::{Engine, Error, OcrCtx, Reader, Settings};
use std::sync::Arc;

/// Two lines: `Good morning Ada`, `Page 42 of the notes`. Made by Pillow, 900 by 260 pixels.
const NOTE: &[u8] = include_bytes!("note.png");

/// Makes one test of each check for the engine that `$factory` makes, where it is installed.
macro_rules! conformance {
    ($factory:ident) => {
        mod $factory {
            conformance!(
                $factory: it_says_what_it_is, an_image_is_read, a_missing_language_is_named,
                an_image_without_text_has_no_lines, a_damaged_image_is_refused, many_are_read_in_turn
            );
        }
    };
    ($factory:ident: $($check:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if let Some(engine) = super::$factory().await {
                    crate::suite::$check(engine).await;
                }
            }
        )+
    };
}

fn english() -> Vec<String> {
    vec!["eng".to_owned()]
}

pub(crate) async fn it_says_what_it_is(engine: impl Engine) {
    let installed = engine.installed().await.unwrap().unwrap();
    assert!(
        installed
            .name
            .contains(|digit: char| digit.is_ascii_digit()),
        "{installed:?}"
    );
    assert!(installed.languages.contains(&"eng".to_owned()));
    assert!(
        !installed
            .languages
            .iter()
            .any(|language| language.contains(' '))
    );
}

pub(crate) async fn an_image_is_read(engine: impl Engine) {
    let lines = engine.recognise(NOTE.to_vec(), english()).await.unwrap();
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["Good morning Ada", "Page 42 of the notes"]);
    let (first, second) = (&lines[0], &lines[1]);
    for line in [first, second] {
        let (left, top, width, height) = line.place;
        assert!(
            left + width <= 900 && top + height <= 260 && width > 100,
            "{line:?}"
        );
        assert!((50.0..=100.0).contains(&line.confidence), "{line:?}");
    }
    assert!(first.place.1 + first.place.3 <= second.place.1);
}

pub(crate) async fn a_missing_language_is_named(engine: impl Engine) {
    let refused = engine
        .recognise(NOTE.to_vec(), vec!["tlh".to_owned()])
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::NotInstalled(why) if why.contains("tlh")),
        "{refused}"
    );
}

pub(crate) async fn an_image_without_text_has_no_lines(engine: impl Engine) {
    let white = include_bytes!("white.png");
    assert_eq!(
        engine.recognise(white.to_vec(), english()).await.unwrap(),
        []
    );
}

pub(crate) async fn a_damaged_image_is_refused(engine: impl Engine) {
    let mut damaged = NOTE[..60].to_vec();
    damaged.extend([0xa5; 400]);
    let refused = engine.recognise(damaged, english()).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid(_)), "{refused}");
}

pub(crate) async fn many_are_read_in_turn(engine: impl Engine) {
    let settings = Settings {
        concurrent: 1,
        waiting: 3,
        ..Settings::default()
    };
    let reader = Reader::new(Arc::new(engine), settings);
    // Two tenants, each with more than may wait.
    let tenants = [OcrCtx::new(reader.clone()), OcrCtx::new(reader)];
    let mut reading = Vec::new();
    for tenant in &tenants {
        for _ in 0..6 {
            let tenant = tenant.clone();
            reading.push(tokio::spawn(async move {
                tenant.recognise(NOTE.to_vec(), english()).await
            }));
        }
    }
    let (mut read, mut busy) = (0, 0);
    for reading in reading {
        match reading.await.unwrap() {
            Ok(lines) => read += usize::from(lines.len() == 2),
            Err(Error::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(read >= 8 && read + busy == 12, "{read} read, {busy} busy");
}
