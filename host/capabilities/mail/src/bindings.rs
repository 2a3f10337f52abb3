//! Generated from `wit/mail.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-mail;
            world imports {
                import sbd:platform/mail@0.1.0;
            }
        ",
        world: "sbd:host-mail/imports",
    });
}

pub(crate) use generated::sbd::platform::mail;
