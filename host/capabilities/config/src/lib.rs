//! Configuration for components: `wasi:config/store@0.2.0-draft-2024-09-27`,
//! `spin:variables/variables@3.0.0` and, as older ones know it, `fermyon:spin/variables@2.0.0`: views of
//! the same map.
//!
//! The map holds what `[component.X.variables]` of the manifest names, with every template
//! already resolved; where the values came from is the business of whoever resolved them.

mod bindings;
mod error;
mod host;
mod name;

pub use error::Error;
pub use name::check_name;

use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// The variables of one component. Cheap to clone.
#[derive(Clone)]
pub struct ConfigCtx {
    component: Arc<str>,
    variables: Arc<BTreeMap<String, String>>,
}

/// Implemented by the data of a store whose components read variables.
pub trait ConfigView: Send {
    /// The variables of this store's component.
    fn config(&mut self) -> &mut ConfigCtx;
}

struct Config;

impl HasData for Config {
    type Data<'a> = &'a mut ConfigCtx;
}

/// Links `wasi:config/store@0.2.0-draft-2024-09-27`, `spin:variables/variables@3.0.0` and
/// `fermyon:spin/variables@2.0.0`.
///
/// # Errors
/// When one of the interfaces is already linked.
pub fn add_to_linker<T: ConfigView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    bindings::store::add_to_linker::<T, Config>(linker, T::config)?;
    bindings::variables::add_to_linker::<T, Config>(linker, T::config)?;
    bindings::older::add_to_linker::<T, Config>(linker, T::config)?;
    Ok(())
}

// === impl ConfigCtx ===

impl ConfigCtx {
    /// The variables of `component`, resolved.
    pub fn new(component: Arc<str>, variables: Arc<BTreeMap<String, String>>) -> Self {
        Self {
            component,
            variables,
        }
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// [`Error::InvalidName`]; [`Error::Undefined`] if the manifest does not give it to this
    /// component.
    pub fn get(&self, name: &str) -> Result<&str, Error> {
        check_name(name)?;
        match self.variables.get(name) {
            Some(value) => Ok(value),
            None => Err(Error::Undefined {
                component: self.component.to_string(),
                name: name.to_owned(),
            }),
        }
    }
}
