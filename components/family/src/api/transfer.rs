//! `/api/v1/families/{id}/transfer`.

use super::families::FamilyView;
use crate::model::FamilyId;
use crate::ownership;
use sbd_sdk::{Caller, Json, NoContent, Path, Result, Tagged, operation};
use serde::Deserialize;
use utoipa::ToSchema;

/// To whom a family is to be handed over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyTransferInput)]
pub(crate) struct TransferInput {
    /// The id of an administrator of the family.
    #[schema(example = "usr_019a2f3c8b7e7c2d9f00112233445566")]
    to: String,
}

/// Offers a family to one of its administrators, against whose limit it is to count; for its owner.
///
/// It can be accepted for 7 days. Another offer takes the place of the one before.
#[operation(
    put "/api/v1/families/{id}/transfer", permission = "families:write", answers = "The family",
    refuses(
        forbidden = "The caller is not its owner",
        not_found = "No family the caller belongs to, or no member of it",
        conflict = "They are no administrator"
    )
)]
pub(crate) async fn offer_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<TransferInput>,
) -> Result<Tagged<FamilyView>> {
    let (family, membership) = ownership::offer(&id, &caller, &input.to).await?;
    Ok(FamilyView::tagged(&family, &membership))
}

/// Takes an offer back, or declines it.
#[operation(
    delete "/api/v1/families/{id}/transfer", permission = "families:write",
    refuses(
        forbidden = "The caller is neither its owner nor whom it is offered to",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn withdraw_family_offer(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<NoContent> {
    ownership::withdraw(&id, &caller).await?;
    Ok(NoContent)
}

/// Takes a family over that was offered to the caller.
#[operation(
    post "/api/v1/families/{id}/transfer/acceptance", permission = "families:write", idempotent,
    answers = "The family",
    refuses(
        not_found = "No family the caller belongs to",
        conflict = "It is not offered to the caller, who may also have too many families, or be no administrator"
    )
)]
pub(crate) async fn accept_family_offer(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Tagged<FamilyView>> {
    let (family, membership) = ownership::accept(&id, &caller).await?;
    Ok(FamilyView::tagged(&family, &membership))
}
