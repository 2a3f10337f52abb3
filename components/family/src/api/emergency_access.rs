//! `/api/v1/families/{id}/emergency-access`.

use crate::continuity::require_within;
use crate::emergency::{self, EmergencyId, FamilyAccess, Invitation, Level};
use crate::model::FamilyId;
use membership::emergency::{Act, MOST_DAYS, State};
use membership::text;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Created, Json, Listing, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in a reason at most.
const MAX_REASON: usize = 500;

/// Whom the caller trusts, and with what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmergencyAccessInput)]
pub(crate) struct InvitationInput {
    /// A user's id, be they a member or not.
    #[schema(
        min_length = 1,
        max_length = 64,
        example = "usr_019a2f3c8b7e7c2d9f00112233445566"
    )]
    trusted: String,
    /// `view`: to read what the caller reads. There is no other level: nobody acts in somebody's place.
    #[serde(default)]
    #[schema(inline)]
    level: Level,
    /// Days that the caller has to object when access is asked for.
    #[schema(minimum = 1, maximum = 30, example = 7)]
    waiting_days: u32,
    /// Days that access lasts.
    #[schema(minimum = 1, maximum = 30, example = 7)]
    access_days: u32,
}

/// Why access is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmergencyInput)]
pub(crate) struct EmergencyInput {
    /// The grantor and all administrators read it.
    #[schema(min_length = 1, max_length = 500, example = "She is in hospital")]
    reason: String,
}

/// That a member trusts somebody in an emergency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EmergencyAccess)]
pub(crate) struct AccessView {
    #[schema(inline)]
    id: EmergencyId,
    #[schema(inline)]
    family_id: FamilyId,
    /// Whose access it is.
    grantor: String,
    /// Their name, as it was then.
    grantor_name: String,
    /// Who may have it.
    trusted: String,
    /// Their name, as soon as they have answered.
    trusted_name: Option<String>,
    #[schema(inline)]
    level: Level,
    state: State,
    /// Days that the grantor has to object.
    waiting_days: u32,
    /// Days that access lasts.
    access_days: u32,
    /// Why access was asked for.
    reason: Option<String>,
    /// Until when the grantor can object.
    waits_until: Option<Time>,
    /// When the invitation, or the access, is over.
    until: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

/// Lists the emergency accesses in which the caller is trusted, in whatever family.
#[operation(get "/api/v1/families/emergency-access", permission = "families:read")]
pub(crate) async fn list_entrusted_accesses(
    caller: Caller,
    listing: Listing,
) -> Result<Json<Page<AccessView>>> {
    let page = emergency::entrusted(&caller, &listing).await?;
    Ok(Json(page.map(AccessView::from)))
}

/// Trusts somebody with what one sees of a family, in an emergency; for members of age.
#[operation(
    post "/api/v1/families/{id}/emergency-access", permission = "families:write",
    location = "The emergency access's address",
    refuses(
        forbidden = "The caller is a minor",
        not_found = "No family the caller belongs to",
        conflict = "The caller trusts them already, or five others",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn invite_trusted_person(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<InvitationInput>,
) -> Result<Created<AccessView>> {
    require_within("waiting_days", input.waiting_days, &(1..=MOST_DAYS))?;
    require_within("access_days", input.access_days, &(1..=MOST_DAYS))?;
    let invitation = Invitation {
        trusted: text::some_line("trusted", &input.trusted, 64)?,
        level: input.level,
        waiting_days: input.waiting_days,
        access_days: input.access_days,
    };
    let made = emergency::invite(&id, &caller, &invitation).await?;
    let location = format!("/api/v1/families/{id}/emergency-access/{}", made.id);
    Created::at(&location, &made.into())
}

/// Lists the emergency accesses of a family that concern the caller.
///
/// These are one's own and those in which one is trusted; to administrators, all of them.
#[operation(
    get "/api/v1/families/{id}/emergency-access", permission = "families:read",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_emergency_accesses(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing,
) -> Result<Json<Page<AccessView>>> {
    let page = emergency::list(&id, &caller, &listing).await?;
    Ok(Json(page.map(AccessView::from)))
}

/// Reads an emergency access: the grantor, whom they trust, and administrators can.
#[operation(
    get "/api/v1/families/{id}/emergency-access/{access}", permission = "families:read",
    answers = "The emergency access", refuses(not_found = "None that the caller may see")
)]
pub(crate) async fn get_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
) -> Result<Json<AccessView>> {
    Ok(Json(emergency::seen(&id, &caller, &access).await?.into()))
}

