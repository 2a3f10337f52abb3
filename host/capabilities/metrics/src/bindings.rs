//! Generated from `wit/metrics.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-metrics;
            world imports {
                import sbd:platform/metrics@0.1.0;
            }
        ",
        world: "sbd:host-metrics/imports",
    });
}

pub(crate) use generated::sbd::platform::metrics;
