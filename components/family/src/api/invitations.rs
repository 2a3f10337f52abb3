//! `/api/v1/families/{id}/invitations`, and those received: `/api/v1/families/invitations`.

use super::families::FamilyView;
use crate::answers;
use crate::invitations::{self, Invitation, InvitationFilter, InvitationId, InvitationSort, Wish};
use crate::kinship::Kinship;
use crate::model::FamilyId;
use crate::store::FAMILIES;
use membership::invitation::State;
use sbd_sdk::paging::Page;
use sbd_sdk::time::{self, Time};
use sbd_sdk::{Caller, Created, Error, Json, Listing, NoContent, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use utoipa::ToSchema;

/// How many are invited at once at most.
const BULK: usize = 50;

/// Who is to be invited.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyInvitationInput)]
pub(crate) struct InvitationInput {
    /// A username, or an e-mail address.
    #[schema(min_length = 3, max_length = 254, example = "ada@example.org")]
    to: String,
    /// What the caller is to them: `parent`, if they are the child.
    #[serde(default)]
    relationship: Option<Kinship>,
    /// What they are to the caller, where that is not clear: an uncle has nephews and nieces.
    #[serde(default)]
    reciprocal: Option<Kinship>,
}

/// Who are to be invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyInvitationsInput)]
pub(crate) struct InvitationsInput {
    /// At most 50.
    invitations: Vec<InvitationInput>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyInvitationResults)]
pub(crate) struct ResultsView {
    /// In the order in which they came.
    results: Vec<ResultView>,
}

/// What became of one: an invitation, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyInvitationResult)]
pub(crate) struct ResultView {
    to: String,
    invitation: Option<InvitationView>,
    refusal: Option<RefusalView>,
}

/// Why somebody is not invited.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyInvitationRefusal)]
pub(crate) struct RefusalView {
    code: String,
    message: String,
}

/// An invitation, as the family's administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyInvitation)]
pub(crate) struct InvitationView {
    #[schema(inline)]
    id: InvitationId,
    /// Whom it is for, as whoever invited wrote it.
    to: String,
    /// The user who invited.
    invited_by: String,
    /// What the inviter is to the invited.
    relationship: Option<Kinship>,
    /// What the invited is to the inviter.
    reciprocal: Option<Kinship>,
    state: State,
    /// How often it was sent.
    sent: u32,
    /// The user who has answered.
    answered_by: Option<String>,
    /// When it was made.
    created_at: Time,
    /// Until when it can be accepted.
    expires_at: Time,
}

/// An invitation, as whoever is invited sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReceivedFamilyInvitation)]
pub(crate) struct ReceivedView {
    #[schema(inline)]
    id: InvitationId,
    #[schema(inline)]
    family_id: FamilyId,
    /// The family's name; none of a family that is not there any more.
    family_name: Option<String>,
    /// The user who invites.
    invited_by: String,
    /// That user's name.
    inviter_name: String,
    /// What the inviter is to the caller.
    relationship: Option<Kinship>,
    /// What the caller is to the inviter.
    reciprocal: Option<Kinship>,
    state: State,
    /// When it was made.
    created_at: Time,
    /// Until when it can be accepted.
    expires_at: Time,
}

/// How an invitation that came by mail is answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FamilyInvitationAnswer)]
pub(crate) struct AnswerInput {
    /// What stands after the dot in the mail's link or code; of use once. None where the invitation is in the
    /// caller's inbox.
    #[serde(default)]
    #[schema(max_length = 100)]
    token: Option<String>,
}

/// Invites somebody into a family; for its administrators.
///
/// The answer is the same whether there is such an account or not. A user finds the invitation in their inbox;
/// to an address that belongs to no account a mail is sent. It can be accepted for 7 days.
#[operation(
    post "/api/v1/families/{id}/invitations", permission = "families:write",
    location = "The invitation's address",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to",
        conflict = "They are members or invited already, have declined within 24 hours, or there is no room",
        rate_limited = "The caller has invited as many as they may within a day"
    )
)]
pub(crate) async fn invite_to_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<InvitationInput>,
) -> Result<Created<InvitationView>> {
    let invitation = invitations::invite(&id, &caller, &input.check()?).await?;
    let location = format!("/api/v1/families/{id}/invitations/{}", invitation.id);
    Created::at(&location, &invitation.into())
}