/// Accepts to help in an emergency; for whom the grantor trusts.
#[operation(
    post "/api/v1/families/{id}/emergency-access/{access}/accept", permission = "families:write",
    answers = "The emergency access as it is now",
    refuses(
        forbidden = "The caller is not the one who is trusted",
        not_found = "None that the caller may see",
        conflict = "It is answered, or over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn accept_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
) -> Result<Json<AccessView>> {
    act(&id, &caller, &access, Act::Accept, None).await
}

/// Declines to help in an emergency; for whom the grantor trusts.
#[operation(
    post "/api/v1/families/{id}/emergency-access/{access}/decline", permission = "families:write",
    answers = "The emergency access as it is now",
    refuses(
        forbidden = "The caller is not the one who is trusted",
        not_found = "None that the caller may see",
        conflict = "It is answered, or over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn decline_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
) -> Result<Json<AccessView>> {
    act(&id, &caller, &access, Act::Decline, None).await
}

/// Takes an emergency access back, or gives it back; for the grantor and for whom they trust.
///
/// Once access is asked for, the grantor objects to it instead.
#[operation(
    post "/api/v1/families/{id}/emergency-access/{access}/withdraw", permission = "families:write",
    answers = "The emergency access as it is now",
    refuses(
        forbidden = "The caller is neither of the two",
        not_found = "None that the caller may see",
        conflict = "It is over, or access is granted",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn withdraw_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
) -> Result<Json<AccessView>> {
    act(&id, &caller, &access, Act::Withdraw, None).await
}

/// Asks for access, as there is an emergency; for whom the grantor trusts.
///
/// The grantor and all administrators are told, and the grantor can object for as long as they have set.
#[operation(
    post "/api/v1/families/{id}/emergency-access/{access}/initiate", permission = "families:write",
    answers = "The emergency access as it is now",
    refuses(
        forbidden = "The caller is not the one who is trusted",
        not_found = "None that the caller may see",
        conflict = "It is not accepted, or over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn initiate_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
    Json(input): Json<EmergencyInput>,
) -> Result<Json<AccessView>> {
    let reason = text::some_line("reason", &input.reason, MAX_REASON)?;
    act(&id, &caller, &access, Act::Initiate, Some(&reason)).await
}

/// Objects to access; for the grantor.
#[operation(
    post "/api/v1/families/{id}/emergency-access/{access}/veto", permission = "families:write",
    answers = "The emergency access as it is now",
    refuses(
        forbidden = "The caller is not the grantor",
        not_found = "None that the caller may see",
        conflict = "Access is not asked for, or granted",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn veto_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
) -> Result<Json<AccessView>> {
    act(&id, &caller, &access, Act::Veto, None).await
}

/// Ends access before its time; for the grantor and for whom they trust.
#[operation(
    post "/api/v1/families/{id}/emergency-access/{access}/end", permission = "families:write",
    answers = "The emergency access as it is now",
    refuses(
        forbidden = "The caller is neither of the two",
        not_found = "None that the caller may see",
        conflict = "There is no access",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn end_emergency_access(
    caller: Caller,
    Path((id, access)): Path<(FamilyId, EmergencyId)>,
) -> Result<Json<AccessView>> {
    act(&id, &caller, &access, Act::End, None).await
}

async fn act(
    family_id: &FamilyId,
    caller: &Caller,
    id: &EmergencyId,
    act: Act,
    reason: Option<&str>,
) -> Result<Json<AccessView>> {
    let after = emergency::act(family_id, caller, id, act, reason).await?;
    Ok(Json(after.into()))
}

impl From<FamilyAccess> for AccessView {
    fn from(of: FamilyAccess) -> Self {
        Self {
            id: of.id,
            family_id: of.family_id,
            grantor: of.grantor,
            grantor_name: of.grantor_name,
            trusted: of.trusted,
            trusted_name: of.trusted_name,
            level: of.level,
            state: of.access.state(time::now()),
            waiting_days: of.access.waiting_days,
            access_days: of.access.access_days,
            reason: of.reason,
            waits_until: of.access.waiting.map(|waiting| waiting.until),
            until: of.access.until,
            created_at: of.created_at,
            updated_at: of.updated_at,
        }
    }
}
