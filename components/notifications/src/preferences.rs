//! What a user wants to be told, and where.

use crate::digest;
use crate::model::is_kind;
use crate::quiet_hours::QuietHours;
use crate::store::{self, PREFERENCES};
use crate::zone::{Zone, clock};
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Detail, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Kinds that one user may decide about.
const MAX_KINDS: usize = 200;

/// When a mail goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mailed {
    /// Always.
    Always,
    /// Where whoever tells it finds it worth a mail.
    #[default]
    Asked,
    /// Never.
    Never,
}

/// Where the user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Channels {
    /// In the inbox.
    pub(crate) inbox: bool,
    /// At once, where the user is connected.
    pub(crate) push: bool,
    /// By mail: `always`, where it is `asked` for, or `never`.
    #[schema(inline)]
    pub(crate) mail: Mailed,
}

/// Where the user is told what is of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfKind {
    /// What it is about.
    #[schema(example = "family.renamed", max_length = 100)]
    pub(crate) kind: String,
    /// In the inbox.
    #[serde(default = "yes")]
    pub(crate) inbox: bool,
    /// At once, where the user is connected.
    #[serde(default = "yes")]
    pub(crate) push: bool,
    /// By mail: `always`, where it is `asked` for, or `never`.
    #[serde(default)]
    #[schema(inline)]
    pub(crate) mail: Mailed,
}

fn yes() -> bool {
    true
}

/// How often a mail tells what is unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Digest {
    /// Never.
    #[default]
    Off,
    /// Every day.
    Daily,
    /// Every Monday.
    Weekly,
}

/// What a user wants to be told, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = NotificationPreferences)]
pub(crate) struct Wishes {
    /// Where the user is told what is of no kind below.
    #[schema(inline)]
    pub(crate) usual: Channels,
    /// Where the user is told what is of these kinds; at most 200, each once.
    #[schema(inline)]
    pub(crate) kinds: Vec<OfKind>,
    /// When the user hears nothing.
    #[schema(inline)]
    pub(crate) quiet_hours: Option<QuietHours>,
    /// Where the user's clock is, by its IANA name.
    #[schema(example = "Europe/Berlin")]
    pub(crate) time_zone: String,
    /// The language of mails, like `de` or `pt-BR`: the nearest there is.
    #[schema(example = "en", max_length = 35)]
    pub(crate) language: String,
    /// How often a mail tells what is unread: `off`, `daily` or `weekly`.
    #[schema(inline)]
    pub(crate) digest: Digest,
    /// At what time of day.
    #[schema(example = "08:00", min_length = 5, max_length = 5)]
    pub(crate) digest_at: String,
}

/// The same, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Preferences {
    #[serde(rename = "_id")]
    pub(crate) user_id: String,
    pub(crate) wishes: Wishes,
    /// There if the user wants digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) has_digest: Option<bool>,
    /// When the last one that was sent was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digested: Option<Time>,
}

/// Replaces what the caller wants.
pub(crate) async fn replace(caller: &Caller, wishes: Wishes) -> Result<Wishes> {
    wishes.check()?;
    let before = store::preferences(&caller.user).await?;
    let preferences = Preferences {
        has_digest: (wishes.digest != Digest::Off).then_some(true),
        wishes,
        ..before
    };
    let replacement = serde_json::to_value(&preferences).map_err(Error::internal)?;
    PREFERENCES
        .upsert(json!({"_id": preferences.user_id}), replacement)
        .await?;
    digest::begin(&preferences).await?;
    Ok(preferences.wishes)
}

// === impl Channels ===

impl Default for Channels {
    fn default() -> Self {
        Self {
            inbox: true,
            push: true,
            mail: Mailed::Asked,
        }
    }
}

// === impl Wishes ===

impl Wishes {
    fn check(&self) -> Result<()> {
        let quiet = self.quiet_hours.as_ref();
        let language = self.language.bytes();
        let mut language = language.filter(|b| !b.is_ascii_alphanumeric() && *b != b'-');
        let wrong = [
            (
                "kinds",
                !self.kinds_are_right(),
                "at most 200, each once, and each two or more words with dots between them, like `family.renamed`",
            ),
            (
                "quiet_hours.from",
                quiet.is_some_and(|hours| clock(&hours.from).is_none()),
                "a time of day, like `22:00`",
            ),
            (
                "quiet_hours.to",
                quiet.is_some_and(|hours| clock(&hours.to).is_none() || hours.to == hours.from),
                "another time of day, like `07:00`",
            ),
            (
                "time_zone",
                Zone::named(&self.time_zone).is_none(),
                "the IANA name of a time zone, like `Europe/Berlin`",
            ),
            (
                "language",
                self.language.len() > 35 || language.next().is_some(),
                "a language, like `en` or `pt-BR`",
            ),
            (
                "digest_at",
                clock(&self.digest_at).is_none(),
                "a time of day, like `08:00`",
            ),
        ];
        let wrong: Vec<_> = wrong
            .into_iter()
            .filter(|(_, is_wrong, _)| *is_wrong)
            .map(|(field, _, message)| Detail {
                field: field.to_owned(),
                message: message.to_owned(),
            })
            .collect();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::validation_all(wrong)),
        }
    }

    fn kinds_are_right(&self) -> bool {
        let kinds = self.kinds.iter().map(|of| of.kind.as_str());
        let different: BTreeSet<_> = kinds.collect();
        self.kinds.len() <= MAX_KINDS
            && different.len() == self.kinds.len()
            && different.into_iter().all(is_kind)
    }
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            usual: Channels::default(),
            kinds: Vec::new(),
            quiet_hours: None,
            time_zone: "UTC".to_owned(),
            language: "en".to_owned(),
            digest: Digest::Off,
            digest_at: "08:00".to_owned(),
        }
    }
}

