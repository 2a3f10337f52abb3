//! Generated from `wit/deps/wasi-config`, `wit/deps/spin-variables` and `wit/deps/fermyon-spin`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: [
            "../../../wit/deps/wasi-config",
            "../../../wit/deps/spin-variables",
            "../../../wit/deps/fermyon-spin",
        ],
        inline: "
            package sbd:config;
            world imports {
                import wasi:config/store@0.2.0-draft-2024-09-27;
                import spin:variables/variables@3.0.0;
                import fermyon:spin/variables@2.0.0;
            }
        ",
        world: "sbd:config/imports",
    });
}

pub(crate) use generated::fermyon::spin::variables as older;
pub(crate) use generated::spin::variables::variables;
pub(crate) use generated::wasi::config::store;
