//! Generated from `wit/inference.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-inference;
            world imports {
                import sbd:platform/inference@0.1.0;
            }
        ",
        world: "sbd:host-inference/imports",
    });
}

pub(crate) use generated::sbd::platform::inference;
