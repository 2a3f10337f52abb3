//! Documents as their readers see them: lists, names, texts, tables.

use crate::layout::Tabled;
use crate::model::{self, Document, DocumentId, LibraryId, State};
use crate::owners::{self, May};
use crate::store::DOCUMENTS;
use crate::{deletion, indexing};
use axum::body::Body;
use document::Format;
use http_body_util::BodyExt as _;
use sbd_sdk::documents::DocumentsError;
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{Caller, Error, Listing, Result, Sort, blobs, time};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// What documents are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DocumentSort {
    /// When they were uploaded.
    #[default]
    CreatedAt,
    /// Their names.
    Name,
    /// How large they are.
    Size,
}

/// Which documents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DocumentFilter {
    /// Only those of this library; of all that the caller may read, if none is named.
    #[param(max_length = 100, example = "lib_019a2f3c8b7e7c2d9f00112233445566")]
    library_id: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<State>,
    /// Only those of this format: `pdf`, `docx`, `markdown`…
    #[param(example = "pdf")]
    format: Option<String>,
}

/// A page of documents that the caller may read.
pub(crate) async fn list(
    caller: &Caller,
    listing: &Listing<DocumentSort, DocumentFilter>,
) -> Result<Page<Document>> {
    let wanted = &listing.filter;
    let library = wanted.library_id.as_deref().map(str::parse::<LibraryId>);
    let named: Vec<_> = library.transpose()?.into_iter().collect();
    let libraries = owners::searchable(caller, &named).await?;
    let ids: Vec<_> = libraries.iter().map(|library| &library.id).collect();
    let mut filter = json!({"library_id": {"$in": ids}, "state": {"$ne": "deleting"}});
    if let Some(state) = wanted.state {
        filter["state"] = json!({"$eq": state, "$ne": "deleting"});
    }
    if let Some(format) = &wanted.format {
        filter["format"] = json!(format_named("format", format)?);
    }
    DOCUMENTS.find(filter).page(listing).await
}

/// A document that the caller may read, and whether they may write it.
pub(crate) async fn readable(caller: &Caller, id: &DocumentId) -> Result<(Document, May)> {
    let none = || Error::not_found("document");
    let document = DOCUMENTS.get(id.as_str()).await?.ok_or_else(none)?;
    if document.state == State::Deleting {
        return Err(none());
    }
    match owners::readable(caller, &document.library_id).await {
        Ok((_, may)) => Ok((document, may)),
        Err(error) if error.status() == 404 => Err(none()),
        Err(error) => Err(error),
    }
}

/// A document that the caller may change and delete.
pub(crate) async fn writable(caller: &Caller, id: &DocumentId) -> Result<Document> {
    match readable(caller, id).await? {
        (document, _) if document.note.is_some() => Err(Error::conflict(
            "this is a note; change and delete it where it was written, under `/api/v1/notes`",
        )),
        (document, May::Write | May::Govern) => Ok(document),
        (_, May::Read) => Err(Error::forbidden(
            "you read in this library, and do not write; ask an administrator of the family or workspace for more",
        )),
    }
}

/// Gives a document another name.
pub(crate) async fn rename(
    caller: &Caller,
    id: &DocumentId,
    wanted: &Preconditions,
    name: &str,
) -> Result<Document> {
    let name = model::name("name", name)?;
    let document = writable(caller, id).await?;
    wanted.require(document.version)?;
    let still = json!({"_id": id, "version": document.version, "state": {"$ne": "deleting"}});
    let change = json!({
        "$set": {"name": name, "updated_at": time::now()}, "$inc": {"version": 1},
    });
    let changed = DOCUMENTS.find_one_and_update(still, change).await?;
    changed.ok_or_else(|| DocumentsError::PreconditionFailed(0).into())
}

