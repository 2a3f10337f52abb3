//! The families of a user, the members of a family and what they are to each other, in pages.

use crate::model::{Family, FamilyId, Membership, Role};
use crate::relationships::Relationship;
use crate::store::{FAMILIES, MEMBERSHIPS, RELATIONSHIPS};
use sbd_sdk::paging::Page;
use sbd_sdk::{ById, Caller, Listing, Result, Sort, text};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

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

/// Which families to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FamilyFilter {
    /// Only families whose name begins with this, ignoring case.
    #[param(max_length = 100)]
    name: Option<String>,
}

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberFilter {
    /// Only members with this role.
    #[param(inline)]
    role: Option<Role>,
}

/// Which relationships to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RelationshipFilter {
    /// Only those of this member.
    user: Option<String>,
}

/// A page of the families the caller belongs to.
pub(crate) async fn families(
    caller: &Caller,
    listing: &Listing<FamilySort, FamilyFilter>,
) -> Result<Page<(Family, Membership)>> {
    let filter = of_user(&caller.user, listing.filter.name.as_deref());
    let page = MEMBERSHIPS.find(filter).page(listing).await?;
    let memberships = page.items;
    let ids: Vec<_> = memberships
        .iter()
        .map(|membership| &membership.family_id)
        .collect();
    let families = FAMILIES
        .find(json!({"_id": {"$in": ids}}))
        .limit(listing.paging().limit())
        .fetch()
        .await?;
    let items = joined(memberships, families.documents);
    Ok(listing.paging().page(items, page.total))
}

/// A page of a family's members.
pub(crate) async fn members(
    family_id: &FamilyId,
    listing: &Listing<MemberSort, MemberFilter>,
) -> Result<Page<Membership>> {
    let filter = match listing.filter.role {
        Some(role) => json!({"family_id": family_id, "role": role}),
        None => json!({"family_id": family_id}),
    };
    MEMBERSHIPS.find(filter).page(listing).await
}

/// A page of what a family's members are to each other.
pub(crate) async fn relationships(
    family_id: &FamilyId,
    listing: &Listing<ById, RelationshipFilter>,
) -> Result<Page<Relationship>> {
    let filter = match &listing.filter.user {
        Some(user) => json!({"family_id": family_id, "users": user}),
        None => json!({"family_id": family_id}),
    };
    RELATIONSHIPS.find(filter).page(listing).await
}

impl Sort for FamilySort {
    const ITEMS: &'static str = "families";

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "family_created_at",
            Self::Name => "family_name_key",
        }
    }
}

impl Sort for MemberSort {
    const ITEMS: &'static str = "members";

    fn field(self) -> &'static str {
        match self {
            Self::JoinedAt => "joined_at",
            Self::Username => "username",
        }
    }
}

/// Texts with a prefix are those from the prefix itself up to the prefix and the last character
/// there is: a range, which an index can serve.
fn of_user(user_id: &str, prefix: Option<&str>) -> Value {
    match prefix.map(text::key).filter(|prefix| !prefix.is_empty()) {
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
    use crate::tests::{app, family};
    use sbd_sdk::testing::Reply;
    use sbd_sdk::time::Time;
    use std::time::Duration;

    fn names(page: &Reply) -> Vec<&str> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn families_come_in_pages_in_order_and_by_the_beginning_of_their_names() {
        let app = app();
        let (ada, bob) = (app.signed_in("usr_1"), app.signed_in("usr_2"));
        for name in ["Lovelace", "babbage", "Locke", "Ampère"] {
            family(&ada, name);
            app.advance(Duration::from_secs(1));
        }
        family(&bob, "Lobachevsky");
        let list = |query: &str| {
            ada.get(&format!("/api/v1/families?{query}"))
                .assert_status(200)
        };
        let all = list("");
        assert_eq!(names(&all), ["Lovelace", "babbage", "Locke", "Ampère"]);
        assert_eq!(
            (&all["page"], &all["per_page"], &all["pages"]),
            (&json!(1), &json!(20), &json!(1))
        );
        assert_eq!(
            names(&list("sort=name")),
            ["Ampère", "babbage", "Locke", "Lovelace"]
        );
        assert_eq!(
            names(&list("sort=name&order=desc&per_page=1&page=2")),
            ["Locke"]
        );
        let some = list("name=LO&per_page=1");
        assert_eq!(names(&some), ["Lovelace"]);
        assert_eq!((&some["total"], &some["pages"]), (&json!(2), &json!(2)));
        for typed in ["AMP%C3%88", "ampe%CC%80"] {
            assert_eq!(names(&list(&format!("name={typed}"))), ["Ampère"]);
        }
        assert!(names(&list("page=9")).is_empty());
        for (query, field) in [("page=0", "page"), ("sort=id", "sort"), ("nam=x", "nam")] {
            let refused = ada.get(&format!("/api/v1/families?{query}"));
            let refused = refused.assert_refused(422, "VALIDATION_ERROR");
            assert_eq!(refused["error"]["details"][0]["field"], field);
        }
    }

    #[test]
    fn members_come_by_their_roles() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let address = format!("/api/v1/families/{}/members", family(&ada, "A").text("id"));
        let all = ada.get(&address).assert_status(200);
        assert_eq!(all["items"][0]["user_id"], "usr_1");
        assert_eq!(all["items"][0]["role"], "admin");
        assert_eq!(ada.get(&format!("{address}?role=admin"))["total"], 1);
        assert_eq!(ada.get(&format!("{address}?role=member"))["total"], 0);
        let wrong = ada.get(&format!("{address}?role=owner"));
        wrong.assert_refused(422, "VALIDATION_ERROR");
    }

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
}