/// Invites up to 50 people into a family, each for itself; for its administrators.
#[operation(
    post "/api/v1/families/{id}/invitations/bulk", permission = "families:write",
    answers = "What became of each",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn invite_many_to_family(
    caller: Caller,
    Path(id): Path<FamilyId>,
    Json(input): Json<InvitationsInput>,
) -> Result<Json<ResultsView>> {
    if input.invitations.is_empty() || input.invitations.len() > BULK {
        let message = format!("1 to {BULK} at once");
        return Err(Error::validation("invitations", message));
    }
    let mut results = Vec::new();
    for one in input.invitations {
        let done = match one.check() {
            Ok(wish) => invitations::invite(&id, &caller, &wish).await,
            Err(error) => Err(error),
        };
        results.push(match done {
            Ok(invitation) => ResultView {
                to: one.to,
                invitation: Some(invitation.into()),
                refusal: None,
            },
            // Of all of them.
            Err(error) if matches!(error.code(), "FORBIDDEN" | "NOT_FOUND") => return Err(error),
            Err(error) => ResultView {
                to: one.to,
                invitation: None,
                refusal: Some(error.into()),
            },
        });
    }
    Ok(Json(ResultsView { results }))
}

/// Lists the invitations into a family, the newest first; for its administrators.
#[operation(
    get "/api/v1/families/{id}/invitations", permission = "families:read",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to"
    )
)]
pub(crate) async fn list_family_invitations(
    caller: Caller,
    Path(id): Path<FamilyId>,
    listing: Listing<InvitationSort, InvitationFilter>,
) -> Result<Json<Page<InvitationView>>> {
    let page = invitations::sent_by_family(&id, &caller, &listing).await?;
    Ok(Json(page.map(InvitationView::from)))
}

/// Reads an invitation into a family; for its administrators.
#[operation(
    get "/api/v1/families/{id}/invitations/{invitation}", permission = "families:read",
    answers = "The invitation",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no invitation of it"
    )
)]
pub(crate) async fn get_family_invitation(
    caller: Caller,
    Path((id, invitation)): Path<(FamilyId, InvitationId)>,
) -> Result<Json<InvitationView>> {
    let invitation = invitations::of_family(&id, &caller, &invitation).await?;
    Ok(Json(invitation.into()))
}

/// Takes an invitation back; for the family's administrators.
#[operation(
    delete "/api/v1/families/{id}/invitations/{invitation}", permission = "families:write",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no invitation of it",
        conflict = "It was answered already"
    )
)]
pub(crate) async fn cancel_family_invitation(
    caller: Caller,
    Path((id, invitation)): Path<(FamilyId, InvitationId)>,
) -> Result<NoContent> {
    invitations::cancel(&id, &caller, &invitation).await?;
    Ok(NoContent)
}

/// Sends an invitation again, which can be accepted for 7 days from then; for the family's administrators.
#[operation(
    post "/api/v1/families/{id}/invitations/{invitation}/resend", permission = "families:write",
    answers = "The invitation as it is now",
    refuses(
        forbidden = "The caller is no administrator of it",
        not_found = "No family the caller belongs to, or no invitation of it",
        conflict = "It was answered, sent within the last ten minutes, or sent five times"
    )
)]
pub(crate) async fn resend_family_invitation(
    caller: Caller,
    Path((id, invitation)): Path<(FamilyId, InvitationId)>,
) -> Result<Json<InvitationView>> {
    let invitation = invitations::resend(&id, &caller, &invitation).await?;
    Ok(Json(invitation.into()))
}

