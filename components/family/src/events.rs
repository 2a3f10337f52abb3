//! What the component tells others, in the commit of the change itself. The subject of each is the
//! family's id, so that whoever listens hears of one family in order; and the family's audit has all of it, for
//! as long as the manifest says. They say who and what by ids alone;
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
//! | `family.ownership.offered` | `family_id`, `offered_by`, `to` | it is to count against another's limit |
//! | `family.ownership.withdrawn` | `family_id`, `withdrawn_by` | it is not after all |
//! | `family.ownership.taken` | `family_id`, `taken_by`, `taken_from` | it does from now on |
//! | `family.repaired` | `family_id`, `repaired_by`, `what`, `reason` | a tenant's administrator has put `counts` or `administrator` right |
//! | `family.relationship.proposed` | `family_id`, `relationship_id`, `user_ids`, `proposed_by` | one says what they are to each other |
//! | `family.relationship.agreed` | `family_id`, `relationship_id`, `user_ids` | both say so |
//! | `family.relationship.withdrawn` | `family_id`, `relationship_id`, `user_ids`, `withdrawn_by` | what was proposed is not any more |
//! | `family.relationship.ended` | `family_id`, `relationship_id`, `user_ids`, `ended_by` | they are nothing to each other any more |
//! | `family.succession.planned` | `family_id`, `changed_by` | backups follow at other times, or in another order |
//! | `family.succession.backup.designated`, `.consented`, `.removed` | `family_id`, `user_id`, `by` | somebody may follow, would, or will not |
//! | `family.succession.waiting` | `family_id`, `succession_id`, `reason`, `by`, `successor` | administrators can object |
//! | `family.succession.granted` | the same | the successor is an administrator |
//! | `family.succession.vetoed`, `.withdrawn`, `.lapsed` | the same | nobody follows |
//! | `family.emergency.invited`, `.accepted`, `.declined`, `.withdrawn`, `.expired`, `.waiting`, `.vetoed`, `.granted`, `.ended` | `family_id`, `access_id`, `grantor`, `trusted`, `by` | an emergency access is that now |
//! | `family.recovery.asked` | `family_id`, `recovery_id`, `user_id`, `by` | members are to confirm that `user_id` has lost access |
//! | `family.recovery.vouched` | the same | one of them has |
//! | `family.recovery.waiting` | the same | enough have; the account can object |
//! | `family.recovery.vetoed`, `.withdrawn`, `.expired` | the same | it comes to nothing |
//! | `family.recovery.confirmed` | `family_id`, `recovery_id`, `user_id`, `asked_by`, `confirmed_by`, `confirmed_at` | the account is to be given back (`docs/continuity.md`) |
//!
//! What happens to the account and to invitations, and that it is deleted, is told by `group::events`.

use crate::emergency::EmergencyId;
use crate::model::{Family, FamilyId, Membership, Role};
use crate::recovery::RecoveryId;
use crate::relationships::RelationshipId;
use crate::succession::SuccessionId;
use membership::{emergency, succession};
use sbd_sdk::documents::Transaction;
use sbd_sdk::time::Time;
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
    Repaired {
        family_id: &'a FamilyId,
        repaired_by: &'a str,
        what: &'static str,
        reason: &'a str,
    },
    OwnershipOffered {
        family_id: &'a FamilyId,
        offered_by: &'a str,
        to: &'a str,
    },
    OwnershipWithdrawn {
        family_id: &'a FamilyId,
        withdrawn_by: &'a str,
    },
    OwnershipTaken {
        family_id: &'a FamilyId,
        taken_by: &'a str,
        taken_from: &'a str,
    },

    // Relationships.
    RelationshipProposed {
        family_id: &'a FamilyId,
        relationship_id: &'a RelationshipId,
        user_ids: &'a [String; 2],
        proposed_by: &'a str,
    },
    RelationshipAgreed {
        family_id: &'a FamilyId,
        relationship_id: &'a RelationshipId,
        user_ids: &'a [String; 2],
    },
    RelationshipWithdrawn {
        family_id: &'a FamilyId,
        relationship_id: &'a RelationshipId,
        user_ids: &'a [String; 2],
        withdrawn_by: &'a str,
    },
    RelationshipEnded {
        family_id: &'a FamilyId,
        relationship_id: &'a RelationshipId,
        user_ids: &'a [String; 2],
        ended_by: &'a str,
    },

    // Continuity.
    SuccessionPlanned {
        family_id: &'a FamilyId,
        changed_by: &'a str,
    },
    Backup {
        family_id: &'a FamilyId,
        user_id: &'a str,
        by: &'a str,
        #[serde(skip)]
        what: BackupStep,
    },
    Succession {
        family_id: &'a FamilyId,
        succession_id: &'a SuccessionId,
        reason: succession::Reason,
        by: Option<&'a str>,
        successor: Option<&'a str>,
        #[serde(skip)]
        state: succession::State,
    },
    EmergencyAccess {
        family_id: &'a FamilyId,
        access_id: &'a EmergencyId,
        grantor: &'a str,
        trusted: &'a str,
        by: Option<&'a str>,
        #[serde(skip)]
        state: emergency::State,
    },
    Recovery {
        family_id: &'a FamilyId,
        recovery_id: &'a RecoveryId,
        user_id: &'a str,
        by: Option<&'a str>,
        #[serde(skip)]
        what: RecoveryStep,
    },
    RecoveryConfirmed {
        family_id: &'a FamilyId,
        recovery_id: &'a RecoveryId,
        user_id: &'a str,
        asked_by: &'a str,
        confirmed_by: &'a [String],
        confirmed_at: Time,
    },
}

