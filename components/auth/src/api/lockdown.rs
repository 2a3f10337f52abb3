//! From where the caller's account is used, and who is let in all the same.

use crate::lockdown::attempts::{self, LetIn};
use crate::lockdown::passes::{self, Pass, PassId, PassSort};
use crate::lockdown::{self, Bounds, Program, change};
use crate::model::Device;
use crate::place::Place;
use crate::sessions::Revoked;
use crate::users;
use http::HeaderMap;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{By, Caller, Created, Json, Listing, NoContent, NoStore, Path, Result, operation};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// From where the caller's account is to be used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockdownInput {
    /// From these networks alone: 1 to 50 addresses or ranges. From any, where nothing is said.
    #[serde(default)]
    #[schema(example = json!(["192.0.2.0/24", "2001:db8::/32"]))]
    networks: Option<Vec<String>>,
    /// With these programs alone: 1 to 20, by what they call themselves. With any, where nothing is said.
    #[serde(default)]
    #[schema(example = json!([{"text": "Firefox/", "exact": false}]))]
    programs: Option<Vec<Program>>,
    /// Whether it may leave out where the caller is now.
    #[serde(default)]
    even_if_locked_out: bool,
}

/// A place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceView {
    /// The address, as far as it is known.
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    address: Option<IpAddr>,
    /// The program, as it calls itself.
    user_agent: Option<String>,
}

/// What an account is bound to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bounds)]
pub(crate) struct BoundsView {
    /// From these networks alone; from any, where there are none.
    networks: Option<Vec<String>>,
    /// With these programs alone; with any, where there are none.
    programs: Option<Vec<Program>>,
}

/// What waits for a mail to be answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingBounds {
    #[serde(flatten)]
    bounds: BoundsView,
    /// Until when.
    expires_at: Time,
}

/// From where the caller's account is used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lockdown)]
pub(crate) struct LockdownView {
    #[serde(flatten)]
    bounds: BoundsView,
    /// Since when; never, where the account is bound to nothing.
    since: Option<Time>,
    /// What counts once the caller has confirmed it by the mail that was sent.
    waiting: Option<WaitingBounds>,
    /// Where the caller is now.
    here: PlaceView,
}

/// That somebody reads what was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockdownConfirmation {
    /// The code that was mailed.
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    token: String,
}

/// Which place is let in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowedPlace {
    /// The code that was mailed of it.
    #[schema(example = "mt_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    token: String,
    /// Whether it is let in from now on; otherwise for 15 minutes.
    #[serde(default)]
    always: bool,
}

/// A pass that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPass {
    /// How long it is good.
    #[schema(minimum = 1, maximum = 72, example = 24)]
    hours: u32,
}

/// What leads around a lockdown for a time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pass)]
pub(crate) struct PassView {
    #[schema(inline)]
    id: PassId,
    /// For where it is, if it was let in by mail; otherwise for anywhere, to who shows it.
    place: Option<PlaceView>,
    /// When it was made.
    created_at: Time,
    /// Until when it is good.
    expires_at: Time,
}

/// A pass that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadePass {
    #[serde(flatten)]
    made: PassView,
    /// What is shown when signing in, which is not told again.
    #[schema(example = "lp_4qQ6DKXx2FoMqK0YxoJa8RZ25-618xiDRMAbi0INIvY")]
    pass: String,
}

/// Whether a user is bound to places, as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserLockdown {
    /// Whether to networks.
    networks: bool,
    /// Whether to programs.
    programs: bool,
    /// Since when.
    since: Option<Time>,
}

/// Reads from where the caller's account is used.
#[operation(get "/api/v1/auth/me/lockdown", permission = "account:lockdown", answers = "From where")]
pub(crate) async fn get_lockdown(caller: Caller, headers: HeaderMap) -> Result<Json<LockdownView>> {
    view(&caller, Place::of(&Device::of(&headers)))
        .await
        .map(Json)
}

/// Says from where the caller's account is used: from anywhere else nobody signs in, and no token counts.
///
/// What leaves the account more room counts at once. What binds it, or takes a network or a program away, counts once
/// it is confirmed by the mail that is sent (`waiting`), and ends all other sessions then. Permanent tokens and programs
/// that the caller let act for them are bound as well.
#[operation(
    put "/api/v1/auth/me/lockdown", permission = "account:lockdown", answers = "From where",
    refuses(
        forbidden = "The caller is a program, or has to show once more who they are",
        conflict = "The account's address is not verified, or it was changed at the same time",
        rate_limited = "Too many mails; see `Retry-After`"
    )
)]
pub(crate) async fn set_lockdown(
    caller: Caller,
    headers: HeaderMap,
    Json(input): Json<LockdownInput>,
) -> Result<Json<LockdownView>> {
    let here = Place::of(&Device::of(&headers));
    let bounds = Bounds::new(input.networks, input.programs)?;
    change::set(&caller, &bounds, &here, input.even_if_locked_out).await?;
    view(&caller, here).await.map(Json)
}