// === impl Preferences ===

impl Preferences {
    /// What a user prefers who never said.
    pub(crate) fn usual(user_id: &str) -> Self {
        Self {
            user_id: user_id.to_owned(),
            wishes: Wishes::default(),
            has_digest: None,
            digested: None,
        }
    }

    /// Where the user is told what is of a kind.
    pub(crate) fn channels(&self, kind: &str) -> Channels {
        let decided = self.wishes.kinds.iter().find(|of| of.kind == kind);
        decided.map_or(self.wishes.usual, |of| Channels {
            inbox: of.inbox,
            push: of.push,
            mail: of.mail,
        })
    }

    /// Until when the user hears nothing, if that is so now.
    pub(crate) fn quiet_until(&self, now: Time) -> Option<Time> {
        let hours = self.wishes.quiet_hours.as_ref()?;
        hours.end(&Zone::known(&self.wishes.time_zone), now)
    }
}

// === impl Mailed ===

impl Mailed {
    /// Whether a mail goes out about what is found worth one, or not.
    pub(crate) fn goes(self, asked: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Asked => asked,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::app;

    const ADDRESS: &str = "/api/v1/notifications/preferences";

    #[test]
    fn they_are_the_usual_until_somebody_says_otherwise() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let usual = ada.get(ADDRESS).assert_status(200);
        assert_eq!(
            usual["usual"],
            json!({"inbox": true, "push": true, "mail": "asked"})
        );
        assert_eq!(
            (&usual["digest"], &usual["time_zone"]),
            (&json!("off"), &json!("UTC"))
        );
        let wanted = json!({
            "kinds": [{"kind": "family.renamed", "mail": "never"}],
            "quiet_hours": {"from": "22:00", "to": "07:00"},
            "time_zone": "Europe/Berlin",
        });
        let replaced = ada.put(ADDRESS, wanted).assert_status(200);
        let kind = json!({"kind": "family.renamed", "inbox": true, "push": true, "mail": "never"});
        assert_eq!(replaced["kinds"], json!([kind]));
        assert_eq!(ada.get(ADDRESS).assert_status(200).body(), replaced.body());
        assert_eq!(app.signed_in("usr_2").get(ADDRESS).body(), usual.body());
        app.anonymous()
            .get(ADDRESS)
            .assert_refused(401, "UNAUTHENTICATED");
    }

    #[test]
    fn what_cannot_be_is_named() {
        let app = app();
        let ada = app.signed_in("usr_1");
        for (field, value) in [
            ("time_zone", json!("Europe/Atlantis")),
            ("quiet_hours.to", json!({"from": "22:00", "to": "22:00"})),
            ("quiet_hours.from", json!({"from": "22", "to": "07:00"})),
            ("digest_at", json!("25:00")),
            ("language", json!("en\r\n")),
            ("kinds", json!([{"kind": "family"}])),
            ("kinds", json!([{"kind": "a.b"}, {"kind": "a.b"}])),
        ] {
            let name = field.split('.').next().unwrap();
            let refused = ada.put(ADDRESS, json!({name: value}));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
        let unknown = ada.put(ADDRESS, json!({"quiet": true}));
        unknown.assert_refused(422, "VALIDATION_ERROR");
    }

    #[test]
    fn a_kind_decides_before_the_usual() {
        let mut preferences = Preferences::usual("usr_1");
        let never = Channels {
            push: false,
            mail: Mailed::Never,
            ..Channels::default()
        };
        preferences.wishes.kinds.push(OfKind {
            kind: "family.renamed".to_owned(),
            inbox: true,
            push: false,
            mail: Mailed::Never,
        });
        assert_eq!(preferences.channels("family.renamed"), never);
        assert_eq!(preferences.channels("family.deleted"), Channels::default());
        for (mailed, asked, goes) in [
            (Mailed::Always, false, true),
            (Mailed::Asked, true, true),
            (Mailed::Asked, false, false),
            (Mailed::Never, true, false),
        ] {
            assert_eq!(mailed.goes(asked), goes);
        }
    }
}