/// Deletes a document: at once nobody sees it any more, and a task deletes what there is of it.
pub(crate) async fn delete(caller: &Caller, id: &DocumentId, wanted: &Preconditions) -> Result<()> {
    let document = writable(caller, id).await?;
    wanted.require(document.version)?;
    deletion::begin_document(&document).await
}

/// Has a document read and indexed once more.
pub(crate) async fn index_again(caller: &Caller, id: &DocumentId) -> Result<Document> {
    indexing::again(&writable(caller, id).await?).await
}

/// The text of a document as it was found, and what is known of its blocks.
pub(crate) async fn text(document: &Document) -> Result<Body> {
    let generation = indexed(document)?;
    let text = blobs::stream(&document.text(generation), ..).await?;
    text.map(|(_, body)| body).ok_or_else(|| unread(document))
}

/// The blocks of a document: lines of JSON.
pub(crate) async fn blocks(document: &Document) -> Result<Body> {
    let generation = indexed(document)?;
    let blocks = blobs::stream(&document.blocks(generation), ..).await?;
    blocks.map(|(_, body)| body).ok_or_else(|| unread(document))
}

/// The tables of a document, in order.
pub(crate) async fn tables(document: &Document) -> Result<Vec<Tabled>> {
    let generation = indexed(document)?;
    let tables = blobs::stream(&document.tables(generation), ..).await?;
    let (_, body) = tables.ok_or_else(|| unread(document))?;
    let body = body.collect().await.map_err(Error::internal)?.to_bytes();
    let lines = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let tables = lines.map(|line| serde_json::from_slice(line).map_err(Error::internal));
    tables.collect()
}

/// The format of a name, as answers have it.
pub(crate) fn format_named(field: &str, name: &str) -> Result<Format> {
    serde_json::from_value(json!(name)).map_err(|_| {
        let all = Format::ALL.map(|format| json!(format).as_str().unwrap_or_default().to_owned());
        Error::validation(field, format!("one of {}", all.join(", ")))
    })
}

fn indexed(document: &Document) -> Result<u32> {
    document.indexed.ok_or_else(|| unread(document))
}

/// There is no text of it, and why.
fn unread(document: &Document) -> Error {
    Error::conflict(match &document.error {
        Some(why) => format!("it could not be read: {why}"),
        None => "it is being read; look again when its state is `ready`".to_owned(),
    })
}

impl Sort for DocumentSort {
    const ITEMS: &'static str = "documents";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Name => "name",
            Self::Size => "size",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::tests::{DOCUMENTS, GARDEN, app, send, upload};
    use serde_json::json;

