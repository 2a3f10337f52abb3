//! Generated from `wit/blobs.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-blobs;
            world imports {
                import sbd:platform/blobs@0.1.0;
            }
        ",
        world: "sbd:host-blobs/imports",
    });
}

pub(crate) use generated::sbd::platform::blobs;