/// What becomes of an account recovery, up to its confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecoveryStep {
    Asked,
    Vouched,
    Waiting,
    Vetoed,
    Withdrawn,
    Expired,
}

/// What becomes of a backup administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BackupStep {
    Designated,
    Consented,
    Removed,
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

    /// Has a change tell of it, and be recorded in the family's audit: two of its steps.
    pub(crate) fn told_by(&self, change: Transaction) -> Transaction {
        let (kind, family_id) = match self {
            Self::Created { family_id, .. } => ("family.created", family_id),
            Self::MemberAdded { family_id, .. } => ("family.member.added", family_id),
            Self::Renamed { family_id, .. } => ("family.renamed", family_id),
            Self::MemberPromoted { family_id, .. } => ("family.member.promoted", family_id),
            Self::MemberDemoted { family_id, .. } => ("family.member.demoted", family_id),
            Self::MemberGuarded { family_id, .. } => ("family.member.guarded", family_id),
            Self::MemberLeft { family_id, .. } => ("family.member.left", family_id),
            Self::MemberRemoved { family_id, .. } => ("family.member.removed", family_id),
            Self::SuccessionPlanned { family_id, .. } => ("family.succession.planned", family_id),
            Self::Backup {
                family_id, what, ..
            } => (backup(*what), family_id),
            Self::Succession {
                family_id, state, ..
            } => (succeeded(*state), family_id),
            Self::EmergencyAccess {
                family_id, state, ..
            } => (accessed(*state), family_id),
            Self::Recovery {
                family_id, what, ..
            } => (recovered(*what), family_id),
            Self::RecoveryConfirmed { family_id, .. } => ("family.recovery.confirmed", family_id),
            Self::Repaired { family_id, .. } => ("family.repaired", family_id),
            Self::OwnershipOffered { family_id, .. } => ("family.ownership.offered", family_id),
            Self::OwnershipWithdrawn { family_id, .. } => ("family.ownership.withdrawn", family_id),
            Self::OwnershipTaken { family_id, .. } => ("family.ownership.taken", family_id),
            Self::RelationshipProposed { family_id, .. } => {
                ("family.relationship.proposed", family_id)
            }
            Self::RelationshipAgreed { family_id, .. } => ("family.relationship.agreed", family_id),
            Self::RelationshipWithdrawn { family_id, .. } => {
                ("family.relationship.withdrawn", family_id)
            }
            Self::RelationshipEnded { family_id, .. } => ("family.relationship.ended", family_id),
        };
        change
            .publish(kind, Some(family_id.as_str()), self)
            .audit(family_id.as_str(), kind, self)
    }
}

fn backup(what: BackupStep) -> &'static str {
    match what {
        BackupStep::Designated => "family.succession.backup.designated",
        BackupStep::Consented => "family.succession.backup.consented",
        BackupStep::Removed => "family.succession.backup.removed",
    }
}

/// The same word is the kind of the notice that people have of it, as of the next ones.
pub(crate) fn succeeded(state: succession::State) -> &'static str {
    match state {
        succession::State::Waiting => "family.succession.waiting",
        succession::State::Granted => "family.succession.granted",
        succession::State::Vetoed => "family.succession.vetoed",
        succession::State::Withdrawn => "family.succession.withdrawn",
        succession::State::Lapsed => "family.succession.lapsed",
    }
}

pub(crate) fn accessed(state: emergency::State) -> &'static str {
    match state {
        emergency::State::Invited => "family.emergency.invited",
        emergency::State::Accepted => "family.emergency.accepted",
        emergency::State::Declined => "family.emergency.declined",
        emergency::State::Withdrawn => "family.emergency.withdrawn",
        emergency::State::Expired => "family.emergency.expired",
        emergency::State::Waiting => "family.emergency.waiting",
        emergency::State::Vetoed => "family.emergency.vetoed",
        emergency::State::Granted => "family.emergency.granted",
        emergency::State::Ended => "family.emergency.ended",
    }
}

pub(crate) fn recovered(what: RecoveryStep) -> &'static str {
    match what {
        RecoveryStep::Asked => "family.recovery.asked",
        RecoveryStep::Vouched => "family.recovery.vouched",
        RecoveryStep::Waiting => "family.recovery.waiting",
        RecoveryStep::Vetoed => "family.recovery.vetoed",
        RecoveryStep::Withdrawn => "family.recovery.withdrawn",
        RecoveryStep::Expired => "family.recovery.expired",
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
                    "family.closing",
                    &json!({"family_id": id, "deleted_by": "usr_1", "balance_to": null})
                ),
                (
                    "family.deleted",
                    &json!({"family_id": id, "deleted_by": "usr_1"})
                ),
            ]
        );
    }
}