    #[test]
    fn what_was_found_is_shown() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let path = format!("{DOCUMENTS}/{}", upload(&app, &ada, "garden.md", GARDEN));
        let text = ada.get(&format!("{path}/text")).assert_status(200);
        assert_eq!(
            text.header("content-type"),
            Some("text/markdown; charset=utf-8")
        );
        let shown = String::from_utf8(text.bytes().to_vec()).unwrap();
        assert!(
            shown.contains("# The garden\n\nThe gate") && shown.contains("| Adults | 12 EUR |")
        );
        let tag = text.header("etag").unwrap();
        let same = ada
            .with_header("if-none-match", tag)
            .get(&format!("{path}/text"));
        same.assert_status(304);
        let blocks = ada.get(&format!("{path}/blocks")).assert_status(200);
        let blocks = String::from_utf8(blocks.bytes().to_vec()).unwrap();
        assert_eq!(blocks.lines().count(), 6);
        let tables = ada.get(&format!("{path}/tables")).assert_status(200);
        assert_eq!(
            (&tables["items"][0]["rows"], &tables["items"][0]["page"]),
            (&json!(2), &json!(1))
        );
        let table = ada.get(&format!("{path}/tables/1")).assert_status(200);
        assert_eq!(
            table["cells"],
            json!([["Adults", "12 EUR"], ["Children", "5 EUR"]])
        );
        let csv = ada
            .get(&format!("{path}/tables/1?format=csv"))
            .assert_status(200);
        assert_eq!(
            csv.bytes(),
            b"\"Ticket\",\"Price\"\r\n\"Adults\",\"12 EUR\"\r\n\"Children\",\"5 EUR\"\r\n"
        );
        for table in ["0", "2"] {
            ada.get(&format!("{path}/tables/{table}"))
                .assert_refused(404, "NOT_FOUND");
        }
        ada.get(&format!("{path}/tables/1?format=xml"))
            .assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn the_original_is_given_back_whole_or_in_part_and_never_run() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let page = "<script>alert(1)</script> and more";
        let path = format!(
            "{DOCUMENTS}/{}/content",
            upload(&app, &ada, "b%C3%B6se.html", page)
        );
        let whole = ada.get(&path).assert_status(200);
        assert_eq!(whole.bytes(), page.as_bytes());
        assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
        let disposition = whole.header("content-disposition").unwrap();
        assert!(
            disposition.starts_with("attachment; filename=\"b_se.html\""),
            "{disposition}"
        );
        let tag = whole.header("etag").unwrap();
        let part = ada
            .with_header("range", "bytes=8-12")
            .get(&path)
            .assert_status(206);
        assert_eq!(part.bytes(), b"alert");
        assert_eq!(part.header("content-range"), Some("bytes 8-12/34"));
        let other = ada
            .with_header("if-range", "\"x\"")
            .with_header("range", "bytes=8-12");
        assert_eq!(other.get(&path).assert_status(200).bytes().len(), 34);
        let beyond = ada.with_header("range", "bytes=34-").get(&path);
        let beyond = beyond.assert_refused(416, "RANGE_NOT_SATISFIABLE");
        assert_eq!(beyond.header("content-range"), Some("bytes */34"));
        ada.with_header("if-none-match", tag)
            .get(&path)
            .assert_status(304);
    }

    #[test]
    fn documents_are_listed_renamed_and_refused() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let first = upload(&app, &ada, "a.md", "One.");
        let second = send(&ada, "name=b.txt", "Two.").assert_status(202);
        let names = |query: &str| {
            let page = ada.get(&format!("{DOCUMENTS}?{query}")).assert_status(200);
            let items = page["items"].as_array().unwrap().iter();
            items
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("sort=name&order=asc"), ["a.md", "b.txt"]);
        assert_eq!(names("state=ready"), ["a.md"]);
        assert_eq!(names("format=text"), ["b.txt"]);
        for query in [
            "state=gone",
            "format=exe",
            "sort=owner",
            "page=0",
            "colour=red",
        ] {
            ada.get(&format!("{DOCUMENTS}?{query}"))
                .assert_refused(422, "VALIDATION_ERROR");
        }
        // What is not read yet has no text.
        let path = format!("{DOCUMENTS}/{}", second.text("id"));
        for what in ["text", "blocks", "tables", "tables/1"] {
            ada.get(&format!("{path}/{what}"))
                .assert_refused(409, "CONFLICT");
        }
        let path = format!("{DOCUMENTS}/{first}");
        let renamed = ada
            .patch(&path, json!({"name": " New.md "}))
            .assert_status(200);
        assert_eq!(renamed["name"], "New.md");
        let tag = renamed.header("etag").unwrap();
        let stale = ada.with_header("if-match", "\"1\"");
        stale
            .patch(&path, json!({"name": "x"}))
            .assert_refused(412, "PRECONDITION_FAILED");
        stale
            .delete(&path)
            .assert_refused(412, "PRECONDITION_FAILED");
        for body in [
            json!({}),
            json!({"name": ""}),
            json!({"name": 1}),
            json!({"name": "a\u{0}"}),
        ] {
            ada.patch(&path, body)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        ada.with_header("if-match", tag)
            .delete(&path)
            .assert_status(204);
        ada.get(&path).assert_refused(404, "NOT_FOUND");
        assert_eq!(names(""), ["b.txt"]);
    }
}
