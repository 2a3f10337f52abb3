//! `/api/v1/families/{id}/succession` and `/api/v1/families/{id}/successions`.

use crate::continuity::require_within;
use crate::model::FamilyId;
use crate::succession::{self, FamilyPlan, FamilySuccession, Report, Settings, SuccessionId};
use membership::succession::{Reason, State};
use membership::text;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Created, Json, Listing, Path, Result, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Characters in what a member reports at most.
const MAX_STATEMENT: usize = 500;
/// How long administrators may be inactive: at least as long as a holiday.
const INACTIVE: std::ops::RangeInclusive<u32> = 30..=365;
/// How long they have to object.
const WAITING: std::ops::RangeInclusive<u32> = 1..=30;

/// When backups follow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SuccessionInput)]
pub(crate) struct PlanInput {
    /// After so many days in which no administrator did anything; not for that reason, if there is no number.
    #[serde(default)]
    #[schema(minimum = 30, maximum = 365, example = 90)]
    inactive_days: Option<u32>,
    /// Days that administrators have to object.
    #[schema(minimum = 1, maximum = 30, example = 7)]
    waiting_days: u32,
    /// Whether those who are succeeded are members afterwards; else they stay administrators.
    steps_down: bool,
}

/// Who is asked to be a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackupInput)]
pub(crate) struct BackupInput {
    /// A member's user id.
    #[schema(
        min_length = 1,
        max_length = 64,
        example = "usr_019a2f3c8b7e7c2d9f00112233445566"
    )]
    user: String,
}

/// In which order backups follow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackupOrderInput)]
pub(crate) struct OrderInput {
    /// The user ids of all of them, the first first.
    backups: Vec<String>,
}

/// How an administrator hands over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HandOverInput)]
pub(crate) struct HandOverInput {
    /// Whether the caller is a member afterwards; as the plan says, if nothing is said.
    #[serde(default)]
    steps_down: Option<bool>,
}

/// Why an administrator cannot be one any more.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReportReason {
    /// They have died.
    Death,
    /// They cannot act.
    Incapacity,
}

/// That an administrator cannot be one any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SuccessionReportInput)]
pub(crate) struct ReportInput {
    #[schema(inline)]
    reason: ReportReason,
    /// The administrator's user id.
    #[schema(
        min_length = 1,
        max_length = 64,
        example = "usr_019a2f3c8b7e7c2d9f00112233445566"
    )]
    administrator: String,
    /// What has happened; all members read it.
    #[schema(min_length = 1, max_length = 500, example = "She died on Sunday")]
    statement: String,
}

/// Who follows the administrators of a family, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuccessionPlan)]
pub(crate) struct PlanView {
    #[schema(inline)]
    family_id: FamilyId,
    /// Days without any administrator's doing; without a number nobody follows for that.
    inactive_days: Option<u32>,
    /// Days that administrators have to object.
    waiting_days: u32,
    /// Whether those who are succeeded are members afterwards.
    steps_down: bool,
    /// Who follows, the first first.
    backups: Vec<BackupView>,
    /// The succession that administrators can object to just now.
    #[schema(inline)]
    open: Option<SuccessionId>,
    /// When inactivity begins to be one, if no administrator does anything.
    inactive_at: Option<Time>,
}

/// A backup administrator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackupAdministrator)]
pub(crate) struct BackupView {
    user_id: String,
    /// When they said that they would; nobody follows who has not.
    consented_at: Option<Time>,
}

/// That somebody follows, or was to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Succession)]
pub(crate) struct SuccessionView {
    #[schema(inline)]
    id: SuccessionId,
    #[schema(inline)]
    family_id: FamilyId,
    reason: Reason,
    state: State,
    /// The administrator whom it is about; all of them, if there is none.
    administrator: Option<String>,
    /// What was reported.
    statement: Option<String>,
    /// Who reported it, or handed over.
    begun_by: Option<String>,
    begun_at: Time,
    /// Until when administrators can object.
    until: Time,
    /// Who objected, or has taken it back.
    ended_by: Option<String>,
    ended_at: Option<Time>,
    /// Who has followed.
    successor: Option<String>,
}

