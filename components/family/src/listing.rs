//! The families of a user, and the members of a family, in pages.

use crate::model::{Family, Membership, Role, name_key};
use crate::store::{FAMILIES, MEMBERSHIPS};
use sbd_sdk::paging::{Order, Page, Paging};
use sbd_sdk::{Caller, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use utoipa::ToSchema;

/// What the list of families is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FamilySort {
    /// When they were created.
    #[default]
    CreatedAt,
    /// Their names, ignoring case.
    Name,
}

/// What the list of members is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberSort {
    /// When they joined.
    #[default]
    JoinedAt,
    /// Their names.
    Username,
}

/// A page of the families the caller belongs to; with `prefix` only those whose name begins so.
pub(crate) async fn families(
    caller: &Caller,
    paging: Paging,
    sort: (FamilySort, Order),
    prefix: Option<&str>,
) -> Result<Page<(Family, Membership)>> {
    let found = MEMBERSHIPS
        .find(of_user(&caller.user, prefix))
        .sort(order(sort.0.field(), sort.1))
        .skip(paging.skip())
        .limit(paging.limit())
        .fetch_with_total()
        .await?;
    let ids: Vec<_> = found
        .documents
        .iter()
        .map(|membership| &membership.family_id)
        .collect();
    let families = FAMILIES
        .find(json!({"_id": {"$in": ids}}))
        .limit(paging.limit())
        .fetch()
        .await?;
    Ok(paging.page(joined(found.documents, families.documents), found.total))
}

/// A page of a family's members; with `role` only those who have it.
pub(crate) async fn members(
    family_id: &str,
    paging: Paging,
    sort: (MemberSort, Order),
    role: Option<Role>,
) -> Result<Page<Membership>> {
    let filter = match role {
        Some(role) => json!({"family_id": family_id, "role": role}),
        None => json!({"family_id": family_id}),
    };
    let found = MEMBERSHIPS
        .find(filter)
        .sort(order(sort.0.field(), sort.1))
        .skip(paging.skip())
        .limit(paging.limit())
        .fetch_with_total()
        .await?;
    Ok(paging.page(found.documents, found.total))
}

impl FamilySort {
    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "family_created_at",
            Self::Name => "family_name_key",
        }
    }
}

impl MemberSort {
    fn field(self) -> &'static str {
        match self {
            Self::JoinedAt => "joined_at",
            Self::Username => "username",
        }
    }
}

fn order(field: &str, order: Order) -> Value {
    let mut sort = Map::new();
    sort.insert(field.to_owned(), order.sign().into());
    Value::Object(sort)
}

/// Texts with a prefix are those from the prefix itself up to the prefix and the last character
/// there is: a range, which an index can serve.
fn of_user(user_id: &str, prefix: Option<&str>) -> Value {
    match prefix.map(name_key).filter(|prefix| !prefix.is_empty()) {
        None => json!({"user_id": user_id}),
        Some(prefix) => {
            let end = format!("{prefix}{}", char::MAX);
            json!({"user_id": user_id, "family_name_key": {"$gte": prefix, "$lt": end}})
        }
    }
}

/// Brings families into the order of the memberships. One deleted in between is left out.
fn joined(memberships: Vec<Membership>, families: Vec<Family>) -> Vec<(Family, Membership)> {
    let mut families: HashMap<_, _> = families
        .into_iter()
        .map(|family| (family.id.clone(), family))
        .collect();
    let pair = |membership: Membership| Some((families.remove(&membership.family_id)?, membership));
    memberships.into_iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::model::{Draft, found, tests::caller};
    use sbd_sdk::time::Time;

    #[test]
    fn a_prefix_is_a_range_that_ignores_case() {
        assert_eq!(of_user("usr_1", None), json!({"user_id": "usr_1"}));
        assert_eq!(of_user("usr_1", Some("  ")), json!({"user_id": "usr_1"}));
        let filter = of_user("usr_1", Some("Lo"));
        let (from, to) = (
            &filter["family_name_key"]["$gte"],
            &filter["family_name_key"]["$lt"],
        );
        for (name, inside) in [
            ("lo", true),
            ("lovelace", true),
            ("lo\u{10FFFE}", true),
            ("lp", false),
            ("l", false),
        ] {
            assert_eq!(
                from.as_str().unwrap() <= name && name < to.as_str().unwrap(),
                inside,
                "{name}"
            );
        }
    }

    #[test]
    fn the_order_is_that_of_the_memberships() {
        let made = |name| {
            found(
                Draft::check(name, None).unwrap(),
                &caller("usr_1"),
                Time::from_seconds(1),
            )
        };
        let (pairs, names) = (["A", "B", "C"].map(made), ["C", "A"]);
        let memberships =
            [&pairs[2], &pairs[1], &pairs[0]].map(|(_, membership)| membership.clone());
        let families = [&pairs[0], &pairs[2]].map(|(family, _)| family.clone());
        let joined = joined(memberships.to_vec(), families.to_vec());
        assert_eq!(
            joined
                .iter()
                .map(|(family, _)| family.name.as_str())
                .collect::<Vec<_>>(),
            names
        );
    }

    #[test]
    fn sorting_names_stored_fields() {
        assert_eq!(
            order(FamilySort::Name.field(), Order::Desc),
            json!({"family_name_key": -1})
        );
        assert_eq!(
            order(MemberSort::JoinedAt.field(), Order::Asc),
            json!({"joined_at": 1})
        );
    }
}
