//! `events` of a test: they are kept beside those of transactions.

use super::documents;
use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::events::{Error, Event};

pub(crate) async fn publish(events: Vec<Event>) -> Result<Vec<String>, Error> {
    let world = granted("events");
    let mut documents = world.documents.borrow_mut();
    let before = documents.published.len();
    let ids = events.into_iter().map(|event| {
        let published = documents.publish(event.type_, event.subject, &event.data);
        published.map_err(|error| match error {
            documents::Error::Invalid(text) => Error::Invalid(text),
            other => Error::Other(format!("{other:?}")),
        })
    });
    let ids: Result<Vec<_>, _> = ids.collect();
    if ids.is_err() {
        documents.published.truncate(before);
    }
    ids
}
