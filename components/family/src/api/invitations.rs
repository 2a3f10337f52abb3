//! `/api/v1/families/{id}/invitations`, and those received: `/api/v1/families/invitations`.

use super::families::FamilyView;
use crate::invitations::{Invitation, Terms};
use crate::kinship::Kinship;
use crate::model::FamilyId;
use crate::store;
use group::api::invitations::{self as asked, AnswerInput, ReceivedView, RefusalView, SentView};
use group::invitations::{InvitationFilter, InvitationId, InvitationSort};
use group::{answers, invitations};
use membership::invitee;
use sbd_sdk::paging::Page;
use sbd_sdk::{Caller, Created, Json, Listing, NoContent, Path, Result, Tagged, operation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// An invitation, as the family's administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FamilyInvitation)]
pub(crate) struct InvitationView {
    #[serde(flatten)]
    sent: SentView,
    /// What the inviter is to the invited.
    relationship: Option<Kinship>,
    /// What the invited is to the inviter.
    reciprocal: Option<Kinship>,
}

/// An invitation, as whoever is invited sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReceivedFamilyInvitation)]
pub(crate) struct ReceivedInvitationView {
    #[serde(flatten)]
    received: ReceivedView,
    #[schema(inline)]
    family_id: FamilyId,
    /// The family's name; none of a family that is not there any more.
    family_name: Option<String>,
    /// What the inviter is to the caller.
    relationship: Option<Kinship>,
    /// What the caller is to the inviter.
    reciprocal: Option<Kinship>,
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
    let invitation = invite(&id, &caller, &input).await?;
    let location = format!("/api/v1/families/{id}/invitations/{}", invitation.id);
    Created::at(&location, &InvitationView::from(invitation))
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
    asked::require_some(input.invitations.len())?;
    let mut results = Vec::new();
    for one in input.invitations {
        let done = match invite(&id, &caller, &one).await {
            // Of all of them.
            Err(error) if matches!(error.code(), "FORBIDDEN" | "NOT_FOUND") => return Err(error),
            done => done,
        };
        results.push(ResultView::new(one.to, done));
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
    let page = invitations::list(&id, &caller, &listing).await?;
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
    let invitation = invitations::get(&id, &caller, &invitation).await?;
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
) -> Result<Json<Page<ReceivedInvitationView>>> {
    let page = invitations::received(&caller, &listing).await?;
    let page = asked::with_names(page, ReceivedInvitationView::new).await?;
    Ok(Json(page))
}

/// Reads an invitation that the caller has received.
#[operation(
    get "/api/v1/families/invitations/{invitation}", permission = "families:read",
    answers = "The invitation", refuses(not_found = "No invitation of the caller's")
)]
pub(crate) async fn get_received_invitation(
    caller: Caller,
    Path(invitation): Path<InvitationId>,
) -> Result<Json<ReceivedInvitationView>> {
    let (invitation, name) = answers::get(&caller, &invitation, None).await?;
    Ok(Json(ReceivedInvitationView::new(invitation, Some(name))))
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
    let id = answers::accept(&caller, &invitation, input.token()?).await?;
    let (family, membership) = store::family(&id, &caller).await?;
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
    answers::decline::<FamilyId>(&caller, &invitation, input.token()?).await?;
    Ok(NoContent)
}

async fn invite(id: &FamilyId, caller: &Caller, input: &InvitationInput) -> Result<Invitation> {
    // Before what they are to each other: it is said first what is wrong first.
    invitee::check(&input.to)?;
    let terms = Terms::check(input.relationship, input.reciprocal)?;
    invitations::invite(id, caller, &input.to, Some(&terms)).await
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let kinship = invitation.terms.kinship;
        Self {
            sent: SentView::from(&invitation),
            relationship: kinship.map(|[inviter, _]| inviter),
            reciprocal: kinship.map(|[_, invited]| invited),
        }
    }
}

impl ResultView {
    fn new(to: String, done: Result<Invitation>) -> Self {
        let (invitation, refusal) = match done {
            Ok(invitation) => (Some(invitation.into()), None),
            Err(error) => (None, Some(error.into())),
        };
        Self {
            to,
            invitation,
            refusal,
        }
    }
}

impl ReceivedInvitationView {
    fn new(invitation: Invitation, family_name: Option<String>) -> Self {
        let kinship = invitation.terms.kinship;
        Self {
            received: ReceivedView::from(&invitation),
            family_id: invitation.group().clone(),
            family_name,
            relationship: kinship.map(|[inviter, _]| inviter),
            reciprocal: kinship.map(|[_, invited]| invited),
        }
    }
}
