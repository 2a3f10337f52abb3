//! The imports a component may use, generated from `wit/`.
//!
//! One world names them all; the linker drops those that a component never calls, so that each
//! component asks its host for what it uses and no more.
//!
//! Off wasm there is no host: the functions of the same names in [`crate::testing`] stand in for it.

#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    reason = "generated code"
)]
pub(crate) mod generated {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package sbd:sdk;
            world imports {
                import sbd:platform/documents@0.1.0;
                import sbd:platform/cache@0.1.0;
                import sbd:platform/passwords@0.1.0;
                import sbd:platform/keys@0.1.0;
                import sbd:platform/vault@0.1.0;
                import sbd:platform/features@0.1.0;
                import sbd:platform/events@0.1.0;
                import sbd:platform/audit@0.1.0;
                import sbd:platform/tasks@0.1.0;
                import sbd:platform/realtime@0.1.0;
                import sbd:platform/mail@0.1.0;
                import sbd:platform/metrics@0.1.0;
                import sbd:platform/blobs@0.1.0;
                import sbd:platform/vectors@0.1.0;
                import sbd:platform/inference@0.1.0;
                import sbd:platform/ocr@0.1.0;
                import wasi:config/store@0.2.0-draft-2024-09-27;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        world: "sbd:sdk/imports",
        generate_all,
    });
}

#[cfg(target_family = "wasm")]
pub(crate) use generated::{
    sbd::platform::{
        audit, blobs, cache, documents, events, features, inference, keys, mail, metrics, ocr,
        passwords, realtime, tasks, vault, vectors,
    },
    wasi::{config::store as config, keyvalue},
};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::{
    audit, blobs, cache, config, documents, events, features, keys, keyvalue, mail, metrics, ocr,
    passwords, realtime, tasks, vault, vectors,
};
