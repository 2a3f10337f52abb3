//! Generated from `wit/deps/spin-sqlite` and `wit/deps/fermyon-spin`.

#[allow(missing_docs, unreachable_pub, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: ["../../../wit/deps/spin-sqlite", "../../../wit/deps/fermyon-spin"],
        inline: "
            package sbd:sqlite;
            world imports {
                import spin:sqlite/sqlite@3.1.0;
                import fermyon:spin/sqlite@2.0.0;
            }
        ",
        world: "sbd:sqlite/imports",
        imports: {
            "spin:sqlite/sqlite.[drop]connection": trappable,
            "fermyon:spin/sqlite.[drop]connection": trappable,
            // With the store, which knows for which of several requests at once a guest calls.
            default: async | store | trappable,
        },
        trappable_error_type: {
            "spin:sqlite/sqlite.error" => crate::host::Failure,
            "fermyon:spin/sqlite.error" => crate::host::Failure,
        },
        with: {
            "spin:sqlite/sqlite.connection": crate::Connection,
            "fermyon:spin/sqlite.connection": crate::Connection,
        },
    });
}

pub(crate) use generated::fermyon::spin::sqlite as older;
pub(crate) use generated::spin::sqlite::sqlite as newer;
