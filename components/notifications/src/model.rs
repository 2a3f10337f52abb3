//! What somebody is told, and what its texts may be.

use crate::preferences::Preferences;
use sbd_sdk::time::Time;
use sbd_sdk::{Detail, Error, Result, id};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

id!(pub(crate) NotificationId, "ntf", "notification");

/// How long a notification is kept, read or not.
pub(crate) const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Characters in a title, a body and a link at most, and bytes in `data`.
const MAX_TITLE: usize = 200;
const MAX_BODY: usize = 4000;
const MAX_LINK: usize = 2000;
const MAX_DATA: usize = 16 * 1024;
/// Characters in a kind at most.
pub(crate) const MAX_KIND: usize = 100;
/// Bytes in what makes one unique at most.
const MAX_UNIQUE: usize = 200;

/// That somebody is to be told something: the data of `notification.requested`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requested {
    /// Who is told.
    pub(crate) user: String,
    /// What it is about.
    pub(crate) kind: String,
    /// One line.
    pub(crate) title: String,
    /// More of it.
    #[serde(default)]
    pub(crate) body: String,
    /// Where to go: a path of the application, or an address.
    #[serde(default)]
    pub(crate) link: Option<String>,
    /// For programs.
    #[serde(default)]
    pub(crate) data: Option<Value>,
    /// Whether it is worth a mail.
    #[serde(default)]
    pub(crate) mail: bool,
    /// Of one of these the user is told once.
    #[serde(default)]
    pub(crate) unique: Option<String>,
}

/// What somebody was told, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notification {
    #[serde(rename = "_id")]
    pub(crate) id: NotificationId,
    pub(crate) user_id: String,
    pub(crate) kind: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) link: Option<String>,
    pub(crate) data: Option<Value>,
    /// Whether it is in the inbox. If not, it is kept for those who deliver it alone.
    pub(crate) in_inbox: bool,
    /// Whether it is in the inbox and was not read.
    pub(crate) unread: bool,
    pub(crate) read_at: Option<Time>,
    /// The user and what makes it unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unique_key: Option<String>,
    /// When its mail was sent.
    #[serde(default)]
    pub(crate) mailed_at: Option<Time>,
    pub(crate) created_at: Time,
    pub(crate) expires_at: Time,
}

// === impl Requested ===

impl Requested {
    /// Refuses what nobody can be told.
    pub(crate) fn check(&self) -> Result<()> {
        let long = |text: &str, most: usize| text.chars().count() > most;
        let data = self.data.as_ref().map_or(0, |data| data.to_string().len());
        let link = self.link.as_deref();
        let unique = self.unique.as_deref();
        let wrong = [
            (
                "user",
                self.user.is_empty() || long(&self.user, 100),
                "a user's id".to_owned(),
            ),
            (
                "kind",
                !is_kind(&self.kind),
                "two or more words with dots between them, like `family.renamed`".to_owned(),
            ),
            (
                "title",
                self.title.trim().is_empty()
                    || long(&self.title, MAX_TITLE)
                    || self.title.chars().any(char::is_control),
                format!("one line of 1 to {MAX_TITLE} characters"),
            ),
            (
                "body",
                long(&self.body, MAX_BODY) || self.body.chars().any(is_odd),
                format!(
                    "at most {MAX_BODY} characters; line breaks and tabs are the only control characters"
                ),
            ),
            (
                "link",
                link.is_some_and(|link| !is_link(link)),
                format!(
                    "a path that begins with `/`, or an address that begins with `https://`, of at most {MAX_LINK} characters"
                ),
            ),
            ("data", data > MAX_DATA, format!("at most {MAX_DATA} bytes")),
            (
                "unique",
                unique.is_some_and(|unique| unique.is_empty() || unique.len() > MAX_UNIQUE),
                format!("1 to {MAX_UNIQUE} bytes"),
            ),
        ];
        let wrong: Vec<_> = wrong
            .into_iter()
            .filter(|(_, is_wrong, _)| *is_wrong)
            .map(|(field, _, message)| Detail {
                field: field.to_owned(),
                message,
            })
            .collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::validation_all(wrong)),
        }
    }
}

