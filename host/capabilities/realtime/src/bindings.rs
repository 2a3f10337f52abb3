//! Generated from `wit/realtime.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-realtime;
            world imports {
                import sbd:platform/realtime@0.1.0;
            }
        ",
        world: "sbd:host-realtime/imports",
    });
}

pub(crate) use generated::sbd::platform::realtime;
