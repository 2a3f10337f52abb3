//! Interfaces of Spin that this host does not serve: they are linked all the same, and every call of
//! them is refused in the interface's own words. Toolchains that leave no import out make components
//! that import what they never call.
//!
//! What a function answers is read from its type, so one function refuses for all of them.

use crate::requests::running::{RunningRequestsView, find_current};
use sbd_metering::Meter as _;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Type, Val};
use wasmtime::{AsContextMut as _, Engine, Result, StoreContextMut, bail};

const REDIS: &str = "keep the values in a key-value store, or reach Redis by an HTTP service in `allowed_outbound_hosts`";
const MQTT: &str =
    "publish by an HTTP service in front of the broker, listed in `allowed_outbound_hosts`";
const SQL: &str = "keep the data in one of the component's `sqlite_databases`, or reach the database by an HTTP service in `allowed_outbound_hosts`";
const LLM: &str = "ask a model server by HTTP, listed in `allowed_outbound_hosts`";

/// Imports by the start of their names, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("spin:redis/", REDIS),
    ("spin:mqtt/", MQTT),
    ("spin:mysql/", SQL),
    ("spin:postgres/", SQL),
    ("fermyon:spin/redis@2", REDIS),
    ("fermyon:spin/mqtt@2", MQTT),
    ("fermyon:spin/mysql@2", SQL),
    ("fermyon:spin/postgres@2", SQL),
    ("fermyon:spin/rdbms-types@2", SQL),
    ("fermyon:spin/llm@2", LLM),
];

/// The cases by which Spin's interfaces refuse, each the most fitting that its interface has.
const CASES: &[&str] = &[
    "access-denied",
    "connection-failed",
    "invalid-address",
    "destination-not-allowed",
    "model-not-supported",
    "other",
    "error",
];

/// What a resource is that nobody gets.
struct Nothing;

/// What to do instead of importing this; `None`: this is served, or not known.
pub(crate) fn instead_of(import: &str) -> Option<&'static str> {
    // Interfaces of Spin 1 have no version.
    if import.starts_with("fermyon:spin/") && !import.contains('@') {
        return Some("build the component with an SDK of Spin 2 or later");
    }
    let found = REFUSED.iter().find(|(start, _)| import.starts_with(start));
    found.map(|(_, instead)| *instead)
}

/// Links what a component imports and nobody serves.
pub(crate) fn add_to_linker<T: RunningRequestsView + 'static>(
    linker: &mut Linker<T>,
    engine: &Engine,
    component: &Component,
) -> Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        if let (Some(instead), ComponentItem::ComponentInstance(interface)) =
            (instead_of(import), item.ty)
        {
            let mut instance = linker.instance(import)?;
            for (name, item) in interface.exports(engine) {
                link(&mut instance, name, item.ty, import, instead)?;
            }
        }
    }
    Ok(())
}

fn link<T: RunningRequestsView + 'static>(
    instance: &mut LinkerInstance<'_, T>,
    name: &str,
    item: ComponentItem,
    import: &str,
    instead: &'static str,
) -> Result<()> {
    let called = format!("{import}#{name}");
    match item {
        ComponentItem::Resource(_) => {
            instance.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))
        }
        ComponentItem::ComponentFunc(function) if function.async_() => instance
            .func_new_concurrent(name, move |accessor, function, given, answer| {
                let called = called.clone();
                Box::pin(async move {
                    accessor.with(|mut access| {
                        refuse(
                            access.as_context_mut(),
                            &called,
                            instead,
                            &function,
                            given,
                            answer,
                        )
                    })
                })
            }),
        ComponentItem::ComponentFunc(_) => {
            instance.func_new(name, move |store, function, given, answer| {
                refuse(store, &called, instead, &function, given, answer)
            })
        }
        _ => Ok(()),
    }
}