fn is_odd(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// Whether a text is a kind: two or more words of `a-z`, `0-9`, `_` and `-` with dots between them.
pub(crate) fn is_kind(text: &str) -> bool {
    let is_word = |word: &str| {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        !word.is_empty() && word.bytes().all(known)
    };
    text.len() <= MAX_KIND && text.contains('.') && text.split('.').all(is_word)
}

/// Whether a text leads somewhere, and runs nothing.
fn is_link(link: &str) -> bool {
    let is_path = link.starts_with('/') && !link.starts_with("//");
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    (is_path || link.starts_with("https://"))
        && link.chars().count() <= MAX_LINK
        && link.chars().all(plain)
}

// === impl Notification ===

impl Notification {
    /// What a user is told by a request, if any channel is open to it. It has the number of its event,
    /// so that one event is never two.
    pub(crate) fn of(
        requested: Requested,
        event_id: &str,
        preferences: &Preferences,
        now: Time,
    ) -> Result<Self> {
        let number = event_id.strip_prefix("evt_").unwrap_or(event_id);
        let id = format!("ntf_{number}").parse();
        let id = id.map_err(|_| Error::malformed(format!("`{event_id}` is no id of an event")))?;
        let in_inbox = preferences.channels(&requested.kind).inbox;
        let unique_key = requested
            .unique
            .map(|unique| format!("{}/{unique}", requested.user));
        Ok(Self {
            id,
            user_id: requested.user,
            kind: requested.kind,
            title: requested.title.trim().to_owned(),
            body: requested.body,
            link: requested.link,
            data: requested.data,
            in_inbox,
            unread: in_inbox,
            read_at: None,
            unique_key,
            mailed_at: None,
            created_at: now,
            expires_at: now + KEPT,
        })
    }

    /// Whether there is no use any more in telling it: it was read in the inbox.
    pub(crate) fn is_over(&self) -> bool {
        self.in_inbox && !self.unread
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    fn requested(change: Value) -> Requested {
        let mut data = json!({"user": "usr_1", "kind": "family.renamed", "title": "Hello"});
        let fields = change.as_object().unwrap();
        data.as_object_mut().unwrap().extend(fields.clone());
        serde_json::from_value(data).unwrap()
    }

    #[test]
    fn what_nobody_can_be_told_is_refused_by_its_field() {
        let long = "x".repeat(MAX_BODY + 1);
        for (field, value) in [
            ("user", json!("")),
            ("kind", json!("family")),
            ("kind", json!("family.Renamed")),
            ("kind", json!("family..renamed")),
            ("title", json!("  ")),
            ("title", json!("a\nb")),
            ("title", json!("x".repeat(MAX_TITLE + 1))),
            ("body", json!(long)),
            ("body", json!("a\u{7}")),
            ("link", json!("javascript:alert(1)")),
            ("link", json!("//evil.example")),
            ("link", json!("/\\evil.example")),
            ("link", json!("http://x.example")),
            ("data", json!({"x": "x".repeat(MAX_DATA)})),
            ("unique", json!("")),
        ] {
            let error = requested(json!({field: value})).check().unwrap_err();
            assert_eq!(error.details().first().unwrap().field, field, "{value}");
        }
        let right = json!({
            "body": "a\n\tb", "link": "/families/fam_1?x=1#y", "data": {"x": 1}, "unique": "x",
        });
        requested(right).check().unwrap();
        requested(json!({"link": "https://example.org/x"}))
            .check()
            .unwrap();
    }

    #[test]
    fn an_event_is_one_notification() {
        let now = Time::from_seconds(1);
        let preferences = Preferences::usual("usr_1");
        let event = format!("evt_{:032x}", 7);
        let made = Notification::of(requested(json!({"unique": "x"})), &event, &preferences, now);
        let made = made.unwrap();
        assert_eq!(made.id.as_str(), format!("ntf_{:032x}", 7));
        assert_eq!(made.unique_key.as_deref(), Some("usr_1/x"));
        assert!(made.in_inbox && made.unread && !made.is_over());
        let odd = Notification::of(requested(json!({})), "evt_1", &preferences, now);
        assert!(odd.is_err());
    }
}
