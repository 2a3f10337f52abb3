//! Generated from `wit/cache.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-cache;
            world imports {
                import sbd:platform/cache@0.1.0;
            }
        ",
        world: "sbd:host-cache/imports",
    });
}

pub(crate) use generated::sbd::platform::cache;
