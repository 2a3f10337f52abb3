//! Generated from `wit/deps/wasi-config` and `wit/deps/spin-variables`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: ["../../../wit/deps/wasi-config", "../../../wit/deps/spin-variables"],
        inline: "
            package sbd:config;
            world imports {
                import wasi:config/store@0.2.0-draft-2024-09-27;
                import spin:variables/variables@3.0.0;
            }
        ",
        world: "sbd:config/imports",
    });
}

pub(crate) use generated::spin::variables::variables;
pub(crate) use generated::wasi::config::store;
