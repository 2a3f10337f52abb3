//! What an operator may do about the events of a tenant.

use crate::Dispatch;
use crate::events::cloud_event::CloudEvent;
use crate::events::subscription::Subscription;
use crate::events::tenant::Wish;
use jiff::Timestamp;
use sbd_events::{DeadLetter, Replay};
use sbd_runtime::{EventLog, Publishing as _, Runtime};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// How often to ask for somebody who delivers in a tenant, and how long between.
const ASKED: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(100);

/// A dead letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// By which it is called.
    pub number: u64,
    /// The component that did not take it.
    pub subscriber: String,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was given up.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// The event.
    pub event: CloudEvent,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LettersError {
    /// There is no such letter.
    #[error("there is no dead letter {0}; `sbd events letters TENANT` lists them")]
    NoLetter(u64),
    /// The component does not listen to anything.
    #[error("the component `{0}` listens to no events; name one that does")]
    NoSubscriber(String),
    /// It may be possible later.
    #[error("{0}")]
    Unavailable(String),
}

// === impl Dispatch ===

impl Dispatch {
    /// The dead letters of a tenant behind a number (0: all), of one component if it is named; so many
    /// at most.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn letters(
        &self,
        tenant: &Arc<str>,
        subscriber: Option<&str>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Letter>, LettersError> {
        let log = self.log(tenant).await?;
        let letters = log.deliveries.dead_letters(subscriber, after, limit).await;
        letters
            .map_err(unavailable)?
            .into_iter()
            .map(read)
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none of this number, or it cannot be read.
    pub async fn letter(&self, tenant: &Arc<str>, number: u64) -> Result<Letter, LettersError> {
        let log = self.log(tenant).await?;
        let letter = log.deliveries.dead_letter(number).await;
        let letter = letter.map_err(unavailable)?;
        read(letter.ok_or(LettersError::NoLetter(number))?)
    }

    /// Sends a dead letter again, as if it had never been sent.
    ///
    /// # Errors
    /// As [`Self::letter`].
    pub async fn retry(&self, tenant: &Arc<str>, number: u64) -> Result<(), LettersError> {
        let log = self.log(tenant).await?;
        let announced = self.announce(tenant).await?;
        let retried = log.deliveries.retry(number, Timestamp::now()).await;
        let subscriber = retried.map_err(unavailable)?;
        let subscriber = subscriber.ok_or(LettersError::NoLetter(number))?;
        // Who is at work there looks again; who is woken by what follows looks first.
        if let Some(known) = self.tenants().get(tenant) {
            known.wish(Wish::LookAgain(subscriber.into()));
        }
        drop(announced);
        Ok(())
    }

    /// Forgets a dead letter.
    ///
    /// # Errors
    /// As [`Self::letter`].
    pub async fn drop_letter(&self, tenant: &Arc<str>, number: u64) -> Result<(), LettersError> {
        let log = self.log(tenant).await?;
        match log
            .deliveries
            .drop_letter(number)
            .await
            .map_err(unavailable)?
        {
            true => Ok(()),
            false => Err(LettersError::NoLetter(number)),
        }
    }

    /// Sends a component all events once more that were published since, as far as they are kept. They
    /// carry the id that is answered as `sbdreplay`.
    ///
    /// # Errors
    /// When the component does not listen, or the events cannot be read.
    pub async fn replay(
        &self,
        tenant: &Arc<str>,
        subscriber: &str,
        since: Timestamp,
    ) -> Result<String, LettersError> {
        let application = self.runtime()?.application();
        if Subscription::of(&application, subscriber).is_none() {
            return Err(LettersError::NoSubscriber(subscriber.to_owned()));
        }
        let log = self.log(tenant).await?;
        // Until the end, so that whoever delivers there does not go.
        let _announced = self.announce(tenant).await?;
        let place = log.documents.place_at(since).await.map_err(unavailable)?;
        let until = log.documents.place_at(Timestamp::MAX).await;
        let replay = Replay {
            id: format!("rpl_{}", Uuid::now_v7().simple()),
            until: until.map_err(unavailable)?,
        };
        let id = replay.id.clone();
        if !self.inner.is_running.load(Ordering::Relaxed) {
            let set = log.deliveries.replay(subscriber, place, replay).await;
            set.map_err(unavailable)?;
            return Ok(id);
        }
        for _ in 0..ASKED {
            let (done, said) = oneshot::channel();
            let wish = Wish::Replay {
                subscriber: subscriber.into(),
                place,
                replay: replay.clone(),
                done,
            };
            match self.tenants().get(tenant) {
                Some(known) => known.wish(wish),
                None => self.inner.publications.gates.wake(tenant),
            }
            match said.await {
                Ok(Ok(())) => return Ok(id),
                Ok(Err(reason)) => return Err(LettersError::Unavailable(reason)),
                // Nobody was there to hear it.
                Err(_) => tokio::time::sleep(BETWEEN).await,
            }
        }
        Err(LettersError::Unavailable(
            "nobody delivers in this tenant now; try again".to_owned(),
        ))
    }

    fn runtime(&self) -> Result<&Runtime, LettersError> {
        let runtime = self.inner.runtime.get();
        runtime.ok_or_else(|| LettersError::Unavailable("the host is starting; try again".into()))
    }

    async fn log(&self, tenant: &Arc<str>) -> Result<EventLog, LettersError> {
        self.runtime()?.events(tenant).await.map_err(unavailable)
    }

    async fn announce(&self, tenant: &Arc<str>) -> Result<Box<dyn Send>, LettersError> {
        let announced = self.inner.publications.announce(tenant).await;
        announced.map_err(LettersError::Unavailable)
    }
}

fn read(letter: DeadLetter) -> Result<Letter, LettersError> {
    let damaged = |error: serde_json::Error| {
        LettersError::Unavailable(format!(
            "the dead letter {} is damaged: {error}",
            letter.number
        ))
    };
    Ok(Letter {
        event: serde_json::from_str(&letter.event).map_err(damaged)?,
        number: letter.number,
        subscriber: letter.subscriber,
        attempts: letter.attempts,
        since: letter.since,
        reason: letter.reason,
    })
}

fn unavailable(error: impl std::fmt::Display) -> LettersError {
    LettersError::Unavailable(error.to_string())
}
