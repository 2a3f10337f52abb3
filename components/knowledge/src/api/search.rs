//! `/api/v1/search`.

use crate::model::{DocumentId, LibraryId, Span, page};
use crate::search::{Among, Explanation, MAX_QUERY, Mode, Passage, Search};
use sbd_sdk::paging::Paging;
use sbd_sdk::vectors::Place;
use sbd_sdk::{Caller, Error, Json, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Pages of a search at most: nobody looks further.
const MAX_PAGES: u32 = 100;

/// What is looked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchInput {
    /// 1 to 2000 characters.
    #[schema(min_length = 1, max_length = 2000, example = "notice period")]
    query: String,
    /// Hybrid if nothing is said.
    #[serde(default)]
    #[schema(inline)]
    mode: Option<Mode>,
    /// Among what.
    #[serde(default)]
    filter: Among,
    /// The page, from 1.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    page: Option<u32>,
    /// Passages on a page.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    per_page: Option<u32>,
    /// Whether to say how the search went.
    #[serde(default)]
    explain: bool,
}

/// A place among what was found in one way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchRank)]
pub(crate) struct RankView {
    /// From 1.
    rank: u32,
    /// How well it fits, by the measure of this way.
    score: f32,
}

/// A passage that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundPassage)]
pub(crate) struct PassageView {
    #[schema(inline)]
    document_id: DocumentId,
    /// What the document is called.
    document: String,
    /// The note that it is, if it is one.
    note_id: Option<String>,
    #[schema(inline)]
    library_id: LibraryId,
    /// The page or slide, where there are some.
    page: Option<u32>,
    /// Where in the document, in words.
    place: String,
    /// The headings above it, and the names of columns.
    context: String,
    /// Where it is in the text of the document.
    #[schema(inline)]
    span: Span,
    /// What stands there.
    text: String,
    /// By what passages are sorted.
    score: f32,
    /// How it was found by its words.
    keyword: Option<RankView>,
    /// How it was found by what it means.
    vector: Option<RankView>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchResults)]
pub(crate) struct ResultsView {
    items: Vec<PassageView>,
    /// How it was looked for.
    #[schema(inline)]
    mode: Mode,
    /// The number of this page, from 1.
    page: u32,
    /// How many passages a page holds.
    per_page: u32,
    /// Whether there is another page.
    has_more: bool,
    /// Why it was not looked for as it was asked for.
    note: Option<String>,
    /// How the search went, if that was asked for.
    explain: Option<Explanation>,
}

/// Looks for passages in the documents that the caller may read.
#[operation(
    post "/api/v1/search", permission = "knowledge:read", effect = read, idempotent,
    answers = "The passages that fit best, on a page",
    refuses(
        not_found = "No library that the caller may read",
        conflict = "There is no embedding model, and only vectors were asked for"
    )
)]
pub(crate) async fn search_documents(
    caller: Caller,
    Json(input): Json<SearchInput>,
) -> Result<Json<ResultsView>> {
    let query = query("query", &input.query)?;
    let paging = Paging::new(input.page, input.per_page)?;
    let (page, per_page) = (input.page.unwrap_or(1), paging.limit());
    if page > MAX_PAGES {
        let message = format!("a number from 1 to {MAX_PAGES}");
        return Err(Error::validation("page", message));
    }
    let search = Search::of(&caller, input.filter).await?;
    let part = (paging.skip(), per_page);
    let results = search.run(query, input.mode, part).await?;
    let explain = match input.explain {
        true => Some(search.explain(&results).await?),
        false => None,
    };
    Ok(Json(ResultsView {
        items: results
            .passages
            .into_iter()
            .map(PassageView::from)
            .collect(),
        mode: results.mode,
        page,
        per_page,
        has_more: results.has_more,
        note: results.note,
        explain,
    }))
}

/// A query, if it is one.
pub(super) fn query<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    let trimmed = text.trim();
    match !trimmed.is_empty() && text.chars().count() <= MAX_QUERY {
        true => Ok(trimmed),
        false => Err(Error::validation(
            field,
            format!("1 to {MAX_QUERY} characters"),
        )),
    }
}

impl From<Passage> for PassageView {
    fn from(passage: Passage) -> Self {
        let rank =
            |place: Option<Place>| place.map(|Place { rank, score }| RankView { rank, score });
        let chunk = passage.chunk;
        Self {
            document_id: passage.document.id,
            document: passage.document.name,
            note_id: passage.document.note.map(|note| note.id),
            library_id: passage.document.library_id,
            page: page(&chunk.place),
            place: chunk.place.to_string(),
            span: chunk.span(),
            context: chunk.before,
            text: chunk.text,
            score: passage.score,
            keyword: rank(passage.sparse),
            vector: rank(passage.dense),
        }
    }
}
