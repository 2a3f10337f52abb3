//! Generated from `wit/tasks.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-tasks;
            world imports {
                import sbd:platform/tasks@0.1.0;
            }
        ",
        world: "sbd:host-tasks/imports",
    });
}

pub(crate) use generated::sbd::platform::tasks;
