//! Generated from `wit/events.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-events;
            world imports {
                import sbd:platform/events@0.1.0;
            }
        ",
        world: "sbd:host-events/imports",
    });
}

pub(crate) use generated::sbd::platform::events;
