//! Generated from `wit/features.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-features;
            world imports {
                import sbd:platform/features@0.1.0;
            }
        ",
        world: "sbd:host-features/imports",
    });
}

pub(crate) use generated::sbd::platform::features;
