//! The component's `variables` of the manifest.

use crate::Error;
use crate::bindings::config as host;
use std::fmt::Display;
use std::str::FromStr;

/// The value of a variable, if the manifest gives the component one of this name.
///
/// # Errors
/// When its source does not answer.
pub fn get(name: &str) -> crate::Result<Option<String>> {
    host::get(name).map_err(|error| match error {
        host::Error::Upstream(cause) | host::Error::Io(cause) => {
            Error::internal(format_args!("variable `{name}`: {cause}"))
        }
    })
}

/// The value of a variable read as a `T`.
///
/// # Errors
/// When its source does not answer, or the value is not a `T`; the log then names the variable.
pub fn get_as<T: FromStr<Err: Display>>(name: &str) -> crate::Result<Option<T>> {
    let value = get(name)?;
    let parsed = value.map(|text| text.trim().parse()).transpose();
    parsed.map_err(|error| Error::internal(format_args!("variable `{name}`: {error}")))
}
