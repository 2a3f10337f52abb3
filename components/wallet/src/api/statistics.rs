//! `/api/v1/wallet/accounts/{id}/statistics`.

use crate::accounts;
use crate::statistics::{self, Statistics, Wanted};
use sbd_sdk::{By, Json, Path, Query, Result, operation};

/// Sums up what went to and from an account; administrators see every one.
#[operation(
    get "/api/v1/wallet/accounts/{id}/statistics", permission = "wallet:read", answers = "The sums",
    parameters(id = "The owner's id"), refuses(not_found = "No account of the caller")
)]
pub(crate) async fn get_wallet_statistics(
    By(by): By,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Statistics>> {
    let account = accounts::get(&by, &id).await?;
    statistics::of(&account.id, wanted).await.map(Json)
}