/// Lists the invitations into families that the caller has received, the newest first.
#[operation(get "/api/v1/families/invitations", permission = "families:read")]
pub(crate) async fn list_received_invitations(
    caller: Caller,
    listing: Listing<InvitationSort, InvitationFilter>,
) -> Result<Json<Page<ReceivedView>>> {
    let page = invitations::received(&caller, &listing).await?;
    let ids: Vec<_> = page
        .items
        .iter()
        .map(|invitation| &invitation.family_id)
        .collect();
    let families = FAMILIES
        .find(json!({"_id": {"$in": ids}}))
        .limit(listing.paging().limit());
    let families = families.fetch().await?.documents;
    let names: HashMap<_, _> = families
        .into_iter()
        .map(|family| (family.id, family.name))
        .collect();
    Ok(Json(page.map(|invitation| {
        let name = names.get(&invitation.family_id).cloned();
        ReceivedView::new(invitation, name)
    })))
}

/// Reads an invitation that the caller has received.
#[operation(
    get "/api/v1/families/invitations/{invitation}", permission = "families:read",
    answers = "The invitation", refuses(not_found = "No invitation of the caller's")
)]
pub(crate) async fn get_received_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
) -> Result<Json<ReceivedView>> {
    let (invitation, family) = answers::get(&caller, &invitation, None).await?;
    Ok(Json(ReceivedView::new(invitation, Some(family.name))))
}

/// Accepts an invitation; the caller belongs to the family then.
#[operation(
    post "/api/v1/families/invitations/{invitation}/acceptance", permission = "families:write",
    answers = "The family",
    refuses(
        not_found = "No invitation of the caller's, or another token",
        conflict = "It has expired or ended, or there is no room for another family or member"
    )
)]
pub(crate) async fn accept_family_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
    Json(input): Json<AnswerInput>,
) -> Result<Tagged<FamilyView>> {
    let token = input.check()?;
    let (family, membership) = answers::accept(&caller, &invitation, token).await?;
    Ok(FamilyView::tagged(&family, &membership))
}

/// Declines an invitation; whoever invited is told, and cannot ask again for 24 hours.
#[operation(
    post "/api/v1/families/invitations/{invitation}/decline", permission = "families:write",
    refuses(
        not_found = "No invitation of the caller's, or another token",
        conflict = "It was answered otherwise, or taken back"
    )
)]
pub(crate) async fn decline_family_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
    Json(input): Json<AnswerInput>,
) -> Result<NoContent> {
    answers::decline(&caller, &invitation, input.check()?).await?;
    Ok(NoContent)
}

impl InvitationInput {
    fn check(&self) -> Result<Wish> {
        Wish::check(&self.to, self.relationship, self.reciprocal)
    }
}

impl AnswerInput {
    fn check(&self) -> Result<Option<&str>> {
        match &self.token {
            Some(token) if token.chars().count() > 100 => {
                Err(Error::validation("token", "at most 100 characters"))
            }
            token => Ok(token.as_deref()),
        }
    }
}

impl From<Error> for RefusalView {
    fn from(error: Error) -> Self {
        let detail = error.details().first();
        Self {
            code: error.code().to_owned(),
            message: match detail {
                Some(detail) => format!("{}: {}", detail.field, detail.message),
                None => error.message().to_owned(),
            },
        }
    }
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            state: invitation.progress.now(time::now()),
            id: invitation.id,
            to: invitation.to,
            invited_by: invitation.invited_by,
            relationship: invitation.kinship.map(|[inviter, _]| inviter),
            reciprocal: invitation.kinship.map(|[_, invited]| invited),
            sent: invitation.progress.sent,
            answered_by: invitation.answered_by,
            created_at: invitation.created_at,
            expires_at: invitation.progress.expires_at,
        }
    }
}

impl ReceivedView {
    fn new(invitation: Invitation, family_name: Option<String>) -> Self {
        Self {
            state: invitation.progress.now(time::now()),
            id: invitation.id,
            family_id: invitation.family_id,
            family_name,
            invited_by: invitation.invited_by,
            inviter_name: invitation.inviter_name,
            relationship: invitation.kinship.map(|[inviter, _]| inviter),
            reciprocal: invitation.kinship.map(|[_, invited]| invited),
            created_at: invitation.created_at,
            expires_at: invitation.progress.expires_at,
        }
    }
}
