//! Generated from `wit/documents.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-documents;
            world imports {
                import sbd:platform/documents@0.1.0;
            }
        ",
        world: "sbd:host-documents/imports",
    });
}

pub(crate) use generated::sbd::platform::documents;
