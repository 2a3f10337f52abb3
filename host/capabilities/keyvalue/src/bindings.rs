//! Generated from `wit/deps/wasi-keyvalue`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/wasi-keyvalue",
        world: "wasi:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.[drop]bucket": trappable,
            "wasi:keyvalue/atomics.[drop]cas": trappable,
            // With the store, which knows for which of several requests at once a guest calls.
            default: async | store | trappable,
        },
        trappable_error_type: {
            "wasi:keyvalue/store.error" => crate::host::Failure,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::Bucket,
            "wasi:keyvalue/atomics.cas": crate::Swap,
        },
    });
}

pub(crate) use generated::wasi::keyvalue::{atomics, batch, store};
