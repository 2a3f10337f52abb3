//! What a note said before.

use crate::model::{Draft, Note, NoteId, Text, Version, version_id};
use crate::store::VERSIONS;
use crate::{access, store, writing};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{Caller, Error, Listing, Result, Sort};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

/// What versions are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VersionSort {
    /// Their numbers, in the order in which they were written.
    #[default]
    Version,
}

impl Sort for VersionSort {
    const ITEMS: &'static str = "versions";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        "version"
    }
}

/// The versions of a note that are kept, the present one among them.
pub(crate) async fn list(
    caller: &Caller,
    id: &NoteId,
    listing: &Listing<VersionSort>,
) -> Result<Page<Version>> {
    access::reached(caller, id).await?;
    VERSIONS.find(json!({"note_id": id})).page(listing).await
}

/// One of them, and what it says.
pub(crate) async fn get(caller: &Caller, id: &NoteId, version: u64) -> Result<(Version, Text)> {
    access::reached(caller, id).await?;
    found(id, version).await
}

/// Writes what a note said before into it again, as a version of its own.
pub(crate) async fn restore(
    caller: &Caller,
    id: &NoteId,
    version: u64,
    wanted: &Preconditions,
) -> Result<(Note, Text)> {
    let note = access::present(caller, id).await?;
    wanted.require(note.version)?;
    let (version, text) = found(id, version).await?;
    writing::rewrite(caller, note, Draft::of(version, text), wanted).await
}

async fn found(id: &NoteId, version: u64) -> Result<(Version, Text)> {
    let found = VERSIONS.get(&version_id(id, version)).await?;
    let found = found.ok_or_else(|| Error::not_found("version"))?;
    let text = store::text_of(id, version).await?;
    Ok((found, text))
}
