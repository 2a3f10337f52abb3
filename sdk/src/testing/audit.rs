//! `audit` of a test: entries are kept beside the documents, without hashes, as nobody alters them there.

use super::documents;
use super::world::granted;
pub(crate) use crate::bindings::generated::sbd::platform::audit::{
    ActorKind, Entry, Error, NewEntry, Page, Query, Verdict,
};
use sbd_contract::Kind;

pub(crate) async fn append(entries: Vec<NewEntry>) -> Result<Vec<u64>, Error> {
    let world = granted("audit");
    let mut documents = world.documents.borrow_mut();
    let before = documents.recorded.len();
    let numbers = entries.into_iter().map(|entry| {
        let recorded = documents.record(entry.subject, entry.action, &entry.data);
        recorded.map_err(|error| match error {
            documents::Error::Invalid(text) => Error::Invalid(text),
            other => Error::Other(format!("{other:?}")),
        })
    });
    let numbers: Result<Vec<_>, _> = numbers.collect();
    if numbers.is_err() {
        documents.recorded.truncate(before);
    }
    numbers
}

pub(crate) async fn find(query: Query) -> Result<Page, Error> {
    if !(1..=1000).contains(&query.limit) {
        return Err(Error::Invalid("`limit` must be 1 to 1000".to_owned()));
    }
    let before = query.cursor.map(|cursor| cursor.parse::<usize>());
    let before = before
        .transpose()
        .map_err(|_| Error::Invalid("the cursor is none of ours".to_owned()))?;
    let world = granted("audit");
    let documents = world.documents.borrow();
    let is = |asked: &Option<String>, is: Option<&str>| asked.is_none() || asked.as_deref() == is;
    let fits = |entry: &documents::Recorded| {
        let action = query.action.as_deref();
        is(&query.subject, Some(&entry.subject))
            && is(&query.actor, entry.actor.as_deref())
            && action.is_none_or(|action| {
                entry.action == action || action.ends_with('.') && entry.action.starts_with(action)
            })
            && query.since.as_ref().is_none_or(|since| entry.at >= *since)
            && query.until.as_ref().is_none_or(|until| entry.at < *until)
    };
    let all = documents.recorded.iter().enumerate().rev();
    let mut found =
        all.filter(|(place, entry)| before.is_none_or(|before| *place < before) && fits(entry));
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let next = found
        .next()
        .and(page.last())
        .map(|(place, _)| place.to_string());
    let entries = page.into_iter().map(|(_, entry)| Entry {
        subject: entry.subject.clone(),
        number: entry.number,
        at: entry.at.clone(),
        action: entry.action.clone(),
        kind: match entry.kind {
            None => ActorKind::Anonymous,
            Some(Kind::Delegated) => ActorKind::Delegated,
            Some(Kind::User) => ActorKind::User,
            Some(_) => ActorKind::Service,
        },
        actor: entry.actor.clone(),
        request: None,
        data: entry.data.to_string(),
        hash: "0".repeat(64),
    });
    Ok(Page {
        entries: entries.collect(),
        next,
    })
}

pub(crate) async fn verify(subject: String) -> Result<Verdict, Error> {
    let world = granted("audit");
    let documents = world.documents.borrow();
    let entries = documents.recorded.iter();
    let entries = entries.filter(|entry| entry.subject == subject).count();
    Ok(Verdict {
        entries: u64::try_from(entries).unwrap_or(u64::MAX),
        pruned: 0,
        broken_at: None,
        head: (entries > 0).then(|| "0".repeat(64)),
    })
}