fn refuse<T: RunningRequestsView + 'static>(
    mut store: StoreContextMut<'_, T>,
    called: &str,
    instead: &str,
    function: &ComponentFunc,
    given: &[Val],
    answer: &mut [Val],
) -> Result<()> {
    find_current(store.as_context_mut());
    let running = store.data_mut().running_requests().current();
    // Refused in any case; counted, so that nobody refuses without end.
    if running.charge(1, 0).is_ok() {
        running.log_unserved(called, instead);
    }
    for value in given {
        if let Val::Resource(handle) = value {
            handle.try_into_resource::<Nothing>(store.as_context_mut())?;
        }
    }
    let words = format!("this host does not serve {called}: {instead}");
    for (value, ty) in answer.iter_mut().zip(function.results()) {
        *value = match ty {
            // What can only refuse later hands out something to refuse with.
            Type::Own(_) => {
                let nothing = Resource::<Nothing>::new_own(0);
                Val::Resource(nothing.try_into_resource_any(store.as_context_mut())?)
            }
            Type::Result(result) => match result.err().map(|error| refusal(&error, &words)) {
                Some(Some(refusal)) => Val::Result(Err(Some(Box::new(refusal)))),
                _ => bail!(words),
            },
            _ => bail!(words),
        };
    }
    Ok(())
}

