//! The host side of `sbd:platform/ocr`. The store is free while a call waits.

use crate::bindings::ocr;
use crate::{Error, Ocr, OcrCtx};
use sbd_metering::{Charge, Metered, OverLimit};
use wasmtime::AsContextMut as _;
use wasmtime::component::Accessor;

impl ocr::Host for OcrCtx {}

impl<T: Metered> ocr::HostWithStore<T> for Ocr {
    async fn installed(store: &Accessor<T, Self>) -> Result<Option<ocr::Engine>, ocr::Error> {
        let (ctx, charge) = called(store, "installed", 0)?;
        let installed = ctx.installed().await?;
        let engine = installed.map(|installed| ocr::Engine {
            name: installed.name,
            languages: installed.languages,
        });
        let bytes = |engine: &ocr::Engine| {
            engine.name.len() + engine.languages.iter().map(String::len).sum::<usize>()
        };
        charge.answer(engine.as_ref().map_or(0, bytes))?;
        Ok(engine)
    }

    async fn recognise(
        store: &Accessor<T, Self>,
        image: Vec<u8>,
        languages: Vec<String>,
    ) -> Result<Vec<ocr::Line>, ocr::Error> {
        let bytes = image.len() + languages.iter().map(String::len).sum::<usize>();
        let (ctx, charge) = called(store, "recognise", bytes)?;
        let lines = ctx.recognise(image, languages).await?;
        charge.answer(lines.iter().map(|line| line.text.len()).sum())?;
        let line = |line: crate::Line| ocr::Line {
            text: line.text,
            place: line.place,
            confidence: line.confidence,
        };
        Ok(lines.into_iter().map(line).collect())
    }
}

/// Charges the call and takes the context out of the store, so that the store is free meanwhile.
fn called<T: Metered>(
    store: &Accessor<T, Ocr>,
    operation: &'static str,
    bytes: usize,
) -> Result<(OcrCtx, Charge), OverLimit> {
    store.with(|mut access| {
        let charge = sbd_metering::begin(access.as_context_mut(), "ocr", operation, bytes)?;
        Ok((access.get().clone(), charge))
    })
}

impl From<OverLimit> for ocr::Error {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over.to_string())
    }
}

impl From<Error> for ocr::Error {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::Invalid(text),
            Error::NotInstalled(_) => Self::NotInstalled(text),
            Error::Busy | Error::Unavailable(_) => Self::Unavailable(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::ocr::{self, HostWithStore as _};
    use crate::{
        Engine, Error, Installed, Line, Ocr, OcrCtx, OcrView, Reader, Settings, add_to_linker,
    };
    use futures::future::BoxFuture;
    use sbd_capability_testing::{Instance, assert_links, metered, run};
    use sbd_metering::Budget;
    use std::sync::Arc;
    use wasmtime::component::Accessor;

    impl OcrView for Instance<OcrCtx> {
        fn ocr(&mut self) -> &mut OcrCtx {
            &mut self.ctx
        }
    }

    /// Says how large an image is.
    #[derive(Debug)]
    struct Weighing;

    impl Engine for Weighing {
        fn installed(&self) -> BoxFuture<'_, Result<Option<Installed>, Error>> {
            Box::pin(async {
                Ok(Some(Installed {
                    name: "scales".to_owned(),
                    languages: vec!["eng".to_owned()],
                }))
            })
        }

        fn recognise(
            &self,
            image: Vec<u8>,
            _: Vec<String>,
        ) -> BoxFuture<'_, Result<Vec<Line>, Error>> {
            Box::pin(async move {
                Ok(vec![Line {
                    text: image.len().to_string(),
                    place: (1, 2, 3, 4),
                    confidence: 100.0,
                }])
            })
        }
    }

    fn ctx() -> OcrCtx {
        OcrCtx::new(Reader::new(Arc::new(Weighing), Settings::default()))
    }

    fn image() -> Vec<u8> {
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x0a\0\0\0\x0a\x08\0\0\0\0\0\0\0\0";
        head.to_vec()
    }

    #[test]
    fn the_interface_links() {
        assert_links::<OcrCtx>(add_to_linker);
    }

    #[tokio::test]
    async fn every_function_answers() {
        let guest = async |store: &Accessor<_, Ocr>| {
            let engine = Ocr::installed(store).await.unwrap().unwrap();
            assert_eq!(
                (&*engine.name, &*engine.languages),
                ("scales", &["eng".to_owned()][..])
            );
            let english = || vec!["eng".to_owned()];
            let lines = Ocr::recognise(store, image(), english()).await.unwrap();
            assert_eq!(lines[0].text, image().len().to_string());
            assert_eq!(lines[0].place, (1, 2, 3, 4));
            for (image, languages) in [
                (b"no image".to_vec(), english()),
                (image(), Vec::new()),
                (image(), vec!["eng".to_owned(); 5]),
                (image(), vec!["--user-words".to_owned()]),
                (image(), vec!["../../etc/passwd".to_owned()]),
            ] {
                let refused = Ocr::recognise(store, image, languages).await;
                assert!(
                    matches!(refused, Err(ocr::Error::Invalid(_))),
                    "{refused:?}"
                );
            }
        };
        run::<_, Ocr, _>(ctx(), Instance::<OcrCtx>::ocr, guest).await;
    }

    #[tokio::test]
    async fn the_running_request_is_charged() {
        let meter = Arc::new(Budget::new(2, usize::MAX));
        let guest = async |store: &Accessor<_, Ocr>| {
            Ocr::installed(store).await.unwrap();
            assert_eq!(meter.used(), (1, "scaleseng".len()));
            let languages = || vec!["eng".to_owned()];
            Ocr::recognise(store, image(), languages()).await.unwrap();
            let answer = image().len().to_string().len();
            assert_eq!(
                meter.used().1,
                "scaleseng".len() + image().len() + 3 + answer
            );
            let refused = Ocr::recognise(store, image(), languages()).await;
            assert!(matches!(refused, Err(ocr::Error::Limit(_))), "{refused:?}");
        };
        metered::<_, Ocr, _>(ctx(), meter.clone(), Instance::<OcrCtx>::ocr, guest).await;
    }
}