/// Confirms what an account is bound to with the code that was mailed, once. All other sessions end.
#[operation(
    post "/api/v1/auth/lockdown-confirmations", answers = "It counts",
    refuses(
        token_invalid = "The code is not known, was used, or has run out",
        conflict = "It was changed at the same time"
    )
)]
pub(crate) async fn confirm_lockdown(
    Json(input): Json<LockdownConfirmation>,
) -> Result<(Revoked<String>, NoContent)> {
    let bound = change::confirm(&input.token).await?;
    Ok((Revoked(bound.told), NoContent))
}

/// Lets in a place that was refused, with the code that was mailed of it, once: for 15 minutes, or from now on.
#[operation(
    post "/api/v1/auth/allowed-places", answers = "Let in",
    refuses(
        token_invalid = "The code is not known, was used, or has run out",
        conflict = "The list is full, or it was changed at the same time"
    )
)]
pub(crate) async fn allow_place(Json(input): Json<AllowedPlace>) -> Result<NoContent> {
    let how = if input.always {
        LetIn::Always
    } else {
        LetIn::Once
    };
    attempts::let_in(&input.token, how).await?;
    Ok(NoContent)
}

/// Makes a pass, by which the caller signs in from anywhere as long as it is good.
///
/// Shown when signing in (`pass`), as often as it takes in its time: on a journey there is more than one device. It is
/// no sign-in by itself; all else that signing in takes is shown as well. Each session that begins so counts from
/// anywhere until the pass runs out or is taken back.
#[operation(
    post "/api/v1/auth/me/lockdown/passes", permission = "account:lockdown",
    answers = "Made; the pass is in this answer and nowhere else", location = "The caller's passes",
    refuses(
        forbidden = "The caller is a program, or has to show once more who they are",
        conflict = "The account is bound to nothing, or there are as many as there may be"
    )
)]
pub(crate) async fn make_lockdown_pass(
    caller: Caller,
    Json(new): Json<NewPass>,
) -> Result<(NoStore, Created<MadePass>)> {
    let (made, pass) = passes::make(&caller, new.hours).await?;
    let made = MadePass {
        made: made.into(),
        pass,
    };
    Ok((
        NoStore,
        Created::at("/api/v1/auth/me/lockdown/passes", &made)?,
    ))
}

/// Lists what leads around the caller's lockdown just now: passes, and places that were let in for a while.
#[operation(get "/api/v1/auth/me/lockdown/passes", permission = "account:lockdown")]
pub(crate) async fn list_lockdown_passes(
    caller: Caller,
    listing: Listing<PassSort>,
) -> Result<Json<Page<PassView>>> {
    let page = passes::list(&caller.user, &listing).await?;
    Ok(Json(page.map(PassView::from)))
}

/// Takes a pass back: whoever was let in by it is so no more.
#[operation(
    delete "/api/v1/auth/me/lockdown/passes/{id}", permission = "account:lockdown",
    answers = "Taken back", refuses(not_found = "No pass of the caller")
)]
pub(crate) async fn end_lockdown_pass(
    caller: Caller,
    Path(id): Path<PassId>,
) -> Result<(Revoked<String>, NoContent)> {
    let told = passes::take_back(&caller.user, &id).await?;
    Ok((Revoked(told), NoContent))
}

/// Reads whether a user's account is bound to places.
#[operation(
    get "/api/v1/auth/users/{id}/lockdown", permission = "admin:users:read",
    answers = "Whether it is", parameters(id = "The user's id"),
    refuses(not_found = "No such user")
)]
pub(crate) async fn get_user_lockdown(_: By, Path(id): Path<String>) -> Result<Json<UserLockdown>> {
    let user = users::get(&id).await?;
    let lockdown = lockdown::of(&user.id).await?;
    let bounds = lockdown.as_ref().map(|lockdown| &lockdown.bounds);
    Ok(Json(UserLockdown {
        networks: bounds.is_some_and(|bounds| bounds.networks.is_some()),
        programs: bounds.is_some_and(|bounds| bounds.programs.is_some()),
        since: lockdown.as_ref().map(|lockdown| lockdown.since),
    }))
}

async fn view(caller: &Caller, here: Place) -> Result<LockdownView> {
    let lockdown = lockdown::of(&caller.user).await?;
    let waiting = change::waiting(&caller.user).await?;
    Ok(LockdownView {
        since: lockdown.as_ref().map(|lockdown| lockdown.since),
        bounds: lockdown
            .map(|lockdown| lockdown.bounds)
            .unwrap_or_default()
            .into(),
        waiting: waiting.map(|waiting| WaitingBounds {
            bounds: waiting.bounds.into(),
            expires_at: waiting.expires_at,
        }),
        here: here.into(),
    })
}

impl From<Bounds> for BoundsView {
    fn from(bounds: Bounds) -> Self {
        Self {
            networks: bounds.networks.as_ref().map(|networks| networks.texts()),
            programs: bounds.programs,
        }
    }
}

impl From<Place> for PlaceView {
    fn from(place: Place) -> Self {
        Self {
            address: place.address,
            user_agent: place.user_agent,
        }
    }
}

impl From<Pass> for PassView {
    fn from(pass: Pass) -> Self {
        Self {
            id: pass.id,
            place: pass.place.map(PlaceView::from),
            created_at: pass.created_at,
            expires_at: pass.expires_at,
        }
    }
}
