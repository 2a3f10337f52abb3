//! `/api/v1/documents`.

use crate::documents::{self, DocumentFilter, DocumentSort};
use crate::layout::Tabled;
use crate::model::{Document, DocumentId, LibraryId, State, page};
use crate::multipart;
use crate::uploads::{self, LARGEST, Taken};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use sbd_sdk::download::{About, Download};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::openapi::{Description, Output};
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{
    Caller, Error, Json, Listing, NoContent, Path, Query, Result, Tagged, etag, operation,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where a document goes, and what it is called.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Upload {
    /// The library; the caller's own, made with the first document, if none is named.
    library_id: Option<String>,
    /// The name of the file, with its extension. A form has it already.
    name: Option<String>,
}

/// What a document is to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentName {
    /// 1 to 200 characters; spaces around it are dropped.
    #[schema(min_length = 1, max_length = 200, example = "Report 2026.pdf")]
    name: String,
}

/// A part of a document that could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnreadPart {
    /// The page or slide, where there are some.
    page: Option<u32>,
    /// Where it is, in words.
    place: Option<String>,
    /// Why, and what to do.
    why: String,
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Document)]
pub(crate) struct DocumentView {
    #[schema(inline)]
    id: DocumentId,
    #[schema(inline)]
    library_id: LibraryId,
    /// The note that it is, if it is one: then it is changed and deleted there.
    note_id: Option<String>,
    /// Its name.
    name: String,
    /// What it is: `pdf`, `docx`, `markdown`…
    format: String,
    /// The content type it is served with.
    content_type: String,
    /// How many bytes it has.
    size: u64,
    /// SHA-256 of its content.
    sha256: String,
    /// Where it is on its way.
    #[schema(inline)]
    state: State,
    /// Why it could not be read.
    error: Option<String>,
    /// The task that reads it, or did: `/api/v1/tasks/{id}` for whoever uploaded it.
    task_id: Option<String>,
    /// Its title, as it says itself.
    title: Option<String>,
    /// Who wrote it, as it says itself.
    author: Option<String>,
    /// Its language: `en`.
    language: Option<String>,
    /// How many pages, slides or sheets it has.
    pages: Option<u32>,
    /// What is to be known of it, such as that it is no PDF although its name says so.
    note: Option<String>,
    /// What of it could not be read.
    unread: Vec<UnreadPart>,
    /// How many characters its text has.
    characters: u64,
    /// How many passages of it can be found.
    passages: u32,
    /// How many tables it has.
    tables: u32,
    /// Who uploaded it.
    created_by: String,
    /// When it was uploaded.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
    /// When it was last read.
    indexed_at: Option<Time>,
    /// Goes up with every change; also the `ETag`.
    version: u64,
}

/// A document that is being read.
pub(crate) struct Accepted {
    document: DocumentView,
    /// 200 where there is nothing to be done.
    status: StatusCode,
}

/// A table of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentTable {
    /// Its number, from 1.
    number: usize,
    /// The page or slide, where there are some.
    page: Option<u32>,
    /// Where it is, in words.
    place: String,
    /// What is written above or below it.
    caption: Option<String>,
    /// What its columns are called.
    header: Vec<String>,
    /// How many rows it has.
    rows: usize,
    /// Where it begins in the text, in characters.
    start: u64,
}

/// The tables of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentTables {
    items: Vec<DocumentTable>,
}

/// A table with its rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentTableRows)]
pub(crate) struct TableView {
    #[serde(flatten)]
    table: DocumentTable,
    /// The rows, as many cells each as the widest has.
    cells: Vec<Vec<String>>,
}

/// A table in the form that was asked for.
pub(crate) enum Table {
    Json(Box<TableView>),
    Csv(String),
}

/// In what form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TableForm {
    /// JSON if nothing is said.
    #[param(inline)]
    format: Option<TableFormat>,
}

/// A form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TableFormat {
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// A body that is no JSON.
pub(crate) struct Content(Response);

