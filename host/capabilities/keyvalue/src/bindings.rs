//! Generated from `wit/deps/wasi-keyvalue`, `wit/deps/fermyon-spin` and `wit/deps/spin-key-value`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: [
            "../../../wit/deps/wasi-keyvalue",
            "../../../wit/deps/fermyon-spin",
            "../../../wit/deps/spin-key-value",
        ],
        inline: "
            package sbd:keyvalue;
            world imports {
                include wasi:keyvalue/imports@0.2.0-draft2;
                import fermyon:spin/key-value@2.0.0;
                import spin:key-value/key-value@3.0.0;
            }
        ",
        world: "sbd:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.[drop]bucket": trappable,
            "wasi:keyvalue/atomics.[drop]cas": trappable,
            "fermyon:spin/key-value.[drop]store": trappable,
            "spin:key-value/key-value.[drop]store": trappable,
            // With the store, which knows for which of several requests at once a guest calls.
            default: async | store | trappable,
        },
        trappable_error_type: {
            "wasi:keyvalue/store.error" => crate::host::Failure,
            "fermyon:spin/key-value.error" => crate::host::Failure,
            "spin:key-value/key-value.error" => crate::host::Failure,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::Bucket,
            "wasi:keyvalue/atomics.cas": crate::Swap,
            "fermyon:spin/key-value.store": crate::Bucket,
            "spin:key-value/key-value.store": crate::Bucket,
        },
    });
}

pub(crate) use generated::fermyon::spin::key_value as older;
pub(crate) use generated::spin::key_value::key_value as newer;
pub(crate) use generated::wasi::keyvalue::{atomics, batch, store};
