//! A note, its versions, and what they may be.

use crate::envelope::Envelope;
use crate::links;
use membership::text;
use sbd_sdk::text::key;
use sbd_sdk::time::Time;
use sbd_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

sbd_sdk::id!(pub(crate) NoteId, "not", "note");
sbd_sdk::id!(pub(crate) FamilyId, "fam", "family");
sbd_sdk::id!(pub(crate) WorkspaceId, "wsp", "workspace");

/// Longest title, in characters.
pub(crate) const LONGEST_TITLE: usize = 200;
/// Longest text, in characters.
pub(crate) const LONGEST_BODY: usize = 100_000;
/// Most tags of a note, and the longest, in characters.
pub(crate) const MOST_TAGS: usize = 20;
pub(crate) const LONGEST_TAG: usize = 50;
/// Most notes of a space, those in the trash among them.
pub(crate) const MOST_NOTES: u64 = 10_000;
/// Most versions of a note that are kept.
pub(crate) const MOST_VERSIONS: u32 = 50;
/// Most titles that a note had and is still found by.
const MOST_FORMER: usize = 20;
/// How much of the text a list shows, in characters.
const EXCERPT: usize = 200;

/// What is known of a note without its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    #[serde(rename = "_id")]
    pub(crate) id: NoteId,
    /// Where it lies: the id of its owner, or of a family or a workspace.
    pub(crate) space: String,
    /// Who wrote it first.
    pub(crate) owner: String,
    pub(crate) family_id: Option<FamilyId>,
    #[serde(default)]
    pub(crate) workspace_id: Option<WorkspaceId>,
    /// Empty where it is encrypted, as is all that follows from the content.
    pub(crate) title: String,
    pub(crate) title_key: String,
    /// Titles that it had, the last one first.
    pub(crate) former_keys: Vec<String>,
    pub(crate) tags: Vec<String>,
    /// What it links to: ids of notes, and keys of titles.
    pub(crate) links: Vec<String>,
    pub(crate) excerpt: String,
    pub(crate) encrypted: bool,
    pub(crate) pinned: bool,
    /// Goes up by one with every change.
    pub(crate) version: u64,
    /// The version in which the content is as it is.
    pub(crate) content_version: u64,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) updated_by: String,
    /// Since when it is in the trash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trashed_at: Option<Time>,
}

/// Whose members share a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Family(FamilyId),
    Workspace(WorkspaceId),
}

/// What is known of a version without its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `NOTE/VERSION`.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) note_id: NoteId,
    pub(crate) version: u64,
    pub(crate) title: String,
    pub(crate) tags: Vec<String>,
    pub(crate) encrypted: bool,
    pub(crate) at: Time,
    pub(crate) by: String,
}

/// The content of a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// `NOTE/VERSION`.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    pub(crate) note_id: NoteId,
    pub(crate) version: u64,
    #[serde(flatten)]
    pub(crate) text: Text,
}

/// What a note says, or what only its readers can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Text {
    Body(String),
    Encrypted(Envelope),
}

/// What somebody writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    title: String,
    tags: Vec<String>,
    pub(crate) text: Text,
}

// === impl Group ===

impl Group {
    /// The one that is named, if one is.
    pub(crate) fn named(
        family_id: Option<FamilyId>,
        workspace_id: Option<WorkspaceId>,
    ) -> Result<Option<Self>> {
        match (family_id, workspace_id) {
            (Some(_), Some(_)) => Err(Error::validation(
                "workspace_id",
                "a family or a workspace, not both",
            )),
            (family, workspace) => Ok(family
                .map(Self::Family)
                .or_else(|| workspace.map(Self::Workspace))),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Family(id) => id.as_str(),
            Self::Workspace(id) => id.as_str(),
        }
    }

    /// What it is called where it is not there.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Family(_) => "family",
            Self::Workspace(_) => "workspace",
        }
    }
}

// === impl Note ===

