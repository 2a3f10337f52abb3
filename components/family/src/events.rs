//! What the component tells others, in the commit of the change itself. The subject of each is the
//! family's id, so that whoever listens hears of one family in order. They say who and what by ids alone;
//! whoever wants to know more asks.
//!
//! | type | data | when |
//! |---|---|---|
//! | `family.created` | `family_id`, `created_by` | a family is there, with nobody in it yet |
//! | `family.member.added` | `family_id`, `user_id`, `role` | somebody belongs to it, its creator first |
//! | `family.renamed` | `family_id`, `changed_by` | it has another name |
//! | `family.member.promoted` | `family_id`, `user_id`, `promoted_by` | a member is an administrator |
//! | `family.member.demoted` | `family_id`, `user_id`, `demoted_by` | an administrator is a member again |
//! | `family.member.guarded` | `family_id`, `user_id`, `guardians`, `decided_by` | a minor has these guardians; without any it is one no more |
//! | `family.member.left` | `family_id`, `user_id` | somebody has gone |
//! | `family.member.removed` | `family_id`, `user_id`, `removed_by` | somebody was sent away |
//! | `family.deleted` | `family_id`, `deleted_by` | it is gone, and so are all memberships |

use crate::model::{Family, FamilyId, Membership, Role};
use sbd_sdk::documents::Transaction;
use serde::Serialize;

/// Something that happened to a family.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Happened<'a> {
    Created {
        family_id: &'a FamilyId,
        created_by: &'a str,
    },
    MemberAdded {
        family_id: &'a FamilyId,
        user_id: &'a str,
        role: Role,
    },
    Renamed {
        family_id: &'a FamilyId,
        changed_by: &'a str,
    },
    Deleted {
        family_id: &'a FamilyId,
        deleted_by: &'a str,
    },

    // Members.
    MemberPromoted {
        family_id: &'a FamilyId,
        user_id: &'a str,
        promoted_by: &'a str,
    },
    MemberDemoted {
        family_id: &'a FamilyId,
        user_id: &'a str,
        demoted_by: &'a str,
    },
    MemberGuarded {
        family_id: &'a FamilyId,
        user_id: &'a str,
        guardians: &'a [String],
        decided_by: &'a str,
    },
    MemberLeft {
        family_id: &'a FamilyId,
        user_id: &'a str,
    },
    MemberRemoved {
        family_id: &'a FamilyId,
        user_id: &'a str,
        removed_by: &'a str,
    },
}

// === impl Happened ===

impl<'a> Happened<'a> {
    pub(crate) fn created(family: &'a Family) -> Self {
        Self::Created {
            family_id: &family.id,
            created_by: &family.created_by,
        }
    }

    pub(crate) fn member_added(membership: &'a Membership) -> Self {
        Self::MemberAdded {
            family_id: &membership.family_id,
            user_id: &membership.user_id,
            role: membership.role,
        }
    }

    /// Has a change tell of it.
    pub(crate) fn told_by(&self, change: Transaction) -> Transaction {
        let (kind, family_id) = match self {
            Self::Created { family_id, .. } => ("family.created", family_id),
            Self::MemberAdded { family_id, .. } => ("family.member.added", family_id),
            Self::Renamed { family_id, .. } => ("family.renamed", family_id),
            Self::Deleted { family_id, .. } => ("family.deleted", family_id),
            Self::MemberPromoted { family_id, .. } => ("family.member.promoted", family_id),
            Self::MemberDemoted { family_id, .. } => ("family.member.demoted", family_id),
            Self::MemberGuarded { family_id, .. } => ("family.member.guarded", family_id),
            Self::MemberLeft { family_id, .. } => ("family.member.left", family_id),
            Self::MemberRemoved { family_id, .. } => ("family.member.removed", family_id),
        };
        change.publish(kind, Some(family_id.as_str()), self)
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{app, family};
    use serde_json::json;

    #[test]
    fn every_change_that_is_done_is_told_once_by_ids_alone() {
        let app = app();
        let ada = app.signed_in("usr_1");
        let made = family(&ada.with_header("idempotency-key", "k-1"), "A");
        family(&ada.with_header("idempotency-key", "k-1"), "A");
        let id = made.text("id");
        let address = format!("/api/v1/families/{id}");
        // Only its description.
        let described = json!({"name": "A", "description": "of London"});
        ada.put(&address, described).assert_status(200);
        ada.put(&address, json!({"name": "B"})).assert_status(200);
        ada.with_header("if-match", "\"1\"")
            .put(&address, json!({"name": "C"}))
            .assert_refused(412, "PRECONDITION_FAILED");
        ada.delete(&address).assert_status(204);
        ada.delete(&address).assert_refused(404, "NOT_FOUND");
        let told = app.published();
        assert!(
            told.iter()
                .all(|event| event.subject.as_deref() == Some(id))
        );
        let told: Vec<_> = told
            .into_iter()
            .map(|event| (event.kind, event.data))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(kind, data)| (kind.as_str(), data))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "family.created",
                    &json!({"family_id": id, "created_by": "usr_1"})
                ),
                (
                    "family.member.added",
                    &json!({"family_id": id, "user_id": "usr_1", "role": "admin"})
                ),
                (
                    "family.renamed",
                    &json!({"family_id": id, "changed_by": "usr_1"})
                ),
                (
                    "family.deleted",
                    &json!({"family_id": id, "deleted_by": "usr_1"})
                ),
            ]
        );
    }
}
