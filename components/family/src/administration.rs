//! What a tenant's administrators see of families, and what they put right: how many and in which state, never what
//! families are called, who is in them, or what they say. Every repair has a reason, and is told as an event.

use crate::commit::{busy, committed, tries};
use crate::events::Happened;
use crate::members;
use crate::model::{Family, FamilyId, Membership, Role};
use crate::store::{FAMILIES, INVITATIONS, MEMBERSHIPS, PAYMENTS, RELATIONSHIPS, REQUESTS};
use group::support;
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::{Order, Page};
use sbd_sdk::{By, Error, Listing, Result, Sort, time};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// How many administrators are told of an appointment at most.
const TOLD: u32 = 20;

/// What the list of families is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SupportSort {
    /// When they were created.
    #[default]
    CreatedAt,
    /// How many members they have.
    MemberCount,
}

/// Which families to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SupportFilter {
    /// Only those that count against this user's limit.
    #[param(max_length = 64, example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    owner: Option<String>,
    /// Only those that are being deleted, or that are not.
    closing: Option<bool>,
}

/// In which state a family is.
pub(crate) struct Health {
    pub(crate) family: Family,
    /// How many there are, whatever the family says.
    pub(crate) members: u64,
    pub(crate) admins: u64,
    pub(crate) minors: u64,
    pub(crate) pending_invitations: u64,
    pub(crate) relationships: u64,
    pub(crate) pending_requests: u64,
    pub(crate) open_payments: u64,
}

impl Sort for SupportSort {
    const ITEMS: &'static str = "families";
    const ORDER: Order = Order::Desc;

    fn field(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::MemberCount => "member_count",
        }
    }
}

/// A page of all families.
pub(crate) async fn families(
    listing: &Listing<SupportSort, SupportFilter>,
) -> Result<Page<Family>> {
    let SupportFilter { owner, closing } = &listing.filter;
    let query = support::query(owner.as_deref(), *closing)?;
    FAMILIES.find(query).page(listing).await
}

/// The state of a family.
pub(crate) async fn health(family_id: &FamilyId) -> Result<Health> {
    let family = FAMILIES.get(family_id.as_str()).await?;
    let family = family.ok_or_else(|| Error::not_found("family"))?;
    let of = json!({"family_id": family_id});
    let minors = json!({"family_id": family_id, "minor": true});
    let invited = json!({
        "family_id": family_id, "state": "pending", "expires_at": {"$gt": time::now()},
    });
    let asked = json!({"group": family_id, "state": "pending"});
    let paying = json!({"group": family_id, "state": {"$nin": ["paid", "undone"]}});
    Ok(Health {
        members: MEMBERSHIPS.count(of.clone()).await?,
        admins: MEMBERSHIPS.count(admins(family_id)).await?,
        minors: MEMBERSHIPS.count(minors).await?,
        pending_invitations: INVITATIONS.count(invited).await?,
        relationships: RELATIONSHIPS.count(of).await?,
        pending_requests: REQUESTS.count(asked).await?,
        open_payments: PAYMENTS.count(paying).await?,
        family,
    })
}

/// Counts a family's members anew.
pub(crate) async fn recount(family_id: &FamilyId, by: &By, reason: &str) -> Result<Health> {
    let reason = support::reason(reason)?;
    for _ in tries() {
        let found = health(family_id).await?;
        let counts = (found.family.member_count, found.family.admin_count);
        if counts == (found.members, found.admins) {
            return Ok(found);
        }
        let change = Transaction::new()
            .check(&MEMBERSHIPS, json!({"family_id": family_id}), found.members)
            .check(&MEMBERSHIPS, admins(family_id), found.admins)
            .update_one(
                &FAMILIES,
                json!({"_id": family_id, "version": found.family.version}),
                json!({
                    "$set": {
                        "member_count": found.members, "admin_count": found.admins,
                        "updated_at": time::now(),
                    },
                    "$inc": {"version": 1},
                }),
            );
        let repaired = Happened::Repaired {
            family_id,
            repaired_by: support::who(by),
            what: "counts",
            reason: &reason,
        };
        if committed(repaired.told_by(change).commit().await)? {
            return health(family_id).await;
        }
    }
    Err(busy())
}

/// Makes a member an administrator, where none acts. All administrators there are learn of it.
pub(crate) async fn appoint(
    family_id: &FamilyId,
    by: &By,
    user: &str,
    reason: &str,
) -> Result<Health> {
    let reason = support::reason(reason)?;
    for _ in tries() {
        let found = health(family_id).await?;
        let member = crate::store::member(family_id, user).await?;
        if member.role == Role::Admin {
            return Ok(found);
        }
        if member.minor {
            return Err(membership::roles::Refusal::Minor.into());
        }
        let change = members::promote(Transaction::new(), family_id, user, support::who(by));
        let repaired = Happened::Repaired {
            family_id,
            repaired_by: support::who(by),
            what: "administrator",
            reason: &reason,
        };
        let change = repaired.told_by(change);
        let others = MEMBERSHIPS.find(admins(family_id)).limit(TOLD);
        let others: Vec<Membership> = others.fetch().await?.documents;
        let told = others.iter().chain([&member]);
        let told = told.map(|member| member.user_id.to_string()).collect();
        let title = format!(
            "Support has made {} an administrator of {}",
            member.username, found.family.name
        );
        let (kind, about) = ("family.member.appointed", (found.family.version, &*reason));
        let change = support::told(change, family_id, told, kind, &title, about);
        if committed(change.commit().await)? {
            return health(family_id).await;
        }
    }
    Err(busy())
}

