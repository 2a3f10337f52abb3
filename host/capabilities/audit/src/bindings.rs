//! Generated from `wit/audit.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-audit;
            world imports {
                import sbd:platform/audit@0.1.0;
            }
        ",
        world: "sbd:host-audit/imports",
    });
}

pub(crate) use generated::sbd::platform::audit;
