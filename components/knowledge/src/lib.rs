//! Libraries of documents, found by what they say and answered from with citations.
//!
//! A document comes in as it is and is kept in `blobs`; a task has the component `parser` read it, cuts its text into
//! passages that follow its structure (`chunking`), and puts them into `vectors`, where they are found by their words
//! and, with an embedding model, by what they mean. An answer is made from passages that were found, and every
//! citation in it points at text that is there (`citations`).
//!
//! Who may read a library is asked of whoever knows (`owners`), and is a condition of every search.

mod api;
mod asking;
mod chunking;
mod chunks;
mod citations;
mod deletion;
mod documents;
mod embedding;
mod indexing;
mod layout;
mod libraries;
mod model;
mod multipart;
mod names;
mod notes;
mod notices;
mod owners;
mod prompt;
mod question;
mod reading;
mod scanning;
mod search;
mod store;
mod threads;
mod uploads;

use api::{
    ask as ask_api, documents as documents_api, host, libraries as libraries_api,
    search as search_api, threads as threads_api,
};
use sbd_sdk::Component;

/// All that the component offers.
pub fn component() -> Component {
    Component::new()
        .operations(
            "libraries",
            [
                libraries_api::create_library(),
                libraries_api::list_libraries(),
                libraries_api::get_library(),
                libraries_api::replace_library(),
                libraries_api::delete_library(),
            ],
        )
        .operations(
            "documents",
            [
                documents_api::upload_document(),
                documents_api::list_documents(),
                documents_api::get_document(),
                documents_api::rename_document(),
                documents_api::delete_document(),
                documents_api::index_document(),
                documents_api::get_document_content(),
                documents_api::get_document_text(),
                documents_api::get_document_blocks(),
                documents_api::list_document_tables(),
                documents_api::get_document_table(),
            ],
        )
        .operations("search", [search_api::search_documents(), ask_api::ask()])
        .operations(
            "threads",
            [
                threads_api::create_thread(),
                threads_api::list_threads(),
                threads_api::get_thread(),
                threads_api::replace_thread(),
                threads_api::delete_thread(),
                threads_api::list_thread_messages(),
                threads_api::vote_for_answer(),
                threads_api::withdraw_vote(),
                threads_api::export_thread(),
            ],
        )
        .events([
            host::account_deleted(),
            host::family_deleted(),
            host::workspace_deleted(),
            host::note_changed(),
            host::note_deleted(),
        ])
        .tasks([
            host::index(),
            host::embed(),
            host::delete_document(),
            host::delete_library(),
        ])
        .schedules([host::sweep()])
}

sbd_sdk::component!(component);

#[cfg(test)]
mod tests;
