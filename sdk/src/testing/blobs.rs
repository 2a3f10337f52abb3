//! `blobs` of a test, in memory.

use super::world::{World, granted};
pub(crate) use crate::bindings::generated::sbd::platform::blobs::{Blob, Error, Page};
use crate::time::now;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

const LONGEST_NAME: usize = 512;
const LONGEST_CONTENT_TYPE: usize = 255;
const LARGEST_PIECE: usize = 1 << 20;
const LARGEST_PAGE: u32 = 1000;

/// The blobs of one component.
#[derive(Default)]
pub(super) struct Blobs {
    whole: BTreeMap<String, (Blob, Vec<u8>)>,
    begun: BTreeMap<String, Begun>,
    ids: u64,
}

struct Begun {
    name: String,
    content_type: String,
    content: Vec<u8>,
}

pub(crate) async fn begin(name: String, content_type: String) -> Result<String, Error> {
    let world = named(&name)?;
    if !(1..=LONGEST_CONTENT_TYPE).contains(&content_type.len()) {
        return Err(Error::Invalid(format!(
            "a content type has 1 to {LONGEST_CONTENT_TYPE} bytes"
        )));
    }
    let mut blobs = world.blobs.borrow_mut();
    blobs.ids += 1;
    let id = blobs.ids.to_string();
    let begun = Begun {
        name,
        content_type,
        content: Vec::new(),
    };
    blobs.begun.insert(id.clone(), begun);
    Ok(id)
}

pub(crate) async fn append(id: String, piece: Vec<u8>) -> Result<u64, Error> {
    let world = granted("blobs");
    if !(1..=LARGEST_PIECE).contains(&piece.len()) {
        return Err(Error::Invalid(format!(
            "a piece has 1 to {LARGEST_PIECE} bytes"
        )));
    }
    if world.full.get() {
        return Err(Error::Full);
    }
    let mut blobs = world.blobs.borrow_mut();
    let begun = blobs.begun.get_mut(&id).ok_or_else(nothing_begun)?;
    begun.content.extend(piece);
    Ok(begun.content.len() as u64)
}

pub(crate) async fn finish(id: String) -> Result<Blob, Error> {
    let world = granted("blobs");
    let mut blobs = world.blobs.borrow_mut();
    let begun = blobs.begun.remove(&id).ok_or_else(nothing_begun)?;
    let blob = Blob {
        name: begun.name.clone(),
        size: begun.content.len() as u64,
        content_type: begun.content_type,
        sha256: format!("{:x}", Sha256::digest(&begun.content)),
        at: now().to_string(),
    };
    let whole = (blob.clone(), begun.content);
    blobs.whole.insert(begun.name, whole);
    Ok(blob)
}

/// What the host's `abandon` does, for who cannot wait.
pub(crate) fn forget(id: &str) {
    if let Some(world) = super::world::current() {
        world.blobs.borrow_mut().begun.remove(id);
    }
}

pub(crate) async fn head(name: String) -> Result<Option<Blob>, Error> {
    let world = named(&name)?;
    let blobs = world.blobs.borrow();
    Ok(blobs.whole.get(&name).map(|(blob, _)| blob.clone()))
}

pub(crate) async fn read(
    name: String,
    offset: u64,
    length: u32,
    sha256: Option<String>,
) -> Result<Vec<u8>, Error> {
    let world = named(&name)?;
    if !(1..=LARGEST_PIECE).contains(&(length as usize)) {
        return Err(Error::Invalid(format!(
            "a piece has 1 to {LARGEST_PIECE} bytes"
        )));
    }
    let blobs = world.blobs.borrow();
    let (_, content) = blobs
        .whole
        .get(&name)
        .filter(|(blob, _)| sha256.is_none_or(|sha256| sha256 == blob.sha256))
        .ok_or_else(|| Error::NotFound(format!("there is no such blob `{name}`")))?;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let rest = content.get(offset..).unwrap_or_default();
    Ok(rest[..rest.len().min(length as usize)].to_vec())
}

pub(crate) async fn list(
    prefix: String,
    cursor: Option<String>,
    limit: u32,
) -> Result<Page, Error> {
    let world = granted("blobs");
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Error::Invalid(format!(
            "a page has 1 to {LARGEST_PAGE} blobs"
        )));
    }
    let blobs = world.blobs.borrow();
    let from = match &cursor {
        Some(last) => Bound::Excluded(last.as_str()),
        None => Bound::Included(prefix.as_str()),
    };
    let found = blobs.whole.range::<str, _>((from, Bound::Unbounded));
    let mut found = found
        .take_while(|(name, _)| name.starts_with(&prefix))
        .map(|(_, (blob, _))| blob.clone());
    let page: Vec<_> = found.by_ref().take(limit as usize).collect();
    let next = found.next().and(page.last()).map(|blob| blob.name.clone());
    Ok(Page { blobs: page, next })
}

pub(crate) async fn delete(name: String) -> Result<bool, Error> {
    let world = named(&name)?;
    let deleted = world.blobs.borrow_mut().whole.remove(&name);
    Ok(deleted.is_some())
}

pub(crate) async fn delete_all(prefix: String) -> Result<u64, Error> {
    let world = granted("blobs");
    if prefix.is_empty() {
        return Err(Error::Invalid("say how the names begin".to_owned()));
    }
    let mut blobs = world.blobs.borrow_mut();
    let before = blobs.whole.len();
    blobs.whole.retain(|name, _| !name.starts_with(&prefix));
    Ok((before - blobs.whole.len()) as u64)
}

// === impl Blobs ===

impl Blobs {
    /// The names of what is there, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.whole.keys().cloned().collect()
    }

    /// How many are being put.
    pub(super) fn begun(&self) -> usize {
        self.begun.len()
    }
}

fn named(name: &str) -> Result<Rc<World>, Error> {
    let world = granted("blobs");
    let is_part = |part: &str| !["", ".", ".."].contains(&part);
    match (1..=LONGEST_NAME).contains(&name.len()) && name.split('/').all(is_part) {
        true => Ok(world),
        false => Err(Error::Invalid(format!(
            "a name has 1 to {LONGEST_NAME} bytes, parts with `/` between, none of them empty, `.` or `..`"
        ))),
    }
}

fn nothing_begun() -> Error {
    Error::NotFound("nothing of that id is being put; begin again".to_owned())
}
