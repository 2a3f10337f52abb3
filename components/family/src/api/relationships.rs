//! `/api/v1/families/{id}/relationships`.

use crate::kinship::Kinship;
use crate::listing::{self, RelationshipFilter};
use crate::model::FamilyId;
use crate::relationships::{self, Relationship, RelationshipId};
use crate::store;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{ById, Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody is to somebody else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyRelationshipInput)]
pub(crate) struct RelationshipInput {
    /// The one: the caller, if nobody is named.
    #[serde(default)]
    user: Option<String>,
    /// The other one.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    to: String,
    /// What the one is to the other: `parent`, if the other one is the child.
    relationship: Kinship,
    /// What the other is to the one, where that is not clear: an uncle has nephews and nieces.
    #[serde(default)]
    reciprocal: Option<Kinship>,
}

/// What two members are to each other.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyRelationship)]
pub(crate) struct RelationshipView {
    #[schema(inline)]
    id: RelationshipId,
    /// What they have agreed on; none before they have for the first time.
    agreed: Option<[SideView; 2]>,
    /// What is proposed, until both sides agree.
    proposed: Option<ProposalView>,
    /// When it was proposed first.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
}

/// One of two.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyRelationshipSide)]
pub(crate) struct SideView {
    user_id: String,
    /// What the user is to the other one.
    relationship: Kinship,
}

/// What two members are to be to each other.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyRelationshipProposal)]
pub(crate) struct ProposalView {
    sides: [SideView; 2],
    /// The user who proposed it.
    proposed_by: String,
    /// Those of the two whose side has agreed.
    agreed: Vec<String>,
}

/// Says what a member is to another one, which is so once both agree.
///
/// Members speak for themselves, and guardians for minors; administrators may propose for minors.
#[operation(
    put "/api/v1/families/{id}/relationships", permission = "families:write",
    answers = "What they are, and are to be, to each other",
    refuses(
        forbidden = "It is neither about the caller nor about a minor of theirs",
        not_found = "No family the caller belongs to, or no member of it"
    )
)]
pub(crate) async fn propose_relationship(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<RelationshipInput>,
) -> Result<Json<RelationshipView>> {
    let other_is = input.relationship.other(input.reciprocal)?;
    let one = input.user.as_deref().unwrap_or(&caller.user);
    let sides = ((one, input.relationship), (&*input.to, other_is));
    let relationship = relationships::propose(&id, &caller, sides.0, sides.1).await?;
    Ok(Json(relationship.into()))
}

/// Lists what the members of a family are to each other.
#[operation(
    get "/api/v1/families/{id}/relationships", permission = "families:read",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_relationships(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing<ById, RelationshipFilter>,
) -> Result<Json<Page<RelationshipView>>> {
    store::membership(&id, &caller).await?;
    let page = listing::relationships(&id, &listing).await?;
    Ok(Json(page.map(RelationshipView::from)))
}

/// Agrees to what is proposed, for oneself or for a minor as a guardian.
#[operation(
    post "/api/v1/families/{id}/relationships/{relationship}/agreement", permission = "families:write",
    idempotent, answers = "What they are to each other now",
    refuses(
        forbidden = "It is neither about the caller nor about a minor of theirs",
        not_found = "No family the caller belongs to, or no relationship in it"
    )
)]
pub(crate) async fn agree_to_relationship(
    caller: Caller,
    Path((id, relationship)): Path<(FamilyId, RelationshipId)>,
) -> Result<Json<RelationshipView>> {
    let relationship = relationships::agree(&id, &caller, &relationship).await?;
    Ok(Json(relationship.into()))
}

/// Takes back what is proposed, or says no to it; what was agreed before stays.
#[operation(
    delete "/api/v1/families/{id}/relationships/{relationship}/proposal", permission = "families:write",
    refuses(
        forbidden = "The caller has not proposed it, and it is not about them or a minor of theirs",
        not_found = "No family the caller belongs to, or no relationship in it"
    )
)]
pub(crate) async fn withdraw_relationship(
    caller: Caller,
    Path((id, relationship)): Path<(FamilyId, RelationshipId)>,
) -> Result<NoContent> {
    relationships::withdraw(&id, &caller, &relationship).await?;
    Ok(NoContent)
}

/// Ends a relationship; either of the two does, and for a minor a guardian.
#[operation(
    delete "/api/v1/families/{id}/relationships/{relationship}", permission = "families:write",
    refuses(
        forbidden = "It is neither about the caller nor about a minor of theirs",
        not_found = "No family the caller belongs to, or no relationship in it"
    )
)]
pub(crate) async fn end_relationship(
    caller: Caller,
    Path((id, relationship)): Path<(FamilyId, RelationshipId)>,
) -> Result<NoContent> {
    relationships::end(&id, &caller, &relationship).await?;
    Ok(NoContent)
}

impl From<Relationship> for RelationshipView {
    fn from(of: Relationship) -> Self {
        let sides = |kinship: [Kinship; 2]| {
            let [one, other] = of.users.clone();
            let [one_is, other_is] = kinship;
            [
                SideView {
                    user_id: one,
                    relationship: one_is,
                },
                SideView {
                    user_id: other,
                    relationship: other_is,
                },
            ]
        };
        let proposed = of.proposal.as_ref().map(|proposal| {
            let both = of.users.iter().zip(proposal.agreed);
            let agreed = both.filter(|(_, agreed)| *agreed);
            ProposalView {
                sides: sides(proposal.kinship),
                proposed_by: proposal.proposed_by.clone(),
                agreed: agreed.map(|(user, _)| user.clone()).collect(),
            }
        });
        Self {
            agreed: of.kinship.map(sides),
            proposed,
            id: of.id,
            created_at: of.created_at,
            updated_at: of.updated_at,
        }
    }
}
