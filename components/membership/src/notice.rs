//! What people are told, in the commit of what happened: the component `notifications` hears of it, and knows
//! who wants to be told what, when and how.

use sbd_sdk::documents::Transaction;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// Somebody is to be told something.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// Whoever is told.
    user: String,
    /// Two or more words, such as `family.invitation.received`: preferences are kept by kind.
    kind: Cow<'static, str>,
    title: String,
    /// Left out where there is none: a text is what the component takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    link: String,
    data: Value,
    /// Whether a mail is wished for; the user may decide otherwise.
    mail: bool,
    /// Of one of these a user is told once, however often it is said.
    unique: String,
}

// === impl Notice ===

impl Notice {
    /// A notice without a mail; `unique` is what it is about, and what of it.
    pub fn new(
        user: &str,
        kind: impl Into<Cow<'static, str>>,
        title: impl Into<String>,
        unique: impl Into<String>,
    ) -> Self {
        Self {
            user: user.to_owned(),
            kind: kind.into(),
            title: title.into(),
            body: None,
            link: String::new(),
            data: Value::Null,
            mail: false,
            unique: unique.into(),
        }
    }

    /// The same with what it is about, as programs read it.
    #[must_use]
    pub fn about(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// The same with more words.
    #[must_use]
    pub fn body(self, body: impl Into<String>) -> Self {
        Self {
            body: Some(body.into()),
            ..self
        }
    }

    /// The same with a page to go to.
    #[must_use]
    pub fn link(self, link: impl Into<String>) -> Self {
        Self {
            link: link.into(),
            ..self
        }
    }

    /// The same by mail as well.
    #[must_use]
    pub fn by_mail(self) -> Self {
        Self { mail: true, ..self }
    }

    /// Has a change tell of it.
    pub fn told_by(&self, change: Transaction) -> Transaction {
        change.publish("notification.requested", Some(&self.user), self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_not_said_is_left_out() {
        let notice = Notice::new("usr_1", "family.renamed", "Hello", "fam_1/renamed");
        let said = serde_json::to_value(&notice).unwrap();
        assert_eq!(said.get("body"), None);
        let said = serde_json::to_value(notice.body("More")).unwrap();
        assert_eq!(said.get("body"), Some(&Value::from("More")));
    }
}
