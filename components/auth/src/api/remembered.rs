//! Devices on which the caller takes the second step once a month.

use crate::remembered::{self, DeviceId, DeviceSort, Remembered};
use sbd_sdk::documents::Transaction;
use sbd_sdk::paging::Page;
use sbd_sdk::time::Time;
use sbd_sdk::{Caller, Json, Listing, NoContent, Path, Result, operation};
use serde::Serialize;
use utoipa::ToSchema;

/// A device that is remembered, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RememberedDevice)]
pub(crate) struct RememberedView {
    #[schema(inline)]
    id: DeviceId,
    /// The program, as it called itself.
    user_agent: Option<String>,
    /// The address that it came from.
    address: Option<String>,
    /// Since when.
    created_at: Time,
    /// When somebody last signed in there without the second step.
    last_used_at: Time,
    /// Until when.
    expires_at: Time,
}

/// Lists the devices on which the caller's second step is remembered.
#[operation(get "/api/v1/auth/me/remembered-devices", permission = "account:second-factor")]
pub(crate) async fn list_remembered_devices(
    caller: Caller,
    listing: Listing<DeviceSort>,
) -> Result<Json<Page<RememberedView>>> {
    let page = remembered::list(&caller.user, &listing).await?;
    Ok(Json(page.map(RememberedView::from)))
}

/// Forgets a device: the next sign-in there takes the second step.
#[operation(
    delete "/api/v1/auth/me/remembered-devices/{id}", permission = "account:second-factor",
    answers = "Forgotten", refuses(not_found = "No device of the caller")
)]
pub(crate) async fn forget_remembered_device(
    caller: Caller,
    Path(id): Path<DeviceId>,
) -> Result<NoContent> {
    remembered::forget(&caller.user, &id).await?;
    Ok(NoContent)
}

/// Forgets all devices of the caller.
#[operation(
    delete "/api/v1/auth/me/remembered-devices", permission = "account:second-factor",
    answers = "Forgotten"
)]
pub(crate) async fn forget_remembered_devices(caller: Caller) -> Result<NoContent> {
    let change = remembered::forget_all(Transaction::new(), &caller.user);
    change.commit().await?;
    Ok(NoContent)
}

impl From<Remembered> for RememberedView {
    fn from(remembered: Remembered) -> Self {
        Self {
            id: remembered.id,
            user_agent: remembered.device.user_agent,
            address: remembered.device.address,
            created_at: remembered.created_at,
            last_used_at: remembered.last_used_at,
            expires_at: remembered.expires_at,
        }
    }
}