/// Reads who follows the administrators of a family.
#[operation(
    get "/api/v1/families/{id}/succession", permission = "families:read", answers = "The plan",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn get_family_succession(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<PlanView>> {
    Ok(Json(succession::plan(&id, &caller).await?.into()))
}

/// Sets when backups follow the administrators of a family; for administrators.
#[operation(
    put "/api/v1/families/{id}/succession", permission = "families:write", answers = "The plan as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn set_family_succession(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<PlanInput>,
) -> Result<Json<PlanView>> {
    if let Some(days) = input.inactive_days {
        require_within("inactive_days", days, &INACTIVE)?;
    }
    require_within("waiting_days", input.waiting_days, &WAITING)?;
    let settings = Settings {
        inactive_days: input.inactive_days,
        waiting_days: input.waiting_days,
        steps_down: input.steps_down,
    };
    Ok(Json(succession::set(&id, &caller, settings).await?.into()))
}

/// Asks a member to be a backup administrator, the last of five at most; for administrators.
#[operation(
    post "/api/v1/families/{id}/succession/backups", permission = "families:write",
    answers = "The plan as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "The member is a minor, an administrator or a backup, or there are as many as there may be",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn designate_backup(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<BackupInput>,
) -> Result<Json<PlanView>> {
    let user = text::some_line("user", &input.user, 64)?;
    Ok(Json(
        succession::designate(&id, &caller, &user).await?.into(),
    ))
}

/// Says that one would follow, having been asked to.
#[operation(
    post "/api/v1/families/{id}/succession/consent", permission = "families:write",
    answers = "The plan as it is now",
    refuses(
        not_found = "No family the caller belongs to, or the caller was not asked",
        conflict = "The caller is a minor, or an administrator",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn consent_to_succeed(
    caller: Caller,
    Path(id): Path<FamilyId>,
) -> Result<Json<PlanView>> {
    Ok(Json(succession::consent(&id, &caller).await?.into()))
}

/// Ends that somebody is a backup; for administrators, and for the backup.
#[operation(
    delete "/api/v1/families/{id}/succession/backups/{user}", permission = "families:write",
    answers = "The plan as it is now", parameters(user = "The user's id"),
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no backup",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn remove_backup(
    caller: Caller,
    Path((id, user)): Path<(FamilyId, String)>,
) -> Result<Json<PlanView>> {
    Ok(Json(succession::remove(&id, &caller, &user).await?.into()))
}

/// Sets in which order backups follow; for administrators.
#[operation(
    put "/api/v1/families/{id}/succession/order", permission = "families:write",
    answers = "The plan as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn order_backups(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<OrderInput>,
) -> Result<Json<PlanView>> {
    Ok(Json(
        succession::order(&id, &caller, &input.backups)
            .await?
            .into(),
    ))
}

/// Has the first backup be an administrator at once; for administrators.
#[operation(
    post "/api/v1/families/{id}/succession/hand-over", permission = "families:write",
    location = "The succession's address",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "No backup is there, or a succession is going on",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn hand_family_over(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<HandOverInput>,
) -> Result<Created<SuccessionView>> {
    let done = succession::hand_over(&id, &caller, input.steps_down).await?;
    created(done)
}