/// Uploads a document, at most 50 MiB, and has it read.
///
/// The body is the document itself, with its name in the query, or a form (`multipart/form-data`) whose last part is
/// the file. PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, CSV, EPUB and mails are read. The same content in the same
/// library is one document: it is answered with 200 if it is there already.
#[operation(
    post "/api/v1/documents", permission = "knowledge:write",
    answers = "It is taken, and being read; `Location` is its address",
    refuses(
        malformed = "The form cannot be read, or broke off",
        forbidden = "The caller may not write in the library",
        not_found = "No library that the caller may read",
        conflict = "The library is full",
        storage_full
    )
)]
pub(crate) async fn upload_document(
    caller: Caller,
    Query(upload): Query<Upload>,
    headers: HeaderMap,
    body: Body,
) -> Result<Accepted> {
    let declared = headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // A form is a little larger than its file; how much larger, its reading says.
    if declared.is_some_and(|length| length > LARGEST + (1 << 20)) {
        return Err(too_large());
    }
    let taken = match multipart::is_form(&headers) {
        true => {
            let form = multipart::read(&headers, body).await?;
            let library = form.library_id.or(upload.library_id);
            let name = upload.name.or(form.name);
            let kind = form.content_type;
            take(&caller, library, name, kind.as_deref(), form.file).await
        }
        false => {
            let kind = headers.get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok());
            take(&caller, upload.library_id, upload.name, kind, body).await
        }
    };
    let Taken {
        document,
        was_there,
    } = taken?;
    let is_done = was_there && matches!(document.state, State::Ready | State::Failed);
    Ok(Accepted {
        status: if is_done {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        },
        document: document.into(),
    })
}

/// Lists documents that the caller may read, the latest first.
#[operation(
    get "/api/v1/documents", permission = "knowledge:read",
    refuses(not_found = "No library that the caller may read")
)]
pub(crate) async fn list_documents(
    caller: Caller,
    listing: Listing<DocumentSort, DocumentFilter>,
) -> Result<Json<Page<DocumentView>>> {
    let page = documents::list(&caller, &listing).await?;
    Ok(Json(page.map(DocumentView::from)))
}

/// Reads what is known of a document.
#[operation(
    get "/api/v1/documents/{id}", permission = "knowledge:read", answers = "The document",
    refuses(not_found = "No document that the caller may read")
)]
pub(crate) async fn get_document(
    caller: Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<DocumentView>> {
    let (document, _) = documents::readable(&caller, &id).await?;
    Ok(Json(document.into()))
}

/// Gives a document another name.
#[operation(
    patch "/api/v1/documents/{id}", permission = "knowledge:write", answers = "The document as it is now",
    refuses(
        forbidden = "The caller may not write in the library",
        not_found = "No document that the caller may read",
        conflict = "It was changed at the same moment"
    )
)]
pub(crate) async fn rename_document(
    caller: Caller,
    Path(id): Path<DocumentId>,
    wanted: Preconditions,
    Json(input): Json<DocumentName>,
) -> Result<Tagged<DocumentView>> {
    let document = documents::rename(&caller, &id, &wanted, &input.name).await?;
    Ok(Tagged {
        version: document.version,
        body: document.into(),
    })
}

/// Deletes a document, with all there is of it.
#[operation(
    delete "/api/v1/documents/{id}", permission = "knowledge:write",
    refuses(
        forbidden = "The caller may not write in the library",
        not_found = "No document that the caller may read"
    )
)]
pub(crate) async fn delete_document(
    caller: Caller,
    Path(id): Path<DocumentId>,
    wanted: Preconditions,
) -> Result<NoContent> {
    documents::delete(&caller, &id, &wanted).await?;
    Ok(NoContent)
}