fn admins(family_id: &FamilyId) -> serde_json::Value {
    json!({"family_id": family_id, "role": "admin"})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::tests::{app, family_with};
    use sbd_sdk::testing::{App, Client};
    use sbd_sdk::{Principal, Scopes};

    const ADMINISTRATION: &str = "/api/v1/families/administration";

    fn root(app: &App) -> Client<'_> {
        let scopes = Scopes::everything().with_administration();
        app.by(Principal::user("test", "usr_root").with_scopes(scopes))
    }

    #[test]
    fn support_sees_states_and_no_contents() {
        let app = app();
        let family = family_with(&app, &["usr_2", "usr_3"]);
        family_with(&app, &[]);
        let page = root(&app).get(&format!("{ADMINISTRATION}/families?sort=member_count"));
        let page = page.assert_status(200);
        assert_eq!(
            (&page["total"], &page["items"][0]["member_count"]),
            (&json!(2), &json!(3))
        );
        let one = root(&app).get(&format!("{ADMINISTRATION}/families/{family}"));
        let one = one.assert_status(200);
        assert_eq!(
            (&one["members"], &one["admins"], &one["minors"]),
            (&json!(3), &json!(1), &json!(0))
        );
        for shown in [page.body(), one.body()] {
            let shown = shown.to_string();
            assert!(
                !shown.contains("name") && !shown.contains("usr_2"),
                "{shown}"
            );
        }
        let of = |query: &str| root(&app).get(&format!("{ADMINISTRATION}/families?{query}"));
        assert_eq!(of("owner=usr_1")["total"], 2);
        assert_eq!(of("owner=usr_2")["total"], 0);
        assert_eq!(of("closing=true")["total"], 0);
        of("name=a").assert_refused(422, "VALIDATION_ERROR");
        let none = root(&app).get(&format!("{ADMINISTRATION}/families/fam_x"));
        none.assert_refused(404, "NOT_FOUND");
    }

    #[test]
    fn what_is_put_right_has_a_reason_and_is_told() {
        let app = app();
        let family = family_with(&app, &["usr_2"]);
        let drifted = json!({"$set": {"member_count": 7, "admin_count": 0}});
        app.run(FAMILIES.update_one(json!({"_id": family}), drifted))
            .unwrap();
        let address = format!("{ADMINISTRATION}/families/{family}");
        for reason in ["", " ", "a\nb", &"x".repeat(501)] {
            let body = json!({"reason": reason});
            root(&app)
                .post(&format!("{address}/recount"), body)
                .assert_refused(422, "VALIDATION_ERROR");
            let body = json!({"user_id": "usr_2", "reason": reason});
            root(&app)
                .post(&format!("{address}/appointment"), body)
                .assert_refused(422, "VALIDATION_ERROR");
        }
        let body = json!({"reason": "the counts have drifted"});
        let right = root(&app)
            .post(&format!("{address}/recount"), body.clone())
            .assert_status(200);
        assert_eq!(
            (&right["member_count"], &right["admin_count"]),
            (&json!(2), &json!(1))
        );
        root(&app)
            .post(&format!("{address}/recount"), body)
            .assert_status(200);
        let body = |user: &str| json!({"user_id": user, "reason": "the administrator has died"});
        let appoint = |user: &str| root(&app).post(&format!("{address}/appointment"), body(user));
        appoint("usr_9").assert_refused(404, "NOT_FOUND");
        let right = appoint("usr_2").assert_status(200);
        assert_eq!(right["admin_count"], 2);
        let told = app.published().into_iter();
        let repairs: Vec<_> = told
            .filter(|event| event.kind == "family.repaired")
            .collect();
        let said: Vec<_> = repairs
            .iter()
            .map(|event| (&event.data["what"], &event.data["reason"]))
            .collect();
        assert_eq!(
            said,
            [
                (&json!("counts"), &json!("the counts have drifted")),
                (
                    &json!("administrator"),
                    &json!("the administrator has died")
                )
            ]
        );
        assert!(
            repairs
                .iter()
                .all(|event| event.data["repaired_by"] == "usr_root")
        );
        // Minors are not appointed.
        let minor = json!({"$set": {"role": "member", "minor": true}});
        app.run(MEMBERSHIPS.update_one(json!({"user_id": "usr_2"}), minor))
            .unwrap();
        appoint("usr_2").assert_refused(409, "MINOR");
    }
}
