//! Generated from `wit/passwords.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-passwords;
            world imports {
                import sbd:platform/passwords@0.1.0;
            }
        ",
        world: "sbd:host-passwords/imports",
    });
}

pub(crate) use generated::sbd::platform::passwords;