/// Has a document read once more, as the library's settings are now.
#[operation(
    post "/api/v1/documents/{id}/index", permission = "knowledge:write",
    answers = "It is being read; what was found of it stays until that is done",
    refuses(
        forbidden = "The caller may not write in the library",
        not_found = "No document that the caller may read",
        conflict = "It was changed at the same moment"
    )
)]
pub(crate) async fn index_document(caller: Caller, Path(id): Path<DocumentId>) -> Result<Accepted> {
    let document = documents::index_again(&caller, &id).await?;
    Ok(Accepted {
        document: document.into(),
        status: StatusCode::ACCEPTED,
    })
}

/// Downloads what was uploaded, or a range of it.
#[operation(
    get "/api/v1/documents/{id}/content", permission = "knowledge:read", answers = "The document itself",
    refuses(not_found = "No document that the caller may read")
)]
pub(crate) async fn get_document_content(
    caller: Caller,
    Path(id): Path<DocumentId>,
    headers: HeaderMap,
) -> Result<Download> {
    let (document, _) = documents::readable(&caller, &id).await?;
    let about = About {
        blob: &document.original(),
        file: Some(&document.name),
        content_type: &document.content_type,
        size: document.size,
        sha256: &document.sha256,
    };
    Download::of(about, &headers).await
}

/// Reads the text of a document, as Markdown: what spans of passages and citations are in.
#[operation(
    get "/api/v1/documents/{id}/text", permission = "knowledge:read", answers = "The text",
    refuses(
        not_found = "No document that the caller may read",
        conflict = "It is not read yet, or could not be"
    )
)]
pub(crate) async fn get_document_text(
    caller: Caller,
    Path(id): Path<DocumentId>,
) -> Result<Content> {
    let (document, _) = documents::readable(&caller, &id).await?;
    let text = documents::text(&document).await?;
    Ok(Content::of("text/markdown; charset=utf-8", &document, text))
}

/// Reads what the blocks of a document are, and where they are in its text.
///
/// One line of JSON each, with `kind`, `place`, and `start` and `end` in characters.
#[operation(
    get "/api/v1/documents/{id}/blocks", permission = "knowledge:read", answers = "Lines of JSON",
    refuses(
        not_found = "No document that the caller may read",
        conflict = "It is not read yet, or could not be"
    )
)]
pub(crate) async fn get_document_blocks(
    caller: Caller,
    Path(id): Path<DocumentId>,
) -> Result<Content> {
    let (document, _) = documents::readable(&caller, &id).await?;
    let blocks = documents::blocks(&document).await?;
    Ok(Content::of("application/x-ndjson", &document, blocks))
}

/// Lists the tables of a document.
#[operation(
    get "/api/v1/documents/{id}/tables", permission = "knowledge:read", answers = "Its tables, without their rows",
    refuses(
        not_found = "No document that the caller may read",
        conflict = "It is not read yet, or could not be"
    )
)]
pub(crate) async fn list_document_tables(
    caller: Caller,
    Path(id): Path<DocumentId>,
) -> Result<Json<DocumentTables>> {
    let (document, _) = documents::readable(&caller, &id).await?;
    let tables = documents::tables(&document).await?;
    let items = (1..).zip(&tables);
    let items = items.map(|(number, table)| DocumentTable::of(number, table));
    Ok(Json(DocumentTables {
        items: items.collect(),
    }))
}

/// Reads a table of a document.
#[operation(
    get "/api/v1/documents/{id}/tables/{number}", permission = "knowledge:read", answers = "The table",
    parameters(number = "Which one, from 1"),
    refuses(
        not_found = "No document that the caller may read, or no such table in it",
        conflict = "It is not read yet, or could not be"
    )
)]
pub(crate) async fn get_document_table(
    caller: Caller,
    Path((id, number)): Path<(DocumentId, u32)>,
    Query(form): Query<TableForm>,
) -> Result<Table> {
    let (document, _) = documents::readable(&caller, &id).await?;
    let tables = documents::tables(&document).await?;
    let number = usize::try_from(number).map_err(Error::internal)?;
    let at = number.checked_sub(1);
    let table = at.and_then(|at| tables.get(at));
    let table = table.ok_or_else(|| Error::not_found("table"))?;
    Ok(match form.format {
        Some(TableFormat::Csv) => Table::Csv(table.csv()),
        _ => Table::Json(Box::new(TableView {
            cells: table.rows.clone(),
            table: DocumentTable::of(number, table),
        })),
    })
}

