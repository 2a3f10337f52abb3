//! `/api/v1/families/{id}/recoveries`.

use crate::model::FamilyId;
use crate::recovery::{self, FamilyRecovery, RecoveryId};
use membership::recovery::State;
use membership::text;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Created, Json, Listing, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a reason at most: as in the reference.
const MAX_REASON: usize = 500;

/// Who has lost access to their account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecoveryInput)]
pub(crate) struct RecoveryInput {
    /// A member's user id, not one's own.
    #[schema(
        min_length = 1,
        max_length = 64,
        example = "usr_019a2f3c8b7e7c2d9f00112233445566"
    )]
    user: String,
    /// How one knows; those who are to confirm it read it.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "He called me: his phone is in the lake"
    )]
    reason: String,
}

/// The recovery of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recovery)]
pub(crate) struct RecoveryView {
    #[schema(inline)]
    id: RecoveryId,
    #[schema(inline)]
    family_id: FamilyId,
    /// Whose account it is.
    user_id: String,
    /// Their name, as it was then.
    username: String,
    asked_by: String,
    reason: String,
    state: State,
    /// Who has confirmed it; whoever asked is the first.
    confirmed_by: Vec<String>,
    /// How many must.
    needed: u64,
    asked_at: Time,
    /// When it cannot be confirmed any more.
    expires_at: Time,
    /// Until when the account, or an administrator, can object, once enough have confirmed it.
    waits_until: Option<Time>,
    ended_at: Option<Time>,
    /// Who objected, or has taken it back.
    ended_by: Option<String>,
}

/// Asks members to confirm that one of them has lost access to their account; for members of age.
///
/// Half of the others of age have to, two at least and ten at most, in seven days; whoever asks is the first.
/// Then the account has 72 hours to object.
#[operation(
    post "/api/v1/families/{id}/recoveries", permission = "families:write",
    location = "The recovery's address",
    refuses(
        forbidden = "The caller is a minor",
        not_found = "No family the caller belongs to",
        conflict = "It is asked for already, or too few could confirm it",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn ask_for_recovery(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<RecoveryInput>,
) -> Result<Created<RecoveryView>> {
    let user = text::some_line("user", &input.user, 64)?;
    let reason = text::some_line("reason", &input.reason, MAX_REASON)?;
    let asked = recovery::ask(&id, &caller, &user, &reason).await?;
    let location = format!("/api/v1/families/{id}/recoveries/{}", asked.id);
    Created::at(&location, &asked.into())
}

/// Lists the account recoveries of a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}/recoveries", permission = "families:read",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_recoveries(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing,
) -> Result<Json<Page<RecoveryView>>> {
    let page = recovery::list(&id, &caller, &listing).await?;
    Ok(Json(page.map(RecoveryView::from)))
}

/// Reads an account recovery.
#[operation(
    get "/api/v1/families/{id}/recoveries/{recovery}", permission = "families:read",
    answers = "The recovery", refuses(not_found = "No family the caller belongs to, or no recovery in it")
)]
pub(crate) async fn get_recovery(
    caller: Caller,
    Path((id, recovery)): Path<(FamilyId, RecoveryId)>,
) -> Result<Json<RecoveryView>> {
    Ok(Json(recovery::get(&id, &caller, &recovery).await?.into()))
}

/// Confirms that a member has lost access to their account; for other members of age.
///
/// They must have belonged to the family when it was asked for.
#[operation(
    post "/api/v1/families/{id}/recoveries/{recovery}/confirm", permission = "families:write",
    answers = "The recovery as it is now",
    refuses(
        forbidden = "The caller is a minor, the account itself, or came after it was asked for",
        not_found = "No family the caller belongs to, or no recovery in it",
        conflict = "The caller has confirmed it, enough have, or it is over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn confirm_recovery(
    caller: Caller,
    Path((id, recovery)): Path<(FamilyId, RecoveryId)>,
) -> Result<Json<RecoveryView>> {
    Ok(Json(
        recovery::confirm(&id, &caller, &recovery).await?.into(),
    ))
}

/// Objects to an account recovery; for the account itself, and for administrators.
#[operation(
    post "/api/v1/families/{id}/recoveries/{recovery}/veto", permission = "families:write",
    answers = "The recovery as it is now",
    refuses(
        forbidden = "The caller is neither",
        not_found = "No family the caller belongs to, or no recovery in it",
        conflict = "It is over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn veto_recovery(
    caller: Caller,
    Path((id, recovery)): Path<(FamilyId, RecoveryId)>,
) -> Result<Json<RecoveryView>> {
    Ok(Json(recovery::veto(&id, &caller, &recovery).await?.into()))
}

/// Takes back an account recovery that one has asked for.
#[operation(
    post "/api/v1/families/{id}/recoveries/{recovery}/withdraw", permission = "families:write",
    answers = "The recovery as it is now",
    refuses(
        forbidden = "Somebody else asked for it",
        not_found = "No family the caller belongs to, or no recovery in it",
        conflict = "It is over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn withdraw_recovery(
    caller: Caller,
    Path((id, recovery)): Path<(FamilyId, RecoveryId)>,
) -> Result<Json<RecoveryView>> {
    Ok(Json(
        recovery::withdraw(&id, &caller, &recovery).await?.into(),
    ))
}

impl From<FamilyRecovery> for RecoveryView {
    fn from(of: FamilyRecovery) -> Self {
        Self {
            id: of.id,
            family_id: of.family_id,
            user_id: of.user_id,
            username: of.username,
            asked_by: of.asked_by,
            reason: of.reason,
            state: of.recovery.state(time::now()),
            confirmed_by: of.recovery.confirmed_by,
            needed: of.recovery.needed,
            asked_at: of.asked_at,
            expires_at: of.recovery.expires_at,
            waits_until: of.recovery.waiting.map(|waiting| waiting.until),
            ended_at: of.ended_at,
            ended_by: of.ended_by,
        }
    }
}
