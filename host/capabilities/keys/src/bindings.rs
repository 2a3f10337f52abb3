//! Generated from `wit/keys.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-keys;
            world imports {
                import sbd:platform/keys@0.1.0;
            }
        ",
        world: "sbd:host-keys/imports",
    });
}

pub(crate) use generated::sbd::platform::keys;