impl Note {
    /// A note that is written now.
    pub(crate) fn new(owner: &str, group: Option<Group>, draft: &Draft, now: Time) -> Self {
        let space = group.as_ref().map_or(owner, Group::as_str).to_owned();
        let (family_id, workspace_id) = match group {
            Some(Group::Family(id)) => (Some(id), None),
            Some(Group::Workspace(id)) => (None, Some(id)),
            None => (None, None),
        };
        let mut note = Self {
            id: NoteId::new(),
            space,
            owner: owner.to_owned(),
            family_id,
            workspace_id,
            title: String::new(),
            title_key: String::new(),
            former_keys: Vec::new(),
            tags: Vec::new(),
            links: Vec::new(),
            excerpt: String::new(),
            encrypted: false,
            pinned: false,
            version: 0,
            content_version: 0,
            created_at: now,
            updated_at: now,
            updated_by: owner.to_owned(),
            trashed_at: None,
        };
        note.write(draft, owner, now);
        note
    }

    /// In whose space it lies; nobody's but its owner's where there is none.
    pub(crate) fn group(&self) -> Option<Group> {
        let family = self.family_id.clone().map(Group::Family);
        family.or_else(|| self.workspace_id.clone().map(Group::Workspace))
    }

    /// Somebody writes another content.
    pub(crate) fn write(&mut self, draft: &Draft, by: &str, now: Time) {
        self.version += 1;
        self.content_version = self.version;
        self.updated_at = now;
        self.updated_by = by.to_owned();
        self.encrypted = matches!(draft.text, Text::Encrypted(_));
        self.title.clone_from(&draft.title);
        self.tags.clone_from(&draft.tags);
        let (links, excerpt) = match &draft.text {
            Text::Body(body) => (links::keys(body), excerpt(body)),
            Text::Encrypted(_) => (Vec::new(), String::new()),
        };
        (self.links, self.excerpt) = (links, excerpt);
        let before = std::mem::replace(&mut self.title_key, key(&draft.title));
        if self.encrypted {
            self.former_keys.clear();
        } else if before != self.title_key {
            self.former_keys.retain(|key| *key != self.title_key);
            if !before.is_empty() {
                self.former_keys.insert(0, before);
            }
            self.former_keys.truncate(MOST_FORMER);
        }
    }

    /// Whether others may learn of what is in it.
    pub(crate) fn is_readable(&self) -> bool {
        !self.encrypted && self.trashed_at.is_none()
    }

    /// The version that its content is, and that content.
    pub(crate) fn version_of(&self, text: Text) -> (Version, Stored) {
        let id = version_id(&self.id, self.content_version);
        let version = Version {
            id: id.clone(),
            note_id: self.id.clone(),
            version: self.content_version,
            title: self.title.clone(),
            tags: self.tags.clone(),
            encrypted: self.encrypted,
            at: self.updated_at,
            by: self.updated_by.clone(),
        };
        let stored = Stored {
            id,
            note_id: self.id.clone(),
            version: self.content_version,
            text,
        };
        (version, stored)
    }
}

/// The id of a version.
pub(crate) fn version_id(note: &NoteId, version: u64) -> String {
    format!("{note}/{version}")
}

// === impl Draft ===

impl Draft {
    /// What somebody writes for all readers to see, if it may be so.
    pub(crate) fn check(title: &str, body: &str, tags: &[String]) -> Result<Self> {
        Ok(Self {
            title: text::some_line("title", title, LONGEST_TITLE)?,
            tags: checked_tags(tags)?,
            text: Text::Body(checked_body(body)?),
        })
    }

    /// What somebody has encrypted.
    pub(crate) fn encrypted(envelope: Envelope) -> Result<Self> {
        envelope.check()?;
        Ok(Self {
            title: String::new(),
            tags: Vec::new(),
            text: Text::Encrypted(envelope),
        })
    }

    /// What a version was.
    pub(crate) fn of(version: Version, text: Text) -> Self {
        Self {
            title: version.title,
            tags: version.tags,
            text,
        }
    }

    /// Whether a note says this already. What is encrypted is never the same twice.
    pub(crate) fn is_of(&self, note: &Note, text: &Text) -> bool {
        self.title == note.title && self.tags == note.tags && self.text == *text
    }
}

