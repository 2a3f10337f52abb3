//! `cache` of a test, whose values live as long as its clock says.

use super::world::{World, granted};
pub(crate) use crate::bindings::generated::sbd::platform::cache::Error;
use std::collections::BTreeMap;

const LONGEST_KEY: usize = 512;
const LARGEST_VALUE: usize = 1 << 20;
const LONGEST_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// Values, and when they are forgotten.
pub(super) type Entries = BTreeMap<String, (Vec<u8>, i64)>;

pub(crate) async fn get(key: String) -> Result<Option<Vec<u8>>, Error> {
    let world = opened(&key)?;
    Ok(present(&world, &key).map(|(value, _)| value))
}

pub(crate) async fn set(key: String, value: Vec<u8>, ttl_ms: u64) -> Result<(), Error> {
    let world = opened(&key)?;
    store(&world, key, value, ttl_ms)
}

pub(crate) async fn delete(key: String) -> Result<bool, Error> {
    let world = opened(&key)?;
    let was_there = present(&world, &key).is_some();
    world.cache.borrow_mut().remove(&key);
    Ok(was_there)
}

pub(crate) async fn increment(key: String, delta: i64, ttl_ms: u64) -> Result<i64, Error> {
    let world = opened(&key)?;
    let no_counter = || Error::NotACounter(format!("`{key}` is no counter, or would be too large"));
    let (count, end) = match present(&world, &key) {
        None => (0, end(&world, ttl_ms)?),
        Some((value, end)) => {
            let text = String::from_utf8(value).map_err(|_| no_counter())?;
            (text.parse::<i64>().map_err(|_| no_counter())?, end)
        }
    };
    let sum = count.checked_add(delta).ok_or_else(no_counter)?;
    let mut entries = world.cache.borrow_mut();
    entries.insert(key, (sum.to_string().into_bytes(), end));
    Ok(sum)
}

pub(crate) async fn compare_and_set(
    key: String,
    expected: Option<Vec<u8>>,
    value: Vec<u8>,
    ttl_ms: u64,
) -> Result<bool, Error> {
    let world = opened(&key)?;
    if present(&world, &key).map(|(value, _)| value) != expected {
        return Ok(false);
    }
    store(&world, key, value, ttl_ms)?;
    Ok(true)
}

fn opened(key: &str) -> Result<std::rc::Rc<World>, Error> {
    let world = granted("cache");
    match (1..=LONGEST_KEY).contains(&key.len()) {
        true => Ok(world),
        false => Err(Error::Invalid(format!(
            "a key has 1 to {LONGEST_KEY} bytes"
        ))),
    }
}

fn present(world: &World, key: &str) -> Option<(Vec<u8>, i64)> {
    let entries = world.cache.borrow();
    let entry = entries.get(key).filter(|(_, end)| world.now.get() < *end);
    entry.cloned()
}

fn store(world: &World, key: String, value: Vec<u8>, ttl_ms: u64) -> Result<(), Error> {
    if value.len() > LARGEST_VALUE {
        return Err(Error::Invalid(format!(
            "a value has at most {LARGEST_VALUE} bytes"
        )));
    }
    let end = end(world, ttl_ms)?;
    world.cache.borrow_mut().insert(key, (value, end));
    Ok(())
}

fn end(world: &World, ttl_ms: u64) -> Result<i64, Error> {
    let invalid = || Error::Invalid("a time to live is 1 ms to 30 days".to_owned());
    let ttl = Some(ttl_ms).filter(|ttl| (1..=LONGEST_MS).contains(ttl));
    let ttl = ttl
        .and_then(|ttl| i64::try_from(ttl).ok())
        .ok_or_else(invalid)?;
    Ok(world.now.get().saturating_add(ttl))
}
