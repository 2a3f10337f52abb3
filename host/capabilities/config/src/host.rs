//! The host side of the interfaces. Calls are not charged to the running request as those of other
//! capabilities are: they read a small map that is in memory, which is the manifest's and not larger
//! than it.

use crate::bindings::{older, store, variables};
use crate::{Config, ConfigCtx, Error};
use sbd_telemetry::metrics::capability_called;
use wasmtime::component::Accessor;

impl store::Host for ConfigCtx {
    /// `wasi:config` has an answer for a variable that is not there, so no name is an error.
    fn get(&mut self, key: String) -> Result<Option<String>, store::Error> {
        capability_called("config", "get");
        Ok(self.variables.get(&key).cloned())
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, store::Error> {
        capability_called("config", "get-all");
        let pairs = self.variables.iter();
        Ok(pairs
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect())
    }
}

impl variables::Host for ConfigCtx {}

impl<T> variables::HostWithStore<T> for Config {
    async fn get(store: &Accessor<T, Self>, name: String) -> Result<String, variables::Error> {
        capability_called("config", "get");
        store.with(|mut access| Ok(access.get().get(&name)?.to_owned()))
    }
}

impl older::Host for ConfigCtx {
    fn get(&mut self, name: String) -> Result<String, older::Error> {
        capability_called("config", "get");
        Ok(ConfigCtx::get(self, &name)?.to_owned())
    }
}

impl From<Error> for older::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::InvalidName(_) => Self::InvalidName(error.to_string()),
            Error::Undefined { .. } => Self::Undefined(error.to_string()),
        }
    }
}

impl From<Error> for variables::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::InvalidName(_) => Self::InvalidName(error.to_string()),
            Error::Undefined { .. } => Self::Undefined(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::bindings::variables::{self, HostWithStore as _};
    use crate::bindings::{older, store};
    use crate::{Config, ConfigCtx, ConfigView, add_to_linker};
    use std::sync::Arc;
    use wasmtime::component::Linker;
    use wasmtime::{Engine, Store};

    struct Instance(ConfigCtx);

    impl ConfigView for Instance {
        fn config(&mut self) -> &mut ConfigCtx {
            &mut self.0
        }
    }

    fn ctx() -> ConfigCtx {
        let pairs = [("issuer", "example"), ("ttl", "900")];
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        ConfigCtx::new("auth".into(), Arc::new(variables.into()))
    }

    /// Calls the asynchronous interface as a component would.
    async fn variable(name: &str) -> Result<String, variables::Error> {
        let mut config = wasmtime::Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, Instance(ctx()));
        let call = async |accessor: &wasmtime::component::Accessor<Instance>| {
            let accessor = accessor.with_getter::<Config>(Instance::config);
            Config::get(&accessor, name.to_owned()).await
        };
        store.run_concurrent(call).await.unwrap()
    }

    #[test]
    fn every_interface_links() {
        let mut config = wasmtime::Config::new();
        config.wasm_component_model_async(true);
        let mut linker = Linker::<Instance>::new(&Engine::new(&config).unwrap());
        add_to_linker(&mut linker).unwrap();
        assert!(add_to_linker(&mut linker).is_err(), "linked twice");
    }

    #[test]
    fn wasi_config_reads_the_map() {
        let mut ctx = ctx();
        let mut get = |key: &str| store::Host::get(&mut ctx, key.to_owned()).unwrap();
        assert_eq!(get("issuer").as_deref(), Some("example"));
        assert_eq!(get("audience"), None);
        assert_eq!(get("NOT A NAME"), None);
        let all = store::Host::get_all(&mut ctx).unwrap();
        let expected = [("issuer", "example"), ("ttl", "900")];
        assert_eq!(
            all,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[tokio::test]
    async fn spin_variables_reads_the_same_map() {
        assert_eq!(variable("ttl").await.unwrap(), "900");
    }

    #[test]
    fn older_components_read_the_same_map() {
        let get = |name: &str| older::Host::get(&mut ctx(), name.to_owned());
        assert_eq!(get("ttl").unwrap(), "900");
        assert!(matches!(get("audience"), Err(older::Error::Undefined(_))));
        assert!(matches!(get("Issuer"), Err(older::Error::InvalidName(_))));
    }

    #[tokio::test]
    async fn an_undefined_variable_names_the_line_to_add() {
        let Err(variables::Error::Undefined(message)) = variable("audience").await else {
            unreachable!("it is not defined");
        };
        assert!(message.contains("`audience = \"...\"`"), "{message}");
        assert!(message.contains("[component.auth.variables]"), "{message}");
    }

    #[tokio::test]
    async fn a_wrong_name_is_refused() {
        let refused = variable("Issuer").await;
        assert!(
            matches!(refused, Err(variables::Error::InvalidName(_))),
            "{refused:?}"
        );
    }
}
