//! Generated from `wit/vault.wit`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        inline: "
            package sbd:host-vault;
            world imports {
                import sbd:platform/vault@0.1.0;
            }
        ",
        world: "sbd:host-vault/imports",
    });
}

pub(crate) use generated::sbd::platform::vault;
