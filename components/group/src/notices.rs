//! What members are told.

use crate::Group;
use crate::events::id_of;
use membership::notice::Notice;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// A notice without a mail, about a group; `unique` is what it is about, and what of it.
pub fn about<G: Group>(
    group: &G,
    user: &str,
    kind: impl Into<Cow<'static, str>>,
    title: impl Into<String>,
    unique: impl Into<String>,
) -> Notice {
    let data = Value::Object(Map::from_iter([(id_of::<G>(), json!(group))]));
    Notice::new(user, kind, title, unique)
        .about(data)
        .link(format!("/{}/{group}", G::PATH))
}
