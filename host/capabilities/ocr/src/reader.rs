//! Never more at once than the machine bears, and everybody's turn comes.

use crate::engine::{Engine, Installed, Line};
use crate::{Error, Settings, image, tesseract};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

/// The most languages of one image.
const MOST_LANGUAGES: usize = 4;

/// Reads images for everyone on this host. One is enough for a process: it bounds how many are read at the same time,
/// and how many callers wait.
#[derive(Clone)]
pub struct Reader {
    engine: Arc<dyn Engine>,
    /// One for each image that is being read. Who waits longest is next.
    turns: Arc<Semaphore>,
    settings: Settings,
}

/// What a component may have read for a tenant. A tenant waits for one turn at a time, so that turns go round the
/// tenants, however many images one of them has. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OcrCtx {
    reader: Reader,
    own: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Reader {
    /// Images are read by this engine.
    pub fn new(engine: Arc<dyn Engine>, settings: Settings) -> Self {
        Self {
            engine,
            turns: Arc::new(Semaphore::new(settings.concurrent.max(1))),
            settings,
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl OcrCtx {
    /// Images are read by this reader.
    pub fn new(reader: Reader) -> Self {
        let share = (reader.settings.concurrent / 2).max(1);
        Self {
            own: Arc::new(Semaphore::new(share)),
            places: Arc::new(Semaphore::new(share + reader.settings.waiting)),
            reader,
        }
    }

    /// What reads here; none where nothing is installed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where what is installed cannot be asked.
    pub async fn installed(&self) -> Result<Option<Installed>, Error> {
        self.reader.engine.installed().await
    }

    /// The lines of one image, top to bottom.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an image that is none, too large or damaged, or languages that are none;
    /// [`Error::NotInstalled`], [`Error::Busy`], [`Error::Unavailable`].
    pub async fn recognise(
        &self,
        image: Vec<u8>,
        languages: Vec<String>,
    ) -> Result<Vec<Line>, Error> {
        if languages.is_empty() || languages.len() > MOST_LANGUAGES {
            let why =
                format!("an image has 1 to {MOST_LANGUAGES} languages; name those that it is in");
            return Err(Error::Invalid(why));
        }
        if let Some(wrong) = languages.iter().find(|one| !tesseract::is_language(one)) {
            let wrong: String = wrong.chars().take(64).collect();
            return Err(Error::Invalid(format!(
                "`{wrong}` is no language; use a name like `eng`"
            )));
        }
        image::check(&image)?;
        let _place = self.places.try_acquire().map_err(|_| Error::Busy)?;
        // In a task of its own: a turn that fell to a caller whom nobody polls, as its guest computes, would be lost
        // to all others meanwhile.
        let (reader, own) = (self.reader.clone(), Arc::clone(&self.own));
        let reading = tokio::spawn(async move {
            let _own = own.acquire().await.map_err(|_| Error::Busy)?;
            let _turn = reader.turns.acquire().await.map_err(|_| Error::Busy)?;
            reader.engine.recognise(image, languages).await
        });
        let read = AbortOnDropHandle::new(reading).await;
        read.map_err(|error| Error::Unavailable(format!("the image was not read: {error}")))?
    }
}