async fn take(
    caller: &Caller,
    library: Option<String>,
    name: Option<String>,
    content_type: Option<&str>,
    body: Body,
) -> Result<Taken> {
    let library = library
        .as_deref()
        .map(str::parse::<LibraryId>)
        .transpose()?;
    let name = name.ok_or_else(|| {
        Error::validation(
            "name",
            "the name of the file in the query: `?name=report.pdf`",
        )
    })?;
    let taken = uploads::take(caller, library.as_ref(), &name, content_type, body).await;
    taken.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => error,
    })
}

fn too_large() -> Error {
    Error::body_too_large("a document has at most 50 MiB; split it, or leave pictures out")
}

// === impl Accepted ===

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = format!("/api/v1/documents/{}", self.document.id);
        let tag = etag::of(self.document.version);
        let headers = [(header::LOCATION, location)];
        (
            self.status,
            headers,
            [(header::ETAG, tag)],
            Json(self.document),
        )
            .into_response()
    }
}

impl Output for Accepted {
    fn describe(description: &mut Description) {
        description.answers(StatusCode::ACCEPTED, "It is being read");
        description.answer_body::<DocumentView>();
        description.answer_header("Location", "The document's address");
        if description.path_names().next().is_none() {
            description.also_answers(StatusCode::OK, "The same content is there already");
        }
    }
}

// === impl Content ===

impl Content {
    fn of(kind: &'static str, document: &Document, body: Body) -> Self {
        // It is as it was read, until it is read once more.
        let generation = u64::from(document.indexed.unwrap_or(0));
        let headers = [(header::ETAG, etag::of(generation))];
        let safe = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_TYPE, kind),
        ];
        Self((headers, safe, body).into_response())
    }
}

impl IntoResponse for Content {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Content {
    fn describe(description: &mut Description) {
        <Response as Output>::describe(description);
        description.answer_header("ETag", "Its version");
    }
}

// === impl Table ===

impl IntoResponse for Table {
    fn into_response(self) -> Response {
        match self {
            Self::Json(table) => Json(table).into_response(),
            Self::Csv(table) => {
                let kind = [
                    (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                    (
                        header::CONTENT_DISPOSITION,
                        "attachment; filename=\"table.csv\"",
                    ),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ];
                (kind, table).into_response()
            }
        }
    }
}

impl Output for Table {
    fn describe(description: &mut Description) {
        <Json<TableView> as Output>::describe(description);
    }
}

impl DocumentTable {
    fn of(number: usize, table: &Tabled) -> Self {
        Self {
            number,
            page: page(&table.place),
            place: table.place.to_string(),
            caption: table.caption.clone(),
            header: table.header.clone(),
            rows: table.rows.len(),
            start: table.start,
        }
    }
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        let format = serde_json::json!(document.format);
        let found = document.found;
        let unread = found.unread.into_iter().map(|unread| UnreadPart {
            page: unread.place.as_ref().and_then(page),
            place: unread.place.map(|place| place.to_string()),
            why: unread.why,
        });
        Self {
            id: document.id,
            library_id: document.library_id,
            note_id: document.note.map(|note| note.id),
            name: document.name,
            format: format.as_str().unwrap_or_default().to_owned(),
            content_type: document.content_type,
            size: document.size,
            sha256: document.sha256,
            state: document.state,
            error: document.error,
            task_id: document.task_id,
            title: found.title,
            author: found.author,
            language: found.language,
            pages: found.pages,
            note: found.note,
            unread: unread.collect(),
            characters: found.characters,
            passages: found.chunks,
            tables: found.tables,
            created_by: document.created_by,
            created_at: document.created_at,
            updated_at: document.updated_at,
            indexed_at: document.indexed_at,
            version: document.version,
        }
    }
}
