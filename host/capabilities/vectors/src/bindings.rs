//! Generated from `wit/vectors.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-vectors;
            world imports {
                import sbd:platform/vectors@0.1.0;
            }
        ",
        world: "sbd:host-vectors/imports",
    });
}

pub(crate) use generated::sbd::platform::vectors;
