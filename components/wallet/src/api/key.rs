//! What was made by a request that has a key.

use crate::ledger::Done;
use sbd_sdk::idempotency::REPLAYED;
use sbd_sdk::{Answer, Created, Result};
use serde::Serialize;

/// What was made, now or when the same was asked before.
pub(crate) fn created<T, V: Serialize>(
    done: Done<T>,
    location: impl Fn(&T) -> String,
    view: impl Fn(T) -> V,
) -> Result<Created<V>> {
    let location = location(&done.done);
    let answer = Answer::created(&location, &view(done.done))?;
    Ok(match done.replayed {
        true => answer.header(REPLAYED, "true"),
        false => answer,
    }
    .into())
}
