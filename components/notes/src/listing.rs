//! Which notes there are, by space, tag and title, and what links to what.

use crate::access;
use crate::groups::May;
use crate::links::{target_key, targets};
use crate::model::{FamilyId, Group, LONGEST_TAG, LONGEST_TITLE, Note, NoteId, Text, WorkspaceId};
use crate::store::NOTES;
use membership::text;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::text::key;
use sbd_sdk::{Caller, Listing, Result, Sort};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

/// Most tags of a space that are told.
const MOST_TAGS: u32 = 1000;
/// Most notes that are looked at to find what has a title: twice what one links to.
const LOOKED_AT: u32 = 400;

/// What notes are sorted by. Those that are pinned come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoteSort {
    /// When they were last written.
    #[default]
    UpdatedAt,
    /// When they were first written.
    CreatedAt,
    /// Their titles.
    Title,
}

/// Where notes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NoteState {
    /// Where they can be written.
    #[default]
    Present,
    /// In the trash.
    Trash,
}

/// Which notes to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NoteFilter {
    /// Those of this family instead of the caller's own.
    #[param(inline)]
    family_id: Option<FamilyId>,
    /// Those of this workspace instead of the caller's own.
    #[param(inline)]
    workspace_id: Option<WorkspaceId>,
    /// Only those in the trash; without it, only those that are not.
    #[serde(default)]
    #[param(inline)]
    state: NoteState,
    /// Only those with this tag.
    #[param(min_length = 1, max_length = 50)]
    tag: Option<String>,
    /// Only those whose titles begin so.
    #[param(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Only those that are pinned, or those that are not.
    pinned: Option<bool>,
    /// Only those that are encrypted, or those that are not.
    encrypted: Option<bool>,
}

/// Whose tags.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TagFilter {
    /// Those of this family instead of the caller's own.
    #[param(inline)]
    family_id: Option<FamilyId>,
    /// Those of this workspace instead of the caller's own.
    #[param(inline)]
    workspace_id: Option<WorkspaceId>,
}

/// A tag.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct NoteTag {
    /// The tag.
    #[serde(rename(deserialize = "_id"))]
    tag: String,
    /// How many notes have it, those in the trash left out.
    notes: u64,
}

/// What became of the note that a link is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkState {
    /// It is there.
    Present,
    /// It is in the trash; restored, the link leads to it again.
    Trash,
    /// There is none; a note of that title would be it.
    Missing,
}

/// A link to another note.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteLink {
    /// As it is written: a title, or an id.
    target: String,
    /// The note that it leads to.
    #[schema(inline)]
    note_id: Option<NoteId>,
    /// What that is called now.
    title: Option<String>,
    #[schema(inline)]
    state: LinkState,
}

impl Sort for NoteSort {
    const ITEMS: &'static str = "notes";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::UpdatedAt => "updated_at",
            Self::CreatedAt => "created_at",
            Self::Title => "title_key",
        }
    }
}

/// A page of notes.
pub(crate) async fn list(
    caller: &Caller,
    listing: &Listing<NoteSort, NoteFilter>,
) -> Result<Page<Note>> {
    let asked = &listing.filter;
    let group = Group::named(asked.family_id.clone(), asked.workspace_id.clone())?;
    let space = access::space(caller, group.as_ref(), May::Read).await?;
    let mut filter = json!({"space": space, "trashed_at": in_state(asked.state)});
    if let Some(tag) = &asked.tag {
        filter["tags"] = key(&text::some_line("tag", tag, LONGEST_TAG)?).into();
    }
    if let Some(title) = &asked.title {
        let from = key(&text::some_line("title", title, LONGEST_TITLE)?);
        filter["title_key"] = json!({"$gte": from, "$lt": format!("{from}\u{10FFFF}")});
    }
    for (field, wanted) in [("pinned", asked.pinned), ("encrypted", asked.encrypted)] {
        if let Some(wanted) = wanted {
            filter[field] = wanted.into();
        }
    }
    let mut sort = json!({"pinned": -1});
    if let (Some(sort), Value::Object(by)) = (sort.as_object_mut(), listing.sort()) {
        sort.extend(by);
    }
    let paging = listing.paging();
    let found = NOTES.find(filter).sort(sort);
    let found = found.skip(paging.skip()).limit(paging.limit());
    let found = found.fetch_with_total().await?;
    Ok(paging.page(found.documents, found.total))
}

