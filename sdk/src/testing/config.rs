//! `wasi:config` of a test.

use super::world::present;
pub(crate) use crate::bindings::generated::wasi::config::store::Error;

pub(crate) fn get(name: &str) -> Result<Option<String>, Error> {
    Ok(present("config").variables.borrow().get(name).cloned())
}