/// Reports that an administrator has died or cannot act; for members of age.
///
/// Administrators are told, and can object for as long as the plan says; if none does, a backup follows.
#[operation(
    post "/api/v1/families/{id}/successions", permission = "families:write",
    location = "The succession's address",
    refuses(
        forbidden = "The caller is a minor",
        not_found = "No family the caller belongs to",
        conflict = "No backup is there, one is going on, or the caller's last report was vetoed not long ago",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn report_administrator(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<ReportInput>,
) -> Result<Created<SuccessionView>> {
    let report = Report {
        reason: match input.reason {
            ReportReason::Death => Reason::Death,
            ReportReason::Incapacity => Reason::Incapacity,
        },
        administrator: text::some_line("administrator", &input.administrator, 64)?,
        statement: text::some_line("statement", &input.statement, MAX_STATEMENT)?,
    };
    created(succession::report(&id, &caller, &report).await?)
}

/// Lists the successions of a family the caller belongs to.
#[operation(
    get "/api/v1/families/{id}/successions", permission = "families:read",
    refuses(not_found = "No family the caller belongs to")
)]
pub(crate) async fn list_successions(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing,
) -> Result<Json<Page<SuccessionView>>> {
    let page = succession::list(&id, &caller, &listing).await?;
    Ok(Json(page.map(SuccessionView::from)))
}

/// Reads a succession.
#[operation(
    get "/api/v1/families/{id}/successions/{succession}", permission = "families:read",
    answers = "The succession", refuses(not_found = "No family the caller belongs to, or no succession of it")
)]
pub(crate) async fn get_succession(
    caller: Caller,
    Path((id, succession)): Path<(FamilyId, SuccessionId)>,
) -> Result<Json<SuccessionView>> {
    Ok(Json(
        succession::get(&id, &caller, &succession).await?.into(),
    ))
}

/// Objects to a succession; for administrators.
#[operation(
    post "/api/v1/families/{id}/successions/{succession}/veto", permission = "families:write",
    answers = "The succession as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no succession of it",
        conflict = "It is over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn veto_succession(
    caller: Caller,
    Path((id, succession)): Path<(FamilyId, SuccessionId)>,
) -> Result<Json<SuccessionView>> {
    Ok(Json(
        succession::veto(&id, &caller, &succession).await?.into(),
    ))
}

/// Takes back what one has reported.
#[operation(
    post "/api/v1/families/{id}/successions/{succession}/withdraw", permission = "families:write",
    answers = "The succession as it is now",
    refuses(
        forbidden = "Somebody else reported it",
        not_found = "No family the caller belongs to, or no succession of it",
        conflict = "It is over",
        overloaded = "Much is changed just now"
    )
)]
pub(crate) async fn withdraw_succession(
    caller: Caller,
    Path((id, succession)): Path<(FamilyId, SuccessionId)>,
) -> Result<Json<SuccessionView>> {
    Ok(Json(
        succession::withdraw(&id, &caller, &succession)
            .await?
            .into(),
    ))
}

fn created(succession: FamilySuccession) -> Result<Created<SuccessionView>> {
    let location = format!(
        "/api/v1/families/{}/successions/{}",
        succession.family_id, succession.id,
    );
    Created::at(&location, &succession.into())
}

impl From<FamilyPlan> for PlanView {
    fn from(of: FamilyPlan) -> Self {
        Self {
            family_id: of.family_id,
            inactive_days: of.plan.inactive_days,
            waiting_days: of.plan.waiting_days,
            steps_down: of.plan.steps_down,
            inactive_at: of.plan.inactive_at(),
            backups: of
                .plan
                .backups
                .into_iter()
                .map(|backup| BackupView {
                    user_id: backup.user,
                    consented_at: backup.consented_at,
                })
                .collect(),
            open: of.open,
        }
    }
}

impl From<FamilySuccession> for SuccessionView {
    fn from(of: FamilySuccession) -> Self {
        Self {
            id: of.id,
            family_id: of.family_id,
            reason: of.succession.reason,
            state: of.succession.state,
            administrator: of.administrator,
            statement: of.statement,
            begun_by: of.begun_by,
            begun_at: of.begun_at,
            until: of.succession.waiting.until,
            ended_by: of.ended_by,
            ended_at: of.ended_at,
            successor: of.successor,
        }
    }
}
