//! Generated from `wit/ocr.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-ocr;
            world imports {
                import sbd:platform/ocr@0.1.0;
            }
        ",
        world: "sbd:host-ocr/imports",
    });
}

pub(crate) use generated::sbd::platform::ocr;