/// The error of an interface that says so best.
fn refusal(error: &Type, words: &str) -> Option<Val> {
    match error {
        Type::Variant(variant) => CASES.iter().find_map(|name| {
            let case = variant.cases().find(|case| case.name == *name)?;
            let payload = match case.ty {
                None => None,
                Some(Type::String) => Some(Box::new(Val::String(words.to_owned()))),
                Some(_) => return None,
            };
            Some(Val::Variant((*name).to_owned(), payload))
        }),
        Type::Enum(cases) => CASES
            .iter()
            .find(|name| cases.names().any(|case| case == **name))
            .map(|name| Val::Enum((*name).to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::limits::ComponentBudget;
    use crate::requests::running::{Current, RunningRequest, RunningRequests};
    use std::sync::Arc;
    use wasmtime::{Config, Store};

    struct Instance(RunningRequests);

    impl RunningRequestsView for Instance {
        fn running_requests(&mut self) -> &mut RunningRequests {
            &mut self.0
        }
    }

    /// What a function of a component answers.
    async fn call(component: &str, function: &str) -> Result<Val> {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, wat::parse_str(component).unwrap())?;
        let budget = ComponentBudget::new("acme".into(), "guest".into(), Default::default());
        let running = Arc::new(RunningRequest::start(Arc::new(budget)));
        let running = RunningRequests::new(Current::new(running));
        let mut store = Store::new(&engine, Instance(running));
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, &engine, &component)?;
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let function = instance.get_func(&mut store, function).unwrap();
        let mut answer = [Val::Bool(false)];
        function.call_async(&mut store, &[], &mut answer).await?;
        let [answer] = answer;
        Ok(answer)
    }

    /// A component that calls a function without parameters, the shortest to write; what Spin's own take
    /// makes no difference. `case` tells which case of the error it was told, counted from 100, and `words`
    /// what came with it.
    fn calling(import: &str, error: &str) -> String {
        format!(
            r#"
            (component
              (import "{import}" (instance $spin
                (type $error' {error})
                (export "error" (type $error (eq $error')))
                (export "go" (func (result (result u32 (error $error)))))))
              (core module $memory
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
              (core instance $memory (instantiate $memory))
              (core func $go (canon lower (func $spin "go")
                (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
              (core module $guest
                (import "host" "memory" (memory 1))
                (import "host" "go" (func $go (param i32)))
                (func (export "case") (result i32)
                  (call $go (i32.const 64))
                  (i32.add
                    (i32.mul (i32.load8_u (i32.const 64)) (i32.const 100))
                    (i32.load8_u (i32.const 68))))
                (func (export "words") (result i32)
                  (call $go (i32.const 64))
                  (i32.const 72)))
              (core instance $guest (instantiate $guest (with "host" (instance
                (export "memory" (memory $memory "memory"))
                (export "go" (func $go))))))
              (func (export "case") (result u32) (canon lift (core func $guest "case")))
              (func (export "words") (result string) (canon lift (core func $guest "words")
                (memory (core memory $memory "memory")))))
            "#
        )
    }

    #[tokio::test]
    async fn every_interface_refuses_in_its_own_words() {
        let redis = r#"(variant (case "other" string) (case "invalid-address"))"#;
        let mqtt = r#"(variant (case "invalid-address") (case "connection-failed" string))"#;
        let sql = r#"(variant (case "other" string) (case "connection-failed" string))"#;
        let llm = r#"(variant (case "runtime-error" string) (case "model-not-supported"))"#;
        let config = r#"(variant (case "provider" string) (case "other" string))"#;
        let store = r#"(variant (case "no-such-store") (case "access-denied"))"#;
        let old_redis = r#"(enum "success" "error")"#;
        let old_http = r#"(enum "success" "destination-not-allowed" "invalid-url")"#;
        for (import, error, has_words) in [
            ("spin:redis/redis@3.0.0", redis, false),
            ("fermyon:spin/redis@2.0.0", redis, false),
            ("fermyon:spin/mqtt@2.0.0", mqtt, true),
            ("spin:mysql/mysql@3.0.0", sql, true),
            ("spin:postgres/postgres@4.2.0", sql, true),
            ("fermyon:spin/llm@2.0.0", llm, false),
            ("fermyon:spin/config", config, true),
            ("fermyon:spin/key-value", store, false),
            ("fermyon:spin/redis", old_redis, false),
            ("fermyon:spin/http", old_http, false),
        ] {
            let component = calling(import, error);
            let case = call(&component, "case").await.unwrap();
            assert_eq!(case, Val::U32(101), "{import}: the second case");
            if has_words {
                let words = call(&component, "words").await.unwrap();
                let Val::String(words) = words else {
                    unreachable!("{words:?}");
                };
                assert!(words.contains(&format!("{import}#go: ")), "{words}");
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_refuse_traps_and_says_why() {
        let component = r#"
        (component
          (import "fermyon:spin/llm" (instance $spin (export "go" (func (result u32)))))
          (core func $go (canon lower (func $spin "go")))
          (core module $guest
            (import "host" "go" (func $go (result i32)))
            (func (export "run") (result i32) (call $go)))
          (core instance $guest (instantiate $guest
            (with "host" (instance (export "go" (func $go))))))
          (func (export "run") (result u32) (canon lift (core func $guest "run"))))
        "#;
        let error = format!("{:?}", call(component, "run").await.unwrap_err());
        assert!(
            error.contains("does not serve fermyon:spin/llm#go"),
            "{error}"
        );
    }

    /// As the builder of Spin's interface to PostgreSQL: made without an error, and refused then.
    #[tokio::test]
    async fn what_can_only_refuse_later_does() {
        let component = r#"
        (component
          (import "spin:postgres/postgres@4.2.0" (instance $spin
            (export "builder" (type $builder (sub resource)))
            (type $error' (variant (case "connection-failed" string)))
            (export "error" (type $error (eq $error')))
            (export "[constructor]builder" (func (result (own $builder))))
            (export "[method]builder.build" (func (param "self" (borrow $builder))
              (result (result (error $error)))))))
          (alias export $spin "builder" (type $builder))
          (core module $memory
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
          (core instance $memory (instantiate $memory))
          (core func $new (canon lower (func $spin "[constructor]builder")))
          (core func $build (canon lower (func $spin "[method]builder.build")
            (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
          (core func $drop (canon resource.drop $builder))
          (core module $guest
            (import "host" "memory" (memory 1))
            (import "host" "new" (func $new (result i32)))
            (import "host" "build" (func $build (param i32 i32)))
            (import "host" "drop" (func $drop (param i32)))
            (func (export "run") (result i32)
              (local $builder i32)
              (local.set $builder (call $new))
              (call $build (local.get $builder) (i32.const 64))
              (call $build (local.get $builder) (i32.const 64))
              (call $drop (local.get $builder))
              (i32.load8_u (i32.const 64))))
          (core instance $guest (instantiate $guest (with "host" (instance
            (export "memory" (memory $memory "memory"))
            (export "new" (func $new))
            (export "build" (func $build))
            (export "drop" (func $drop))))))
          (func (export "run") (result u32) (canon lift (core func $guest "run"))))
        "#;
        let told = call(component, "run").await.unwrap();
        assert_eq!(told, Val::U32(1), "an error");
    }

    #[test]
    fn what_is_served_is_not_refused() {
        for import in [
            "fermyon:spin/key-value@2.0.0",
            "fermyon:spin/sqlite@2.0.0",
            "fermyon:spin/variables@2.0.0",
            "spin:sqlite/sqlite@3.0.0",
            "spin:key-value/key-value@3.0.0",
            "wasi:http/types@0.2.0",
        ] {
            assert_eq!(instead_of(import), None, "{import}");
        }
    }
}