fn checked_body(body: &str) -> Result<String> {
    let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if body.chars().count() > LONGEST_BODY || body.contains(is_odd) {
        let message = format!(
            "at most {LONGEST_BODY} characters, and of control characters only tabs and the ends of lines"
        );
        return Err(Error::validation("body", message));
    }
    if links::keys(body).len() > links::MOST {
        let message = format!("links to at most {} others; split the note", links::MOST);
        return Err(Error::validation("body", message));
    }
    Ok(body.to_owned())
}

/// Tags in the form in which they are compared, in order, each once.
fn checked_tags(tags: &[String]) -> Result<Vec<String>> {
    if tags.len() > MOST_TAGS {
        let message = format!("at most {MOST_TAGS} tags");
        return Err(Error::validation("tags", message));
    }
    let tags = tags.iter().enumerate().map(|(place, tag)| {
        let tag = text::some_line(&format!("tags[{place}]"), tag, LONGEST_TAG)?;
        Ok(key(&tag))
    });
    let tags: BTreeSet<_> = tags.collect::<Result<_>>()?;
    Ok(tags.into_iter().collect())
}

/// The beginning of a text, in one line.
fn excerpt(body: &str) -> String {
    let mut line = String::new();
    for word in body.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // A character has four bytes at most.
        if line.len() > EXCERPT * 4 {
            break;
        }
    }
    line.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use sbd_sdk::time::now;

    fn draft(title: &str, body: &str) -> Draft {
        Draft::check(title, body, &[]).unwrap()
    }

    #[test]
    fn a_renamed_note_is_known_by_its_former_titles() {
        let mut note = Note::new("usr_1", None, &draft("One", ""), now());
        note.write(&draft("Two", ""), "usr_1", now());
        note.write(&draft("two ", ""), "usr_1", now());
        assert_eq!(note.former_keys, ["one"]);
        note.write(&draft("One", ""), "usr_1", now());
        assert_eq!(note.former_keys, ["two"]);
        for number in 0..30 {
            note.write(&draft(&number.to_string(), ""), "usr_1", now());
        }
        assert_eq!(note.former_keys.len(), MOST_FORMER);
        assert_eq!(note.former_keys.first().unwrap(), "28");
    }

    #[test]
    fn of_what_is_encrypted_nothing_is_known() {
        let clear = Draft::check("Title", "[[Other]] text", &["tag".to_owned()]).unwrap();
        let mut note = Note::new("usr_1", None, &clear, now());
        note.write(&draft("Another", ""), "usr_1", now());
        let sealed = Draft::encrypted(crate::envelope::sample()).unwrap();
        note.write(&sealed, "usr_1", now());
        let known = serde_json::to_string(&note).unwrap();
        for word in [
            "Title",
            "title\":\"t",
            "other",
            "text",
            "tag\"",
            "Another",
            "another",
        ] {
            assert!(!known.contains(word), "{word} in {known}");
        }
        assert!(note.encrypted && note.version == 3);
    }

    #[test]
    fn tags_are_compared_without_regard_to_case() {
        let tags = ["Work", " work ", "Ä", "a b"].map(str::to_owned);
        assert_eq!(checked_tags(&tags).unwrap(), ["a b", "work", "ä"]);
        assert!(checked_tags(&vec!["a".to_owned(); 21]).is_err());
        for wrong in ["", " ", "a\nb", &"x".repeat(51)] {
            assert!(checked_tags(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_text_has_bounds() {
        assert!(checked_body(&"ä".repeat(LONGEST_BODY)).is_ok());
        assert!(checked_body("a\tb\r\nc").is_ok());
        assert!(checked_body(&"a".repeat(LONGEST_BODY + 1)).is_err());
        assert!(checked_body("a\0b").is_err() && checked_body("\u{1b}[0m").is_err());
        let links = |most: usize| (0..most).map(|n| format!("[[{n}]]")).collect::<String>();
        assert!(checked_body(&links(links::MOST)).is_ok());
        assert!(checked_body(&links(links::MOST + 1)).is_err());
        assert_eq!(excerpt("# One\n\n  two\tthree "), "# One two three");
        assert_eq!(excerpt(&"ä ".repeat(5000)).chars().count(), EXCERPT);
    }
}