/// The tags of a space, those that most notes have first.
pub(crate) async fn tags(caller: &Caller, filter: &TagFilter) -> Result<Vec<NoteTag>> {
    let group = Group::named(filter.family_id.clone(), filter.workspace_id.clone())?;
    let space = access::space(caller, group.as_ref(), May::Read).await?;
    let pipeline = json!([
        {"$match": {"space": space, "trashed_at": in_state(NoteState::Present)}},
        {"$unwind": "$tags"},
        {"$group": {"_id": "$tags", "notes": {"$sum": 1}}},
        {"$sort": {"notes": -1, "_id": 1}},
        {"$limit": MOST_TAGS},
    ]);
    Ok(NOTES.aggregate(pipeline).await?)
}

/// A page of the notes that link to one.
pub(crate) async fn backlinks(
    caller: &Caller,
    id: &NoteId,
    listing: &Listing<NoteSort>,
) -> Result<Page<Note>> {
    let note = access::reached(caller, id).await?;
    let mut known = note.former_keys;
    known.extend([note.id.to_string(), note.title_key.clone()]);
    // A title that another note has now is that one's.
    let others = json!({
        "space": note.space, "trashed_at": in_state(NoteState::Present),
        "title_key": {"$in": known}, "_id": {"$ne": note.id},
    });
    let others = NOTES.find(others).limit(LOOKED_AT).fetch().await?.documents;
    known.retain(|key| {
        let other = others.iter().find(|other| other.title_key == *key);
        // Of two that have it now, the first that was written.
        other.is_none_or(|other| *key == note.title_key && note.id < other.id)
    });
    known.retain(|key| !key.is_empty());
    let linking = json!({
        "space": note.space, "trashed_at": in_state(NoteState::Present),
        "links": {"$in": known}, "_id": {"$ne": note.id},
    });
    NOTES.find(linking).page(listing).await
}

/// What a note links to, as it is now.
pub(crate) async fn links(note: &Note, text: &Text) -> Result<Vec<NoteLink>> {
    let Text::Body(body) = text else {
        return Ok(Vec::new());
    };
    let targets = targets(body);
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<_> = targets.iter().map(|target| target_key(target)).collect();
    let any = json!({"space": note.space, "$or": [
        {"_id": {"$in": keys}}, {"title_key": {"$in": keys}}, {"former_keys": {"$in": keys}},
    ]});
    let known = NOTES.find(any).limit(LOOKED_AT).fetch().await?.documents;
    let resolved = targets.into_iter().zip(keys);
    Ok(resolved
        .map(|(target, key)| NoteLink::resolved(target, &key, &known))
        .collect())
}

// === impl NoteLink ===

impl NoteLink {
    /// An id is that note's. A title is that of the note that has it, else of the one that had it last; one in
    /// the trash comes after all others.
    fn resolved(target: &str, key: &str, known: &[Note]) -> Self {
        let rank = |note: &Note| {
            let former = note.former_keys.iter().position(|former| former == key);
            let place = match (note.id.as_str() == key || note.title_key == key, former) {
                (true, _) => 0,
                (false, Some(place)) => 1 + place,
                (false, None) => return None,
            };
            Some((note.trashed_at.is_some(), place))
        };
        let ranked = known.iter().filter_map(|note| Some((rank(note)?, note)));
        let found = ranked.min_by(|(one, a), (other, b)| one.cmp(other).then(a.id.cmp(&b.id)));
        let state = match found {
            None => LinkState::Missing,
            Some(((false, _), _)) => LinkState::Present,
            Some(((true, _), _)) => LinkState::Trash,
        };
        let note = found.map(|(_, note)| note);
        Self {
            target: target.to_owned(),
            note_id: note.map(|note| note.id.clone()),
            title: note
                .map(|note| note.title.clone())
                .filter(|title| !title.is_empty()),
            state,
        }
    }
}

fn in_state(state: NoteState) -> Value {
    json!({"$exists": state == NoteState::Trash})
}
