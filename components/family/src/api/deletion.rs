//! `/api/v1/families/{id}/deletion`, and deleting itself.

use crate::deletion;
use crate::model::FamilyId;
use group::api::deletion::{Decision, PlanView};
use sbd_sdk::etag::Preconditions;
use sbd_sdk::{Caller, Json, NoContent, Path, Query, Result, operation};

/// Shows what there is to decide before a family is deleted; for its administrators.
#[operation(
    get "/api/v1/families/{id}/deletion", permission = "families:read", answers = "What there is to decide",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn get_family_deletion(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<PlanView>> {
    Ok(Json(deletion::plan(&id, &caller).await?))
}

/// Deletes a family; for its administrators.
///
/// What is on its account goes to a member, or in equal shares to all, who have them a moment later. Nothing is
/// deleted while anything is reserved, or the account is frozen.
#[operation(
    delete "/api/v1/families/{id}", permission = "families:write",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "There is a balance and it is not said whose it is to be, or something of it is reserved or frozen: `BALANCE_UNDECIDED`, `HOLDS_OPEN`, `ACCOUNT_FROZEN`"
    )
)]
pub(crate) async fn delete_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    wanted: Preconditions,
    Query(decision): Query<Decision>,
) -> Result<NoContent> {
    let heir = decision.heir()?;
    deletion::delete(&id, &caller, &wanted, heir.as_ref()).await?;
    Ok(NoContent)
}
